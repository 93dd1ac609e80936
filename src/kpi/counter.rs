//! Readings of a cumulative counter to what was counted between them.

/// What a counter counted between two readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delta {
    /// It went up.
    Counted(i64),
    /// It passed its modulus.
    Rollover(i64),
    /// It was set back: what it shows is what it counted since.
    Reset(i64),
}

/// What was counted from `before` to `now`. A drop is a rollover only where that is plausible.
pub fn delta(before: i64, now: i64, modulus: Option<i64>, max_delta: Option<i64>) -> Delta {
    if now >= before {
        return Delta::Counted(now.saturating_sub(before));
    }
    let around = modulus.map(|modulus| now.saturating_add(modulus).saturating_sub(before));
    match around {
        Some(around) if around >= 0 && max_delta.is_none_or(|most| around <= most) => {
            Delta::Rollover(around)
        }
        _ => Delta::Reset(now),
    }
}
