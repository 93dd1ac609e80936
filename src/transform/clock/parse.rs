//! Text to calendar fields, on bytes: no layout here accepts anything but ASCII digits.
//!
//! A layout is matched as a whole, so what is left over at the end is a refusal. Fields are not
//! judged here: month 13 is a field of the right shape. One space may stand before `Z` or an
//! offset.

use super::civil::SECOND;
use super::grammar::Layout;

/// How much of a microsecond is left below the last digit that is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Rest {
    Zero,
    Low,
    Half,
    High,
}

/// A time of day as it is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Time {
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
    pub(super) micros: i64,
    pub(super) rest: Rest,
    /// With AM or PM the hour is 1 to 12.
    pub(super) half: Option<Half>,
}

/// Half of the day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Half {
    Am,
    Pm,
}

/// What a text says about its own distance from UTC.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Suffix {
    None,
    Zed,
    /// In microseconds; `None` if no clock is that far from UTC.
    Offset(Option<i64>),
}

/// A text taken apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Written {
    pub(super) year: i64,
    pub(super) month: i64,
    pub(super) day: i64,
    /// 0 is Sunday; only `layout=js` writes it.
    pub(super) weekday: Option<i64>,
    pub(super) time: Option<Time>,
    pub(super) suffix: Suffix,
}

impl Written {
    /// A date alone.
    pub(super) fn date(year: i64, month: i64, day: i64) -> Written {
        Written { year, month, day, weekday: None, time: None, suffix: Suffix::None }
    }
}

/// Cuts off what exports glue to a cell: ASCII white space at both ends and a byte-order mark.
pub(super) fn trim(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii();
    text.strip_prefix("\u{feff}".as_bytes()).map_or(text, <[u8]>::trim_ascii)
}

/// Takes a trimmed text apart; `None` if it does not have the layout's shape.
pub(super) fn parse(text: &[u8], layout: Layout) -> Option<Written> {
    let mut at = Cursor { rest: text };
    let written = match layout {
        Layout::Iso => iso(&mut at)?,
        Layout::Dmy | Layout::Mdy | Layout::De | Layout::YmdSlash => local(&mut at, layout)?,
        Layout::Js => js(&mut at)?,
    };
    at.rest.is_empty().then_some(written)
}

/// `YYYY-MM-DD` or `YYYY-MM-DD HH:MM[:SS[.f]][ ][Z|±HH[[:]MM[[:]SS]]]`, `T` for the first space.
fn iso(at: &mut Cursor<'_>) -> Option<Written> {
    let year = at.year()?;
    at.byte(b'-')?;
    let month = at.number(2, 2)?;
    at.byte(b'-')?;
    let day = at.number(2, 2)?;
    let mut written = Written::date(year, month, day);
    if at.rest.is_empty() {
        return Some(written);
    }
    at.one_of(b"Tt ")?;
    written.time = Some(at.time(2)?);
    let spaced = at.byte(b' ').is_some();
    written.suffix = at.suffix()?;
    (!spaced || written.suffix != Suffix::None).then_some(written)
}

/// What `toLocaleString` writes: day, month and year by the layout, `[,] HH:MM[:SS[.f]][ AM]`.
fn local(at: &mut Cursor<'_>, layout: Layout) -> Option<Written> {
    let separator = if layout == Layout::De { b'.' } else { b'/' };
    let mut part = |year: bool, last: bool| {
        let number = if year { at.year() } else { at.number(1, 2) }?;
        if !last {
            at.byte(separator)?;
        }
        Some(number)
    };
    let (year, month, day) = match layout {
        Layout::YmdSlash => (part(true, false)?, part(false, false)?, part(false, true)?),
        Layout::Mdy => {
            let (month, day) = (part(false, false)?, part(false, false)?);
            (part(true, true)?, month, day)
        }
        _ => {
            let (day, month) = (part(false, false)?, part(false, false)?);
            (part(true, true)?, month, day)
        }
    };
    let mut written = Written::date(year, month, day);
    if at.rest.is_empty() {
        return Some(written);
    }
    at.byte(b',').unwrap_or_default();
    at.space()?;
    let mut time = at.time(1)?;
    time.half = at.half_of_day()?;
    written.time = Some(time);
    Some(written)
}

/// `Thu Aug 01 2024[ 10:00:00 GMT+0200[ (South Africa Standard Time)]]`.
fn js(at: &mut Cursor<'_>) -> Option<Written> {
    const DAYS: &[u8] = b"SunMonTueWedThuFriSat";
    const MONTHS: &[u8] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    let weekday = at.name(DAYS)?;
    at.byte(b' ')?;
    let month = at.name(MONTHS)? + 1;
    at.byte(b' ')?;
    let day = at.number(2, 2)?;
    at.byte(b' ')?;
    let year = at.year()?;
    let mut written = Written { weekday: Some(weekday), ..Written::date(year, month, day) };
    if at.rest.is_empty() {
        return Some(written);
    }
    at.byte(b' ')?;
    written.time = Some(at.time(2)?);
    for byte in b" GMT" {
        at.byte(*byte)?;
    }
    written.suffix = at.offset()?;
    if !at.rest.is_empty() {
        let name = at.rest.strip_prefix(b" (")?.strip_suffix(b")")?;
        at.rest = if name.is_empty() { name } else { b"" };
    }
    Some(written)
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    fn byte(&mut self, wanted: u8) -> Option<()> {
        self.one_of(&[wanted])
    }

    fn one_of(&mut self, wanted: &[u8]) -> Option<()> {
        let (first, rest) = self.rest.split_first()?;
        if !wanted.contains(first) {
            return None;
        }
        self.rest = rest;
        Some(())
    }

    /// A number of `min` to `max` digits; a digit more is for the next to trip over.
    fn number(&mut self, min: usize, max: usize) -> Option<i64> {
        let (mut value, mut count) = (0, 0);
        while let Some((digit @ b'0'..=b'9', rest)) = self.rest.split_first() {
            if count == max {
                break;
            }
            value = value * 10 + i64::from(digit - b'0');
            count += 1;
            self.rest = rest;
        }
        (count >= min).then_some(value)
    }

    /// Four digits, or five or six without a leading zero.
    fn year(&mut self) -> Option<i64> {
        let before = self.rest;
        let year = self.number(4, 6)?;
        let long = before.len() - self.rest.len() > 4;
        (!long || before.first() != Some(&b'0')).then_some(year)
    }

    /// The place of a three-letter name among others.
    fn name(&mut self, names: &[u8]) -> Option<i64> {
        let (name, rest) = self.rest.split_at_checked(3)?;
        let place = names.chunks_exact(3).position(|known| known == name)?;
        self.rest = rest;
        i64::try_from(place).ok()
    }

    /// A space of one of the three kinds ICU writes.
    fn space(&mut self) -> Option<()> {
        let kinds = [" ", "\u{202f}", "\u{a0}"];
        self.rest = kinds.iter().find_map(|kind| self.rest.strip_prefix(kind.as_bytes()))?;
        Some(())
    }

    /// `HH:MM[:SS[.f…]]`; a comma is ISO 8601's other decimal sign.
    fn time(&mut self, hour_digits: usize) -> Option<Time> {
        let hour = self.number(hour_digits, 2)?;
        self.byte(b':')?;
        let minute = self.number(2, 2)?;
        let mut time = Time { hour, minute, second: 0, micros: 0, rest: Rest::Zero, half: None };
        if self.byte(b':').is_some() {
            time.second = self.number(2, 2)?;
            if self.one_of(b".,").is_some() {
                (time.micros, time.rest) = self.fraction()?;
            }
        }
        Some(time)
    }

    /// Any number of digits, at least one, as microseconds and what is left below them.
    fn fraction(&mut self) -> Option<(i64, Rest)> {
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.rest.split_at_checked(digits)?;
        self.rest = rest;
        if digits.is_empty() {
            return None;
        }
        let (mut micros, mut weight) = (0, SECOND / 10);
        let mut below = Rest::Zero;
        for (place, digit) in digits.iter().enumerate() {
            let digit = i64::from(digit - b'0');
            if place < 6 {
                micros += digit * weight;
                weight /= 10;
            } else if place == 6 {
                below = match digit {
                    0 => Rest::Zero,
                    1..=4 => Rest::Low,
                    5 => Rest::Half,
                    _ => Rest::High,
                };
            } else if digit > 0 {
                below = match below {
                    Rest::Zero | Rest::Low => Rest::Low,
                    Rest::Half | Rest::High => Rest::High,
                };
            }
        }
        Some((micros, below))
    }

    fn suffix(&mut self) -> Option<Suffix> {
        if self.rest.is_empty() {
            return Some(Suffix::None);
        }
        if self.one_of(b"Zz").is_some() {
            return Some(Suffix::Zed);
        }
        self.offset()
    }

    /// `±HH`, `±HHMM`, `±HH:MM`, each with seconds if it has minutes.
    fn offset(&mut self) -> Option<Suffix> {
        let negative = self.rest.first() == Some(&b'-');
        self.one_of(b"+-")?;
        let hours = self.number(2, 2)?;
        let colon = self.byte(b':').is_some();
        let digit_next = self.rest.first().is_some_and(u8::is_ascii_digit);
        let minutes = if colon || digit_next { self.number(2, 2)? } else { 0 };
        let more = self.rest.first().is_some_and(|byte| {
            if colon { *byte == b':' } else { byte.is_ascii_digit() && digit_next }
        });
        let mut seconds = 0;
        if more {
            if colon {
                self.byte(b':')?;
            }
            seconds = self.number(2, 2)?;
        }
        let known = hours <= 15 && minutes <= 59 && seconds <= 59;
        let offset = ((hours * 60 + minutes) * 60 + seconds) * SECOND;
        Some(Suffix::Offset(known.then_some(if negative { -offset } else { offset })))
    }

    /// `AM` or `PM` after a space, in capitals or not, or nothing.
    fn half_of_day(&mut self) -> Option<Option<Half>> {
        if self.rest.is_empty() {
            return Some(None);
        }
        self.space()?;
        let half = match self.rest.to_ascii_lowercase().as_slice() {
            b"am" => Half::Am,
            b"pm" => Half::Pm,
            _ => return None,
        };
        self.rest = b"";
        Some(Some(half))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn iso_suffix(text: &str) -> Option<Suffix> {
        parse(text.as_bytes(), Layout::Iso).map(|written| written.suffix)
    }

    #[test]
    fn offsets() {
        let day = "2024-08-01T10:00:00";
        for (text, minutes) in
            [("+02", 120), ("+0200", 120), ("+02:00", 120), (" -04:30", -270), ("+00:00", 0)]
        {
            let suffix = iso_suffix(&format!("{day}{text}"));
            assert_eq!(suffix, Some(Suffix::Offset(Some(minutes * 60 * SECOND))), "{text}");
        }
        let lmt = Some(Suffix::Offset(Some(-17_762 * SECOND)));
        assert_eq!(iso_suffix(&format!("{day}-04:56:02")), lmt);
        assert_eq!(iso_suffix(&format!("{day}-045602")), lmt);
        for text in ["+16", "+02:60", "-99:00", "+15:59:60"] {
            assert_eq!(iso_suffix(&format!("{day}{text}")), Some(Suffix::Offset(None)), "{text}");
        }
        for text in ["+2", "+020", "+02:0", "+02:", "  Z", " ", "ZZ", "+02:0000", "+0200:00", "UTC"]
        {
            assert_eq!(iso_suffix(&format!("{day}{text}")), None, "{text}");
        }
    }

    #[test]
    fn fractions() {
        for (text, micros, rest) in [
            ("5", 500_000, Rest::Zero),
            ("000001", 1, Rest::Zero),
            ("1234560", 123_456, Rest::Zero),
            ("1234564999", 123_456, Rest::Low),
            ("1234565", 123_456, Rest::Half),
            ("12345650000000000000001", 123_456, Rest::High),
            ("1234560000000000000001", 123_456, Rest::Low),
            ("9999999", 999_999, Rest::High),
        ] {
            let written = parse(format!("2024-08-01 10:00:00.{text}").as_bytes(), Layout::Iso);
            let time = written.unwrap().time.unwrap();
            assert_eq!((time.micros, time.rest), (micros, rest), "{text}");
        }
    }
}
