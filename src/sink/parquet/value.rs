//! One field of the binary COPY format as Parquet stores it, and back: the same bytes.

use std::borrow::Cow;

use parquet::basic::{LogicalType, TimeUnit, Type as Physical};

use super::text;
use crate::columnar::PG_EPOCH_DAYS;
use crate::columnar::file::Cell;
use crate::schema::{Network, PG_EPOCH_US, PgType};

/// How a type is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Store {
    Bool,
    Int16,
    Int32,
    Int64,
    Float,
    Double,
    /// Also numbers, intervals, addresses and arrays: as text they are exact.
    Text,
    Json,
    Bytes,
    Uuid,
    Date,
    Time,
    Timestamp {
        utc: bool,
    },
}

/// A value on its way into a file.
pub(super) enum Made<'a> {
    Bool(bool),
    Int32(i32),
    Int64(i64),
    Float(f32),
    Double(f64),
    Bytes(Cow<'a, [u8]>),
}

pub(super) fn store(ty: &PgType) -> Store {
    match ty {
        PgType::Bool => Store::Bool,
        PgType::Int2 => Store::Int16,
        PgType::Int4 => Store::Int32,
        PgType::Int8 => Store::Int64,
        PgType::Float4 => Store::Float,
        PgType::Float8 => Store::Double,
        PgType::Uuid => Store::Uuid,
        PgType::Timestamptz(_) => Store::Timestamp { utc: true },
        PgType::Timestamp(_) => Store::Timestamp { utc: false },
        PgType::Date => Store::Date,
        PgType::Time => Store::Time,
        PgType::Json | PgType::Jsonb | PgType::Array(_) => Store::Json,
        PgType::Bytea => Store::Bytes,
        PgType::Numeric(_)
        | PgType::Text
        | PgType::Varchar(_)
        | PgType::Interval
        | PgType::Inet
        | PgType::Cidr
        | PgType::Enum(_)
        | PgType::Other(_) => Store::Text,
    }
}

impl Store {
    /// The physical type, its annotation, and its length where that is fixed.
    pub(super) fn parquet(self) -> (Physical, Option<LogicalType>, i32) {
        let micros = TimeUnit::MICROS;
        match self {
            Self::Bool => (Physical::BOOLEAN, None, 0),
            Self::Int16 => (Physical::INT32, Some(LogicalType::integer(16, true)), 0),
            Self::Int32 => (Physical::INT32, Some(LogicalType::integer(32, true)), 0),
            Self::Int64 => (Physical::INT64, Some(LogicalType::integer(64, true)), 0),
            Self::Float => (Physical::FLOAT, None, 0),
            Self::Double => (Physical::DOUBLE, None, 0),
            Self::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String), 0),
            Self::Json => (Physical::BYTE_ARRAY, Some(LogicalType::Json), 0),
            Self::Bytes => (Physical::BYTE_ARRAY, None, 0),
            Self::Uuid => (Physical::FIXED_LEN_BYTE_ARRAY, Some(LogicalType::Uuid), 16),
            Self::Date => (Physical::INT32, Some(LogicalType::Date), 0),
            Self::Time => (Physical::INT64, Some(LogicalType::time(false, micros)), 0),
            Self::Timestamp { utc } => {
                (Physical::INT64, Some(LogicalType::timestamp(utc, micros)), 0)
            }
        }
    }
}

/// A field that is not NULL; `None` when no stored form would give it back.
pub(super) fn of_field<'a>(ty: &PgType, field: &'a [u8]) -> Option<Made<'a>> {
    let made = |text: String| Made::Bytes(Cow::Owned(text.into_bytes()));
    Some(match ty {
        PgType::Bool => Made::Bool(u8::from_be_bytes(field.try_into().ok()?) != 0),
        PgType::Int2 => Made::Int32(i16::from_be_bytes(field.try_into().ok()?).into()),
        PgType::Int4 => Made::Int32(i32::from_be_bytes(field.try_into().ok()?)),
        PgType::Int8 | PgType::Time => Made::Int64(i64::from_be_bytes(field.try_into().ok()?)),
        PgType::Float4 => Made::Float(f32::from_be_bytes(field.try_into().ok()?)),
        PgType::Float8 => Made::Double(f64::from_be_bytes(field.try_into().ok()?)),
        PgType::Timestamptz(_) | PgType::Timestamp(_) => {
            match i64::from_be_bytes(field.try_into().ok()?) {
                // Infinity keeps its bits; a real time must not look like it.
                endless @ (i64::MIN | i64::MAX) => Made::Int64(endless),
                us => Made::Int64(us.checked_add(PG_EPOCH_US).filter(|us| *us != i64::MAX)?),
            }
        }
        PgType::Date => match i32::from_be_bytes(field.try_into().ok()?) {
            endless @ (i32::MIN | i32::MAX) => Made::Int32(endless),
            days => Made::Int32(days.checked_add(PG_EPOCH_DAYS).filter(|days| *days != i32::MAX)?),
        },
        PgType::Numeric(_) => made(text::numeric(field)?),
        PgType::Interval => made(text::interval(field)?),
        PgType::Inet | PgType::Cidr => made(Network::of_field(field)?.to_string()),
        PgType::Array(element) => made(text::array(field, *element)?),
        // The server's version byte of jsonb.
        PgType::Jsonb => Made::Bytes(Cow::Borrowed(field.strip_prefix(&[1])?)),
        PgType::Text
        | PgType::Varchar(_)
        | PgType::Json
        | PgType::Bytea
        | PgType::Uuid
        | PgType::Enum(_)
        | PgType::Other(_) => Made::Bytes(Cow::Borrowed(field)),
    })
}

/// The bytes of a field again; `None` when the cell holds no such value.
pub(super) fn to_field(ty: &PgType, cell: Cell<'_>, out: &mut Vec<u8>) -> Option<()> {
    match (ty, cell) {
        (PgType::Bool, Cell::Bool(value)) => out.push(value.into()),
        (PgType::Int2, Cell::Int32(value)) => {
            out.extend_from_slice(&i16::try_from(value).ok()?.to_be_bytes());
        }
        (PgType::Int4, Cell::Int32(value)) => out.extend_from_slice(&value.to_be_bytes()),
        (PgType::Int8 | PgType::Time, Cell::Int64(value)) => {
            out.extend_from_slice(&value.to_be_bytes());
        }
        (PgType::Float4, Cell::Float(value)) => out.extend_from_slice(&value.to_be_bytes()),
        (PgType::Float8, Cell::Double(value)) => out.extend_from_slice(&value.to_be_bytes()),
        (PgType::Timestamptz(_) | PgType::Timestamp(_), Cell::Int64(value)) => {
            let us = match value {
                i64::MIN | i64::MAX => value,
                _ => value.checked_sub(PG_EPOCH_US)?,
            };
            out.extend_from_slice(&us.to_be_bytes());
        }
        (PgType::Date, Cell::Int32(value)) => {
            let days = match value {
                i32::MIN | i32::MAX => value,
                _ => value.checked_sub(PG_EPOCH_DAYS)?,
            };
            out.extend_from_slice(&days.to_be_bytes());
        }
        (PgType::Numeric(_), Cell::Bytes(value)) => text::numeric_field(value, out)?,
        (PgType::Interval, Cell::Bytes(value)) => text::interval_field(value, out)?,
        (PgType::Inet | PgType::Cidr, Cell::Bytes(value)) => {
            let text = std::str::from_utf8(value).ok()?;
            out.extend_from_slice(&Network::parse(text, *ty == PgType::Cidr)?.field());
        }
        (PgType::Array(element), Cell::Bytes(value)) => text::array_field(value, *element, out)?,
        (PgType::Jsonb, Cell::Bytes(value)) => {
            out.push(1);
            out.extend_from_slice(value);
        }
        (
            PgType::Text
            | PgType::Varchar(_)
            | PgType::Json
            | PgType::Bytea
            | PgType::Uuid
            | PgType::Enum(_)
            | PgType::Other(_),
            Cell::Bytes(value),
        ) => out.extend_from_slice(value),
        _ => return None,
    }
    Some(())
}
