//! Where rows come from. A source blocks, owns its thread, and knows neither transforms nor sinks.

pub mod parquet;
pub mod profile;
pub mod sqlite;
pub mod tables;
pub mod vec;

use std::ops::ControlFlow;
use std::path::Path;

use crate::batch::{Batch, Position};
use crate::schema::Selection;

/// A source of one table.
///
/// `read` is called from one thread, which it may block as long as it likes. It hands over the rows of
/// the partition `(after, through]` that come after `position`, in the order of the key, each exactly
/// once, a batch at a time, and returns at the end of the partition or as soon as `emit` says so.
/// Called again with the position of any row it handed over, it goes on behind that row: the same rows
/// in the same order, however the batches were cut. It keeps nothing between two calls that matters.
pub trait Source: Send {
    /// Reads on from `position`; an empty position, `after` or `through` is an open end.
    fn read(
        &mut self,
        range: &Range,
        position: &Position,
        emit: &mut dyn FnMut(Batch) -> ControlFlow<()>,
    ) -> Result<(), SourceError>;
}

/// What a table is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A SQLite file.
    Sqlite,
    /// A folder of Parquet files.
    Parquet,
}

/// Opens one table of a file or folder.
pub fn open(
    path: &Path,
    table: &sqlite::SourceTable,
    selection: &Selection,
) -> Result<Box<dyn Source>, SourceError> {
    Ok(match table.origin {
        Origin::Sqlite => Box::new(sqlite::SqliteSource::open(path, table, selection)?),
        Origin::Parquet => Box::new(parquet::ParquetSource::open(path, table, selection)?),
    })
}

/// The keys of a partition: `(after, through]`, empty for an open end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// Rows come after this key.
    pub after: Position,
    /// Rows come up to and with this key.
    pub through: Position,
}

/// Why a source could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It cannot be opened.
    #[error("{path}: {message}")]
    Open {
        /// The file.
        path: String,
        /// What is wrong, and what to do.
        message: String,
    },
    /// It broke while it was read.
    #[error("{table}: {message}")]
    Read {
        /// Table or query.
        table: String,
        /// What is wrong, and what to do.
        message: String,
        /// The driver's error.
        #[source]
        source: rusqlite::Error,
    },
    /// A row that cannot be held.
    #[error("{table}: {source}")]
    Row {
        /// Table or query.
        table: String,
        /// Why.
        #[source]
        source: crate::batch::RowTooLarge,
    },
    /// A position that this source did not make.
    #[error("{table}: the position in the ledger does not fit the key of the source")]
    Position {
        /// Table or query.
        table: String,
    },
}
