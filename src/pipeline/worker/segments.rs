//! Rows of one transaction put in the order in which compression wants them: chunk, segment, time.
//!
//! An index of the encoded tuples is sorted, and the tuples are written once more in its order. What the
//! transaction stands for does not change: it is whole or not there.

use xxhash_rust::xxh3::xxh3_64;

use crate::schema::PgType;
use crate::sink::columnstore::Columnstore;
use crate::sink::{Sorted, copy};

/// Below so many rows a segment, compressing them one batch at a time makes a table larger and slower.
const ROWS_PER_SEGMENT_MIN: usize = 10;

/// Lanes together hold so many bytes of rows that are being sorted; the queue behind them as many again.
const BYTES_MAX: usize = 32 << 20;

/// Bytes of one transaction, keys included, with so many lanes.
pub fn batch_bytes(lanes: usize) -> usize {
    BYTES_MAX / lanes.max(1)
}

/// Bytes that a tuple of this length costs while its transaction is filled.
pub fn row_bytes(tuple: usize) -> usize {
    tuple + 2 + size_of::<Key>()
}

/// Which fields of a tuple say where it belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    segment_by: Vec<usize>,
    /// Field and whether the largest comes first; `None` leaves the order to the server.
    order: Option<(usize, bool)>,
}

/// Where a row belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    chunk: i64,
    /// Hash of the segment's values: rows of a segment lie together, the order of segments is free.
    segment: u64,
    order: u64,
    /// First byte of the tuple, field count included; rows of equal time stay as they came.
    start: usize,
}

impl Layout {
    /// For tuples of these columns.
    pub fn new(columnstore: &Columnstore, columns: &[(String, PgType)]) -> Self {
        let field = |name: &String| columns.iter().position(|(column, _)| column == name);
        let order = columnstore.exact_order(columns);
        Self {
            segment_by: columnstore.segment_by.iter().filter_map(field).collect(),
            order: order.and_then(|order| Some((field(&order.column)?, order.descending))),
        }
    }

    /// What names the segment of a tuple, given without its field count.
    pub fn segment(&self, tuple: &[u8]) -> u64 {
        self.key(tuple, 0, 0).segment
    }

    /// The key of a tuple, given without its field count, that begins at `start` with it.
    pub(super) fn key(&self, tuple: &[u8], chunk: i64, start: usize) -> Key {
        let mut key = Key { chunk, segment: 0, order: 0, start };
        let (mut rest, mut field) = (tuple, 0);
        while let Some((length, tail)) = rest.split_first_chunk::<4>() {
            let length = usize::try_from(i32::from_be_bytes(*length));
            // NULL has no bytes, and is not the empty text.
            let bytes = length.ok().and_then(|length| tail.get(..length));
            if self.segment_by.contains(&field) {
                let hash = bytes.map_or(0, |bytes| xxh3_64(bytes) | 1);
                key.segment = key.segment.rotate_left(21) ^ hash;
            }
            if let Some((_, descending)) = self.order.filter(|(ordered, _)| *ordered == field) {
                let rank = bytes.map_or(u64::MAX, rank);
                key.order = if descending { u64::MAX - rank } else { rank };
            }
            rest = tail.get(bytes.map_or(0, <[u8]>::len)..).unwrap_or_default();
            field += 1;
        }
        key
    }
}

/// A big-endian integer of two to eight bytes as a number that sorts as it does.
fn rank(bytes: &[u8]) -> u64 {
    let negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    let extended = if negative { u64::MAX } else { 0 };
    let value = bytes.iter().fold(extended, |value, byte| (value << 8) | u64::from(*byte));
    value ^ (1 << 63)
}

/// Sorts the tuples of a COPY stream that has no trailer yet, and their origins with them. Nothing changes
/// where the rows are too thin for their segments. `chunk_us` is the width of a chunk, 0 where time has none.
pub(super) fn arrange(
    stream: &mut Vec<u8>,
    origins: &mut Vec<u32>,
    keys: Vec<Key>,
    chunk_us: i64,
) -> Option<Sorted> {
    if keys.is_empty() {
        return None;
    }
    // As they came, each tuple ends where the next one begins.
    let mut tails: Vec<u32> = keys.iter().skip(1).map(|key| narrow(key.start)).collect();
    tails.push(narrow(stream.len()));
    let number: Vec<u32> = (0..narrow(keys.len())).collect();
    let mut numbered: Vec<(Key, u32)> = keys.into_iter().zip(number).collect();
    numbered.sort_unstable();
    let same = |pair: &[(Key, u32)]| match pair {
        [(left, _), (right, _)] => (left.chunk, left.segment) == (right.chunk, right.segment),
        _ => true,
    };
    let segments = 1 + numbered.windows(2).filter(|pair| !same(pair)).count();
    if numbered.len() / segments < ROWS_PER_SEGMENT_MIN {
        return None;
    }
    let chunk = |end: Option<&(Key, u32)>| end.map(|(key, _)| key.chunk);
    let ends = (chunk(numbered.first()), chunk(numbered.last()));
    let one = ends.0.filter(|_| ends.0 == ends.1 && chunk_us > 0);
    let bucket = one.and_then(|from| Some((from, from.checked_add(chunk_us)?)));
    let mut sorted = Vec::with_capacity(stream.len() + copy::TRAILER.len());
    sorted.extend_from_slice(copy::HEADER);
    let mut moved = Vec::with_capacity(origins.len());
    for (key, row) in numbered {
        let row = row as usize;
        let end = tails.get(row).copied().unwrap_or_default() as usize;
        sorted.extend_from_slice(stream.get(key.start..end).unwrap_or_default());
        moved.extend(origins.get(row));
    }
    *stream = sorted;
    *origins = moved;
    Some(Sorted { bucket })
}

/// A transaction holds far less than 4 GiB.
fn narrow(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Datum;
    use crate::sink::columnstore::Order;

    fn layout() -> Layout {
        let order = Order { column: "ts".to_owned(), descending: true };
        let columnstore = Columnstore {
            segment_by: vec!["m".to_owned()],
            order_by: vec![order],
            takes_order: true,
        };
        let columns = [("ts".to_owned(), PgType::Timestamptz(6)), ("m".to_owned(), PgType::Int4)];
        Layout::new(&columnstore, &columns)
    }

    /// A stream of (time, metric) with one chunk a thousand, and the keys of its rows.
    fn stream(rows: &[(i64, Option<i32>)]) -> (Vec<u8>, Vec<u32>, Vec<Key>) {
        let (mut out, mut keys) = (copy::HEADER.to_vec(), Vec::new());
        for (ts, metric) in rows {
            let start = out.len();
            copy::begin_tuple(&mut out, 2);
            copy::field(&mut out, &Datum::Timestamp(*ts));
            copy::field(&mut out, &metric.map_or(Datum::Null, Datum::Int4));
            keys.push(layout().key(&out[start + 2..], ts.div_euclid(1_000) * 1_000, start));
        }
        let origins = (0..narrow(rows.len())).collect();
        (out, origins, keys)
    }

    fn read(stream: &[u8]) -> Vec<(i64, Option<i32>)> {
        let tuples = copy::tuples(&[bytes::Bytes::copy_from_slice(stream)]);
        let row = |tuple: &bytes::Bytes| {
            let fields = copy::fields(&tuple[2..]).unwrap();
            let ts = i64::from_be_bytes(fields[0].unwrap().try_into().unwrap());
            (ts, fields[1].map(|bytes| i32::from_be_bytes(bytes.try_into().unwrap())))
        };
        tuples.iter().map(row).collect()
    }

    #[test]
    fn rows_lie_by_chunk_segment_and_falling_time_with_their_origins() {
        // GIVEN two chunks and three segments, one of them NULL, in the order of time, from before 2000 on
        let metric = |at: i64| match at % 3 {
            0 => None,
            rest => i32::try_from(rest).ok(),
        };
        let rows: Vec<_> = (-40..60).map(|at| (at * 20, metric(at))).collect();
        let (mut out, mut origins, keys) = stream(&rows);
        // WHEN they are arranged
        assert_eq!(arrange(&mut out, &mut origins, keys, 1_000), Some(Sorted { bucket: None }));
        // THEN each row is there once, with its origin, and each segment is in one piece and in order
        let sorted = read(&out);
        let back: Vec<_> = origins.iter().map(|origin| rows[*origin as usize]).collect();
        assert_eq!(sorted, back);
        let mut all = sorted.clone();
        all.sort_unstable();
        let mut expected = rows.clone();
        expected.sort_unstable();
        assert_eq!(all, expected);
        let place = |row: &(i64, Option<i32>)| (row.0.div_euclid(1_000), row.1);
        let borders = sorted.windows(2).filter(|pair| place(&pair[0]) != place(&pair[1])).count();
        assert_eq!(borders, 3 * 3 - 1, "three chunks of three segments");
        let falls = |pair: &&[(i64, Option<i32>)]| pair[0].0 > pair[1].0;
        let within = sorted.windows(2).filter(|pair| place(&pair[0]) == place(&pair[1]));
        assert!(
            within.clone().count() > 80 && within.clone().filter(falls).count() == within.count()
        );
    }

    #[test]
    fn thin_rows_stay_as_they_came() {
        let rows: Vec<_> = (0..90).map(|at| (at, i32::try_from(at % 10).ok())).collect();
        let (mut out, mut origins, keys) = stream(&rows);
        let before = out.clone();
        assert_eq!(arrange(&mut out, &mut origins, keys, 1_000), None);
        assert_eq!((out, origins.len()), (before, 90));
    }

    #[test]
    fn no_row_is_arranged_nowhere() {
        let mut out = copy::HEADER.to_vec();
        assert_eq!(arrange(&mut out, &mut Vec::new(), Vec::new(), 1_000), None);
    }

    #[test]
    fn rows_of_one_chunk_are_known_as_such() {
        let rows: Vec<_> = (0..90).map(|at| (at, Some(7))).collect();
        let (mut out, mut origins, keys) = stream(&rows);
        assert_eq!(
            arrange(&mut out, &mut origins, keys, 1_000),
            Some(Sorted { bucket: Some((0, 1_000)) })
        );
    }

    #[test]
    fn integers_of_any_width_sort_as_numbers() {
        let narrow = [i16::MIN, -1, 0, 1, i16::MAX].map(|value| rank(&value.to_be_bytes()));
        assert!(narrow.is_sorted());
        let wide = [i64::MIN, -1, 0, 1, i64::MAX].map(|value| rank(&value.to_be_bytes()));
        assert!(wide.is_sorted());
    }
}
