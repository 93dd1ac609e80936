use super::super::server::Span;
use super::metrics::{counters, set_to_zero};
use super::{MAX_DELTA, MODULUS};

/// What the increments of a counter add up to, by the rule that a reader has: a drop is a rollover
/// where less than `MAX_DELTA` lies around the top, else the counter was set to zero.
fn increments(readings: &[i64]) -> i64 {
    let step = |pair: &[i64]| match pair[1] - pair[0] {
        ahead @ 0.. => ahead,
        back if back + MODULUS <= MAX_DELTA => back + MODULUS,
        _ => pair[1],
    };
    readings.windows(2).map(step).sum()
}

#[test]
fn counters_roll_over_are_reset_and_lose_nothing() {
    let (mut resets, mut rollovers) = (0, 0);
    for seed in 1..4 {
        let (_, histories) = Span::before(seed, 14, None).unwrap().histories().unwrap();
        for (history, _) in &histories {
            let zeroes = set_to_zero(history);
            let readings = super::metrics::readings(history, &zeroes);
            let last = readings.last().unwrap().0;
            let made = history.pieces(last).since(history.pieces(history.from));
            let expected = [made.made(), made.good, made.scrap, made.rework];
            for (nth, expected) in expected.into_iter().enumerate() {
                let counter: Vec<i64> = readings.iter().map(|(_, counts)| counts[nth]).collect();
                assert!(counter.iter().all(|count| (0..MODULUS).contains(count)));
                assert_eq!(increments(&counter), expected, "{} {nth}", history.unit.code);
            }
            resets += zeroes.len();
            rollovers += counters(&mut Vec::new(), history, "unit", &zeroes);
        }
    }
    assert!(resets > 20 && rollovers > 20, "{resets} resets, {rollovers} rollovers");
}
