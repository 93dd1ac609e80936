//! Where rows go, and with them, in the same transaction, how far they were read.

pub mod catalog;
pub mod columnstore;
pub mod copy;
pub mod create;
pub mod current;
pub mod debt;
pub mod fingerprint;
pub mod holder;
pub mod ledger;
pub mod memory;
pub mod null;
pub mod parquet;
pub mod reject;
pub mod retention;
pub mod session;
pub mod shifts;
pub mod snapshot;
pub mod strategy;
pub mod timescale;

use bytes::Bytes;

use crate::batch::{Counts, Current, Position};
use crate::fault::{self, Fault};
use fingerprint::Sum;
use reject::DeadLetter;
use session::SessionError;

/// Some rows of one partition, encoded, with everything that has to be true once they are in.
#[derive(Debug)]
pub struct Encoded {
    /// A whole COPY stream, header and trailer included; empty when no row was made.
    pub copy: Vec<Bytes>,
    /// The rows are to be compressed as they come in.
    pub compressed: Option<Sorted>,
    /// For each row made: which of the rows read since the cursor it came from.
    pub origins: Vec<u32>,
    /// What became of the rows read.
    pub counts: Counts,
    /// Rows set aside by the transform.
    pub dead_letters: Vec<DeadLetter>,
    /// Buckets that changed, with their new totals for this partition.
    pub buckets: Vec<(i64, Sum)>,
    /// State that changed.
    pub state: Vec<(String, Vec<u8>)>,
    /// Units whose open state moved.
    pub current: Vec<Current>,
    /// Where the partition has been read to with these rows.
    pub position: Position,
    /// New total of the hashes of the raw rows read.
    pub source_sum: u128,
    /// Nothing is left to read after them.
    pub done: bool,
    /// Dead letters that these rows are: marked as replayed with them.
    pub replayed: Vec<i64>,
}

/// Rows that fill segments and are sorted for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sorted {
    /// The bucket that all of them are in, where it is one: `[from, to)`, µs since 2000.
    pub bucket: Option<(i64, i64)>,
}

/// A sink: one connection, one partition, all of the rows or none of them.
///
/// The writer calls `write` for one [`Encoded`] after the other, in the order of the source, from one
/// task, and never again after an error. `Ok` means: the rows, their dead letters, the state and the
/// cursor are durable together. An error means one of two things that the caller cannot tell apart and
/// need not: nothing happened, or all of it did and the answer was lost. Either way the lane starts
/// again from the cursor that the ledger shows.
pub trait Sink: Send {
    /// Writes the rows and moves the cursor.
    fn write(&mut self, rows: &Encoded) -> impl Future<Output = Result<(), SinkError>> + Send;
}

/// Why rows did not go in.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The server said no, or went away.
    #[error("{}", describe(.error))]
    Database {
        /// The driver's error. Not a `source`: its text would quote the row's values.
        error: tokio_postgres::Error,
        /// It came from COPY, or from the merge of what COPY staged: a row may be at fault.
        in_copy: bool,
    },
    /// No connection.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// Somebody else claimed the partition, or it is gone.
    #[error("this run was fenced off: another one has taken the partition over")]
    Fenced,
    /// One row is refused by the server.
    #[error("the server refuses a row ({sqlstate}): {message}")]
    Row {
        /// Its number among the rows made.
        row: usize,
        /// SQLSTATE.
        sqlstate: String,
        /// The server's message, without values.
        message: String,
        /// Column, if the server names it.
        column: Option<String>,
    },
    /// A refusal that did not come again when the row was looked for.
    #[error("a row was refused, and then it was not")]
    Vanished,
    /// The server refuses one row after the other.
    #[error(
        "the server refuses more than {count} rows in a row, the last with {sqlstate}: {message}; look at \
         the constraint, or set strategy = \"upsert\" if rows of a key replace each other"
    )]
    Rows {
        /// Rows refused at one cursor.
        count: usize,
        /// SQLSTATE of the last one.
        sqlstate: String,
        /// The server's message.
        message: String,
    },
    /// COPY landed another number of rows than was sent.
    #[error("{sent} rows were sent, {landed} landed: a trigger or rule on the table drops rows")]
    Count {
        /// Rows sent.
        sent: u64,
        /// Rows that COPY says landed.
        landed: u64,
    },
    /// What the ledger holds does not go with what was asked.
    #[error("{0}")]
    Ledger(String),
}

impl From<tokio_postgres::Error> for SinkError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database { error, in_copy: false }
    }
}

impl SinkError {
    /// What the failure asks for.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Database { error, in_copy } => {
                let code = error.code().map(tokio_postgres::error::SqlState::code);
                match fault::classify(code, *in_copy) {
                    // Outside COPY and merge no row of the source is in play: our own books are wrong.
                    Fault::Reject if !in_copy => Fault::Stop,
                    fault => fault,
                }
            }
            Self::Session(SessionError::Connect { sqlstate, .. }) => {
                fault::classify(sqlstate.as_deref(), false)
            }
            Self::Row { .. } => Fault::Reject,
            Self::Vanished => Fault::Restart,
            Self::Session(_)
            | Self::Fenced
            | Self::Rows { .. }
            | Self::Count { .. }
            | Self::Ledger(_) => Fault::Stop,
        }
    }

    /// The SQLSTATE, if the server gave one.
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Database { error, .. } => error.code().map(tokio_postgres::error::SqlState::code),
            Self::Session(SessionError::Connect { sqlstate, .. }) => sqlstate.as_deref(),
            Self::Row { sqlstate, .. } => Some(sqlstate),
            _ => None,
        }
    }
}

/// A server error without row values: DETAIL and CONTEXT of a COPY error quote the row.
fn describe(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        None => fault::chain(error),
        Some(server) => {
            let remedy = fault::remedy(server.code().code());
            let dash = if remedy.is_empty() { "" } else { "; " };
            format!("{} ({}){dash}{remedy}", server.message(), server.code().code())
        }
    }
}
