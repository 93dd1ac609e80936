//! A stored value as the rest of the tool takes it: the classes of [`ValueRef`], nothing lost.
//!
//! Instants are microseconds since 1970 as integers; wall clocks, dates and times are ISO text, decimals
//! text of digits. What text cannot name (years beyond 9999) is an integer as well; infinity is its word.

use jiff::SignedDuration;
use jiff::civil::{DateTime, date};

use crate::batch::ValueRef;
use crate::columnar::file::{Cell, Form};

const SECOND_US: i64 = 1_000_000;
const DAY_US: i64 = 86_400 * SECOND_US;

/// Hands the value to `use_it`.
pub(super) fn with<T>(
    cell: Cell<'_>,
    form: Option<&Form>,
    use_it: impl FnOnce(ValueRef<'_>) -> T,
) -> T {
    match (cell, form) {
        (Cell::Null, _) | (_, None) => use_it(ValueRef::Null),
        (Cell::Int64(count), Some(Form::Timestamp { per_second, utc })) => {
            timestamp(count, (*per_second, *utc), use_it)
        }
        (Cell::Int32(days), Some(Form::Date)) => {
            let word = endless(i64::from(days), i32::MIN.into(), i32::MAX.into());
            let us = i64::from(days).checked_mul(DAY_US);
            match (word, us, us.and_then(civil)) {
                (Some(word), ..) => use_it(ValueRef::Text(word)),
                (_, _, Some(at)) => use_it(ValueRef::Text(at.date().to_string().as_bytes())),
                (_, Some(us), None) => use_it(ValueRef::Integer(us)),
                // Beyond what 64 bits count: as digits, which the column's policy refuses.
                (_, None, None) => {
                    let us = i128::from(days) * i128::from(DAY_US);
                    use_it(ValueRef::Text(us.to_string().as_bytes()))
                }
            }
        }
        (Cell::Int32(count), Some(Form::Time(per_second))) => {
            use_it(ValueRef::Text(time(count.into(), *per_second).as_bytes()))
        }
        (Cell::Int64(count), Some(Form::Time(per_second))) => {
            use_it(ValueRef::Text(time(count, *per_second).as_bytes()))
        }
        (cell, Some(Form::Decimal(scale))) => match unscaled(cell) {
            Some(number) => use_it(ValueRef::Text(decimal(number, *scale).as_bytes())),
            // Wider than 38 digits: as the bytes they are, which no number takes.
            None => match cell {
                Cell::Bytes(bytes) => use_it(ValueRef::Blob(bytes)),
                _ => use_it(ValueRef::Null),
            },
        },
        (Cell::Int32(value), Some(Form::Integer { unsigned: true })) => {
            use_it(ValueRef::Integer(value.cast_unsigned().into()))
        }
        (Cell::Int64(value), Some(Form::Integer { unsigned: true })) if value < 0 => {
            use_it(ValueRef::Text(value.cast_unsigned().to_string().as_bytes()))
        }
        (Cell::Bytes(bytes), Some(Form::Text)) => use_it(ValueRef::Text(bytes)),
        (Cell::Bytes(bytes), Some(Form::Uuid)) => use_it(ValueRef::Text(uuid(bytes).as_bytes())),
        (Cell::Bytes(bytes), _) => use_it(ValueRef::Blob(bytes)),
        (Cell::Bool(value), _) => use_it(ValueRef::Integer(value.into())),
        (Cell::Int32(value), _) => use_it(ValueRef::Integer(value.into())),
        (Cell::Int64(value), _) => use_it(ValueRef::Integer(value)),
        (Cell::Float(value), _) => use_it(ValueRef::Real(value.into())),
        (Cell::Double(value), _) => use_it(ValueRef::Real(value)),
    }
}

fn timestamp<T>(
    count: i64,
    (per_second, utc): (i64, bool),
    use_it: impl FnOnce(ValueRef<'_>) -> T,
) -> T {
    let per_us = per_second / SECOND_US;
    if per_second == SECOND_US
        && let Some(word) = endless(count, i64::MIN, i64::MAX)
    {
        return use_it(ValueRef::Text(word));
    }
    let whole = match per_us {
        0 => count.checked_mul(SECOND_US / per_second),
        _ => (count % per_us == 0).then_some(count / per_us),
    };
    let Some(us) = whole else {
        // Nanoseconds: as text, for the column's policy on fractions to judge.
        let floor = SignedDuration::from_nanos(count);
        let text = epoch().checked_add(floor).map(|at| at.to_string()).unwrap_or_default();
        let zone = if utc { "Z" } else { "" };
        return use_it(ValueRef::Text(format!("{text}{zone}").as_bytes()));
    };
    match civil(us).filter(|_| !utc) {
        Some(at) => use_it(ValueRef::Text(at.to_string().as_bytes())),
        None => use_it(ValueRef::Integer(us)),
    }
}

/// How this tool marks the infinities of Postgres.
fn endless(count: i64, low: i64, high: i64) -> Option<&'static [u8]> {
    match count {
        _ if count == low => Some(b"-infinity"),
        _ if count == high => Some(b"infinity"),
        _ => None,
    }
}

fn epoch() -> DateTime {
    date(1970, 1, 1).at(0, 0, 0, 0)
}

/// The calendar's reading of microseconds since 1970, from year 1 to 9999.
fn civil(us: i64) -> Option<DateTime> {
    let at = epoch().checked_add(SignedDuration::from_micros(us)).ok()?;
    (at.year() >= 1).then_some(at)
}

/// `HH:MM:SS.ffffff`; 24:00:00 is the end of the day. Below a microsecond nothing is cut off silently:
/// more digits than six are refused by the cast.
fn time(count: i64, per_second: i64) -> String {
    let (seconds, rest) = (count.div_euclid(per_second), count.rem_euclid(per_second));
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let nanos = rest * (1_000_000_000 / per_second);
    let fraction = format!("{nanos:09}");
    let fraction = fraction.strip_suffix("000").unwrap_or(&fraction);
    format!("{hours:02}:{minutes:02}:{seconds:02}.{fraction}")
}

fn unscaled(cell: Cell<'_>) -> Option<i128> {
    match cell {
        Cell::Int32(value) => Some(value.into()),
        Cell::Int64(value) => Some(value.into()),
        Cell::Bytes(bytes) => {
            let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
            let mut wide = if negative { [0xff; 16] } else { [0; 16] };
            wide.get_mut(16_usize.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
            Some(i128::from_be_bytes(wide))
        }
        _ => None,
    }
}

fn decimal(number: i128, scale: u32) -> String {
    let scale = scale as usize;
    let digits = format!("{:0>width$}", number.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if number < 0 { "-" } else { "" };
    let point = if scale > 0 { "." } else { "" };
    format!("{sign}{whole}{point}{fraction}")
}

fn uuid(bytes: &[u8]) -> String {
    let digits = crate::batch::hex(bytes);
    let part = |range: std::ops::Range<usize>| digits.get(range).unwrap_or_default();
    let parts = [part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)];
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::OwnedValue;

    fn of(cell: Cell<'_>, form: Form) -> OwnedValue {
        with(cell, Some(&form), |value| value.into())
    }

    fn text(text: &str) -> OwnedValue {
        OwnedValue::Text(text.as_bytes().to_vec())
    }

    #[test]
    fn times_come_as_what_they_are() {
        let of_time =
            |count, per_second, utc| of(Cell::Int64(count), Form::Timestamp { per_second, utc });
        assert_eq!(of_time(1_500, 1_000, true), OwnedValue::Integer(1_500_000));
        assert_eq!(of_time(1_500, 1_000, false), text("1970-01-01T00:00:01.5"));
        assert_eq!(of_time(-1_001, 1_000_000_000, true), text("1969-12-31T23:59:59.999998999Z"));
        assert_eq!(of_time(i64::MAX, 1_000_000, true), text("infinity"));
        assert_eq!(of_time(-63_000_000_000_000_000, 1_000_000, false), {
            OwnedValue::Integer(-63_000_000_000_000_000)
        });
        assert_eq!(of(Cell::Int32(-1), Form::Date), text("1969-12-31"));
        assert_eq!(of(Cell::Int32(i32::MIN), Form::Date), text("-infinity"));
        assert_eq!(of(Cell::Int32(2_000_000_000), Form::Date), text("172800000000000000000"));
        assert_eq!(of(Cell::Int64(86_400_000_000), Form::Time(1_000_000)), text("24:00:00.000000"));
        assert_eq!(of(Cell::Int64(1), Form::Time(1_000_000_000)), text("00:00:00.000000001"));
    }

    #[test]
    fn numbers_keep_every_digit() {
        assert_eq!(of(Cell::Int32(-1), Form::Integer { unsigned: true }), {
            OwnedValue::Integer(4_294_967_295)
        });
        assert_eq!(of(Cell::Int64(-1), Form::Integer { unsigned: true }), {
            text("18446744073709551615")
        });
        assert_eq!(of(Cell::Int32(-5), Form::Decimal(3)), text("-0.005"));
        assert_eq!(of(Cell::Bytes(&[0xff, 0x00]), Form::Decimal(0)), text("-256"));
        assert_eq!(of(Cell::Bytes(&[1; 17]), Form::Decimal(0)), OwnedValue::Blob(vec![1; 17]));
    }
}
