//! Counters that only ever grow, until they run over or are set back.

/// What lies between two readings of a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delta {
    /// Pieces by difference.
    Counted(i64),
    /// Pieces over the end of the counter's range.
    Rollover(i64),
    /// The counter was set back; these are the pieces since. What was made before it is lost.
    Reset(i64),
}

impl Delta {
    /// The pieces.
    pub fn pieces(self) -> i64 {
        match self {
            Self::Counted(pieces) | Self::Rollover(pieces) | Self::Reset(pieces) => pieces,
        }
    }
}

/// What lies between the readings `before` and `now`.
///
/// A fall is a rollover when both readings are below `modulus` (the first value that the counter cannot
/// show) and the pieces that this means are plausible: at most `max_delta`, or half of the modulus where no
/// limit is given. Any other fall is a reset. A rise is believed whatever it is.
pub fn delta(before: i64, now: i64, modulus: Option<i64>, max_delta: Option<i64>) -> Delta {
    if now >= before {
        // Only a garbled reading rises by more than an i64: as much a reset as any.
        return now.checked_sub(before).map_or(Delta::Reset(now), Delta::Counted);
    }
    let over = modulus.filter(|modulus| now >= 0 && before < *modulus).and_then(|modulus| {
        let pieces = modulus.checked_sub(before)?.checked_add(now)?;
        (pieces <= max_delta.unwrap_or(modulus / 2)).then_some(pieces)
    });
    over.map_or(Delta::Reset(now), Delta::Rollover)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fall_is_a_rollover_when_that_is_plausible_and_else_a_reset() {
        let cases = [
            // 9,990 to 9,999 are ten, 0 to 11 are twelve: 10 + 12 = 22.
            ((9_990, 12, Some(10_000), Some(100)), Delta::Rollover(22)),
            ((9_990, 12, Some(10_000), Some(22)), Delta::Rollover(22)),
            ((9_990, 12, Some(10_000), Some(21)), Delta::Reset(12)),
            ((9_990, 12, Some(10_000), None), Delta::Rollover(22)),
            // 960 to 12 would be 9,052 pieces of 10,000: somebody pressed the button.
            ((960, 12, Some(10_000), None), Delta::Reset(12)),
            ((960, 12, None, Some(100)), Delta::Reset(12)),
            // It showed more than it can: the modulus is not this counter's.
            ((70_000, 12, Some(65_536), None), Delta::Reset(12)),
            ((900, 960, Some(1_000), Some(10)), Delta::Counted(60)),
            ((5, 5, None, None), Delta::Counted(0)),
            ((i64::MIN, i64::MAX, None, None), Delta::Reset(i64::MAX)),
            ((i64::MAX, i64::MIN, Some(i64::MAX), None), Delta::Reset(i64::MIN)),
        ];
        for ((before, now, modulus, max_delta), expected) in cases {
            assert_eq!(delta(before, now, modulus, max_delta), expected, "{before} to {now}");
        }
    }
}
