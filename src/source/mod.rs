//! Where rows come from. A source blocks, owns its thread, and knows neither transforms nor sinks.

pub mod parquet;
pub mod postgres;
pub mod profile;
pub mod sqlite;
pub mod tables;
pub mod vec;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::batch::{Batch, Position};
use crate::fault::{self, Fault};
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

    /// Names the snapshot that is read, where a source may have to take several.
    fn snapshot(&self) -> Option<&str> {
        None
    }
}

/// What a table is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A SQLite file.
    Sqlite,
    /// A folder of Parquet files.
    Parquet,
    /// A PostgreSQL server.
    Postgres,
}

/// Where a source is.
#[derive(Clone, Debug)]
pub enum At {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A folder of Parquet files.
    Parquet(PathBuf),
    /// A PostgreSQL server.
    Postgres(Arc<postgres::Legacy>),
}

impl At {
    /// The kind of source.
    pub fn origin(&self) -> Origin {
        match self {
            Self::Sqlite(_) => Origin::Sqlite,
            Self::Parquet(_) => Origin::Parquet,
            Self::Postgres(_) => Origin::Postgres,
        }
    }

    /// A server that had to be read in another snapshot than the one in which rows were counted.
    pub fn moved_on(&self) -> bool {
        match self {
            Self::Sqlite(_) | Self::Parquet(_) => false,
            Self::Postgres(legacy) => legacy.taken() > 1,
        }
    }

    /// The file or folder; nothing for a server.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) | Self::Parquet(path) => Some(path),
            Self::Postgres(_) => None,
        }
    }
}

/// Opens one table.
pub fn open(
    at: &At,
    table: &tables::SourceTable,
    selection: &Selection,
) -> Result<Box<dyn Source>, SourceError> {
    Ok(match at {
        At::Sqlite(path) => Box::new(sqlite::SqliteSource::open(path, table, selection)?),
        At::Parquet(path) => Box::new(parquet::ParquetSource::open(path, table, selection)?),
        At::Postgres(legacy) => Box::new(postgres::PostgresSource::open(legacy, table, selection)?),
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
    /// A server that is read said no, or went away.
    #[error("the source: {what}{}{message}", if what.is_empty() { "" } else { ": " })]
    Server {
        /// Table, query or step; may be empty.
        what: String,
        /// What is wrong, and what to do.
        message: String,
        /// What the server calls it; none where the line broke.
        sqlstate: Option<String>,
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

impl SourceError {
    /// Whether the same again may end otherwise.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Server { sqlstate, .. } => match fault::classify(sqlstate.as_deref(), false) {
                Fault::Restart | Fault::Shrink => Fault::Restart,
                Fault::Reject | Fault::Stop => Fault::Stop,
            },
            _ => Fault::Stop,
        }
    }

    /// The same, told of a table.
    #[must_use]
    pub(crate) fn of(self, table: &str) -> Self {
        match self {
            Self::Server { what, message, sqlstate } if what.is_empty() => {
                Self::Server { what: table.to_owned(), message, sqlstate }
            }
            other => other,
        }
    }
}
