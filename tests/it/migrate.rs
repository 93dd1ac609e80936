//! Migrations: each once, whoever runs them, and never one that was changed.

use crate::support::Scene;
use crate::support::source::READINGS;

const APPLIED: &str =
    "select count(*), count(distinct migration_file) from migration_log where status = 'applied'";

#[test]
fn runners_at_once_apply_each_migration_once() {
    let scene = Scene::new(READINGS);
    let up = || scene.millstream(&["migrate", "up", "--set", "orders"]);
    let mut runs: Vec<_> = (0..4).map(|_| up().start()).collect();
    for run in &mut runs {
        let ended = run.wait(std::time::Duration::from_secs(60));
        assert!(ended.success(), "{}", run.log());
    }
    assert_eq!(scene.database.rows(APPLIED), [["4", "4"]]);
    assert!(up().ends(0).err.contains("nothing to do"));
}

// A race until the lock of a run outlives its copy (pipeline/backfill.rs, `drop(control)`).
#[test]
fn a_first_load_by_two_at_once_makes_one_ledger() {
    let scene = Scene::new(READINGS);
    crate::support::source::readings(&scene.path("source.db"), 1_000);
    let mut runs: Vec<_> = (0..2).map(|_| scene.backfill().start()).collect();
    let limit = std::time::Duration::from_secs(60);
    let codes: Vec<_> = runs.iter_mut().map(|run| (run.wait(limit).code(), run.log())).collect();
    // The second one waits, and finds all of it done, or says who is at work.
    assert!(codes.iter().any(|(code, _)| *code == Some(0)), "{codes:?}");
    assert!(codes.iter().all(|(code, _)| matches!(code, Some(0 | 5))), "{codes:?}");
    super::exactly_once::nothing_lost_nothing_double(&scene, 1_000);
}

#[test]
fn a_migration_that_was_changed_after_it_was_applied_stops_the_runner() {
    let scene = Scene::new(READINGS);
    let up = || scene.millstream(&["migrate", "up", "--set", "orders"]);
    up().ends(0);
    scene.database.run(
        "update migration_log set checksum = repeat('0', 64) where migration_file like '002%'; \
         update migration_log set status = 'failed' where migration_file like '004%'",
    );
    let before = scene.database.digest();
    let run = up().ends(2);
    assert!(run.err.contains("002_indexes.sql was changed after it was applied"), "{}", run.err);
    // Not even the pending one is applied.
    scene.database.is_still(&before, "the runner");
    let status = scene.millstream(&["migrate", "status", "--set", "orders"]).json(0);
    let states: Vec<_> = status["migrations"].as_array().unwrap().iter().collect();
    let states: Vec<&str> = states.iter().map(|row| row["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["applied", "changed", "applied", "failed"]);
}

#[test]
fn a_migration_that_fails_leaves_nothing_behind_and_can_be_run_again() {
    let scene = Scene::new(READINGS);
    scene.database.run("create table machines (id int)");
    let up = || scene.millstream(&["migrate", "up", "--set", "orders"]);
    let run = up().ends(1);
    assert!(
        run.err.contains("001_tables.sql: relation \"machines\" already exists (42P07)"),
        "{}",
        run.err
    );
    let tables = "select count(*) from pg_tables where schemaname = 'public'";
    assert_eq!(scene.database.number(tables), 2, "machines and the log");
    scene.database.run("drop table machines");
    up().ends(0);
    assert_eq!(scene.database.rows(APPLIED), [["4", "4"]]);
}

#[test]
fn an_unknown_set_is_named_with_those_there_are() {
    let scene = Scene::new(READINGS);
    let run = scene.millstream(&["migrate", "up", "--set", "order"]).ends(2);
    assert!(run.err.contains("`order`") && run.err.contains("orders"), "{}", run.err);
}
