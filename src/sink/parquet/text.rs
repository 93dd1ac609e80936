//! Types whose exact form is text: numbers as decimal digits, intervals field by field, arrays as JSON.

use serde_json::Value;

use crate::schema::Datum;
use crate::schema::Element;
use crate::sink::copy;

const NAN: u16 = 0xC000;
const INFINITY: u16 = 0xD000;
const NEGATIVE_INFINITY: u16 = 0xF000;
const NEGATIVE: u16 = 0x4000;
/// What the server sends as the scale of an infinity.
const INFINITY_SCALE: u16 = 32;

fn two(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk::<2>().map(|two| u16::from_be_bytes(*two))
}

fn four(bytes: &[u8], at: usize) -> Option<i32> {
    bytes.get(at..)?.first_chunk::<4>().map(|four| i32::from_be_bytes(*four))
}

/// `-12.50`, `NaN`, `Infinity`: every digit shown, as the server prints it.
pub(super) fn numeric(field: &[u8]) -> Option<String> {
    let count = usize::from(two(field, 0)?);
    let weight = i64::from(two(field, 2)?.cast_signed());
    let scale = usize::from(two(field, 6)?);
    let sign = match two(field, 4)? {
        0 => "",
        NEGATIVE => "-",
        NAN => return Some("NaN".to_owned()),
        INFINITY => return Some("Infinity".to_owned()),
        NEGATIVE_INFINITY => return Some("-Infinity".to_owned()),
        _ => return None,
    };
    // The group that stands for 10000^power.
    let group = |power: i64| {
        let index = usize::try_from(weight - power).ok().filter(|index| *index < count);
        index.and_then(|index| two(field, 8 + 2 * index)).unwrap_or(0)
    };
    let mut text = format!("{sign}{}", if weight < 0 { 0 } else { group(weight) });
    (0..weight).rev().for_each(|power| text.push_str(&format!("{:04}", group(power))));
    if scale > 0 {
        let mut digits = String::new();
        let mut power = -1;
        while digits.len() < scale {
            digits.push_str(&format!("{:04}", group(power)));
            power -= 1;
        }
        text.push('.');
        text.push_str(digits.get(..scale)?);
    }
    Some(text)
}

pub(super) fn numeric_field(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut put = |words: [u16; 4]| {
        words.iter().for_each(|word| out.extend_from_slice(&word.to_be_bytes()));
    };
    match text {
        b"NaN" => put([0, 0, NAN, 0]),
        b"Infinity" => put([0, 0, INFINITY, INFINITY_SCALE]),
        b"-Infinity" => put([0, 0, NEGATIVE_INFINITY, INFINITY_SCALE]),
        _ => {
            let text = std::str::from_utf8(text).ok()?;
            let (negative, digits) = match text.strip_prefix('-') {
                Some(digits) => (true, digits),
                None => (false, text),
            };
            let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
            // Filled up so that the point stands between two groups of four.
            let lead = "0".repeat((4 - whole.len() % 4) % 4);
            let tail = "0".repeat((4 - fraction.len() % 4) % 4);
            let filled = format!("{lead}{whole}{fraction}{tail}");
            let (groups, rest) = filled.as_bytes().as_chunks::<4>();
            if !rest.is_empty() || !filled.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            let groups: Vec<u16> = groups
                .iter()
                .map(|four| four.iter().fold(0, |group, byte| group * 10 + u16::from(byte - b'0')))
                .collect();
            let first = groups.iter().position(|group| *group != 0);
            let last = groups.iter().rposition(|group| *group != 0);
            let scale = u16::try_from(fraction.len()).ok()?;
            let Some((first, last)) = first.zip(last) else {
                put([0, 0, 0, scale]);
                return Some(());
            };
            let before_point = i64::try_from((lead.len() + whole.len()) / 4).ok()?;
            let weight = i16::try_from(before_point - 1 - i64::try_from(first).ok()?).ok()?;
            let count = u16::try_from(last - first + 1).ok()?;
            let sign = if negative { NEGATIVE } else { 0 };
            put([count, weight.cast_unsigned(), sign, scale]);
            let kept = groups.get(first..=last)?;
            kept.iter().for_each(|group| out.extend_from_slice(&group.to_be_bytes()));
        }
    }
    Some(())
}

/// `P14M-3DT-4.500000S`: months, days and seconds, each with its own sign, as ISO 8601 extended by
/// Postgres has them.
pub(super) fn interval(field: &[u8]) -> Option<String> {
    let us = i64::from_be_bytes(*field.first_chunk::<8>()?);
    let (days, months) = (four(field, 8)?, four(field, 12)?);
    let sign = if us < 0 { "-" } else { "" };
    let us = us.unsigned_abs();
    Some(format!("P{months}M{days}DT{sign}{}.{:06}S", us / 1_000_000, us % 1_000_000))
}

pub(super) fn interval_field(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let text = std::str::from_utf8(text).ok()?.strip_prefix('P')?.strip_suffix('S')?;
    let (months, rest) = text.split_once('M')?;
    let (days, seconds) = rest.split_once("DT")?;
    let (months, days): (i32, i32) = (months.parse().ok()?, days.parse().ok()?);
    // The point stands before the last six digits: without it they count microseconds.
    let us: i64 = seconds.replacen('.', "", 1).parse().ok()?;
    out.extend_from_slice(&us.to_be_bytes());
    out.extend_from_slice(&days.to_be_bytes());
    out.extend_from_slice(&months.to_be_bytes());
    Some(())
}

/// A JSON list; `None` for arrays of several dimensions, or numbered from elsewhere than 1.
pub(super) fn array(field: &[u8], element: Element) -> Option<String> {
    let dimensions = four(field, 0)?;
    if dimensions == 0 {
        return Some("[]".to_owned());
    }
    if dimensions != 1 || four(field, 16)? != 1 {
        return None;
    }
    let items = copy::fields(field.get(20..)?)?.into_iter().map(|item| {
        let Some(bytes) = item else { return Some(Value::Null) };
        Some(match element {
            Element::Text => Value::from(std::str::from_utf8(bytes).ok()?),
            Element::Int2 => Value::from(i16::from_be_bytes(bytes.try_into().ok()?)),
            Element::Int4 => Value::from(i32::from_be_bytes(bytes.try_into().ok()?)),
            Element::Int8 => Value::from(i64::from_be_bytes(bytes.try_into().ok()?)),
        })
    });
    serde_json::to_string(&items.collect::<Option<Vec<Value>>>()?).ok()
}

pub(super) fn array_field(text: &[u8], element: Element, out: &mut Vec<u8>) -> Option<()> {
    let items: Vec<Value> = serde_json::from_slice(text).ok()?;
    let datum = match element {
        Element::Text => {
            let texts = items.into_iter().map(|item| match item {
                Value::Null => Some(None),
                Value::String(text) => Some(Some(text)),
                _ => None,
            });
            Datum::TextArray(texts.collect::<Option<Vec<_>>>()?)
        }
        Element::Int2 | Element::Int4 | Element::Int8 => {
            let numbers = items.into_iter().map(|item| match item {
                Value::Null => Some(None),
                item => item.as_i64().map(Some),
            });
            Datum::IntArray(element, numbers.collect::<Option<Vec<_>>>()?)
        }
    };
    let mut field = Vec::new();
    copy::field(&mut field, &datum);
    // Without the length, which the caller writes.
    out.extend_from_slice(field.get(4..)?);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(words: &[i16]) -> String {
        let field: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        let text = numeric(&field).unwrap();
        let mut again = Vec::new();
        numeric_field(text.as_bytes(), &mut again).unwrap();
        assert_eq!(again, field, "{text}");
        text
    }

    #[test]
    fn numbers_keep_every_digit() {
        assert_eq!(there_and_back(&[3, 0, 0, 8, 1, 0, 1]), "1.00000001");
        assert_eq!(there_and_back(&[3, 1, 0x4000, 1, 1, 2345, 5000]), "-12345.5");
        assert_eq!(there_and_back(&[1, 1, 0, 0, 1]), "10000");
        assert_eq!(there_and_back(&[1, -2, 0, 6, 1500]), "0.000015");
        assert_eq!(there_and_back(&[0, 0, 0, 2]), "0.00");
        assert_eq!(there_and_back(&[0, 0, 0xC000_u16.cast_signed(), 0]), "NaN");
        assert_eq!(there_and_back(&[0, 0, 0xF000_u16.cast_signed(), 32]), "-Infinity");
    }

    #[test]
    fn intervals_keep_each_sign() {
        for (months, days, us) in [(0, 0, 0), (14, -3, -4_500_000), (i32::MIN, i32::MAX, i64::MIN)]
        {
            let mut field = us.to_be_bytes().to_vec();
            field.extend_from_slice(&i32::to_be_bytes(days));
            field.extend_from_slice(&i32::to_be_bytes(months));
            let text = interval(&field).unwrap();
            let mut again = Vec::new();
            interval_field(text.as_bytes(), &mut again).unwrap();
            assert_eq!(again, field, "{text}");
        }
    }

    #[test]
    fn an_array_of_two_dimensions_is_refused() {
        let words = [2_i32, 0, 25, 1, 1, 1, 1, -1];
        let field: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        assert_eq!(array(&field, Element::Text), None);
    }
}
