//! Nothing lost, nothing double: whatever ends, the same command again makes it whole.

use std::time::Duration;

use crate::proxy::Proxy;
use crate::support::server::Server;
use crate::support::source::{READINGS, readings};
use crate::support::tool::Running;
use crate::support::{Database, Scene, long, random, wait_for};

const LIMIT: Duration = Duration::from_secs(120);

/// Rows of a load, and how many times it is hit.
fn measure() -> (u64, usize) {
    if long() { (5_000_000, 100) } else { (1_000_000, 10) }
}

/// Counts the readings, prints what is missing and what is there twice, and lets `verify` judge.
pub(crate) fn nothing_lost_nothing_double(scene: &Scene, rows: i64) {
    let sql = "select count(*), count(distinct id), min(id), max(id) from public.reading";
    let found: Vec<i64> =
        scene.database.rows(sql)[0].iter().map(|number| number.parse().unwrap()).collect();
    let (lost, double) = (rows - found[1], found[0] - found[1]);
    println!("{rows} rows: lost {lost}, double {double}");
    assert_eq!((lost, double, found[2], found[3]), (0, 0, 1, rows));
    scene.verify().ends(0);
}

/// Hits loads at random moments until `times` hits have met one under way, each time going on with the
/// same command; after each load everything must be there once. `hit` tells whether it met something.
fn hit_at_random(
    make: impl Fn() -> Scene,
    times: usize,
    mut hit: impl FnMut(&Scene, &mut Running) -> bool,
) {
    let (rows, _) = measure();
    let mut random = random();
    let (mut hits, mut loads) = (0, 0);
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("source.db");
    readings(&file, rows);
    while hits < times {
        let scene = make();
        std::os::unix::fs::symlink(&file, scene.path("source.db")).unwrap();
        loads += 1;
        loop {
            let mut running = scene.backfill().start();
            // The first moments of a run are the interesting ones: a copy, a plan, the first rows.
            while hits < times && running.ended().is_none() {
                std::thread::sleep(Duration::from_millis(random.u64(1..1_200)));
                if running.ended().is_none() && hit(&scene, &mut running) {
                    hits += 1;
                }
            }
            if running.wait(LIMIT).success() {
                break;
            }
        }
        nothing_lost_nothing_double(&scene, i64::try_from(rows).unwrap());
    }
    println!("{hits} hits in {loads} loads");
}

#[test]
fn a_process_killed_at_random_moments_loses_and_doubles_nothing() {
    hit_at_random(|| Scene::new(READINGS), measure().1, |_, running| running.kill());
}

#[test]
fn connections_ended_at_random_moments_lose_and_double_nothing() {
    let end = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
               where datname = current_database() and pid <> pg_backend_pid()";
    hit_at_random(|| Scene::new(READINGS), measure().1, |scene, _| scene.database.number(end) > 0);
}

#[test]
fn a_server_stopped_at_random_moments_loses_and_doubles_nothing() {
    let server = Server::new();
    let make = || {
        let database = Database::on(&server.url());
        database.run("create extension timescaledb");
        Scene::with(database, READINGS)
    };
    hit_at_random(make, measure().1, |_, _| {
        server.stop_immediately();
        server.start();
        true
    });
}

/// Point, at which time, transactions committed by then.
const POINTS: [(&str, i64); 7] = [
    ("before_copy:3", 2),
    ("after_copy:3", 2),
    ("before_commit:3", 2),
    ("after_commit:3", 3),
    ("before_release:3", 3),
    ("before_settle:1", 20),
    ("before_debt:1", 20),
];

#[test]
fn a_process_killed_at_each_named_point_loses_and_doubles_nothing() {
    // One lane: the n-th time is the n-th transaction.
    let scene = Scene::new(&READINGS.replace("[limits]", "[limits]\nlanes = 1"));
    readings(&scene.path("source.db"), 1_000_000);
    for (point, committed) in POINTS {
        let killed = scene.backfill().env("MILLSTREAM_FAILPOINT", point).run();
        assert!(killed.was_killed(), "{point}: {}\n{}", killed.status, killed.err);
        let landed = scene.database.number("select count(*) from reading");
        let known = scene.database.number("select sum(n_made) from millstream.partition");
        println!("{point}: killed with {landed} rows in the table");
        assert_eq!((landed, known), (committed * 50_000, committed * 50_000), "{point}");
        scene.backfill().ends(0);
        nothing_lost_nothing_double(&scene, 1_000_000);
        let indexes = "select count(*) from pg_indexes where tablename = 'reading'";
        assert_eq!(scene.database.number(indexes), 1, "{point}: the index is back");
        scene.database.run("drop table reading; drop schema millstream cascade");
        scene.database.run("drop table migration_log");
    }
}

/// A run is cut off from the server between claiming its partition and opening its connection; another
/// one takes over and loads everything; then the first one's connection comes through.
fn zombie(without: &str) -> (i64, Option<i32>) {
    let rows = 100_000;
    let scene = Scene::new(READINGS);
    readings(&scene.path("source.db"), rows);
    let proxy = Proxy::before(&scene.database);
    proxy.hold("ms/");
    let url = proxy.url(&scene.database);
    // It runs on another machine: its copy of the source is its own.
    let first = scene.backfill().env("DATABASE_URL", &url).env("STATE", "elsewhere");
    let mut first = first.env("MILLSTREAM_WITHOUT", without).start();
    wait_for("the claim of the first run", LIMIT, || proxy.holds().then_some(()));
    let cut = "select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity \
               where datname = current_database() and application_name like 'millstream%'";
    assert!(scene.database.number(cut) > 0);
    scene.backfill().ends(0);
    proxy.release();
    let ended = first.wait(LIMIT);
    println!("the first run ends with {:?}: {}", ended.code(), first.log());
    let count = scene.database.number("select count(*) from reading");
    (count - i64::try_from(rows).unwrap(), ended.code())
}

#[test]
fn a_run_that_was_overtaken_cannot_commit() {
    let (double, code) = zombie("");
    println!("with the guard: double {double}");
    assert_eq!((double, code), (0, Some(5)));
}

#[test]
fn without_its_guard_a_run_that_was_overtaken_doubles_rows() {
    let (double, _) = zombie("cursor");
    println!("without the guard: double {double}");
    assert!(double > 0, "the guard is not what keeps rows from being doubled");
}

#[test]
fn a_run_that_was_stopped_and_wakes_up_later_doubles_nothing() {
    use rustix::process::Signal;
    // GIVEN a run that is stopped in the middle, and a server that gave up on its connections
    let scene = Scene::new(READINGS);
    readings(&scene.path("source.db"), 1_000_000);
    let mut first = scene.backfill().env("STATE", "elsewhere").start();
    let read = || {
        let sql = "select sum(n_read) from millstream.partition";
        let rows = scene.database.try_rows(sql).ok()?;
        rows[0][0].parse::<i64>().ok().filter(|read| *read > 0)
    };
    wait_for("the first commit", LIMIT, read);
    first.signal(Signal::STOP);
    let end = "select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity \
               where datname = current_database() and pid <> pg_backend_pid()";
    assert!(scene.database.number(end) > 0);
    // WHEN a second one takes over, and the first wakes up while it is at work
    let mut second = scene.backfill().start();
    wait_for("the second run's claim", LIMIT, || {
        let sql = "select max(epoch) from millstream.partition";
        (scene.database.number(sql) > 1).then_some(())
    });
    first.signal(Signal::CONT);
    let codes = [first.wait(LIMIT).code(), second.wait(LIMIT).code()];
    println!("first and second end with {codes:?}");
    // THEN one of them, or the same command again, makes it whole
    scene.backfill().ends(0);
    nothing_lost_nothing_double(&scene, 1_000_000);
}

#[test]
fn a_second_runner_waits_its_turn() {
    let scene = Scene::new(READINGS);
    readings(&scene.path("source.db"), 1_000_000);
    let mut runs: Vec<Running> = (0..3).map(|_| scene.backfill().start()).collect();
    for run in &mut runs {
        let ended = run.wait(LIMIT);
        assert!(ended.success(), "{}", run.log());
    }
    nothing_lost_nothing_double(&scene, 1_000_000);
}
