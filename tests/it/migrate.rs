//! Migrations: each once, whoever runs them, and never one that was changed.

use std::time::Duration;

use super::proxy::{Loss, Proxy};
use crate::support::server::Server;
use crate::support::source::READINGS;
use crate::support::tool::Tool;
use crate::support::{Database, Scene, wait_for};

const APPLIED: &str =
    "select count(*), count(distinct migration_file) from migration_log where status = 'applied'";

#[test]
fn runners_at_once_apply_each_migration_once() {
    let scene = Scene::new(READINGS);
    let up = || scene.millstream(&["migrate", "up", "--set", "orders"]);
    let mut runs: Vec<_> = (0..4).map(|_| up().start()).collect();
    for run in &mut runs {
        let ended = run.wait(Duration::from_secs(60));
        assert!(ended.success(), "{}", run.log());
    }
    assert_eq!(scene.database.rows(APPLIED), [["4", "4"]]);
    assert!(up().ends(0).err.contains("nothing to do"));
    // One that would rather not wait leaves while another is at work.
    let other = scene.millstream(&["migrate", "up", "--dir", "slow", "--set", "slow"]);
    std::fs::create_dir(scene.path("slow")).unwrap();
    scene.write("slow/001_slow.sql", "select pg_sleep(60);");
    let mut other = other.start();
    let locked = "select count(*) from pg_stat_activity where query like 'select pg_sleep%'";
    wait_for("the other runner", Duration::from_secs(20), || {
        (scene.database.number(locked) == 1).then_some(())
    });
    let run = up().arg("--wait").arg("0").ends(5);
    assert!(run.err.contains("another migration runner"), "{}", run.err);
    other.kill();
}

// A race until the lock of a run outlives its copy (pipeline/backfill.rs, `drop(control)`).
#[test]
fn a_first_load_by_two_at_once_makes_one_ledger() {
    let scene = Scene::new(READINGS);
    crate::support::source::readings(&scene.path("source.db"), 1_000);
    let mut runs: Vec<_> = (0..2).map(|_| scene.backfill().start()).collect();
    let limit = Duration::from_secs(60);
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
    let verify = scene.millstream(&["migrate", "verify", "--set", "orders"]).ends(4);
    assert!(verify.out.contains("002_indexes.sql was changed"), "{}", verify.out);
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
        run.err.contains("001_tables.sql: line ")
            && run.err.contains("\"machines\" already exists (42P07)"),
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

/// A set of the test's own, in the folder `mine`.
fn set(scene: &Scene, files: &[(&str, &str)]) {
    std::fs::create_dir_all(scene.path("mine")).unwrap();
    files.iter().for_each(|(name, sql)| scene.write(&format!("mine/{name}"), sql));
}

fn up(scene: &Scene) -> Tool {
    scene.millstream(&["migrate", "up", "--dir", "mine", "--set", "mine"])
}

fn states(scene: &Scene) -> Vec<String> {
    let status = scene.millstream(&["migrate", "status", "--dir", "mine", "--set", "mine"]).json(0);
    let rows = status["migrations"].as_array().unwrap();
    rows.iter().map(|row| row["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_connection_lost_in_the_middle_leaves_all_or_nothing() {
    let scene = Scene::new(READINGS);
    set(&scene, &[("001_a.sql", "create table a (); select pg_sleep(60);")]);
    let mut run = up(&scene).start();
    let end = "select coalesce(bool_or(pg_terminate_backend(pid)), false) from pg_stat_activity \
               where query like 'select pg_sleep%' and datname = current_database()";
    wait_for("the statement", Duration::from_secs(20), || {
        (scene.database.text(end) == "t").then_some(())
    });
    assert_eq!(run.wait(Duration::from_secs(20)).code(), Some(1));
    assert!(run.log().contains("001_a.sql: line 1: "), "{}", run.log());
    assert_eq!(states(&scene), ["failed"]);
    assert_eq!(scene.database.number("select count(*) from pg_tables where tablename = 'a'"), 0);
    set(&scene, &[("001_a.sql", "create table a ();")]);
    // The commit arrives and its answer does not; or neither does.
    for (loss, tables) in [(Loss::Commit, 0), (Loss::Reply, 1)] {
        let proxy = Proxy::before(&scene.database);
        proxy.lose_any(loss);
        let lost = up(&scene).env("DATABASE_URL", &proxy.url(&scene.database)).ends(1);
        assert!(proxy.lost() && lost.err.contains("the same command goes on"), "{}", lost.err);
        let sql = "select count(*) from pg_tables where tablename = 'a'";
        assert_eq!(scene.database.number(sql), tables, "{loss:?}");
    }
    assert!(up(&scene).ends(0).err.contains("nothing to do"));
    assert_eq!(states(&scene), ["applied"]);
}

#[test]
fn what_runs_outside_a_transaction_can_be_dirty_and_a_person_says_what_became_of_it() {
    let scene = Scene::new(READINGS);
    let bad = "-- no transaction\ncreate table a ();\ncreate table b ();\nselect 1 / 0;\n";
    set(&scene, &[("001_a.sql", bad), ("002_b.sql", "create table c ();")]);
    let run = up(&scene).ends(1);
    assert!(run.err.contains("001_a.sql: line 4: division by zero (22012)"), "{}", run.err);
    assert_eq!(states(&scene), ["dirty", "pending"]);
    let run = up(&scene).ends(2);
    assert!(run.err.contains("migrate resolve --set mine --file 001_a.sql"), "{}", run.err);
    let resolve = |outcome: &str| {
        let words = ["migrate", "resolve", "--dir", "mine", "--set", "mine", "--file", "001_a.sql"];
        scene.millstream(&words).arg("--as").arg(outcome)
    };
    resolve("pending").ends(0);
    scene.database.run("drop table a, b");
    let fixed =
        "-- no transaction\ncreate table a ();\ncreate index concurrently on pg_temp.t (x);\n";
    set(&scene, &[("001_a.sql", fixed)]);
    up(&scene).ends(1);
    let log = "select error_message from migration_log where status = 'failed' \
               order by id desc limit 1";
    assert!(scene.database.text(log).contains("line 3"), "{}", scene.database.text(log));
    resolve("applied").ends(0);
    assert!(resolve("applied").ends(2).err.contains("is applied"), "resolved twice");
    up(&scene).ends(0);
    assert_eq!(states(&scene), ["applied", "applied"]);
    // Really outside: this one cannot run in a transaction.
    set(
        &scene,
        &[("003_c.sql", "-- no transaction\nvacuum a;\ncreate index concurrently i on c ((1));")],
    );
    up(&scene).ends(0);
}

#[test]
fn a_runner_that_dies_outside_a_transaction_leaves_a_dirty_mark() {
    let scene = Scene::new(READINGS);
    set(&scene, &[("001_a.sql", "-- no transaction\ncreate table a ();\ncreate table b ();")]);
    assert!(up(&scene).env("MILLSTREAM_FAILPOINT", "migration_statement:2").run().was_killed());
    assert_eq!(states(&scene), ["dirty"]);
    let run = up(&scene).ends(2);
    assert!(run.err.contains("its runner died after statement 1 of 2"), "{}", run.err);
}

#[test]
fn files_out_of_order_and_files_that_are_gone_are_named() {
    let scene = Scene::new(READINGS);
    set(&scene, &[("001_a.sql", "create table a ();"), ("002_b.sql", "create table b ();")]);
    up(&scene).ends(0);
    scene.database.run("delete from migration_log where migration_file = '001_a.sql'");
    let run = up(&scene).ends(2);
    assert!(run.err.contains("001_a.sql is not applied while 002_b.sql"), "{}", run.err);
    std::fs::rename(scene.path("mine/002_b.sql"), scene.path("mine/003_b.sql")).unwrap();
    let run = up(&scene).ends(2);
    assert!(run.err.contains("003_b.sql: a set is numbered"), "{}", run.err);
    std::fs::remove_file(scene.path("mine/003_b.sql")).unwrap();
    let run = up(&scene).ends(2);
    assert!(run.err.contains("mine/002_b.sql was applied to this database"), "{}", run.err);
    set(&scene, &[("002_b.sql", "create table 'b' ();\n")]);
    let run = scene.millstream(&["migrate", "up", "--dir", "none", "--set", "mine"]).ends(2);
    assert!(run.err.contains("none: "), "{}", run.err);
}

#[test]
fn a_role_without_the_privilege_is_told_what_to_grant() {
    let scene = Scene::new(READINGS);
    let role = format!("mig_{:08x}", fastrand::u32(..));
    scene.database.run(&format!("create role {role} login; grant all on schema public to {role}"));
    let as_role = |tool: Tool| tool.env("DATABASE_URL", &scene.database.url_for(&role));
    set(&scene, &[("001_a.sql", "create table a ();\ncreate schema other;")]);
    let run = as_role(up(&scene)).ends(1);
    assert!(
        run.err.contains("line 2: permission denied") && run.err.contains("grant"),
        "{}",
        run.err
    );
    assert_eq!(scene.database.number("select count(*) from pg_tables where tablename = 'a'"), 0);
    let run = as_role(scene.millstream(&["migrate", "up", "--set", "orders"])).ends(1);
    assert!(run.err.contains("004_sast.sql: line 4: must be owner of database"), "{}", run.err);
    scene.database.run(&format!("reassign owned by {role} to postgres; drop owned by {role}"));
    scene.database.run(&format!("drop role {role}"));
}

#[test]
fn a_full_disk_leaves_nothing_and_says_what_to_free() {
    let folder =
        tempfile::Builder::new().prefix("millstream-full-").tempdir_in("/var/tmp").unwrap();
    let small = folder.path().display().to_string();
    let mount = |words: &[&str]| std::process::Command::new("mount").args(words).status();
    let mounted = mount(&["-t", "tmpfs", "-o", "size=4m,mode=777", "tmpfs", &small]);
    if !mounted.is_ok_and(|status| status.success()) {
        crate::support::skipped(
            "a small tmpfs needs the right to mount (root); the full disk is not tried",
        );
        return;
    }
    let server = Server::new();
    let space = format!("{small}/space");
    server.make_folder(&space);
    let scene = Scene::with(Database::on(&server.url()), READINGS);
    scene.database.run(&format!("create tablespace small location '{space}'"));
    let sql = "create table t (x text) tablespace small;\n\
               insert into t select repeat('x', 1000) || i from generate_series(1, 20000) i;";
    set(&scene, &[("001_a.sql", "create table a ();"), ("002_b.sql", sql)]);
    let run = up(&scene).ends(1);
    assert!(run.err.contains("002_b.sql: line 2: ") && run.err.contains("(53100)"), "{}", run.err);
    assert!(run.err.contains("free disk space"), "{}", run.err);
    assert_eq!(states(&scene), ["applied", "failed"]);
    set(&scene, &[("002_b.sql", &sql.replace("20000", "20"))]);
    up(&scene).ends(0);
    drop((scene, server));
    std::process::Command::new("umount").args(["-l", &small]).status().unwrap();
}

#[test]
fn a_dry_run_shows_the_sql_tries_it_and_leaves_nothing() {
    let scene = Scene::new(READINGS);
    set(
        &scene,
        &[("001_a.sql", "create table a ();"), ("002_b.sql", "drop table a;\nselect oops;")],
    );
    let before = scene.database.digest();
    let dry = || up(&scene).arg("--dry-run");
    let run = dry().ends(1);
    assert!(run.out.contains("create table a ()"), "{}", run.out);
    assert!(run.err.contains("002_b.sql: line 2: column \"oops\""), "{}", run.err);
    set(&scene, &[("002_b.sql", "drop table a;"), ("003_c.sql", "-- no transaction\nvacuum;")]);
    assert!(dry().ends(0).err.contains("not tried"), "the file without a transaction");
    scene.database.is_still(&before, "the rehearsal");
}

#[test]
fn what_the_edition_lacks_is_skipped_recorded_and_caught_up_later() {
    let scene = Scene::with(Database::plain(), READINGS);
    let sql = "create table a (t timestamptz not null);\n-- needs timescale\nselect \
               create_hypertable('a', 't');\n-- without timescale\ncreate index plain on a (t);\n";
    set(&scene, &[("001_a.sql", sql)]);
    let run = up(&scene).ends(0);
    assert!(run.err.contains("[WARN] Skipped 001_a.sql:3, which needs TimescaleDB"), "{}", run.err);
    let skipped = "select migration_file, status from migration_log where status = 'skipped'";
    assert_eq!(scene.database.rows(skipped), [["001_a.sql:3", "skipped"]]);
    assert_eq!(scene.database.number("select count(*) from pg_class where relname = 'plain'"), 1);
    assert!(up(&scene).ends(0).err.contains("nothing to do"));
    let with = Scene::new(READINGS);
    set(&with, &[("001_a.sql", sql)]);
    // As if the extension had come later.
    with.database.run("create table a (t timestamptz not null)");
    up(&with).ends(1);
    with.database.run("drop table a");
    up(&with).ends(0);
    assert_eq!(with.database.number("select count(*) from timescaledb_information.hypertables"), 1);
    with.database.run(
        "drop table a; create table a (t timestamptz not null); insert into migration_log \
         (migration_set, migration_name, migration_file, checksum, status) select migration_set, \
         migration_name, '001_a.sql:3', checksum, 'skipped' from migration_log where status = 'applied'",
    );
    assert!(up(&with).ends(0).err.contains("1 statements left out before"));
    assert_eq!(with.database.number("select count(*) from timescaledb_information.hypertables"), 1);
    assert!(up(&with).ends(0).err.contains("nothing to do"));
}

#[test]
fn force_runs_again_what_was_applied() {
    let scene = Scene::new(READINGS);
    set(&scene, &[("001_a.sql", "create table if not exists a ();")]);
    up(&scene).ends(0);
    set(&scene, &[("001_a.sql", "create table if not exists a (); create table b ();")]);
    up(&scene).ends(2);
    up(&scene).arg("--force").ends(0);
    assert_eq!(scene.database.rows(APPLIED), [["2", "1"]]);
    up(&scene).ends(0);
}

#[test]
fn a_forced_run_that_fails_leaves_what_was_applied_applied() {
    let scene = Scene::new(READINGS);
    let up =
        |more: &[&str]| scene.millstream(&[&["migrate", "up", "--set", "orders"], more].concat());
    up(&[]).ends(0);
    assert!(up(&["--force"]).ends(1).err.contains("already exists"));
    assert!(up(&[]).ends(0).err.contains("nothing to do"));
    scene.millstream(&["migrate", "verify"]).ends(0);
}

#[test]
fn a_file_cannot_end_its_own_transaction() {
    let scene = Scene::new(READINGS);
    set(&scene, &[("001_a.sql", "create table a ();\ncommit;")]);
    for words in [&["--dry-run"][..], &[]] {
        let mut run = up(&scene);
        for word in words {
            run = run.arg(word);
        }
        let refused = run.ends(2).err;
        assert!(refused.contains("001_a.sql: line 2: a file is one transaction"), "{refused}");
    }
    assert_eq!(scene.database.number("select count(*) from pg_tables where tablename = 'a'"), 0);
}

#[test]
fn the_three_older_logs_are_kept_and_taken_over() {
    let shapes = [
        "create table migration_log (id serial primary key, migration_name varchar(255) unique \
         not null, applied_at timestamp default now()); insert into migration_log (migration_name) \
         values ('001 - Initialize Telemetry')",
        "create table migration_log (id serial primary key, migration_name varchar(255), \
         migration_file varchar(255) not null, applied_at timestamptz default now(), applied_by \
         varchar(100) default current_user, execution_time_ms integer, success boolean default true, \
         error_message text, checksum varchar(64)); insert into migration_log (migration_name, \
         migration_file, success) values ('001 - Initialize Telemetry', '001_init_telemetry.sql', true), \
         ('002 - PLC Equipment Management', '002_x.sql', false)",
        "create table migration_log (id serial primary key, migration_name varchar(255), \
         migration_file varchar(255) not null, applied_at timestamptz default now(), \
         execution_time_ms integer, status varchar(50) default 'completed', error_message text); \
         insert into migration_log (migration_name, migration_file, status) values \
         ('001 - Initialize Telemetry', '001_init_telemetry.sql', 'completed'), ('002', '002', 'failed')",
    ];
    for shape in shapes {
        let scene = Scene::new(READINGS);
        scene.database.run(shape);
        let old = scene.database.number("select count(*) from migration_log");
        let run = scene.millstream(&["migrate", "up", "--set", "orders"]).ends(0);
        assert!(run.err.contains("an older migration_log is kept as"), "{}", run.err);
        let kept = scene
            .database
            .text("select tablename from pg_tables where tablename like 'migration_log_until%'");
        assert_eq!(scene.database.number(&format!("select count(*) from {kept}")), old);
        let taken = "select migration_name, status from migration_log where checksum = 'foreign'";
        assert_eq!(scene.database.rows(taken), [["001 - Initialize Telemetry", "applied"]]);
    }
}

#[test]
fn an_environment_names_the_database_the_log_and_the_file() {
    let scene = Scene::new(READINGS);
    let (_, place) = scene.database.url.split_once('@').unwrap();
    let (host, name) = place.split_once('/').unwrap();
    let (host, port) = host.split_once(':').unwrap();
    let name = format!("{name}_new");
    let words =
        ["migrate", "up", "--set", "orders", "--environment", "staging", "--create-database"];
    let run = scene.millstream(&words).env("DATABASE_URL", "").env("DB_HOST", host);
    let run = run.env("DB_PORT", port).env("DB_NAME", &name).env("DB_USER", "postgres");
    let run = run.env("POSTGRES_PASSWORD_STAGING", "not asked for").ends(0);
    assert!(run.err.contains(&format!("Database {name} created")), "{}", run.err);
    assert!(run.err.contains("Environment: staging, dry run: false"), "{}", run.err);
    assert!(!run.err.contains("not asked for"), "a password: {}", run.err);
    let mut logs = std::fs::read_dir(scene.path("millstream-state/logs/migrations")).unwrap();
    let log = logs.next().unwrap().unwrap().path();
    assert!(log.display().to_string().contains("migration_staging_2"), "{log:?}");
    let log = std::fs::read_to_string(log).unwrap();
    let line = log.lines().find(|line| line.contains("Migration completed: 001")).unwrap();
    let parts: Vec<&str> = line.splitn(6, ['[', ']']).collect();
    assert_eq!((parts[1].len(), parts[3]), (19, "SUCCESS"), "{line}");
    assert!(log.lines().last().unwrap().contains("Log: "), "{log}");
    scene.database.run(&format!("drop database {name}"));
}
