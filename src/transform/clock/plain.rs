//! The shapes almost every value has, read in one go.
//!
//! Declines whatever is not exactly so, right or wrong: the long way knows all shapes and all
//! errors, and answers the same for these (a property test).

use super::civil::{DAY, SECOND, UNIX_EPOCH, days_in_month};
use super::grammar::Unit;

/// The instant of a count since 1970, in units of a microsecond or more.
#[inline]
pub(super) fn integer(value: i64, unit: Unit) -> Option<i64> {
    let micros = match unit {
        Unit::S => 1_000_000,
        Unit::Ms => 1_000,
        Unit::Us => 1,
        _ => return None,
    };
    value.checked_mul(micros)?.checked_add(UNIX_EPOCH)
}

/// The reading of `YYYY-MM-DD HH:MM:SS` with up to six digits of fraction, and whether a `Z`
/// follows.
#[inline]
pub(super) fn text(text: &[u8]) -> Option<(i64, bool)> {
    let (head, tail) = text.split_first_chunk::<19>()?;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b' ' | b'T', rest @ ..] = head else {
        return None;
    };
    let [h1, h2, b':', n1, n2, b':', s1, s2] = rest else { return None };
    let mut wrong = false;
    let mut pair = |tens: &u8, ones: &u8| {
        let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
        wrong |= tens > 9 || ones > 9;
        u32::from(tens) * 10 + u32::from(ones)
    };
    let year = pair(y1, y2) * 100 + pair(y3, y4);
    let (month, day) = (pair(m1, m2), pair(d1, d2));
    let (hour, minute, second) = (pair(h1, h2), pair(n1, n2), pair(s1, s2));
    let dated = year > 0 && (1..=12).contains(&month) && day >= 1;
    if wrong || !dated || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    if day > 28 && i64::from(day) > days_in_month(i64::from(year), i64::from(month)) {
        return None;
    }
    let second = i64::from((hour * 60 + minute) * 60 + second);
    let whole = days(year, month, day) * DAY + second * SECOND;
    let (is_utc, tail) = match tail {
        [] => return Some((whole, false)),
        [tail @ .., b'Z'] => (true, tail),
        _ => (false, tail),
    };
    Some((whole + if tail.is_empty() { 0 } else { fraction(tail)? }, is_utc))
}

/// As `days_from_civil`, for the years 1 to 9999, in small unsigned numbers: a nanosecond less.
fn days(year: u32, month: u32, day: u32) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leaps = year / 4 - year / 100 + year / 400;
    i64::from(year * 365 + leaps + (153 * month + 2) / 5 + day) - 730_426
}

fn fraction(tail: &[u8]) -> Option<i64> {
    let [b'.', digits @ ..] = tail else { return None };
    if digits.is_empty() || digits.len() > 6 {
        return None;
    }
    let (mut micros, mut weight) = (0, SECOND);
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        weight /= 10;
        micros += i64::from(digit) * weight;
    }
    Some(micros)
}
