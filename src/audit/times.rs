//! What one value says about time, and what the values of a column say together.
//!
//! A **reading** is what a clock showed, in µs since 2000-01-01 as if it had been UTC; an **instant** is
//! one that carries its own offset. Nothing here decides what a reading means.

use std::collections::HashMap;

use super::AuditError;
use crate::batch::ValueRef;
use crate::transform::clock::{Clock, Policy, TimeError};

/// µs of a second, a minute, an hour, a day.
pub(super) const SECOND: i64 = 1_000_000;
pub(super) const MINUTE: i64 = 60 * SECOND;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;
/// Readings are counted by quarter hours: every change of a clock begins and ends on one.
pub(super) const BIN: i64 = 15 * MINUTE;
/// 1970-01-01 on the count since 2000-01-01, in seconds.
pub(super) const UNIX_EPOCH_S: i64 = -946_684_800;

/// A value that was read as a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// A wall clock's reading: no offset, no `Z`.
    Reading(i64),
    /// It ends in `Z`.
    Zed(i64),
    /// It carries an offset.
    Offset(i64),
    /// A date alone, as its midnight.
    Date(i64),
    /// A number that counts since 1970, by its unit.
    Epoch(Unit, i64),
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// Seconds.
    S,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
    /// Nanoseconds.
    Ns,
}

impl Unit {
    /// As the policy spells it.
    pub fn word(self) -> &'static str {
        match self {
            Self::S => "s",
            Self::Ms => "ms",
            Self::Us => "us",
            Self::Ns => "ns",
        }
    }
}

/// Reads values.
pub(super) struct Reader {
    naive: Clock,
    date: Clock,
}

impl Reader {
    pub(super) fn new() -> Result<Self, AuditError> {
        let clock = |policy| {
            let policy = Policy::parse(None, policy).map_err(|_| AuditError::Internal);
            policy.map(|policy| Clock::new(&policy))
        };
        Ok(Self { naive: clock("naive=utc")?, date: clock("naive=utc;date=midnight")? })
    }

    /// The moment of a value; `None` if it is none. A number is one only by its size.
    pub(super) fn read(&mut self, value: ValueRef<'_>) -> Option<Moment> {
        match value {
            ValueRef::Text(text) => self.text(text),
            ValueRef::Integer(number) => epoch(number),
            ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => None,
        }
    }

    fn text(&mut self, text: &[u8]) -> Option<Moment> {
        // Most texts are no times, and most of these do not begin with a digit.
        if !text.first()?.is_ascii_digit() || !(8..=40).contains(&text.len()) {
            return None;
        }
        let value = ValueRef::Text(text);
        match self.naive.instant(value) {
            Ok(at) => {
                let at = at?;
                let tail = text.get(11..).unwrap_or_default();
                Some(match text.last() {
                    Some(b'Z' | b'z') => Moment::Zed(at),
                    _ if tail.iter().any(|byte| matches!(byte, b'+' | b'-')) => Moment::Offset(at),
                    _ => Moment::Reading(at),
                })
            }
            Err(TimeError::DateOnly) => self.date.instant(value).ok()?.map(Moment::Date),
            Err(_) => None,
        }
    }
}

/// From 1990 to 2040, so that counts of other things are seldom taken for times.
const EPOCH_S: std::ops::Range<i64> = 631_152_000..2_208_988_800;

fn epoch(number: i64) -> Option<Moment> {
    let units = [(Unit::S, 1), (Unit::Ms, 1_000), (Unit::Us, 1_000_000), (Unit::Ns, 1_000_000_000)];
    let (unit, per_second) =
        units.into_iter().find(|(_, per)| EPOCH_S.contains(&number.div_euclid(*per)))?;
    let us = i128::from(number) * 1_000_000 / i128::from(per_second);
    let us = i64::try_from(us).ok()?;
    Some(Moment::Epoch(unit, us + UNIX_EPOCH_S * SECOND))
}

/// A place where a column that rises with the key steps back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepBack {
    /// The number of the row before, and of the row.
    pub ids: (i64, i64),
    /// The reading before.
    pub from: i64,
    /// The reading.
    pub to: i64,
}

/// Where a reading follows an instant in the order of the key, or the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seam {
    /// Reading less instant: the offset, and the time that passed between the rows or less.
    pub difference: i64,
    /// The longest that passed between two of the rows before.
    pub step: i64,
    /// The reading came second.
    pub reading_last: bool,
    /// The instant.
    pub instant: i64,
}

/// Places that are remembered of one column.
const PLACES_MAX: usize = 2_000;
/// Smaller steps back are rows that overtook each other.
const STEP_BACK_MIN: i64 = 5 * MINUTE;
/// Quarter hours that are counted: some sixty years.
const BINS_MAX: usize = 2_000_000;

/// What the values of one column say together.
#[derive(Clone, Debug, Default)]
pub struct Times {
    /// Readings, values with `Z`, with an offset, dates.
    pub readings: u64,
    /// Values that end in `Z`.
    pub zeds: u64,
    /// Values with an offset.
    pub offsets: u64,
    /// Dates alone.
    pub dates: u64,
    /// Numbers that count since 1970, by unit.
    pub epochs: HashMap<Unit, u64>,
    /// Smallest and largest reading.
    pub reading_range: Option<(i64, i64)>,
    /// Smallest and largest instant.
    pub instant_range: Option<(i64, i64)>,
    /// Readings by quarter hour.
    pub bins: HashMap<i64, u32>,
    /// The distinct times of day of readings, while they are few; µs since midnight.
    pub times_of_day: Vec<i64>,
    /// Steps back of readings by more than five minutes.
    pub steps_back: Vec<StepBack>,
    /// All of them.
    pub step_back_count: u64,
    /// Changes between readings and instants.
    pub seams: Vec<Seam>,
    last: Option<(i64, Moment)>,
    /// The longest step forward among the instants and the readings of late.
    step: i64,
    /// The longest of them all.
    steps: [i64; 6],
    bin: (i64, u32),
}

/// Times of day that still are a schedule.
pub(super) const SCHEDULE_MAX: usize = 4;

impl Times {
    /// Takes the next value in the order of the key.
    pub(super) fn add(&mut self, id: i64, moment: Moment) {
        match moment {
            Moment::Reading(at) => {
                self.readings += 1;
                self.reading_range = widened(self.reading_range, at);
                self.count(at);
                let of_day = at.rem_euclid(DAY);
                if self.times_of_day.len() <= SCHEDULE_MAX && !self.times_of_day.contains(&of_day) {
                    self.times_of_day.push(of_day);
                }
            }
            Moment::Zed(at) => {
                self.zeds += 1;
                self.instant_range = widened(self.instant_range, at);
            }
            Moment::Offset(at) => {
                self.offsets += 1;
                self.instant_range = widened(self.instant_range, at);
            }
            Moment::Epoch(unit, at) => {
                *self.epochs.entry(unit).or_default() += 1;
                self.instant_range = widened(self.instant_range, at);
            }
            Moment::Date(_) => self.dates += 1,
        }
        self.follow(id, moment);
        self.last = Some((id, moment));
    }

    fn count(&mut self, at: i64) {
        let bin = at.div_euclid(BIN);
        if bin == self.bin.0 {
            self.bin.1 = self.bin.1.saturating_add(1);
            return;
        }
        self.flush();
        self.bin = (bin, 1);
    }

    fn flush(&mut self) {
        let (bin, count) = self.bin;
        if count > 0 && (self.bins.len() < BINS_MAX || self.bins.contains_key(&bin)) {
            let held = self.bins.entry(bin).or_default();
            *held = held.saturating_add(count);
        }
        self.bin.1 = 0;
    }

    fn follow(&mut self, id: i64, moment: Moment) {
        let Some((last_id, last)) = self.last else { return };
        let (at, before) = (at(moment), at(last));
        match (is_reading(last), is_reading(moment)) {
            (before_is, now_is) if before_is == now_is && at < before - STEP_BACK_MIN => {
                self.step_back_count += 1;
                if now_is && self.steps_back.len() < PLACES_MAX {
                    let ids = (last_id, id);
                    let place = StepBack { ids, from: before, to: at };
                    self.steps_back.push(place);
                }
            }
            // A pause of months would make the step say nothing.
            (before_is, now_is) if before_is == now_is => {
                let step = (at - before).min(DAY);
                self.step = self.step.max(step);
                if let Some(least) = self.steps.iter_mut().min().filter(|least| **least < step) {
                    *least = step;
                }
            }
            (_, reading_last) if self.seams.len() < PLACES_MAX => {
                let (reading, instant) = if reading_last { (at, before) } else { (before, at) };
                let difference = reading - instant;
                self.seams.push(Seam { difference, step: self.step, reading_last, instant });
            }
            _ => {}
        }
    }

    /// When the last value was taken.
    pub(super) fn finish(&mut self) {
        self.flush();
    }

    /// Numbers that count since 1970.
    pub fn epoch_count(&self) -> u64 {
        self.epochs.values().sum()
    }

    /// The unit of nearly all of the numbers.
    pub fn unit(&self) -> Option<Unit> {
        let (unit, count) = self.epochs.iter().max_by_key(|(unit, count)| (**count, **unit))?;
        (count * 100 >= self.epoch_count() * 99).then_some(*unit)
    }

    /// Values that are instants or readings.
    pub fn moments(&self) -> u64 {
        self.readings + self.zeds + self.offsets + self.epoch_count()
    }

    /// Whether times rise with the key, but for rare places.
    pub fn is_rising(&self) -> bool {
        self.moments() >= 2 && self.step_back_count * 200 <= self.moments()
    }

    /// Whether all readings show one of a few times of day.
    pub fn is_schedule(&self) -> bool {
        self.readings >= 50 && self.times_of_day.len() <= SCHEDULE_MAX
    }

    /// How long it takes from one row to the next at most, but for a few outages and the changes of a
    /// clock themselves.
    pub(super) fn usual_step(&self) -> i64 {
        self.steps.iter().copied().min().unwrap_or(0)
    }

    /// From the smallest to the largest, whatever kind they are.
    pub fn range(&self) -> Option<(i64, i64)> {
        match (self.reading_range, self.instant_range) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        }
    }

    /// Rows a month: the average, and that of the last month.
    pub fn growth(&self) -> Option<(u64, u64)> {
        let (low, high) = self.range()?;
        let all = self.moments();
        let months = ((high - low) / (30 * DAY)).max(1);
        let average = all / u64::try_from(months).unwrap_or(1);
        let from = (high - 30 * DAY).div_euclid(BIN);
        let last = self.bins.iter().filter(|(bin, _)| **bin > from).map(|(_, n)| u64::from(*n));
        let last: u64 = last.sum();
        Some((average, if self.readings == all { last } else { average.max(last) }))
    }
}

fn widened(range: Option<(i64, i64)>, at: i64) -> Option<(i64, i64)> {
    let (low, high) = range.unwrap_or((at, at));
    Some((low.min(at), high.max(at)))
}

fn is_reading(moment: Moment) -> bool {
    matches!(moment, Moment::Reading(_) | Moment::Date(_))
}

/// The µs of a moment, whatever its kind.
pub(super) fn at(moment: Moment) -> i64 {
    match moment {
        Moment::Reading(at)
        | Moment::Zed(at)
        | Moment::Offset(at)
        | Moment::Date(at)
        | Moment::Epoch(_, at) => at,
    }
}

/// `2024-08-01 10:00:00` of a reading.
pub(super) fn shown(reading: i64) -> String {
    crate::transform::clock::format_utc(reading).replace('T', " ").replace('Z', "")
}

/// `+02:00` of an offset in µs.
pub(super) fn offset_shown(offset: i64) -> String {
    let sign = if offset < 0 { '-' } else { '+' };
    let minutes = offset.abs() / MINUTE;
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// `1 h 30 min` of a length in µs.
pub(super) fn length_shown(length: i64) -> String {
    let sign = if length < 0 { "-" } else { "" };
    let seconds = length.abs() / SECOND;
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{sign}{seconds} s"),
        (0, minutes, _) => format!("{sign}{minutes} min"),
        (hours, 0, _) => format!("{sign}{hours} h"),
        (hours, minutes, _) => format!("{sign}{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_apart() {
        let mut reader = Reader::new().unwrap();
        let mut read = |text: &str| reader.read(ValueRef::Text(text.as_bytes()));
        assert_eq!(read("2000-01-01 00:00:01"), Some(Moment::Reading(SECOND)));
        assert_eq!(read("2000-01-01T00:00:01Z"), Some(Moment::Zed(SECOND)));
        assert_eq!(read("2000-01-01 02:00:01+02:00"), Some(Moment::Offset(SECOND)));
        assert_eq!(read("2000-01-02"), Some(Moment::Date(DAY)));
        for text in ["", "n/a", "2024-13-45 99:00:00", "12", "PO-1000"] {
            assert_eq!(read(text), None, "{text}");
        }
        let ms = reader.read(ValueRef::Integer(946_684_801_000));
        assert_eq!(ms, Some(Moment::Epoch(Unit::Ms, SECOND)));
        assert_eq!(reader.read(ValueRef::Integer(20_240_801)), None);
    }

    #[test]
    fn steps_back_and_seams_are_noted() {
        let mut times = Times::default();
        for (id, at) in [(1, 0), (2, HOUR), (3, 0), (5, 2 * HOUR)] {
            times.add(id, Moment::Reading(at));
        }
        times.add(6, Moment::Epoch(Unit::S, HOUR));
        times.finish();
        assert_eq!(times.steps_back.len(), 1);
        let place = times.steps_back[0];
        assert_eq!((place.ids, place.from, place.to), ((2, 3), HOUR, 0));
        assert_eq!(times.seams.len(), 1);
        assert_eq!(times.seams[0].difference, HOUR);
        assert_eq!(times.bins[&0], 2);
    }
}
