//! The fingerprint of a table: for each chunk-sized time bucket, how many rows and the sum of their hashes.
//!
//! Order-free and of constant size, so that lanes need not agree on an order and `verify` needs no sort.
//! The same code hashes the tuple that is sent and the tuple that is read back. Columns that the server
//! keeps in another form (jsonb, interval) are brought to one form first; the rest is hashed as bytes.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::copy;
use crate::schema::{Comparison, PG_EPOCH_US, PgType};

/// The bucket of rows without a time.
pub const NO_TIME: i64 = i64::MIN;

/// Count and hash sum of some rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Rows.
    pub n: u64,
    /// Wrapping sum of their xxh3 hashes.
    pub sum: u128,
}

impl Sum {
    /// Adds one row.
    pub fn add(&mut self, hash: u128) {
        self.n += 1;
        self.sum = self.sum.wrapping_add(hash);
    }

    /// Adds other rows.
    pub fn merge(&mut self, other: Self) {
        self.n += other.n;
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

/// Sums by bucket; a bucket is named by its first microsecond since 2000-01-01.
pub type Buckets = BTreeMap<i64, Sum>;

/// Hashes tuples of one table.
#[derive(Clone, Debug)]
pub struct Fingerprinter {
    types: Vec<PgType>,
    /// All columns are compared bit for bit: the tuple is hashed in one go.
    bitwise: bool,
    time: Option<(usize, i64)>,
}

impl Fingerprinter {
    /// For tuples of these column types. `time` is the time column and its chunk interval in µs.
    pub fn new(types: Vec<PgType>, time: Option<(usize, i64)>) -> Self {
        let bitwise = types.iter().all(|ty| ty.comparison() == Comparison::Bit);
        let time = time.filter(|(field, chunk_us)| {
            *chunk_us > 0
                && matches!(
                    types.get(*field),
                    Some(PgType::Timestamptz(_) | PgType::Timestamp(_) | PgType::Date)
                )
        });
        Self { types, bitwise, time }
    }

    /// Bucket and hash of a tuple, given without its field count. `None` when it is malformed.
    pub fn row(&self, tuple: &[u8]) -> Option<(i64, u128)> {
        let bucket = match self.time {
            None => NO_TIME,
            Some((field, chunk_us)) => bucket_of(nth(tuple, field)?, chunk_us),
        };
        let hash = if self.bitwise { xxh3_128(tuple) } else { self.by_value(tuple)? };
        Some((bucket, hash))
    }

    fn by_value(&self, tuple: &[u8]) -> Option<u128> {
        let mut hasher = Xxh3::new();
        for (field, ty) in copy::fields(tuple)?.iter().zip(&self.types) {
            let Some(bytes) = field else {
                hasher.update(b"n");
                continue;
            };
            let form = match ty {
                PgType::Jsonb => Some(canonical_json(bytes.get(1..)?)?),
                PgType::Interval => Some(interval_us(bytes)?.to_be_bytes().to_vec()),
                _ => None,
            };
            let form = form.as_deref().unwrap_or(bytes);
            hasher.update(b"v");
            hasher.update(&form.len().to_be_bytes());
            hasher.update(form);
        }
        Some(hasher.digest128())
    }
}

/// The bytes of one field; NULL is empty.
fn nth(mut tuple: &[u8], field: usize) -> Option<&[u8]> {
    for _ in 0..field {
        let (length, rest) = tuple.split_first_chunk::<4>()?;
        tuple = rest.get(usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0)..)?;
    }
    let (length, rest) = tuple.split_first_chunk::<4>()?;
    rest.get(..usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0))
}

/// Chunks of TimescaleDB begin at multiples of the interval since the Unix epoch; so do buckets.
fn bucket_of(field: &[u8], chunk_us: i64) -> i64 {
    let us = match (field.first_chunk::<8>(), field.first_chunk::<4>()) {
        (Some(bytes), _) => i64::from_be_bytes(*bytes),
        (None, Some(bytes)) => i64::from(i32::from_be_bytes(*bytes)) * 86_400_000_000,
        (None, None) => return NO_TIME,
    };
    let since_1970 = i128::from(us) + i128::from(PG_EPOCH_US);
    let chunk_us = i128::from(chunk_us);
    let start = since_1970.div_euclid(chunk_us) * chunk_us - i128::from(PG_EPOCH_US);
    i64::try_from(start).unwrap_or(NO_TIME)
}

/// An interval as its type's `=` sees it: a month has 30 days, a day 24 hours.
fn interval_us(field: &[u8]) -> Option<i128> {
    let us = i64::from_be_bytes(*field.first_chunk::<8>()?);
    let days = i32::from_be_bytes(*field.get(8..)?.first_chunk::<4>()?);
    let months = i32::from_be_bytes(*field.get(12..)?.first_chunk::<4>()?);
    Some((i128::from(months) * 30 + i128::from(days)) * 86_400_000_000 + i128::from(us))
}

/// JSON with sorted keys, the last of equal keys, no spaces, and numbers without leading or trailing zeros.
fn canonical_json(text: &[u8]) -> Option<Vec<u8>> {
    let mut value: serde_json::Value = serde_json::from_slice(text).ok()?;
    normalise_numbers(&mut value);
    serde_json::to_vec(&value).ok()
}

fn normalise_numbers(value: &mut serde_json::Value) {
    use serde_json::Value;
    match value {
        Value::Array(items) => items.iter_mut().for_each(normalise_numbers),
        Value::Object(entries) => entries.values_mut().for_each(normalise_numbers),
        Value::Number(number) => *value = Value::String(plain_decimal(number.as_str())),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// `-1.50e2` as sign, digits and exponent of ten: `-15e1`. Marked so that no string looks the same.
fn plain_decimal(text: &str) -> String {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return "\u{1}0".to_owned();
    }
    let trailing = digits.len() - digits.trim_end_matches('0').len();
    let exponent: i128 = exponent.parse().unwrap_or(0);
    let shift = |count: usize| i128::try_from(count).unwrap_or(i128::MAX);
    let exponent = exponent - shift(fraction.len()) + shift(trailing);
    format!("\u{1}{sign}{significant}e{exponent}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Datum;

    fn tuple(datums: &[Datum<'_>]) -> Vec<u8> {
        let mut out = Vec::new();
        datums.iter().for_each(|datum| copy::field(&mut out, datum));
        out
    }

    #[test]
    fn json_of_equal_value_has_one_form() {
        let same = [r#"{"b": 1.50, "a": [1e2, -0.0]}"#, r#"{"a":[100,0],"b":1.5}"#];
        assert_eq!(canonical_json(same[0].as_bytes()), canonical_json(same[1].as_bytes()));
        let twice = canonical_json(br#"{"a":1,"a":2}"#);
        assert_eq!(twice, canonical_json(br#"{"a":2}"#));
        assert_ne!(canonical_json(b"\"1\""), canonical_json(b"1"), "a string is no number");
        assert_ne!(canonical_json(b"10"), canonical_json(b"1"));
    }

    #[test]
    fn a_day_is_twenty_four_hours_to_an_interval() {
        let types = vec![PgType::Interval];
        let hash = |days, us| {
            let tuple = tuple(&[Datum::Interval { months: 0, days, us }]);
            Fingerprinter::new(types.clone(), None).row(&tuple).unwrap().1
        };
        assert_eq!(hash(1, 0), hash(0, 86_400_000_000));
        assert_ne!(hash(1, 0), hash(1, 1));
    }

    #[test]
    fn rows_fall_into_the_bucket_of_their_chunk() {
        let day = 86_400_000_000;
        let printer =
            Fingerprinter::new(vec![PgType::Int4, PgType::Timestamptz(6)], Some((1, day)));
        let bucket = |us| printer.row(&tuple(&[Datum::Int4(1), Datum::Timestamp(us)])).unwrap().0;
        assert_eq!((bucket(0), bucket(day - 1), bucket(day), bucket(-1)), (0, 0, day, -day));
    }

    #[test]
    fn one_changed_bit_changes_the_sum() {
        let printer = Fingerprinter::new(vec![PgType::Float8], None);
        let hash = |value| printer.row(&tuple(&[Datum::Float8(value)])).unwrap().1;
        assert_ne!(hash(0.0), hash(-0.0));
    }
}
