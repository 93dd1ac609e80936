//! Stages of a lane, one at a time: time parsing, casts, encoding and hashing, reading SQLite.
//!
//! `./dev bench criterion`. Read ratios between stages, not absolute times: machines differ.

use std::hint::black_box;
use std::ops::ControlFlow;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use millstream::batch::{Position, ValueRef};
use millstream::schema::{Datum, PgType, Selection};
use millstream::sink::copy;
use millstream::sink::fingerprint::Fingerprinter;
use millstream::source::sqlite::{self, Catalog, SqliteSource};
use millstream::source::{Range, Source as _};
use millstream::transform::cast::cast;
use millstream::transform::clock::{Clock, Policy};

const ROWS: u64 = 10_000;

fn times(c: &mut Criterion) {
    let texts: Vec<String> = (0..ROWS)
        .map(|i| {
            format!(
                "2024-07-{:02} {:02}:{:02}:{:02}",
                1 + i / 3600 % 28,
                i / 3600 % 24,
                i / 60 % 60,
                i % 60
            )
        })
        .collect();
    let mut group = c.benchmark_group("time");
    group.throughput(Throughput::Elements(ROWS));
    for (name, zone, policy) in [
        ("text, Berlin", "Europe/Berlin", "default"),
        ("text, Berlin, fold=infer", "Europe/Berlin", "fold=infer"),
        ("text, Johannesburg", "Africa/Johannesburg", "default"),
    ] {
        let policy = Policy::parse(Some(zone), policy).expect("a policy of the grammar");
        let mut clock = Clock::new(&policy);
        group.bench_function(name, |b| {
            b.iter(|| {
                for text in &texts {
                    black_box(clock.instant(ValueRef::Text(text.as_bytes()))).ok();
                }
            });
        });
    }
    group.finish();
}

fn encode(c: &mut Criterion) {
    let types = vec![PgType::Timestamptz(6), PgType::Int4, PgType::Float8];
    let printer = Fingerprinter::new(types, Some((0, 86_400_000_000)));
    let mut group = c.benchmark_group("row");
    group.throughput(Throughput::Elements(ROWS));
    group.bench_function("encode 3 columns", |b| {
        b.iter_batched_ref(
            || Vec::with_capacity(1 << 20),
            |out| {
                for i in 0..10_000_i32 {
                    copy::begin_tuple(out, 3);
                    copy::field(out, &Datum::Timestamp(i64::from(i)));
                    copy::field(out, &Datum::Int4(i));
                    copy::field(out, &Datum::Float8(f64::from(i)));
                }
            },
            BatchSize::LargeInput,
        );
    });
    let mut tuple = Vec::new();
    copy::field(&mut tuple, &Datum::Timestamp(1));
    copy::field(&mut tuple, &Datum::Int4(2));
    copy::field(&mut tuple, &Datum::Float8(3.0));
    group.bench_function("fingerprint 3 columns", |b| {
        b.iter(|| {
            for _ in 0..ROWS {
                black_box(printer.row(black_box(&tuple)));
            }
        });
    });
    group.bench_function("cast an integer and a float", |b| {
        b.iter(|| {
            for _ in 0..ROWS {
                black_box(cast(black_box(ValueRef::Integer(7)), &PgType::Int4)).ok();
                black_box(cast(black_box(ValueRef::Real(0.5)), &PgType::Float8)).ok();
            }
        });
    });
    group.finish();
}

fn read(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("bench.db");
    let connection = rusqlite::Connection::open(&file).expect("a new file");
    connection
        .execute_batch(
            "create table hist (id integer primary key, ts text, metric integer, value real); \
             with recursive n(i) as (values (0) union all select i + 1 from n where i < 99999) \
             insert into hist (ts, metric, value) \
             select datetime(1714521600 + i, 'unixepoch'), i % 1000, i / 7.0 from n",
        )
        .expect("plain SQL");
    let catalog = Catalog::read(&sqlite::open(&file).expect("it opens")).expect("it reads");
    let table = catalog.table("hist", &[]).expect("it is there");
    let selection = Selection {
        key: table.key.clone(),
        columns: ["ts", "metric", "value"].map(str::to_owned).to_vec(),
        conditions: Vec::new(),
    };
    let mut source = SqliteSource::open(&file, &table, &selection).expect("it opens");
    let mut group = c.benchmark_group("sqlite");
    group.throughput(Throughput::Elements(100_000));
    group.sample_size(20);
    group.bench_function("read 4 columns", |b| {
        b.iter(|| {
            let mut rows = 0;
            let mut take = |batch: millstream::batch::Batch| {
                rows += batch.row_count();
                ControlFlow::Continue(())
            };
            source.read(&Range::default(), &Position::default(), &mut take).expect("it reads");
            assert_eq!(rows, 100_000);
        });
    });
    group.finish();
}

criterion_group!(stages, times, encode, read);
criterion_main!(stages);
