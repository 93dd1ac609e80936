//! The worker against a sink in memory: cut anywhere, lose any answer, and the rows are the same.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::batch::OwnedValue;
use crate::config::Problems;
use crate::config::plan::{ColumnRule, From, StrategyChoice, TablePlan};
use crate::schema::{SourceColumn, TableName, TargetColumn, TargetTable};
use crate::sink::columnstore::{Columnstore, Order};
use crate::sink::memory::{MemorySink, Store};
use crate::sink::{Sink as _, SinkError};
use crate::source::vec::VecSource;
use crate::source::{Range, Source as _};

const MINUTES: i64 = 600;

/// Ten hours around an autumn fold, a row a minute, by the wall clock; every 97th row is bad.
fn rows() -> Vec<Vec<OwnedValue>> {
    let start = 1_729_976_400; // 2024-10-26T21:00:00Z
    let zone = jiff::tz::TimeZoneDatabase::bundled().get("Europe/Berlin").unwrap();
    (0..MINUTES)
        .map(|minute| {
            let instant = jiff::Timestamp::from_second(start + minute * 60).unwrap();
            let local = instant.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string();
            let text = if minute % 97 == 50 { "n/a".to_owned() } else { local };
            vec![
                OwnedValue::Integer(minute),
                OwnedValue::Text(text.into_bytes()),
                OwnedValue::Real(0.5 * f64::from(i32::try_from(minute).unwrap())),
            ]
        })
        .collect()
}

/// With `fold=infer` it learns from the rows before.
fn mapping(fold: &str) -> Mapping {
    let rule = ColumnRule {
        target: "ts".to_owned(),
        from: Some("local".to_owned()),
        zone: Some("Europe/Berlin".to_owned()),
        time: Some(fold.to_owned()),
        ..ColumnRule::default()
    };
    let plan = TablePlan {
        from: From::Table { name: "hist".to_owned(), key: Vec::new() },
        to: TableName::parse("hist").unwrap(),
        filter: None,
        hypertable: None,
        stage: None,
        strategy: StrategyChoice::Auto,
        columns: vec![rule],
        rows: Vec::new(),
        accept_retention: false,
        suspend_triggers: false,
        except: Vec::new(),
        place: crate::config::Place::default(),
        key: "table[0]".to_owned(),
    };
    let source = ["id", "local", "v"]
        .map(|name| SourceColumn { name: name.to_owned(), declared: String::new() });
    let columns = vec![
        TargetColumn::planned("ts", PgType::Timestamptz(6), true),
        TargetColumn::planned("v", PgType::Float8, true),
    ];
    let target = TargetTable::planned(plan.to.clone(), columns);
    let mut problems = Problems::new(Path::new("test.toml"));
    let mapping = Mapping::resolve(&plan, &["id".to_owned()], &source, &target, &mut problems);
    assert_eq!(problems.list, []);
    mapping
}

const HOUR_US: i64 = 3_600_000_000;

fn worker(claim: &Claim, batch_rows: usize) -> Worker {
    let mapping = mapping("fold=infer");
    Worker::new(mapping, Some(("ts", HOUR_US)), claim, Condemned::new(), batch_rows).unwrap()
}

/// It sorts its rows by time, largest first, and ends transactions where an hour ends.
fn sorter(claim: &Claim, batch_rows: usize) -> Worker {
    let mapping = mapping("fold=earlier");
    let columns: Vec<_> =
        mapping.fields.iter().map(|field| (field.column.clone(), field.ty.clone())).collect();
    let order_by = vec![Order { column: "ts".to_owned(), descending: true }];
    let store = Columnstore { segment_by: Vec::new(), order_by, takes_order: true };
    let mut worker =
        Worker::new(mapping, Some(("ts", HOUR_US)), claim, Condemned::new(), batch_rows).unwrap();
    worker.sort(Layout::new(&store, &columns), usize::MAX);
    worker
}

type Make = fn(&Claim, usize) -> Worker;

/// Runs from where the store stands to the end, or to the first error.
fn run(
    store: &mut Store,
    sums: &mut Buckets,
    (make, batch_rows, read_rows): (Make, usize, usize),
    lose: Option<i64>,
) -> bool {
    let mut claim = Claim::fresh(1);
    claim.position = store.position.clone();
    claim.state = store.state.clone().into_iter().collect();
    claim.buckets = sums.clone();
    let mut worker = make(&claim, batch_rows);
    let mut sink = MemorySink { version: store.version, store, lose_answer_of: lose };
    let mut source = VecSource { rows: rows(), batch_rows: read_rows };
    let mut broken = false;
    let mut write = |encoded: Encoded| -> Result<(), SinkError> {
        let before = sink.store.version;
        let written = futures_util::FutureExt::now_or_never(sink.write(&encoded)).unwrap();
        if sink.store.version > before {
            sums.extend(encoded.buckets.iter().copied());
        }
        written
    };
    let mut take = |batch: Batch| match worker.push(&batch, &mut write) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => {
            broken = true;
            ControlFlow::Break(())
        }
    };
    source.read(&Range::default(), &claim.position, &mut take).unwrap();
    if !broken {
        broken = worker.finish(true).is_some_and(|last| write(last).is_err());
    }
    !broken
}

fn to_the_end(
    shape: (Make, usize, usize),
    lose: Option<i64>,
) -> (HashMap<Vec<u8>, u64>, Counts, Buckets) {
    let (mut store, mut sums) = (Store::default(), Buckets::new());
    while !run(&mut store, &mut sums, shape, lose) {}
    (store.tuples, store.counts, sums)
}

#[test]
fn whichever_answer_is_lost_every_row_lands_once() {
    let (tuples, counts, sums) = to_the_end((worker, 50, 50), None);
    assert_eq!(counts.rejected, 6);
    assert_eq!((counts.read, counts.made), (600, 594));
    assert!(tuples.values().all(|times| *times == 1), "a row landed twice");
    for lost in 1..=13 {
        let again = to_the_end((worker, 50, 50), Some(lost));
        assert_eq!(again, (tuples.clone(), counts, sums.clone()), "answer {lost} was lost");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cut_anywhere_and_restored_the_rows_are_the_same(
        batch_rows in 1_usize..200,
        read_rows in 1_usize..200,
        lost in prop::option::of(1_i64..20),
    ) {
        let whole = to_the_end((worker, usize::MAX, 600), None);
        prop_assert_eq!(to_the_end((worker, batch_rows, read_rows), lost), whole);
        let whole = to_the_end((sorter, usize::MAX, 600), None);
        prop_assert_eq!(to_the_end((sorter, batch_rows, read_rows), lost), whole);
    }
}

#[test]
fn sorted_transactions_end_with_their_hour() {
    let mut worker = sorter(&Claim::fresh(1), usize::MAX);
    let mut source = VecSource { rows: rows(), batch_rows: 45 };
    let mut made: Vec<Encoded> = Vec::new();
    let mut take = |batch: Batch| {
        let mut keep = |encoded| {
            made.push(encoded);
            Ok::<(), ()>(())
        };
        worker.push(&batch, &mut keep).unwrap();
        ControlFlow::Continue(())
    };
    source.read(&Range::default(), &Position::default(), &mut take).unwrap();
    made.extend(worker.finish(true));
    // Ten hours of wall clock, of which two are one and the same instant with `earlier`: not in one piece.
    assert!(made.len() >= 9, "{} transactions", made.len());
    for encoded in &made {
        let (from, to) = encoded.compressed.unwrap().bucket.unwrap();
        assert_eq!((to - from, encoded.buckets.len()), (HOUR_US, 1));
        assert!(encoded.counts.balanced());
    }
    assert_eq!(made.iter().map(|encoded| encoded.counts.read).sum::<u64>(), 600);
    assert_eq!(made[0].position.display(), "59");
}

#[test]
fn a_condemned_row_is_set_aside_and_the_sums_are_without_it() {
    let claim = Claim::fresh(1);
    let verdict = Verdict { sqlstate: "23514".to_owned(), column: Some("v".to_owned()) };
    let condemned = Condemned::from([(7, verdict)]);
    let mut worker =
        Worker::new(mapping("fold=infer"), Some(("ts", HOUR_US)), &claim, condemned, usize::MAX)
            .unwrap();
    let mut source = VecSource { rows: rows(), batch_rows: 100 };
    let mut take = |batch: Batch| {
        worker.push(&batch, &mut |_| Ok::<(), ()>(())).unwrap();
        ControlFlow::Continue(())
    };
    source.read(&Range::default(), &Position::default(), &mut take).unwrap();
    let encoded = worker.finish(true).unwrap();
    assert!(encoded.counts.balanced());
    assert_eq!((encoded.counts.made, encoded.counts.rejected), (593, 7));
    let letter = encoded.dead_letters.iter().find(|letter| letter.stage == "sink").unwrap();
    assert_eq!(letter.position.display(), "7");
    assert_eq!((letter.column.as_deref(), letter.source_column.as_deref()), (Some("v"), Some("v")));
    assert_eq!(letter.original["v"], serde_json::json!(3.5));
    assert_eq!(encoded.buckets.iter().map(|(_, sum)| sum.n).sum::<u64>(), 593);
}
