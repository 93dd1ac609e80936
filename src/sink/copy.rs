//! The binary COPY format: one [`Datum`] a field, one tuple a row, appended to one buffer.
//!
//! The encoder makes the canonical form of a value: what it writes is what `COPY … TO STDOUT (FORMAT
//! binary)` gives back. Its test reads every type back from a server.

use crate::schema::{Datum, Element, Numeric, PgType};

/// Signature, flags and the length of an empty header extension.
pub const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// End of data.
pub const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();

/// Appends the field count that opens a tuple.
pub fn begin_tuple(out: &mut Vec<u8>, field_count: u16) {
    out.extend_from_slice(&field_count.to_be_bytes());
}

/// Appends one field.
pub fn field(out: &mut Vec<u8>, datum: &Datum<'_>) {
    match datum {
        Datum::Null => out.extend_from_slice(&(-1_i32).to_be_bytes()),
        Datum::Bool(value) => fixed(out, [u8::from(*value)]),
        Datum::Int2(value) => fixed(out, value.to_be_bytes()),
        Datum::Int4(value) | Datum::Date(value) => fixed(out, value.to_be_bytes()),
        Datum::Int8(value) | Datum::Timestamp(value) | Datum::Time(value) => {
            fixed(out, value.to_be_bytes());
        }
        Datum::Float4(value) => fixed(out, value.to_bits().to_be_bytes()),
        Datum::Float8(value) => fixed(out, value.to_bits().to_be_bytes()),
        Datum::Text(text) => sized(out, text.as_bytes()),
        Datum::Bytes(bytes) => sized(out, bytes),
        Datum::Uuid(bytes) => fixed(out, *bytes),
        Datum::Network(network) => sized(out, &network.field()),
        Datum::Jsonb(text) => with_length(out, |out| {
            out.push(1);
            out.extend_from_slice(text.as_bytes());
        }),
        Datum::Interval { months, days, us } => with_length(out, |out| {
            out.extend_from_slice(&us.to_be_bytes());
            out.extend_from_slice(&days.to_be_bytes());
            out.extend_from_slice(&months.to_be_bytes());
        }),
        Datum::Numeric(number) => with_length(out, |out| numeric(out, number)),
        Datum::TextArray(items) => {
            let write = |out: &mut Vec<u8>, item: &String| sized(out, item.as_bytes());
            array(out, TEXT_OID, items, write);
        }
        Datum::IntArray(element, items) => int_array(out, *element, items),
    }
}

const TEXT_OID: u32 = 25;

/// A length that fits the protocol's i32; a longer value cannot come from a row (4 GiB, see `Batch`),
/// and the server refuses what is above 1 GiB.
fn length(count: usize) -> [u8; 4] {
    i32::try_from(count).unwrap_or(i32::MAX).to_be_bytes()
}

#[inline]
fn fixed<const N: usize>(out: &mut Vec<u8>, bytes: [u8; N]) {
    out.extend_from_slice(&length(N));
    out.extend_from_slice(&bytes);
}

fn sized(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&length(bytes.len()));
    out.extend_from_slice(bytes);
}

fn with_length(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out);
    let written = length(out.len() - at - 4);
    out[at..at + 4].copy_from_slice(&written);
}

fn numeric(out: &mut Vec<u8>, number: &Numeric) {
    let sign: u16 = match (number.nan, number.negative) {
        (true, _) => 0xC000,
        (false, true) => 0x4000,
        (false, false) => 0,
    };
    let count = u16::try_from(number.groups.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&count.to_be_bytes());
    out.extend_from_slice(&number.weight.to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&number.scale.to_be_bytes());
    number.groups.iter().for_each(|group| out.extend_from_slice(&group.to_be_bytes()));
}

fn int_array(out: &mut Vec<u8>, element: Element, items: &[Option<i64>]) {
    // Values were held against the element type when they were read: the low bytes are the value.
    let low = |value: &i64, from: usize| value.to_be_bytes()[from..].to_vec();
    match element {
        Element::Int2 => array(out, 21, items, |out, value| sized(out, &low(value, 6))),
        Element::Int4 => array(out, 23, items, |out, value| sized(out, &low(value, 4))),
        Element::Int8 | Element::Text => {
            array(out, 20, items, |out, value| sized(out, &low(value, 0)))
        }
    }
}

fn array<T>(
    out: &mut Vec<u8>,
    element_oid: u32,
    items: &[Option<T>],
    write: impl Fn(&mut Vec<u8>, &T),
) {
    with_length(out, |out| {
        // An empty array has no dimension at all: that is the form the server gives back.
        let dimensions = i32::from(!items.is_empty());
        let has_null = i32::from(items.iter().any(Option::is_none));
        out.extend_from_slice(&dimensions.to_be_bytes());
        out.extend_from_slice(&has_null.to_be_bytes());
        out.extend_from_slice(&element_oid.to_be_bytes());
        if !items.is_empty() {
            out.extend_from_slice(&length(items.len()));
            out.extend_from_slice(&1_i32.to_be_bytes());
        }
        for item in items {
            match item {
                None => out.extend_from_slice(&(-1_i32).to_be_bytes()),
                Some(item) => write(out, item),
            }
        }
    });
}

/// Splits a tuple into its fields, as the server sends them; `None` when it is malformed.
pub fn fields(mut tuple: &[u8]) -> Option<Vec<Option<&[u8]>>> {
    let mut fields = Vec::new();
    while let Some((length, rest)) = tuple.split_first_chunk::<4>() {
        let length = i32::from_be_bytes(*length);
        if length == -1 {
            fields.push(None);
            tuple = rest;
            continue;
        }
        let (field, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        fields.push(Some(field));
        tuple = rest;
    }
    tuple.is_empty().then_some(fields)
}

/// Cuts an encoded COPY stream back into its tuples, field counts included.
pub fn tuples(parts: &[bytes::Bytes]) -> Vec<bytes::Bytes> {
    let whole: bytes::Bytes = parts.concat().into();
    let mut tuples = Vec::new();
    let mut at = HEADER.len();
    while let Some(count) = whole.get(at..at + 2).map(|two| i16::from_be_bytes([two[0], two[1]])) {
        if count < 0 {
            break;
        }
        let start = at;
        at += 2;
        for _ in 0..count {
            let Some(length) = whole.get(at..).and_then(|rest| rest.first_chunk::<4>()) else {
                return tuples;
            };
            at += 4 + usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0);
        }
        tuples.push(whole.slice(start..at.min(whole.len())));
    }
    tuples
}

/// The SQL of a COPY into a table.
pub fn statement(table: &str, columns: &[(String, PgType)]) -> String {
    let names: Vec<String> = columns.iter().map(|(name, _)| crate::schema::quote(name)).collect();
    format!("copy {table} ({}) from stdin (format binary)", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_its_length_and_its_bytes() {
        let mut out = Vec::new();
        field(&mut out, &Datum::Int4(-2));
        field(&mut out, &Datum::Null);
        field(&mut out, &Datum::Text("hé".into()));
        assert_eq!(out, b"\0\0\0\x04\xff\xff\xff\xfe\xff\xff\xff\xff\0\0\0\x03h\xc3\xa9");
        assert_eq!(
            fields(&out).unwrap(),
            [Some(&b"\xff\xff\xff\xfe"[..]), None, Some("hé".as_bytes())]
        );
    }

    #[test]
    fn a_tuple_cut_short_is_noticed() {
        assert_eq!(fields(b"\0\0\0\x04ab"), None);
        assert_eq!(fields(b"\0\0"), None);
        assert_eq!(fields(b""), Some(vec![]));
    }

    #[test]
    fn an_empty_array_has_no_dimension() {
        let mut out = Vec::new();
        field(&mut out, &Datum::IntArray(Element::Int4, vec![]));
        assert_eq!(out, b"\0\0\0\x0c\0\0\0\0\0\0\0\0\0\0\0\x17");
    }
}
