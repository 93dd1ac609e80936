//! Columns of a Postgres table as cells: binary where this tool knows the form, text of the server where
//! it does not. Nothing is rounded or cut.
//!
//! Instants are microseconds since 1970 as integers; wall clocks, dates and times are ISO text, decimals
//! text of digits, arrays JSON lists. What text cannot name (years beyond 9999) is an integer as well;
//! infinity is its word. The Parquet source has the same forms.

use std::fmt::Write as _;

use jiff::SignedDuration;
use jiff::civil::{DateTime, date};

use crate::batch::{Batch, OwnedValue, RowTooLarge, ValueRef};
use crate::schema::{Network, PG_EPOCH_US, quote};

const DAY_US: i64 = 86_400_000_000;

/// How a column is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Bool,
    Integer,
    Oid,
    Float4,
    Float8,
    Numeric,
    Text,
    Json,
    Jsonb,
    Uuid,
    Network,
    Timestamptz,
    Timestamp,
    Date,
    Time,
    Interval,
    Bytea,
    /// Of texts or of whole numbers.
    Array,
    /// Physical place of a row: block and number in it.
    Ctid,
    /// The server's own text; `known` where every value of the type is text anyway.
    AsText {
        known: bool,
    },
}

impl Form {
    /// By the name that [`super::catalog`] gives a column's type.
    pub(super) fn of(declared: &str) -> Self {
        let bare = declared.split('(').next().unwrap_or_default();
        match bare {
            "boolean" => Self::Bool,
            "smallint" | "integer" | "bigint" => Self::Integer,
            "oid" => Self::Oid,
            "real" => Self::Float4,
            "double precision" => Self::Float8,
            "numeric" => Self::Numeric,
            "text" | "varchar" | "name" | "enum" => Self::Text,
            "json" => Self::Json,
            "jsonb" => Self::Jsonb,
            "uuid" => Self::Uuid,
            "inet" | "cidr" => Self::Network,
            "timestamptz" => Self::Timestamptz,
            "timestamp" => Self::Timestamp,
            "date" => Self::Date,
            "time" => Self::Time,
            "interval" => Self::Interval,
            "bytea" => Self::Bytea,
            "text[]" | "smallint[]" | "integer[]" | "bigint[]" => Self::Array,
            "ctid" => Self::Ctid,
            "character" | "citext" | "xml" | "\"char\"" => Self::AsText { known: true },
            _ => Self::AsText { known: false },
        }
    }

    /// What is selected.
    pub(super) fn select(self, name: &str) -> String {
        match self {
            Self::AsText { .. } => format!("{}::text", quote(name)),
            Self::Ctid => "ctid".to_owned(),
            _ => quote(name),
        }
    }

    /// What rows are ordered and cut by; nothing where a column cannot be part of a key. Text has an order
    /// that no release of a library changes.
    pub(super) fn order(self, name: &str) -> Option<String> {
        Some(match self {
            Self::Text | Self::AsText { .. } => format!("{}::text collate \"C\"", quote(name)),
            Self::Ctid => "ctid".to_owned(),
            Self::Bool
            | Self::Integer
            | Self::Oid
            | Self::Float4
            | Self::Float8
            | Self::Numeric
            | Self::Uuid
            | Self::Network
            | Self::Timestamptz
            | Self::Timestamp
            | Self::Date => quote(name),
            Self::Json | Self::Jsonb | Self::Time | Self::Interval | Self::Bytea | Self::Array => {
                return None;
            }
        })
    }

    /// A key's value as SQL writes it; nothing where it is no value of this form.
    pub(super) fn literal(self, value: &OwnedValue) -> Option<String> {
        let quoted = |text: &str| postgres_protocol::escape::escape_literal(text);
        Some(match (self, value) {
            (Self::Bool, OwnedValue::Integer(flag)) => (*flag != 0).to_string(),
            (Self::Integer, OwnedValue::Integer(number)) => format!("'{number}'::bigint"),
            (Self::Oid, OwnedValue::Integer(number)) => format!("'{number}'::oid"),
            (Self::Ctid, OwnedValue::Integer(place)) => {
                format!("'({},{})'::tid", place >> 16, place & 0xffff)
            }
            (Self::Float4 | Self::Float8, OwnedValue::Real(number)) => {
                format!("'{number:?}'::float8")
            }
            (Self::Timestamptz, OwnedValue::Integer(us)) => moment("timestamptz", *us),
            (Self::Timestamp, OwnedValue::Integer(us)) => moment("timestamp", *us),
            (Self::Date, OwnedValue::Integer(us)) => {
                format!("('1970-01-01'::date + {})", us / DAY_US)
            }
            (_, OwnedValue::Text(bytes)) => {
                let text = quoted(std::str::from_utf8(bytes).ok()?);
                match self {
                    Self::Numeric => format!("{text}::numeric"),
                    Self::Uuid => format!("{text}::uuid"),
                    Self::Network => format!("{text}::inet"),
                    Self::Timestamptz => format!("{text}::timestamptz"),
                    Self::Timestamp => format!("{text}::timestamp"),
                    Self::Date => format!("{text}::date"),
                    Self::Text | Self::AsText { .. } => format!("{text}::text"),
                    _ => return None,
                }
            }
            _ => return None,
        })
    }
}

/// Days and the rest one by one: an interval of so many microseconds is counted in floating point.
fn moment(ty: &str, us: i64) -> String {
    let (days, rest) = (us.div_euclid(DAY_US), us.rem_euclid(DAY_US));
    format!(
        "('1970-01-01 00:00:00'::timestamp::{ty} + '{days} days'::interval + '{rest} microseconds'::interval)"
    )
}

/// Why a field is no cell.
#[derive(Debug)]
pub(super) enum NoCell {
    /// The row is too large.
    Large(RowTooLarge),
    /// The bytes are no value of the type that the catalog names.
    Garbled,
}

impl From<RowTooLarge> for NoCell {
    fn from(error: RowTooLarge) -> Self {
        Self::Large(error)
    }
}

/// Appends one field to the row being written. `scratch` is only there to be reused.
pub(super) fn push(
    batch: &mut Batch,
    form: Form,
    field: Option<&[u8]>,
    scratch: &mut String,
) -> Result<(), NoCell> {
    let Some(bytes) = field else { return Ok(batch.push(ValueRef::Null)?) };
    scratch.clear();
    let value = cell(form, bytes, scratch).ok_or(NoCell::Garbled)?;
    Ok(batch.push(value)?)
}

fn cell<'a>(form: Form, bytes: &'a [u8], scratch: &'a mut String) -> Option<ValueRef<'a>> {
    Some(match form {
        Form::Text | Form::Json | Form::AsText { .. } => ValueRef::Text(bytes),
        Form::Bytea => ValueRef::Blob(bytes),
        Form::Jsonb => ValueRef::Text(bytes.strip_prefix(&[1])?),
        Form::Bool => ValueRef::Integer(u8::from_be_bytes(bytes.try_into().ok()?).into()),
        Form::Integer => ValueRef::Integer(whole(bytes)?),
        Form::Oid => ValueRef::Integer(u32::from_be_bytes(bytes.try_into().ok()?).into()),
        Form::Float4 => ValueRef::Real(f32::from_be_bytes(bytes.try_into().ok()?).into()),
        Form::Float8 => ValueRef::Real(f64::from_bits(u64::from_be_bytes(bytes.try_into().ok()?))),
        Form::Ctid => {
            let (block, number) = bytes.split_first_chunk::<4>()?;
            let number = u16::from_be_bytes(number.try_into().ok()?);
            ValueRef::Integer(i64::from(u32::from_be_bytes(*block)) << 16 | i64::from(number))
        }
        Form::Timestamptz => instant(i64::from_be_bytes(bytes.try_into().ok()?), scratch)?,
        Form::Timestamp => {
            let us = i64::from_be_bytes(bytes.try_into().ok()?);
            return local(us, endless(us, i64::MIN, i64::MAX), 1, scratch);
        }
        Form::Date => {
            let days = i64::from(i32::from_be_bytes(bytes.try_into().ok()?));
            let word = endless(days, i32::MIN.into(), i32::MAX.into());
            return local(days, word, DAY_US, scratch);
        }
        Form::Network => {
            write!(scratch, "{}", Network::of_field(bytes)?).ok()?;
            ValueRef::Text(scratch.as_bytes())
        }
        Form::Uuid => {
            let bytes: &[u8; 16] = bytes.try_into().ok()?;
            uuid(bytes, scratch);
            ValueRef::Text(scratch.as_bytes())
        }
        Form::Time => {
            let us = i64::from_be_bytes(bytes.try_into().ok()?);
            let (seconds, us) = (us / 1_000_000, us % 1_000_000);
            let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
            write!(scratch, "{hours:02}:{minutes:02}:{seconds:02}.{us:06}").ok()?;
            ValueRef::Text(scratch.as_bytes())
        }
        Form::Interval | Form::Numeric | Form::Array => {
            let write = match form {
                Form::Interval => interval,
                Form::Numeric => numeric,
                _ => array,
            };
            write(bytes, scratch)?;
            ValueRef::Text(scratch.as_bytes())
        }
    })
}

/// An instant; one that 64 bits do not hold as microseconds since 1970 is digits.
fn instant(us: i64, scratch: &mut String) -> Option<ValueRef<'_>> {
    Some(match (endless(us, i64::MIN, i64::MAX), us.checked_add(PG_EPOCH_US)) {
        (Some(word), _) => ValueRef::Text(word),
        (None, Some(us)) => ValueRef::Integer(us),
        (None, None) => ValueRef::Text(wide(scratch, us, 1)?),
    })
}

fn whole(bytes: &[u8]) -> Option<i64> {
    match bytes.len() {
        2 => Some(i16::from_be_bytes(bytes.try_into().ok()?).into()),
        4 => Some(i32::from_be_bytes(bytes.try_into().ok()?).into()),
        8 => Some(i64::from_be_bytes(bytes.try_into().ok()?)),
        _ => None,
    }
}

fn endless(count: i64, low: i64, high: i64) -> Option<&'static [u8]> {
    match count {
        _ if count == low => Some(b"-infinity"),
        _ if count == high => Some(b"infinity"),
        _ => None,
    }
}

/// Microseconds since 1970 as digits, where 64 bits do not hold them: for the column's policy to refuse.
fn wide(scratch: &mut String, count: i64, unit: i64) -> Option<&[u8]> {
    write!(scratch, "{}", i128::from(count) * i128::from(unit) + i128::from(PG_EPOCH_US)).ok()?;
    Some(scratch.as_bytes())
}

/// A wall clock or a date: text from year 1 to 9999, else a number.
fn local<'a>(
    count: i64,
    word: Option<&'static [u8]>,
    unit: i64,
    scratch: &'a mut String,
) -> Option<ValueRef<'a>> {
    if let Some(word) = word {
        return Some(ValueRef::Text(word));
    }
    let us = count.checked_mul(unit).and_then(|us| us.checked_add(PG_EPOCH_US));
    let Some(us) = us else { return wide(scratch, count, unit).map(ValueRef::Text) };
    match civil(us) {
        Some(at) if unit == DAY_US => write!(scratch, "{}", at.date()).ok()?,
        Some(at) => write!(scratch, "{at}").ok()?,
        None => return Some(ValueRef::Integer(us)),
    }
    Some(ValueRef::Text(scratch.as_bytes()))
}

fn civil(us: i64) -> Option<DateTime> {
    let epoch = date(1970, 1, 1).at(0, 0, 0, 0);
    let at = epoch.checked_add(SignedDuration::from_micros(us)).ok()?;
    (at.year() >= 1).then_some(at)
}

fn uuid(bytes: &[u8; 16], out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |at: u8| char::from(DIGITS.get(usize::from(at)).copied().unwrap_or(b'0'));
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        out.push(digit(byte >> 4));
        out.push(digit(byte & 15));
    }
}

/// `P14M-3DT-4.500000S`: each field with its own sign.
fn interval(bytes: &[u8], out: &mut String) -> Option<()> {
    let (us, rest) = bytes.split_first_chunk::<8>()?;
    let (days, months) = rest.split_first_chunk::<4>()?;
    let us = i64::from_be_bytes(*us);
    let (days, months) = (i32::from_be_bytes(*days), i32::from_be_bytes(months.try_into().ok()?));
    let (sign, size) = (if us < 0 { "-" } else { "" }, us.unsigned_abs());
    let (seconds, rest) = (size / 1_000_000, size % 1_000_000);
    write!(out, "P{months}M{days}DT{sign}{seconds}.{rest:06}S").ok()
}

fn numeric(bytes: &[u8], out: &mut String) -> Option<()> {
    let (shorts, []) = bytes.as_chunks::<2>() else { return None };
    let mut shorts = shorts.iter().map(|two| u16::from_be_bytes(*two));
    let count = shorts.next()?;
    let weight = i32::from(shorts.next()?.cast_signed());
    let (sign, scale) = (shorts.next()?, shorts.next()?);
    match sign {
        0 => {}
        0x4000 => out.push('-'),
        0xc000 => out.push_str("NaN"),
        0xd000 => out.push_str("Infinity"),
        0xf000 => out.push_str("-Infinity"),
        _ => return None,
    }
    if sign >= 0xc000 {
        return Some(());
    }
    let groups: Vec<u16> = shorts.collect();
    if groups.len() != usize::from(count) || groups.iter().any(|group| *group > 9_999) {
        return None;
    }
    let group = |at: i32| -> u16 {
        let index = usize::try_from(weight - at).ok();
        index.and_then(|index| groups.get(index).copied()).unwrap_or(0)
    };
    write!(out, "{}", if weight < 0 { 0 } else { group(weight) }).ok()?;
    for at in (0..weight).rev() {
        write!(out, "{:04}", group(at)).ok()?;
    }
    if scale == 0 {
        return Some(());
    }
    out.push('.');
    let (mut left, mut at) = (usize::from(scale), -1);
    while left > 0 {
        let digits = format!("{:04}", group(at));
        out.push_str(digits.get(..left.min(4))?);
        left = left.saturating_sub(4);
        at -= 1;
    }
    Some(())
}

/// Of one dimension that counts from 1; any other is written so that no list takes it.
fn array(bytes: &[u8], out: &mut String) -> Option<()> {
    const TEXTS: [u32; 2] = [25, 1043];
    let (dimensions, rest) = bytes.split_first_chunk::<4>()?;
    let (_, rest) = rest.split_first_chunk::<4>()?;
    let (element, mut rest) = rest.split_first_chunk::<4>()?;
    let texts = TEXTS.contains(&u32::from_be_bytes(*element));
    let dimensions = u32::from_be_bytes(*dimensions);
    let mut lowest = 1;
    for _ in 0..dimensions {
        let (_, tail) = rest.split_first_chunk::<4>()?;
        let (lower, tail) = tail.split_first_chunk::<4>()?;
        lowest = i32::from_be_bytes(*lower);
        rest = tail;
    }
    if dimensions > 1 || lowest != 1 {
        write!(out, "{dimensions} dimensions from {lowest}: ").ok()?;
    }
    out.push('[');
    let mut first = true;
    while let Some((length, tail)) = rest.split_first_chunk::<4>() {
        if !std::mem::take(&mut first) {
            out.push_str(", ");
        }
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            out.push_str("null");
            rest = tail;
            continue;
        };
        let (item, tail) = tail.split_at_checked(length)?;
        rest = tail;
        if texts {
            let text = std::str::from_utf8(item).ok()?;
            out.push_str(&serde_json::to_string(text).ok()?);
        } else {
            write!(out, "{}", whole(item)?).ok()?;
        }
    }
    out.push(']');
    rest.is_empty().then_some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::source::postgres::fields::Fields;

    fn text(form: Form, bytes: &[u8]) -> String {
        let mut scratch = String::new();
        match cell(form, bytes, &mut scratch).unwrap() {
            ValueRef::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
            other => format!("{other:?}"),
        }
    }

    fn number(groups: &[i16], weight: i16, sign: u16, scale: u16) -> String {
        let mut bytes = Vec::new();
        bytes.extend(i16::try_from(groups.len()).unwrap().to_be_bytes());
        bytes.extend(weight.to_be_bytes());
        bytes.extend(sign.to_be_bytes());
        bytes.extend(scale.to_be_bytes());
        groups.iter().for_each(|group| bytes.extend(group.to_be_bytes()));
        text(Form::Numeric, &bytes)
    }

    #[test]
    fn decimals_keep_every_digit_and_no_more() {
        assert_eq!(number(&[12, 5000], 0, 0, 2), "12.50");
        assert_eq!(number(&[1], 2, 0x4000, 0), "-100000000");
        assert_eq!(number(&[70], -2, 0, 7), "0.0000007");
        assert_eq!(number(&[], 0, 0, 3), "0.000");
        assert_eq!(number(&[1, 2, 3000], 1, 0, 1), "10002.3");
        assert_eq!(number(&[], 0, 0xc000, 0), "NaN");
    }

    #[test]
    fn times_without_a_zone_are_text_and_infinity_is_its_word() {
        assert_eq!(text(Form::Timestamp, &0_i64.to_be_bytes()), "2000-01-01T00:00:00");
        assert_eq!(text(Form::Timestamp, &(-1_i64).to_be_bytes()), "1999-12-31T23:59:59.999999");
        assert_eq!(text(Form::Date, &60_i32.to_be_bytes()), "2000-03-01");
        assert_eq!(text(Form::Date, &i32::MAX.to_be_bytes()), "infinity");
        assert_eq!(text(Form::Timestamptz, &i64::MIN.to_be_bytes()), "-infinity");
        assert_eq!(text(Form::Timestamptz, &1_i64.to_be_bytes()), "Integer(946684800000001)");
        assert_eq!(text(Form::Time, &86_400_000_000_i64.to_be_bytes()), "24:00:00.000000");
    }

    #[test]
    fn an_interval_keeps_the_sign_of_each_field() {
        let bytes =
            [&(-4_500_000_i64).to_be_bytes()[..], &(-3_i32).to_be_bytes(), &14_i32.to_be_bytes()];
        assert_eq!(text(Form::Interval, &bytes.concat()), "P14M-3DT-4.500000S");
    }

    #[test]
    fn a_key_is_written_as_the_server_reads_it() {
        let literal = |form: Form, value| form.literal(&value).unwrap();
        assert_eq!(literal(Form::Ctid, OwnedValue::Integer(7 << 16 | 3)), "'(7,3)'::tid");
        assert_eq!(literal(Form::Text, OwnedValue::Text(b"a'b".to_vec())), "'a''b'::text");
        assert_eq!(literal(Form::Bool, OwnedValue::Integer(1)), "true");
        assert_eq!(Form::Integer.literal(&OwnedValue::Text(b"1".to_vec())), None);
    }

    const FORMS: [Form; 19] = [
        Form::Bool,
        Form::Integer,
        Form::Oid,
        Form::Float4,
        Form::Float8,
        Form::Numeric,
        Form::Text,
        Form::Json,
        Form::Jsonb,
        Form::Uuid,
        Form::Timestamptz,
        Form::Timestamp,
        Form::Date,
        Form::Time,
        Form::Interval,
        Form::Bytea,
        Form::Array,
        Form::Ctid,
        Form::AsText { known: false },
    ];

    /// Any bytes, and often numbers at the ends of their range: all bits alike but a few.
    fn fields() -> impl Strategy<Value = Vec<u8>> {
        let extreme =
            (prop::sample::select(vec![0x00, 0x7f, 0x80, 0xff_u8]), any::<bool>(), 0..20_usize)
                .prop_map(|(first, ones, length)| {
                    let mut bytes = vec![if ones { 0xff } else { 0 }; length];
                    if let Some(byte) = bytes.first_mut() {
                        *byte = first;
                    }
                    bytes
                });
        let array = prop::collection::vec(any::<u8>(), 0..40).prop_map(|tail| {
            [&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 23, 0, 0, 0, 2, 0, 0, 0, 1][..], &tail].concat()
        });
        prop_oneof![prop::collection::vec(any::<u8>(), 0..64), extreme, array]
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_value_or_garbled(bytes in fields()) {
            for form in FORMS {
                let mut scratch = String::new();
                let value = cell(form, &bytes, &mut scratch).map(OwnedValue::from);
                let mut batch = Batch::new(1, 1, 1);
                let pushed = push(&mut batch, form, Some(&bytes), &mut scratch);
                match (&value, pushed) {
                    (None, Err(NoCell::Garbled)) => {}
                    (Some(value), Ok(())) => {
                        let kept: OwnedValue = batch.rows().next().unwrap().get(0).into();
                        prop_assert_eq!(format!("{:?}", kept), format!("{:?}", value));
                        form.literal(value);
                    }
                    (value, pushed) => prop_assert!(false, "{form:?}: {value:?}, {pushed:?}"),
                }
                // Whatever is longer or shorter than its type is no value of it.
                let width: &[usize] = match form {
                    Form::Bool => &[1],
                    Form::Integer => &[2, 4, 8],
                    Form::Oid | Form::Float4 | Form::Date => &[4],
                    Form::Ctid => &[6],
                    Form::Float8 | Form::Timestamptz | Form::Timestamp | Form::Time => &[8],
                    Form::Uuid | Form::Interval => &[16],
                    _ => continue,
                };
                prop_assert_eq!(value.is_some(), width.contains(&bytes.len()), "{:?}", form);
            }
        }

        #[test]
        fn any_bytes_are_fields_or_cut_short(bytes in fields()) {
            let Some(fields) = Fields::of(&bytes) else { return Ok(()) };
            prop_assert!(fields.count() <= usize::from(u16::MAX));
        }
    }

    #[test]
    fn what_says_too_much_or_too_little_of_itself_is_garbled() {
        let mut scratch = String::new();
        let mut none = |form, bytes: &[u8]| {
            scratch.clear();
            assert_eq!(cell(form, bytes, &mut scratch), None, "{form:?} {bytes:?}");
        };
        none(Form::Bool, &[1, 0]);
        none(Form::Numeric, &[0, 0, 0, 0, 0, 0, 0, 0, 7]);
        none(Form::Numeric, &[0, 1, 0, 0, 0, 0, 0, 0, 0x27, 0x10]);
        none(Form::Array, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 25, 9]);
        assert_eq!(Fields::of(&[0, 1, 0xff, 0xff, 0xff, 0xff]).unwrap().next(), Some(Some(None)));
        assert_eq!(Fields::of(&[0, 1, 0xff, 0xff, 0xff, 0xfe]).unwrap().next(), Some(None));
        assert_eq!(Fields::of(&[0, 1, 0, 0]).unwrap().next(), Some(None));
    }

    #[test]
    fn what_is_cut_short_is_no_value() {
        let mut scratch = String::new();
        for form in [
            Form::Integer,
            Form::Uuid,
            Form::Network,
            Form::Numeric,
            Form::Interval,
            Form::Timestamptz,
        ] {
            assert_eq!(cell(form, &[1, 2, 3], &mut scratch), None, "{form:?}");
        }
    }
}
