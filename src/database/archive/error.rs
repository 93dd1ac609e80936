//! Why rows were not archived.

use std::path::PathBuf;

use crate::columnar::FileError;
use crate::schema::TableName;
use crate::sink::SinkError;

/// Why rows were not archived. Nothing was dropped, or the drop is known of: calling again goes on.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The table is not there.
    #[error("there is no table {0} to archive")]
    NoTable(TableName),
    /// Rows of another table would go or change with it, and no file would have them.
    #[error(
        "{table} is left alone: rows of {child} go or change with its rows (foreign key {key}); archive {child} \
         first and make its key `no action`"
    )]
    Follower {
        /// The table.
        table: TableName,
        /// The table that refers to it.
        child: String,
        /// Its foreign key.
        key: String,
    },
    /// Somebody loads it.
    #[error("{table} is left alone: {who}")]
    Loading {
        /// The table.
        table: TableName,
        /// Who, in words.
        who: String,
    },
    /// No time column of that name.
    #[error("{table} has no column {column} of a type that holds a time; name its time column")]
    NoTime {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
    },
    /// The folder belongs to another database.
    #[error(
        "{} archives {theirs}, and this is {ours}: name another folder, one for each database", folder.display()
    )]
    OtherDatabase {
        /// The table's folder.
        folder: PathBuf,
        /// What its manifest says.
        theirs: String,
        /// What this is.
        ours: String,
    },
    /// The file does not hold what was sent.
    #[error(
        "{}: {found} rows (fingerprint {found_sum}) were read back, {sent} ({sent_sum}) were written: nothing \
         was dropped; look after the disk, remove the file and run it again", path.display()
    )]
    ReadBack {
        /// The file.
        path: PathBuf,
        /// Rows read back.
        found: u64,
        /// Their fingerprint.
        found_sum: String,
        /// Rows written.
        sent: u64,
        /// Their fingerprint.
        sent_sum: String,
    },
    /// Rows kept coming.
    #[error(
        "rows kept coming into {table} below {until} while they were archived: nothing of that range was \
         dropped; wait until whatever loads history is done, and run it again"
    )]
    LateRows {
        /// The table.
        table: TableName,
        /// End of the range.
        until: String,
    },
    /// A drop whose end is not known yet.
    #[error(
        "{table}: transaction {transaction} of an earlier run is still under way; wait for it, or end its \
         session (pg_stat_activity), and run it again"
    )]
    Unsettled {
        /// The table.
        table: TableName,
        /// The transaction.
        transaction: String,
    },
    /// `drop_chunks` would take more or less than was archived.
    #[error("drop_chunks on {table} took {dropped:?} instead of {archived:?}: it was rolled back")]
    OtherChunks {
        /// The table.
        table: TableName,
        /// Chunks it dropped.
        dropped: Vec<String>,
        /// Chunks that were archived.
        archived: Vec<String>,
    },
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The server.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

impl From<tokio_postgres::Error> for ArchiveError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Sink(error.into())
    }
}
