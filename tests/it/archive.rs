//! Old rows into Parquet files and back: nothing lost, nothing double, nothing bent.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use millstream::columnar::file::{Cell, ParquetFile};
use millstream::columnar::manifest::{self, Manifest, State};
use millstream::database::archive::{ArchiveError, Archived, archive};
use millstream::schema::TableName;
use millstream::sink::session::Server;

use crate::support::database::{block_on, connect};
use crate::support::{Database, Scene, random};

/// 2024-01-11, in microseconds since 2000.
const BEFORE: i64 = 758_246_400_000_000;

fn run(database: &Database, table: &str, dir: &Path) -> Result<Vec<Archived>, ArchiveError> {
    let table = TableName::parse(table).unwrap();
    block_on(async {
        let mut session = Server::parse(&database.url).unwrap().connect("test").await.unwrap();
        archive(&mut session.client, &table, ("at", BEFORE), dir).await
    })
}

fn folder(dir: &Path, table: &str) -> (PathBuf, Manifest) {
    let folder = dir.join(manifest::folder_name(&TableName::parse(table).unwrap()));
    let manifest = manifest::read(&folder).unwrap().unwrap();
    (folder, manifest)
}

/// The sum of all files, as `verify` shows it.
fn fingerprint(manifest: &Manifest) -> String {
    let sums = manifest.files.iter().map(|entry| u128::from_str_radix(&entry.fingerprint, 16));
    format!("{:032x}", sums.fold(0_u128, |sum, one| sum.wrapping_add(one.unwrap())))
}

/// Thirty days of readings from 2024-01-01, ids from 1, in chunks of a day.
const READINGS: &str = "create table reading (id bigint, at timestamptz not null, value float8); \
    select create_hypertable('reading', by_range('at', interval '1 day')); \
    insert into reading select i, '2024-01-01'::timestamptz + i * interval '3 min', i / 8.0 \
        from generate_series(1, 14000) i";

/// How often each id is in a file that is whole and that the manifest names.
fn archived_ids(dir: &Path) -> BTreeMap<i64, usize> {
    let mut ids = BTreeMap::new();
    let folder = dir.join("public.reading");
    for entry in manifest::read(&folder).unwrap().into_iter().flat_map(|found| found.files) {
        entry.check(&folder).unwrap();
        let file = ParquetFile::open(&entry.path(&folder)).unwrap();
        let mut take = |row: &[Cell<'_>]| {
            let [Cell::Int64(id)] = row else { panic!("{row:?}") };
            *ids.entry(*id).or_default() += 1;
            ControlFlow::Continue(())
        };
        file.rows(0, &[Some(0)], &mut take).unwrap();
    }
    ids
}

fn ids_in(database: &Database) -> Vec<i64> {
    let rows = database.rows("select id from reading order by 1");
    rows.iter().map(|row| row[0].parse().unwrap()).collect()
}

const TYPES: &str = "create type state as enum ('running', 'gewärmt ''x'''); \
    create table t (at timestamptz not null, flag boolean, i2 smallint, i4 integer, i8 bigint, \
    f4 real, f8 double precision, n numeric, n12 numeric(12,4), txt text, vc varchar(20), u uuid, \
    tz3 timestamptz(3), ts timestamp, d date, tod time, span interval, j json, jb jsonb, \
    raw bytea, st state, ta text[], i2a smallint[], i4a integer[], i8a bigint[], \
    ip inet, net cidr)";

const VALUES: &str = "insert into t values \
    ('2024-01-01 00:00:00.000001+00', true, -32768, -2147483648, -9223372036854775808, \
     'NaN', '-0', '-12345678901234567890.00010', '-99999999.9999', '', '', \
     '00000000-0000-0000-0000-000000000000', '2024-01-01 12:00:00.123+00', '-infinity', \
     '-infinity', '00:00', '-1 mon +3 days -00:00:00.5', ' { \"a\" : 1 } ', '{\"b\": [1.50, null]}', \
     '', 'running', '{}', '{}', '{}', '{}', '10.1.2.3', '0.0.0.0/0'), \
    ('2024-01-02 23:59:59.999999+00', false, 32767, 2147483647, 9223372036854775807, \
     '-infinity', 'infinity', '0.00', '0', 'ä \"quoted\" \\ 漢', 'x', \
     'ffffffff-ffff-ffff-ffff-ffffffffffff', 'infinity', 'infinity', 'infinity', '24:00', \
     '178956970 years 7 mons 2147483647 days', '[]', '\"x\"', '\\x00ff', 'gewärmt ''x''', \
     '{a,NULL,\"\"}', '{1,NULL}', '{-2147483648}', '{9223372036854775807,NULL}', \
     '2001:db8::7/64', '2001:db8::/32'), \
    ('2024-01-03+00', null, null, null, null, 1e-45, 5e-324, 'NaN', null, null, null, null, \
     null, null, null, null, null, null, null, null, null, null, null, null, null, null, null), \
    ('2024-01-04+00', null, 0, 0, 0, 0.1, 0.1, '1000000000000', 'NaN', 'y', 'y', null, \
     '4714-11-24 00:00:00+00 BC', '4714-11-24 BC', '4714-11-24 BC', '12:34:56.789012', \
     '00:00', 'null', '0', null, null, null, null, null, null, '::ffff:10.1.2.3', '::1'), \
    ('2024-01-05+00', null, 0, 0, 0, 1, 1, '0.0000000000000000000000000001', '1', 'z', 'z', null, \
     '20240-11-24 00:00:00+00', '20240-11-24 01:02:03.4', '20240-11-24', '12:34:56.789012', \
     'P1Y2M3DT4H', '1', '1e3', null, null, null, null, null, null, null, null); \
    insert into t (at, i8, txt) select '2024-01-06'::timestamptz + i * interval '1 s', i, \
     'note ' || i % 7 from generate_series(1, 70000) i";

const LOAD: &str = r#"
name = "restore"
[source]
parquet = "cold"
[target]
create = false
[[table]]
from = "t"
to = "public.t"
"#;

#[test]
fn every_type_comes_back_from_its_file_bit_for_bit() {
    // GIVEN a hypertable with every type and what is odd in each
    let origin = Database::timescale();
    origin
        .run(&format!("{TYPES}; select create_hypertable('t', by_range('at', interval '7 days'))"));
    origin.run(VALUES);
    let before = origin.rows("select t::text from t order by at");
    // WHEN it is archived and loaded into another database
    let scene = Scene::new(LOAD);
    let archived = run(&origin, "t", &scene.path("cold")).unwrap();
    let (_, manifest) = folder(&scene.path("cold"), "t");
    println!("{:?}", archived.iter().map(|one| (one.rows, one.bytes)).collect::<Vec<_>>());
    assert_eq!(origin.number("select count(*) from t"), 0);
    assert!(manifest.files.iter().all(|entry| entry.state == State::Dropped));
    scene.database.run(TYPES);
    scene.millstream(&["check", "pipeline.toml"]).ends(0);
    let report = scene.backfill().json(0);
    assert_eq!(report["source_tables"][0]["rejected"], 0, "{report}");
    // THEN every row is there as it was, and both fingerprints are one
    let after = scene.database.rows("select t::text from t order by at");
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before, after);
    }
    let report = scene.verify().arg("--deep").json(0);
    assert_eq!(report["tables"][0]["fingerprint"], fingerprint(&manifest), "{report}");
    // AND the same command loads nothing twice
    assert_eq!(scene.backfill().json(0)["rows_this_run"], 0);
}

#[test]
fn a_table_that_is_made_for_an_archive_takes_its_types() {
    let origin = Database::timescale();
    origin.run(READINGS);
    let scene = Scene::new(&LOAD.replace("false", "true").replace("\"t\"", "\"reading\""));
    run(&origin, "reading", &scene.path("cold")).unwrap();
    scene.backfill().ends(0);
    scene.verify().ends(0);
    let types = "select string_agg(column_name || ' ' || data_type, ', ' order by ordinal_position) \
                 from information_schema.columns where table_name = 't'";
    let made = "id bigint, at timestamp with time zone, value double precision";
    assert_eq!(scene.database.text(types), made);
}

#[test]
fn a_damaged_file_is_refused_by_name() {
    let origin = Database::timescale();
    origin.run(READINGS);
    let scene = Scene::new(&LOAD.replace("false", "true").replace("\"t\"", "\"reading\""));
    run(&origin, "reading", &scene.path("cold")).unwrap();
    let (folder, manifest) = folder(&scene.path("cold"), "reading");
    let path = manifest.files[3].path(&folder);
    let whole = std::fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    std::fs::write(&path, &damaged).unwrap();
    for command in ["check", "backfill"] {
        let run = scene.millstream(&[command, "pipeline.toml"]).ends(2);
        assert!(run.err.contains(&manifest.files[3].file), "{}", run.err);
        assert!(run.err.contains("damaged or replaced"), "{}", run.err);
    }
    std::fs::write(&path, &whole).unwrap();
    scene.backfill().ends(0);
    // What was loaded is held to the folder: another file in its place is another source.
    std::fs::remove_file(&path).unwrap();
    scene.backfill().ends(2);
}

#[test]
fn nothing_is_dropped_when_the_file_does_not_hold_it() {
    let origin = Database::timescale();
    origin.run(READINGS);
    let dir = tempfile::tempdir().unwrap();
    // GIVEN a run that was killed when the first file was written, and a disk that changed a byte of it
    let killed = archiver(&origin.url, dir.path(), "archive_held:1").status().unwrap();
    assert!(!killed.success());
    let (folder, manifest) = folder(dir.path(), "reading");
    let path = manifest.files[0].path(&folder);
    let mut damaged = std::fs::read(&path).unwrap();
    damaged[40] ^= 1;
    std::fs::write(&path, &damaged).unwrap();
    // WHEN it goes on, THEN the file is named and every row is still there
    let error = run(&origin, "reading", dir.path()).unwrap_err().to_string();
    assert!(error.contains(&manifest.files[0].file), "{error}");
    assert_eq!(origin.number("select count(*) from reading"), 14_000);
}

/// Archives the readings in a process of its own, which may be killed.
fn archiver(url: &str, dir: &Path, failpoint: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "archive::an_archiver_to_be_killed", "--nocapture"]);
    command.env("ARCHIVER_URL", url).env("ARCHIVER_DIR", dir);
    command.env("MILLSTREAM_FAILPOINT", failpoint).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// The body of [`archiver`]; nothing to do when no test calls it.
#[test]
fn an_archiver_to_be_killed() {
    let Ok(url) = std::env::var("ARCHIVER_URL") else { return };
    let dir = PathBuf::from(std::env::var("ARCHIVER_DIR").unwrap());
    let table = TableName::parse("reading").unwrap();
    block_on(async {
        let mut session = Server::parse(&url).unwrap().connect("archiver").await.unwrap();
        archive(&mut session.client, &table, ("at", BEFORE), &dir).await.unwrap();
    });
}

/// Each id is in the table or in a file; when the archiver came to its end, in just one of both.
fn nothing_lost(database: &Database, dir: &Path, ids: i64, ended: bool) {
    let (kept, archived) = (ids_in(database), archived_ids(dir));
    let lost: Vec<i64> = (1..=ids)
        .filter(|id| kept.binary_search(id).is_err() && !archived.contains_key(id))
        .collect();
    assert!(lost.is_empty(), "{} lost, the first {:?}", lost.len(), lost.first());
    assert!(archived.values().all(|times| *times == 1), "a row is in two files");
    if ended {
        let double = kept.iter().filter(|id| archived.contains_key(id)).count();
        assert_eq!((double, kept.len() + archived.len()), (0, usize::try_from(ids).unwrap()));
        assert_eq!(database.number("select min(id) from reading"), 4_800);
    }
}

#[test]
fn an_archiver_killed_at_each_point_loses_and_doubles_nothing() {
    let points = [
        "archive_written",
        "archive_held",
        "archive_before_commit",
        "archive_committed",
        "archive_dropped",
    ];
    for make in [Database::timescale as fn() -> Database, Database::plain] {
        for point in points {
            let (database, dir) = (make(), tempfile::tempdir().unwrap());
            let hypertable =
                "select create_hypertable('reading', by_range('at', interval '1 day')); ";
            match database.try_run(READINGS) {
                Ok(()) => {}
                Err(_) => database.run(&READINGS.replace(hypertable, "")),
            }
            for nth in 1..=3 {
                let point = format!("{point}:{nth}");
                let killed = archiver(&database.url, dir.path(), &point).status().unwrap();
                assert!(!killed.success(), "{point} was never reached");
                nothing_lost(&database, dir.path(), 14_000, false);
            }
            run(&database, "reading", dir.path()).unwrap();
            nothing_lost(&database, dir.path(), 14_000, true);
        }
    }
}

#[test]
fn an_archiver_killed_at_random_moments_loses_and_doubles_nothing() {
    let (mut random, mut kills) = (random(), 0);
    while kills < 10 {
        let (database, dir) = (Database::timescale(), tempfile::tempdir().unwrap());
        database.run(READINGS);
        loop {
            let mut child = archiver(&database.url, dir.path(), "").spawn().unwrap();
            std::thread::sleep(Duration::from_millis(random.u64(10..250)));
            if kills < 10 && child.try_wait().unwrap().is_none() {
                child.kill().unwrap();
                kills += 1;
            }
            let ended = child.wait().unwrap().success();
            nothing_lost(&database, dir.path(), 14_000, ended);
            if ended {
                break;
            }
        }
    }
}

#[test]
fn rows_that_come_late_are_archived_too_and_never_dropped_unseen() {
    let (database, dir) = (Database::timescale(), tempfile::tempdir().unwrap());
    database.run(READINGS);
    // GIVEN a row that is on its way into the first chunk when the archiver reads it
    let late = "insert into reading values (14001, '2024-01-01 10:00:00+00', 0)";
    let writer = block_on(async {
        let writer = connect(&database.url).await.unwrap();
        writer.batch_execute(&format!("begin; {late}")).await.unwrap();
        writer
    });
    let commit = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(1_500));
        block_on(async { writer.batch_execute("commit").await.unwrap() });
    });
    // WHEN it is committed while the archiver waits to drop the chunk
    run(&database, "reading", dir.path()).unwrap();
    commit.join().unwrap();
    // THEN it is in the one file of its day
    nothing_lost(&database, dir.path(), 14_001, true);
    let files = folder(dir.path(), "reading").1.files;
    assert_eq!((files.len(), files[0].rows), (10, 480));
    // AND one that comes after the drop gets a file of its own
    database.run("insert into reading values (14002, '2024-01-01 10:00:00+00', 0)");
    run(&database, "reading", dir.path()).unwrap();
    nothing_lost(&database, dir.path(), 14_002, true);
    let files = folder(dir.path(), "reading").1.files;
    assert_eq!((files.len(), files[10].rows), (11, 1));
    assert_ne!(files[0].file, files[10].file);
    // AND a further run does nothing
    assert_eq!(run(&database, "reading", dir.path()).unwrap(), []);
}

/// A row is on its way into the first chunk while an archiver runs without its second look.
#[test]
fn without_its_second_look_an_archiver_loses_a_late_row() {
    let (database, dir) = (Database::timescale(), tempfile::tempdir().unwrap());
    database.run(READINGS);
    block_on(async {
        let writer = connect(&database.url).await.unwrap();
        let late = "begin; insert into reading values (14001, '2024-01-01 10:00:00+00', 0)";
        writer.batch_execute(late).await.unwrap();
        let mut blind = archiver(&database.url, dir.path(), "");
        let mut blind = blind.env("MILLSTREAM_WITHOUT", "late_rows").spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        writer.batch_execute("commit").await.unwrap();
        assert!(blind.wait().unwrap().success());
    });
    let archived = archived_ids(dir.path());
    assert!(!archived.contains_key(&14_001), "the second look is not what keeps late rows");
    assert!(!ids_in(&database).contains(&14_001));
}

#[test]
fn compressed_chunks_are_archived_like_others() {
    let (database, dir) = (Database::timescale(), tempfile::tempdir().unwrap());
    if !database.is_community() {
        crate::support::skipped("compression needs the Community edition of TimescaleDB");
        return;
    }
    database.run(READINGS);
    database.run(
        "alter table reading set (timescaledb.compress, timescaledb.compress_orderby = 'at'); \
         select compress_chunk(c) from show_chunks('reading', older_than => '2024-01-08'::timestamptz) c; \
         insert into reading values (14001, '2024-01-01 10:00:00+00', 0)",
    );
    run(&database, "reading", dir.path()).unwrap();
    nothing_lost(&database, dir.path(), 14_001, true);
}

#[test]
fn live_rows_flow_while_old_ones_are_archived() {
    let (database, dir) = (Database::timescale(), tempfile::tempdir().unwrap());
    database.run(READINGS);
    let url = database.url.clone();
    let (stop, stopped) = std::sync::mpsc::sync_channel::<()>(0);
    let writer = std::thread::spawn(move || {
        let mut id = 14_000;
        block_on(async {
            let client = connect(&url).await.unwrap();
            // Today's rows, and now and then one for the days that are archived.
            while stopped.try_recv().is_err() && id < 18_000 {
                id += 1;
                let day = if id % 20 == 0 { 1 + id / 20 % 10 } else { 20 };
                let sql =
                    format!("insert into reading values ({id}, '2024-01-{day:02} 05:00+00', 0)");
                client.batch_execute(&sql).await.unwrap();
            }
        });
        id
    });
    for _ in 0..3 {
        run(&database, "reading", dir.path()).unwrap();
    }
    drop(stop);
    let last = writer.join().unwrap();
    run(&database, "reading", dir.path()).unwrap();
    println!("{} rows came meanwhile", last - 14_000);
    nothing_lost(&database, dir.path(), last, true);
}

#[test]
fn a_folder_of_another_database_and_a_wrong_column_are_refused() {
    let (database, other) = (Database::timescale(), Database::timescale());
    let dir = tempfile::tempdir().unwrap();
    database.run(READINGS);
    other.run(READINGS);
    run(&database, "reading", dir.path()).unwrap();
    let error = run(&other, "reading", dir.path()).unwrap_err().to_string();
    assert!(error.contains("one for each database"), "{error}");
    assert_eq!(other.number("select count(*) from reading"), 14_000);
    other.run("alter table reading add grid text[]; update reading set grid = '{{a,b},{c,d}}' where id = 9");
    let elsewhere = tempfile::tempdir().unwrap();
    let error = run(&other, "reading", elsewhere.path()).unwrap_err().to_string();
    assert!(error.contains("column grid (text[])"), "{error}");
    assert_eq!(other.number("select count(*) from reading"), 14_000);
}

#[test]
fn a_role_that_only_owns_its_table_may_archive_it() {
    let (database, dir) = (Database::timescale(), tempfile::tempdir().unwrap());
    let role = format!("archivist_{}", std::process::id());
    database
        .run(&format!("create role {role} login; grant create, usage on schema public to {role}"));
    let owned = Server::parse(&database.url_for(&role)).unwrap();
    let table = TableName::parse("reading").unwrap();
    block_on(async {
        let mut session = owned.connect("test").await.unwrap();
        let made = format!("set search_path = public; {READINGS}");
        session.client.batch_execute(&made).await.unwrap();
        archive(&mut session.client, &table, ("at", BEFORE), dir.path()).await.unwrap();
    });
    nothing_lost(&database, dir.path(), 14_000, true);
    database.run(&format!("drop owned by {role} cascade; drop role {role}"));
}

/// A file as another tool writes it: required and nested columns, milliseconds, decimals, a naive time.
fn foreign_file(path: &Path) {
    use parquet::data_type::{ByteArrayType, Int32Type, Int64Type};
    use parquet::file::writer::SerializedFileWriter;
    let schema = "message m { required int64 id; required int64 seen (TIMESTAMP_MILLIS); \
        optional int64 local (TIMESTAMP(MICROS,false)); optional int32 price (DECIMAL(7,2)); \
        optional binary name (UTF8); optional group tags (LIST) { repeated group list { \
        optional binary element (UTF8); } } }";
    let schema = parquet::schema::parser::parse_message_type(schema).unwrap();
    let file = std::fs::File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema.into(), Default::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let longs: [(&[i64], Option<&[i16]>); 3] = [
        (&[1, 2], None),
        (&[1_704_067_200_123, 1_704_067_200_456], None),
        (&[1_704_067_200_000_001], Some(&[1, 0])),
    ];
    for (values, levels) in longs {
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(values, levels, None).unwrap();
        column.close().unwrap();
    }
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int32Type>().write_batch(&[-12_345, 7], Some(&[1, 1]), None).unwrap();
    column.close().unwrap();
    for levels in [&[1, 1][..], &[0, 0][..]] {
        let mut column = group.next_column().unwrap().unwrap();
        let words = ["a".into(), "b".into()];
        let nested = levels[0] == 0;
        let repeated: Option<&[i16]> = nested.then_some(&[0, 0]);
        let words = if nested { &[][..] } else { &words[..] };
        column.typed::<ByteArrayType>().write_batch(words, Some(levels), repeated).unwrap();
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
}

#[test]
fn files_of_other_tools_are_read_and_what_is_not_is_said() {
    let scene = Scene::new(&LOAD.replace("false", "true").replace("\"t\"", "\"visits\""));
    std::fs::create_dir(scene.path("cold")).unwrap();
    foreign_file(&scene.path("cold").join("visits.parquet"));
    let run = scene.millstream(&["check", "pipeline.toml"]).ends(0);
    assert!(run.out.contains("not read of visits: tags: a nested column"), "{}", run.out);
    scene.backfill().ends(0);
    scene.verify().arg("--deep").ends(0);
    assert_eq!(
        scene.database.rows("select id, seen, local, price, name from t order by id"),
        [
            ["1", "2024-01-01 00:00:00.123+00", "2024-01-01 00:00:00.000001", "-123.45", "a"],
            ["2", "2024-01-01 00:00:00.456+00", "", "0.07", "b"],
        ]
    );
    // A wall clock becomes no instant without its zone.
    let more = "[table.columns]\nlocal = { type = \"timestamptz\" }\n";
    let pipeline = std::fs::read_to_string(scene.path("pipeline.toml")).unwrap();
    let pipeline = pipeline.replace("public.t", "public.t2").replace("restore", "again");
    scene.write("pipeline.toml", &format!("{pipeline}{more}"));
    let run = scene.millstream(&["check", "pipeline.toml"]).ends(2);
    assert!(run.err.contains("columns.local"), "{}", run.err);
    // Conditions are SQL.
    scene.write("pipeline.toml", &format!("{pipeline}where = \"id > 1\"\n"));
    let run = scene.millstream(&["check", "pipeline.toml"]).ends(2);
    assert!(run.err.contains("are SQL"), "{}", run.err);
}
