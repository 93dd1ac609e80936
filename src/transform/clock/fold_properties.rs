//! `fold=infer` against series whose true times are known: refused perhaps, shifted never.

use jiff::Timestamp;
use jiff::tz::TimeZoneDatabase;
use proptest::prelude::*;

use super::civil::UNIX_EPOCH;
use super::properties::{clock, text};
use super::*;

/// Converts true instants to local text and back by inference; what is refused is `None`.
fn there_and_back(zone: &str, instants: &[i64], cuts: &[usize]) -> Vec<Option<i64>> {
    let tz = TimeZoneDatabase::bundled().get(zone).unwrap();
    let policy = Policy::parse(Some(zone), "fold=infer").unwrap();
    let (mut clock, mut state) = (Clock::new(&policy), FoldState::default());
    let convert = |(row, at): (usize, &i64)| {
        if cuts.contains(&row) {
            let bytes = state.to_bytes();
            assert!(bytes.len() <= 64);
            state = FoldState::from_bytes(&bytes).unwrap();
            clock = Clock::new(&policy);
        }
        let local = text(tz.to_datetime(Timestamp::from_microsecond(at - UNIX_EPOCH).unwrap()));
        clock.instant_inferred(ValueRef::Text(local.as_bytes()), &mut state).ok().flatten()
    };
    instants.iter().enumerate().map(convert).collect()
}

/// Zone, and an instant in UTC three hours before its clock goes back.
const AUTUMN: [(&str, &str); 5] = [
    ("Europe/Berlin", "2024-10-26T22:00:00Z"),
    ("America/New_York", "2024-11-03T03:00:00Z"),
    ("Australia/Lord_Howe", "2024-04-06T12:00:00Z"),
    ("Antarctica/Troll", "2024-10-26T22:00:00Z"),
    ("America/Havana", "2024-11-03T02:00:00Z"),
];

fn start(utc: &str) -> i64 {
    clock("Etc/UTC", "").instant(ValueRef::Text(utc.as_bytes())).unwrap().unwrap()
}

const MINUTE: i64 = 60 * SECOND;

fn series(start: i64, step: i64, rows_per_tick: i64) -> Vec<i64> {
    let ticks = 7 * 60 * MINUTE / step;
    (0..ticks * rows_per_tick).map(|row| start + row / rows_per_tick * step).collect()
}

#[test]
fn inference_gives_an_ascending_series_back() {
    for (zone, utc) in AUTUMN {
        let steps = [SECOND, 7 * SECOND, MINUTE, 10 * MINUTE, 15 * MINUTE, 29 * MINUTE];
        for step in steps {
            for rows_per_tick in [1, 4] {
                let truth = series(start(utc), step, rows_per_tick);
                let whole = there_and_back(zone, &truth, &[]);
                let wanted: Vec<_> = truth.iter().copied().map(Some).collect();
                assert!(whole == wanted, "{zone} {} s x {rows_per_tick}", step / SECOND);
            }
        }
    }
}

#[test]
fn inference_follows_the_step_of_a_slow_series() {
    for (zone, utc) in AUTUMN {
        for step in [30, 45, 58, 60, 90, 120, 180, 1_440] {
            for rows_per_tick in [1, 3] {
                let from = start(utc) - 5 * step * MINUTE;
                let truth: Vec<i64> = (0..(10 + 600 / step) * rows_per_tick)
                    .map(|row| from + row / rows_per_tick * step * MINUTE)
                    .collect();
                let wanted: Vec<_> = truth.iter().copied().map(Some).collect();
                let got = there_and_back(zone, &truth, &[]);
                assert_eq!(got, wanted, "{zone} {step} min x {rows_per_tick}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn inference_does_not_see_where_it_was_cut(
        autumn in 0..AUTUMN.len(),
        step in prop::sample::select(vec![20 * SECOND, MINUTE, 10 * MINUTE]),
        cuts in prop::collection::vec(0_usize..1_300, 0..20),
    ) {
        let (zone, utc) = AUTUMN[autumn];
        let truth = series(start(utc), step, 2);
        let wanted: Vec<_> = truth.iter().copied().map(Some).collect();
        prop_assert!(there_and_back(zone, &truth, &cuts) == wanted);
    }

    /// Rows that overtake each other by seconds.
    #[test]
    fn inference_bears_jitter(
        autumn in 0..AUTUMN.len(),
        jitter in prop::collection::vec(0..20 * SECOND, 2_600),
    ) {
        let (zone, utc) = AUTUMN[autumn];
        let even = series(start(utc), 10 * SECOND, 1);
        let truth: Vec<i64> = even.iter().zip(&jitter).map(|(at, by)| at - by).collect();
        let wanted: Vec<_> = truth.iter().copied().map(Some).collect();
        prop_assert!(there_and_back(zone, &truth, &[]) == wanted[..truth.len()]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    /// Whatever the disorder and the outages: refused perhaps, shifted never.
    #[test]
    fn inference_never_shifts(
        autumn in 0..AUTUMN.len(),
        step in prop::sample::select(vec![SECOND, 10 * SECOND, 45 * SECOND]),
        jitter in prop::collection::vec(-75 * SECOND..75 * SECOND, 2_600),
        outage in prop::option::of((0_usize..400, 5_usize..300)),
    ) {
        let (zone, utc) = AUTUMN[autumn];
        let mut truth: Vec<i64> = series(start(utc), 10 * SECOND, 1);
        truth.retain(|at| at % step == 0 || step < 10 * SECOND);
        let mut truth: Vec<i64> = truth.iter().zip(&jitter).map(|(at, by)| at + by).collect();
        if let Some((from, length)) = outage {
            truth.drain((truth.len() / 3 + from).min(truth.len())..(truth.len() / 3 + from + length).min(truth.len()));
        }
        for (got, truth) in there_and_back(zone, &truth, &[]).iter().zip(&truth) {
            prop_assert!(got.is_none_or(|got| got == *truth), "{zone}: off by {:?}", got.map(|got| got - truth));
        }
    }
}

#[test]
fn inference_refuses_what_order_does_not_prove() {
    let at = start("2024-10-27T00:00:00Z");
    let minutes = |list: &[i64]| list.iter().map(|m| at + m * MINUTE).collect::<Vec<_>>();
    let run = |list: &[i64]| {
        let truth = minutes(list);
        there_and_back("Europe/Berlin", &truth, &[])
            .iter()
            .zip(&truth)
            .map(|(got, truth)| got.map(|got| (got - truth) / MINUTE))
            .collect::<Vec<_>>()
    };
    // The partition begins inside the fold, which lasts from minute 0 to minute 120.
    assert_eq!(run(&[10, 20, 70, 121, 130]), [None, None, None, Some(0), Some(0)]);
    // An outage inside the fold: which pass it ends in is not in the data, and so for all that follows.
    let none = [Some(0), Some(0), Some(0), None, None, None, Some(0)];
    assert_eq!(run(&[-2, -1, 0, 20, 70, 90, 121]), none);
    assert_eq!(run(&[-2, -1, 0, 20, 100, 121])[3..], [None, None, Some(0)]);
    // Silence before the fold: the same.
    assert_eq!(run(&[-22, -21, -20, 10, 70, 121])[3..], [None, None, Some(0)]);
    // Rows in no order, by more than a minute: never a guess.
    let mixed = run(&[-2, -1, 1, 3, 0, 4, 61, 60, 90, 121]);
    assert!(mixed.iter().flatten().all(|shift| *shift == 0), "{mixed:?}");
    // Silence longer than the fold could hide the first pass.
    assert_eq!(run(&[-300, -299, 10, 70, 121]), [Some(0), Some(0), None, None, Some(0)]);
    // No order: a row from long before.
    assert_eq!(run(&[130, 300, 60, 301]), [Some(0), Some(0), None, Some(0)]);
    // A clock that jumped to another year and back is forgotten by the next good row.
    let wild = there_and_back(
        "Europe/Berlin",
        &[at - 2 * MINUTE, start("2099-01-01T00:00:00Z"), at - MINUTE, at, at + 61 * MINUTE],
        &[],
    );
    assert!(wild.iter().all(Option::is_some));
}

#[test]
fn inference_leaves_other_policies_alone() {
    let mut state = FoldState::default();
    let mut later = clock("Europe/Berlin", "fold=later");
    let value = ValueRef::Text(b"2024-10-27 02:30:00");
    assert_eq!(later.instant_inferred(value, &mut state), later.instant(value));
    assert_eq!(state, FoldState::default());
    assert_eq!(FoldState::from_bytes(&[9; 49]), None);
    assert_eq!(FoldState::from_bytes(&[1; 32]), None);
}
