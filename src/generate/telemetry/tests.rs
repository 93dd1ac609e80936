use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use rusqlite::Connection;
use rusqlite::types::Value;

use super::{TelemetryPlan, Written, write_telemetry};
use crate::generate::GenerateError;

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

fn make(folder: &Folder, name: &str, plan: &TelemetryPlan) -> (Written, Connection) {
    let written = write_telemetry(&folder.0.join(name), plan, &mut |_| {}).unwrap();
    let db = Connection::open(&written.path).unwrap();
    (written, db)
}

fn rows(db: &Connection, sql: &str) -> Vec<Vec<Value>> {
    let mut statement = db.prepare(sql).unwrap();
    let width = statement.column_count();
    let read = |row: &rusqlite::Row<'_>| -> rusqlite::Result<Vec<Value>> {
        (0..width)
            .map(|column| match row.get_ref(column)? {
                // Text that is not UTF-8 is there on purpose.
                rusqlite::types::ValueRef::Text(bytes) => Ok(Value::Blob(bytes.to_vec())),
                other => Ok(other.try_into().unwrap()),
            })
            .collect()
    };
    statement.query_map([], read).unwrap().map(Result::unwrap).collect()
}

fn bad_ids(written: &Written) -> BTreeMap<String, Vec<i64>> {
    let note = written.notes.iter().find(|note| note.starts_with("bad_rows ")).unwrap();
    let kinds = note.split(' ').skip(2).map(|part| {
        let (kind, rest) = part.split_once('=').unwrap();
        let (count, ids) = rest.split_once(':').unwrap();
        let ids: Vec<i64> =
            ids.split(',').filter(|id| !id.is_empty()).map(|id| id.parse().unwrap()).collect();
        assert_eq!(ids.len().to_string(), count);
        (kind.to_owned(), ids)
    });
    kinds.collect()
}

/// Instants in ms of all good rows, an ambiguous time read as the row before it demands.
fn instants(written: &Written, db: &Connection, zone: &str) -> Vec<i64> {
    let tz = TimeZone::get(zone).unwrap();
    let kinds = bad_ids(written);
    let bad: BTreeSet<i64> = kinds.values().flatten().copied().collect();
    let mut last = i64::MIN;
    let mut found = Vec::new();
    let mut cache = (Vec::new(), 0);
    for row in rows(db, "select id, local_time from metric_hist order by id") {
        let Value::Integer(id) = row[0] else { unreachable!() };
        if bad.contains(&id) {
            continue;
        }
        let at = match &row[1] {
            Value::Integer(ms) => *ms,
            Value::Blob(text) if *text == cache.0 && cache.1 >= last => cache.1,
            Value::Blob(text) => {
                let civil: DateTime = std::str::from_utf8(text).unwrap().parse().unwrap();
                let ambiguous = tz.to_ambiguous_timestamp(civil);
                assert!(!matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. }), "row {id}");
                let early = ambiguous.earlier().unwrap().as_millisecond();
                let at = if early >= last {
                    early
                } else {
                    tz.to_ambiguous_timestamp(civil).later().unwrap().as_millisecond()
                };
                cache = (text.clone(), at);
                at
            }
            other => unreachable!("row {id}: {other:?}"),
        };
        assert!(at >= last, "row {id} goes back");
        last = at;
        found.push(at);
    }
    found
}

#[test]
fn the_same_seed_gives_the_same_rows_and_another_does_not() {
    let folder = Folder::new("same");
    let all = "select * from metric_hist order by id";
    let (first, a) = make(&folder, "a.db", &TelemetryPlan::new(3000, 4));
    let (second, b) = make(&folder, "b.db", &TelemetryPlan::new(3000, 4));
    let (_, c) = make(&folder, "c.db", &TelemetryPlan::new(3000, 5));
    assert_eq!((&first.notes, &first.tables), (&second.notes, &second.tables));
    assert!(rows(&a, all) == rows(&b, all) && rows(&a, all) != rows(&c, all));
    let defs = "select * from metric_def order by id";
    assert_eq!(rows(&a, defs), rows(&b, defs));
    let files = [first, second].map(|written| std::fs::read(written.path).unwrap());
    assert!(files[0] == files[1], "the files differ");
}

#[test]
fn counts_hold_and_one_value_is_set_where_its_type_says() {
    let folder = Folder::new("counts");
    for count in [0, 1, 57, 999, 1000, 20_000] {
        let (written, db) = make(&folder, &format!("{count}.db"), &TelemetryPlan::new(count, 9));
        let number = |sql: &str| -> u64 {
            u64::try_from(db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap()).unwrap()
        };
        assert_eq!(number("select count(*) from metric_hist"), count);
        assert_eq!(written.tables[1], ("metric_hist".to_owned(), count));
        assert_eq!(number("select count(*) from metric_def"), written.tables[0].1);
        let wrong = "select count(*) from metric_hist h join metric_def d on d.id = metric_def_id \
            where ((value_bool is not null) <> (value_type = 'BOOL')) \
               or ((value_int is not null) <> (value_type = 'INT')) \
               or (value_real is not null and value_type <> 'REAL') \
               or ((value_text is not null) <> (value_type = 'TEXT')) \
               or ((value_json is not null) <> (value_type = 'JSON'))";
        assert_eq!(number(wrong), 0);
        let silent = number(
            "select count(*) from metric_hist h join metric_def d on d.id = metric_def_id \
            where value_type = 'REAL' and value_real is null",
        );
        assert!(written.notes.contains(&format!("real_null rows {silent}")), "{:?}", written.notes);
        let orphans = "select count(*) from metric_hist where metric_def_id not in \
            (select id from metric_def)";
        assert_eq!(number(orphans), 0);
    }
}

#[test]
fn every_kind_of_bad_row_is_there_and_named() {
    let folder = Folder::new("bad");
    for (count, bad) in [(1000, 9), (20_000, 40), (500, 400)] {
        let plan = TelemetryPlan { bad, ..TelemetryPlan::new(count, 3) };
        let (written, db) = make(&folder, &format!("{bad}.db"), &plan);
        let note = written.notes.iter().find(|note| note.starts_with("bad_rows ")).unwrap();
        assert!(note.starts_with(&format!("bad_rows {bad} ")), "{note}");
        if bad > 50 {
            continue;
        }
        let found = |condition: &str| -> Vec<i64> {
            let sql = format!("select id from metric_hist where {condition} order by id");
            rows(&db, &sql)
                .iter()
                .map(|row| match row[0] {
                    Value::Integer(id) => id,
                    _ => unreachable!(),
                })
                .collect()
        };
        let kinds = bad_ids(&written);
        assert_eq!(kinds["spring_gap"], found("local_time like '2025-03-30 02:%'"));
        assert_eq!(kinds["time_text"], found("local_time in ('2024-13-45 99:00:00', 'n/a', '')"));
        assert_eq!(kinds["time_null"], found("local_time is null"));
        assert_eq!(kinds["text_in_int"], found("typeof(value_int) = 'text'"));
        assert_eq!(kinds["nul_in_text"], found("instr(cast(value_text as blob), x'00')"));
        assert_eq!(kinds["invalid_utf8"], found("instr(cast(value_text as blob), x'fffe')"));
        assert_eq!(kinds["malformed_json"], found("not json_valid(value_json)"));
        assert!(kinds.values().all(|ids| !ids.is_empty()), "{note}");
        assert_eq!(found("typeof(value_text) = 'blob'"), Vec::<i64>::new());
    }
}

#[test]
fn local_times_lead_back_to_rising_instants_through_the_fold() {
    let folder = Folder::new("fold");
    let fold = 1_729_990_800_000_i64;
    for count in [300, 5_000, 100_000] {
        let name = format!("{count}.db");
        let (written, db) = make(&folder, &name, &TelemetryPlan::new(count, 2));
        let instants = instants(&written, &db, "Europe/Berlin");
        for hour in [fold - 3_600_000..fold, fold..fold + 3_600_000] {
            assert!(instants.iter().any(|at| hour.contains(at)), "{count} rows");
        }
        assert!(written.notes.contains(&format!("epoch_ms ids 1-{}", count / 20)));
        let epoch =
            "select count(*), max(id) from metric_hist where typeof(local_time) = 'integer'";
        let expected = Value::Integer(i64::try_from(count / 20).unwrap());
        assert_eq!(rows(&db, epoch), [[expected.clone(), expected]]);
    }
}

#[test]
fn a_wide_export_covers_a_fold_and_a_gap_in_every_zone_that_has_them() {
    let folder = Folder::new("wide");
    for zone in ["Europe/Berlin", "America/New_York", "Australia/Sydney", "Africa/Johannesburg"] {
        let plan = TelemetryPlan { zone: zone.to_owned(), ..TelemetryPlan::new(200_000, 8) };
        let (written, db) = make(&folder, &zone.replace('/', "-"), &plan);
        let instants = instants(&written, &db, zone);
        let (first, last) = (instants[0] / 1000, instants[instants.len() - 1] / 1000);
        let days = (last - first) / 86_400;
        assert!((130..=380).contains(&days), "{zone}: {days} days");
        assert!(last < crate::generate::plant::NOW);
        let tz = TimeZone::get(zone).unwrap();
        let changes = tz.following(jiff::Timestamp::from_second(first).unwrap()).take(4);
        let inside = changes.filter(|change| change.timestamp().as_second() < last).count();
        assert_eq!(inside, if zone == "Africa/Johannesburg" { 0 } else { 2 }, "{zone}");
        let widest = instants.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
        assert!(widest <= 55 * 60_000, "{zone}: {widest} ms between ticks");
    }
}

#[test]
fn what_exists_and_what_is_unknown_is_refused() {
    let folder = Folder::new("refused");
    let path = folder.0.join("new").join("t.db");
    let plan = TelemetryPlan::new(10, 1);
    write_telemetry(&path, &plan, &mut |_| {}).unwrap();
    let again = write_telemetry(&path, &plan, &mut |_| {}).unwrap_err();
    assert!(again.to_string().ends_with("t.db exists: remove it or name another"), "{again}");
    let nowhere = TelemetryPlan { zone: "Mars/Olympus".to_owned(), ..plan };
    let other = folder.0.join("other.db");
    let unknown = write_telemetry(&other, &nowhere, &mut |_| {}).unwrap_err();
    assert!(matches!(unknown, GenerateError::Zone { .. }));
    assert!(!other.exists());
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "drafts stay");
}

#[test]
fn progress_rises_to_the_end() {
    let folder = Folder::new("progress");
    let mut seen = Vec::new();
    let plan = TelemetryPlan::new(35_000, 1);
    write_telemetry(&folder.0.join("p.db"), &plan, &mut |rows| seen.push(rows)).unwrap();
    assert!(seen.len() >= 3 && seen.is_sorted());
    assert_eq!(seen.last(), Some(&35_000));
}

#[test]
fn no_export_is_longer_than_four_hundred_days() {
    let tz = TimeZone::get("Europe/Berlin").unwrap();
    let metrics = super::signals::metrics(&super::Plant::new(1, super::YEARS));
    assert!((100..150).contains(&metrics.len()));
    let cycle_rows = super::signals::rows_in_a_cycle(&metrics);
    for (rows, least_days) in
        [(10, 0), (1_000, 0), (199_999, 20), (1_000_000, 60), (5_000_000, 350), (900_000_000, 350)]
    {
        let span = super::Span::new(&tz, rows, cycle_rows).unwrap();
        let ticks = rows * 60 / cycle_rows;
        let days = (span.tick_ms(ticks) - span.tick_ms(0)) / 86_400_000;
        assert!((least_days..=370).contains(&days), "{rows} rows: {days} days");
        assert!(span.tick_ms(ticks) / 1000 < crate::generate::plant::NOW);
    }
}
