//! Parquet: reads the folders that `maintain --archive` writes, and folders of other tools' files.
//!
//! `dir/schema.table/` with a manifest is a table; so is `dir/name/` with Parquet files in it, and
//! `dir/name.parquet`. Rows are numbered through the files of a table, in the order of the manifest or else
//! of the names: that number is the key, so every row can be read again from any position. A file that is
//! not the one its manifest names is refused. Nested columns, INT96, INTERVAL and 16-bit floats are not read.

mod folder;
mod value;

pub use folder::{KEY, Tables};

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::tables::SourceTable;
use super::{Range, Source, SourceError};
use crate::batch::{Batch, OwnedValue, Position, RowTooLarge, ValueRef};
use crate::columnar::FileError;
use crate::columnar::file::{Cell, Form, ParquetFile};
use crate::schema::Selection;

/// Small enough that a batch stays in the processor's cache between the reader and the worker.
const BATCH_ROWS: usize = 4_096;
/// Text and blobs of a batch; one row may be larger.
const BATCH_BYTES: usize = 1 << 20;

impl From<FileError> for SourceError {
    fn from(error: FileError) -> Self {
        Self::Open { path: error.path.display().to_string(), message: error.message }
    }
}

/// Reads one table of a folder.
pub struct ParquetSource {
    label: String,
    files: Vec<(PathBuf, u64)>,
    columns: Vec<String>,
}

impl ParquetSource {
    /// Finds the table's files.
    pub fn open(
        dir: &Path,
        table: &SourceTable,
        selection: &Selection,
    ) -> Result<Self, SourceError> {
        let files = Tables::read(dir)?.files(&table.label)?;
        Ok(Self { label: table.label.clone(), files, columns: selection.columns.clone() })
    }

    /// The number of the last row before a position; positions count from 1.
    fn number(&self, position: &Position) -> Result<Option<u64>, SourceError> {
        let wrong = || SourceError::Position { table: self.label.clone() };
        if position.is_start() {
            return Ok(None);
        }
        match position.key().as_deref() {
            Some([OwnedValue::Integer(row)]) => u64::try_from(*row).map(Some).map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    }
}

impl Source for ParquetSource {
    fn read(
        &mut self,
        range: &Range,
        position: &Position,
        emit: &mut dyn FnMut(Batch) -> ControlFlow<()>,
    ) -> Result<(), SourceError> {
        let from = if position.is_start() { &range.after } else { position };
        let after = self.number(from)?.unwrap_or(0);
        let through = self.number(&range.through)?.unwrap_or(u64::MAX);
        let mut out = Batches { width: self.columns.len() + 1, batch: None, ended: false, emit };
        let mut before = 0;
        for (path, rows) in &self.files {
            let first = after.max(before);
            let (start, end) = (before, before + rows);
            before = end;
            if end <= after {
                continue;
            }
            if start >= through || out.ended {
                break;
            }
            let file = ParquetFile::open(path)?;
            let columns: Vec<Option<usize>> = self
                .columns
                .iter()
                .map(|name| file.columns.iter().position(|column| column.name == *name))
                .collect();
            let forms: Vec<Option<&Form>> = columns
                .iter()
                .map(|index| index.and_then(|index| Some(&file.columns.get(index)?.form)))
                .collect();
            let (mut row, mut failed) = (first, None);
            file.rows(first - start, &columns, &mut |cells| {
                row += 1;
                if row > through {
                    return ControlFlow::Break(());
                }
                out.push(row, cells, &forms).unwrap_or_else(|error| {
                    failed = Some(error);
                    ControlFlow::Break(())
                })
            })?;
            if let Some(source) = failed {
                return Err(SourceError::Row { table: self.label.clone(), source });
            }
        }
        out.finish();
        Ok(())
    }
}

/// First and last number of a row; `None` for a table without rows.
pub fn bounds(dir: &Path, table: &SourceTable) -> Result<Option<(i64, i64)>, SourceError> {
    let files = Tables::read(dir)?.files(&table.label)?;
    let rows: u64 = files.iter().map(|(_, rows)| rows).sum();
    Ok((rows > 0).then(|| (1, i64::try_from(rows).unwrap_or(i64::MAX))))
}

/// Rows on their way into batches.
struct Batches<'a> {
    width: usize,
    batch: Option<Batch>,
    ended: bool,
    emit: &'a mut dyn FnMut(Batch) -> ControlFlow<()>,
}

impl Batches<'_> {
    fn push(
        &mut self,
        number: u64,
        cells: &[Cell<'_>],
        forms: &[Option<&Form>],
    ) -> Result<ControlFlow<()>, RowTooLarge> {
        let width = self.width;
        let batch = self.batch.get_or_insert_with(|| Batch::new(width, 1, BATCH_ROWS));
        batch.push(ValueRef::Integer(i64::try_from(number).unwrap_or(i64::MAX)))?;
        for (cell, form) in cells.iter().zip(forms) {
            value::with(*cell, *form, |value| batch.push(value))?;
        }
        if batch.row_count() < BATCH_ROWS && batch.byte_count() < BATCH_BYTES {
            return Ok(ControlFlow::Continue(()));
        }
        self.finish();
        Ok(if self.ended { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    /// Hands over what is left.
    fn finish(&mut self) {
        if let Some(batch) = self.batch.take().filter(|batch| batch.row_count() > 0)
            && !self.ended
        {
            self.ended = (self.emit)(batch).is_break();
        }
    }
}
