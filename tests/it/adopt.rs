//! A database that another tool made, brought to the same end as a set, its rows kept.

use std::time::Duration;

use crate::support::tool::Tool;
use crate::support::{Database, Scene, random};

const LEGACY: &str = include_str!("../../fixtures/ms5-legacy.sql");

/// Rows in each of the five tables that become hypertables, and in some that refer to each other.
fn fill(database: &Database, rows: u64) {
    database.run(&format!(
        "set search_path = factory_telemetry;
         insert into metric_def (equipment_code, metric_key, value_type, description)
             select 'M' || i, 'speed_real', 'REAL', 'Speed' from generate_series(1, 20) i;
         insert into metric_hist (metric_def_id, ts, value_real, value_json)
             select d.id, timestamptz '2026-01-01 00:00:00.25+00' + s * interval '20 seconds', s / 7.0,
                 case when s % 1000 = 0 then '{{\"a\": 1.50}}'::jsonb end
             from (select id, row_number() over () n from metric_def) d, generate_series(1, {rows} / 20) s;
         insert into production_lines (line_code, name, equipment_codes)
             values ('L-BAG1', 'Ours', '{{M1}}');
         insert into oee_calculations (line_id, equipment_code, calculation_time, availability,
                 performance, quality, oee)
             select id, 'M1', timestamptz '2025-01-01 00:00+00' + i * interval '1 day', 0.9, 0.9, 1, 0.81
             from production_lines, generate_series(1, 300) i;
         insert into energy_consumption (equipment_code, consumption_time, power_consumption_kw,
                 energy_consumption_kwh)
             select 'M1', timestamptz '2026-01-01 00:00+00' + i * interval '1 minute', i, 1
             from generate_series(1, 5000) i;
         insert into production_kpis (kpi_date, oee) select date '2026-01-01' + i, 0.5
             from generate_series(1, 100) i;
         insert into production_context_history (equipment_code, context_data, changed_at)
             select 'M1', '{{}}', timestamptz '2026-01-01 00:00+00' + i * interval '1 hour'
             from generate_series(1, 500) i;
         insert into users (username, email, password_hash) values ('admin', 'a@plant', 'x');
         insert into site_notes (note) values ('kept')"
    ));
}

fn adopt(scene: &Scene) -> Tool {
    scene.millstream(&["migrate", "adopt", "--set", "ms5"])
}

/// Everything in the five tables, as text, summed by the server in a way of its own.
fn contents(database: &Database) -> Vec<Vec<String>> {
    database.rows(
        "select 'm', count(*), sum(('x' || left(md5(m::text), 15))::bit(60)::bigint) \
           from factory_telemetry.metric_hist m \
         union all select 'o', count(*), sum(('x' || left(md5(o::text), 15))::bit(60)::bigint) \
           from factory_telemetry.oee_calculations o \
         union all select 'e', count(*), sum(('x' || left(md5(e::text), 15))::bit(60)::bigint) \
           from factory_telemetry.energy_consumption e \
         union all select 'k', count(*), sum(('x' || left(md5(k::text), 15))::bit(60)::bigint) \
           from factory_telemetry.production_kpis k \
         union all select 'c', count(*), sum(('x' || left(md5(c::text), 15))::bit(60)::bigint) \
           from factory_telemetry.production_context_history c",
    )
}

const HYPERTABLES: &str =
    "select count(*) from timescaledb_information.hypertables where hypertable_schema <> 'public'";

fn is_adopted(scene: &Scene, before: &[Vec<String>]) {
    assert_eq!(contents(&scene.database), before);
    assert_eq!(scene.database.number(HYPERTABLES), 5);
    // A second time there is nothing left to differ, and `up` finds everything applied.
    let again = adopt(scene).arg("--dry-run").json(0);
    let words: Vec<_> = again["differences"].as_array().unwrap().iter().collect();
    assert!(words.iter().all(|row| row["found"] == "extra"), "{words:?}");
    let up = scene.millstream(&["migrate", "up", "--set", "ms5"]).ends(0);
    assert!(up.err.contains("nothing to do"), "{}", up.err);
    assert_eq!(scene.database.text("select note from public.v_notes_by_hand limit 1"), "kept");
}

#[test]
fn a_legacy_database_becomes_what_the_set_makes_and_keeps_its_rows() {
    let scene = Scene::with(Database::timescale(), "");
    scene.database.run(LEGACY);
    scene.database.run(
        "create table migration_log (id serial primary key, migration_name varchar(255) unique \
         not null, applied_at timestamp default now()); insert into migration_log (migration_name) \
         values ('001 - Initialize Telemetry'), ('002 - PLC Equipment Management')",
    );
    fill(&scene.database, 1_000_000);
    let before = contents(&scene.database);
    let refused = scene.millstream(&["migrate", "up", "--set", "ms5"]).ends(2);
    assert!(refused.err.contains("migrate adopt --set ms5"), "{}", refused.err);
    let still = scene.database.digest();
    let dry = adopt(&scene).arg("--dry-run").json(0);
    scene.database.is_still(&still, "the comparison");
    let found = |kind: &str, object: &str, word: &str| {
        let rows = dry["differences"].as_array().unwrap();
        rows.iter().any(|r| {
            r["kind"] == kind
                && r["object"].as_str().unwrap().starts_with(object)
                && r["found"] == word
        })
    };
    assert!(found("hypertable", "factory_telemetry.metric_hist", "missing"), "{dry:#}");
    assert!(found("constraint", "factory_telemetry.metric_hist PRIMARY KEY (id)", "extra"));
    assert!(found("view", "public.v_equipment_latest", "differs"));
    assert!(found("function", "factory_telemetry.get_equipment_production_context", "differs"));
    assert!(found("table", "factory_telemetry.site_notes", "extra"));
    let report = adopt(&scene).json(0);
    assert_eq!(report["differences_now"], 0, "{report:#}");
    assert_eq!(report["hypertables_made"], 5);
    is_adopted(&scene, &before);
    let columns = "select count(*) from information_schema.columns where table_name = 'v_equipment_latest' \
                   and column_name = 'reading'";
    assert_eq!(scene.database.number(columns), 0, "the old view is there");
}

#[test]
fn killed_at_ten_random_moments_it_is_adopted_all_the_same() {
    let scene = Scene::with(Database::timescale(), "");
    scene.database.run(LEGACY);
    fill(&scene.database, 1_000_000);
    let before = contents(&scene.database);
    let mut random = random();
    let mut kills = 0;
    for _ in 0..40 {
        let mut run = adopt(&scene).start();
        std::thread::sleep(Duration::from_millis(random.u64(50..5_000)));
        kills += u32::from(run.kill());
        if kills == 10 {
            break;
        }
    }
    assert_eq!(kills, 10, "it is done sooner than it is killed");
    adopt(&scene).ends(0);
    is_adopted(&scene, &before);
    let left = "select count(*) from pg_database d join pg_database o on d.datname = \
                'millstream_reference_' || o.oid where o.datname = current_database()";
    assert_eq!(scene.database.number(left), 0, "what the killed runs compared with");
}

#[test]
fn each_moment_between_two_steps_can_be_the_last() {
    for point in ["adopt_convert:1", "adopt_converted:1", "adopt_converted:5", "migration_commit:3"]
    {
        let scene = Scene::with(Database::timescale(), "");
        scene.database.run(LEGACY);
        fill(&scene.database, 2_000);
        let before = contents(&scene.database);
        assert!(adopt(&scene).env("MILLSTREAM_FAILPOINT", point).run().was_killed(), "{point}");
        adopt(&scene).ends(0);
        is_adopted(&scene, &before);
    }
}

#[test]
fn what_cannot_be_kept_is_refused_before_anything_is_touched() {
    let scene = Scene::with(Database::timescale(), "");
    scene.database.run(LEGACY);
    fill(&scene.database, 2_000);
    scene.database.run("create view mine as select * from v_oee_summary");
    let refused = adopt(&scene).ends(2);
    assert!(refused.err.contains("mine"), "{}", refused.err);
    scene.database.run("drop view mine");
    let kpis = "factory_telemetry.production_kpis";
    scene.database.run(&format!("update {kpis} set created_at = null where id < 3"));
    scene.database.run(&format!("update {kpis} set created_at = 'infinity' where id = 3"));
    let still = scene.database.digest();
    let refused = adopt(&scene).ends(2);
    scene.database.is_still(&still, "the refusal");
    assert!(refused.err.contains("3 rows of factory_telemetry.production_kpis"), "{}", refused.err);
    scene.database.run(&format!("update {kpis} set created_at = kpi_date where id < 4"));
    let refused = adopt(&scene).arg("--rows-max").arg("10").ends(2);
    assert!(refused.err.contains("pipelines/ms5.toml"), "{}", refused.err);
    adopt(&scene).ends(0);
}

#[test]
fn retention_waits_for_a_person_where_history_is_older() {
    let scene = Scene::with(Database::timescale(), "");
    if !scene.database.is_community() {
        crate::support::skipped(
            "retention jobs need a Community server in MILLSTREAM_TEST_DATABASE_URL",
        );
        return;
    }
    scene.database.run(LEGACY);
    fill(&scene.database, 2_000);
    let before = contents(&scene.database);
    let report = adopt(&scene).json(0);
    let notes = report["notes"].to_string();
    assert!(notes.contains("retention of factory_telemetry.metric_hist is off"), "{notes}");
    let off = "select count(*) from timescaledb_information.jobs where proc_name = 'policy_retention' \
               and not scheduled";
    assert!(scene.database.number(off) >= 1, "{notes}");
    assert_eq!(contents(&scene.database), before);
    let refused = scene.millstream(&["policy", "apply", "--set", "ms5"]).ends(2);
    assert!(format!("{}{}", refused.out, refused.err).contains("--accept-loss"), "{}", refused.err);
}

#[test]
fn an_empty_database_is_not_adopted() {
    let scene = Scene::with(Database::plain(), "");
    let before = scene.database.digest();
    let refused = adopt(&scene).ends(2);
    assert!(refused.err.contains("nothing to adopt"), "{}", refused.err);
    scene.database.is_still(&before, "the refusal");
}

#[test]
fn a_plain_database_is_adopted_without_hypertables() {
    let scene = Scene::with(Database::plain(), "");
    scene.database.run(LEGACY);
    fill(&scene.database, 2_000);
    let before = contents(&scene.database);
    let report = adopt(&scene).json(0);
    assert_eq!((&report["hypertables_made"], &report["differences_now"]), (&0.into(), &0.into()));
    assert_eq!(contents(&scene.database), before);
}
