//! `verify` notices what changed behind the ledger's back, be it a bit.

use crate::support::Scene;
use crate::support::source::{READINGS, readings};

fn loaded() -> Scene {
    let scene = Scene::new(READINGS);
    readings(&scene.path("source.db"), 200_000);
    scene.backfill().ends(0);
    scene.verify().ends(0);
    scene
}

/// Changes the table, lets `verify` find it in one bucket, and changes it back.
fn is_noticed(scene: &Scene, change: &str, undo: &str) {
    scene.database.run(change);
    let report = scene.verify().json(4);
    assert_eq!(report["differences"].as_array().unwrap().len(), 1, "{change}: {report}");
    scene.database.run(undo);
    scene.verify().ends(0);
}

#[test]
fn one_changed_bit_a_deleted_row_and_an_added_row_are_noticed() {
    let scene = loaded();
    // 0.25 + 2^-54 is its neighbour among the floats.
    is_noticed(
        &scene,
        "update reading set value = value + (2::float8)^(-54) where id = 2",
        "update reading set value = 0.25 where id = 2",
    );
    is_noticed(
        &scene,
        "update reading set value = '-0' where id = 1000",
        "update reading set value = 0.0 where id = 1000",
    );
    is_noticed(
        &scene,
        "create table kept as select * from reading where id = 77; delete from reading where id = 77",
        "insert into reading select * from kept; drop table kept",
    );
    is_noticed(
        &scene,
        "insert into reading select * from reading where id = 99",
        "delete from reading where ctid = (select max(ctid) from reading where id = 99) \
         and tableoid = (select min(tableoid) from reading where id = 99)",
    );
    is_noticed(
        &scene,
        "update reading set note = '' where id = 1 and note is null",
        "update reading set note = null where id = 1",
    );
}

#[test]
fn rows_that_trade_places_are_noticed() {
    // The count of every bucket and the sum of every column stay as they were.
    let scene = loaded();
    let swap = "update reading set value = case id when 5 then (select value from reading where id = 6) \
                else (select value from reading where id = 5) end where id in (5, 6)";
    is_noticed(&scene, swap, swap);
}

#[test]
fn a_source_that_changed_after_it_was_loaded_is_noticed_by_deep() {
    let scene = loaded();
    scene.verify().arg("--deep").ends(0);
    scene.source("update reading set value = 99.5 where id = 1234");
    scene.verify().ends(0);
    scene.verify().arg("--deep").ends(4);
}

#[test]
fn a_load_of_a_window_of_time_is_verified_as_that() {
    let scene = Scene::new(READINGS);
    readings(&scene.path("source.db"), 200_000);
    let window = ["--from", "2023-11-15", "--to", "2023-11-16"];
    let run = window.iter().fold(scene.backfill(), |run, word| run.arg(word));
    let report = run.json(0);
    assert_eq!(report["source_tables"][0]["used"], 86_400);
    scene.verify().arg("--deep").ends(0);
    // Another window is another plan.
    scene.backfill().ends(2);
}

#[test]
fn rows_that_were_there_before_are_part_of_what_is_verified() {
    let scene = Scene::new(&READINGS.replace("create = true", "create = false"));
    readings(&scene.path("source.db"), 5_000);
    scene.database.run(
        "create table reading (at timestamptz not null, id bigint, sensor bigint, \
         value double precision, note text); \
         select create_hypertable('reading', by_range('at', interval '1 day')); \
         insert into reading select now(), -i, 0, 0, 'old' from generate_series(1, 10) i",
    );
    scene.backfill().ends(0);
    scene.verify().ends(0);
    scene.database.run("update reading set note = 'changed' where id = -3");
    scene.verify().ends(4);
}

#[test]
fn an_upserted_table_is_compared_by_key() {
    let pipeline = READINGS
        .replace("hypertable = { time = \"at\", chunk = \"1 day\" }", "strategy = \"upsert\"");
    let scene = Scene::new(&pipeline.replace("create = true", "create = false"));
    readings(&scene.path("source.db"), 5_000);
    // GIVEN a keyed table with a row of its own and one that the source replaces
    scene.database.run(
        "create table reading (id bigint primary key, at timestamptz not null, sensor bigint, \
         value double precision, note text); \
         insert into reading values (-1, now(), 0, 0, 'own'), (7, now(), 0, 0, 'old')",
    );
    // WHEN it is loaded
    scene.backfill().ends(0);
    // THEN the key is met, the own row stays, and both commands agree
    assert_eq!(scene.database.number("select count(*) from reading"), 5_001);
    assert_eq!(scene.database.number("select count(*) from reading where note = 'old'"), 0);
    scene.verify().ends(0);
    scene.database.run("update reading set value = value + (2::float8)^(-54) where id = 2");
    scene.verify().ends(4);
    scene.database.run("update reading set value = 0.25 where id = 2");
    scene.verify().ends(0);
    scene.database.run("delete from reading where id = 3");
    scene.verify().ends(4);
}
