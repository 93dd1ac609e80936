//! SQLite as it is found: written to while it is read, oddly named, oddly filled, and never quite the
//! file it was.

use crate::support::Scene;

fn pipeline(tables: &str) -> String {
    format!(
        "name = \"sqlite\"\n[source]\nsqlite = \"source.db\"\n[target]\ncreate = true\n[limits]\n\
         rejected = 100\n{tables}"
    )
}

const LOG: &str = "[[table]]\nfrom = \"log\"\nto = \"public.log\"\n";

/// `count` lines of a log, from id 1.
fn log(scene: &Scene, count: u32) {
    scene.source(&format!(
        "create table log (id integer primary key, line text);
         with recursive n(i) as (values (1) union all select i + 1 from n where i < {count})
         insert into log select i, 'line ' || i from n;"
    ));
}

fn lines(scene: &Scene) -> i64 {
    scene.database.number("select count(*) from log")
}

/// The load is refused as the plan's fault, and nothing at all has changed. Gives back what it says.
fn is_refused(scene: &Scene) -> String {
    let before = scene.database.digest();
    let run = scene.backfill().ends(2);
    scene.database.is_still(&before, &run.err);
    run.err
}

#[test]
fn a_live_file_is_read_with_its_wal_and_left_as_it_is() {
    let scene = Scene::new(&pipeline(LOG));
    // GIVEN a writer with rows in the file, rows in the -wal, and a transaction under way
    log(&scene, 1_000);
    let writer = scene.source("pragma journal_mode = wal; pragma wal_autocheckpoint = 0;");
    writer.execute_batch("update log set line = 'newer' where id = 1").unwrap();
    writer
        .execute_batch("insert into log select id + 1000, 'line' from log where id <= 500")
        .unwrap();
    writer.execute_batch("begin immediate; insert into log values (9999, 'open')").unwrap();
    let before = std::fs::read(scene.path("source.db")).unwrap();
    let wal = std::fs::read(scene.path("source.db-wal")).unwrap();
    assert!(!wal.is_empty());
    // WHEN it is loaded
    let run = scene.backfill().ends(0);
    // THEN all that was committed is there, it is said where it was, and the files are what they were
    assert_eq!(lines(&scene), 1_500);
    assert_eq!(scene.database.number("select count(*) from log where line = 'newer'"), 1);
    assert!(run.err.contains("source.db-wal"), "{}", run.err);
    assert_eq!(std::fs::read(scene.path("source.db")).unwrap(), before);
    assert_eq!(std::fs::read(scene.path("source.db-wal")).unwrap(), wal);
    // AND the writer goes on, and its rows come with the next run
    writer.execute_batch("commit").unwrap();
    scene.backfill().ends(0);
    assert_eq!(lines(&scene), 1_501);
    scene.verify().arg("--deep").ends(0);
}

#[test]
fn a_file_that_lost_its_wal_is_loaded_with_a_warning() {
    let scene = Scene::new(&pipeline(LOG));
    log(&scene, 10);
    drop(scene.source("pragma journal_mode = wal; insert into log values (11, 'x')"));
    let run = scene.backfill().ends(0);
    assert!(run.err.contains("no -wal beside it"), "{}", run.err);
}

#[test]
fn tables_without_rowid_views_and_queries_are_read_by_their_key() {
    let scene = Scene::new(&pipeline(
        r#"
[[table]]
from = "pair"
to = "public.pair"
[[table]]
from = "doubled"
key = ["id"]
to = "public.doubled"
[[table]]
query = "select p.a || '/' || p.b as name, n from pair p where b > 10;"
key = ["name"]
to = "public.named"
"#,
    ));
    scene.source(
        "create table pair (a text, b integer, n integer, primary key (a, b)) without rowid;
         with recursive n(i) as (values (1) union all select i + 1 from n where i < 9000)
         insert into pair select 'k' || (i % 7), i, i * 3 from n;
         create view doubled as select b as id, n * 2 as n from pair;",
    );
    scene.backfill().ends(0);
    for (table, rows, sum) in [
        ("pair", "9000", "121513500"),
        ("doubled", "9000", "243027000"),
        ("named", "8990", "121513335"),
    ] {
        let sql = format!("select count(*), sum(n) from {table}");
        assert_eq!(scene.database.rows(&sql), [[rows, sum]], "{table}");
    }
    scene.verify().arg("--deep").ends(0);
}

#[test]
fn a_key_that_is_not_unique_or_null_is_refused() {
    let keyed = "[[table]]\nquery = \"select k, v from t\"\nkey = [\"k\"]\nto = \"public.t\"\n";
    for (rows, words) in [("(1, 1), (1, 2)", "not unique"), ("(null, 1), (2, 2)", "null in 1 row")]
    {
        let scene = Scene::new(&pipeline(keyed));
        scene.source(&format!("create table t (k, v); insert into t values {rows}"));
        let told = is_refused(&scene);
        assert!(told.contains(words), "{told}");
    }
}

#[test]
fn odd_names_are_only_names() {
    let scene = Scene::new(&pipeline(
        r#"
[[table]]
from = "odd \"name; drop table x--"
to = 'public."Odd Näme; --"'
[table.columns]
"sel ect" = { from = "from" }
"#,
    ));
    scene.source(
        "create table \"odd \"\"name; drop table x--\" (\"rowid\" text, \"from\" int, \"a\"\"b'c\" text);
         insert into \"odd \"\"name; drop table x--\" values ('r', 1, 'x'), (null, 2, 'y');",
    );
    scene.backfill().ends(0);
    let sql = "select rowid, \"sel ect\", \"a\"\"b'c\" from public.\"Odd Näme; --\" order by 2";
    assert_eq!(scene.database.rows(sql), [["r", "1", "x"], ["", "2", "y"]]);
    scene.verify().arg("--deep").ends(0);
}

#[test]
fn values_that_postgres_cannot_hold_are_set_aside_byte_for_byte() {
    let scene = Scene::new(&pipeline(
        r#"
[[table]]
from = "v"
to = "public.v"
[table.columns]
t = { type = "text" }
f = { type = "double precision" }
b = { type = "bytea" }
"#,
    ));
    scene.source(
        "create table v (id integer primary key, t text, f real, b blob);
         insert into v values (1, 'fine', 0.5, x'00ff'), (2, 'a' || char(0) || 'b', 1, null),
         (3, cast(x'66fffe' as text), 1, null), (4, 'inf', 9e999, x''), (5, 'nan', 9e999 - 9e999, null),
         (6, x'41', 1, null), (7, '', 'text', null), (8, '\u{1f525}', 0.0, zeroblob(70000));",
    );
    scene.backfill().ends(0);
    let sql = "select id, f, length(b) from v order by id";
    let found = [["1", "0.5", "2"], ["4", "Infinity", "0"], ["5", "", ""], ["8", "0", "70000"]];
    assert_eq!(scene.database.rows(sql), found);
    let sql =
        "select original->>'id', reason, original->'t' from millstream.dead_letter order by 1";
    let aside = [
        ["2", "nul_in_text", r#"{"$text": "610062"}"#],
        ["3", "bad_utf8", r#"{"$text": "66fffe"}"#],
        ["6", "wrong_class", r#"{"$blob": "41"}"#],
        ["7", "syntax", r#""""#],
    ];
    assert_eq!(scene.database.rows(sql), aside);
    scene.verify().arg("--deep").ends(0);
}

#[test]
fn rows_that_were_appended_come_with_the_next_run() {
    let scene = Scene::new(&pipeline(LOG));
    log(&scene, 5_000);
    scene.backfill().ends(0);
    for rows in [5_100, 5_200] {
        scene.source("insert into log select id + 100, 'more' from log order by id desc limit 100");
        let report = scene.backfill().json(0);
        assert_eq!((report["rows_this_run"].as_i64(), lines(&scene)), (Some(100), rows));
    }
    scene.verify().arg("--deep").ends(0);
}

#[test]
fn rows_that_changed_below_the_tail_are_refused() {
    for change in [
        "update log set line = 'changed' where id = 7",
        "delete from log where id = 7",
        "delete from log where id = 5000; insert into log values (5000, 'another')",
        "insert into log values (-1, 'late')",
    ] {
        let scene = Scene::new(&pipeline(LOG));
        log(&scene, 5_000);
        scene.backfill().ends(0);
        scene.source(&format!("{change}; insert into log values (6000, 'tail')"));
        let told = is_refused(&scene);
        assert!(told.contains("changed, deleted or inserted in the source"), "{change}: {told}");
        assert_eq!(lines(&scene), 5_000);
    }
}

#[test]
fn a_file_that_was_replaced_is_refused() {
    let scene = Scene::new(&pipeline(LOG));
    log(&scene, 100);
    scene.backfill().ends(0);
    std::fs::remove_file(scene.path("source.db")).unwrap();
    scene.source("create table log (id integer primary key, line text)");
    scene.source("insert into log values (1, 'a new life')");
    assert!(is_refused(&scene).contains("changed, deleted or inserted in the source"));
    // AND so is one with another schema.
    std::fs::remove_file(scene.path("source.db")).unwrap();
    scene.source("create table log (id integer primary key, line text, level int)");
    let told = is_refused(&scene);
    assert!(told.contains("another source") && told.contains("level INT"), "{told}");
}

#[test]
fn a_plan_that_means_something_else_is_refused_until_it_is_accepted() {
    let scene = Scene::new(&pipeline(LOG));
    log(&scene, 100);
    scene.backfill().ends(0);
    scene.source("insert into log values (101, 'tail')");
    let mapped =
        format!("{LOG}[table.columns]\nline = {{ map = {{ tail = \"end\", \"*\" = \"\" }} }}\n");
    scene.write("pipeline.toml", &pipeline(&mapped));
    let told = is_refused(&scene);
    assert!(told.contains("--accept-plan-change"), "{told}");
    scene.backfill().arg("--accept-plan-change").ends(0);
    let sql = "select count(*) filter (where line like 'line %'), max(line) filter (where id > 100) from log";
    assert_eq!(scene.database.rows(sql), [["100", "end"]]);
    scene.verify().ends(0);
}

#[test]
fn another_name_cannot_double_the_same_rows() {
    let scene = Scene::new(&pipeline(LOG));
    log(&scene, 500);
    scene.backfill().ends(0);
    scene.write("pipeline.toml", &pipeline(LOG).replacen("name = \"", "name = \"second-", 1));
    assert!(is_refused(&scene).contains("has loaded these very rows"));
    assert_eq!(lines(&scene), 500);
}

#[test]
fn a_target_that_was_emptied_is_not_called_loaded() {
    let scene = Scene::new(&pipeline(LOG));
    log(&scene, 500);
    scene.backfill().ends(0);
    scene.database.run("truncate log");
    assert!(is_refused(&scene).contains("it is empty now"));
    scene.backfill().arg("--fresh").ends(0);
    assert_eq!(lines(&scene), 500);
}

#[test]
fn text_keys_that_are_no_utf8_are_resumed_behind_themselves() {
    let scene = Scene::new(&pipeline(LOG).replace("rejected = 100", "batch_rows = 10"));
    scene.source(
        "create table log (id text primary key, line text) without rowid; \
         with recursive n(i) as (values (1) union all select i + 1 from n where i < 200) \
         insert into log select cast(x'ff' || printf('%04d', i) as text), 'x' from n",
    );
    // Nothing lands in a text column of Postgres; every row is one dead letter, once.
    let first = scene.backfill().env("MILLSTREAM_FAILPOINT", "after_commit:5").run();
    assert!(first.was_killed());
    let report = scene.backfill().json(3);
    assert_eq!(report["source_tables"][0]["read"], 200);
    assert_eq!(report["source_tables"][0]["rejected"], 200);
}
