//! A PostgreSQL server as the source: every type, one snapshot, keys and places, and what happens when the
//! snapshot or the line is lost.

use std::time::Duration;

use crate::support::server::Server;
use crate::support::tool::Tool;
use crate::support::{Database, Scene, random, wait_for};

const LIMIT: Duration = Duration::from_secs(120);

/// A legacy database and a scene to load it into.
pub(crate) struct Move {
    pub(crate) legacy: Database,
    pub(crate) scene: Scene,
}

impl Move {
    pub(crate) fn new(legacy: &str, pipeline: &str) -> Self {
        let made = Self { legacy: Database::plain(), scene: Scene::new(&file(pipeline)) };
        made.legacy.run(legacy);
        made
    }

    fn millstream(&self, words: &[&str]) -> Tool {
        self.scene.millstream(words).env("SOURCE", &self.legacy.url)
    }

    pub(crate) fn backfill(&self) -> Tool {
        self.millstream(&["backfill", "pipeline.toml"])
    }

    pub(crate) fn check(&self) -> Tool {
        self.millstream(&["check", "pipeline.toml"])
    }

    fn verify(&self) -> Tool {
        self.millstream(&["verify", "pipeline.toml"])
    }

    pub(crate) fn deep(&self) -> Tool {
        self.verify().arg("--deep")
    }
}

pub(crate) fn file(tables: &str) -> String {
    format!(
        "name = \"move\"\n[source]\npostgres = \"${{SOURCE}}\"\n[target]\ncreate = true\n\
         [limits]\nbatch_rows = 20000\n{tables}"
    )
}

pub(crate) const READING: &str = "[[table]]\nfrom = \"reading\"\nto = \"public.reading\"\n";

/// `count` readings with ids from 1.
pub(crate) fn readings(count: u64) -> String {
    format!(
        "create table reading (id bigint primary key, at timestamptz not null, value float8, note text);
         insert into reading select i, timestamptz '2026-01-01 00:00+00' + i * interval '1 second',
             i / 8.0, case when i % 10 = 0 then 'note ' || i end from generate_series(1, {count}) i;
         analyze reading;"
    )
}

pub(crate) fn whole(moved: &Move, rows: i64) {
    let sql = "select count(*), count(distinct id), coalesce(min(id), 0), coalesce(max(id), 0) from reading";
    let found: Vec<i64> =
        moved.scene.database.rows(sql)[0].iter().map(|number| number.parse().unwrap()).collect();
    let (lost, double) = (rows - found[1], found[0] - found[1]);
    println!("{rows} rows: lost {lost}, double {double}");
    assert_eq!((lost, double, found[2], found[3]), (0, 0, 1, rows));
}

const TYPES: &str = "create type mood as enum ('fine', 'so ''so''');
    create domain celsius as numeric(6, 2);
    create table every (id int primary key, b boolean, i2 smallint, i4 integer, i8 bigint, r4 real,
        r8 double precision, n numeric, n2 numeric(12, 4), d celsius, t text, v varchar(20), u uuid,
        tz timestamptz, tz3 timestamptz(3), ts timestamp, da date, ti time, iv interval, js json,
        jb jsonb, by bytea, m mood, ta text[], va varchar[], ia integer[], la bigint[], sa smallint[],
        ip inet, net cidr);";

const VALUES: &str = "insert into every values
    (1, true, 32767, 2147483647, 9223372036854775807, 3.4028235e38, 1.7976931348623157e308,
     123456789012345678901234567890.123456789, 12345678.1234, -40.50, 'a''b\\ äöü 🦀', 'x',
     'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'infinity', '2024-02-29 12:00:00.123+02', 'infinity',
     'infinity', '24:00', '1 year 2 mons -3 days 04:05:06.789', '{\"a\": 1.50,  \"b\":[]}',
     '{\"b\": 1.50, \"a\": \"\\u00e9\"}', '\\x00ff', 'so ''so''', '{a,NULL,\"b,c\",\"\"}', '{x}', '{1,NULL,-2}',
     '{9223372036854775807}', '{-32768}', '10.1.2.3', '10.1.2.0/24'),
    (2, false, -32768, -2147483648, -9223372036854775808, 'nan', '-infinity', 'nan', 0, 0, '', '',
     '00000000-0000-0000-0000-000000000000', '-infinity', null, '-infinity', '-infinity', '00:00', '0',
     'null', 'null', '', 'fine', '{}', '{}', '{}', '{}', '{}',
     '10.1.2.3/0', '0.0.0.0/0'),
    (3, null, null, null, null, '-0', '-0', -0.00000000000000000001, null, null, null, null, null,
     '0044-03-15 00:00:00+00 BC', null, '0044-03-15 BC', '0044-03-15 BC', '12:34:56.789', '-1 mons +1 day -00:00:00.5',
     null, null, null, null, null, null, null, null, null, '2001:db8::7', '2001:db8::/32'),
    (4, null, null, null, null, 1e-45, 5e-324, 100000000.000, null, null, null, null, null,
     '294276-12-31 23:59:59+00', null, '9999-12-31 23:59:59.999999', '290000-12-31', null, null, null, null, null,
     null, null, null, null, null, null, '::ffff:10.1.2.3/96', '::1'),
    (5, null, null, null, null, null, null, 0.00001, null, null, null, null, null,
     '2024-10-27 01:30:00.000001+00', null, '2024-03-31 02:30:00.5', '2000-01-01', null, null, null, null,
     null, null, null, null, null, null, null, '::/0', '255.255.255.255');";

#[test]
fn every_type_arrives_bit_for_bit() {
    // GIVEN every type with the ends of its range, and a target of the same shape
    let table = "[[table]]\nfrom = \"every\"\nto = \"every\"\n";
    let moved = Move::new(&format!("{TYPES}{VALUES}"), table);
    moved.scene.database.run(&TYPES.replace("va varchar[]", "va text[]"));
    // WHEN it is moved
    let checked = moved.check().ends(0);
    assert!(!checked.out.contains("read as text"), "{}", checked.out);
    let report = moved.backfill().json(0);
    // THEN both servers write, and send, the same
    assert_eq!(report["rows_this_run"], 5);
    let sql = "select id, e::text, encode(float4send(r4), 'hex'), encode(float8send(r8), 'hex'),
        encode(numeric_send(n), 'hex'), encode(timestamptz_send(tz), 'hex'), encode(interval_send(iv), 'hex')
        from every e order by id";
    assert_eq!(moved.scene.database.rows(sql), moved.legacy.rows(sql));
    moved.deep().ends(0);
}

#[test]
fn tables_are_made_of_what_the_source_declares() {
    let moved = Move::new(
        "create table odd (code text primary key, at timestamptz, day date, n numeric(8, 3), tags text[],
             flag boolean, here inet, card macaddr);
         insert into odd values ('b', 'infinity', '2024-01-01', 1.5, '{x}', true, '10.0.0.1', '08:00:2b:01:02:03'),
             ('B', '2024-01-01 00:00+00', null, 2.125, null, false, null, null), ('ä', null, null, null, null, null, null, null)",
        "[[table]]\nfrom = \"odd\"\nto = \"odd\"\n",
    );
    // A type of which only the server knows the words comes as text, and that is told.
    let checked = moved.check().ends(0);
    assert!(
        checked.out.contains("public.odd.card is macaddr, a type that is read as text"),
        "{}",
        checked.out
    );
    moved.backfill().ends(0);
    let types =
        "select string_agg(format_type(atttypid, atttypmod), ' ' order by attnum) from pg_attribute
        where attrelid = 'odd'::regclass and attnum > 0";
    assert_eq!(
        moved.scene.database.text(types),
        "text timestamp with time zone date numeric text[] boolean inet text"
    );
    let rows =
        "select code, at, day, n, tags, flag, here, card from odd order by code collate \"C\"";
    assert_eq!(moved.scene.database.rows(rows), moved.legacy.rows(rows));
    moved.deep().ends(0);
}

#[test]
fn wildcards_queries_and_a_role_that_may_only_select() {
    let moved = Move::new(
        "create schema plant;
         create table plant.machine (id int primary key, name text not null);
         create table plant.\"Order\" (id uuid primary key default gen_random_uuid(), machine int references plant.machine);
         create table plant.old (id int primary key);
         create table plant.own (id int primary key, name text);
         create table plant.part (id int, at date, primary key (id, at)) partition by range (at);
         create table plant.part_2026 partition of plant.part for values from ('2026-01-01') to ('2027-01-01');
         create view plant.busy as select 1 as one;
         insert into plant.machine select i, 'M' || i from generate_series(1, 50) i;
         insert into plant.\"Order\" (machine) select i from generate_series(1, 50) i, generate_series(1, 7);
         insert into plant.own values (1, 'x');
         insert into plant.part select i, date '2026-01-01' + i from generate_series(1, 100) i;",
        "[[table]]\nfrom = \"plant.*\"\nto = \"copy.*\"\nexcept = [\"plant.old\"]\n\
         [[table]]\nfrom = \"plant.own\"\nto = \"copy.mine\"\n\
         [[table]]\nquery = \"select m.id, m.name, count(*)::int as orders from plant.machine m join plant.\\\"Order\\\" o \
         on o.machine = m.id group by 1, 2\"\nkey = [\"id\"]\nto = \"copy.busy\"\n",
    );
    moved.scene.database.run("create schema copy");
    let reader = format!("reader_{:08x}", fastrand::u32(..));
    moved.legacy.run(&format!(
        "create role {reader} login; grant usage on schema plant to {reader}; grant select on all tables in \
         schema plant to {reader}"
    ));
    let url = moved.legacy.url_for(&reader);
    let as_reader = |words: &[&str]| moved.scene.millstream(words).env("SOURCE", &url);
    let before = moved.legacy.digest();
    as_reader(&["backfill", "pipeline.toml"]).ends(0);
    let counts = "select (select count(*) from copy.machine), (select count(*) from copy.\"Order\"),
        (select count(*) from copy.mine), (select count(*) from copy.part), (select sum(orders) from copy.busy),
        to_regclass('copy.old'), to_regclass('copy.part_2026'), to_regclass('copy.own')";
    assert_eq!(moved.scene.database.rows(counts), [["50", "350", "1", "100", "350", "", "", ""]]);
    as_reader(&["verify", "pipeline.toml", "--deep"]).ends(0);
    moved.legacy.is_still(&before, "a reader");
    // A table that it may not see is refused before anything is loaded.
    moved.legacy.run(&format!("revoke select on plant.part from {reader}"));
    let refused = as_reader(&["check", "pipeline.toml"]).ends(2);
    assert!(refused.err.contains("permission denied for table part"), "{}", refused.err);
    moved.legacy.run(&format!("drop owned by {reader}; drop role {reader}"));
}

#[test]
fn what_a_wildcard_finds_and_the_target_lacks_is_told_at_once() {
    let moved = Move::new(
        "create schema plant; create table plant.a (id int primary key); create table plant.b (id int primary key)",
        "[[table]]\nfrom = \"plant.*\"\nto = \"copy.*\"\n",
    );
    let file =
        file("[[table]]\nfrom = \"plant.*\"\nto = \"copy.*\"\n").replace("create = true\n", "");
    moved.scene.write("pipeline.toml", &file);
    let refused = moved.check().ends(2);
    assert!(refused.err.contains("the target has no copy.a, no copy.b"), "{}", refused.err);
}

#[test]
fn a_wall_clock_becomes_an_instant_only_when_its_zone_is_stated() {
    let moved = Move::new(
        "create table shift (id int primary key, at timestamp not null, kept timestamp);
         insert into shift values (1, '2024-07-01 06:00', '2024-07-01 06:00:00.5'), (2, '2024-01-01 06:00', null)",
        "[[table]]\nfrom = \"shift\"\nto = \"shift\"\n",
    );
    moved
        .scene
        .database
        .run("create table shift (id int primary key, at timestamptz not null, kept timestamp)");
    let refused = moved.check().ends(2);
    let said =
        "pipeline.toml:8:1: table[0].columns.at: public.shift.at is a timestamp without time zone";
    assert!(refused.err.contains(said), "{}", refused.err);
    moved.backfill().ends(2);
    let table = "[[table]]\nfrom = \"shift\"\nto = \"shift\"\n[table.columns]\nat = { zone = \"Europe/Berlin\" }\n";
    moved.scene.write("pipeline.toml", &file(table));
    moved.backfill().ends(0);
    assert_eq!(
        moved.scene.database.rows("select at at time zone 'UTC', kept from shift order by id"),
        [["2024-07-01 04:00:00", "2024-07-01 06:00:00.5"], ["2024-01-01 05:00:00", ""]]
    );
    moved.deep().ends(0);
}

#[test]
fn a_table_without_a_key_is_read_once_and_never_half() {
    let rows = "create table loose (at timestamptz, value int);
        insert into loose select timestamptz '2026-01-01 00:00+00' + i * interval '1 second', i
            from generate_series(1, 100000) i";
    let table = "[[table]]\nfrom = \"loose\"\nto = \"loose\"\n";
    let moved = Move::new(rows, table);
    moved.backfill().ends(0);
    let sums = "select count(*), count(distinct value), sum(value) from loose";
    assert_eq!(moved.scene.database.rows(sums), moved.legacy.rows(sums));
    moved.deep().ends(0);
    assert_eq!(moved.backfill().json(0)["rows_this_run"], 0);
    // One that was killed half way cannot go on: its snapshot is gone.
    let killed = Move::new(rows, table);
    let run = killed.backfill().env("MILLSTREAM_FAILPOINT", "after_commit:2").run();
    assert!(run.was_killed(), "{}", run.err);
    let refused = killed.backfill().run();
    assert_ne!(refused.status.code(), Some(0), "{}", refused.out);
    assert!(refused.err.contains("it has no key"), "{}", refused.err);
    killed.scene.database.run("truncate loose");
    killed.backfill().arg("--fresh").ends(0);
    assert_eq!(killed.scene.database.rows(sums), killed.legacy.rows(sums));
}

#[test]
fn a_table_without_a_key_does_not_go_on_in_another_snapshot() {
    let rows = "create table loose (value int);
        insert into loose select i from generate_series(1, 1500000) i";
    let moved = Move::new(rows, "[[table]]\nfrom = \"loose\"\nto = \"loose\"\n");
    let mut running = moved.backfill().start();
    wait_for("the first rows", LIMIT, || {
        let read =
            moved.scene.database.try_rows("select sum(n_read) > 0 from millstream.partition");
        read.is_ok_and(|rows| rows[0][0] == "t").then_some(())
    });
    let end = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
               where application_name = 'millstream source' and datname = current_database()";
    assert!(moved.legacy.number(end) > 1, "the snapshot and its reader");
    let ended = running.wait(LIMIT);
    let log = running.log();
    assert!(!ended.success() && log.contains("the snapshot in which its"), "{ended}: {log}");
}

#[test]
fn a_table_whose_rows_lie_in_others_is_not_read_by_their_places() {
    let refused = |scene: &Scene, url: &str| {
        let run = scene.millstream(&["check", "pipeline.toml"]).env("SOURCE", url).ends(2);
        assert!(run.err.contains("`public.loose` has no key of its own"), "{}", run.err);
    };
    let moved = Move::new(
        "create table loose (at timestamptz, value int); create table more () inherits (loose)",
        "[[table]]\nfrom = \"loose\"\nto = \"copy\"\n",
    );
    refused(&moved.scene, &moved.legacy.url);
    // A hypertable, also one that has no chunk yet.
    let database = Database::timescale();
    database.run(
        "create table loose (at timestamptz not null, value int);
         select create_hypertable('loose', 'at', create_default_indexes => false)",
    );
    refused(&moved.scene, &database.url);
    database.run("insert into loose values ('2026-01-01 00:00+00', 1), ('2026-03-01 00:00+00', 2)");
    refused(&moved.scene, &database.url);
}

/// A table that takes its time each time it is looked at.
const SLOW: &str = "[[table]]\nquery = \"select 1 as id, pg_sleep(1.5)::text as slept\"\nkey = [\"id\"]\n\
                    to = \"public.slow\"\n";

#[test]
fn a_table_without_a_key_is_bound_to_a_snapshot_by_its_first_row_and_not_by_a_sample() {
    // GIVEN a table before it that takes longer than a snapshot may be held
    let table = format!("{SLOW}[[table]]\nfrom = \"loose\"\nto = \"loose\"\n");
    let moved = Move::new(
        "create table loose as select i as value from generate_series(1, 50000) i",
        &table,
    );
    moved
        .scene
        .write("pipeline.toml", &file(&table).replace("[target]", "hold = \"1 second\"\n[target]"));
    // WHEN it is loaded, THEN its own snapshot serves it from the first row to the last
    moved.backfill().ends(0);
    let sums = "select count(*), count(distinct value), sum(value) from loose";
    assert_eq!(moved.scene.database.rows(sums), moved.legacy.rows(sums));
}

#[test]
fn the_snapshot_is_let_go_when_all_is_read() {
    // GIVEN a load after whose rows something takes long in the target
    let finding = "[[finding]]\nname = \"slow\"\nquery = \"select pg_sleep(600)\"\n";
    let moved = Move::new(&readings(1_000), &format!("{READING}{finding}"));
    let mut running = moved.backfill().start();
    let asking = "select count(*) from pg_stat_activity where datname = current_database() \
                  and query like '%pg_sleep(600)%' and pid <> pg_backend_pid()";
    wait_for("the finding to be looked for", LIMIT, || {
        assert!(running.ended().is_none(), "{}", running.log());
        (moved.scene.database.number(asking) > 0).then_some(())
    });
    // THEN no session of it is left at the source, and with that no lock and no horizon
    let sessions = "select count(*) from pg_stat_activity where datname = current_database() \
                    and application_name = 'millstream source'";
    wait_for("the source to be let go", Duration::from_secs(5), || {
        (moved.legacy.number(sessions) == 0).then_some(())
    });
    moved.legacy.run("alter table reading add column more int");
}

#[test]
fn killed_at_named_points_it_goes_on_in_another_snapshot_and_says_so() {
    let moved = Move::new(&readings(200_000), READING);
    for point in
        ["before_copy:2", "after_copy:2", "before_commit:2", "after_commit:2", "before_settle:1"]
    {
        let killed = moved.backfill().env("MILLSTREAM_FAILPOINT", point).run();
        assert!(killed.was_killed(), "{point}: {}\n{}", killed.status, killed.err);
        let ended = moved.backfill().ends(0);
        whole(&moved, 200_000);
        moved.deep().ends(0);
        let twice = ended.out.contains("public.reading was read in 2 snapshots");
        assert_eq!(twice, point != "before_settle:1", "{point}: {}", ended.out);
        moved
            .scene
            .database
            .run("drop table reading; drop schema millstream cascade; drop table migration_log");
    }
}

#[test]
fn killed_at_random_moments_it_loses_and_doubles_nothing() {
    let mut random = random();
    let rows = 1_000_000;
    let moved = Move::new(&readings(rows), READING);
    let mut kills = 0;
    loop {
        let mut running = moved.backfill().start();
        std::thread::sleep(Duration::from_millis(random.u64(100..1_500)));
        if kills < 8 && running.kill() {
            kills += 1;
        } else if running.wait(LIMIT).success() {
            break;
        }
    }
    println!("{kills} kills");
    whole(&moved, i64::try_from(rows).unwrap());
    moved.deep().ends(0);
    // A second run finds nothing new; then it finds what was appended.
    assert_eq!(moved.backfill().json(0)["rows_this_run"], 0);
    moved.legacy.run("insert into reading values (1000001, '2026-02-01 00:00+00', 1, null)");
    assert_eq!(moved.backfill().json(0)["rows_this_run"], 1);
    moved.deep().ends(0);
}

#[test]
fn connections_to_the_source_ended_at_random_moments_lose_and_double_nothing() {
    let mut random = random();
    let rows = 1_000_000;
    let moved = Move::new(&readings(rows), READING);
    let end = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
               where application_name = 'millstream source' and datname = current_database()";
    let mut hits = 0;
    while hits < 4 {
        let mut running = moved.backfill().start();
        while running.ended().is_none() {
            let loading =
                moved.scene.database.try_rows("select sum(n_read) from millstream.partition");
            let loading = loading.is_ok_and(|rows| !rows[0][0].is_empty() && rows[0][0] != "0");
            if loading && hits < 4 && moved.legacy.number(end) > 0 {
                hits += 1;
            }
            std::thread::sleep(Duration::from_millis(random.u64(20..400)));
        }
        assert!(running.wait(LIMIT).success(), "{}", running.log());
        whole(&moved, i64::try_from(rows).unwrap());
        moved.deep().ends(0);
        moved
            .scene
            .database
            .run("drop table reading; drop schema millstream cascade; drop table migration_log");
    }
}

#[test]
fn what_changed_below_between_two_snapshots_is_found_where_it_is_looked_for() {
    // GIVEN a load that was killed half way, and two keys that moved meanwhile: numbers stay the same
    let moved = Move::new(&readings(100_000), READING);
    let killed = moved.backfill().env("MILLSTREAM_FAILPOINT", "after_commit:2").run();
    assert!(killed.was_killed(), "{}", killed.err);
    moved.legacy.run(
        "update reading set id = 200001 where id = 20; update reading set id = 21000000 where id = 70000;
         update reading set id = 20 where id = 21000000; update reading set id = 70000 where id = 200001",
    );
    // THEN looking first refuses to go on
    let refused = moved.backfill().arg("--catch-up").run();
    assert_ne!(refused.status.code(), Some(0));
    assert!(
        refused.err.contains("were changed, deleted or inserted in the source"),
        "{}",
        refused.err
    );
    // AND without it the run ends well, says what it did not look at, and only the deep look finds it
    let ended = moved.backfill().ends(0);
    assert!(ended.out.contains("was read in 2 snapshots; nothing below"), "{}", ended.out);
    let columns = "select count(*), count(distinct id) from reading";
    assert_eq!(moved.scene.database.rows(columns), [["100000", "100000"]]);
    moved.verify().ends(0);
    let deep = moved.deep().ends(4);
    assert!(deep.out.contains("the SOURCE is no longer what it was"), "{}", deep.out);
}

#[test]
fn what_was_compared_is_told_as_it_was_also_when_the_run_itself_moved_on() {
    // GIVEN a load that was killed half way
    let table = format!("{SLOW}{READING}");
    let moved = Move::new(&readings(100_000), &table);
    let killed = || {
        let killed = moved.backfill().env("MILLSTREAM_FAILPOINT", "after_commit:3").run();
        assert!(killed.was_killed(), "{}", killed.err);
    };
    killed();
    // THEN going on in one snapshot says that what was read before is the same in it
    let ended = moved.backfill().arg("--catch-up").ends(0);
    let all = "2 snapshots; what was read before was compared with the source first and had not changed\n";
    assert!(ended.out.contains(all), "{}", ended.out);
    // AND in more than one it says that it is not known of the later ones
    moved
        .scene
        .database
        .run("drop table reading, slow; drop schema millstream cascade; drop table migration_log");
    killed();
    moved
        .scene
        .write("pipeline.toml", &file(&table).replace("[target]", "hold = \"1 second\"\n[target]"));
    let ended = moved.backfill().arg("--catch-up").ends(0);
    assert!(ended.out.contains("this run itself moved on to another snapshot"), "{}", ended.out);
    whole(&moved, 100_000);
}

#[test]
fn what_is_wrong_with_a_server_is_one_message_without_the_secret() {
    let moved = Move::new(&readings(1), READING);
    let says = |url: &str, words: &str| {
        // A server that is away, or does not show who it is, may be well the next time.
        let away = words.starts_with("cannot connect") || words.contains("TLS");
        let run = moved.check().env("SOURCE", url).ends(if away { 1 } else { 2 });
        let all = format!("{}{}", run.out, run.err);
        assert!(all.contains(words), "{url}: {all}");
        assert!(!all.contains("hunter2"), "{all}");
    };
    says("mysql://u:hunter2@h/d", "pipeline.toml:3:12: source.postgres: this is no URL");
    says(
        "postgres://u:hunter2@localhost:port/d",
        "pipeline.toml:3:12: source.postgres: no connection string",
    );
    says("postgres://u:hunter2@127.0.0.1:1/d", "cannot connect to d at 127.0.0.1:1 as u");
    says(
        "postgres://u:hunter2@no-such-host.invalid/d",
        "cannot connect to d at no-such-host.invalid:5432",
    );
    let (server, _) = moved.legacy.url.rsplit_once('/').unwrap();
    says(&format!("{server}/nowhere"), "(3D000); correct the database's name");
    let tls = format!("{}?sslmode=verify-full", moved.legacy.url);
    says(&tls, "the server does not offer TLS");
    let guarded = Server::new();
    let database = Database::on(&guarded.url());
    database
        .run("create role clerk login password 'right'; create table reading (id int primary key)");
    guarded.require_password_of("clerk");
    let (_, place) = database.url.split_once('@').unwrap();
    let wrong = format!("postgres://clerk:hunter2@{place}");
    wait_for("the server to ask for passwords", LIMIT, || {
        let run = moved.check().env("SOURCE", &wrong).run();
        run.err.contains("28P01").then_some(())
    });
    says(&wrong, "password authentication failed for user \"clerk\"");
    let open = format!("postgres://clerk@{place}");
    says(&open, "asks for a password, and neither the URL nor SOURCE_PGPASSWORD has one");
    database.run("grant select on reading to clerk");
    // The target's password is not the source's to know, right as it would be.
    let run = moved.check().env("SOURCE", &open).env("PGPASSWORD", "right").ends(2);
    assert!(run.err.contains("asks for a password"), "{}", run.err);
    moved.check().env("SOURCE", &open).env("SOURCE_PGPASSWORD", "right").ends(0);
    moved.check().env("SOURCE", &format!("postgres://clerk:right@{place}")).ends(0);
}

#[test]
fn a_file_that_says_too_much_is_told_where() {
    let moved = Move::new(&readings(1), READING);
    let says = |from: &str, to: &str, words: &str| {
        let text = file(READING);
        assert!(text.contains(from));
        moved.scene.write("pipeline.toml", &text.replace(from, to));
        let run = moved.check().ends(2);
        assert!(run.err.contains(words), "{}", run.err);
    };
    says(
        "[target]",
        "hold = \"soon\"\n[target]",
        "pipeline.toml:4:8: source.hold: `soon` is no span of time",
    );
    says("[target]", "sqlite = \"a.db\"\n[target]", "both `sqlite` and `postgres`: which one?");
    says(
        "from = \"reading\"",
        "from = \"public.*\"",
        "`from` and `to` are both `schema.*`, or neither is",
    );
    says(
        READING,
        "[[table]]\nfrom = \"public.*\"\nto = \"x.*\"\nwhere = \"true\"\n",
        "`where` is about one table",
    );
    says("\"reading\"", "\"readng\"", "did you mean `public.reading`?");
    let query = "query = \"select 1 as one union all select 1\"\nkey = [\"one\"]";
    says("from = \"reading\"", query, "the key (one) is not unique: 2 rows, 1 keys");
}

/// Each table of the schema with its rows; `null` where there are none.
const ROWS_BY_TABLE: &str = "select tablename, (xpath('/row/n/text()', query_to_xml(format(
        'select count(*) as n from factory_telemetry.%I', tablename), true, true, '')))[1]::text
    from pg_tables where schemaname = 'factory_telemetry' and tablename <> 'site_notes' order by 1";

/// A plant's MS5, and the set's tables for it.
fn ms5() -> Move {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/pipelines/ms5.toml");
    let scene = Scene::new(&std::fs::read_to_string(path).unwrap());
    let moved = Move { legacy: Database::plain(), scene };
    let url = moved.legacy.url.clone();
    let words = ["generate", "ms5", "--days", "10", "--rows", "84000", "--out", &url];
    moved.millstream(&words).ends(0);
    moved.millstream(&["migrate", "up", "--set", "ms5"]).ends(0);
    moved
}

fn every_table_of_ms5_is_whole(moved: &Move) {
    let there = moved.legacy.rows(ROWS_BY_TABLE);
    assert_eq!(there.len(), 49);
    assert_eq!(moved.scene.database.rows(ROWS_BY_TABLE), there);
    let sums = "select count(*), count(ip_address), string_agg(distinct ip_address::text, ' '),
        (select sum(download_count) from factory_telemetry.production_reports)
        from factory_telemetry.report_access_logs";
    assert_eq!(moved.scene.database.rows(sums), moved.legacy.rows(sums));
    let triggers = "select tgname, tgenabled from pg_trigger
        where tgrelid = 'factory_telemetry.report_access_logs'::regclass and not tgisinternal";
    let on = [["trigger_update_report_download_count", "O"]];
    assert_eq!(moved.scene.database.rows(triggers), on);
    moved.verify().ends(0);
    moved.deep().ends(0);
    assert_eq!(moved.backfill().json(0)["rows_this_run"], 0);
    assert_eq!(moved.scene.database.rows(ROWS_BY_TABLE), there);
}

#[test]
fn all_49_tables_of_ms5_are_loaded() {
    let moved = ms5();
    // A view of a report counts nothing, a download does: the old system has counted it.
    moved.legacy.run("update factory_telemetry.report_access_logs set action = 'downloaded'");
    moved.check().ends(0);
    // What is done before the first row may be done twice.
    let killed = moved.backfill().env("MILLSTREAM_FAILPOINT", "after_prepare").run();
    assert!(killed.was_killed(), "{}", killed.err);
    let report = moved.backfill().json(0);
    assert_eq!(report["source_tables"].as_array().unwrap().len(), 50, "49 tables and their sum");
    every_table_of_ms5_is_whole(&moved);
    // A target in which somebody has worked is left alone.
    moved.scene.database.run("drop schema millstream cascade");
    let refused = moved.backfill().ends(1);
    assert!(refused.err.contains("the target is in use"), "{}", refused.err);
}

#[test]
fn all_49_tables_of_ms5_are_there_once_when_the_load_is_killed_at_random_moments() {
    let mut random = random();
    let moved = ms5();
    let mut kills = 0;
    loop {
        let mut running = moved.backfill().start();
        std::thread::sleep(Duration::from_millis(random.u64(50..1_200)));
        if kills < 8 && running.kill() {
            kills += 1;
        } else {
            let ended = running.wait(LIMIT);
            assert!(ended.success() || kills < 8, "{}", running.log());
            break;
        }
    }
    println!("{kills} kills");
    every_table_of_ms5_is_whole(&moved);
}
