//! The worker: rows in, encoded transactions out. One thread a lane, and no I/O.
//!
//! It carries what has to be true after each transaction: position, counts, sums by bucket, state. Cutting
//! the input elsewhere changes where transactions end, never what is in them.

use std::collections::{BTreeSet, HashMap, HashSet};

use bytes::Bytes;

use crate::batch::{Batch, Counts, Position, Row};
use crate::schema::PgType;
use crate::sink::fingerprint::{Buckets, Fingerprinter, Sum};
use crate::sink::ledger::Claim;
use crate::sink::reject::DeadLetter;
use crate::sink::{Encoded, copy};
use crate::transform::Refusal;
use crate::transform::mapping::{Mapping, Outcome};
use crate::transform::stage::{Record, Stage};

mod recipe;
mod rows;
mod segments;

pub use recipe::Recipe;
use segments::Key;
pub use segments::{Layout, batch_bytes, row_bytes};

/// A transaction holds no more encoded bytes than this: memory stays bounded whatever the rows are.
pub const BATCH_BYTES_MAX: usize = 8 << 20;
/// Dead letters hold whole rows as JSON: a file that is all bad must fit in memory, too.
const DEAD_LETTERS_MAX: usize = 1_000;
/// A transaction that ends with its chunk holds so many rows at least, or rows in no order would make tiny
/// ones; but for the first one after a start, which mostly begins in the middle of a chunk.
const CHUNK_ROWS_MIN: u64 = if cfg!(test) { 20 } else { 10_000 };
/// COPY is sent in slices of this size.
const SLICE_BYTES: usize = 1 << 18;

/// Why the sink refused a row; the worker sets it aside when it meets it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The server's code.
    pub sqlstate: String,
    /// The column, if the server named it.
    pub column: Option<String>,
}

/// Rows that the sink refused, by their number among the rows read since the cursor.
pub type Condemned = HashMap<u64, Verdict>;

/// Turns batches into transactions.
pub struct Worker {
    mapping: Mapping,
    stage: Option<Stage>,
    record: Record,
    /// Where the rows of the record at hand begin in the transaction.
    starts: Vec<usize>,
    /// Columns of a row that is made.
    width: u16,
    fingerprinter: Fingerprinter,
    /// Width of a bucket in µs; 0 without a time.
    chunk_us: i64,
    /// Sums of this partition, over all its rows.
    buckets: Buckets,
    /// Rows of the bucket at hand that are not in `buckets` yet.
    latest: (i64, Sum),
    source_sum: u128,
    condemned: Condemned,
    refused: HashSet<Position>,
    batch_rows: usize,
    batch_bytes: usize,
    /// Rows are sorted for compression.
    layout: Option<Layout>,
    /// Rows read since the cursor that this worker began at.
    read: u64,
    open: Open,
    scratch: Vec<u8>,
}

/// The transaction being filled.
struct Open {
    copy: Vec<u8>,
    origins: Vec<u32>,
    /// Where each row belongs; only where rows are sorted.
    keys: Vec<Key>,
    counts: Counts,
    dead_letters: Vec<DeadLetter>,
    dead_bytes: usize,
    touched: BTreeSet<i64>,
    position: Position,
}

impl Open {
    fn new(position: Position) -> Self {
        Self {
            copy: copy::HEADER.to_vec(),
            origins: Vec::new(),
            keys: Vec::new(),
            counts: Counts::default(),
            dead_letters: Vec::new(),
            dead_bytes: 0,
            touched: BTreeSet::new(),
            position,
        }
    }

    fn byte_count(&self) -> usize {
        self.copy.len() + self.keys.len() * size_of::<Key>()
    }
}

impl Worker {
    /// Goes on where a claim stands. `time` is the time column of a hypertable and its chunk interval.
    pub fn new(
        recipe: impl Into<Recipe>,
        time: Option<(&str, i64)>,
        claim: &Claim,
        condemned: Condemned,
        batch_rows: usize,
    ) -> Result<Self, UnreadableState> {
        let Recipe { mut mapping, mut stage, columns } = recipe.into();
        let staged = stage.as_mut().is_none_or(|stage| stage.restore(&claim.state));
        if !mapping.restore(&claim.state) || !staged {
            return Err(UnreadableState);
        }
        let time = time.and_then(|(time, chunk_us)| {
            let field = columns.iter().position(|(column, _)| column == time)?;
            Some((field, chunk_us))
        });
        let types: Vec<PgType> = columns.into_iter().map(|(_, ty)| ty).collect();
        Ok(Self {
            chunk_us: time.map_or(0, |(_, chunk_us)| chunk_us),
            width: u16::try_from(types.len()).unwrap_or(u16::MAX),
            fingerprinter: Fingerprinter::new(types, time),
            mapping,
            stage,
            record: Record::default(),
            starts: Vec::new(),
            buckets: claim.buckets.clone(),
            latest: (0, Sum::default()),
            source_sum: claim.source_sum,
            condemned,
            refused: HashSet::new(),
            batch_rows: batch_rows.max(1),
            batch_bytes: BATCH_BYTES_MAX,
            layout: None,
            read: 0,
            open: Open::new(claim.position.clone()),
            scratch: Vec::new(),
        })
    }

    /// Sorts the rows of each transaction, which may hold so many bytes, for compression.
    pub fn sort(&mut self, layout: Layout, batch_bytes: usize) {
        self.layout = Some(layout);
        self.batch_bytes = batch_bytes;
    }

    /// Leaves out rows that the sink refused in an earlier run, by their keys.
    pub fn refuse(&mut self, refused: HashSet<Position>) {
        self.refused = refused;
    }

    /// Sums of all rows that went through, by bucket.
    pub fn buckets(&mut self) -> &Buckets {
        self.settle_latest();
        &self.buckets
    }

    /// Takes a batch in; hands out each transaction that is full.
    pub fn push<E>(
        &mut self,
        batch: &Batch,
        emit: &mut impl FnMut(Encoded) -> Result<(), E>,
    ) -> Result<(), E> {
        let last = batch.row_count().saturating_sub(1);
        let mut before: Option<Row<'_>> = None;
        for (index, row) in batch.rows().enumerate() {
            if !self.row(row) {
                // At the start of a batch the position stands behind the one before.
                if let Some(before) = before {
                    self.open.position = before.position();
                }
                emit(self.take(false))?;
                self.row(row);
            }
            before = Some(row);
            let full = self.open.counts.read >= as_u64(self.batch_rows)
                || self.open.byte_count() >= self.batch_bytes
                || self.open.dead_letters.len() >= DEAD_LETTERS_MAX
                || self.open.dead_bytes >= BATCH_BYTES_MAX;
            if full || index == last {
                self.open.position = row.position();
            }
            if full {
                emit(self.take(false))?;
            }
        }
        Ok(())
    }

    /// The last transaction; it may be empty and still says that the partition is done.
    pub fn finish(&mut self, done: bool) -> Option<Encoded> {
        (done || self.open.counts.read > 0).then(|| self.take(done))
    }

    /// Takes a row in; `false` when it has to open the next transaction, and nothing has happened yet.
    fn row(&mut self, row: Row<'_>) -> bool {
        let selection = &self.mapping.selection;
        let columns = selection.key.len() + selection.columns.len();
        let digest = row.digest(columns, &mut self.scratch);
        self.source_sum = self.source_sum.wrapping_add(digest);
        let origin = self.open.counts.read;
        let number = self.read;
        self.read += 1;
        self.open.counts.read += 1;
        if !self.refused.is_empty() && self.refused.contains(&row.position()) {
            self.pass_over(row);
            self.open.counts.rejected += 1;
            return true;
        }
        if !self.condemned.is_empty()
            && let Some(verdict) = self.condemned.remove(&number)
        {
            self.pass_over(row);
            self.set_aside(row, "sink", format!("sqlstate_{}", verdict.sqlstate), verdict.column);
            if let Some(letter) = self.open.dead_letters.last_mut() {
                letter.sqlstate = Some(verdict.sqlstate);
            }
            return true;
        }
        let start = self.open.copy.len();
        let outcome = match self.stage {
            Some(_) => self.staged(row, origin),
            None => match self.mapped(row) {
                Ok(Outcome::Used) => {
                    let hashed = self.hash(start);
                    if self.ends_with(hashed.0) {
                        self.open.copy.truncate(start);
                        self.source_sum = self.source_sum.wrapping_sub(digest);
                        self.open.counts.read -= 1;
                        self.read -= 1;
                        return false;
                    }
                    self.keep(start, origin, hashed);
                    self.open.counts.used += 1;
                    Ok(Outcome::Used)
                }
                other => other,
            },
        };
        match outcome {
            Ok(Outcome::Used) => {}
            Ok(Outcome::Filtered) => self.open.counts.filtered += 1,
            Err(Refusal { field, reason }) => {
                let column = self.mapping.fields.get(field).map(|field| field.column.clone());
                self.set_aside(row, "transform", reason.code().to_owned(), column);
            }
        }
        true
    }

    /// Whether a row of this bucket comes after a whole chunk's worth of another: a chunk that is filled by
    /// one transaction need not be compressed again. A mapping with state takes no row back.
    fn ends_with(&self, bucket: i64) -> bool {
        let (open, rows) = (self.latest.0, self.latest.1.n);
        self.layout.is_some()
            && bucket != open
            && rows > 0
            && (rows >= CHUNK_ROWS_MIN || self.read == self.open.counts.read)
            && self.open.touched.is_empty()
            && !self.mapping.is_stateful()
    }

    /// Rows mostly come in the order of time: only a change of bucket costs a look-up.
    fn settle_latest(&mut self) {
        let (bucket, sum) = std::mem::take(&mut self.latest);
        if sum.n > 0 {
            self.buckets.entry(bucket).or_default().merge(sum);
            self.open.touched.insert(bucket);
        }
    }

    fn state(&mut self) -> Vec<(String, Vec<u8>)> {
        let mut state = self.mapping.state();
        state.extend(self.stage.iter_mut().flat_map(Stage::changed));
        state
    }

    fn take(&mut self, done: bool) -> Encoded {
        self.settle_latest();
        let next = Open::new(self.open.position.clone());
        let mut full = std::mem::replace(&mut self.open, next);
        self.open.copy.reserve(full.copy.len());
        let compressed =
            segments::arrange(&mut full.copy, &mut full.origins, full.keys, self.chunk_us);
        let mut slices = Vec::new();
        if full.counts.made > 0 {
            full.copy.extend_from_slice(&copy::TRAILER);
            let mut whole = Bytes::from(full.copy);
            while !whole.is_empty() {
                slices.push(whole.split_to(whole.len().min(SLICE_BYTES)));
            }
        }
        let changed = full.touched.iter().filter_map(|at| Some((*at, *self.buckets.get(at)?)));
        Encoded {
            copy: slices,
            compressed,
            origins: full.origins,
            counts: full.counts,
            dead_letters: full.dead_letters,
            buckets: changed.collect(),
            state: self.state(),
            current: self.stage.iter_mut().flat_map(Stage::current).collect(),
            position: full.position,
            source_sum: self.source_sum,
            done,
            replayed: Vec::new(),
        }
    }
}

/// The state in the ledger was written by another version of a transform.
#[derive(Debug, thiserror::Error)]
#[error("the transform's state in the ledger cannot be read by this version")]
pub struct UnreadableState;

fn as_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
