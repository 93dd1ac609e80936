use super::*;
use crate::config::stage::StagePlan;
use crate::transform::stage::Stage;

const FIELDS: [&str; 7] = ["equipment", "counter", "at", "total", "good", "scrap", "rework"];

fn plan(mode: CountsMode) -> CountsPlan {
    let counter = mode == CountsMode::Cumulative;
    CountsPlan {
        mode,
        modulus: counter.then_some(65_536),
        max_delta: counter.then_some(500),
        stamp_before: counter,
    }
}

fn record(at: i64, values: [Option<i64>; 4]) -> Record {
    let mut record = Record::default();
    record.push(&Datum::Text("M1".into()));
    record.push(&Datum::Null);
    record.push(&Datum::Timestamp(at));
    values.iter().for_each(|value| record.push(&value.map_or(Datum::Null, Datum::Int8)));
    record
}

/// time, total, good, scrap, rework of each row handed out.
fn run(stage: &mut Stage, at: i64, values: [Option<i64>; 4]) -> Result<Vec<[i64; 5]>, Refusal> {
    let mut rows = Vec::new();
    stage.step(&record(at, values), &mut |data| {
        let number = |at: usize| match data[at] {
            Datum::Int8(number) | Datum::Timestamp(number) => number,
            ref other => panic!("{other:?}"),
        };
        rows.push([number(0), number(3), number(4), number(5), number(6)]);
    })?;
    Ok(rows)
}

#[test]
fn numbers_of_pieces_are_completed_and_never_changed() {
    let mut stage = Stage::new(&StagePlan::Counts(plan(CountsMode::Event)), &FIELDS);
    let cases = [
        ([Some(50), None, Some(2), None], [7, 50, 48, 2, 0]),
        ([None, Some(10), Some(1), Some(2)], [7, 13, 10, 1, 2]),
        ([Some(100), Some(90), Some(5), None], [7, 100, 90, 5, 0]),
        // All and the good ones: the rest is scrap, unless there are more good ones than all.
        ([Some(100), Some(90), None, None], [7, 100, 90, 10, 0]),
        ([Some(100), Some(90), None, Some(4)], [7, 100, 90, 6, 4]),
        ([Some(90), Some(100), None, None], [7, 90, 100, 0, 0]),
        // A correction, and scrap that was first counted as good.
        ([None, Some(-4), None, None], [7, -4, -4, 0, 0]),
        ([Some(0), None, Some(5), None], [7, 0, -5, 5, 0]),
    ];
    for (values, expected) in cases {
        assert_eq!(run(&mut stage, 7, values), Ok(vec![expected]), "{values:?}");
    }
    assert_eq!(run(&mut stage, 7, [None; 4]), Err(Refusal { field: 3, reason: Reason::NotNull }));
    let huge = [Some(i64::MIN), None, Some(1), None];
    assert_eq!(run(&mut stage, 7, huge), Err(Refusal { field: 3, reason: Reason::OutOfRange }));
}

#[test]
fn a_counter_rolls_over_or_is_set_back() {
    let mut stage = Stage::new(&StagePlan::Counts(plan(CountsMode::Cumulative)), &FIELDS);
    let good = |value| [None, Some(value), None, None];
    assert_eq!(run(&mut stage, 100, good(65_400)), Ok(vec![]), "the first reading counts nothing");
    assert_eq!(run(&mut stage, 200, good(65_500)), Ok(vec![[199, 100, 100, 0, 0]]));
    assert_eq!(
        run(&mut stage, 300, good(64)),
        Ok(vec![[299, 100, 100, 0, 0]]),
        "65,536 is 0 again"
    );
    assert_eq!(run(&mut stage, 400, good(12)), Ok(vec![[399, 12, 12, 0, 0]]), "set back");
    assert_eq!(run(&mut stage, 500, good(12)), Ok(vec![]), "it stands still");
    assert_eq!(run(&mut stage, 450, good(13)), Err(Refusal { field: 2, reason: Reason::Late }));
    assert_eq!(stage.told().len(), 2);
}

#[test]
fn a_value_that_is_missing_once_is_not_made_up() {
    let mut stage = Stage::new(&StagePlan::Counts(plan(CountsMode::Cumulative)), &FIELDS);
    let both = |total, good| [Some(total), good, None, None];
    run(&mut stage, 100, both(100, Some(90))).unwrap();
    let first = run(&mut stage, 200, both(110, None)).unwrap();
    let second = run(&mut stage, 300, both(120, Some(105))).unwrap();
    let good: i64 = first.iter().chain(&second).map(|row| row[2]).sum();
    let total: i64 = first.iter().chain(&second).map(|row| row[1]).sum();
    assert_eq!((total, good), (20, 15));
}

#[test]
fn a_reading_that_is_refused_leaves_the_counter_as_it_was() {
    let mut stage = Stage::new(&StagePlan::Counts(plan(CountsMode::Cumulative)), &FIELDS);
    run(&mut stage, 100, [Some(0), None, Some(0), None]).unwrap();
    let kept = stage.changed();
    let refused = run(&mut stage, 200, [Some(i64::MIN), None, Some(i64::MAX), None]);
    assert_eq!(refused, Err(Refusal { field: 3, reason: Reason::OutOfRange }));
    assert_eq!(stage.changed(), []);
    let mut other = Stage::new(&StagePlan::Counts(plan(CountsMode::Cumulative)), &FIELDS);
    assert!(other.restore(&kept));
    let values = [Some(5), None, Some(1), None];
    assert_eq!(run(&mut stage, 300, values), run(&mut other, 300, values));
}

#[test]
fn an_instant_without_end_is_no_time_of_a_count() {
    let mut stage = Stage::new(&StagePlan::Counts(plan(CountsMode::Cumulative)), &FIELDS);
    for at in [i64::MIN, i64::MAX] {
        let refused = run(&mut stage, at, [Some(1), None, None, None]);
        assert_eq!(refused, Err(Refusal { field: 2, reason: Reason::OutOfRange }));
    }
}

#[test]
fn a_counter_goes_on_from_its_kept_reading() {
    let plan = StagePlan::Counts(plan(CountsMode::Cumulative));
    let mut stage = Stage::new(&plan, &FIELDS);
    run(&mut stage, 100, [Some(10), None, Some(1), None]).unwrap();
    let kept = stage.changed();
    assert_eq!(stage.changed(), []);
    let mut other = Stage::new(&plan, &FIELDS);
    assert!(other.restore(&kept));
    assert_eq!(run(&mut other, 200, [Some(15), None, Some(2), None]), Ok(vec![[199, 5, 4, 1, 0]]));
    assert!(!other.restore(&[("counts M1".to_owned(), b"{}".to_vec())]));
}
