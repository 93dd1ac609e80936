//! A server that lives on while it is read: chunks that are rewritten or dropped, snapshots that grow too old,
//! a line that lies, and a server that is not who it says.

use std::time::Duration;

use crate::postgres::{Move, READING, file, readings, whole};
use crate::proxy::Proxy;
use crate::support::server::Server;
use crate::support::{Database, Scene, wait_for};

const LIMIT: Duration = Duration::from_secs(60);

/// A view that takes its time with each row, but not to be counted.
const SLOW: &str = "create table few (id bigint primary key, nap float8);
    create function nap(float8) returns text language plpgsql stable as
        $$ begin perform pg_sleep($1); return 'awake'; end $$;
    create view slow as select id, nap(nap) as note from few;";

#[test]
fn chunks_that_are_rewritten_or_dropped_wait_until_a_hypertable_is_read() {
    // GIVEN a hypertable that is read after something slow, in the same snapshot
    let legacy = super::choreography::community().unwrap_or_else(Database::timescale);
    let tables = "[[table]]\nfrom = \"slow\"\nto = \"public.slow\"\nkey = [\"id\"]\n\
        [[table]]\nfrom = \"gauge\"\nto = \"public.gauge\"\n";
    let moved = Move { legacy, scene: Scene::new(&file(tables)) };
    moved.legacy.run(&format!("{SLOW} insert into few values (1, 3.0)"));
    moved.legacy.run(
        "create table gauge (at timestamptz not null, id int not null, value float8, primary key (id, at));
         select create_hypertable('gauge', by_range('at', interval '1 day'));
         insert into gauge select timestamptz '2026-01-01 00:00+00' + i * interval '1 minute', i, i / 8.0
             from generate_series(0, 14399) i",
    );
    let compressed = moved.legacy.is_community();
    if compressed {
        moved.legacy.run(
            "alter table gauge set (timescaledb.compress, timescaledb.compress_segmentby = 'id');
             select compress_chunk(c) from show_chunks('gauge') c",
        );
    }
    // WHEN chunks are dropped and decompressed between the snapshot and the reading
    let mut running = moved.backfill().start();
    let asleep = "select count(*) from pg_stat_activity where datname = current_database()
        and application_name = 'millstream source' and query like 'copy%slow%' and state = 'active'";
    wait_for("the slow table", LIMIT, || (moved.legacy.number(asleep) > 0).then_some(()));
    let url = moved.legacy.url.clone();
    let others = std::thread::spawn(move || {
        use crate::support::database::{block_on, connect};
        block_on(async {
            let client = connect(&url).await.unwrap();
            let drop = "select drop_chunks('gauge', timestamptz '2026-01-04 00:00+00')";
            client.batch_execute(drop).await.unwrap();
            if compressed {
                let decompress = "select decompress_chunk(c) from show_chunks('gauge') c limit 3";
                client.batch_execute(decompress).await.unwrap();
            }
        });
    });
    let ended = running.wait(LIMIT);
    assert!(ended.success(), "{}", running.log());
    others.join().unwrap();
    // THEN what was there when the snapshot was taken is there, and the source has moved on
    let sums = "select count(*), count(distinct id), sum(value) from gauge";
    let all = [["14400", "14400", "12959100"]];
    assert_eq!(moved.scene.database.rows(sums), all);
    assert!(moved.legacy.number("select count(*) from gauge") < 14_400);
}

#[test]
fn a_snapshot_is_held_no_longer_than_told_and_what_that_means_is_said() {
    // GIVEN seven partitions, of which the first takes longer than a snapshot may be held
    let slow = "[[table]]\nfrom = \"slow\"\nto = \"public.slow\"\nkey = [\"id\"]\n";
    let moved = Move::new(SLOW, "");
    moved.legacy.run(
        "insert into few select i * 250000, case i when 1 then 1.5 else 0.05 end
         from generate_series(1, 8) i",
    );
    let one_lane = file(slow).replace("[limits]\n", "[limits]\nlanes = 1\n");
    moved
        .scene
        .write("pipeline.toml", &one_lane.replace("[target]", "hold = \"1 second\"\n[target]"));
    let ended = moved.backfill().ends(0);
    for words in [
        "public.slow was read in 2 snapshots",
        "longer than `hold` (1 s)",
        "numbers of rows were not proven against the source",
    ] {
        assert!(ended.out.contains(words), "{words}: {}", ended.out);
    }
    assert_eq!(moved.scene.database.number("select count(*) from slow"), 8);
    moved.deep().ends(0);
    // With time enough nothing of it is said, as nothing of it is so.
    let calm = Move::new(SLOW, "");
    calm.legacy.run("insert into few select i * 250000, 0.05 from generate_series(1, 8) i");
    calm.scene.write("pipeline.toml", &one_lane);
    let ended = calm.backfill().ends(0);
    for words in ["snapshots", "`hold`", "not proven"] {
        assert!(!ended.out.contains(words), "{words}: {}", ended.out);
    }
}

#[test]
fn a_reading_that_brings_another_number_of_rows_than_the_server_says_is_done_again() {
    let moved = Move::new(&readings(100_000), READING);
    let proxy = Proxy::before(&moved.legacy);
    proxy.lie(b"COPY 100000\0", b"COPY 100001\0");
    let source = proxy.url(&moved.legacy);
    let report = moved.backfill().env("SOURCE", &source).json(0);
    assert!(proxy.lied(), "the server never said it");
    assert_eq!(report["restarts"], 1, "{report:#}");
    whole(&moved, 100_000);
}

#[test]
fn rows_that_a_policy_hides_are_an_error_and_no_shorter_table() {
    let moved = Move::new(&readings(100), READING);
    let reader = format!("reader_{:08x}", fastrand::u32(..));
    moved.legacy.run(&format!(
        "create role {reader} login; grant select on reading to {reader};
         alter table reading enable row level security;
         create policy half on reading for select using (id <= 50)"
    ));
    let url = moved.legacy.url_for(&reader);
    for refused in [moved.check(), moved.backfill()] {
        let run = refused.env("SOURCE", &url).ends(2);
        assert!(run.err.contains("row-level security policy for table \"reading\""), "{}", run.err);
        assert!(run.err.contains("no row security in between"), "{}", run.err);
    }
    moved.legacy.run(&format!("drop owned by {reader}; drop role {reader}"));
}

#[test]
fn a_large_table_is_about_so_long_and_is_counted_when_it_is_loaded() {
    let moved = Move::new(
        "create table big (id bigint primary key, note text);
         insert into big select i, repeat('x', 1000) from generate_series(1, 80000) i;
         create table small (id bigint primary key); insert into small values (1), (2)",
        "[[table]]\nfrom = \"big\"\nto = \"public.big\"\n\
         [[table]]\nfrom = \"small\"\nto = \"public.small\"\n",
    );
    moved.legacy.run("analyze big; delete from big where id > 79000");
    let checked = moved.check().json(0);
    let rows = |at: usize| checked["tables"][at]["rows"].clone();
    assert!(rows(0).as_str().is_some_and(|rows| rows.starts_with("about ")), "{checked:#}");
    assert_eq!(rows(1), 2, "{checked:#}");
    assert_eq!(moved.backfill().json(0)["rows_this_run"], 79_002);
}

#[test]
fn a_server_with_a_wrong_certificate_is_not_talked_to() {
    let server = Server::new();
    let moved = Move { legacy: Database::on(&server.url()), scene: Scene::new(&file(READING)) };
    moved.legacy.run(&readings(10));
    let tls = |name: &str| format!("{}/fixtures/tls/{name}", env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| std::fs::read_to_string(tls(name)).unwrap();
    let known = format!("{}?sslmode=verify-full&sslrootcert={}", moved.legacy.url, tls("ca.crt"));
    let unknown = format!("{}?sslmode=verify-full", moved.legacy.url);
    let checked = |url: &str| moved.check().env("SOURCE", url).run();
    let said = |url: &str, words: &str| {
        wait_for(words, LIMIT, || checked(url).err.contains(words).then_some(()));
        assert_eq!(checked(url).status.code(), Some(2));
    };
    // Signed by an authority that nobody trusts, then for another host.
    server.show_certificate(&read("here.crt"), &read("server.key"));
    said(&unknown, "UnknownIssuer");
    assert_eq!(checked(&known).status.code(), Some(0), "{}", checked(&known).err);
    server.show_certificate(&read("elsewhere.crt"), &read("server.key"));
    said(&known, "not valid for name");
}
