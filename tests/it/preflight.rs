//! Preflight: what fails, what warns, what is left out, and that nothing stays behind.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::support::{Database, Scene, environment};

/// A set as small as can be: one file that needs the extension, one that needs all of it.
const TELEMETRY: [(&str, &str); 2] = [
    (
        "001_readings.sql",
        "create table readings (ts timestamptz not null, value float8);\n\
         -- needs timescale\n\
         select create_hypertable('readings', by_range('ts'));\n",
    ),
    (
        "002_policies.sql",
        "-- needs compression\n\
         alter table readings set (timescaledb.compress);\n\
         -- needs compression\n\
         select add_compression_policy('readings', interval '7 days');\n\
         create view latest as select max(ts) from readings;\n",
    ),
];

/// A scene with the set in the folder `sets/ms5`.
fn scene(database: Database) -> Scene {
    let scene = Scene::with(database, "");
    std::fs::create_dir_all(scene.path("sets/ms5")).unwrap();
    for (file, sql) in TELEMETRY {
        scene.write(&format!("sets/ms5/{file}"), sql);
    }
    scene
}

/// What preflight finds: its report, and the row of a check.
struct Found(Value);

impl Found {
    fn by(scene: &Scene, arguments: &[&str], code: i32) -> Self {
        let all = ["preflight", "--min-disk", "1MB", "--min-memory", "1MB"];
        Self(scene.millstream(&[&all[..], arguments].concat()).json(code))
    }

    fn row(&self, area: &str, check: &str) -> &Value {
        let mut rows = self.0["checks"].as_array().unwrap().iter();
        let found = rows.find(|row| row["area"] == area && row["check"] == check);
        found.unwrap_or_else(|| panic!("no {area}: {check} in {:#}", self.0))
    }

    /// Verdict, what was found, and what to do.
    fn of(&self, area: &str, check: &str) -> (&str, &str, &str) {
        let row = self.row(area, check);
        let text = |key: &str| row[key].as_str().unwrap();
        (text("verdict"), text("found"), text("what_to_do"))
    }

    fn failures(&self) -> Vec<&str> {
        let rows = self.0["checks"].as_array().unwrap().iter();
        rows.filter(|row| row["verdict"] == "FAIL")
            .map(|row| row["check"].as_str().unwrap())
            .collect()
    }
}

const MS5: [&str; 4] = ["--set", "ms5", "--migrations", "sets"];

/// Everything of the catalog that a run could leave: relations, schemas, hypertables, chunks.
fn catalog(database: &Database) -> String {
    database.text(
        "select (select count(*) from pg_class) || ' ' || (select count(*) from pg_namespace) || ' ' || \
         (select count(*) from pg_proc) || ' ' || \
         (select string_agg(nspname, ',' order by 1) from pg_namespace)",
    )
}

#[test]
fn a_fit_database_passes_and_nothing_is_left_in_it() {
    let scene = scene(Database::timescale());
    let before = (catalog(&scene.database), scene.database.digest());
    let found = Found::by(&scene, &MS5, 0);
    assert_eq!(found.failures(), Vec::<&str>::new());
    let report = &found.0;
    assert_eq!((&report["failures"], &report["outcome"]), (&0.into(), &"done".into()));
    let notes = report["notes"].as_array().unwrap();
    assert_eq!(notes.last().unwrap(), "Pre-migration validation passed");
    let (verdict, text, _) = found.of("extension", "hypertable");
    assert_eq!(verdict, "pass");
    assert!(text.starts_with("1000 rows in 3 chunks"), "{text}");
    let (verdict, text, _) = found.of("migrations", "ms5: SQL");
    assert_eq!(verdict, "pass");
    assert!(text.starts_with("2 of 2 run and rolled back"), "{text}");
    let (_, text, _) = found.of("host", "memory");
    let megabytes = |text: &str| text.strip_suffix("MB").unwrap().parse::<u64>().unwrap();
    let (total, available) = text.split_once(", Available: ").unwrap();
    let total = megabytes(total.strip_prefix("Total memory: ").unwrap());
    assert!(total >= megabytes(available) && total > 0, "{text}");
    assert!(found.of("host", "root disk").1.starts_with("Root filesystem space: "));
    scene.database.is_still(&before.1, "preflight");
    assert_eq!(catalog(&scene.database), before.0);
    // Neither in the folder: no backup folder, no probe.
    let mut left: Vec<_> = std::fs::read_dir(scene.path("")).unwrap().collect();
    left.retain(|entry| {
        !["pipeline.toml", "sets"]
            .iter()
            .any(|known| entry.as_ref().unwrap().file_name().to_str() == Some(known))
    });
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_table_is_read_by_a_person_and_the_page_by_a_browser() {
    let scene = scene(Database::timescale());
    let tool =
        scene.millstream(&["preflight", "--quick", "--html", "page.html", "--chunks", "999999"]);
    let run = tool.ends(1);
    assert!(run.out.lines().all(|line| line.chars().count() <= 100), "{}", run.out);
    assert!(run.out.contains("→ max_locks_per_transaction = "), "{}", run.out);
    assert!(
        run.out.trim_end().lines().last().unwrap().starts_with("Pre-migration validation failed")
    );
    let page = std::fs::read_to_string(scene.path("page.html")).unwrap();
    assert!(page.contains("max_locks_per_transaction = "));
}

#[test]
fn a_missing_extension_fails_the_sets_that_need_it() {
    let scene = scene(Database::on(&environment("MILLSTREAM_TEST_DATABASE_URL")));
    let found = Found::by(&scene, &MS5, 1);
    assert_eq!(found.failures(), ["installed"]);
    let (_, text, remedy) = found.of("extension", "installed");
    assert_eq!(text, "no timescaledb; needed by ms5");
    assert!(remedy.contains("create extension timescaledb"), "{remedy}");
    assert_eq!(found.of("extension", "hypertable").0, "skipped");

    // Plain is meant: a warning, and what would be skipped is named.
    let found = Found::by(&scene, &[&MS5[..], &["--plain"]].concat(), 0);
    assert_eq!(found.of("extension", "installed").0, "warn");
    let (verdict, text, _) = found.of("extension", "edition");
    assert_eq!(verdict, "warn");
    for word in ["hypertables (1)", "compression (1)", "compression policies (1)"] {
        assert!(text.contains(word), "{text}");
    }
    assert_eq!(found.of("settings", "lock table").0, "skipped");
    // The rest of the set goes through there.
    assert_eq!(found.of("migrations", "ms5: SQL").0, "pass");

    // A set that needs none.
    let found = Found::by(&scene, &["--set", "orders"], 0);
    assert_eq!(found.of("extension", "installed").0, "pass");
}

#[test]
fn what_a_lesser_edition_skips_is_named() {
    let scene = scene(Database::timescale());
    let community = scene.database.is_community();
    let found = Found::by(&scene, &[&MS5[..], &["--quick"]].concat(), 0);
    let (verdict, text, _) = found.of("extension", "edition");
    assert_eq!(verdict, if community { "pass" } else { "warn" }, "{text}");
    assert_eq!(text.contains("compression policies (1)"), !community, "{text}");
}

#[test]
fn a_role_without_privileges_fails_with_the_grant_that_mends_it() {
    let scene = scene(Database::timescale());
    let role = format!("preflight_{}_{:08x}", std::process::id(), fastrand::u32(..));
    scene.database.run(&format!("create role {role} login"));
    let url = scene.database.url_for(&role);
    let look = |code| {
        let all = ["preflight", "--min-disk", "1MB", "--min-memory", "1MB"];
        Found(scene.millstream(&[&all[..], &MS5].concat()).env("DATABASE_URL", &url).json(code))
    };
    let found = look(1);
    for (check, grant) in [
        ("create schema", "grant create on database"),
        ("create table", "grant create on schema public"),
    ] {
        let (verdict, text, remedy) = found.of("server", check);
        assert_eq!(verdict, "FAIL");
        assert!(text.contains("permission denied") && text.contains("42501"), "{text}");
        assert!(remedy.contains(grant) && remedy.contains(&role), "{remedy}");
        // The remedy is a statement that works.
        scene.database.run(remedy.strip_prefix("as the owner: ").unwrap());
    }
    let found = look(0);
    assert_eq!(found.of("server", "create schema").0, "pass");
    assert_eq!(found.of("extension", "hypertable").0, "pass");
    scene.database.run(&format!("drop owned by {role}; drop role {role}"));
}

#[test]
fn a_backup_folder_that_cannot_be_written_fails() {
    let scene = scene(Database::timescale());
    scene.write("a_file", "");
    let orders = ["--set", "orders", "--backup-dir"];
    for folder in ["a_file", "a_file/below"] {
        let found = Found::by(&scene, &[&orders[..], &[folder]].concat(), 1);
        let (verdict, text, remedy) = found.of("backup", "folder");
        assert_eq!(verdict, "FAIL");
        assert!(text.contains("a_file") && text.contains("is no folder"), "{text}");
        assert!(remedy.contains("--backup-dir"), "{remedy}");
    }
    let found = Found::by(&scene, &[&orders[..], &["new/folder"]].concat(), 0);
    assert!(found.of("backup", "folder").1.contains("will be made"));
    assert!(!scene.path("new").exists());
}

#[test]
fn quick_says_what_it_leaves_out() {
    let scene = scene(Database::timescale());
    let found = Found::by(&scene, &[&MS5[..], &["--quick"]].concat(), 0);
    for (area, check) in [
        ("extension", "hypertable"),
        ("migrations", "ms5: SQL"),
        ("backup", "folder"),
        ("backup", "pg_dump, pg_restore"),
        ("container", "engine"),
    ] {
        assert_eq!(found.of(area, check), ("skipped", "--quick", ""), "{area}: {check}");
    }
    assert_eq!(found.0["skipped"], 5);
    assert_eq!(found.of("migrations", "ms5: files").0, "pass");
}

#[test]
fn a_server_out_of_reach_is_one_failure_in_the_table() {
    let scene = scene(Database::plain());
    let port = crate::support::server::free_port();
    let url = format!("postgres://someone:s3cret@127.0.0.1:{port}/nowhere");
    let run =
        scene.millstream(&["preflight"]).env("DATABASE_URL", &url).arg("--format").arg("json");
    let run = run.ends(1);
    assert!(!run.out.contains("s3cret") && !run.err.contains("s3cret"));
    let found = Found(serde_json::from_str(&run.out).unwrap());
    assert_eq!(found.failures(), ["connection"]);
    let (_, text, remedy) = found.of("server", "connection");
    assert!(text.contains("refused"), "{text}");
    assert!(remedy.contains("start the server"), "{remedy}");
    assert_eq!(found.of("extension", "installed"), ("skipped", "no connection", ""));
    assert_eq!(found.of("migrations", "orders: files").0, "pass");
    assert!(found.of("host", "memory").1.starts_with("Total memory: "));
}

#[test]
fn wrong_usage_ends_with_2() {
    let scene = scene(Database::plain());
    let err = |arguments: &[&str]| {
        scene.millstream(&[&["preflight"][..], arguments].concat()).ends(2).err
    };
    assert!(err(&["--set", "order"]).contains("`order`"));
    assert!(err(&["--min-disk", "ten"]).contains("10GB"));
    assert!(err(&["--migrations", "sets"]).contains("--set"));
}

#[test]
fn files_that_are_missing_wrong_or_out_of_order_are_named() {
    let scene = scene(Database::timescale());
    let quick = [&MS5[..], &["--quick"]].concat();
    // The server's own parser, with the line.
    scene.write("sets/ms5/003_wrong.sql", "select 1;\n\nselect form nowhere at all;\n");
    let found = Found::by(&scene, &MS5, 1);
    let (verdict, text, remedy) = found.of("migrations", "ms5: SQL");
    assert_eq!(verdict, "FAIL");
    assert!(text.starts_with("003_wrong.sql: line 3: syntax error"), "{text}");
    assert!(!remedy.is_empty());
    // A gap.
    std::fs::rename(scene.path("sets/ms5/003_wrong.sql"), scene.path("sets/ms5/004_late.sql"))
        .unwrap();
    let found = Found::by(&scene, &quick, 1);
    let (verdict, text, _) = found.of("migrations", "ms5: files");
    assert_eq!(verdict, "FAIL");
    assert!(text.contains("004_late.sql") && text.contains("003 was expected"), "{text}");
    std::fs::remove_file(scene.path("sets/ms5/004_late.sql")).unwrap();
    // Changed after it was applied.
    scene.millstream(&["migrate", "up", "--set", "ms5", "--dir", "sets"]).ends(0);
    assert_eq!(Found::by(&scene, &MS5, 0).of("migrations", "ms5: order").1, "2 applied, 0 to come");
    scene.write("sets/ms5/002_policies.sql", "select 2;\n");
    let found = Found::by(&scene, &quick, 1);
    let (verdict, text, _) = found.of("migrations", "ms5: order");
    assert_eq!((verdict, text), ("FAIL", "002_policies.sql was changed after it was applied"));
    // No files at all.
    std::fs::create_dir(scene.path("empty")).unwrap();
    let found = Found::by(&scene, &["--set", "ms5", "--migrations", "empty", "--quick"], 1);
    assert!(found.of("migrations", "ms5: files").1.contains("no .sql file"));
}

#[test]
fn the_log_of_an_older_tool_is_named_by_its_shape() {
    let scene = scene(Database::timescale());
    for (columns, shape) in [
        ("applied_at timestamp", "with a name and a time alone"),
        ("success boolean", "with `success`"),
        ("status varchar(50)", "with `status`"),
    ] {
        scene.database.run(&format!(
            "drop table if exists migration_log; create table migration_log \
             (id serial primary key, migration_name varchar(255) unique not null, {columns})"
        ));
        let found = Found::by(&scene, &["--set", "orders", "--quick"], 0);
        let (verdict, text, _) = found.of("migrations", "log");
        assert_eq!(verdict, "warn");
        assert!(text.ends_with(shape), "{text}");
    }
    // Its tables are there: not for `up`, and nothing is wrong with them.
    scene
        .database
        .run("create schema factory_telemetry; create table factory_telemetry.metric_def ()");
    let found = Found::by(&scene, &[&MS5[..], &["--quick"]].concat(), 0);
    let (verdict, _, remedy) = found.of("migrations", "ms5: order");
    assert_eq!((verdict, remedy), ("warn", "millstream migrate adopt --set ms5"));
}

#[test]
fn programs_and_containers_are_asked_where_they_are() {
    let scene = scene(Database::timescale());
    let major = scene.database.text("select current_setting('server_version_num')::int / 10000");
    let port =
        scene.database.url.rsplit_once('/').unwrap().0.rsplit_once(':').unwrap().1.to_owned();
    std::fs::create_dir(scene.path("bin")).unwrap();
    let program = |name: &str, text: &str| {
        let path = scene.path("bin").join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    program("pg_dump", &format!("echo 'pg_dump (PostgreSQL) {major}.1'"));
    program("pg_restore", "echo 'pg_restore (PostgreSQL) 9.6'");
    let docker = |version: &str, status: &str| {
        program(
            "docker",
            &format!(
                "case $1 in info) echo '{version}' ;; \
                 ps) echo 'timescale|127.0.0.1:{port}->5432/tcp|{status}' ;; esac"
            ),
        );
    };
    let bin = scene.path("bin").display().to_string();
    let look = |code| {
        let all = ["preflight", "--min-disk", "1MB", "--min-memory", "1MB", "--set", "orders"];
        let tool = scene.millstream(&all).env("PATH", &bin).env("MILLSTREAM_PG_BIN", &bin);
        Found(tool.json(code))
    };
    docker("28.2.2", "Up 2 days (healthy)");
    let found = look(0);
    assert_eq!(found.of("backup", "pg_dump").0, "pass");
    // Where the machine has one of the server's major elsewhere, that one is taken.
    assert_ne!(found.of("backup", "pg_restore").0, "FAIL");
    assert!(!found.of("backup", "pg_restore").1.contains("not found"));
    assert_eq!(found.of("container", "engine").1, "docker 28.2.2");
    assert_eq!(found.of("container", "database").1, "timescale: Up 2 days (healthy)");
    docker("19.03.1", "Up 2 days (unhealthy)");
    let found = look(1);
    assert_eq!(found.of("container", "engine").0, "warn");
    assert_eq!(found.of("container", "database").0, "FAIL");
    std::fs::remove_file(scene.path("bin/docker")).unwrap();
    assert_eq!(look(0).of("container", "engine"), ("skipped", "no engine", ""));
}
