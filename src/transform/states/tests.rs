use proptest::prelude::*;

use super::*;
use crate::config::stage::{Overlap, StagePlan, StatesPlan};
use crate::transform::stage::Stage;

const MINUTE: i64 = 60_000_000;
const FIELDS: [&str; 9] =
    ["equipment", "at", "until", "kind", "state", "planned", "reason", "order", "operator"];

fn plan() -> StatesPlan {
    StatesPlan {
        hold_us: None,
        otherwise: State::Unknown,
        overlap: Overlap::LatestStart,
        microstop_us: 0,
        microstop_runs: false,
    }
}

/// A record in minutes.
#[derive(Clone, Debug)]
struct Told {
    unit: &'static str,
    at: i64,
    until: Option<i64>,
    kind: &'static str,
    state: &'static str,
    planned: bool,
    reason: Option<&'static str>,
}

fn sample(at: i64, state: &'static str) -> Told {
    Told { unit: "M1", at, until: None, kind: "sample", state, planned: false, reason: None }
}

fn event(at: i64, until: Option<i64>, state: &'static str) -> Told {
    Told { until, kind: "event", ..sample(at, state) }
}

fn record(told: &Told) -> Record {
    let mut record = Record::default();
    let time = |minutes: i64| Datum::Timestamp(minutes * MINUTE);
    record.push(&Datum::Text(told.unit.into()));
    record.push(&time(told.at));
    record.push(&told.until.map_or(Datum::Null, time));
    record.push(&Datum::Text(told.kind.into()));
    record.push(&Datum::Text(told.state.into()));
    record.push(&Datum::Bool(told.planned));
    record.push(&text_or_null(told.reason));
    record.push(&Datum::Null);
    record.push(&Datum::Null);
    record
}

/// `state category from..to (reason)`, in minutes, for each row handed out.
type Rows = Vec<String>;

fn row(data: &[Datum<'_>]) -> String {
    let word = |at: usize| match &data[at] {
        Datum::Text(text) => text.to_string(),
        Datum::Null => String::new(),
        other => panic!("{other:?}"),
    };
    let (Datum::Timestamp(start), Datum::Timestamp(end)) = (&data[6], &data[7]) else {
        panic!("no interval: {data:?}");
    };
    assert_eq!(data[0], data[6], "the key's time is the start");
    assert_eq!(data[8], Datum::Float8((end - start) as f64 / 1e6));
    let reason = if data[5] == Datum::Null { String::new() } else { format!(" ({})", word(5)) };
    format!("{} {} {} {}..{}{reason}", word(2), word(3), word(4), start / MINUTE, end / MINUTE)
}

fn run(plan: &StatesPlan, told: &[Told]) -> Rows {
    let mut stage = Stage::new(&StagePlan::States(plan.clone()), &FIELDS);
    let mut rows = Rows::new();
    for told in told {
        stage.step(&record(told), &mut |data| rows.push(row(data))).unwrap();
    }
    rows
}

/// A state that ends what is open, so that it is handed out.
fn closed(plan: &StatesPlan, told: &[Told], end: i64) -> Rows {
    let mut told = told.to_vec();
    told.push(sample(end, "NOT_SCHEDULED"));
    run(plan, &told)
}

#[test]
fn an_eleven_minute_stop_sampled_each_minute_is_one_row() {
    let mut told: Vec<Told> = (0..5).map(|at| sample(at, "PRODUCING")).collect();
    let stop = |at| Told { planned: true, reason: Some("cleaning"), ..sample(at, "DOWN") };
    told.extend((5..16).map(stop));
    told.extend((16..20).map(|at| sample(at, "PRODUCING")));
    assert_eq!(
        closed(&plan(), &told, 20),
        [
            "M1 PRODUCING PRODUCTION 0..5",
            "M1 PLANNED_STOP PLANNED 5..16 (cleaning)",
            "M1 PRODUCING PRODUCTION 16..20"
        ]
    );
}

#[test]
fn a_stop_holds_over_the_samples_inside_it() {
    // The seed's join made a row of each sample in the stop, and called those with speed producing.
    let told = [
        sample(0, "PRODUCING"),
        Told { reason: Some("jam"), ..event(2, Some(6), "DOWN") },
        sample(3, "PRODUCING"),
        sample(5, "IDLE"),
        sample(6, "PRODUCING"),
    ];
    assert_eq!(
        closed(&plan(), &told, 9),
        [
            "M1 PRODUCING PRODUCTION 0..2",
            "M1 DOWN AVAILABILITY_LOSS 2..6 (jam)",
            "M1 PRODUCING PRODUCTION 6..9"
        ]
    );
}

#[test]
fn of_two_stops_the_later_holds_and_the_earlier_goes_on() {
    let told =
        [event(0, Some(100), "RUN"), event(20, Some(50), "DOWN"), event(30, Some(40), "SETUP")];
    let rows = closed(&plan(), &told, 100);
    assert_eq!(
        rows,
        [
            "M1 PRODUCING PRODUCTION 0..20",
            "M1 DOWN AVAILABILITY_LOSS 20..30",
            "M1 SETUP AVAILABILITY_LOSS 30..40",
            "M1 DOWN AVAILABILITY_LOSS 40..50",
            "M1 PRODUCING PRODUCTION 50..100"
        ]
    );
    let graver = StatesPlan { overlap: Overlap::Severity, ..plan() };
    let rows = closed(&graver, &told, 100);
    assert_eq!(rows[1], "M1 DOWN AVAILABILITY_LOSS 20..50");
}

#[test]
fn what_nobody_ended_ends_with_the_next_start_or_with_production() {
    let told = [event(0, None, "DOWN"), event(10, Some(20), "SETUP"), sample(20, "PRODUCING")];
    assert_eq!(
        closed(&plan(), &told, 30),
        [
            "M1 DOWN AVAILABILITY_LOSS 0..10",
            "M1 SETUP AVAILABILITY_LOSS 10..20",
            "M1 PRODUCING PRODUCTION 20..30"
        ]
    );
    let told = [event(0, None, "DOWN"), sample(3, "IDLE"), sample(7, "PRODUCING")];
    assert_eq!(closed(&plan(), &told, 9)[0], "M1 DOWN AVAILABILITY_LOSS 0..7");
}

#[test]
fn silence_is_unknown_and_never_a_stop() {
    let holds = StatesPlan { hold_us: Some(2 * MINUTE), ..plan() };
    let told = [sample(0, "PRODUCING"), sample(1, "PRODUCING"), sample(30, "PRODUCING")];
    assert_eq!(
        closed(&holds, &told, 31),
        [
            "M1 PRODUCING PRODUCTION 0..3",
            "M1 UNKNOWN UNKNOWN 3..30",
            "M1 PRODUCING PRODUCTION 30..31"
        ]
    );
    // A book of orders that has no order for an hour says that nothing was asked of the unit.
    let idle = StatesPlan { otherwise: State::Idle, ..plan() };
    let told = [event(0, Some(10), "PRODUCING"), event(70, Some(80), "PRODUCING")];
    assert_eq!(closed(&idle, &told, 80)[1], "M1 IDLE AVAILABILITY_LOSS 10..70");
}

#[test]
fn a_word_that_nobody_knows_is_unknown_time() {
    let told = [sample(0, "PRODUCING"), sample(4, "ROBOT_DANCE"), sample(6, "PRODUCING")];
    assert_eq!(closed(&plan(), &told, 7)[1], "M1 UNKNOWN UNKNOWN 4..6 (ROBOT_DANCE)");
}

#[test]
fn a_micro_stop_is_told_by_the_whole_of_it() {
    let brief = StatesPlan { microstop_us: 5 * MINUTE, ..plan() };
    let told = [
        sample(0, "PRODUCING"),
        sample(10, "DOWN"),
        sample(15, "PRODUCING"),
        sample(20, "DOWN"),
        sample(26, "PRODUCING"),
        sample(30, "SETUP"),
        sample(31, "PRODUCING"),
    ];
    let rows = closed(&brief, &told, 40);
    assert_eq!(rows[1], "M1 MICROSTOP AVAILABILITY_LOSS 10..15");
    assert_eq!(rows[3], "M1 DOWN AVAILABILITY_LOSS 20..26");
    assert_eq!(rows[5], "M1 SETUP AVAILABILITY_LOSS 30..31", "a set-up is one however short");
    let runs = StatesPlan { microstop_runs: true, ..brief };
    assert_eq!(closed(&runs, &told, 40)[1], "M1 MICROSTOP PERFORMANCE_LOSS 10..15");
}

#[test]
fn late_reversed_and_repeated_records_are_told_apart() {
    let mut stage = Stage::new(&StagePlan::States(plan()), &FIELDS);
    let mut rows = Rows::new();
    let mut step = |told: Told| stage.step(&record(&told), &mut |data| rows.push(row(data)));
    assert_eq!(step(sample(5, "PRODUCING")), Ok(Taken::Used));
    assert_eq!(step(sample(5, "PRODUCING")), Ok(Taken::Duplicate));
    assert_eq!(
        step(event(9, Some(8), "DOWN")),
        Err(Refusal { field: 2, reason: Reason::EndsBeforeStart })
    );
    assert_eq!(step(sample(4, "DOWN")), Err(Refusal { field: 1, reason: Reason::Late }));
    assert_eq!(
        step(Told { kind: "rumour", ..sample(9, "DOWN") }),
        Err(Refusal { field: 3, reason: Reason::Unmapped })
    );
    assert_eq!(step(sample(9, "DOWN")), Ok(Taken::Used));
    assert_eq!(rows, ["M1 PRODUCING PRODUCTION 5..9"]);
}

#[test]
fn so_many_overlaps_are_no_stops_any_more() {
    let mut stage = Stage::new(&StagePlan::States(plan()), &FIELDS);
    // The longest of reasons, of characters that take the most room in JSON.
    let worst: &'static str = Box::leak("\u{1}".repeat(255).into_boxed_str());
    let long = Told { reason: Some(worst), ..sample(0, "IDLE") };
    stage.step(&record(&long), &mut |_| {}).unwrap();
    let mut refused = 0;
    for end in 1_000..1_100 {
        let state = if end % 2 == 0 { "DOWN" } else { "SETUP" };
        let before = stage.changed();
        let told = Told { reason: Some("torn"), ..event(5, Some(end), state) };
        if stage.step(&record(&told), &mut |_| {}).is_err() {
            refused += 1;
            assert_eq!(stage.changed(), [], "a record that is refused changes nothing: {before:?}");
        }
    }
    assert!((60..90).contains(&refused), "{refused}");
    stage.step(&record(&Told { reason: Some(worst), ..sample(5, "BREAK") }), &mut |_| {}).unwrap();
    let kept = stage.changed();
    assert!(kept[0].1.len() <= 8_192, "the ledger takes 8 KiB a key: {}", kept[0].1.len());
}

#[test]
fn an_infinite_time_is_no_instant_and_an_infinite_end_is_none() {
    let mut stage = Stage::new(&StagePlan::States(plan()), &FIELDS);
    let at = |us: i64, until: i64| {
        let mut record = Record::default();
        record.push(&Datum::Text("M1".into()));
        record.push(&Datum::Timestamp(us));
        record.push(&Datum::Timestamp(until));
        record.push(&Datum::Null);
        record.push(&Datum::Text("DOWN".into()));
        (0..4).for_each(|_| record.push(&Datum::Null));
        record
    };
    for us in [i64::MIN, i64::MAX] {
        let refused = stage.step(&at(us, i64::MAX), &mut |_| {});
        assert_eq!(refused, Err(Refusal { field: 1, reason: Reason::OutOfRange }));
    }
    let mut rows = Rows::new();
    stage.step(&at(-211_813_488_000_000_000, i64::MAX), &mut |_| {}).unwrap();
    stage.step(&at(7 * MINUTE, i64::MAX), &mut |_| {}).unwrap();
    stage.step(&record(&sample(9, "RUN")), &mut |data| rows.push(row(data))).unwrap();
    assert_eq!(rows.len(), 1, "{rows:?}");
    let refused = stage.step(&at(10 * MINUTE, i64::MIN), &mut |_| {});
    assert_eq!(refused, Err(Refusal { field: 2, reason: Reason::EndsBeforeStart }));
}

#[test]
fn the_open_state_shows_and_is_not_handed_out() {
    let mut stage = Stage::new(&StagePlan::States(plan()), &FIELDS);
    for told in [sample(0, "PRODUCING"), sample(1, "PRODUCING"), sample(2, "DOWN")] {
        stage.step(&record(&told), &mut |_| {}).unwrap();
    }
    let [now] = stage.current().try_into().unwrap();
    let expected =
        Current { equipment: "M1".to_owned(), state: "DOWN", since: 2 * MINUTE, seen: 2 * MINUTE };
    assert_eq!(now, expected);
    assert_eq!(stage.current(), [], "only what moved");
}

#[test]
fn an_event_is_known_up_to_its_end() {
    let mut stage = Stage::new(&StagePlan::States(plan()), &FIELDS);
    let mut seen = |told: Told| {
        stage.step(&record(&told), &mut |_| {}).unwrap();
        let now = stage.current().remove(0);
        (now.state, now.since / MINUTE, now.seen / MINUTE)
    };
    assert_eq!(seen(event(0, Some(60), "RUN")), ("PRODUCING", 0, 60));
    assert_eq!(seen(event(20, Some(30), "DOWN")), ("DOWN", 20, 30));
    assert_eq!(seen(Told { kind: "tick", ..sample(40, "RUN") }), ("PRODUCING", 30, 60));
    assert_eq!(seen(event(70, None, "DOWN")), ("DOWN", 70, 70));
}

fn any_told() -> impl Strategy<Value = Vec<Told>> {
    let states =
        prop::sample::select(vec!["PRODUCING", "IDLE", "DOWN", "SETUP", "BREAK", "NONSENSE"]);
    let kinds = prop::sample::select(vec!["sample", "event", "tick"]);
    let units = prop::sample::select(vec!["M1", "M2", "M3"]);
    let reasons = prop::sample::select(vec![None, Some("a"), Some("b")]);
    let one = (0_i64..6, prop::option::of(0_i64..40), states, kinds, units, any::<bool>(), reasons);
    prop::collection::vec(one, 1..80).prop_map(|list| {
        let mut at = 0;
        let told = list.into_iter().map(|(step, length, state, kind, unit, planned, reason)| {
            at += step;
            let until = length.filter(|_| kind == "event").map(|length| at + length);
            Told { unit, at, until, kind, state, planned, reason }
        });
        told.collect()
    })
}

proptest! {
    /// Cut anywhere, its state written down and read again by another, a run makes the same rows.
    #[test]
    fn cut_anywhere_the_intervals_are_the_same(told in any_told(), cuts in prop::collection::vec(0_usize..80, 0..6)) {
        let plan = StatesPlan { hold_us: Some(7 * MINUTE), microstop_us: 2 * MINUTE, ..plan() };
        let whole = run(&plan, &told);
        let mut kept: std::collections::BTreeMap<String, Vec<u8>> = std::collections::BTreeMap::new();
        let mut rows = Rows::new();
        let mut stage = Stage::new(&StagePlan::States(plan.clone()), &FIELDS);
        for (index, told) in told.iter().enumerate() {
            if cuts.contains(&index) {
                kept.extend(stage.changed());
                stage = Stage::new(&StagePlan::States(plan.clone()), &FIELDS);
                let state: Vec<_> = kept.clone().into_iter().collect();
                prop_assert!(stage.restore(&state));
            }
            stage.step(&record(told), &mut |data| rows.push(row(data))).unwrap();
        }
        prop_assert_eq!(rows, whole);
    }

    /// The intervals of a unit follow each other without a hole and without an overlap.
    #[test]
    fn intervals_meet(told in any_told()) {
        let mut stage = Stage::new(&StagePlan::States(plan()), &FIELDS);
        let mut ends: HashMap<String, i64> = HashMap::new();
        for told in &told {
            let before = told.at;
            stage.step(&record(told), &mut |data| {
                let (Datum::Text(unit), Datum::Timestamp(start), Datum::Timestamp(end)) = (&data[2], &data[6], &data[7]) else { panic!() };
                assert!(start < end && *end <= before * MINUTE);
                let last = ends.insert(unit.to_string(), *end);
                assert!(last.is_none_or(|last| last == *start), "{last:?} then {start}");
            }).unwrap();
        }
    }
}
