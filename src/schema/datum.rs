//! Values that fit a Postgres column.

use std::borrow::Cow;

use super::{Element, Network};

/// One value that fits its column, ready to be encoded.
#[derive(Clone, Debug, PartialEq)]
pub enum Datum<'a> {
    /// SQL NULL.
    Null,
    /// `boolean`
    Bool(bool),
    /// `smallint`
    Int2(i16),
    /// `integer`
    Int4(i32),
    /// `bigint`
    Int8(i64),
    /// `real`
    Float4(f32),
    /// `double precision`
    Float8(f64),
    /// `numeric`
    Numeric(Numeric),
    /// `text`, `varchar`, `json`, enum labels: UTF-8 without NUL
    Text(Cow<'a, str>),
    /// `jsonb`: valid JSON text
    Jsonb(Cow<'a, str>),
    /// `bytea`
    Bytes(&'a [u8]),
    /// `uuid`
    Uuid([u8; 16]),
    /// `inet`, `cidr`
    Network(Network),
    /// `timestamp[tz]`, microseconds since 2000-01-01
    Timestamp(i64),
    /// `date`, days since 2000-01-01
    Date(i32),
    /// `time`, microseconds of the day
    Time(i64),
    /// `interval`
    Interval {
        /// Months.
        months: i32,
        /// Days.
        days: i32,
        /// Microseconds.
        us: i64,
    },
    /// `text[]`
    TextArray(Vec<Option<String>>),
    /// An integer array; the element type decides the width
    IntArray(Element, Vec<Option<i64>>),
}

/// A decimal number in the form `numeric` has on the wire: groups of four digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numeric {
    /// Base-10000 digits, no leading and no trailing zero group.
    pub groups: Vec<i16>,
    /// Weight of the first group: value = Σ groups[i] · 10000^(weight − i).
    pub weight: i16,
    /// Below zero; never set for zero.
    pub negative: bool,
    /// Digits shown after the decimal point.
    pub scale: u16,
    /// Not a number: no groups, no sign.
    pub nan: bool,
}
