//! `policy` and `maintain`: what is old goes, what is young or being loaded stays, and twice is as good as once.

use crate::support::database::{block_on, connect};
use crate::support::source::{READINGS, readings};
use crate::support::{Database, Scene};
use serde_json::Value;

/// A day a chunk, kept for 30 days, with a rollup and an index.
const POLICIES: &str = r#"
[[table]]
name = "hist"
time = "ts"
chunk = "1 day"
retain = "30 days"
compress = { segment_by = ["sensor"], order_by = ["ts desc"], after = "7 days", every = "12 hours" }
indexes = { hist_sensor = "sensor, ts desc" }
[[rollup]]
view = "hist_daily"
"#;

const TABLE: &str = "create table hist (ts timestamptz not null, sensor int not null, v float8)";
const HYPERTABLE: &str = "select create_hypertable('hist', 'ts', \
    chunk_time_interval => interval '1 day', create_default_indexes => false)";
/// 40 rows older than 31 days, 60 younger than 29 days, one of no known age.
const ROWS: &str = "insert into hist select now() - interval '31 days' - i * interval '1 hour', i % 4, i \
        from generate_series(0, 39) i; \
    insert into hist select now() - i * interval '11 hours', i % 4, i from generate_series(0, 59) i";
const ROLLUP: &str = "create materialized view hist_daily as select ts::date as day, sensor, \
        sum(v) as v from hist group by 1, 2 with data; \
    create unique index hist_daily_key on hist_daily (day, sensor)";
const COUNT: &str = "select count(*) from hist";

/// A database of the Community edition, or a loud word that this test did not run.
fn community(test: &str) -> Option<Scene> {
    let scene = Scene::new(READINGS);
    if scene.database.is_community() {
        return Some(scene);
    }
    crate::support::skipped(&format!(
        "{test} needs a Community server in MILLSTREAM_TEST_DATABASE_URL"
    ));
    None
}

/// A database without jobs: `None` where the test server has the Community edition.
fn apache(test: &str) -> Option<Scene> {
    let scene = Scene::new(READINGS);
    if !scene.database.is_community() {
        return Some(scene);
    }
    crate::support::skipped(&format!(
        "{test} needs an Apache server in MILLSTREAM_TEST_DATABASE_URL"
    ));
    None
}

fn policies(scene: &Scene, text: &str) {
    scene.write("policies.toml", text);
}

/// Outcome and detail of the step of a task on an object.
fn step(report: &Value, task: &str, object: &str) -> (String, String) {
    let steps = report["maintenance"].as_array().unwrap().iter();
    let mut of = steps.filter(|step| step["task"] == task);
    let step = of.find(|step| step["object"].as_str().unwrap().contains(object));
    let step = step.unwrap_or_else(|| panic!("no {task} of {object} in {report:#}"));
    let text = |key: &str| step[key].as_str().unwrap().to_owned();
    (text("outcome"), text("detail"))
}

/// Drift and what was found of a setting.
fn drift(report: &Value, setting: &str) -> (String, String) {
    let settings = report["policies"].as_array().unwrap().iter();
    let found = settings.clone().find(|row| row["setting"] == setting);
    let row = found.unwrap_or_else(|| panic!("no {setting} in {report:#}"));
    (row["drift"].as_str().unwrap().to_owned(), row["found"].as_str().unwrap().to_owned())
}

fn show(scene: &Scene) -> Value {
    scene.millstream(&["policy", "show", "--file", "policies.toml"]).json(0)
}

fn apply(scene: &Scene, code: i32) -> Value {
    scene.millstream(&["policy", "apply", "--file", "policies.toml"]).json(code)
}

fn maintain(scene: &Scene, more: &[&str], code: i32) -> Value {
    let mut arguments = vec!["maintain", "--file", "policies.toml"];
    arguments.extend(more);
    scene.millstream(&arguments).json(code)
}

#[test]
fn on_plain_postgres_old_rows_are_deleted_and_young_ones_stay() {
    let scene = Scene::with(Database::plain(), READINGS);
    policies(&scene, POLICIES);
    scene.database.run(&format!("{TABLE}; {ROWS}; {ROLLUP}"));
    scene.database.run("insert into hist values ('-infinity', 1, 0)");
    let planned = maintain(&scene, &["--dry-run"], 0);
    let (outcome, detail) = step(&planned, "retention", "hist");
    assert_eq!((outcome.as_str(), detail.as_str()), ("would do", "40 rows older than 30 days"));
    assert_eq!(scene.database.number(COUNT), 101);
    let done = maintain(&scene, &[], 0);
    let (outcome, detail) = step(&done, "retention", "hist");
    assert_eq!(outcome, "done");
    assert!(
        detail.starts_with("40 rows older than 30 days") && detail.contains("vacuum"),
        "{detail}"
    );
    let (outcome, why) = step(&done, "compression", "1 tables");
    assert!(outcome == "skipped" && why.contains("Community"), "{outcome}: {why}");
    let (outcome, how) = step(&done, "rollup", "hist_daily");
    assert!(outcome == "done" && how.contains("beside its readers"), "{outcome}: {how}");
    assert_eq!(scene.database.number(COUNT), 61);
    assert_eq!(scene.database.number("select count(*) from hist where v is not null"), 61);
    let rolled = "select (select sum(v) from hist_daily) = (select sum(v) from hist)";
    assert_eq!(scene.database.text(rolled), "t");
    let again = maintain(&scene, &[], 0);
    assert_eq!(step(&again, "retention", "hist").0, "nothing to do");
    let shown = show(&scene);
    assert_eq!(drift(&shown, "chunk").0, "needs TimescaleDB");
    assert_eq!(drift(&shown, "compress").0, "needs Community");
    assert_eq!(drift(&shown, "retain").0, "`maintain` does it");
}

#[test]
fn on_the_apache_edition_old_chunks_are_dropped_and_young_ones_stay() {
    let Some(scene) = apache("old chunks are dropped") else { return };
    policies(&scene, POLICIES);
    scene.database.run(&format!("{TABLE}; {HYPERTABLE}; {ROWS}; {ROLLUP}"));
    let chunks = "select count(*) from show_chunks('hist')";
    let before = scene.database.number(chunks);
    let old = scene.database.number(
        "select count(*) from show_chunks('hist', older_than => now() - interval '30 days')",
    );
    assert!(old >= 2);
    assert_eq!(step(&maintain(&scene, &["--dry-run"], 0), "retention", "hist").0, "would do");
    assert_eq!(scene.database.number(chunks), before);
    let (outcome, detail) = step(&maintain(&scene, &[], 0), "retention", "hist");
    assert_eq!(outcome, "done");
    assert!(detail.starts_with(&format!("{old} chunks older than 30 days")), "{detail}");
    assert_eq!(scene.database.number(chunks), before - old);
    assert_eq!(scene.database.number(COUNT), 60);
    let again = maintain(&scene, &[], 0);
    assert_eq!(step(&again, "retention", "hist").0, "nothing to do");
    let shown = show(&scene);
    assert_eq!(drift(&shown, "chunk"), ("no".to_owned(), "1 day".to_owned()));
    assert_eq!(drift(&shown, "compress after").0, "needs Community");
    assert_eq!(drift(&shown, "retain").0, "`maintain` does it");
}

#[test]
fn a_table_cut_by_dates_loses_its_old_days_too() {
    for database in [Database::plain(), Database::timescale()] {
        let scene = Scene::with(database, READINGS);
        if scene.database.is_community() {
            crate::support::skipped("dates as chunks: the Community edition's own job drops them");
            continue;
        }
        policies(
            &scene,
            "[[table]]\nname = \"\\\"Shifts\\\"\"\ntime = \"shiftDate\"\nchunk = \"7 days\"\n\
             retain = \"1 year\"\n",
        );
        scene.database.run(
            "create table \"Shifts\" (\"shiftDate\" date not null, n int); \
             insert into \"Shifts\" select current_date - i, i from generate_series(0, 499) i",
        );
        scene
            .database
            .try_run(
                "select create_hypertable('\"Shifts\"', 'shiftDate', migrate_data => true, \
                 chunk_time_interval => interval '7 days')",
            )
            .ok();
        assert_eq!(step(&maintain(&scene, &[], 0), "retention", "Shifts").0, "done");
        let kept = scene.database.number("select count(*) from \"Shifts\"");
        assert!((365..=373).contains(&kept), "{kept} days are left of 500");
        let again = maintain(&scene, &[], 0);
        assert_eq!(step(&again, "retention", "Shifts").0, "nothing to do");
    }
}

/// `READINGS` are of 2023.
const READINGS_KEPT: &str =
    "[[table]]\nname = \"reading\"\ntime = \"at\"\nchunk = \"1 day\"\nretain = \"90 days\"\n";

#[test]
fn a_table_that_is_being_loaded_is_left_alone_and_a_loaded_history_asks_first() {
    for database in [Database::plain(), Database::timescale()] {
        let scene = Scene::with(database, READINGS);
        if scene.database.is_community() {
            crate::support::skipped(
                "maintain during a load: the Community edition's own job drops",
            );
            continue;
        }
        policies(&scene, READINGS_KEPT);
        readings(&scene.path("source.db"), 200_000);
        scene.backfill().ends(0);
        let count = "select count(*) from reading";
        scene.database.run("update millstream.partition set done = false");
        let (outcome, why) = step(&maintain(&scene, &["--accept-loss"], 0), "retention", "reading");
        assert_eq!(outcome, "skipped");
        assert_eq!(why, "pipeline readings is not done with it");
        scene.database.run("update millstream.partition set done = true");
        let (outcome, why) = step(&maintain(&scene, &[], 0), "retention", "reading");
        assert_eq!(outcome, "skipped");
        assert!(why.contains("loaded 200000 rows") && why.contains("--accept-loss"), "{why}");
        assert_eq!(scene.database.number(count), 200_000);
        // What was young when it was loaded grows old like any other row.
        scene.database.run("update millstream.stream set created_at = '2023-11-20'");
        let (outcome, _) = step(&maintain(&scene, &["--dry-run"], 0), "retention", "reading");
        assert_eq!(outcome, "would do");
        scene.database.run("update millstream.stream set created_at = now()");
        assert_eq!(
            step(&maintain(&scene, &["--accept-loss"], 0), "retention", "reading").0,
            "done"
        );
        assert_eq!(scene.database.number(count), 0);
    }
}

#[test]
fn with_archive_what_is_old_is_in_files_before_it_is_gone() {
    for database in [Database::plain(), Database::timescale()] {
        let scene = Scene::with(database, READINGS);
        policies(&scene, READINGS_KEPT);
        readings(&scene.path("source.db"), 200_000);
        scene.backfill().ends(0);
        let archive =
            |task: &str| step(&maintain(&scene, &["--archive", "old"], 0), task, "reading");
        scene.database.run("update millstream.partition set done = false");
        let (outcome, why) = archive("retention");
        assert!(outcome == "skipped" && why.contains("not done with it"), "{outcome}: {why}");
        assert_eq!(scene.database.number("select count(*) from reading"), 200_000);
        scene.database.run("update millstream.partition set done = true");
        let sum = "select coalesce(sum(hashtextextended(r::text, 0)::numeric), 0) from reading r";
        let before = scene.database.text(sum);
        let (outcome, detail) = archive("archive");
        assert!(outcome == "done" && detail.starts_with("200000 rows"), "{outcome}: {detail}");
        assert_eq!(scene.database.number("select count(*) from reading"), 0);
        assert_eq!(archive("archive").0, "nothing to do");
        // And back, by a pipeline of its own.
        scene.write(
            "back.toml",
            "name = \"back\"\n[source]\nparquet = \"old\"\n[[table]]\n\
             from = \"public.reading\"\nto = \"public.reading\"\naccept_retention = true\n",
        );
        scene.millstream(&["backfill", "back.toml"]).ends(0);
        assert_eq!(scene.database.text(sum), before);
    }
}

#[test]
fn rows_that_take_others_with_them_are_left_alone() {
    let scene = Scene::with(Database::plain(), READINGS);
    policies(&scene, POLICIES);
    scene.database.run(&format!(
        "{TABLE}; alter table hist add id bigserial primary key; {}; create table child (\
         hist bigint references hist on delete cascade); insert into child select id from hist",
        ROWS.replace("insert into hist select", "insert into hist (ts, sensor, v) select")
    ));
    let (outcome, why) = step(&maintain(&scene, &[], 0), "retention", "hist");
    assert!(outcome == "skipped" && why.contains("rows of child"), "{outcome}: {why}");
    let (outcome, why) = step(&maintain(&scene, &["--archive", "old"], 0), "retention", "hist");
    assert!(outcome == "skipped" && why.contains("rows of child"), "{outcome}: {why}");
    assert_eq!(scene.database.number("select count(*) from child"), 100);
}

#[test]
fn a_load_that_begins_while_rows_are_dropped_waits() {
    let scene = Scene::with(Database::plain(), READINGS);
    policies(&scene, READINGS_KEPT);
    readings(&scene.path("source.db"), 1_000);
    scene.backfill().ends(0);
    // A load has begun, and its transaction is not through yet: maintain may not overlook it.
    block_on(async {
        let mut client = connect(&scene.database.url).await.unwrap();
        let load = client.transaction().await.unwrap();
        load.batch_execute("update millstream.partition set done = false").await.unwrap();
        let mut run =
            scene.millstream(&["maintain", "--file", "policies.toml", "--accept-loss"]).start();
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        assert!(run.ended().is_none(), "{}", run.log());
        load.commit().await.unwrap();
        assert!(run.wait(std::time::Duration::from_secs(20)).success(), "{}", run.log());
        assert!(run.log().contains("is not done with it"), "{}", run.log());
    });
    assert_eq!(scene.database.number("select count(*) from reading"), 1_000);
}

#[test]
fn debts_are_paid_but_not_those_of_a_run_that_is_under_way() {
    let scene = Scene::new(READINGS);
    readings(&scene.path("source.db"), 1_000);
    scene.backfill().ends(0);
    scene.database.run(
        "insert into millstream.ddl_debt (table_name, kind, object_name, definition) values \
         ('public.reading', 'index', 'reading_sensor', \
          'create index reading_sensor on public.reading (sensor)')",
    );
    let owed = "select count(*) from millstream.ddl_debt where state = 'owed'";
    let maintain = |code| scene.millstream(&["maintain"]).json(code);
    block_on(async {
        let client = connect(&scene.database.url).await.unwrap();
        let sql = "select pg_advisory_lock(hashtextextended('millstream readings', 0))";
        client.batch_execute(sql).await.unwrap();
        let (outcome, why) = step(&maintain(6), "debt", "reading_sensor");
        assert!(outcome == "skipped" && why.contains("pipeline readings"), "{outcome}: {why}");
    });
    assert_eq!(scene.database.number(owed), 1);
    let limit = std::time::Duration::from_secs(10);
    let free = "select pg_try_advisory_xact_lock(hashtextextended('millstream readings', 0))";
    crate::support::wait_for("the end of the session", limit, || {
        (scene.database.text(free) == "t").then_some(())
    });
    let dry = scene.millstream(&["maintain", "--dry-run"]).json(6);
    assert_eq!(step(&dry, "debt", "reading_sensor").0, "would do");
    assert_eq!(step(&maintain(0), "debt", "reading_sensor").0, "done");
    let index = "select count(*) from pg_indexes where indexname = 'reading_sensor'";
    assert_eq!((scene.database.number(owed), scene.database.number(index)), (0, 1));
    assert_eq!(maintain(0)["maintenance"].as_array().unwrap().len(), 0);
}

#[test]
fn one_maintain_at_a_time() {
    let scene = Scene::with(Database::plain(), READINGS);
    block_on(async {
        let client = connect(&scene.database.url).await.unwrap();
        let sql = "select pg_advisory_lock(hashtextextended('millstream maintain', 0))";
        client.batch_execute(sql).await.unwrap();
        let run = scene.millstream(&["maintain"]).ends(5);
        assert!(run.err.contains("another `maintain` is at work"), "{}", run.err);
    });
}

#[test]
fn a_step_that_fails_is_told_and_the_next_one_runs() {
    let scene = Scene::with(Database::plain(), READINGS);
    policies(&scene, POLICIES);
    scene.database.run(&format!("{TABLE}; {ROWS}; {ROLLUP}"));
    scene.database.run(
        "create function keep() returns trigger language plpgsql as \
         $$ begin raise 'nothing may go'; end $$; \
         create trigger keep before delete on hist for each row execute function keep()",
    );
    let report = maintain(&scene, &[], 1);
    let (outcome, error) = step(&report, "retention", "hist");
    assert!(outcome == "FAILED" && error.contains("nothing may go"), "{outcome}: {error}");
    assert_eq!(step(&report, "rollup", "hist_daily").0, "done");
    assert_eq!(report["outcome"], "failed");
    assert_eq!(scene.database.number(COUNT), 100);
}

#[test]
fn indexes_are_made_mended_and_known_by_what_they_are_over() {
    for database in [Database::plain(), Database::timescale()] {
        let scene = Scene::with(database, READINGS);
        policies(
            &scene,
            "[[table]]\nname = \"hist\"\ntime = \"ts\"\n\
             indexes = { hist_sensor = \"sensor, ts desc\", hist_ts = \"ts desc\" }\n",
        );
        scene.database.run(&format!("{TABLE}; {ROWS}"));
        scene.database.try_run(&HYPERTABLE.replace("'ts',", "'ts', migrate_data => true,")).ok();
        // The one under another name, the other over the wrong columns.
        scene
            .database
            .run("create index other on hist (ts desc); create index hist_sensor on hist (v)");
        let shown = show(&scene);
        assert_eq!(drift(&shown, "index hist_ts").0, "no");
        assert_eq!(drift(&shown, "index hist_sensor"), ("yes".to_owned(), "(v)".to_owned()));
        scene.millstream(&["policy", "show", "--file", "policies.toml", "--check"]).ends(4);
        assert_eq!(apply(&scene, 0)["changes"][0]["outcome"], "changed");
        let over = "select substring(indexdef from 'btree .*') from pg_indexes \
                    where indexname = 'hist_sensor'";
        assert_eq!(scene.database.text(over), "btree (sensor, ts DESC)");
        scene.database.run(
            "update pg_index set indisvalid = false where indexrelid = 'hist_sensor'::regclass",
        );
        let (state, found) = drift(&show(&scene), "index hist_sensor");
        assert!(state == "yes" && found.contains("not whole"), "{state}: {found}");
        apply(&scene, 0);
        scene.millstream(&["policy", "show", "--file", "policies.toml", "--check"]).ends(0);
        assert_eq!(apply(&scene, 0)["changes"].as_array().unwrap().len(), 0);
        if scene.database.number("select count(*) from pg_extension where extname = 'timescaledb'")
            == 1
        {
            scene.database.run(
                "do $$ declare i regclass; begin select x.indexrelid into i from pg_index x \
                 join pg_inherits h on h.inhrelid = x.indrelid \
                 where h.inhparent = 'hist'::regclass \
                 and pg_get_indexdef(x.indexrelid) like '%(sensor, ts DESC)' limit 1; \
                 execute format('drop index %s', i); end $$",
            );
            let (state, found) = drift(&show(&scene), "index hist_sensor");
            assert!(state == "yes" && found.contains("not whole"), "{state}: {found}");
        }
    }
}

#[test]
fn a_wrong_policy_file_is_told_with_its_places() {
    let scene = Scene::with(Database::plain(), READINGS);
    policies(&scene, "[[table]]\nname = \"hist\"\ntime = \"ts\"\nretian = \"30 days\"\n");
    let run = scene.millstream(&["policy", "show", "--file", "policies.toml"]).ends(2);
    assert!(
        run.err.starts_with("policies.toml:4:1: table[0]: unknown key `retian`"),
        "{}",
        run.err
    );
    let run = scene.millstream(&["maintain", "--set", "ms6"]).ends(2);
    assert!(run.err.contains("`ms6`") && run.err.contains("ms5"), "{}", run.err);
    scene.millstream(&["policy", "show"]).ends(2);
    policies(&scene, "[[table]]\nname = \"nowhere\"\ntime = \"ts\"\nretain = \"30 days\"\n");
    assert_eq!(drift(&show(&scene), "table"), ("yes".to_owned(), "no such table".to_owned()));
    assert_eq!(step(&maintain(&scene, &[], 0), "retention", "nowhere").1, "no such table");
}

const WITH_REFRESH: &str =
    "refresh = { from = \"20 days\", to = \"1 hour\", every = \"1 hour\" }\n";
const AGGREGATE: &str = "create materialized view hist_daily with (timescaledb.continuous) as \
    select time_bucket('1 day', ts) as day, sensor, sum(1 / v) as v from hist group by 1, 2 with no data";
const JOBS: &str = "select count(*) from timescaledb_information.jobs where proc_name like 'policy%' \
    and hypertable_name is not null";

#[test]
fn what_differs_is_changed_and_nothing_else() {
    let Some(scene) = community("applying policies") else { return };
    let database = &scene.database;
    policies(&scene, &format!("{POLICIES}{WITH_REFRESH}"));
    database.run(&format!(
        "{TABLE}; {HYPERTABLE}; select set_chunk_time_interval('hist', interval '2 days')"
    ));
    database.run(AGGREGATE);
    let run =
        scene.millstream(&["policy", "apply", "--file", "policies.toml", "--dry-run"]).ends(0);
    for part in [
        "set_chunk_time_interval",
        "timescaledb.compress_segmentby = '\"sensor\"'",
        "add_compression_policy",
        "drop_after => interval '30 days'",
        "transaction_per_chunk",
        "add_continuous_aggregate_policy",
    ] {
        assert!(run.out.contains(part), "{part} is not in {}", run.out);
    }
    assert_eq!(database.number(JOBS), 0);
    let changes = apply(&scene, 0);
    assert_eq!(changes["changes"].as_array().unwrap().len(), 6, "{changes:#}");
    assert_eq!(database.number(JOBS), 3);
    let shown = scene.millstream(&["policy", "show", "--file", "policies.toml", "--check"]).json(0);
    assert!(
        shown["policies"].as_array().unwrap().iter().all(|row| row["drift"] == "no"),
        "{shown:#}"
    );
    let jobs = "select string_agg(j::text, ' ' order by job_id) from (select job_id, \
                schedule_interval, scheduled, config from timescaledb_information.jobs) j";
    let before = database.text(jobs);
    assert_eq!(apply(&scene, 0)["changes"].as_array().unwrap().len(), 0);
    assert_eq!(database.text(jobs), before);
    // Somebody changes one thing and pauses another.
    database.run(
        "select alter_job(job_id, scheduled => false) from timescaledb_information.jobs \
            where proc_name = 'policy_compression'; \
         select alter_job(job_id, schedule_interval => interval '3 hours') \
            from timescaledb_information.jobs where proc_name = 'policy_refresh_continuous_aggregate'",
    );
    let shown = show(&scene);
    assert_eq!(shown["drift"], 2, "{shown:#}");
    assert_eq!(drift(&shown, "compress after").1, "after 7 days, every 12 hours, paused");
    apply(&scene, 0);
    assert_eq!(database.text(jobs), before, "the same jobs, as they were");
}

#[test]
fn a_retention_that_would_drop_rows_asks_first() {
    let Some(scene) = community("retention asks first") else { return };
    let database = &scene.database;
    policies(&scene, POLICIES);
    database.run(&format!("{TABLE}; {HYPERTABLE}; {ROWS}; {ROLLUP}"));
    let run = scene.millstream(&["policy", "apply", "--file", "policies.toml"]).ends(2);
    assert!(
        run.err.contains("nothing was changed") && run.err.contains("--accept-loss"),
        "{}",
        run.err
    );
    let told = run.err.lines().find(|line| line.contains("public.hist")).unwrap();
    assert!(told.contains("rows in") && told.contains("chunks older than 30 days"), "{told}");
    assert_eq!((database.number(JOBS), database.number(COUNT)), (0, 100));
    let dry =
        scene.millstream(&["policy", "apply", "--file", "policies.toml", "--dry-run"]).json(0);
    assert!(dry["notes"][0].as_str().unwrap().contains("drops at once: public.hist"), "{dry:#}");
    scene.millstream(&["policy", "apply", "--file", "policies.toml", "--accept-loss"]).ends(0);
    let limit = std::time::Duration::from_secs(60);
    let retention = "select job_id from timescaledb_information.jobs \
                     where proc_name = 'policy_retention' and hypertable_name = 'hist'";
    let call = format!("call run_job({})", database.number(retention));
    crate::support::wait_for("the job to drop what is old", limit, || {
        // The scheduler may be running it at this moment.
        database.try_run(&call).ok();
        (database.number(COUNT) == 60).then_some(())
    });
    // Longer than what runs already drops nothing more: no question.
    policies(&scene, &POLICIES.replace("\"30 days\"", "\"40 days\""));
    apply(&scene, 0);
    assert_eq!(drift(&show(&scene), "retain"), ("no".to_owned(), "40 days".to_owned()));
    policies(&scene, &POLICIES.replace("\"30 days\"", "\"forever\""));
    apply(&scene, 0);
    assert_eq!(drift(&show(&scene), "retain"), ("no".to_owned(), "forever".to_owned()));
}

#[test]
fn compression_settings_change_while_chunks_are_compressed() {
    let Some(scene) = community("changing compression") else { return };
    let database = &scene.database;
    policies(&scene, &POLICIES.replace("retain = \"30 days\"\n", ""));
    database.run(&format!("{TABLE}; {HYPERTABLE}; {ROWS}; {ROLLUP}"));
    database.run(
        "alter table hist set (timescaledb.compress, timescaledb.compress_orderby = 'ts'); \
         select compress_chunk(c) from show_chunks('hist', older_than => interval '31 days') c",
    );
    let sum = database.text("select sum(v) from hist");
    let changes = apply(&scene, 0);
    let change = &changes["changes"][0];
    assert_eq!(change["from"], "by nothing; order ts asc", "{changes:#}");
    assert!(change["note"].as_str().unwrap().contains("stay as they are"), "{changes:#}");
    assert_eq!(drift(&show(&scene), "compress").0, "no");
    assert_eq!(database.text("select sum(v) from hist"), sum);
}

#[test]
fn policies_of_a_table_that_is_being_loaded_stay_as_they_are() {
    let Some(scene) = community("policies during a load") else { return };
    policies(&scene, READINGS_KEPT);
    readings(&scene.path("source.db"), 1_000);
    scene.backfill().ends(0);
    scene.database.run("update millstream.partition set done = false");
    assert!(drift(&show(&scene), "retain").0.starts_with("left alone: pipeline readings"));
    let run = scene.millstream(&["policy", "apply", "--file", "policies.toml", "--accept-loss"]);
    assert_eq!(run.json(0)["changes"][0]["outcome"], "left");
    assert_eq!(
        (scene.database.number(JOBS), scene.database.number("select count(*) from reading")),
        (0, 1_000)
    );
}

#[test]
fn a_refresh_that_would_empty_its_rollup_is_not_set() {
    let Some(scene) = community("refresh behind retention") else { return };
    policies(&scene, &format!("{POLICIES}{}", WITH_REFRESH.replace("20 days", "60 days")));
    scene.database.run(&format!("{TABLE}; {HYPERTABLE}"));
    scene.database.run(AGGREGATE);
    let changes = apply(&scene, 0);
    let rows = changes["changes"].as_array().unwrap();
    let refresh = rows.iter().find(|row| row["setting"] == "refresh").unwrap();
    assert_eq!(refresh["outcome"], "left", "{changes:#}");
    assert!(refresh["note"].as_str().unwrap().contains("would empty the rollup"), "{changes:#}");
}

#[test]
fn a_job_that_failed_is_told_and_run_again_when_asked() {
    let Some(scene) = community("failed jobs") else { return };
    let database = &scene.database;
    policies(&scene, &format!("{POLICIES}{WITH_REFRESH}"));
    database.run(&format!("{TABLE}; {HYPERTABLE}"));
    database.run(AGGREGATE);
    // 1 / 0
    database.run("insert into hist values (now() - interval '2 days', 1, 0)");
    apply(&scene, 0);
    let failed = "select count(*) from timescaledb_information.job_stats where last_run_status = 'Failed' \
         and hypertable_name like '\\_mat%'";
    crate::support::wait_for("the refresh to fail", std::time::Duration::from_secs(120), || {
        (database.number(failed) > 0).then_some(())
    });
    let (outcome, detail) = step(&maintain(&scene, &[], 1), "job", "hist_daily");
    // Or, on a busy server, that there was no worker to start it.
    assert!(outcome == "FAILED" && detail.contains("--run-jobs"), "{outcome}: {detail}");
    let (outcome, error) = step(&maintain(&scene, &["--run-jobs"], 1), "job", "hist_daily");
    assert!(outcome == "FAILED" && error.contains("division by zero"), "{outcome}: {error}");
    database.run("update hist set v = 2");
    let (outcome, _) = step(&maintain(&scene, &["--run-jobs"], 0), "job", "hist_daily");
    assert_eq!(outcome, "done");
    assert_eq!(database.number("select count(*) from hist_daily"), 1);
}

#[test]
fn a_load_behind_the_retention_is_an_error_until_the_file_accepts_it() {
    let Some(scene) = community("check against retention") else { return };
    readings(&scene.path("source.db"), 1_000);
    scene.database.run(
        "create table reading (id bigint, at timestamptz not null, sensor bigint, value float8, \
         note text); select create_hypertable('reading', 'at', create_default_indexes => false); \
         select add_retention_policy('reading', drop_after => interval '90 days')",
    );
    let run = scene.millstream(&["check", "pipeline.toml"]).ends(2);
    assert!(run.err.contains("public.reading keeps 90 days"), "{}", run.err);
    assert!(run.err.contains("accept_retention = true"), "{}", run.err);
    scene.backfill().ends(2);
    let accepted = READINGS
        .replace("to = \"public.reading\"", "to = \"public.reading\"\naccept_retention = true");
    scene.write("pipeline.toml", &accepted);
    scene.millstream(&["check", "pipeline.toml"]).ends(0);
    // A window that is young enough needs no word.
    scene.write("pipeline.toml", READINGS);
    scene.database.run(
        "select alter_job(job_id, config => config || '{\"drop_after\": \"100 years\"}') \
         from timescaledb_information.jobs where proc_name = 'policy_retention'",
    );
    scene.millstream(&["check", "pipeline.toml"]).ends(0);
}

#[test]
fn right_after_its_migrations_a_set_has_no_drift() {
    for database in [Database::plain(), Database::timescale()] {
        let scene = Scene::with(database, READINGS);
        for (set, _) in millstream::database::policy::SETS {
            scene.millstream(&["migrate", "up", "--set", set]).ends(0);
            let show = ["policy", "show", "--set", set, "--check"];
            let shown = scene.millstream(&show).json(0);
            assert_eq!(shown["drift"], 0, "{shown:#}");
            let rows = shown["policies"].as_array().unwrap();
            assert!(rows.len() >= 10 && rows.iter().all(|row| row["found"] != "no such table"));
            let apply = scene.millstream(&["policy", "apply", "--set", set]).json(0);
            assert_eq!(apply["changes"].as_array().unwrap().len(), 0, "{apply:#}");
        }
        if scene.database.is_community() {
            let policies = ["policy", "show", "--set", "ms5"];
            let shown = scene.millstream(&policies).json(0);
            let rows = shown["policies"].as_array().unwrap();
            assert!(rows.iter().all(|row| row["drift"] == "no"), "{shown:#}");
        }
        let done = scene.millstream(&["maintain"]).run();
        assert!(done.out.contains("factory_telemetry.mv_oee_summary"), "{}", done.out);
        assert!(done.out.contains("public.oee_hourly"), "{}", done.out);
    }
}
