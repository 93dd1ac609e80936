//! One value into one Postgres type. Nothing is rounded, cut or guessed: what does not fit is refused.

use std::borrow::Cow;

use super::{Reason, numeric};
use crate::batch::ValueRef;
use crate::schema::{Datum, Element, Network, PgType};

/// Converts a value for a column whose type is no instant and no date: those need a clock.
pub fn cast<'a>(value: ValueRef<'a>, ty: &PgType) -> Result<Datum<'a>, Reason> {
    if value == ValueRef::Null {
        return Ok(Datum::Null);
    }
    match ty {
        PgType::Bool => boolean(value),
        PgType::Int2 => whole(value, |number| i16::try_from(number).ok().map(Datum::Int2)),
        PgType::Int4 => whole(value, |number| i32::try_from(number).ok().map(Datum::Int4)),
        PgType::Int8 => whole(value, |number| Some(Datum::Int8(number))),
        PgType::Float4 => single(value),
        PgType::Float8 => double(value).map(Datum::Float8),
        PgType::Numeric(bounds) => {
            let number = numeric::parse(&text(value)?)?;
            let number = match bounds {
                Some((precision, scale)) => numeric::fit(number, *precision, *scale)?,
                None => number,
            };
            Ok(Datum::Numeric(number))
        }
        PgType::Text => text(value).map(Datum::Text),
        PgType::Varchar(length) => {
            let text = text(value)?;
            let fits = text.len() <= *length as usize || text.chars().count() <= *length as usize;
            if fits { Ok(Datum::Text(text)) } else { Err(Reason::TooLong) }
        }
        PgType::Enum(labels) => {
            let text = text(value)?;
            let known = labels.iter().any(|label| *label == text);
            if known { Ok(Datum::Text(text)) } else { Err(Reason::Syntax) }
        }
        PgType::Json | PgType::Jsonb => json(value, *ty == PgType::Jsonb),
        PgType::Uuid => uuid(value),
        PgType::Inet | PgType::Cidr => {
            let network = Network::parse(&text(value)?, *ty == PgType::Cidr);
            network.map(Datum::Network).ok_or(Reason::Syntax)
        }
        PgType::Bytea => match value {
            ValueRef::Blob(bytes) | ValueRef::Text(bytes) => Ok(Datum::Bytes(bytes)),
            _ => Err(Reason::WrongClass),
        },
        PgType::Time => time_of_day(&text(value)?).map(Datum::Time).ok_or(Reason::Syntax),
        PgType::Interval => interval(&text(value)?),
        PgType::Array(element) => array(&text(value)?, *element),
        PgType::Timestamptz(_) | PgType::Timestamp(_) | PgType::Date | PgType::Other(_) => {
            Err(Reason::WrongClass)
        }
    }
}

/// Text as Postgres takes it: UTF-8 without a zero byte. Numbers become their shortest text.
pub fn text(value: ValueRef<'_>) -> Result<Cow<'_, str>, Reason> {
    match value {
        ValueRef::Text(bytes) => {
            let text = std::str::from_utf8(bytes).map_err(|_| Reason::BadUtf8)?;
            if bytes.contains(&0) { Err(Reason::NulInText) } else { Ok(Cow::Borrowed(text)) }
        }
        ValueRef::Integer(number) => Ok(Cow::Owned(number.to_string())),
        ValueRef::Real(number) => Ok(Cow::Owned(format!("{number:?}"))),
        ValueRef::Blob(_) | ValueRef::Null => Err(Reason::WrongClass),
    }
}

fn boolean(value: ValueRef<'_>) -> Result<Datum<'static>, Reason> {
    let flag = match value {
        ValueRef::Integer(0) => false,
        ValueRef::Integer(1) => true,
        ValueRef::Integer(_) => return Err(Reason::OutOfRange),
        ValueRef::Text(_) => match text(value)?.trim().to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "on" | "1" => true,
            "false" | "f" | "no" | "n" | "off" | "0" => false,
            _ => return Err(Reason::Syntax),
        },
        _ => return Err(Reason::WrongClass),
    };
    Ok(Datum::Bool(flag))
}

fn whole<'a>(
    value: ValueRef<'_>,
    fit: impl Fn(i64) -> Option<Datum<'a>>,
) -> Result<Datum<'a>, Reason> {
    let number = match value {
        ValueRef::Integer(number) => number,
        ValueRef::Real(number) => exact_integer(number)?,
        ValueRef::Text(_) => {
            let text = text(value)?;
            let text = text.trim();
            text.parse().map_err(|_| {
                let digits = text.trim_start_matches(['-', '+']);
                let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
                if is_number { Reason::OutOfRange } else { Reason::Syntax }
            })?
        }
        _ => return Err(Reason::WrongClass),
    };
    fit(number).ok_or(Reason::OutOfRange)
}

/// The integer that a float stands for exactly.
fn exact_integer(number: f64) -> Result<i64, Reason> {
    if !number.is_finite() {
        return Err(Reason::OutOfRange);
    }
    if number.fract() != 0.0 {
        return Err(Reason::Precision);
    }
    // Above 2^53 a float no longer names one integer.
    if number.abs() > 9_007_199_254_740_992.0 {
        return Err(Reason::OutOfRange);
    }
    format!("{number:.0}").parse().map_err(|_| Reason::OutOfRange)
}

fn double(value: ValueRef<'_>) -> Result<f64, Reason> {
    match value {
        ValueRef::Real(number) => Ok(number),
        ValueRef::Integer(number) => {
            if number.unsigned_abs() > 1 << 53 {
                return Err(Reason::Precision);
            }
            Ok(number as f64)
        }
        ValueRef::Text(_) => text(value)?.trim().parse().map_err(|_| Reason::Syntax),
        _ => Err(Reason::WrongClass),
    }
}

/// `real` keeps 24 bits: the nearest one is what any writer of such a column means.
fn single(value: ValueRef<'_>) -> Result<Datum<'static>, Reason> {
    let wide = double(value)?;
    #[allow(
        clippy::cast_possible_truncation,
        reason = "the nearest f32 is meant; range is checked"
    )]
    let narrow = wide as f32;
    if narrow.is_infinite() && wide.is_finite() {
        return Err(Reason::OutOfRange);
    }
    Ok(Datum::Float4(narrow))
}

fn json<'a>(value: ValueRef<'a>, binary: bool) -> Result<Datum<'a>, Reason> {
    let text = text(value)?;
    serde_json::from_str::<serde::de::IgnoredAny>(&text).map_err(|_| Reason::BadJson)?;
    if nests_too_deep(&text) {
        return Err(Reason::BadJson);
    }
    if !binary {
        return Ok(Datum::Text(text));
    }
    // jsonb keeps strings as text, so an escaped zero byte or half a surrogate pair has no place.
    if text.contains("\\u") {
        serde_json::from_str::<serde_json::Value>(&text).map_err(|_| Reason::BadJson)?;
        if escapes_nul(&text) {
            return Err(Reason::BadJson);
        }
    }
    Ok(Datum::Jsonb(text))
}

/// `verify` parses what landed, and its parser stops at 128 levels; brackets in strings count, too,
/// which errs on the side of a dead letter.
fn nests_too_deep(text: &str) -> bool {
    let mut depth = 0_i32;
    text.bytes().any(|byte| {
        depth += i32::from(matches!(byte, b'[' | b'{')) - i32::from(matches!(byte, b']' | b'}'));
        depth > 120
    })
}

fn escapes_nul(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut index = 0;
    while let Some(byte) = bytes.get(index) {
        if *byte == b'\\' {
            if bytes.get(index + 1..index + 6) == Some(b"u0000") {
                return true;
            }
            index += 1;
        }
        index += 1;
    }
    false
}

fn uuid<'a>(value: ValueRef<'_>) -> Result<Datum<'a>, Reason> {
    let bytes = match value {
        ValueRef::Blob(bytes) => bytes.to_vec(),
        ValueRef::Text(_) => {
            let text = text(value)?;
            let text = text.trim().trim_start_matches('{').trim_end_matches('}');
            let grouped = text.len() == 36
                && [8, 13, 18, 23].iter().all(|at| text.as_bytes().get(*at) == Some(&b'-'));
            let digits = if grouped { text.replace('-', "") } else { text.to_owned() };
            crate::batch::unhex(&digits).ok_or(Reason::Syntax)?
        }
        _ => return Err(Reason::WrongClass),
    };
    bytes.try_into().map(Datum::Uuid).map_err(|_| Reason::Syntax)
}

/// `HH:MM`, `HH:MM:SS`, up to six fractional digits; 24:00:00 is the end of the day.
fn time_of_day(text: &str) -> Option<i64> {
    let mut parts = text.trim().split(':');
    let two = |part: Option<&str>| -> Option<i64> {
        let part = part?;
        (part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok())?
    };
    let (hours, minutes) = (two(parts.next())?, two(parts.next())?);
    let (seconds, micros) = match parts.next() {
        None => (0, 0),
        Some(part) => {
            let (whole, fraction) = part.split_once('.').unwrap_or((part, ""));
            if fraction.len() > 6 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            (two(Some(whole))?, format!("{fraction:0<6}").parse().ok()?)
        }
    };
    if parts.next().is_some() || hours > 24 || minutes > 59 || seconds > 59 {
        return None;
    }
    let us = (hours * 3_600 + minutes * 60 + seconds) * 1_000_000 + micros;
    (us <= 86_400_000_000).then_some(us)
}

/// `P14M-3DT-4.500000S`, as Parquet files of ours have it: each field with its own sign, which jiff's spans
/// cannot have.
fn interval_by_field(text: &str) -> Option<Datum<'static>> {
    let (months, rest) = text.strip_prefix('P')?.split_once('M')?;
    let (days, seconds) = rest.split_once("DT")?;
    let (whole, fraction) = seconds.strip_suffix('S')?.split_once('.')?;
    if fraction.len() != 6 {
        return None;
    }
    let (months, days) = (months.parse().ok()?, days.parse().ok()?);
    let us = format!("{whole}{fraction}").parse().ok()?;
    Some(Datum::Interval { months, days, us })
}

/// ISO 8601 (`PT8H30M`, `P1DT2H`), jiff's friendly form (`8h 30m`), or a clock (`08:30:00`).
fn interval(text: &str) -> Result<Datum<'static>, Reason> {
    if let Some(us) = time_of_day(text) {
        return Ok(Datum::Interval { months: 0, days: 0, us });
    }
    if let Some(exact) = interval_by_field(text) {
        return Ok(exact);
    }
    let span: jiff::Span = text.trim().parse().map_err(|_| Reason::Syntax)?;
    let months = i32::from(span.get_years()) * 12 + span.get_months();
    let days = span.get_weeks() * 7 + span.get_days();
    let seconds =
        i64::from(span.get_hours()) * 3_600 + span.get_minutes() * 60 + span.get_seconds();
    if span.get_nanoseconds() % 1_000 != 0 {
        return Err(Reason::Precision);
    }
    let us = seconds
        .checked_mul(1_000_000)
        .and_then(|us| us.checked_add(span.get_milliseconds().checked_mul(1_000)?))
        .and_then(|us| us.checked_add(span.get_microseconds()))
        .and_then(|us| us.checked_add(span.get_nanoseconds() / 1_000));
    us.map(|us| Datum::Interval { months, days, us }).ok_or(Reason::OutOfRange)
}

/// A JSON list of texts or whole numbers.
fn array(text: &str, element: Element) -> Result<Datum<'static>, Reason> {
    use serde_json::Value;
    let items: Vec<Value> = serde_json::from_str(text).map_err(|_| Reason::Syntax)?;
    if element == Element::Text {
        let texts = items.into_iter().map(|item| match item {
            Value::Null => Ok(None),
            Value::String(text) if text.contains('\0') => Err(Reason::NulInText),
            Value::String(text) => Ok(Some(text)),
            Value::Number(number) => Ok(Some(number.to_string())),
            Value::Bool(flag) => Ok(Some(flag.to_string())),
            Value::Array(_) | Value::Object(_) => Err(Reason::Syntax),
        });
        return texts.collect::<Result<_, _>>().map(Datum::TextArray);
    }
    let limit: i64 = match element {
        Element::Int2 => i16::MAX.into(),
        Element::Int4 => i32::MAX.into(),
        Element::Int8 | Element::Text => i64::MAX,
    };
    let numbers = items.into_iter().map(|item| match item {
        Value::Null => Ok(None),
        Value::Number(number) => {
            let number = number.as_i64().ok_or(Reason::OutOfRange)?;
            if number > limit || number < -limit - 1 {
                Err(Reason::OutOfRange)
            } else {
                Ok(Some(number))
            }
        }
        _ => Err(Reason::Syntax),
    });
    numbers.collect::<Result<_, _>>().map(|numbers| Datum::IntArray(element, numbers))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_text<'a>(text: &'a str, ty: &PgType) -> Result<Datum<'a>, Reason> {
        cast(ValueRef::Text(text.as_bytes()), ty)
    }

    #[test]
    fn whole_numbers_fit_or_are_refused() {
        assert_eq!(cast(ValueRef::Integer(32_767), &PgType::Int2), Ok(Datum::Int2(32_767)));
        assert_eq!(cast(ValueRef::Integer(32_768), &PgType::Int2), Err(Reason::OutOfRange));
        assert_eq!(cast(ValueRef::Real(3.0), &PgType::Int4), Ok(Datum::Int4(3)));
        assert_eq!(cast(ValueRef::Real(3.5), &PgType::Int4), Err(Reason::Precision));
        assert_eq!(cast(ValueRef::Real(f64::NAN), &PgType::Int4), Err(Reason::OutOfRange));
        assert_eq!(of_text(" 42 ", &PgType::Int8), Ok(Datum::Int8(42)));
        assert_eq!(of_text("abc", &PgType::Int8), Err(Reason::Syntax));
        assert_eq!(of_text("99999999999999999999", &PgType::Int8), Err(Reason::OutOfRange));
    }

    #[test]
    fn text_that_postgres_refuses_is_refused_here() {
        assert_eq!(cast(ValueRef::Text(b"a\0b"), &PgType::Text), Err(Reason::NulInText));
        assert_eq!(cast(ValueRef::Text(b"\xff"), &PgType::Text), Err(Reason::BadUtf8));
        assert_eq!(of_text("äöü", &PgType::Varchar(3)).unwrap(), Datum::Text("äöü".into()));
        assert_eq!(of_text("abcd", &PgType::Varchar(3)), Err(Reason::TooLong));
    }

    #[test]
    fn json_that_jsonb_cannot_hold_is_refused() {
        assert!(of_text("{\"a\": [1, 2.50, \"\\u00e9\"]}", &PgType::Jsonb).is_ok());
        assert_eq!(of_text("{\"a\": ", &PgType::Jsonb), Err(Reason::BadJson));
        assert_eq!(of_text("\"\\u0000\"", &PgType::Jsonb), Err(Reason::BadJson));
        assert!(of_text("\"\\\\u0000\"", &PgType::Jsonb).is_ok(), "an escaped backslash");
        assert_eq!(of_text("\"\\ud800\"", &PgType::Jsonb), Err(Reason::BadJson));
    }

    #[test]
    fn times_and_intervals() {
        assert_eq!(time_of_day("06:00"), Some(21_600_000_000));
        assert_eq!(time_of_day("23:59:59.5"), Some(86_399_500_000));
        assert_eq!(time_of_day("24:00:00"), Some(86_400_000_000));
        assert_eq!(time_of_day("24:00:01"), None);
        assert_eq!(time_of_day("6:00"), None);
        let interval = of_text("P1Y2M3DT4H", &PgType::Interval).unwrap();
        assert_eq!(interval, Datum::Interval { months: 14, days: 3, us: 14_400_000_000 });
        let interval = of_text("P-1M3DT-0.500000S", &PgType::Interval).unwrap();
        assert_eq!(interval, Datum::Interval { months: -1, days: 3, us: -500_000 });
    }

    #[test]
    fn addresses_of_hosts_and_networks() {
        for text in ["10.1.2.3", "10.1.2.3/24", "2001:db8::7", "2001:db8::7/64"] {
            let Ok(Datum::Network(network)) = of_text(text, &PgType::Inet) else {
                panic!("{text} is an address");
            };
            assert_eq!(network.to_string(), text);
        }
        assert_eq!(of_text("10.1.2", &PgType::Inet), Err(Reason::Syntax));
        assert_eq!(of_text("10.1.2.3/24", &PgType::Cidr), Err(Reason::Syntax));
        assert_eq!(cast(ValueRef::Blob(b"\x0a"), &PgType::Inet), Err(Reason::WrongClass));
    }

    #[test]
    fn arrays_are_json_lists() {
        let array = of_text("[1, null, -2]", &PgType::Array(Element::Int4)).unwrap();
        assert_eq!(array, Datum::IntArray(Element::Int4, vec![Some(1), None, Some(-2)]));
        assert_eq!(of_text("[40000]", &PgType::Array(Element::Int2)), Err(Reason::OutOfRange));
        assert_eq!(of_text("[[1]]", &PgType::Array(Element::Int4)), Err(Reason::Syntax));
        assert!(of_text("[-32768]", &PgType::Array(Element::Int2)).is_ok());
    }

    #[test]
    fn a_uuid_in_its_usual_spellings() {
        let expected =
            Datum::Uuid(*b"\x55\x0e\x84\x00\xe2\x9b\x41\xd4\xa7\x16\x44\x66\x55\x44\x00\x00");
        for text in ["550e8400-e29b-41d4-a716-446655440000", "{550E8400E29B41D4A716446655440000}"] {
            assert_eq!(of_text(text, &PgType::Uuid).unwrap(), expected);
        }
        assert_eq!(of_text("550e8400", &PgType::Uuid), Err(Reason::Syntax));
    }
}
