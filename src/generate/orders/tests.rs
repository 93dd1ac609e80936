use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::types::Value;

use super::{OrdersPlan, Written, schema, write_orders};

/// A folder of its own that goes away.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("millstream-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn make(folder: &Folder, name: &str, years: u32, seed: u64) -> (Written, Connection) {
    let plan = OrdersPlan { years, seed, handover_counts: false };
    let written = write_orders(&folder.0.join(name), &plan, &mut |_| {}).unwrap();
    let db = Connection::open(&written.path).unwrap();
    (written, db)
}

fn dump(db: &Connection) -> Vec<Vec<Value>> {
    let mut all = Vec::new();
    for table in schema::TABLES.into_iter().chain(["sqlite_sequence", "sqlite_master"]) {
        let mut statement = db.prepare(&format!("select * from {table}")).unwrap();
        let width = statement.column_count();
        let rows = statement.query_map([], |row| (0..width).map(|at| row.get(at)).collect());
        all.extend(rows.unwrap().map(Result::unwrap));
    }
    all
}

fn one(db: &Connection, sql: &str) -> i64 {
    db.query_row(sql, [], |row| row.get(0)).unwrap()
}

fn strings(db: &Connection, sql: &str) -> BTreeSet<Option<String>> {
    let mut statement = db.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// What the notes say, for those who only have the notes.
struct Truth {
    ranges: Vec<(String, i64, i64, i64)>,
    broken: BTreeMap<(i64, String), i64>,
}

impl Truth {
    fn read(written: &Written) -> Self {
        let mut truth = Self { ranges: Vec::new(), broken: BTreeMap::new() };
        for note in &written.notes {
            let words: Vec<&str> = note.split(' ').collect();
            let hours = words.last().and_then(|word| word.strip_suffix(":00"));
            match *words {
                ["frame", column, "all", _] => {
                    let hours = hours.unwrap().parse().unwrap();
                    truth.ranges.push((column.to_owned(), i64::MIN, i64::MAX, hours));
                }
                ["frame", column, "ids", ids, _] => {
                    let (low, high) = ids.split_once('-').unwrap();
                    let (low, high) = (low.parse().unwrap(), high.parse().unwrap());
                    truth.ranges.push((
                        column.to_owned(),
                        low,
                        high,
                        hours.unwrap().parse().unwrap(),
                    ));
                }
                ["broken", "production_stops", id, column, _] => {
                    let key = (id.parse().unwrap(), column.to_owned());
                    truth.broken.insert(key, hours.unwrap().parse().unwrap());
                }
                _ => {}
            }
        }
        truth
    }

    /// Hours ahead of UTC.
    fn stop(&self, id: i64, column: &str) -> i64 {
        let name = format!("production_stops.{column}");
        let mut ranges = self.ranges.iter();
        let range = ranges.find(|range| range.0 == name && (range.1..=range.2).contains(&id));
        let broken = self.broken.get(&(id, column.to_owned()));
        *broken.unwrap_or_else(|| &range.unwrap().3)
    }
}

#[test]
fn the_same_seed_gives_the_same_rows_and_another_does_not() {
    let folder = Folder::new("orders-same");
    let plan = OrdersPlan { years: 1, seed: 3, handover_counts: false };
    let [first, second] = ["a.db", "b.db"]
        .map(|name| write_orders(&folder.0.join(name), &plan, &mut |_| {}).unwrap());
    assert_eq!((&first.notes, &first.tables), (&second.notes, &second.tables));
    // Before anybody opens them; the log carries a salt of SQLite's own, the file does not.
    let files = [&first, &second].map(|written| std::fs::read(&written.path).unwrap());
    assert!(files[0] == files[1], "the files differ");
    let [a, b] = [&first, &second].map(|written| dump(&Connection::open(&written.path).unwrap()));
    let (_, c) = make(&folder, "c.db", 1, 4);
    assert!(a == b && a != dump(&c), "the rows are not the seed's");
}

#[test]
fn two_years_grow_to_a_real_size() {
    let folder = Folder::new("orders-size");
    for seed in 0..4 {
        let (written, db) = make(&folder, &format!("{seed}.db"), 2, seed);
        let total: u64 = written.tables.iter().map(|(_, rows)| rows).sum();
        assert!((20_000..=65_000).contains(&total), "{total}");
        for (table, rows) in &written.tables {
            let found = one(&db, &format!("select count(*) from {table}"));
            assert_eq!(u64::try_from(found).unwrap(), *rows);
            assert!(*rows > 0, "{table}");
        }
        let in_months = |from: &str, to: &str| {
            one(
                &db,
                &format!(
                    "select count(*) from production_orders
                     where created_at >= '{from}' and created_at < '{to}'"
                ),
            )
        };
        let months = [("2023-09", "2023-11"), ("2024-05", "2024-07"), ("2025-05", "2025-07")];
        let counts = months.map(|(from, to)| in_months(from, to));
        assert!(counts.is_sorted() && counts[2] > 2 * counts[0], "{counts:?}");
        let resting = "select count(*) from crew_schedule_view where shift_type = 'rest'";
        assert!(one(&db, resting) > 0);
        assert_eq!(strings(&db, "pragma integrity_check"), [Some("ok".to_owned())].into());
    }
}

#[test]
fn the_newest_rows_are_only_in_the_log() {
    let folder = Folder::new("orders-wal");
    let (written, db) = make(&folder, "with.db", 1, 6);
    let alone = folder.0.join("alone.db");
    std::fs::copy(&written.path, &alone).unwrap();
    let log = PathBuf::from(format!("{}-wal", written.path.display()));
    assert!(std::fs::metadata(&log).unwrap().len() > 0);
    let alone = Connection::open(alone).unwrap();
    for table in ["production_orders", "production_stops", "quantity_updates", "daily_attendance"] {
        let count = format!("select count(*) from {table}");
        assert!(one(&alone, &count) < one(&db, &count), "{table}");
    }
    let done = "select count(*) from production_orders where status = 'completed'";
    assert!(one(&alone, done) < one(&db, done));
    assert_eq!(
        db.query_row("pragma journal_mode", [], |row| row.get::<_, String>(0)).unwrap(),
        "wal"
    );
    assert_eq!(one(&db, "pragma page_size"), 4096);
}

#[test]
fn frames_are_as_stated_and_no_other() {
    let folder = Folder::new("orders-frames");
    let mut boundaries = BTreeSet::new();
    for seed in 0..10 {
        let (written, db) = make(&folder, &format!("{seed}.db"), 1, seed);
        let truth = Truth::read(&written);
        boundaries.insert(
            truth.ranges.iter().find(|range| range.0.ends_with("stops.start_time")).unwrap().2,
        );
        assert!(truth.broken.len() >= 6, "{:?}", truth.broken);
        let mut statement = db
            .prepare(
                "select s.id, unixepoch(s.start_time), unixepoch(s.end_time), s.duration,
                        unixepoch(o.start_time), unixepoch(o.complete_time)
                 from production_stops s join production_orders o on o.id = s.order_id order by 1",
            )
            .unwrap();
        let rows = statement.query_map([], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
        });
        let (mut last, mut outside_if_sast, mut backwards) = (0, 0, 0);
        for row in rows.unwrap() {
            type Stop = (i64, i64, Option<i64>, Option<i64>, i64, Option<i64>);
            let (id, start, end, minutes, begun, done): Stop = row.unwrap();
            let true_start = start - truth.stop(id, "start_time") * 3600;
            let true_end = end.map(|end| end - truth.stop(id, "end_time") * 3600);
            assert!(begun < true_start && true_start >= last, "seed {seed} stop {id}");
            last = true_start;
            if let Some(true_end) = true_end {
                assert!(true_start < true_end && done.is_none_or(|done| true_end < done));
                assert_eq!(minutes, end.map(|end| (end - start) / 60));
            }
            let mixed = truth.broken.contains_key(&(id, "end_time".to_owned()))
                && !truth.broken.contains_key(&(id, "start_time".to_owned()));
            assert_eq!(mixed, minutes.is_some_and(|minutes| minutes < 0), "seed {seed} stop {id}");
            backwards += i64::from(mixed);
            outside_if_sast += i64::from(start - 7200 < begun);
        }
        assert!(backwards >= 2 && outside_if_sast > 0, "seed {seed}");
        let disorder = "select count(*) from production_orders
            where created_at > start_time or start_time > complete_time or stop_time is not null";
        assert_eq!(one(&db, disorder), 0);
        let counts = "select count(*) from quantity_updates q
            join production_orders o on o.id = q.order_id
            where datetime(q.update_time, '-2 hours')
                not between o.start_time and coalesce(o.complete_time, '9')";
        assert_eq!(one(&db, counts), 0);
        let future = "select count(*) from production_orders where '2025-08-02 00:06:00' <
            max(created_at, coalesce(start_time, ''), coalesce(complete_time, ''))";
        assert_eq!(one(&db, future), 0);
    }
    assert!(boundaries.len() > 8, "{boundaries:?}");
}

#[test]
fn shifts_take_the_date_of_utc_and_the_hour_of_the_site() {
    let folder = Folder::new("orders-shifts");
    let (written, db) = make(&folder, "s.db", 1, 2);
    for (table, column) in [("quantity_updates", "update_time"), ("shift_reports", "created_at")] {
        let wrong = format!(
            "select count(*) from {table} where shift_date <> date({column}, '-2 hours')
             or shift_type <>
                iif(strftime('%H', {column}) between '06' and '17', 'day', 'night')"
        );
        assert_eq!(one(&db, &wrong), 0, "{table}");
    }
    let schedule = "select count(*) from shift_reports where
        start_time <> shift_date || iif(shift_type = 'day', ' 06:00:00', ' 18:00:00')
        or end_time <> datetime(start_time, '+12 hours')";
    assert_eq!(one(&db, schedule), 0);
    // Written before the shift it is filed under has begun.
    let early = one(&db, "select count(*) from shift_reports where created_at < start_time");
    assert!(early > 0);
    assert!(written.notes.contains(&format!("next_night shift_reports.shift_date rows {early}")));
    let unlikely = "select count(*) from shift_reports where oee_percentage not between 0 and 120
        or completed_orders > total_orders or total_quantity_produced < 0
        or total_machines_active > total_machines_available";
    assert_eq!(one(&db, unlikely), 0);
}

#[test]
fn the_defects_are_there() {
    let folder = Folder::new("orders-defects");
    for seed in 0..10 {
        let (written, db) = make(&folder, &format!("{seed}.db"), 1, seed);
        let has = |sql: &str, wanted: &[Option<&str>]| {
            let found = strings(&db, sql);
            for value in wanted {
                assert!(found.contains(&value.map(str::to_owned)), "seed {seed}: {sql}: {value:?}");
            }
        };
        let states = ["pending", "in_progress", "stopped", "paused", "completed"].map(Some);
        has("select status from production_orders", &states);
        has("select role from users", &[Some("packer"), Some("admin")]);
        let categories = [None, Some("Safety"), Some("Utilities"), Some("Maintenance")];
        has("select category from production_stops", &categories);
        has("select due_date from production_orders", &[None, Some("")]);
        has("select shift from daily_attendance", &[Some("Dayshift"), Some("nightshift")]);
        has("select environment from shift_reports", &[Some(""), Some("packaging")]);
        for (table, column) in [
            ("machine_crews", "employees"),
            ("system_settings", "value"),
            ("environments", "machine_types"),
        ] {
            assert_eq!(
                one(&db, &format!("select count(*) from {table} where not json_valid({column})")),
                0
            );
        }
        let mut statement = db
            .prepare("select \"table\", count(*) from pragma_foreign_key_check group by 1")
            .unwrap();
        let found: BTreeMap<String, i64> = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        for table in ["production_stops", "production_waste", "quantity_updates"] {
            assert!(found.get(table).is_some_and(|count| *count > 0), "seed {seed}: {table}");
        }
        let stated = |name: &str| -> i64 {
            let notes =
                written.notes.iter().filter(|note| note.starts_with(&format!("dangling {name}")));
            notes.map(|note| note.rsplit(' ').next().unwrap().parse::<i64>().unwrap()).sum()
        };
        assert_eq!(found["production_stops"], stated("production_stops."));
        assert_eq!(found["quantity_updates"], stated("quantity_updates."));
        assert!(
            stated("production_orders.machine_id") > 0
                && stated("production_orders.operator_id") > 0
        );
        let gaps = "select max(id) - count(*) from production_orders";
        assert!(one(&db, gaps) > 3);
        let past = "select count(*) from sqlite_sequence where name = 'production_orders'
            and seq >= (select max(id) from production_orders)";
        assert_eq!(one(&db, past), 1);
    }
}

#[test]
fn types_are_declared_as_the_application_did() {
    let folder = Folder::new("orders-types");
    let (_, db) = make(&folder, "t.db", 1, 1);
    let declared = |table: &str| -> Vec<String> {
        let mut statement = db
            .prepare(&format!(
                "select type || coalesce('=' || dflt_value, '') from pragma_table_info('{table}')"
            ))
            .unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(declared("quantity_updates")[6], "DATETIME=datetime('now', '+2 hours')");
    assert_eq!(declared("production_orders")[19], "BOOLEAN=0");
    assert_eq!(one(&db, "select count(*) from sqlite_master where name = 'sqlite_sequence'"), 1);
    let instants =
        "select count(*) from production_stops where start_time not glob '????-??-?? ??:??:??'";
    assert_eq!(one(&db, instants), 0);
}

#[test]
fn ids_rise_with_the_instants_at_which_they_were_given() {
    let folder = Folder::new("orders-order");
    let (_, db) = make(&folder, "o.db", 2, 7);
    for (table, column) in [
        ("users", "created_at"),
        ("production_orders", "created_at"),
        ("production_waste", "created_at"),
        ("quantity_updates", "update_time"),
        ("shift_supervisors", "created_at"),
        ("shift_reports", "created_at"),
        ("daily_role_overrides", "created_at"),
        ("crew_assignments", "created_at"),
    ] {
        let back = format!(
            "select count(*) from (select {column} as at, lag({column}) over (order by id) as last
             from {table}) where at < last"
        );
        assert_eq!(one(&db, &back), 0, "{table}");
    }
}

#[test]
fn what_cannot_be_made_is_refused() {
    let folder = Folder::new("orders-refused");
    let path = folder.0.join("o.db");
    let make = |path: &Path, years| {
        write_orders(path, &OrdersPlan { years, seed: 1, handover_counts: false }, &mut |_| {})
    };
    for years in [0, 21, u32::MAX] {
        let refused = make(&path, years).unwrap_err().to_string();
        assert_eq!(refused, format!("years is {years}: from 1 to 20"));
    }
    std::fs::write(folder.0.join("o.db-wal"), "someone's").unwrap();
    assert!(make(&path, 1).unwrap_err().to_string().contains("o.db-wal exists"));
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 1);
}
