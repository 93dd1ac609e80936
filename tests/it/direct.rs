//! Direct Compress: chosen where it pays, told where it does not, and as exact as any other way.

use crate::choreography::{TABLE, community};
use crate::support::source::{READINGS, readings};
use crate::support::{Database, Scene};

const STATUS: &str = "select coalesce(string_agg(distinct s::text, ',' order by s::text), '') \
    from show_chunks('reading') c, lateral _timescaledb_functions.chunk_status(c) s";

fn scene() -> Option<Scene> {
    let scene = Scene::with(community()?, READINGS);
    scene.database.run(TABLE);
    Some(scene)
}

/// What `check` says of the one table: way and reason.
fn choice(scene: &Scene) -> (String, String) {
    let report = scene.millstream(&["check", "pipeline.toml"]).json(0);
    let word = |name: &str| report["tables"][0][name].as_str().unwrap().to_owned();
    (word("written_by"), word("because"))
}

#[test]
fn rows_are_compressed_as_they_come_in_and_are_the_same_rows() {
    let Some(scene) = scene() else { return };
    readings(&scene.path("source.db"), 1_000_000);
    let (way, because) = choice(&scene);
    assert_eq!(way, "direct_compress", "{because}");
    assert!(because.contains("rows a segment in batches of 50000"), "{because}");
    // Before any debt is paid: compressed and unordered, and no row in a chunk's uncompressed part (8).
    let killed = scene.backfill().env("MILLSTREAM_FAILPOINT", "before_debt:1").run();
    assert!(killed.was_killed(), "{}", killed.err);
    let status = scene.database.text(STATUS);
    assert_eq!(status, "1,3", "chunks filled by one transaction, and chunks that were shared");
    // Batches of two lanes lie over each other: the order of a query must not depend on them.
    let disorder = "select count(*) from (select at, lag(at) over () as before from \
                    (select at from reading where sensor = 5 order by at desc) r) s where before < at";
    assert_eq!(scene.database.number(disorder), 0);
    scene.verify().ends(0);
    scene.backfill().ends(0);
    assert_eq!(scene.database.text(STATUS), "1");
    assert_eq!(scene.database.number(disorder), 0);
    super::exactly_once::nothing_lost_nothing_double(&scene, 1_000_000);
    // The same file by plain COPY gives the same rows.
    let plain =
        READINGS.replace("to = \"public.reading\"", "to = \"public.other\"\nstrategy = \"append\"");
    scene.write("plain.toml", &plain.replace("\"readings\"", "\"plain\""));
    scene.millstream(&["backfill", "plain.toml"]).ends(0);
    let sql = "select count(*) from ((table reading except table other) \
               union all (table other except table reading)) d";
    assert_eq!(scene.database.number(sql), 0);
    // What is appended later is too thin to be compressed by itself, and ends in order all the same.
    readings(&scene.path("more.db"), 1_000_200);
    std::fs::rename(scene.path("more.db"), scene.path("source.db")).unwrap();
    scene.backfill().ends(0);
    assert_eq!(scene.database.text(STATUS), "1");
    super::exactly_once::nothing_lost_nothing_double(&scene, 1_000_200);
}

#[test]
fn batches_that_overlap_in_time_are_never_sent_as_sorted() {
    // GIVEN two tables of the source with rows of the same hours and the same sensors
    let Some(scene) = scene() else { return };
    readings(&scene.path("source.db"), 172_800);
    scene.source(
        "create table second as select id + 172800 as id, at + 500 as at, sensor, value, note \
                  from reading",
    );
    let (_, table) = READINGS.split_once("[[table]]").unwrap();
    let second = table.replace("from = \"reading\"", "from = \"second\"");
    scene.write("pipeline.toml", &format!("{READINGS}[[table]]{second}"));
    // WHEN both go into one table, and the run dies before a chunk is compressed again
    let killed = scene.backfill().env("MILLSTREAM_FAILPOINT", "before_debt:1").run();
    assert!(killed.was_killed(), "{}", killed.err);
    // THEN the order of time is the order of time, and the newest value the newest
    let disorder = "select count(*) from (select at, lag(at) over () as before from \
                    (select at from reading where sensor = 5 order by at desc) r) s where before < at";
    assert_eq!(scene.database.number(disorder), 0);
    let newest = "select (select at from reading where sensor = 5 order by at desc limit 1) = \
                  (select max(at) from reading where sensor = 5)";
    assert_eq!(scene.database.text(newest), "t");
    scene.backfill().ends(0);
    assert_eq!(scene.database.text(STATUS), "1");
    super::exactly_once::nothing_lost_nothing_double(&scene, 345_600);
}

#[test]
fn a_row_that_the_server_refuses_is_the_row_that_is_set_aside() {
    let Some(scene) = scene() else { return };
    readings(&scene.path("source.db"), 200_000);
    scene.write("pipeline.toml", &READINGS.replace("[limits]", "[limits]\nrejected = 5"));
    scene.database.run("alter table reading add constraint c check (id not in (70001, 123456))");
    let report = scene.backfill().json(0);
    assert_eq!(report["source_tables"][0]["rejected"], 2);
    let list = scene.millstream(&["dead-letter", "list", "pipeline.toml"]).json(0);
    let keys: Vec<&str> =
        [0, 1].map(|at| list["dead_letters"][at]["key"].as_str().unwrap()).to_vec();
    assert!(keys.contains(&"70001") && keys.contains(&"123456"), "{keys:?}");
    assert_eq!(scene.database.number("select count(distinct id) from reading"), 199_998);
    assert_eq!(scene.database.text(STATUS), "1");
    scene.verify().ends(0);
}

#[test]
fn a_refusal_of_the_server_is_told_and_the_rows_come_in_all_the_same() {
    let Some(scene) = scene() else { return };
    readings(&scene.path("source.db"), 100_000);
    // The planner looks at triggers of rows; the server minds some of those of statements, too.
    scene.database.run(
        "create function nothing() returns trigger language plpgsql as 'begin return null; end'; \
         create trigger t after insert on reading referencing new table as fresh \
         for each statement execute function nothing()",
    );
    assert_eq!(choice(&scene).0, "direct_compress");
    let report = scene.backfill().json(0).to_string();
    assert!(report.contains("disabling direct compress"), "{report}");
    super::exactly_once::nothing_lost_nothing_double(&scene, 100_000);
    assert_eq!(scene.database.text(STATUS), "1");
}

#[test]
fn where_it_does_not_pay_or_cannot_be_check_says_why() {
    let Some(scene) = scene() else { return };
    readings(&scene.path("source.db"), 100_000);
    let not = |scene: &Scene, why: &str| {
        let (way, because) = choice(scene);
        assert_eq!(way, "append", "{because}");
        assert!(
            because.contains("direct compress: not, since") && because.contains(why),
            "{because}"
        );
    };
    assert_eq!(choice(&scene).0, "direct_compress");
    scene.database.run("create unique index one on reading (id, at)");
    not(&scene, "unique key (one)");
    scene.database.run("drop index one");
    scene.database.run("alter table reading set (timescaledb.compress_segmentby = 'value')");
    not(&scene, "value is double precision and names a segment");
    scene.database.run("alter table reading set (timescaledb.compress_segmentby = 'id')");
    not(&scene, "rows a segment in batches of");
    // The file knows better.
    let forced = READINGS
        .replace("from = \"reading\"", "from = \"reading\"\nstrategy = \"direct_compress\"");
    scene.write("pipeline.toml", &forced);
    assert_eq!(choice(&scene).0, "direct_compress");
    scene.backfill().ends(0);
    super::exactly_once::nothing_lost_nothing_double(&scene, 100_000);
    scene.database.run("drop table reading; drop schema millstream cascade");
    let (bare, rest) = TABLE.split_once("alter table reading set").unwrap();
    let (_, indexes) = rest.split_once(';').unwrap();
    scene.database.run(&format!("{bare}{indexes}"));
    let refused = scene.millstream(&["check", "pipeline.toml"]).ends(2);
    assert!(refused.err.contains("its columnstore is not enabled"), "{}", refused.err);
}

#[test]
fn a_server_without_it_appends_and_says_so() {
    let database = Database::timescale();
    if database.is_community() {
        crate::support::skipped("this needs TimescaleDB's Apache edition");
        return;
    }
    let scene = Scene::with(database, READINGS);
    readings(&scene.path("source.db"), 1_000);
    scene.database.run(
        "create table reading (id bigint, at timestamptz not null, sensor bigint, \
             value double precision, note text); \
         select create_hypertable('reading', by_range('at', interval '1 day'))",
    );
    let (way, because) = choice(&scene);
    assert_eq!(way, "append");
    assert!(because.contains("not, since this server has none"), "{because}");
    scene.backfill().ends(0);
    super::exactly_once::nothing_lost_nothing_double(&scene, 1_000);
}
