//! Records of a source become intervals, counts and quality events, exactly once.

use std::time::Duration;

use crate::support::{Database, Scene, random};

const PIPELINE: &str = r#"
name = "states"
[source]
sqlite = "source.db"
[target]
url = "${DATABASE_URL}"
[[table]]
query = "select distinct 'S' as id, 'SITE' as code, 'Site' as name, 'Europe/Berlin' as timezone from sample limit 1"
key = ["id"]
to = 'public."Site"'
[[table]]
query = "select distinct 'W' as id, 'LINE' as code, 'Line' as name, 'S' as siteId, 'LINE' as workCenterType from sample limit 1"
key = ["id"]
to = 'public."WorkCenter"'
[[table]]
query = "select distinct machine as id, machine as code, machine as name, 'W' as workCenterId, 'press' as equipmentType from sample"
key = ["id"]
to = 'public."Equipment"'
[[table]]
query = """
select ts as at, machine, 'sample' as kind, null as until, speed > 0 as runs, 0 as planned, null as reason, id from sample
union all
select start_time, machine, 'event', end_time, 0, planned, reason, id from stop"""
key = ["at", "machine", "kind", "id"]
to = "public.equipment_states"
accept_retention = true
[table.states]
hold = "5 minutes"
[table.columns]
equipment = "machine"
at = { from = "at", zone = "UTC" }
until = { from = "until", zone = "UTC" }
state = { from = "runs", map = { 1 = "PRODUCING", 0 = "DOWN" } }
[[table]]
query = "select ts as at, machine, id, good from counter"
key = ["at", "machine", "id"]
to = "public.production_counts"
accept_retention = true
[table.counts]
mode = "cumulative"
modulus = 65536
max_delta = 500
[table.columns]
equipment = "machine"
at = { from = "at", zone = "UTC" }
[[table]]
from = "waste"
to = "public.quality_events"
accept_retention = true
[table.quality]
[table.columns]
equipment = "machine"
at = { from = "ts", zone = "UTC" }
event = { from = "kind", map = { waste = "SCRAP", again = "REWORK" } }
quantity = "pieces"
code = "reason"
[[shift]]
code = "EARLY"
start = "06:00"
end = "14:00"
days = ["mon", "tue"]
breaks = [{ start = "10:00", end = "10:30" }]
"#;

/// Machines sampled each minute from 2025-07-01 06:00 on, with an eleven-minute planned stop on M1.
fn source(minutes: i64, machines: i64) -> String {
    format!(
        "create table sample (id integer primary key, ts text, machine text, speed real);
         create table stop (id integer primary key, machine text, start_time text, end_time text, planned int, reason text);
         create table counter (id integer primary key, ts text, machine text, good int);
         create table waste (id integer primary key, ts text, machine text, kind text, pieces int, reason text);
         with recursive minute(m) as (select 0 union all select m + 1 from minute where m + 1 < {minutes}),
         machine(k) as (select 1 union all select k + 1 from machine where k + 1 <= {machines})
         insert into sample (ts, machine, speed)
         select datetime('2025-07-01 06:00', m || ' minutes'), 'M' || k,
            case when m % 60 between 20 and 30 then 0.0 else 41.5 end
         from minute, machine order by m, k;
         insert into stop (machine, start_time, end_time, planned, reason) values
            ('M1', '2025-07-01 06:20:00', '2025-07-01 06:31:00', 1, 'cleaning');
         with recursive minute(m) as (select 0 union all select m + 5 from minute where m + 5 < {minutes})
         insert into counter (ts, machine, good)
         select datetime('2025-07-01 06:00', m || ' minutes'), 'M1', (65300 + m * 20) % 65536 from minute;
         insert into waste (ts, machine, kind, pieces, reason) values
            ('2025-07-01 06:40:00', 'M1', 'waste', 3, 'torn'), ('2025-07-01 06:41:00', 'M1', 'again', 1, null);"
    )
}

fn scene() -> Scene {
    let scene = Scene::with(Database::timescale(), PIPELINE);
    scene.millstream(&["migrate", "up", "--set", "iso22400"]).ends(0);
    scene
}

#[test]
fn the_seeds_eleven_minute_stop_is_one_row() {
    let scene = scene();
    drop(scene.source(&source(120, 2)));
    let said = scene.backfill().ends(0);
    let database = &scene.database;
    let stop = "select state, \"stateCategory\", reason, \"durationSeconds\", \"startTime\"::text \
                from public.equipment_states where \"equipmentId\" = 'M1' and reason = 'cleaning'";
    database.run("set time zone 'UTC'");
    assert_eq!(database.rows(stop).len(), 1, "{}", said.out);
    assert_eq!(
        database.rows(stop)[0][..4],
        ["PLANNED_STOP", "PLANNED", "cleaning", "660"].map(str::to_owned)
    );
    let rows = |machine: &str| {
        let sql = format!(
            "select state, extract(epoch from \"endTime\" - \"startTime\")::bigint \
             from public.equipment_states where \"equipmentId\" = '{machine}' order by \"timestamp\""
        );
        database.rows(&sql)
    };
    // The last stretch is still open: it shows with the machine.
    let three = [["PRODUCING", "1200"], ["DOWN", "660"], ["PRODUCING", "2940"], ["DOWN", "660"]];
    assert_eq!(rows("M2"), three.map(|row| row.map(str::to_owned).to_vec()));
    assert_eq!(rows("M1")[1], ["PLANNED_STOP", "660"]);
    let now = "select \"currentState\", \"lastSeenAt\" - \"currentStateSince\" from public.\"Equipment\" where id = 'M2'";
    assert_eq!(database.rows(now)[0], ["PRODUCING", "00:28:00"]);
    // 24 readings, 23 increments of 100, over the edge of the counter.
    let counts = "select count(*), sum(\"goodCount\"), sum(\"totalCount\"), min(\"goodCount\") from public.production_counts";
    assert_eq!(database.rows(counts)[0], ["23", "2300", "2300", "100"]);
    let events = "select \"eventType\", quantity, \"defectCode\" from public.quality_events order by quantity";
    assert_eq!(database.rows(events), [["REWORK", "1", ""], ["SCRAP", "3", "torn"]]);
    let shift = "select \"shiftCode\", \"weekDays\", \"breakWindows\" from public.\"Shift\"";
    assert_eq!(
        database.rows(shift)[0],
        ["EARLY", "{1,2}", "[{\"end\": \"10:30\", \"start\": \"10:00\"}]"]
    );
    let seen = scene.verify().json(0);
    assert_eq!(seen["gaps"][0]["gaps_over_1_min"], 0, "{seen:#}");
    assert_eq!(seen["time_zones"][1]["result"], "PASS");
    assert_eq!(seen["rows"][0]["distinct_ids"], 2);
    scene.verify().arg("--deep").ends(0);
    // What the evidence is for: a zone that is none, and states of a unit that is not there.
    database.run("update public.\"Site\" set timezone = 'Mars/Olympus'; delete from public.\"Equipment\" where id = 'M2'");
    let said = scene.verify().ends(4);
    for expected in
        ["Mars/Olympus is no time zone", "public.equipment_states.equipmentId refers to rows"]
    {
        assert!(said.out.contains(expected), "{expected}: {}", said.out);
    }
}

#[test]
fn rows_appended_later_go_on_where_the_state_stands() {
    let whole = scene();
    drop(whole.source(&source(600, 3)));
    whole.backfill().ends(0);
    let parts = scene();
    let file = parts.source(&source(600, 3));
    file.execute_batch(
        "create table later as select * from sample where ts >= '2025-07-01 09:25:00';
         create table later_counter as select * from counter where ts >= '2025-07-01 09:25:00';
         delete from sample where id in (select id from later);
         delete from counter where id in (select id from later_counter);",
    )
    .unwrap();
    parts.backfill().ends(0);
    file.execute_batch(
        "insert into sample select * from later; insert into counter select * from later_counter;",
    )
    .unwrap();
    parts.backfill().ends(0);
    parts.backfill().ends(0);
    let sql = "select md5(string_agg(s::text, '|' order by \"equipmentId\", \"timestamp\")), count(*) from public.equipment_states s";
    assert_eq!(whole.database.rows(sql), parts.database.rows(sql));
    let sql = "select count(*), sum(\"goodCount\"), md5(string_agg(c::text, '|' order by \"timestamp\")) from public.production_counts c";
    assert_eq!(whole.database.rows(sql), parts.database.rows(sql));
    let sql = "select id, \"currentState\", \"currentStateSince\", \"lastSeenAt\" from public.\"Equipment\" order by id";
    assert_eq!(whole.database.rows(sql), parts.database.rows(sql));
    parts.verify().ends(0);
}

#[test]
fn killed_at_random_moments_the_intervals_are_the_same() {
    let pipeline = format!("{PIPELINE}\n[limits]\nbatch_rows = 2000\n");
    let make = || {
        let scene = Scene::with(Database::timescale(), &pipeline);
        scene.millstream(&["migrate", "up", "--set", "iso22400"]).ends(0);
        drop(scene.source(&source(20_000, 8)));
        scene
    };
    let sql = "select md5(string_agg(s::text, '|' order by \"equipmentId\", \"timestamp\")), count(*) from public.equipment_states s";
    let whole = make();
    whole.backfill().ends(0);
    let expected = whole.database.rows(sql);
    let killed = make();
    let mut random = random();
    let mut kills = 0;
    loop {
        let mut running = killed.backfill().start();
        std::thread::sleep(Duration::from_millis(random.u64(50..900)));
        if running.kill() {
            kills += 1;
        } else if running.ended().is_some_and(|status| status.success()) {
            break;
        }
        if kills >= 10 {
            killed.backfill().ends(0);
            break;
        }
    }
    println!("{kills} kills");
    assert!(kills > 0);
    assert_eq!(killed.database.rows(sql), expected);
    killed.verify().ends(0);
    killed.verify().arg("--deep").ends(0);
}

#[test]
fn what_does_not_fit_is_told_before_a_row_moves() {
    let scene = Scene::with(Database::timescale(), PIPELINE);
    drop(scene.source(&source(10, 1)));
    let said = scene.backfill().ends(2);
    assert!(
        said.err.contains("[[shift]]") && said.err.contains("migrate up --set iso22400"),
        "{}",
        said.err
    );
    scene.millstream(&["migrate", "up", "--set", "iso22400"]).ends(0);
    let cases = [
        ("hold = \"5 minutes\"", "hold = \"soon\"", "`soon` is not known here"),
        ("hold = \"5 minutes\"", "otherwise = \"RUN\"", "one of PRODUCING"),
        ("hold = \"5 minutes\"", "holds = \"5 minutes\"", "did you mean `hold`?"),
        ("mode = \"cumulative\"", "mode = \"sum\"", "event or cumulative"),
        ("max_delta = 500\n", "", "`max_delta` is missing"),
        ("state = { from", "stat = { from", "record.states has no column `stat`"),
        ("start = \"06:00\"", "start = \"6:00\"", "no time of day"),
        ("[\"mon\", \"tue\"]", "[\"mon\", \"tus\"]", "no day of the week"),
        (
            "[table.quality]",
            "[table.quality]\n[table.counts]\nmode = \"event\"",
            "one of `states`, `counts` and `quality`",
        ),
    ];
    for (from, to, expected) in cases {
        scene.write("pipeline.toml", &PIPELINE.replacen(from, to, 1));
        let said = scene.backfill().ends(2);
        assert!(said.err.contains(expected), "{to}: {}", said.err);
    }
}

#[test]
fn a_record_that_cannot_be_used_leaves_the_state_alone() {
    let scene = scene();
    let file = scene.source(&source(60, 1));
    file.execute_batch("insert into stop (machine, start_time, end_time, planned, reason) values ('M1', '2025-07-01 06:50:00', '2025-07-01 06:45:00', 0, 'reversed')").unwrap();
    let said = scene.backfill().ends(3);
    assert!(said.out.contains("ends_before_start"), "{}", said.out);
    assert_eq!(
        scene
            .database
            .number("select count(*) from public.equipment_states where reason = 'reversed'"),
        0
    );
    let said = scene.millstream(&["dead-letter", "replay", "pipeline.toml"]).run();
    assert!(said.out.contains("correct it in the source"), "{}{}", said.out, said.err);
}

#[test]
fn shifts_are_put_once_and_what_a_person_put_stays() {
    let scene = scene();
    drop(scene.source(&source(60, 1)));
    scene.backfill().ends(0);
    let database = &scene.database;
    let shift = "select \"startTime\" || ' ' || \"shiftName\" from public.\"Shift\"";
    assert_eq!(database.text(shift), "06:00 EARLY");
    let again = scene.backfill().ends(0);
    assert!(!again.out.contains("put in place"), "{}", again.out);
    scene.write("pipeline.toml", &PIPELINE.replace("start = \"06:00\"", "start = \"05:30\""));
    let changed = scene.backfill().ends(0);
    assert!(changed.out.contains("1 shifts put in place"), "{}", changed.out);
    database.run("update public.\"Shift\" set id = 'mine', \"startTime\" = '07:00'");
    let left = scene.backfill().ends(0);
    assert!(left.out.contains("EARLY of site SITE was there before this file"), "{}", left.out);
    assert_eq!(database.text(shift), "07:00 EARLY");
}
