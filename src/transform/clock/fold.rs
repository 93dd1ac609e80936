//! Which of two instants a reading in a fold means, told from the rows before it: `fold=infer`.
//!
//! The stream is one partition in key order and its true time runs forward; rows may overtake each
//! other by up to [`JITTER`]. A choice is made only where the order proves it, else the fold stays
//! an error. With `last` the instant emitted last, and a fold of length L:
//!
//! 1. No row before: no choice.
//! 2. A slow stream, whose ticks lie L or more apart, has its own step as evidence: the reading
//!    that continues the step wins. That is how 02:00 and 02:00 an hour later are told apart, and
//!    the rows of one tick are counted by those of the tick before.
//! 3. Else the instant that follows `last`: no more than the jitter before it, and no longer after
//!    it than one and a half of the stream's steps (a minute at least). If both follow, the one on a
//!    tick. If neither does, as after an outage or where rows are in no order: no choice.
//! 4. Once there was no choice, there is none for the rest of that fold: what comes after a doubt
//!    would be told from a row that is not there.
//!
//! Cannot know: an outage of just the length of the fold. The state is a function of the instants
//! emitted and of the doubts; another refused value leaves it alone.

use super::civil::SECOND;

/// How far rows may overtake each other.
const JITTER: i64 = 60 * SECOND;
/// The first byte of a stored state; another layout takes another number.
const VERSION: u8 = 2;
const BYTES: usize = 49;

/// What `fold=infer` remembers of the rows before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FoldState {
    seen: Option<Seen>,
    /// Readings whose earlier instant lies before this are in a fold that is in doubt.
    doubt: i64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Seen {
    /// The instant emitted last.
    last: i64,
    /// The first instant of the tick it belongs to: rows no more than the jitter apart.
    tick: i64,
    /// From the tick before to this one, and the one before that; 0 if there was none.
    step: i64,
    step_before: i64,
    /// Rows of this tick so far, and of the one before.
    rows: u32,
    rows_before: u32,
}

impl Seen {
    /// The stream's own step: the shorter of the last two, as an outage makes one of them long.
    fn usual_step(&self) -> i64 {
        let (step, before) = (self.step.saturating_abs(), self.step_before.saturating_abs());
        if before == 0 { step } else { step.min(before) }
    }
}

/// One of the two instants of a reading in a fold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Choice {
    Earlier,
    Later,
}

impl FoldState {
    /// Which instant it is, or `None` where the rows before do not prove it.
    pub(super) fn choose(&mut self, earlier: i64, later: i64) -> Option<Choice> {
        let choice = if earlier < self.doubt { None } else { self.proven(earlier, later) };
        if choice.is_none() {
            // Behind the end of this fold, and half a year before the next.
            self.doubt = later.saturating_add(later - earlier);
        }
        choice
    }

    fn proven(&self, earlier: i64, later: i64) -> Option<Choice> {
        let seen = self.seen?;
        let length = later - earlier;
        let near = |a: i64, b: i64| a.abs_diff(b) <= JITTER.unsigned_abs();
        if seen.step >= length - JITTER {
            let next = seen.tick.saturating_add(seen.step);
            let same_tick = near(earlier, seen.tick) && seen.rows < seen.rows_before;
            if same_tick || near(earlier, next) {
                return Some(Choice::Earlier);
            }
            if near(later, next) {
                return Some(Choice::Later);
            }
        }
        let step = seen.usual_step();
        let patience = step.saturating_add(step / 2).max(JITTER);
        let follows = |at: i64| {
            at >= seen.last.saturating_sub(JITTER) && at <= seen.last.saturating_add(patience)
        };
        let on_tick = |at: i64| near(at, seen.last) || near(at, seen.tick.saturating_add(step));
        match (follows(earlier), follows(later)) {
            (true, false) => Some(Choice::Earlier),
            (false, true) => Some(Choice::Later),
            (true, true) if on_tick(earlier) && !on_tick(later) => Some(Choice::Earlier),
            (true, true) if on_tick(later) && !on_tick(earlier) => Some(Choice::Later),
            _ => None,
        }
    }

    /// Takes note of an instant that was emitted.
    pub(super) fn note(&mut self, instant: i64) {
        let Some(seen) = &mut self.seen else {
            let first = Seen {
                last: instant,
                tick: instant,
                step: 0,
                step_before: 0,
                rows: 1,
                rows_before: 0,
            };
            self.seen = Some(first);
            return;
        };
        seen.last = instant;
        if instant.abs_diff(seen.tick) <= JITTER.unsigned_abs() {
            seen.rows = seen.rows.saturating_add(1);
        } else {
            seen.step_before = seen.step;
            seen.step = instant.saturating_sub(seen.tick);
            seen.tick = instant;
            seen.rows_before = seen.rows;
            seen.rows = 1;
        }
    }

    /// For the ledger; empty before the first row.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let seen = match self.seen {
            Some(seen) => seen,
            None if self.doubt == 0 => return Vec::new(),
            // A partition that begins in a fold: the doubt is all there is.
            None => return [&[VERSION], self.doubt.to_be_bytes().as_slice()].concat(),
        };
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.push(VERSION);
        for instant in [seen.last, seen.tick, seen.step, seen.step_before, self.doubt] {
            bytes.extend_from_slice(&instant.to_be_bytes());
        }
        for rows in [seen.rows, seen.rows_before] {
            bytes.extend_from_slice(&rows.to_be_bytes());
        }
        bytes
    }

    /// Back from the ledger; `None` for bytes of another version or length.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<FoldState> {
        if bytes.is_empty() {
            return Some(FoldState::default());
        }
        let (version, rest) = bytes.split_first()?;
        if *version != VERSION {
            return None;
        }
        if let Ok(doubt) = rest.try_into() {
            return Some(FoldState { seen: None, doubt: i64::from_be_bytes(doubt) });
        }
        if bytes.len() != BYTES {
            return None;
        }
        let (instants, rows) = rest.split_at_checked(40)?;
        let mut instants = instants
            .chunks_exact(8)
            .filter_map(|eight| eight.try_into().ok())
            .map(i64::from_be_bytes);
        let mut rows =
            rows.chunks_exact(4).filter_map(|four| four.try_into().ok()).map(u32::from_be_bytes);
        let seen = Seen {
            last: instants.next()?,
            tick: instants.next()?,
            step: instants.next()?,
            step_before: instants.next()?,
            rows: rows.next()?,
            rows_before: rows.next()?,
        };
        Some(FoldState { seen: Some(seen), doubt: instants.next()? })
    }
}
