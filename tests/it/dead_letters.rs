//! Rows that cannot be used: set aside with what they held, mended, and loaded after all.

use crate::support::Scene;
use crate::support::source::{READINGS, readings};

/// Into a table that is there, whose constraint the source cannot know.
const CHECKED: &str = r#"
name = "checked"
[source]
sqlite = "source.db"
[limits]
rejected = 1000
[[table]]
from = "part"
to = "public.part"
strategy = "append"
"#;

/// `count` parts, of which every `bad_every`th weighs too little for the target.
fn parts(scene: &Scene, count: u64, bad_every: u64) {
    scene.source(&format!(
        "create table part (id integer primary key, name text, grams real);
         with recursive n(i) as (values (1) union all select i + 1 from n where i < {count})
         insert into part select i, 'part ' || i, iif(i % {bad_every} = 0, -1.0, i / 8.0) from n;"
    ));
    scene.database.run(
        "create table part (id bigint primary key, name text, grams double precision, \
         constraint weighs check (grams > 0))",
    );
}

#[test]
fn one_bad_value_in_a_million_rows_is_set_aside_and_loaded_after_the_fix() {
    // GIVEN a million rows, one of them with letters where a number belongs
    let scene = Scene::new(READINGS);
    readings(&scene.path("source.db"), 1_000_000);
    scene.source("update reading set value = 'abc', note = 'nul' || char(0) where id = 654321");
    // WHEN they are loaded
    let report = scene.backfill().json(3);
    // THEN all others are in, and the one is kept with its original values
    assert_eq!(report["source_tables"][0]["rejected"], 1);
    assert_eq!(scene.database.number("select count(*) from reading"), 999_999);
    let list = scene.millstream(&["dead-letter", "list", "pipeline.toml"]).json(0);
    let letter = &list["dead_letters"][0];
    assert_eq!((&letter["key"], &letter["value"]), (&"654321".into(), &"abc".into()));
    assert_eq!((&letter["column"], &letter["reason"]), (&"value".into(), &"syntax".into()));
    let id = letter["id"].to_string();
    let shown = scene.millstream(&["dead-letter", "show", "pipeline.toml", &id]).ends(0).out;
    for value in ["654321", "1700654321000", "\"abc\"", "6e756c00"] {
        assert!(shown.contains(value), "{value} is missing in\n{shown}");
    }
    // AND a replay without a fix changes nothing
    let replay = || scene.millstream(&["dead-letter", "replay", "pipeline.toml"]);
    replay().ends(3);
    assert_eq!(scene.database.number("select count(*) from reading"), 999_999);
    // AND after the fix it is loaded, once, however often that is asked for
    let fixed = || replay().arg("--set").arg("value=1.5").arg("--set").arg("note=mended");
    fixed().ends(0);
    fixed().ends(0);
    super::exactly_once::nothing_lost_nothing_double(&scene, 1_000_000);
    let sql = "select value, note from reading where id = 654321";
    assert_eq!(scene.database.rows(sql), [["1.5", "mended"]]);
    let sql = "select status, count(*) from millstream.dead_letter group by 1";
    assert_eq!(scene.database.rows(sql), [["replayed", "1"]]);
}

#[test]
fn an_edited_export_is_replayed_row_by_row() {
    let scene = Scene::new(READINGS);
    readings(&scene.path("source.db"), 500);
    scene.source("update reading set value = 'bad ' || id where id in (7, 8, 9)");
    scene.backfill().ends(3);
    let export = scene.millstream(&["dead-letter", "export", "pipeline.toml"]).ends(0).out;
    assert_eq!(export.lines().count(), 3, "{export}");
    // Two are mended, one is left as it is.
    let edited = export.replace("\"bad 7\"", "70.5").replace("\"bad 9\"", "90.5");
    scene.write("edited.jsonl", &edited);
    let replay = scene.millstream(&["dead-letter", "replay", "pipeline.toml"]);
    let report = replay.arg("--from").arg("edited.jsonl").json(3);
    assert_eq!((&report["loaded"], &report["kept"]), (&2.into(), &1.into()));
    let sql = "select id, value from reading where id in (7, 8, 9) order by 1";
    assert_eq!(scene.database.rows(sql), [["7", "70.5"], ["9", "90.5"]]);
    scene.verify().ends(0);
}

#[test]
fn a_replay_that_is_killed_loads_its_rows_once() {
    for point in ["before_commit:1", "after_commit:1"] {
        let scene = Scene::new(READINGS);
        readings(&scene.path("source.db"), 500);
        scene.source("update reading set value = 'bad' where id in (7, 8, 9)");
        scene.backfill().ends(3);
        let replay = || {
            let replay = scene.millstream(&["dead-letter", "replay", "pipeline.toml"]);
            replay.arg("--set").arg("value=0.5")
        };
        assert!(replay().env("MILLSTREAM_FAILPOINT", point).run().was_killed());
        replay().ends(0);
        super::exactly_once::nothing_lost_nothing_double(&scene, 500);
    }
}

#[test]
fn rows_that_the_server_refuses_are_set_aside_with_its_code() {
    let scene = Scene::new(CHECKED);
    parts(&scene, 30_000, 4_000);
    scene.backfill().ends(0);
    let sql = "select count(*), count(*) filter (where grams < 0) from part";
    assert_eq!(scene.database.rows(sql), [["29993", "0"]]);
    let sql = "select stage, reason, sqlstate, original->>'id', original->>'grams' \
               from millstream.dead_letter order by (original->>'id')::int";
    let letters = scene.database.rows(sql);
    assert_eq!(letters.len(), 7);
    assert_eq!(letters[1], ["sink", "sqlstate_23514", "23514", "8000", "-1.0"]);
    scene.verify().arg("--deep").ends(0);
    // AND after a fix they go in.
    let replay = scene.millstream(&["dead-letter", "replay", "pipeline.toml"]);
    replay.arg("--set").arg("grams=0.5").ends(0);
    assert_eq!(scene.database.number("select count(*) from part"), 30_000);
    scene.verify().ends(0);
}

#[test]
fn a_table_that_refuses_everything_ends_the_run() {
    let scene = Scene::new(CHECKED);
    parts(&scene, 500, 2);
    let run = scene.backfill().ends(1);
    assert!(run.err.contains("23514") && run.err.contains("weighs"), "{}", run.err);
    assert_eq!(scene.database.number("select count(*) from part"), 0);
    assert_eq!(scene.database.number("select count(*) from millstream.dead_letter"), 0);
}

#[test]
fn a_row_that_an_upsert_cannot_merge_does_not_go_round_for_ever() {
    let scene = Scene::new(&CHECKED.replace("append", "upsert"));
    parts(&scene, 500, 250);
    let mut run = scene.backfill().start();
    let ended = run.wait(std::time::Duration::from_secs(15));
    let log = run.log();
    // Either the two rows are set aside, or the run says what is wrong: it ends.
    assert!(ended.success() || log.contains("23514"), "{ended}\n{log}");
}

#[test]
fn an_edit_of_a_column_that_is_not_there_is_told() {
    let scene = Scene::new(CHECKED);
    parts(&scene, 100, 50);
    scene.backfill().ends(0);
    let replay = scene.millstream(&["dead-letter", "replay", "pipeline.toml"]);
    let told = replay.arg("--set").arg("nosuch=1").json(3).to_string();
    assert!(told.contains("no column `nosuch`"), "{told}");
}
