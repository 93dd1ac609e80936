//! A span of time, half-open.

/// From 1970-01-01 to 2000-01-01 UTC, in microseconds.
pub(super) const EPOCH_US: i64 = 946_684_800_000_000;

/// From `start` to before `end`, in microseconds since 2000-01-01 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Window {
    /// First instant in it.
    pub start: i64,
    /// First instant behind it.
    pub end: i64,
}

impl Window {
    /// From `start` to before `end`.
    pub fn new(start: i64, end: i64) -> Self {
        Self { start, end }
    }

    /// Its length in microseconds; 0 for one that ends before it starts.
    pub fn length(self) -> i64 {
        self.end.saturating_sub(self.start).max(0)
    }

    /// Nothing is in it.
    pub fn is_empty(self) -> bool {
        self.end <= self.start
    }

    /// The instant is in it: the start is, the end is not.
    pub fn contains(self, at: i64) -> bool {
        self.start <= at && at < self.end
    }

    /// What both have in common; empty where they only touch.
    pub fn overlap(self, other: Self) -> Self {
        Self { start: self.start.max(other.start), end: self.end.min(other.end) }
    }
}

/// The windows in order, with those that overlap or touch made one, and without empty ones.
pub fn union(windows: &[Window]) -> Vec<Window> {
    let mut sorted: Vec<Window> = windows.iter().copied().filter(|w| !w.is_empty()).collect();
    sorted.sort_unstable();
    let mut merged: Vec<Window> = Vec::with_capacity(sorted.len());
    for window in sorted {
        match merged.last_mut() {
            Some(last) if window.start <= last.end => last.end = last.end.max(window.end),
            _ => merged.push(window),
        }
    }
    merged
}

/// Walks along a [`union`] from left to right and tells whether an instant is in it.
pub(super) struct Walk<'a> {
    windows: &'a [Window],
}

impl<'a> Walk<'a> {
    pub(super) fn new(windows: &'a [Window]) -> Self {
        Self { windows }
    }

    /// Whether `at` is inside, and up to where that holds. `at` never goes back.
    pub(super) fn at(&mut self, at: i64) -> (bool, i64) {
        while let Some((first, rest)) = self.windows.split_first() {
            if first.end > at {
                return if first.start <= at { (true, first.end) } else { (false, first.start) };
            }
            self.windows = rest;
        }
        (false, i64::MAX)
    }
}
