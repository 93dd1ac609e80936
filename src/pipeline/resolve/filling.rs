//! How a source's rows would fill the segments of a columnstore: from the sample, before a row is loaded.

use std::collections::HashSet;

use crate::batch::Batch;
use crate::pipeline::worker::{Layout, batch_bytes, row_bytes};
use crate::schema::Datum;
use crate::sink::columnstore::Columnstore;
use crate::sink::copy;
use crate::sink::strategy::Filling;
use crate::transform::mapping::{Mapping, Outcome};

/// From so many rows a segment on a table is within a few percent of its best size.
const ROWS_PER_SEGMENT: usize = 200;
/// A transaction that is smaller costs more than it does, a larger one gains nothing.
const BATCH_ROWS: std::ops::RangeInclusive<usize> = 50_000..=500_000;

/// What a sample says about times and segments.
#[derive(Debug, Default)]
struct Measured {
    /// Times in the order of the sample, µs since 2000.
    times: Vec<i64>,
    /// First time of each stretch of the sample, in its order.
    firsts: Vec<i64>,
    segments: HashSet<u64>,
    rows: usize,
    bytes: usize,
}

/// The source that was sampled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whole<'a> {
    /// Its rows.
    pub(super) rows: u64,
    /// The sample is spread over all of them; else it is its beginning.
    pub(super) spread: bool,
    /// Time column of the target and chunk interval, µs.
    pub(super) bucket: &'a (String, i64),
    /// Lanes that share the memory.
    pub(super) lanes: usize,
}

/// The earliest time that a sample shows, and what Direct Compress would make of the rows, where it can be.
pub(super) fn look(
    batches: &[Batch],
    mapping: &mut Mapping,
    whole: Whole<'_>,
    direct: Result<Columnstore, String>,
) -> (Option<i64>, Result<(Columnstore, Filling), String>) {
    let columns: Vec<_> =
        mapping.fields.iter().map(|field| (field.column.clone(), field.ty.clone())).collect();
    let layout = direct.as_ref().ok().map(|store| Layout::new(store, &columns));
    let measured = measure(batches, mapping, &whole.bucket.0, layout.as_ref());
    let direct = direct.and_then(|store| match store.segment_that_merges(&columns) {
        Some(why) => Err(why),
        None => Ok((store, measured.filling(whole))),
    });
    (measured.times.iter().copied().min(), direct)
}

/// Sends the sample through the mapping once more. `time` is the target's time column.
fn measure(
    batches: &[Batch],
    mapping: &mut Mapping,
    time: &str,
    layout: Option<&Layout>,
) -> Measured {
    let mut measured = Measured::default();
    let time = mapping.fields.iter().position(|field| field.column == time);
    let mut tuple = Vec::new();
    for batch in batches {
        let mut first = true;
        for row in batch.rows() {
            let (mut field, mut at) = (0, None);
            tuple.clear();
            let outcome = mapping.apply(row, &mut |_, datum| {
                if Some(field) == time {
                    at = match datum {
                        Datum::Timestamp(us) => Some(us),
                        Datum::Date(days) => Some(i64::from(days) * 86_400_000_000),
                        _ => None,
                    };
                }
                copy::field(&mut tuple, &datum);
                field += 1;
            });
            if outcome != Ok(Outcome::Used) {
                continue;
            }
            measured.rows += 1;
            measured.bytes += tuple.len();
            measured.segments.extend(layout.map(|layout| layout.segment(&tuple)));
            measured.times.extend(at);
            measured.firsts.extend(at.filter(|_| std::mem::take(&mut first)));
        }
    }
    // The sample jumps through the table: what it taught the state is not what the rows will.
    mapping.restore(&[]);
    measured
}

impl Measured {
    /// Batch size and rows a segment.
    fn filling(&self, whole: Whole<'_>) -> Filling {
        let segments = self.segments.len().max(1);
        let bytes = row_bytes(self.bytes / self.rows.max(1));
        let wanted = (segments * ROWS_PER_SEGMENT).clamp(*BATCH_ROWS.start(), *BATCH_ROWS.end());
        let batch_rows = wanted.min(batch_bytes(whole.lanes) / bytes);
        // Counts of rows and microseconds of a plant's life are far below 2^53.
        let rows = (batch_rows as f64).min(whole.rows as f64);
        let chunks = self.chunks_of(rows, whole);
        Filling { batch_rows, rows_per_segment: rows / (segments as f64 * chunks) }
    }

    /// Chunks that so many rows in a row fall into.
    fn chunks_of(&self, rows: f64, whole: Whole<'_>) -> f64 {
        let mut times = self.times.clone();
        times.sort_unstable();
        // A stray time at either end says nothing about where the rows are.
        let stray = times.len() / 100;
        let ends = times.get(stray).zip(times.get(times.len().saturating_sub(1 + stray)));
        let range = ends.map_or(0.0, |(low, high)| high.saturating_sub(*low) as f64);
        let all = range / whole.bucket.1.max(1) as f64 + 1.0;
        let behind = self.firsts.windows(2).filter(|pair| pair[0] > pair[1]).count();
        if behind * 10 > self.firsts.len() {
            return all;
        }
        let over = if whole.spread { whole.rows as f64 } else { self.rows as f64 };
        let crossed = rows / over.max(1.0) * range / whole.bucket.1.max(1) as f64;
        (crossed + 1.0).min(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000_000;

    fn measured(firsts: Vec<i64>, segments: u64) -> Measured {
        let times = firsts.clone();
        Measured { times, firsts, segments: (0..segments).collect(), rows: 100, bytes: 3_400 }
    }

    fn filling(sample: &Measured, rows: u64, chunk_us: i64) -> Filling {
        let bucket = ("ts".to_owned(), chunk_us);
        sample.filling(Whole { rows, spread: true, bucket: &bucket, lanes: 2 })
    }

    #[test]
    fn rows_in_the_order_of_time_fill_few_chunks_at_once() {
        // 5 million rows of 1,000 metrics over 60 days.
        let sample = measured((0..60).map(|day| day * DAY).collect(), 1_000);
        let filled = filling(&sample, 5_000_000, DAY);
        assert_eq!(filled.batch_rows, 200_000);
        assert!((55.0..70.0).contains(&filled.rows_per_segment), "{filled:?}");
        let hours = filling(&sample, 5_000_000, DAY / 24);
        assert!(hours.rows_per_segment < 5.0, "{hours:?}");
    }

    #[test]
    fn rows_in_no_order_touch_every_chunk() {
        let shuffled = (0..60).map(|at| (at * 37 % 60) * DAY).collect();
        let filled = filling(&measured(shuffled, 1_000), 5_000_000, DAY);
        assert!(filled.rows_per_segment < 5.0, "{filled:?}");
    }

    #[test]
    fn too_many_segments_and_too_few_rows_leave_them_thin() {
        let sample = measured(vec![0, 1], 20_000);
        let filled = filling(&sample, 50_000_000, DAY);
        assert!(filled.batch_rows <= 500_000 && filled.rows_per_segment < 50.0, "{filled:?}");
        let few = filling(&measured(vec![0, 1], 100), 1_000, DAY);
        assert!(few.rows_per_segment <= 10.0, "{few:?}");
    }

    #[test]
    fn wide_rows_make_smaller_transactions() {
        let wide = Measured { bytes: 100 * 4_096, ..measured(vec![0, 1], 10) };
        let filled = filling(&wide, 5_000_000, DAY);
        assert!(filled.batch_rows * 4_096 <= 32 << 20, "{filled:?}");
    }
}
