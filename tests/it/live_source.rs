//! A server that lives on while it is read: snapshots that grow too old, rows that are hidden, a line that
//! lies, and a server that is not who it says.

use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

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
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let trusted = authority.self_signed(&authority_key).unwrap().pem();
    moved.scene.write("ca.crt", &trusted);
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let certificate = |host: &str| {
        let leaf = CertificateParams::new(vec![host.to_owned()]).unwrap();
        leaf.signed_by(&key, &issuer).unwrap().pem()
    };
    let ca = moved.scene.path("ca.crt");
    let known = format!("{}?sslmode=verify-full&sslrootcert={}", moved.legacy.url, ca.display());
    let unknown = format!("{}?sslmode=verify-full", moved.legacy.url);
    let checked = |url: &str| moved.check().env("SOURCE", url).run();
    let said = |url: &str, words: &str| {
        wait_for(words, LIMIT, || checked(url).err.contains(words).then_some(()));
        assert_eq!(checked(url).status.code(), Some(1));
    };
    // Signed by an authority that nobody trusts, then for another host.
    let host = moved.legacy.url.split('@').next_back().unwrap();
    let host = host.split(':').next().unwrap();
    server.show_certificate(&certificate(host), &key.serialize_pem());
    said(&unknown, "UnknownIssuer");
    assert_eq!(checked(&known).status.code(), Some(0), "{}", checked(&known).err);
    server.show_certificate(&certificate("historian.example"), &key.serialize_pem());
    said(&known, "not valid for name");
}
