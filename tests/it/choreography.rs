//! Around a load: policies pause and come back, chunks are put in order, aggregates are refreshed; whoever
//! dies in between, the next one pays.

use std::time::Duration;

use millstream::sink::debt;
use millstream::sink::session::Server;

use crate::support::database::block_on;
use crate::support::source::{READINGS, readings};
use crate::support::{Database, Scene, long, random, wait_for};

const LIMIT: Duration = Duration::from_secs(180);

/// A database of the Community edition; without one the test is left out, and says so.
pub(crate) fn community() -> Option<Database> {
    let made = match std::env::var("MILLSTREAM_TEST_COMMUNITY_URL") {
        Ok(url) if !url.is_empty() => {
            let made = Database::on(&url);
            made.run("create extension timescaledb");
            made
        }
        _ => Database::timescale(),
    };
    if made.is_community() {
        return Some(made);
    }
    crate::support::skipped(
        "this needs TimescaleDB's Community edition; name such a server in \
         MILLSTREAM_TEST_COMMUNITY_URL",
    );
    None
}

/// The table that [`READINGS`] fills, compressed by sensor and with two indexes.
pub(crate) const TABLE: &str = "create table reading (id bigint, at timestamptz not null, \
    sensor bigint, value double precision, note text); \
    select create_hypertable('reading', by_range('at', interval '1 day'), \
        create_default_indexes => false); \
    alter table reading set (timescaledb.compress, timescaledb.compress_segmentby = 'sensor', \
        timescaledb.compress_orderby = 'at desc'); \
    create index reading_at on reading (at desc); \
    create index reading_sensor_at on reading (sensor, at desc)";

/// An hourly aggregate and a daily one over it; every policy there is, one of them switched off by a
/// person. Retention drops whatever is older than a second as soon as it may.
const AROUND: [&str; 4] = [
    "create materialized view hourly with (timescaledb.continuous) as \
        select time_bucket('1 hour', at) as hour, sensor, count(*) as n, sum(value) as total \
        from reading group by 1, 2 with no data",
    "create materialized view weekly with (timescaledb.continuous) as \
        select time_bucket('1 week', hour) as week, sum(n) as n from hourly group by 1 with no data",
    "select add_continuous_aggregate_policy('hourly', null, interval '1 hour', interval '1 day'); \
     select alter_job(add_continuous_aggregate_policy('weekly', null, interval '1 week', \
        interval '1 day'), scheduled => false)",
    "select add_compression_policy('reading', interval '1 day'); \
     select add_retention_policy('reading', drop_created_before => interval '1 second', \
        schedule_interval => interval '1 second')",
];

const ON: &str = "select coalesce(string_agg(proc_name || ' of ' || hypertable_name, ', ' \
    order by job_id), '') from timescaledb_information.jobs where job_id >= 1000 and scheduled";
const OWED: &str = "select count(*) from millstream.ddl_debt where state = 'owed'";
/// Keeps what is loaded, without switching the policy on or off.
const KEEP: &str = "select alter_job(job_id, config => jsonb_set(config, '{drop_created_before}', \
    '\"100 years\"')) from timescaledb_information.jobs where proc_name = 'policy_retention'";

fn scene(pipeline: &str) -> Option<Scene> {
    let scene = Scene::with(community()?, pipeline);
    scene.database.run(TABLE);
    AROUND.iter().for_each(|sql| scene.database.run(sql));
    Some(scene)
}

/// Everything is as a load without an accident leaves it.
fn is_whole(scene: &Scene, on: &str, rows: u64) {
    let database = &scene.database;
    assert_eq!(database.number(OWED), 0, "{:?}", database.rows("table millstream.ddl_debt"));
    assert_eq!(database.text(ON), on, "policies as they were");
    let sql = "select count(*) from show_chunks('reading') c, \
               lateral _timescaledb_functions.chunk_status(c) s where s <> 1";
    assert_eq!(database.number(sql), 0, "chunks that are not in order");
    let sql = "select count(*) from pg_index i where i.indrelid = 'reading'::regclass \
               and i.indisvalid";
    assert_eq!(database.number(sql), 2, "indexes");
    let sql = "select count(*) from ( \
               (select time_bucket('1 hour', at) as hour, sensor, count(*) as n, sum(value) as total \
                from reading group by 1, 2) except table hourly) missing";
    assert_eq!(database.number(sql), 0, "rows of the aggregate that are not there or differ");
    let sums = "select (select sum(n) from hourly), (select sum(n) from weekly)";
    let rows_text = rows.to_string();
    assert_eq!(database.rows(sums), [[rows_text.clone(), rows_text]], "rows in the aggregates");
    let rows = i64::try_from(rows).unwrap();
    super::exactly_once::nothing_lost_nothing_double(scene, rows);
}

fn paused_while_owed(scene: &Scene) {
    let ledger = "select to_regclass('millstream.ddl_debt') is not null";
    if scene.database.text(ledger) == "t" {
        let on = "select count(*) from millstream.ddl_debt d \
                  join timescaledb_information.jobs j on 'job ' || job_id = object_name \
                  where state = 'owed' and kind = 'policy' and j.scheduled";
        assert_eq!(scene.database.number(on), 0, "owed, and on all the same");
    }
}

#[test]
fn loads_killed_at_random_moments_leave_policies_chunks_and_aggregates_as_they_should_be() {
    let (rows, times) = if long() { (3_000_000, 100) } else { (1_000_000, 10) };
    let mut random = random();
    let (mut kills, mut loads) = (0, 0);
    while kills < times {
        let Some(scene) = scene(READINGS) else { return };
        readings(&scene.path("source.db"), rows);
        let on = scene.database.text(ON);
        assert_eq!(on.matches(" of ").count(), 3, "{on}");
        scene.database.run(KEEP);
        loads += 1;
        loop {
            let mut running = scene.backfill().start();
            if kills < times {
                std::thread::sleep(Duration::from_millis(random.u64(1..3_000)));
                if running.kill() {
                    kills += 1;
                    paused_while_owed(&scene);
                    continue;
                }
            }
            let ended = running.wait(LIMIT);
            assert!(ended.success(), "{}", running.log());
            break;
        }
        is_whole(&scene, &on, rows);
    }
    println!("{kills} kills in {loads} loads");
}

/// Where a run dies, and how many debts are left then: two indexes, three policies, two aggregates, chunks.
const POINTS: [(&str, i64); 6] = [
    ("after_suspend:1", 8),
    ("after_commit:3", 8),
    ("before_settle:1", 8),
    ("before_debt:2", 7),
    ("before_debt:5", 4),
    ("before_debt:8", 1),
];

#[test]
fn a_load_killed_at_each_step_of_its_choreography_is_made_whole() {
    for (point, owed) in POINTS {
        let Some(scene) = scene(READINGS) else { return };
        readings(&scene.path("source.db"), 300_000);
        let on = scene.database.text(ON);
        scene.database.run(KEEP);
        let killed = scene.backfill().env("MILLSTREAM_FAILPOINT", point).run();
        assert!(killed.was_killed(), "{point}: {}\n{}", killed.status, killed.err);
        assert_eq!(scene.database.number(OWED), owed, "{point}");
        let shown = scene.millstream(&["check", "pipeline.toml"]).ends(0).out;
        assert!(shown.contains("owed by `readings`"), "{point}: {shown}");
        scene.backfill().ends(0);
        is_whole(&scene, &on, 300_000);
    }
}

#[test]
fn history_is_safe_from_retention_until_the_load_is_done() {
    let Some(scene) = scene(READINGS) else { return };
    readings(&scene.path("source.db"), 300_000);
    // The policy is at work, every second: else its silence later would prove nothing.
    let runs = "select coalesce(sum(total_runs), 0) from timescaledb_information.job_stats \
                join timescaledb_information.jobs using (job_id) where proc_name = 'policy_retention'";
    let since = std::time::Instant::now();
    while scene.database.number(runs) < 2 {
        if since.elapsed() > Duration::from_secs(30) {
            crate::support::skipped(
                "the server has no background worker free, so no policy ever runs",
            );
            return;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    let killed = scene.backfill().env("MILLSTREAM_FAILPOINT", "before_settle:1").run();
    assert!(killed.was_killed(), "{}", killed.err);
    // The policy would run every second, and all chunks are older than one.
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(scene.database.number("select count(*) from reading"), 300_000);
    // A policy that is gone when it could come back stays gone.
    scene.database.run("select remove_retention_policy('reading')");
    scene.backfill().ends(0);
    assert_eq!(scene.database.number(OWED), 0);
    let text = scene.database.text(ON);
    assert!(!text.contains("policy_retention") && text.contains("policy_compression"), "{text}");
}

fn due(scene: &Scene, pipeline: &str) -> Vec<debt::Debt> {
    block_on(async {
        let server = Server::parse(&scene.database.url).unwrap();
        let session = server.connect("test").await.unwrap();
        debt::due(&session.client, pipeline).await.unwrap()
    })
}

#[test]
fn anyone_pays_for_the_dead_and_nobody_for_the_living() {
    let Some(scene) = scene(READINGS) else { return };
    readings(&scene.path("source.db"), 2_000_000);
    let on = scene.database.text(ON);
    scene.database.run(KEEP);
    // GIVEN a run at work
    let mut running = scene.backfill().start();
    wait_for("the first commit", LIMIT, || {
        let sql = "select count(*) from millstream.partition where n_read > 0";
        scene.database.try_rows(sql).ok().filter(|rows| rows[0][0] != "0")
    });
    // THEN what it set aside is nobody else's to pay
    assert!(scene.database.number(OWED) > 0);
    assert_eq!(due(&scene, ""), []);
    // AND once it is dead, anyone's: here another pipeline's, into a table of its own
    assert!(running.kill());
    wait_for("the end of its lock", LIMIT, || (!due(&scene, "").is_empty()).then_some(()));
    let other =
        READINGS.replace("\"readings\"", "\"others\"").replace("public.reading", "public.b");
    scene.write("other.toml", &other);
    scene.millstream(&["backfill", "other.toml"]).ends(0);
    assert_eq!(scene.database.number(OWED), 0, "{:?}", due(&scene, ""));
    assert_eq!(scene.database.text(ON), on);
    // AND the load goes on from there
    scene.backfill().ends(0);
    is_whole(&scene, &on, 2_000_000);
}

#[test]
fn a_load_that_is_stopped_puts_the_policies_back() {
    let Some(scene) = scene(READINGS) else { return };
    readings(&scene.path("source.db"), 2_000_000);
    let on = scene.database.text(ON);
    scene.database.run(KEEP);
    let mut running = scene.backfill().start();
    wait_for("the first commit", LIMIT, || {
        let sql = "select count(*) from millstream.partition where n_read > 0";
        scene.database.try_rows(sql).ok().filter(|rows| rows[0][0] != "0")
    });
    running.signal(rustix::process::Signal::TERM);
    assert_eq!(running.wait(LIMIT).code(), Some(5), "{}", running.log());
    // Retention stays off: it would eat the half of a history that is there.
    let off = "select string_agg(distinct proc_name::text, ' ') from timescaledb_information.jobs \
               join millstream.ddl_debt on object_name = 'job ' || job_id and state = 'owed' \
               where not scheduled";
    assert_eq!(scene.database.text(off), "policy_retention");
    assert!(scene.database.number(OWED) > 0, "indexes and chunks wait for the end of the load");
    scene.backfill().ends(0);
    is_whole(&scene, &on, 2_000_000);
}

#[test]
fn what_this_role_may_not_pause_is_told_with_the_way_out() {
    let Some(scene) = scene(READINGS) else { return };
    readings(&scene.path("source.db"), 1_000);
    let role = format!("loader_{}_{:08x}", std::process::id(), fastrand::u32(..));
    let name = scene.database.text("select current_database()");
    scene.database.run(&format!(
        "create role {role} login; grant create on database {name} to {role}; \
         grant create on schema public to {role}; grant insert, select on reading to {role}"
    ));
    scene.database.run(KEEP);
    let url = scene.database.url_for(&role);
    let loaded = scene.backfill().env("DATABASE_URL", &url).run();
    let report = format!("{}{}", loaded.out, loaded.err);
    assert_eq!(loaded.status.code(), Some(0), "{report}");
    for told in
        ["policy_compression (job ", "stays on during the load", "public.hourly is not refreshed"]
    {
        assert!(report.contains(told), "{told} is missing in\n{report}");
    }
    // A retention that would drop what comes is no warning.
    scene.database.run("select remove_retention_policy('reading')");
    scene.database.run("select add_retention_policy('reading', interval '1 day')");
    readings(&scene.path("more.db"), 2_000);
    std::fs::rename(scene.path("more.db"), scene.path("source.db")).unwrap();
    let stopped = scene.backfill().env("DATABASE_URL", &url).run();
    let words = format!("{}{}", stopped.out, stopped.err);
    assert_ne!(stopped.status.code(), Some(0), "{words}");
    assert!(words.to_lowercase().contains("retention"), "{words}");
    scene.database.run(&format!("drop owned by {role} cascade; drop role {role}"));
}
