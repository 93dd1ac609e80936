use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::frames::Segment;
use super::times::HOUR;
use super::{Audit, Options, Verdict, sqlite};
use crate::config::check;
use crate::config::{Problems, plan::Plan};
use crate::generate::{Written, orders, telemetry};

fn audit(path: &Path, site_zone: Option<&str>) -> Audit {
    let options = Options { site_zone: site_zone.map(str::to_owned), modified: None };
    sqlite(path, options, &mut |_, _| {}).unwrap()
}

fn file(sql: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("press-1.db");
    Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    (folder, path)
}

fn load(text: &str) -> Result<Plan, Problems> {
    let environment =
        |name: &str| (name == "DATABASE_URL").then(|| "postgres://u@localhost/db".to_owned());
    let file = Path::new("a.toml");
    check::plan(text, file, &environment, Problems::new(file))
}

fn frames(audit: &Audit, name: &str) -> Option<Vec<Segment>> {
    let judged = audit.judged.iter().find(|judged| audit.name(judged.key) == name).unwrap();
    match &judged.verdict {
        Verdict::Frames(segments) => Some(segments.clone()),
        Verdict::Open => None,
        other => panic!("{name}: {other:?}"),
    }
}

/// `frame TABLE.COLUMN all|ids A-B +HH:00` as segments of each column.
fn truth(written: &Written) -> Vec<(String, Vec<Segment>)> {
    let mut all: Vec<(String, Vec<Segment>)> = Vec::new();
    for note in &written.notes {
        let words: Vec<&str> = note.split(' ').collect();
        let (column, through) = match *words {
            ["frame", column, "all", _] => (column, i64::MAX),
            ["frame", column, "ids", ids, _] => {
                (column, ids.split_once('-').unwrap().1.parse().unwrap())
            }
            _ => continue,
        };
        let hours: i64 = words.last().unwrap().strip_suffix(":00").unwrap().parse().unwrap();
        let segment = Segment { through, offset: hours * HOUR };
        match all.iter_mut().find(|(known, _)| known == column) {
            Some((_, segments)) => segments.push(segment),
            None => all.push((column.to_owned(), vec![segment])),
        }
    }
    for (_, segments) in &mut all {
        segments.last_mut().unwrap().through = i64::MAX;
    }
    all
}

#[test]
fn ten_orders_files_are_understood() {
    for seed in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        let plan = orders::OrdersPlan { years: 1, seed, handover_counts: false };
        let path = folder.path().join("production.db");
        let written = orders::write_orders(&path, &plan, &mut |_| {}).unwrap();
        let audit = audit(&path, Some("Africa/Johannesburg"));
        let truth = truth(&written);
        assert_eq!(truth.len(), 19);
        for (column, expected) in &truth {
            // People log in whenever they like: nothing in the file bounds it from above.
            match frames(&audit, column) {
                None => assert_eq!(column, "users.last_login", "seed {seed}"),
                Some(found) => assert_eq!(found, *expected, "seed {seed}: {column}"),
            }
        }
        for note in written.notes.iter().filter(|note| note.starts_with("broken")) {
            let words: Vec<&str> = note.split(' ').collect();
            let id: i64 = words[2].parse().unwrap();
            let against = audit.judged.iter().any(|judged| judged.against.contains(&id));
            assert!(against, "seed {seed}: {note}");
        }
        let set_aside: usize = audit.judged.iter().map(|judged| judged.against.len()).sum();
        assert!(set_aside <= 12, "seed {seed}: {set_aside} rows");
        let text = audit.pipeline_file();
        let problems = load(&text).unwrap_err();
        assert_eq!(problems.error_count(), 1, "{problems}");
        let answered = text.replace("zone = \"?\"", "zone = \"UTC\"");
        assert_eq!(load(&answered).unwrap().tables.len(), 16);
        assert!(text.contains("zone = \"Africa/Johannesburg\""));
    }
}

#[test]
fn a_telemetry_file_needs_no_hand() {
    for (rows, seed, zone) in [(200_000, 1, "Europe/Berlin"), (200_000, 5, "America/New_York")] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("telemetry.db");
        let mut plan = telemetry::TelemetryPlan::new(rows, seed);
        zone.clone_into(&mut plan.zone);
        telemetry::write_telemetry(&path, &plan, &mut |_| {}).unwrap();
        let audit = audit(&path, None);
        assert_eq!(audit.open(), Vec::<String>::new());
        let text = audit.pipeline_file();
        let rule = format!("zone = \"{zone}\", time = \"gap=reject;fold=infer;unit=ms\"");
        assert!(text.contains(&rule), "{text}");
        assert!(text.contains("hypertable = { time = \"local_time\", chunk = \"1 day\" }"));
        let plan = load(&text).unwrap();
        assert_eq!((plan.name.as_str(), plan.tables.len()), ("telemetry", 2));
    }
}

#[test]
fn a_clock_at_rest_without_evidence_stays_open() {
    for zone in ["UTC", "Africa/Johannesburg", "Asia/Kolkata"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("telemetry.db");
        let mut plan = telemetry::TelemetryPlan::new(20_000, 3);
        zone.clone_into(&mut plan.zone);
        telemetry::write_telemetry(&path, &plan, &mut |_| {}).unwrap();
        let audit = audit(&path, None);
        assert_eq!(audit.open(), ["metric_hist.local_time"], "{zone}");
        assert!(audit.pipeline_file().contains("zone = \"?\", time = \"unit=ms\""));
    }
}

/// Orders of eight hours, with a count an hour, whose texts are so many hours ahead.
fn counted(order_hours: i64, default: &str) -> String {
    format!(
        "create table orders (id integer primary key, created_at text {default},
             started_at text, ended_at text);
         create table counts (id integer primary key, order_id integer references orders(id),
             created_at text {default});
         with recursive n(i) as (select 1 union all select i + 1 from n where i < 400)
         insert into orders select i, datetime('2024-01-01', (i * 36007 - 60) || ' seconds'),
             datetime('2024-01-01', (i * 36007 + {order_hours} * 3600) || ' seconds'),
             datetime('2024-01-01', (i * 36007 + 28800 + {order_hours} * 3600) || ' seconds') from n;
         with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000)
         insert into counts select i, (i + 4) / 5, datetime('2024-01-01',
             ((i + 4) / 5 * 36007 + (i + 4) % 5 * 7190 + 13) || ' seconds') from n;"
    )
}

#[test]
fn a_naive_column_without_evidence_stays_open() {
    let (_folder, path) = file(&counted(2, ""));
    let found = audit(&path, Some("Africa/Johannesburg"));
    let all = ["counts.created_at", "orders.created_at", "orders.started_at", "orders.ended_at"];
    assert_eq!(found.open(), all);
    let text = found.pipeline_file();
    assert_eq!(text.matches("zone = \"?\"").count(), 4, "{text}");
    let problems = load(&text).unwrap_err();
    assert_eq!(problems.error_count(), 4, "{problems}");
}

#[test]
fn what_is_known_of_one_table_tells_of_another() {
    for hours in [0, 2, -5] {
        let (_folder, path) = file(&counted(hours, "default current_timestamp"));
        let found = audit(&path, None);
        let all = |hours| Some(vec![Segment { through: i64::MAX, offset: hours * HOUR }]);
        assert_eq!(frames(&found, "counts.created_at"), all(0));
        assert_eq!(frames(&found, "orders.started_at"), all(hours), "{hours}");
        // Never before the last count is all that is known of it.
        let end = frames(&found, "orders.ended_at");
        assert!(end.is_none() || end == all(hours), "{hours}: {end:?}");
    }
}

#[test]
fn rows_of_an_exact_length_are_no_offset() {
    let (_folder, path) = file(
        "create table shifts (id integer primary key, created_at text default current_timestamp,
             start_time text, end_time text);
         with recursive n(i) as (select 1 union all select i + 1 from n where i < 900)
         insert into shifts select i, datetime('2024-01-01', (i * 28813) || ' seconds'),
             datetime('2024-01-01', (i * 28813 + 7200) || ' seconds'),
             datetime('2024-01-01', (i * 28813 + 14400) || ' seconds') from n;",
    );
    let found = audit(&path, None);
    assert_eq!(found.open(), ["shifts.start_time", "shifts.end_time"]);
}

#[test]
fn a_default_that_the_future_contradicts_is_not_believed() {
    let (_folder, path) = file(
        "create table t (id integer primary key, at text default current_timestamp);
         insert into t (at) values ('2024-08-01 10:00:00'), ('2024-08-01 12:00:00');",
    );
    let modified = |hour: i64| Some((8_614 * 24 + 365 * 24 + hour) * HOUR);
    let with = |modified| {
        let options = Options { site_zone: None, modified };
        sqlite(&path, options, &mut |_, _| {}).unwrap().open().len()
    };
    // 2024-08-01 is day 8,979.
    assert_eq!((with(modified(12)), with(modified(10)), with(None)), (0, 1, 0));
}

#[test]
fn names_and_values_are_written_so_that_they_load() {
    let (_folder, path) = file(
        "create table \"odd.na\"\"me\" (\"a b\" boolean, \"t z\" text, secret_token text, j text);
         insert into \"odd.na\"\"me\" values (1, '2024-08-01T10:00:00Z', 'abc', '{}');
         insert into \"odd.na\"\"me\" values (0, '2024-08-01T11:00:00+02:00', 'abd', '[1]');
         create view v as select 1;",
    );
    let found = audit(&path, None);
    let text = found.pipeline_file();
    let plan = load(&text).unwrap();
    assert_eq!(plan.name, "press_1");
    assert!(text.contains("\"t z\" = { type = \"timestamptz\" }"), "{text}");
    assert!(!text.contains("abc") && !format!("{:?}", found.report(true)).contains("abc"));
}

#[test]
fn what_is_no_database_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.db");
    let fails =
        |path: &Path| sqlite(path, Options::default(), &mut |_, _| {}).unwrap_err().to_string();
    assert!(fails(&path).contains("there is no such file"));
    std::fs::write(&path, "no database, but long enough to be one".repeat(40)).unwrap();
    assert!(fails(&path).contains("or an encrypted one"));
    Connection::open(folder.path().join("empty.db")).unwrap().execute_batch("vacuum").unwrap();
    assert!(fails(&folder.path().join("empty.db")).contains("no table"));
}
