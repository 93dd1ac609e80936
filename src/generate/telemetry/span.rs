//! Which days the export covers, and what the clock on the wall shows in them.
//!
//! From 200,000 rows on, an autumn fold and a spring gap lie inside; below that the days around
//! the fold, so that even a small file has the ambiguous hour. Never more than 370 days, and in
//! the zones that change their clocks never more than 55 minutes between ticks: at an hour, two
//! ticks in a fold could not be told apart.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::super::GenerateError;
use super::super::plant::{DAY, HOUR, NOW};
use super::signals::CYCLE;

/// Of an export without transitions to aim at: 2024-10-27T01:00:00Z, as in Berlin.
const USUAL_FOLD: i64 = 1_729_990_800;
/// And 2025-03-30T01:00:00Z.
const USUAL_GAP: i64 = 1_743_296_400;
/// The fold that is looked for is the first after 2024-07-01T00:00:00Z.
const SEARCH: i64 = 1_719_792_000;

/// Rows from which both transitions are covered.
const WIDE_ROWS: i64 = 200_000;
/// Rows at which the span is at its longest.
const LONGEST_ROWS: i64 = 5_000_000;
const LONGEST: i64 = 360 * DAY;
/// Of smaller files.
const SHORT_STEP_MS: i64 = 600_000;

/// When ticks are, and how they read.
pub(super) struct Span {
    pub(super) step_ms: i64,
    /// Local seconds that the spring gap leaves out, half-open, as if they were UTC.
    pub(super) gap: Option<std::ops::Range<i64>>,
    start_ms: i64,
    zone: TimeZone,
}

impl Span {
    /// For so many rows, of which `cycle_rows` fall into `CYCLE` ticks.
    pub(super) fn new(zone: &TimeZone, rows: u64, cycle_rows: u64) -> Result<Self, GenerateError> {
        let (fold, gap) = transitions(zone)?;
        let rows = i64::try_from(rows).unwrap_or(i64::MAX / 1000);
        let cycle_rows = i64::try_from(cycle_rows).unwrap_or(1).max(1);
        let ticks = (rows.saturating_mul(i64::from(CYCLE)) / cycle_rows).max(1);
        let (start, step_ms) = if rows < WIDE_ROWS {
            (fold - ticks * SHORT_STEP_MS / 2000, SHORT_STEP_MS)
        } else {
            let turn = gap.as_ref().map_or(USUAL_GAP, |gap| gap.instant);
            let (first, last) = (fold.min(turn), fold.max(turn));
            let least = last - first + 10 * DAY;
            let share = rows.min(LONGEST_ROWS) - WIDE_ROWS;
            let extra = (LONGEST - least).max(0) * (share / 1000) / (LONGEST_ROWS / 1000);
            // What would end after the present begins earlier instead.
            let start = (first - 5 * DAY - extra / 2).min(NOW - DAY - least - extra);
            (start, ((least + extra) * 1000 / ticks).max(1))
        };
        let start_ms = (start - start.rem_euclid(60)) * 1000;
        Ok(Self { step_ms, gap: gap.map(|gap| gap.local), start_ms, zone: zone.clone() })
    }

    /// The instant of a tick: whole seconds, unless ticks are closer than that.
    pub(super) fn tick_ms(&self, tick: u64) -> i64 {
        let tick = i64::try_from(tick).unwrap_or(i64::MAX);
        let at_ms = self.start_ms.saturating_add(tick.saturating_mul(self.step_ms));
        if self.step_ms < 1000 { at_ms } else { at_ms - at_ms.rem_euclid(1000) }
    }

    /// What the wall clock shows, and its hour.
    pub(super) fn local(&self, at_ms: i64, millis: bool) -> Result<(String, i64), GenerateError> {
        let seconds = at_ms.div_euclid(1000);
        let wall = self.zone.to_datetime(timestamp(seconds)?);
        let mut text = format!("{} {}", wall.date(), wall.time());
        let rest = at_ms.rem_euclid(1000);
        if millis || rest != 0 {
            // Writing to a string does not fail.
            write!(text, ".{rest:03}").ok();
        }
        Ok((text, i64::from(wall.hour())))
    }
}

/// Naive local text of local seconds.
pub(super) fn naive(local: i64) -> String {
    let wall = timestamp(local).map(|at| jiff::tz::Offset::UTC.to_datetime(at));
    wall.map(|wall| format!("{} {}", wall.date(), wall.time())).unwrap_or_default()
}

struct Gap {
    instant: i64,
    local: std::ops::Range<i64>,
}

fn timestamp(seconds: i64) -> Result<Timestamp, GenerateError> {
    Timestamp::from_second(seconds).map_err(|source| GenerateError::Instant { seconds, source })
}

/// A fold, and the gap nearest to it that the present has behind it.
fn transitions(zone: &TimeZone) -> Result<(i64, Option<Gap>), GenerateError> {
    let offset_at = |seconds| -> Result<i64, GenerateError> {
        Ok(i64::from(zone.to_offset(timestamp(seconds)?).seconds()))
    };
    let mut fold = None;
    let mut gaps = Vec::new();
    for transition in zone.following(timestamp(SEARCH - 365 * DAY)?).take(12) {
        let at = transition.timestamp().as_second();
        if at > NOW - 6 * DAY {
            break;
        }
        let (before, after) = (offset_at(at - 1)?, offset_at(at)?);
        if after > before {
            gaps.push(Gap { instant: at, local: at + before..at + after });
        } else if after < before && fold.is_none() && at >= SEARCH {
            fold = Some(at);
        }
    }
    let fold = fold.unwrap_or(USUAL_FOLD);
    let near = |gap: &Gap| (gap.instant - fold).abs() < LONGEST - 20 * DAY - HOUR;
    // The later one, so that rows before the fold and after the gap both exist.
    Ok((fold, gaps.into_iter().rfind(near)))
}
