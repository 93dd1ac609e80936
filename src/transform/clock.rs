//! Local time to UTC: one value of a source to PostgreSQL's microseconds since 2000-01-01.
//!
//! A [`Policy`] says what the values of a column mean; a [`Clock`] is the policy made ready, with
//! the table of its zone. Everything is decided a value at a time, by its storage class, in this
//! order: NULL (null, blank text, sentinel), shape, fields, the date alone, second 60 and 24:00,
//! what it says of its offset, gap and fold, range, plausibility. What could mean two things is an
//! error under the default policy; nothing is guessed. Text of digits is a number once `unit` is
//! declared, and no layout before that. Guarantees: no input panics, and the same policy, state and
//! value give the same answer under one version of the time-zone database. Knows no clock of its
//! own, no row, no file.

mod civil;
mod error;
mod fold;
mod grammar;
mod number;
mod parse;
mod plain;
mod policy;
mod problem;
mod trial;
mod zone;

#[cfg(test)]
mod cases;
#[cfg(test)]
mod fold_properties;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use civil::format_utc;
pub use error::TimeError;
pub use fold::FoldState;
pub use policy::Policy;
pub use problem::{PolicyError, PolicyProblem};
pub use trial::{trial_line, trial_refusal};
pub use zone::{tzdb_version, zone_transitions_digest};

use crate::batch::ValueRef;
use civil::{DAY, PG_MAX, PG_MIN, SECOND, days_from_civil, days_in_month};
use fold::Choice;
use grammar::{Bounds, Date, EpochRef, Fold, Gap, H24, Layout, Leap, Naive, Offset, Unit, Zed};
use number::{Counted, Exact};
use parse::{Half, Suffix, Time, Written};
use zone::{Local, SpanTable};

/// A policy made ready for use on one column of one lane.
#[derive(Clone, Debug)]
pub struct Clock {
    policy: Policy,
    /// What a reading without an offset is read in.
    naive: Option<SpanTable>,
    /// The policy's zone.
    zone: Option<SpanTable>,
    /// Whether the common shapes need none of the rare rules.
    plain: bool,
    /// Days that stand for NULL.
    sentinel_days: Vec<i64>,
    first: i64,
    last: i64,
}

/// Whose clock a reading was taken from.
#[derive(Clone, Copy)]
enum Wall {
    Naive,
    Zone,
}

impl Clock {
    /// Makes a policy ready; builds the zone's table, some hundred microseconds.
    #[must_use]
    pub fn new(policy: &Policy) -> Clock {
        let zone = policy.zone().and_then(SpanTable::of_zone);
        let naive = match policy.naive {
            Naive::Zone => zone.clone(),
            Naive::Fixed(offset) => Some(SpanTable::fixed(offset)),
            Naive::Reject => None,
        };
        let sentinel_days = policy.sentinel_days();
        let plain = policy.layout == Layout::Iso && sentinel_days.is_some();
        let sentinel_days = sentinel_days.unwrap_or_default();
        let (first, last) = policy.plausible().unwrap_or((PG_MIN, PG_MAX));
        Clock { policy: policy.clone(), naive, zone, plain, sentinel_days, first, last }
    }

    /// The instant of a value, or `None` for NULL; `i64::MIN` and `i64::MAX` are the infinities.
    ///
    /// # Errors
    /// Why the value is no instant under the policy. `fold=infer` refuses every fold here.
    #[inline]
    pub fn instant(&mut self, value: ValueRef<'_>) -> Result<Option<i64>, TimeError> {
        match self.plain(value) {
            Some(at) => Ok(Some(at)),
            None => self.read(value, None),
        }
    }

    /// As [`Clock::instant`], with folds told from the rows before if the policy says `fold=infer`.
    ///
    /// # Errors
    /// As [`Clock::instant`]; a refused fold leaves a doubt in the state, anything else leaves it alone.
    pub fn instant_inferred(
        &mut self,
        value: ValueRef<'_>,
        state: &mut FoldState,
    ) -> Result<Option<i64>, TimeError> {
        if !self.policy.infers_fold() {
            return self.instant(value);
        }
        let at = match self.plain(value) {
            Some(at) => Some(at),
            None => self.read(value, Some(&mut *state))?,
        };
        if let Some(at) = at.filter(|at| (PG_MIN..=PG_MAX).contains(at)) {
            state.note(at);
        }
        Ok(at)
    }

    /// The common cases and nothing else: what this declines goes the long way.
    #[inline]
    fn plain(&mut self, value: ValueRef<'_>) -> Option<i64> {
        if !self.plain {
            return None;
        }
        let (reading, is_utc) = match value {
            ValueRef::Text(text) => plain::text(text)?,
            ValueRef::Integer(value) if self.policy.epoch_ref == EpochRef::Utc => {
                (plain::integer(value, self.policy.unit)?, true)
            }
            _ => return None,
        };
        if !self.sentinel_days.is_empty() && self.sentinel_days.contains(&reading.div_euclid(DAY)) {
            return None;
        }
        let at = match (is_utc, value) {
            (false, _) => reading - self.naive.as_mut()?.only(reading)?,
            (true, ValueRef::Text(_)) if self.policy.zed != Zed::Utc => return None,
            (true, _) => reading,
        };
        (self.first <= at && at <= self.last).then_some(at)
    }

    fn read(
        &mut self,
        value: ValueRef<'_>,
        state: Option<&mut FoldState>,
    ) -> Result<Option<i64>, TimeError> {
        let number = match value {
            ValueRef::Null => return Ok(None),
            ValueRef::Blob(_) => return Err(TimeError::Type),
            ValueRef::Text(text) => return self.text(text, state),
            ValueRef::Integer(value) => {
                if self.policy.is_sentinel_integer(value) {
                    return Ok(None);
                }
                Exact::integer(value)
            }
            ValueRef::Real(_) if self.policy.unit == Unit::None => {
                return Err(TimeError::Unit);
            }
            ValueRef::Real(value) => match Exact::real(value) {
                Some(number) => number,
                None => return self.endless(value).map(Some).ok_or(TimeError::Range),
            },
        };
        self.number(number, state)
    }

    fn endless(&self, value: f64) -> Option<i64> {
        let allowed = self.policy.bounds == Bounds::PgInfinity && value.is_infinite();
        allowed.then_some(if value > 0.0 { i64::MAX } else { i64::MIN })
    }

    fn number(
        &mut self,
        number: Exact,
        state: Option<&mut FoldState>,
    ) -> Result<Option<i64>, TimeError> {
        let policy = &self.policy;
        let counted = number::counted(number, policy.unit, policy.epoch_ref, policy.frac)?;
        let (reading, wall) = match counted {
            Counted::Date(year, month, day) => {
                // Six digits are YYMMDD, not a day of the year 24.
                if year < 1_000 && !self.policy.is_sentinel_date(year, month, day) {
                    return Err(TimeError::Field);
                }
                return self.written(&Written::date(year, month, day), state);
            }
            Counted::Instant(at) => (at, None),
            Counted::Zone(reading) => (reading, Some(Wall::Zone)),
            Counted::Naive(reading) => (reading, Some(Wall::Naive)),
        };
        if self.policy.is_sentinel_reading(reading) {
            return Ok(None);
        }
        let at = match wall {
            None => reading,
            Some(wall) => self.resolve(reading, wall, state)?,
        };
        self.bounded(at).map(Some)
    }

    fn text(
        &mut self,
        text: &[u8],
        state: Option<&mut FoldState>,
    ) -> Result<Option<i64>, TimeError> {
        let text = parse::trim(text);
        if text.is_empty() || self.policy.is_sentinel_text(text) {
            return Ok(None);
        }
        if self.policy.unit != Unit::None
            && let Some(number) = Exact::text(text)
        {
            return self.number(number, state);
        }
        if self.policy.bounds == Bounds::PgInfinity
            && let Some(at) = infinity(text)
        {
            return Ok(Some(at));
        }
        let written = parse::parse(text, self.policy.layout).ok_or(TimeError::Parse)?;
        self.written(&written, state)
    }

    fn written(
        &mut self,
        written: &Written,
        state: Option<&mut FoldState>,
    ) -> Result<Option<i64>, TimeError> {
        if self.policy.is_sentinel_date(written.year, written.month, written.day) {
            return Ok(None);
        }
        let midnight = days(written)?.checked_mul(DAY).ok_or(TimeError::Range)?;
        let Some(time) = &written.time else {
            return self.date(midnight, state).and_then(|at| self.bounded(at)).map(Some);
        };
        let of_day = of_day(time, &self.policy)?;
        let reading = midnight.checked_add(of_day).ok_or(TimeError::Range)?;
        let at = match written.suffix {
            Suffix::None => self.resolve(reading, Wall::Naive, state)?,
            Suffix::Zed => match self.policy.zed {
                Zed::Utc => reading,
                Zed::Zone => self.resolve(reading, Wall::Zone, state)?,
                Zed::Reject => return Err(TimeError::ZUntrusted),
            },
            Suffix::Offset(offset) => {
                let offset = offset.ok_or(TimeError::Offset)?;
                match self.policy.offset {
                    Offset::Honour => reading.checked_sub(offset).ok_or(TimeError::Range)?,
                    Offset::AsZone => self.resolve(reading, Wall::Zone, state)?,
                    Offset::Match => self.matched(reading, offset)?,
                }
            }
        };
        self.bounded(at).map(Some)
    }

    /// The instant of a date alone.
    fn date(&mut self, midnight: i64, state: Option<&mut FoldState>) -> Result<i64, TimeError> {
        match self.policy.date {
            Date::Reject => Err(TimeError::DateOnly),
            Date::Midnight => self.resolve(midnight, Wall::Naive, state),
            Date::StartOfDay => match self.table(Wall::Naive)?.lookup(midnight) {
                Local::One { offset } | Local::Fold { before: offset, .. } => {
                    midnight.checked_sub(offset).ok_or(TimeError::Range)
                }
                // The first reading after the gap, unless the zone skipped the day itself.
                Local::Gap { after, at, .. } if at.saturating_add(after) - midnight < DAY => Ok(at),
                Local::Gap { .. } => Err(TimeError::Gap),
            },
        }
    }

    fn table(&mut self, wall: Wall) -> Result<&mut SpanTable, TimeError> {
        let table = match wall {
            Wall::Naive => &mut self.naive,
            Wall::Zone => &mut self.zone,
        };
        table.as_mut().ok_or(TimeError::Naive)
    }

    /// The instant of a reading, by the policy's word on gaps and folds.
    fn resolve(
        &mut self,
        reading: i64,
        wall: Wall,
        state: Option<&mut FoldState>,
    ) -> Result<i64, TimeError> {
        let offset = match self.table(wall)?.lookup(reading) {
            Local::One { offset } => offset,
            Local::Gap { before, after, at } => match self.policy.gap {
                Gap::Reject => return Err(TimeError::Gap),
                Gap::Forward => before,
                Gap::Backward => after,
                Gap::Snap => return Ok(at),
            },
            Local::Fold { before, after } => match self.policy.fold {
                Fold::Reject => return Err(TimeError::Fold),
                Fold::Earlier => before,
                Fold::Later => after,
                Fold::Infer => {
                    match state.and_then(|s| s.choose(reading - before, reading - after)) {
                        Some(Choice::Earlier) => before,
                        Some(Choice::Later) => after,
                        None => return Err(TimeError::Fold),
                    }
                }
            },
        };
        reading.checked_sub(offset).ok_or(TimeError::Range)
    }

    /// The instant of a reading with an offset, if the zone had that offset then.
    fn matched(&mut self, reading: i64, offset: i64) -> Result<i64, TimeError> {
        let known = match self.table(Wall::Zone)?.lookup(reading) {
            Local::One { offset: own } => own == offset,
            Local::Fold { before, after } => before == offset || after == offset,
            Local::Gap { .. } => false,
        };
        if !known {
            return Err(TimeError::OffsetMismatch);
        }
        reading.checked_sub(offset).ok_or(TimeError::Range)
    }

    fn bounded(&self, at: i64) -> Result<i64, TimeError> {
        match at {
            _ if !(PG_MIN..=PG_MAX).contains(&at) => Err(TimeError::Range),
            _ if at < self.first || at > self.last => Err(TimeError::Implausible),
            _ => Ok(at),
        }
    }
}

/// A value for a date column: days since 2000-01-01, or `None` for NULL.
///
/// Only whole days pass: a time of day other than midnight is `ERR_PRECISION`, whatever `frac`
/// says. The date is the one that is written; `Z`, offset and zone do not move it.
///
/// # Errors
/// Why the value is no date under the policy.
pub fn date_days(value: ValueRef<'_>, policy: &Policy) -> Result<Option<i32>, TimeError> {
    let mut clock = Clock::new(&policy.for_dates());
    clock.zone = Some(SpanTable::fixed(0));
    let Some(at) = clock.read(value, None)? else { return Ok(None) };
    match at {
        i64::MIN => Ok(Some(i32::MIN)),
        i64::MAX => Ok(Some(i32::MAX)),
        _ if at.rem_euclid(DAY) != 0 => Err(TimeError::Precision),
        _ => i32::try_from(at.div_euclid(DAY)).map(Some).map_err(|_| TimeError::Range),
    }
}

fn infinity(text: &[u8]) -> Option<i64> {
    let (sign, word) = match text.split_first()? {
        (b'-', word) => (i64::MIN, word),
        (b'+', word) => (i64::MAX, word),
        _ => (i64::MAX, text),
    };
    word.eq_ignore_ascii_case(b"infinity").then_some(sign)
}

/// Days since 2000-01-01 of a written date, if there is such a date.
fn days(written: &Written) -> Result<i64, TimeError> {
    let Written { year, month, day, weekday, .. } = *written;
    if year < 1 || !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day) {
        return Err(TimeError::Field);
    }
    let days = days_from_civil(year, month, day);
    // 2000-01-01 was a Saturday.
    match weekday {
        Some(weekday) if (days + 6).rem_euclid(7) != weekday => Err(TimeError::Field),
        _ => Ok(days),
    }
}

/// Microseconds since midnight of a written time.
fn of_day(time: &Time, policy: &Policy) -> Result<i64, TimeError> {
    let hour = match time.half {
        None => time.hour,
        Some(_) if !(1..=12).contains(&time.hour) => return Err(TimeError::Field),
        Some(half) => time.hour % 12 + if half == Half::Pm { 12 } else { 0 },
    };
    if hour > 24 || time.minute > 59 || time.second > 60 {
        return Err(TimeError::Field);
    }
    let exact_hour = time.minute == 0 && time.second == 0 && time.micros == 0;
    if hour == 24 && !(exact_hour && time.rest == parse::Rest::Zero && policy.h24 == H24::Roll) {
        return Err(TimeError::Field);
    }
    let second = match (time.second, policy.leap) {
        (60, Leap::Reject) => return Err(TimeError::Leap),
        (60, Leap::Clamp) => 59,
        (second, _) => second,
    };
    let micros = time.micros + number::carry(time.rest, time.micros % 2 != 0, policy.frac)?;
    Ok(((hour * 60 + time.minute) * 60 + second) * SECOND + micros)
}
