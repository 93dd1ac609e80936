//! The generators that fill a database: all of a system or nothing, and the same for a seed.

use crate::support::{Database, Scene};

#[test]
fn a_system_is_generated_whole_or_not_at_all_and_the_same_for_a_seed() {
    for system in ["legacy17", "simple7", "ms5"] {
        let scene = Scene::new("");
        let (one, other) = (Database::plain(), Database::plain());
        let make = |database: &Database| {
            let url = database.url.clone();
            let rows: &[&str] = if system == "ms5" { &["--rows", "28000"] } else { &[] };
            let words = ["generate", system, "--days", "6", "--out", &url];
            scene.millstream(&[&words, rows].concat())
        };
        make(&one).ends(0);
        let before = one.digest();
        let refused = make(&one).ends(1);
        assert!(refused.err.contains("exists"), "{}", refused.err);
        assert_eq!(one.digest(), before);
        make(&other).ends(0);
        let schema = if system == "ms5" { "factory_telemetry" } else { "public" };
        let rows = |database: &Database| {
            database.rows(&format!(
                "select c.relname, (xpath('/row/n/text()', query_to_xml(format(
                     'select count(*) || '' '' || coalesce(sum(hashtext(t::text)::bigint), 0) as n
                      from %I.%I t', n.nspname, c.relname), true, true, '')))[1]::text
                 from pg_class c join pg_namespace n on n.oid = c.relnamespace
                 where n.nspname = '{schema}' and c.relkind = 'r' order by 1"
            ))
        };
        let tables = rows(&one);
        assert_eq!(tables, rows(&other), "{system}");
        let empty: Vec<_> = tables.iter().filter(|row| row[1].starts_with("0 ")).collect();
        assert!(empty.is_empty(), "{system}: nothing in {empty:?}");
        let count = match system {
            "legacy17" => 17,
            "simple7" => 7,
            _ => 50,
        };
        assert_eq!(tables.len(), count, "{system}");
    }
}

#[test]
fn awkward_rows_are_in_the_databases() {
    let scene = Scene::new("");
    let (legacy, simple) = (Database::plain(), Database::plain());
    for (system, database) in [("legacy17", &legacy), ("simple7", &simple)] {
        let words = ["generate", system, "--out", &database.url, "--truth", system];
        scene.millstream(&words).ends(0);
        let again = ["generate", system, "--out", &database.url, "--truth", system];
        let refused = scene.millstream(&again).ends(1);
        assert!(refused.err.contains(&format!("{system} exists")), "{}", refused.err);
    }
    for (what, sql) in [
        ("open stops", r#"select count(*) from "DowntimeEvent" where "endTime" is null"#),
        (
            "stops without a type",
            r#"select count(*) from "DowntimeEvent" where "downtimeTypeId" is null"#,
        ),
        (
            "overlapping stops",
            r#"select count(*) from "DowntimeEvent" a join "DowntimeEvent" b
               on a."workUnitId" = b."workUnitId" and a."startTime" < b."startTime"
               and b."startTime" < a."endTime""#,
        ),
        ("corrections", r#"select count(*) from "ProductionMetric" where "goodOutput" < 0"#),
        ("rows of nothing", r#"select count(*) from "ProductionMetric" where "totalOutput" = 0"#),
        (
            "two rows of one instant",
            r#"select count(*) from (select from "ProductionMetric"
               group by "workUnitId", "timestamp" having count(*) > 1) t"#,
        ),
        (
            "defects without a type",
            r#"select count(*) from "QualityMetric" where "defectTypeId" is null"#,
        ),
        (
            "samples of a second",
            r#"select count(*) from (select "timestamp" - lag("timestamp") over (
               partition by "workUnitId" order by "timestamp") as step from "OperationalMetric") t
               where step = interval '1 second'"#,
        ),
        (
            "silences",
            r#"select count(*) from (select "timestamp" - lag("timestamp") over (
               partition by "workUnitId" order by "timestamp") as step from "OperationalMetric") t
               where step > interval '5 minutes'"#,
        ),
        (
            "speed in a stop",
            r#"select count(*) from "OperationalMetric" m join "DowntimeEvent" e
               on e."workUnitId" = m."workUnitId" and m."timestamp" > e."startTime"
               and m."timestamp" < e."endTime" where m."actualSpeed" > 0"#,
        ),
        (
            "units without a cycle time",
            r#"select count(*) from "WorkUnit" where "theoreticalCycleTime" is null"#,
        ),
    ] {
        assert!(legacy.number(sql) > 0, "no {what}");
    }
    for (what, sql) in [
        ("bad quality", "select count(*) from metrics where quality <> 192"),
        (
            "drops of a counter",
            r#"select count(*) from (select value - lag(value) over (
               partition by "equipmentId", "metricType" order by timestamp) as step
               from metrics where "metricType" = 'count_total' and quality = 192) t where step < 0"#,
        ),
        ("sessions", r#"select count(*) from "Session""#),
    ] {
        assert!(simple.number(sql) > 0, "no {what}");
    }
}

#[test]
fn other_hosts_get_nothing_in_plaintext_unless_told() {
    let scene = Scene::new("");
    let url = "postgres://someone:s3cret@192.0.2.7/x";
    let refused = scene.millstream(&["generate", "simple7", "--out", url]).ends(1);
    assert!(refused.err.contains("sslmode=disable"), "{}", refused.err);
    assert!(!refused.err.contains("s3cret"));
}
