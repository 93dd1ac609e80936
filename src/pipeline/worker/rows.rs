//! One row at a time: as it is mapped, as a record of a stage, or set aside.

use super::Worker;
use crate::batch::{OwnedValue, Row};
use crate::schema::Selection;
use crate::sink::copy;
use crate::sink::reject::{DeadLetter, original};
use crate::transform::Refusal;
use crate::transform::mapping::Outcome;
use crate::transform::stage::Taken;

impl Worker {
    /// Encodes a row that goes into the target as it is mapped.
    pub(super) fn mapped(&mut self, row: Row<'_>) -> Result<Outcome, Refusal> {
        let out = &mut self.open.copy;
        let start = out.len();
        copy::begin_tuple(out, self.width);
        let outcome = self.mapping.apply(row, &mut |_, datum| copy::field(out, &datum));
        if outcome != Ok(Outcome::Used) {
            out.truncate(start);
        }
        outcome
    }

    /// Takes a row as a record, and encodes the rows that are certain with it.
    pub(super) fn staged(&mut self, row: Row<'_>, origin: u64) -> Result<Outcome, Refusal> {
        let taken = self.step(row);
        let starts = std::mem::take(&mut self.starts);
        for (index, start) in starts.iter().enumerate() {
            let end = starts.get(index + 1).copied().unwrap_or(self.open.copy.len());
            let hashed = self.hash_of(*start, end);
            self.keep(*start, origin, hashed);
        }
        self.starts = starts;
        match taken? {
            Some(Taken::Used) => self.open.counts.used += 1,
            Some(Taken::Duplicate) => self.open.counts.duplicate += 1,
            None => return Ok(Outcome::Filtered),
        }
        Ok(Outcome::Used)
    }

    fn step(&mut self, row: Row<'_>) -> Result<Option<Taken>, Refusal> {
        let Self { mapping, stage, record, starts, open, width, .. } = self;
        starts.clear();
        record.clear();
        if mapping.apply(row, &mut |_, datum| record.push(&datum))? == Outcome::Filtered {
            return Ok(None);
        }
        let Some(stage) = stage else { return Ok(None) };
        if stage.needs_key() {
            record.key = xxhash_rust::xxh3::xxh3_128(&row.position().0);
        }
        let out = &mut open.copy;
        let taken = stage.step(record, &mut |data| {
            starts.push(out.len());
            copy::begin_tuple(out, *width);
            data.iter().for_each(|datum| copy::field(out, datum));
        })?;
        Ok(Some(taken))
    }

    /// A record whose row the server refused is still part of what is known; the row is not made again.
    pub(super) fn pass_over(&mut self, row: Row<'_>) {
        if self.stage.is_some() {
            let start = self.open.copy.len();
            // Refused once more it changes nothing; that it is set aside is the caller's to say.
            self.step(row).ok();
            self.open.copy.truncate(start);
        }
    }

    pub(super) fn hash(&self, start: usize) -> (i64, u128) {
        self.hash_of(start, self.open.copy.len())
    }

    fn hash_of(&self, start: usize, end: usize) -> (i64, u128) {
        let tuple = self.open.copy.get(start + 2..end).unwrap_or_default();
        let hashed = self.fingerprinter.row(tuple);
        hashed.expect("our own encoder wrote it, and cast checked its JSON")
    }

    pub(super) fn keep(&mut self, start: usize, origin: u64, (bucket, hash): (i64, u128)) {
        if let Some(layout) = &self.layout {
            let tuple = self.open.copy.get(start + 2..).unwrap_or_default();
            self.open.keys.push(layout.key(tuple, bucket, start));
        }
        if self.latest.0 != bucket {
            self.settle_latest();
            self.latest.0 = bucket;
        }
        self.latest.1.add(hash);
        self.open.origins.push(u32::try_from(origin).unwrap_or(u32::MAX));
        self.open.counts.made += 1;
    }

    pub(super) fn set_aside(
        &mut self,
        row: Row<'_>,
        stage: &'static str,
        reason: String,
        column: Option<String>,
    ) {
        let Selection { key, columns, conditions } = &self.mapping.selection;
        let names = key.iter().chain(columns).map(String::as_str).enumerate();
        let values = names.map(|(index, name)| (name, row.get(index)));
        let first = key.len() + columns.len();
        let conditions = conditions.iter().enumerate();
        let conditions: Vec<_> =
            conditions.map(|(at, sql)| (sql.as_str(), row.get(first + at))).collect();
        let fields = &self.mapping.fields;
        let field = fields.iter().find(|field| Some(&field.column) == column.as_ref());
        let source_column = field.and_then(|field| field.from.clone());
        self.open.dead_letters.push(DeadLetter {
            position: row.position(),
            source_column,
            stage,
            reason,
            sqlstate: None,
            column,
            original: original(values, &conditions),
        });
        self.open.dead_bytes +=
            (0..first).map(|at| OwnedValue::from(row.get(at)).byte_count()).sum::<usize>();
        self.open.counts.rejected += 1;
    }
}
