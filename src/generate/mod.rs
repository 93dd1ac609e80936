//! Test worlds: a simulated plant, written down the way its systems would have.
//!
//! One plant comes out of a seed (`plant`): machines, people, orders, stops, all in true UTC
//! seconds. Each writer beside it puts that plant into the shape, and with the defects, of one
//! real source. The same arguments give the same rows in every table, on any machine, on any day:
//! no clock is read, no float function that a platform may round its own way is called, and the
//! random numbers are ours. Names are put together from small lists; nobody real is in here.
//!
//! A file appears under its name when it is whole, or not at all; a database gets all tables of a
//! system in one transaction. The writers block.

pub mod legacy17;
pub mod ms5;
pub mod orders;
pub mod plant;
mod rng;
pub mod server;
pub mod simple7;
pub mod telemetry;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use rng::Rng;

/// What a generator left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Tables with their row counts, in the order of the schema.
    pub tables: Vec<(String, u64)>,
    /// Where it is.
    pub path: PathBuf,
    /// The truth about what was made wrong on purpose, a fact a line, in words a test can split.
    pub notes: Vec<String>,
}

/// Why nothing was generated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// Output is never overwritten.
    #[error("{} exists: remove it or name another", path.display())]
    Exists {
        /// The file in the way.
        path: PathBuf,
    },
    /// An option outside what can be made.
    #[error("{option} is {value}: {allowed}")]
    Plan {
        /// The option's name.
        option: &'static str,
        /// What was asked for.
        value: String,
        /// What can be asked for.
        allowed: &'static str,
    },
    /// A zone that the time zone database does not know.
    #[error("time zone {zone} is not known")]
    Zone {
        /// As it was given.
        zone: String,
        /// What jiff says.
        #[source]
        source: jiff::Error,
    },
    /// An instant that no calendar holds.
    #[error("the instant {seconds} s cannot be written as a date")]
    Instant {
        /// Seconds since 1970, UTC.
        seconds: i64,
        /// What jiff says.
        #[source]
        source: jiff::Error,
    },
    /// The file system.
    #[error("cannot write {}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A database is filled only where none of the system's tables is.
    #[error("the table {table} exists: name an empty database, or drop what is there")]
    Taken {
        /// The table in the way.
        table: String,
    },
    /// PostgreSQL.
    #[error("cannot write {what}")]
    Postgres {
        /// The table or the step.
        what: String,
        /// The cause.
        #[source]
        source: Box<postgres::Error>,
    },
    /// The connection, in the middle of a table.
    #[error("cannot write {table}")]
    Stream {
        /// The table.
        table: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// SQLite.
    #[error("cannot write {what}")]
    Sqlite {
        /// The table or the step.
        what: &'static str,
        /// The cause.
        #[source]
        source: rusqlite::Error,
    },
}

/// Turns SQLite's errors into ours, naming what was being written.
pub(crate) fn sqlite(what: &'static str) -> impl Fn(rusqlite::Error) -> GenerateError {
    move |source| GenerateError::Sqlite { what, source }
}

/// A file under a working name. It takes its real name in `finish`; dropped before, it goes away.
pub(crate) struct Draft {
    target: PathBuf,
    working: PathBuf,
}

/// What SQLite keeps beside a database, renamed before it so that the database is never alone.
const SIDECARS: [&str; 2] = ["-wal", "-shm"];

impl Draft {
    /// Refuses a target that exists; makes its folder; sweeps what a killed run left.
    pub(crate) fn new(target: &Path) -> Result<Self, GenerateError> {
        for taken in [target.to_owned(), beside(target, "-wal")] {
            if taken.symlink_metadata().is_ok() {
                return Err(GenerateError::Exists { path: taken });
            }
        }
        if let Some(folder) = target.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder)
                .map_err(|source| GenerateError::File { path: folder.to_owned(), source })?;
        }
        let draft = Self { target: target.to_owned(), working: beside(target, ".partial") };
        draft.sweep();
        Ok(draft)
    }

    /// Where to write until it is whole.
    pub(crate) fn path(&self) -> &Path {
        &self.working
    }

    /// Gives the file and what lies beside it their real names.
    pub(crate) fn finish(self) -> Result<PathBuf, GenerateError> {
        for suffix in SIDECARS.into_iter().chain([""]) {
            let (from, to) = (beside(&self.working, suffix), beside(&self.target, suffix));
            if from.exists() {
                fs::rename(&from, &to)
                    .map_err(|source| GenerateError::File { path: to, source })?;
            }
        }
        Ok(self.target.clone())
    }

    fn sweep(&self) {
        for suffix in SIDECARS.into_iter().chain([""]) {
            // It may never have been there; what cannot be removed shows at the next open.
            fs::remove_file(beside(&self.working, suffix)).ok();
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        self.sweep();
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
