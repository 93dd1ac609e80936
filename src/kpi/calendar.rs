//! Shifts by wall clock and zone become instants, each on its own date.
//!
//! A day has 23, 24 or 25 hours, and a shift those of its day. Where the clock jumps forward, a bound that
//! it never shows is the instant of the jump; where it is turned back, a bound that it shows twice is the
//! second one, as PostgreSQL takes it. Both keep the order of the clock, so shifts that follow each other by
//! the clock follow each other in time, without a hole and without an overlap. A break is resolved as
//! PostgreSQL does it (a start in the jump is pushed on by its length), so that `shift_breaks` says the same.

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};

use super::window::{EPOCH_US, Window};

/// Minutes of a day by the clock; 1440 is its end.
const DAY_MINUTES: u16 = 1_440;

/// Longest range of dates; a century of shifts is a typing error.
const DATES_MAX: i32 = 40_000;

/// Why a pattern has no instants.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// No such zone.
    #[error("time zone {0} is not in the zone database; use an IANA name such as Europe/Berlin")]
    Zone(String),
    /// A bound that no clock shows.
    #[error("shift {code}: minute {minute} of the day; use 0 to 1440")]
    Minute {
        /// The pattern's code.
        code: String,
        /// What it says.
        minute: u16,
    },
    /// A range the wrong way round or absurdly long.
    #[error("dates {from} to {to}: give them in order, at most {DATES_MAX} days")]
    Dates {
        /// First date.
        from: Date,
        /// Last date.
        to: Date,
    },
    /// An instant beyond the calendar's range.
    #[error("shift {code} on {date} lies outside of the years that times can have")]
    Range {
        /// The pattern's code.
        code: String,
        /// The shift's date.
        date: Date,
    },
}

/// A shift as a calendar has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// What it is called.
    pub code: String,
    /// Its start by the clock, in minutes of the day, 0 to 1440.
    pub start_minute: u16,
    /// Its end by the clock; at or before the start it is on the next day.
    pub end_minute: u16,
    /// On which days it starts, Monday first; none is every day.
    pub days: Option<[bool; 7]>,
    /// Breaks by the clock, start and end. One that starts before the shift's start by the clock is on the
    /// day after, and one that ends at or before its start ends on the day after its start. None when
    /// nobody knows when they are.
    pub breaks: Option<Vec<(u16, u16)>>,
    /// How long they are; counts only where `breaks` is none.
    pub break_minutes: u32,
}

/// One shift on one date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// The local date on which it starts, or by the clock would.
    pub date: Date,
    /// From start to before end; microseconds since 2000-01-01 UTC.
    pub window: Window,
    /// Its breaks, in the pattern's order; not cut to the window.
    pub breaks: Vec<Window>,
    /// Break minutes of which nobody knows when they are; 0 where the breaks are known.
    pub break_minutes: u32,
}

/// The shifts that start on the dates `from` to `to`, both included, in order. A shift that falls into a
/// jump of the clock as a whole has no length on that date and is left out.
pub fn instances(
    pattern: &Pattern,
    zone: &str,
    from: Date,
    to: Date,
) -> Result<Vec<Instance>, CalendarError> {
    let zone = zone_named(zone)?;
    let breaks = pattern.breaks.iter().flatten().flat_map(|(start, end)| [*start, *end]);
    for minute in [pattern.start_minute, pattern.end_minute].into_iter().chain(breaks) {
        if minute > DAY_MINUTES {
            return Err(CalendarError::Minute { code: pattern.code.clone(), minute });
        }
    }
    let length = from.until(to).map_or(i32::MAX, |span| span.get_days());
    if from > to || length > DATES_MAX {
        return Err(CalendarError::Dates { from, to });
    }
    let mut found = Vec::new();
    let mut date = Some(from);
    while let Some(day) = date.filter(|day| *day <= to) {
        if starts_on(pattern, day) {
            let instance = instance(pattern, &zone, day)
                .ok_or_else(|| CalendarError::Range { code: pattern.code.clone(), date: day })?;
            found.extend((!instance.window.is_empty()).then_some(instance));
        }
        date = day.tomorrow().ok();
    }
    Ok(found)
}

fn starts_on(pattern: &Pattern, day: Date) -> bool {
    let index = usize::from(day.weekday().since(Weekday::Monday).unsigned_abs());
    pattern.days.is_none_or(|days| days.get(index).copied().unwrap_or(false))
}

fn instance(pattern: &Pattern, zone: &TimeZone, date: Date) -> Option<Instance> {
    let after = |day: Date, minute: u16, start: u16| {
        if minute <= start { day.tomorrow().ok() } else { Some(day) }
    };
    let end_date = after(date, pattern.end_minute, pattern.start_minute)?;
    let start = snapped(zone, at(date, pattern.start_minute)?)?;
    let end = snapped(zone, at(end_date, pattern.end_minute)?)?;
    let mut breaks = Vec::new();
    for (from, to) in pattern.breaks.iter().flatten() {
        let day = if *from < pattern.start_minute { date.tomorrow().ok()? } else { date };
        let from_us = pushed(zone, at(day, *from)?)?;
        let to_us = pushed(zone, at(after(day, *to, *from)?, *to)?)?;
        breaks.push(Window::new(from_us, to_us));
    }
    let break_minutes = if pattern.breaks.is_some() { 0 } else { pattern.break_minutes };
    Some(Instance { date, window: Window::new(start, end), breaks, break_minutes })
}

/// The clock's face at a minute of a day; at 1440 that of the next one.
fn at(date: Date, minute: u16) -> Option<DateTime> {
    let date = if minute == DAY_MINUTES { date.tomorrow().ok()? } else { date };
    let minute = minute % DAY_MINUTES;
    let (hour, minute) = (i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?);
    Some(date.at(hour, minute, 0, 0))
}

/// The zone of the bundled database.
pub fn zone_named(name: &str) -> Result<TimeZone, CalendarError> {
    // The bundle has it, but it is what is meant by "I do not know".
    let known = name != "Etc/Unknown";
    let zone = TimeZoneDatabase::bundled().get(name).ok();
    zone.filter(|_| known).ok_or_else(|| CalendarError::Zone(name.to_owned()))
}

/// A bound of a shift: the instant of the jump if the clock never shows it, the second if it shows it
/// twice. None beyond the range of times.
pub fn snapped(zone: &TimeZone, clock: DateTime) -> Option<i64> {
    let AmbiguousOffset::Gap { before, .. } = zone.to_ambiguous_zoned(clock).offset() else {
        return pushed(zone, clock);
    };
    // Read with the offset before the jump, the clock's face lies at the jump or less than its length behind.
    let behind =
        before.to_timestamp(clock).ok()?.checked_add(SignedDuration::from_micros(1)).ok()?;
    let jump = zone.preceding(behind).next()?;
    Some(jump.timestamp().as_microsecond() - EPOCH_US)
}

/// As PostgreSQL reads a clock: one that is never shown is pushed on, of one that is shown twice the second.
fn pushed(zone: &TimeZone, clock: DateTime) -> Option<i64> {
    let ambiguous = zone.to_ambiguous_zoned(clock);
    let offset = match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { offset } => offset,
        AmbiguousOffset::Gap { before, .. } => before,
        AmbiguousOffset::Fold { after, .. } => after,
    };
    Some(offset.to_timestamp(clock).ok()?.as_microsecond() - EPOCH_US)
}

#[cfg(test)]
mod tests;
