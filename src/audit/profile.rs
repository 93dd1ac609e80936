//! One column by its values: storage classes, range, distinct values, shapes of text, what is broken.
//!
//! Constant memory whatever the table's size: shapes beyond the first 24 are counted together, and
//! distinct values are estimated from their smallest hashes.

use xxhash_rust::xxh3::xxh3_64;

use super::times::{Moment, Reader, Times};
use crate::batch::ValueRef;
use crate::source::profile::Classes;

/// Shapes that are told apart in one column.
const SHAPES_MAX: usize = 24;
/// Longer texts have no shape worth telling.
const SHAPE_BYTES: usize = 40;
/// Examples are cut to this many characters.
const EXAMPLE_CHARS: usize = 28;
/// Hashes kept for the estimate: it is off by about 1 in 16.
const HASHES: usize = 256;

/// Values that go wrong, and the first of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bad {
    /// How many.
    pub count: u64,
    /// The number of the first row.
    pub first_id: i64,
}

impl Bad {
    fn add(&mut self, id: i64) {
        if self.count == 0 {
            self.first_id = id;
        }
        self.count += 1;
    }
}

/// A shape of text: digits as 9, letters as a.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The shape.
    pub shape: String,
    /// Values of it.
    pub count: u64,
    /// One of them; empty in a column of secrets.
    pub example: String,
}

/// Everything known of one column.
#[derive(Clone, Debug)]
pub struct ColumnProfile {
    /// Its name.
    pub name: String,
    /// Its declared type.
    pub declared: String,
    /// It looks like a secret: no value of it is shown.
    pub secret: bool,
    /// Storage classes.
    pub classes: Classes,
    /// Texts of no or only blank characters.
    pub blanks: u64,
    /// Texts that are not UTF-8, or hold a zero byte.
    pub broken_text: Bad,
    /// Values of a class or shape that hardly any other value has: not a number, not JSON.
    pub not_number: Bad,
    /// Texts that are not a JSON object or list.
    pub not_json: Bad,
    /// Values that are no time, in a column that may be one.
    pub not_time: Bad,
    /// Smallest and largest number.
    pub numbers: Option<(f64, f64)>,
    /// Smallest and largest text.
    pub texts: Option<(String, String)>,
    /// Times.
    pub times: Times,
    shapes: Vec<Shape>,
    /// Values of other shapes.
    pub other_shapes: u64,
    hashes: Vec<u64>,
    scratch: Vec<u8>,
}

impl ColumnProfile {
    /// An empty profile.
    pub fn new(name: &str, declared: &str) -> Self {
        let lower = name.to_lowercase();
        let secrets = ["password", "passwd", "hash", "token", "secret", "api_key", "apikey", "pin"];
        let word = |secret: &str| match secret {
            // `pin` is part of too many words.
            "pin" => lower == "pin" || lower.ends_with("_pin"),
            secret => lower.contains(secret),
        };
        Self {
            name: name.to_owned(),
            declared: declared.to_owned(),
            secret: secrets.iter().any(|secret| word(secret)),
            classes: Classes::default(),
            blanks: 0,
            broken_text: Bad::default(),
            not_number: Bad::default(),
            not_json: Bad::default(),
            not_time: Bad::default(),
            numbers: None,
            texts: None,
            times: Times::default(),
            shapes: Vec::new(),
            other_shapes: 0,
            hashes: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Takes the next value in the order of the key.
    pub(super) fn add(&mut self, id: i64, value: ValueRef<'_>, reader: &mut Reader) {
        match value {
            ValueRef::Null => self.classes.nulls += 1,
            ValueRef::Integer(number) => {
                self.classes.integers += 1;
                self.classes.not_flags += u64::from(number != 0 && number != 1);
                self.hash(&number.to_le_bytes());
                self.number(approximate(number));
                self.moment(id, reader.read(value));
            }
            ValueRef::Real(number) => {
                self.classes.reals += 1;
                self.hash(&number.to_le_bytes());
                self.number(number);
                self.not_time.add(id);
            }
            ValueRef::Text(text) => {
                self.classes.texts += 1;
                self.hash(text);
                self.text(id, text, reader);
            }
            ValueRef::Blob(blob) => {
                self.classes.blobs += 1;
                self.hash(blob);
                self.not_number.add(id);
                self.not_time.add(id);
            }
        }
    }

    fn moment(&mut self, id: i64, moment: Option<Moment>) {
        match moment {
            Some(moment) => self.times.add(id, moment),
            None => self.not_time.add(id),
        }
    }

    fn number(&mut self, number: f64) {
        let (low, high) = self.numbers.unwrap_or((number, number));
        self.numbers = Some((low.min(number), high.max(number)));
    }

    fn text(&mut self, id: i64, text: &[u8], reader: &mut Reader) {
        let valid = std::str::from_utf8(text).ok().filter(|text| !text.contains('\0'));
        let Some(valid) = valid else {
            self.broken_text.add(id);
            self.not_number.add(id);
            self.not_time.add(id);
            self.not_json.add(id);
            return;
        };
        let bracket = matches!(text.first(), Some(b'{' | b'['));
        let json = bracket && serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok();
        self.classes.json += u64::from(json);
        if !json {
            self.not_json.add(id);
        }
        self.not_number.add(id);
        if valid.trim().is_empty() {
            self.blanks += 1;
        } else {
            self.moment(id, reader.read(ValueRef::Text(text)));
        }
        match &mut self.texts {
            None => self.texts = Some((cut(valid), cut(valid))),
            Some((low, high)) => {
                if valid < low.as_str() {
                    *low = cut(valid);
                } else if valid > high.as_str() && cut(valid) > *high {
                    *high = cut(valid);
                }
            }
        }
        self.shape(valid);
    }

    fn shape(&mut self, text: &str) {
        if text.len() > SHAPE_BYTES {
            self.other_shapes += 1;
            return;
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        scratch.extend(text.bytes().map(|byte| match byte {
            b'0'..=b'9' => b'9',
            b'a'..=b'z' | b'A'..=b'Z' | 0x80.. => b'a',
            b'\n' | b'\r' | b'\t' => b' ',
            other => other,
        }));
        // A column of times has one or two shapes: a search by hash would be slower.
        let full = self.shapes.len() >= SHAPES_MAX;
        match self.shapes.iter_mut().find(|known| known.shape.as_bytes() == scratch) {
            Some(known) => known.count += 1,
            None if !full => {
                let example = if self.secret { String::new() } else { cut(text) };
                let shape = String::from_utf8_lossy(&scratch).into_owned();
                self.shapes.push(Shape { shape, count: 1, example });
            }
            None => self.other_shapes += 1,
        }
        self.scratch = scratch;
    }

    fn hash(&mut self, bytes: &[u8]) {
        let hash = xxh3_64(bytes);
        if self.hashes.len() >= HASHES && self.hashes.last().is_some_and(|last| hash >= *last) {
            return;
        }
        if let Err(place) = self.hashes.binary_search(&hash) {
            self.hashes.insert(place, hash);
            self.hashes.truncate(HASHES);
        }
    }

    /// Distinct values, and whether the number is an estimate.
    pub fn distinct(&self) -> (u64, bool) {
        let held = self.hashes.len() as u64;
        match self.hashes.last() {
            Some(last) if self.hashes.len() >= HASHES && *last > 0 => {
                let estimate = u128::from(held - 1) * u128::from(u64::MAX) / u128::from(*last);
                (u64::try_from(estimate).unwrap_or(u64::MAX).min(self.values()), true)
            }
            _ => (held, false),
        }
    }

    /// Values that are not NULL.
    pub fn values(&self) -> u64 {
        let Classes { integers, reals, texts, blobs, .. } = self.classes;
        integers + reals + texts + blobs
    }

    /// The shapes, the most frequent first.
    pub fn shapes(&self) -> Vec<Shape> {
        let mut shapes = self.shapes.clone();
        shapes.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.shape.cmp(&b.shape)));
        shapes
    }

    /// Whether its name or declared type speaks of time.
    fn is_named_time(&self) -> bool {
        let (name, declared) = (self.name.to_lowercase(), self.declared.to_lowercase());
        let words = ["time", "date", "timestamp", "epoch"];
        let named = words.iter().any(|word| name.contains(word));
        let ends = ["_at", "_ts", "_on"].iter().any(|end| name.ends_with(end));
        named || ends || name == "ts" || words.iter().any(|word| declared.contains(word))
    }

    /// Whether the column holds instants or readings of a clock, but for a few broken values.
    pub fn is_time(&self) -> bool {
        let times = &self.times;
        let written = times.readings + times.zeds + times.offsets;
        // A number is a time only in a column that says so: counters are as large.
        let counted = times.epoch_count() > 0 && (written > 0 || self.is_named_time());
        let moments = written + if counted { times.epoch_count() } else { 0 };
        let all = self.values() - self.blanks;
        moments > 0 && moments * 100 >= all * 95
    }

    /// Whether the column holds dates.
    pub fn is_date(&self) -> bool {
        let all = self.values() - self.blanks;
        !self.is_time() && self.times.dates > 0 && self.times.dates * 100 >= all * 95
    }

    /// Whether it was made for times, and never used.
    pub fn is_unused_time(&self) -> bool {
        self.values() == self.blanks && self.is_named_time()
    }
}

fn cut(text: &str) -> String {
    let mut short: String = text.chars().take(EXAMPLE_CHARS).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short.replace(['\n', '\r', '\t'], " ")
}

/// Close enough for a range: doubles are exact up to 2^53.
fn approximate(number: i64) -> f64 {
    let high = i32::try_from(number >> 32).unwrap_or_default();
    let low = u32::try_from(number & 0xffff_ffff).unwrap_or_default();
    f64::from(high) * 4_294_967_296.0 + f64::from(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(name: &str, values: &[ValueRef<'_>]) -> ColumnProfile {
        let mut reader = Reader::new().unwrap();
        let mut profile = ColumnProfile::new(name, "TEXT");
        for (value, id) in values.iter().zip(1..) {
            profile.add(id, *value, &mut reader);
        }
        profile
    }

    #[test]
    fn shapes_have_counts_and_one_example() {
        let texts = ["PO-12", "PO-77", "x"].map(|text| ValueRef::Text(text.as_bytes()));
        let found = profile("number", &texts);
        let shapes = found.shapes();
        assert_eq!((shapes[0].shape.as_str(), shapes[0].count), ("aa-99", 2));
        assert_eq!(shapes[0].example, "PO-12");
        assert_eq!(found.distinct(), (3, false));
    }

    #[test]
    fn secrets_are_not_shown() {
        let found = profile("password_hash", &[ValueRef::Text(b"$2b$10$x")]);
        assert!(found.secret && found.shapes()[0].example.is_empty());
    }

    #[test]
    fn distinct_values_are_estimated() {
        let mut reader = Reader::new().unwrap();
        let mut profile = ColumnProfile::new("n", "INTEGER");
        (0..100_000).for_each(|n| profile.add(n, ValueRef::Integer(n % 50_000), &mut reader));
        let (distinct, estimated) = profile.distinct();
        assert!(estimated && (42_000..58_000).contains(&distinct), "{distinct}");
    }

    #[test]
    fn numbers_are_times_only_by_name() {
        let values = [ValueRef::Integer(1_730_263_721), ValueRef::Integer(1_730_263_999)];
        assert!(profile("created_at", &values).is_time());
        assert!(!profile("counter", &values).is_time());
        assert_eq!(approximate(-5), -5.0);
        assert_eq!(approximate(1_730_263_721_200), 1_730_263_721_200.0);
    }
}
