//! Numbers to microseconds: every unit of the policy, exactly, in 128-bit fractions.
//!
//! Nothing is computed in floating point. A REAL is the fraction its bits say, and it is taken for
//! the nearest microsecond if that lies within its own resolution (one step of the last bit):
//! 1722506400.1 means .100000, not the .099999904 of its bits. What a value says below a
//! microsecond beyond that is for `frac` to judge. Julian days and Excel serials are rounded to
//! milliseconds: a REAL Julian day resolves 40 µs, and Excel itself counts in milliseconds.

use super::civil::{DAY, UNIX_EPOCH, days_from_civil};
use super::error::TimeError;
use super::grammar::{EpochRef, Frac, Unit};
use super::parse::Rest;

/// A number as an exact fraction, and the size of its last binary digit in the same fraction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Exact {
    num: i128,
    den: i128,
    step: i128,
}

/// What a number with a unit is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Counted {
    /// An instant.
    Instant(i64),
    /// A reading of the clock in the policy's zone (`epoch_ref=zone`).
    Zone(i64),
    /// A reading that means what a naive text means (Excel).
    Naive(i64),
    /// A date: year, month, day, not yet judged.
    Date(i64, i64, i64),
}

const HALF_DAY_MS: i128 = 43_200_000;
const DAY_MS: i128 = 86_400_000;
/// 1970-01-01 as a Julian day is 2,440,587.5.
const JULIAN_UNIX_HALF_DAYS: i128 = 4_881_175;
/// 9999-12-31, the last day Excel knows.
const EXCEL_LAST: i128 = 2_958_465;
/// The last tick of 9999, `DateTime.MaxValue`.
const DOTNET_LAST: i128 = 3_155_378_975_999_999_999;

impl Exact {
    /// A whole number.
    pub(super) fn integer(value: i64) -> Exact {
        Exact { num: i128::from(value), den: 1, step: 0 }
    }

    /// The fraction that a float's bits say; `None` for NaN, infinities and all beyond 2^112.
    pub(super) fn real(value: f64) -> Option<Exact> {
        if !value.is_finite() {
            return None;
        }
        let bits = value.abs().to_bits();
        let (exponent, fraction) = (i64::try_from(bits >> 52).ok()?, bits & ((1 << 52) - 1));
        let num = i128::from(fraction | (1 << 52)) * if value < 0.0 { -1 } else { 1 };
        let exponent = exponent - 1_075;
        let shift = u32::try_from(exponent.unsigned_abs()).ok()?;
        match exponent {
            0..=59 => Some(Exact { num: num << shift, den: 1, step: 1 << shift }),
            60.. => None,
            -100..=-1 => Some(Exact { num, den: 1 << shift, step: 1 }),
            // Below 2^-47 of any unit: nothing.
            _ => Some(Exact::integer(0)),
        }
    }

    /// `[+-]digits[.digits]`; `None` for any other text and for more than 36 digits.
    pub(super) fn text(text: &[u8]) -> Option<Exact> {
        let (negative, digits) = match text.split_first()? {
            (b'-', rest) => (true, rest),
            (b'+', rest) => (false, rest),
            _ => (false, text),
        };
        let (mut num, mut den, mut count) = (0_i128, 1_i128, 0);
        let mut point = false;
        for (place, byte) in digits.iter().enumerate() {
            match byte {
                b'0'..=b'9' if count < 36 => {
                    num = num * 10 + i128::from(byte - b'0');
                    den *= if point { 10 } else { 1 };
                    count += 1;
                }
                b'.' if !point && place > 0 && place + 1 < digits.len() => point = true,
                _ => return None,
            }
        }
        let num = if negative { -num } else { num };
        (count > 0).then_some(Exact { num, den, step: 0 })
    }

    fn is_whole(&self) -> bool {
        self.num % self.den == 0
    }

    /// The number times `mul / div`, to the whole number that `frac` asks for.
    fn times(&self, mul: i128, div: i128, frac: Frac) -> Result<i128, TimeError> {
        let num = self.num.checked_mul(mul).ok_or(TimeError::Range)?;
        let den = self.den.checked_mul(div).ok_or(TimeError::Range)?;
        let step = self.step.checked_mul(mul).ok_or(TimeError::Range)?;
        let (floor, below) = (num.div_euclid(den), num.rem_euclid(den));
        let above = den - below;
        if below == 0 || (below <= step && below <= above) {
            return Ok(floor);
        }
        if above <= step {
            return Ok(floor + 1);
        }
        let rest = match below.cmp(&above) {
            std::cmp::Ordering::Less => Rest::Low,
            std::cmp::Ordering::Equal => Rest::Half,
            std::cmp::Ordering::Greater => Rest::High,
        };
        Ok(floor + i128::from(carry(rest, floor % 2 != 0, frac)?))
    }

    /// The nearest whole number of `parts` a unit, ties upward.
    fn nearest(&self, parts: i128) -> Result<i128, TimeError> {
        let twice = self.num.checked_mul(2 * parts).and_then(|num| num.checked_add(self.den));
        Ok(twice.ok_or(TimeError::Range)?.div_euclid(2 * self.den))
    }
}

/// What is added to a count of microseconds for what lies below it: 0 or 1. Ties go to the even
/// microsecond, as in PostgreSQL.
pub(super) fn carry(rest: Rest, odd: bool, frac: Frac) -> Result<i64, TimeError> {
    match (frac, rest) {
        (_, Rest::Zero) | (Frac::Trunc, _) => Ok(0),
        (Frac::Reject, _) => Err(TimeError::Precision),
        (Frac::Round, rest) => Ok(i64::from(rest == Rest::High || rest == Rest::Half && odd)),
    }
}

/// What a number means in a unit.
pub(super) fn counted(
    number: Exact,
    unit: Unit,
    epoch_ref: EpochRef,
    frac: Frac,
) -> Result<Counted, TimeError> {
    let unit = if unit == Unit::Auto { guess(number).ok_or(TimeError::Unit)? } else { unit };
    let from_unix = |micros: i128| micros + i128::from(UNIX_EPOCH);
    let micros = match unit {
        Unit::None | Unit::Auto => return Err(TimeError::Unit),
        Unit::S => from_unix(number.times(1_000_000, 1, frac)?),
        Unit::Ms => from_unix(number.times(1_000, 1, frac)?),
        Unit::Us => from_unix(number.times(1, 1, frac)?),
        Unit::Ns => from_unix(number.times(1, 1_000, frac)?),
        Unit::Dotnet => dotnet(number, frac)?,
        Unit::Jd => {
            let millis = number.nearest(DAY_MS)? - JULIAN_UNIX_HALF_DAYS * HALF_DAY_MS;
            from_unix(millis.checked_mul(1_000).ok_or(TimeError::Range)?)
        }
        Unit::Excel1900 => return excel(number),
        Unit::Yyyymmdd => return digits(number),
    };
    let micros = i64::try_from(micros).map_err(|_| TimeError::Range)?;
    Ok(match epoch_ref {
        EpochRef::Utc => Counted::Instant(micros),
        EpochRef::Zone => Counted::Zone(micros),
    })
}

/// Ticks of 100 ns since 0001-01-01; outside of .NET's own range they are something else.
fn dotnet(number: Exact, frac: Frac) -> Result<i128, TimeError> {
    let whole = number.num.div_euclid(number.den);
    if !(0..=DOTNET_LAST).contains(&whole) {
        return Err(TimeError::Range);
    }
    Ok(number.times(1, 10, frac)? + i128::from(days_from_civil(1, 1, 1) * DAY))
}

/// A serial of Excel's 1900 calendar, in which serial 60 is a February 29 that never was and serial
/// 0 a January 0.
fn excel(number: Exact) -> Result<Counted, TimeError> {
    let millis = number.nearest(DAY_MS)?;
    let day = millis.div_euclid(DAY_MS);
    let base = match day {
        0 | 60 => return Err(TimeError::Field),
        1..=59 => days_from_civil(1899, 12, 31),
        61..=EXCEL_LAST => days_from_civil(1899, 12, 30),
        _ => return Err(TimeError::Range),
    };
    let millis = i64::try_from(millis).map_err(|_| TimeError::Range)?;
    Ok(Counted::Naive(base * DAY + millis * 1_000))
}

fn digits(number: Exact) -> Result<Counted, TimeError> {
    let date = i64::try_from(number.num / number.den).map_err(|_| TimeError::Field)?;
    if !number.is_whole() || !(0..=99_999_999).contains(&date) {
        return Err(TimeError::Field);
    }
    Ok(Counted::Date(date / 10_000, date / 100 % 100, date % 100))
}

/// The unit that the size of a number speaks for, `unit=auto`.
///
/// Seconds from 1e8 (1973), milliseconds from 1e11, microseconds from 1e14, nanoseconds from 1e17,
/// and a Julian day for a fraction between 1900 and 2200. No unit for what reads as a calendar:
/// YYYYMMDD is below 1e8; with HHMM, HHMMSS or HHMMSSmmm behind it, or as .NET ticks of 2000 to
/// 2100, a number would pass for an epoch of another century.
fn guess(number: Exact) -> Option<Unit> {
    let whole = number.num.div_euclid(number.den);
    let half_days = number.num.checked_mul(2)?.div_euclid(number.den);
    if !number.is_whole() && (4_830_041..5_049_187).contains(&half_days) {
        return Some(Unit::Jd);
    }
    if number.is_whole() && reads_as_calendar(whole) {
        return None;
    }
    match whole {
        100_000_000..100_000_000_000 => Some(Unit::S),
        100_000_000_000..100_000_000_000_000 => Some(Unit::Ms),
        100_000_000_000_000..100_000_000_000_000_000 => Some(Unit::Us),
        100_000_000_000_000_000.. => Some(Unit::Ns),
        _ => None,
    }
}

fn reads_as_calendar(value: i128) -> bool {
    let minutes = match value {
        190_000_000_000..210_100_000_000 => value,
        19_000_000_000_000..21_010_000_000_000 => value / 100,
        19_000_000_000_000_000..21_010_000_000_000_000 => value / 100_000,
        // .NET ticks from 2000-01-01 to 2100-12-31.
        630_822_816_000_000_000..662_695_776_000_000_000 => return true,
        _ => return false,
    };
    let part = |below: i128| minutes / below % 100;
    (1..=12).contains(&part(1_000_000))
        && (1..=31).contains(&part(10_000))
        && part(100) < 24
        && part(1) < 60
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unix(number: Exact, unit: Unit, frac: Frac) -> Result<i64, TimeError> {
        counted(number, unit, EpochRef::Utc, frac).map(|counted| match counted {
            Counted::Instant(at) => at - UNIX_EPOCH,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn real_is_the_microsecond_it_was_written_as() {
        for micros in (1_722_506_400_000_000_i64..).step_by(123_457).take(10_000) {
            let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
            let real = Exact::real(text.parse().unwrap()).unwrap();
            for frac in [Frac::Trunc, Frac::Round, Frac::Reject] {
                assert_eq!(unix(real, Unit::S, frac), Ok(micros), "{text}");
                assert_eq!(unix(Exact::text(text.as_bytes()).unwrap(), Unit::S, frac), Ok(micros));
            }
        }
    }

    #[test]
    fn below_a_microsecond() {
        for (nanos, trunc, round) in [
            (1_499, 1, 1),
            (1_500, 1, 2),
            (2_500, 2, 2),
            (2_501, 2, 3),
            (-1, -1, 0),
            (-500, -1, 0),
            (-1_500, -2, -2),
            (-1_501, -2, -2),
            (-1_499, -2, -1),
        ] {
            let number = Exact::integer(nanos);
            assert_eq!(unix(number, Unit::Ns, Frac::Trunc), Ok(trunc), "{nanos}");
            assert_eq!(unix(number, Unit::Ns, Frac::Round), Ok(round), "{nanos}");
            assert_eq!(unix(number, Unit::Ns, Frac::Reject), Err(TimeError::Precision), "{nanos}");
        }
        let half = Exact::real(1_722_506_400_000_000.5).unwrap();
        assert_eq!(unix(half, Unit::Us, Frac::Trunc), Ok(1_722_506_400_000_000));
        assert_eq!(unix(half, Unit::Us, Frac::Reject), Err(TimeError::Precision));
    }

    #[test]
    fn guesses() {
        let whole = |value| guess(Exact::integer(value));
        for (value, unit) in [
            (100_000_000, Unit::S),
            (99_999_999_999, Unit::S),
            (100_000_000_000, Unit::Ms),
            (100_000_000_000_000, Unit::Us),
            (100_000_000_000_000_000, Unit::Ns),
            (i64::MAX, Unit::Ns),
        ] {
            assert_eq!(whole(value), Some(unit), "{value}");
        }
        for value in [
            0,
            -1,
            -1_722_506_400,
            99_999_999,
            20_240_801,
            2_460_524,
            45_505,
            202_408_011_000,
            20_240_801_100_000,
            20_240_801_100_000_000,
            638_581_032_000_000_000,
        ] {
            assert_eq!(whole(value), None, "{value}");
        }
        assert_eq!(guess(Exact::real(2_460_523.916_666_666_5).unwrap()), Some(Unit::Jd));
        assert_eq!(guess(Exact::real(45_505.416_666_666_7).unwrap()), None);
        assert_eq!(guess(Exact::real(1_722_506_400.5).unwrap()), Some(Unit::S));
    }

    #[test]
    fn text_that_is_a_number() {
        for text in ["", "-", ".5", "5.", "1e9", "0x10", " 1", "1.2.3", "1_000", "١"] {
            assert_eq!(Exact::text(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Exact::text(b"-12.50"), Some(Exact { num: -1_250, den: 100, step: 0 }));
        assert!(Exact::text(&[b'9'; 36]).is_some());
        assert!(Exact::text(&[b'9'; 37]).is_none());
    }
}
