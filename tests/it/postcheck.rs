//! Postcheck passes on what a set makes, and names each thing that is not so.

use serde_json::Value;

use crate::support::source::READINGS;
use crate::support::{Database, Scene, environment};

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

fn up(scene: &Scene, set: &str) {
    scene.millstream(&["migrate", "up", "--set", set]).ends(0);
}

fn check(scene: &Scene, words: &[&str], code: i32) -> Value {
    scene.millstream(&[&["postcheck"], words].concat()).json(code)
}

/// The findings of a verdict, each as `area check: found`.
fn told(report: &Value, verdict: &str) -> Vec<String> {
    let checks = report["checks"].as_array().unwrap();
    let of = checks.iter().filter(|row| row["verdict"] == verdict);
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    of.map(|row| format!("{} {}: {}", text(row, "area"), text(row, "check"), text(row, "found")))
        .collect()
}

/// Exactly one failure, and it says this.
fn fails_with(scene: &Scene, words: &[&str], parts: &[&str]) {
    let report = check(scene, words, 4);
    let failed = told(&report, "FAIL");
    let right = failed.len() == 1 && parts.iter().all(|part| failed[0].contains(part));
    assert!(right, "expected {parts:?}, got {failed:#?}");
}

fn warns(report: &Value, part: &str) {
    let warned = told(report, "warn");
    assert!(warned.iter().any(|line| line.contains(part)), "no {part:?} in {warned:#?}");
}

#[test]
fn what_a_set_makes_passes_on_every_edition() {
    for scene in [Scene::with(Database::plain(), READINGS), Scene::new(READINGS)] {
        for set in ["ms5", "iso22400", "orders"] {
            up(&scene, set);
        }
        let before = scene.database.digest();
        let report = check(&scene, &[], 0);
        assert_eq!(told(&report, "FAIL"), [""; 0], "{report:#}");
        assert_eq!(report["sets"], "ms5, iso22400, orders");
        let tables = report["objects"].as_array().unwrap().iter();
        let tables = tables.filter(|row| row["kind"] == "table").map(|row| row["found"].as_i64());
        assert_eq!(tables.collect::<Vec<_>>(), [Some(49), Some(14), Some(16)]);
        let run = scene.millstream(&["postcheck", "--set", "ms5"]).ends(0);
        assert!(run.out.contains("Post-migration validation passed"), "{}", run.out);
        scene.database.is_still(&before, "postcheck");
    }
}

#[test]
fn a_database_aside_that_a_killed_run_left_is_removed() {
    let scene = Scene::with(Database::plain(), READINGS);
    up(&scene, "orders");
    let oid = "select oid from pg_database where datname = current_database()";
    let name = format!("millstream_reference_{}", scene.database.text(oid));
    scene.database.run(&format!("create database {name}"));
    check(&scene, &["--no-data-integrity"], 0);
    let left = format!("select count(*) from pg_database where datname = '{name}'");
    assert_eq!(scene.database.number(&left), 0);
}

#[test]
fn nothing_says_what_should_be_there() {
    let scene = Scene::new(READINGS);
    let run = scene.millstream(&["postcheck"]).ends(2);
    assert!(run.err.contains("no migration log") && run.err.contains("migrate up"), "{}", run.err);
    let failed = told(&check(&scene, &["--set", "millstream"], 4), "FAIL");
    assert!(failed[0].contains("001_ledger.sql is pending"), "{failed:#?}");
    assert!(failed[1].contains("002_debts.sql is pending"), "{failed:#?}");
    assert!(failed[2].contains("003_snapshots.sql is pending"), "{failed:#?}");
    assert!(failed[3].contains("004_trigger_debt.sql is pending"), "{failed:#?}");
    assert!(failed[4].contains("missing: millstream.bucket"), "{failed:#?}");
    assert_eq!(failed.len(), 5, "columns of missing tables are not told: {failed:#?}");
}

#[test]
fn each_object_that_is_not_as_the_set_has_it_is_named() {
    let scene = Scene::with(Database::plain(), READINGS);
    up(&scene, "orders");
    let sets: &[&str] = &["--set", "orders"];
    let mended = |spoil: &str, parts: &[&str], mend: &str| {
        scene.database.run(spoil);
        fails_with(&scene, sets, parts);
        scene.database.run(mend);
    };
    mended(
        "alter table production_waste rename to gone",
        &["schema orders: table: missing: public.production_waste"],
        "alter table gone rename to production_waste",
    );
    mended(
        "drop index idx_users_role",
        &["index: missing: public.users USING btree (role)"],
        // Another name for the same index is as good.
        "create index another on users (role)",
    );
    mended(
        "alter table machines alter capacity type bigint",
        &["public.machines.capacity is `bigint default 100`, expected `integer default 100`"],
        "alter table machines alter capacity type integer",
    );
    mended(
        "alter table machines alter name drop not null; insert into machines (name) values (null)",
        &["machines.name is `text`", "null in 1 rows"],
        "delete from machines; alter table machines alter name set not null",
    );
    mended(
        "alter table production_stops drop constraint production_stops_order_id_fkey",
        &["constraint: missing: public.production_stops FOREIGN KEY (order_id)"],
        "alter table production_stops add constraint other foreign key (order_id) \
         references production_orders (id)",
    );
    check(&scene, sets, 0);
    // What a load has set aside is owed, not lost.
    up(&scene, "millstream");
    scene.database.run(
        "drop index another; insert into millstream.ddl_debt (table_name, kind, object_name, definition) \
         values ('public.users', 'index', 'another', 'CREATE INDEX another ON public.users USING btree (role)')",
    );
    let report = check(&scene, &[], 0);
    warns(&report, "set aside by a load: public.users USING btree (role)");
    warns(&report, "health debt: 1 thing owed: public.users.another");
    scene.database.run("truncate millstream.ddl_debt");
    fails_with(&scene, &[], &["index: missing: public.users USING btree (role)"]);
    scene.database.run("create index another on users (role)");
    // A view that is another one is somebody's decision, and told.
    scene.database.run("create or replace view crew_schedule_view as select m.name as machine_name, \
        c.crew_letter, c.cycle_offset, a.assignment_date, a.shift_type, a.auto_generated, a.is_override \
        from crew_assignments a join machine_crews c on c.id = a.crew_id \
        join machines m on m.id = c.machine_id");
    warns(&check(&scene, sets, 0), "crew_schedule_view is not what the set makes");
}

#[test]
fn the_log_has_to_be_complete() {
    let scene = Scene::with(Database::plain(), READINGS);
    up(&scene, "orders");
    scene
        .database
        .run("update migration_log set checksum = repeat('0', 64) where migration_file ~ '^002'");
    fails_with(&scene, &[], &["log orders: 002_indexes.sql is changed"]);
    scene.database.run("delete from migration_log where migration_file ~ '^002'");
    fails_with(&scene, &[], &["log orders: 002_indexes.sql is pending"]);
    scene.database.run("update migration_log set migration_set = 'mine'");
    fails_with(&scene, &[], &["log mine: there is no migration set `mine`"]);
}

#[test]
fn rows_that_contradict_each_other_are_counted() {
    let scene = Scene::new(READINGS);
    up(&scene, "ms5");
    let orphan = "insert into factory_telemetry.metric_hist (metric_def_id, ts, value_real) \
                  select gen_random_uuid(), now(), 1 from generate_series(1, 3)";
    scene.database.run(orphan);
    fails_with(
        &scene,
        &[],
        &["ms5: references", "metric_hist.metric_def_id", ": 3 rows refer to nothing"],
    );
    let report = check(&scene, &["--no-data-integrity"], 0);
    assert!(told(&report, "skipped").iter().any(|line| line.contains("--no-data-integrity")));
    scene.database.run(
        "delete from factory_telemetry.metric_hist; \
         insert into factory_telemetry.metric_def (equipment_code, metric_key, value_type, description) \
         values ('BP01.PACK.BAG1', 'k', 'REAL', 'd'); \
         insert into factory_telemetry.metric_hist (metric_def_id, ts, value_real) \
         select id, '2026-01-01', n from factory_telemetry.metric_def, generate_series(1, 2) n",
    );
    warns(&check(&scene, &[], 0), "metric_hist (metric_def_id, ts): 1 values are there twice");
    // A key that was switched off for a while, and one that is not validated.
    scene.database.run(
        "set session_replication_role = replica; insert into factory_telemetry.metric_binding \
         (metric_def_id, plc_kind, address) values (gen_random_uuid(), 'SLC', 'N7:1')",
    );
    fails_with(&scene, &[], &["ms5: foreign keys", "metric_binding (metric_def_id)", "1 rows"]);
    let orders = Scene::with(Database::plain(), READINGS);
    up(&orders, "orders");
    orders.database.run(
        "set session_replication_role = replica; \
         insert into production_stops (order_id, reason) values (7, 'x')",
    );
    warns(&check(&orders, &[], 0), "production_stops (order_id) → production_orders: 1 rows");
    orders
        .database
        .run("delete from production_stops; insert into machines (id, name) values (41, 'm')");
    fails_with(&orders, &[], &["orders: sequences", "machines_id_seq is unused", "goes to 41"]);
    orders.database.run("select setval('machines_id_seq', 41)");
    check(&orders, &[], 0);
}

#[test]
fn hypertables_and_their_chunks_are_held_against_the_set() {
    let scene = Scene::new(READINGS);
    up(&scene, "ms5");
    scene
        .database
        .run("select set_chunk_time_interval('factory_telemetry.metric_hist', interval '1 day')");
    warns(&check(&scene, &[], 0), "by ts, 1 day a chunk");
    scene.database.run(
        "create table t (like factory_telemetry.production_kpis including all); \
         drop table factory_telemetry.production_kpis cascade; \
         alter table t set schema factory_telemetry; \
         alter table factory_telemetry.t rename to production_kpis",
    );
    let failed = told(&check(&scene, &[], 4), "FAIL");
    let plain = "hypertables factory_telemetry.production_kpis: is a plain table";
    assert!(failed.iter().any(|line| line == plain), "{failed:#?}");
}

#[test]
fn a_table_that_takes_no_rows_fails_with_the_statement() {
    let scene = Scene::new(READINGS);
    up(&scene, "ms5");
    scene.database.run(
        "create function no() returns trigger language plpgsql as $$ begin return null; end $$; \
         create trigger no before insert on factory_telemetry.energy_consumption \
         for each row execute function no()",
    );
    fails_with(
        &scene,
        &[],
        &["insert factory_telemetry.energy_consumption: the row did not go in: insert"],
    );
    scene.database.run(
        "create or replace function no() returns trigger language plpgsql as \
         $$ begin raise exception 'not today'; end $$",
    );
    fails_with(&scene, &[], &["energy_consumption: not today (P0001)", "insert into"]);
}

#[test]
fn an_application_reads_what_it_may_and_the_rest_is_named() {
    let scene = Scene::with(Database::plain(), READINGS);
    up(&scene, "orders");
    let role = format!("app_{:08x}", fastrand::u32(..));
    let wanted = ["--as", &role];
    fails_with(&scene, &wanted, &["application", "cannot connect", &role]);
    scene.database.run(&format!("create role {role} login"));
    fails_with(&scene, &wanted, &[&format!("application {role}: orders: may read none of 17")]);
    scene.database.run(&format!(
        "grant select on all tables in schema public to {role}; revoke select on users from {role}"
    ));
    let report = check(&scene, &wanted, 0);
    warns(&report, "orders: may not read users");
    assert!(told(&report, "pass").iter().any(|line| line.contains("16 tables and views read")));
    // The owner of a view may lose what the view reads.
    scene.database.run(&format!(
        "create role {role}_owner; alter view crew_schedule_view owner to {role}_owner"
    ));
    fails_with(&scene, &wanted, &["crew_schedule_view: permission denied", "(42501)"]);
    // Without the right to make databases, the names are compared.
    scene.database.run(&format!(
        "alter view crew_schedule_view owner to postgres; drop index idx_users_role; \
         drop role {role}_owner"
    ));
    let limited =
        scene.millstream(&["postcheck"]).env("DATABASE_URL", &scene.database.url_for(&role));
    let report = limited.json(4);
    warns(&report, "compared by names alone");
    let failed = told(&report, "FAIL");
    assert!(
        failed.iter().any(|l| l.contains("index: missing: public.idx_users_role")),
        "{failed:#?}"
    );
    scene.database.run(&format!("drop owned by {role}; drop role {role}"));
}

#[test]
fn measuring_leaves_nothing_and_the_page_has_no_outside_assets() {
    for scene in [Scene::with(Database::plain(), READINGS), Scene::new(READINGS)] {
        up(&scene, "ms5");
        // What a run that was killed has left.
        scene
            .database
            .run("create schema millstream_postcheck; create table millstream_postcheck.t ()");
        let page = scene.path("page.html");
        let words = ["--performance", "--html", page.to_str().unwrap()];
        let report = check(&scene, &words, 0);
        let passed = told(&report, "pass");
        for part in [
            "performance insert: 1000 rows",
            "performance COPY: 100,000 rows",
            "7 panels, p95 at most",
        ] {
            assert!(passed.iter().any(|line| line.contains(part)), "no {part} in {passed:#?}");
        }
        let compressed = passed.iter().any(|line| line.contains("% saved on 36"));
        let skipped =
            told(&report, "skipped").iter().any(|line| line.contains("needs the Community"));
        assert!(compressed != skipped, "{report:#}");
        let left = "select count(*) from pg_namespace where nspname = 'millstream_postcheck'";
        assert_eq!(scene.database.number(left), 0);
        assert_eq!(scene.database.number("select count(*) from factory_telemetry.metric_hist"), 0);
        let html = std::fs::read_to_string(page).unwrap();
        assert_eq!(html.matches("<svg").count(), 7);
        for outside in ["http:", "https:", "<script", "<link", "src="] {
            assert!(!html.contains(outside), "{outside}");
        }
    }
}

#[test]
fn jobs_that_fail_are_told_with_their_message() {
    let Some(scene) = community("failed jobs") else { return };
    up(&scene, "ms5");
    // Nothing of the server's own may run in between; what the extension writes down is written here.
    scene.database.run(
        "select alter_job(job_id, scheduled => false) from timescaledb_information.jobs \
         where hypertable_name is not null and hypertable_name <> 'energy_consumption'; \
         select alter_job(job_id, next_start => now() + interval '1 day') \
         from timescaledb_information.jobs where hypertable_name = 'energy_consumption'",
    );
    let job = "select job_id from timescaledb_information.jobs \
               where proc_name = 'policy_retention' and hypertable_name = 'energy_consumption'";
    let job = scene.database.text(job);
    let ended = |well: bool| {
        scene.database.run(&format!(
            "delete from _timescaledb_internal.bgw_job_stat; \
             insert into _timescaledb_internal.bgw_job_stat values ({job}, now(), now(), \
                 now() + interval '1 day', now(), {well}, 1, '1 s', '0 s', 1, 0, 0, 0, 0)"
        ));
    };
    ended(true);
    let report = check(&scene, &["--set", "ms5"], 0);
    warns(&report, "metric_hist: compression (job 1000) is paused");
    let passed = told(&report, "pass");
    let ran =
        |line: &String| line.contains("energy_consumption: ") && line.contains("retention 365");
    assert!(passed.iter().any(ran), "{passed:#?}");
    ended(false);
    scene.database.run(&format!(
        "insert into _timescaledb_internal.bgw_job_stat_history (job_id, execution_start, \
         execution_finish, succeeded, data) values ({job}, now(), now() + interval '1 s', false, \
         '{{\"job\": {{}}, \"error_data\": {{\"message\": \"the disk is away\", \"sqlerrcode\": \"58030\"}}}}')"
    ));
    fails_with(&scene, &[], &["energy_consumption: retention", "failed last: the disk is away"]);
    scene.database.run("select remove_retention_policy('factory_telemetry.energy_consumption')");
    fails_with(&scene, &[], &["energy_consumption: there is no retention policy"]);
}

#[test]
fn the_bench_of_the_panels_measures_and_leaves_nothing() {
    let url = environment("MILLSTREAM_TEST_DATABASE_URL");
    let scene = Scene::new(READINGS);
    let words = ["bench", "--panels", "--rows", "120000"];
    let report = scene.millstream(&words).env("DATABASE_URL", &url).json(0);
    assert_eq!(report["panels"].as_array().unwrap().len(), 7);
    let rows = report["rows"].as_i64().unwrap();
    assert!((115_000..125_000).contains(&rows), "{rows}");
    // Every panel has something to show.
    let empty: Vec<_> =
        report["panels"].as_array().unwrap().iter().filter(|p| p["rows"] == 0).collect();
    assert!(empty.is_empty(), "{empty:#?}");
}
