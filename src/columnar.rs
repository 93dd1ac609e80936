//! Parquet files as both rooms see them: the sink writes them, the source reads them, neither knows the
//! other. Here are what they agree on: the folder of a table with its [`manifest`], and reading a file row
//! by row ([`file`]).
//!
//! Knows no server, no pipeline, and of types just how a file names them.

pub mod file;
pub mod manifest;

use std::path::{Path, PathBuf};

/// Days from the Unix epoch to the Postgres epoch (2000-01-01).
pub const PG_EPOCH_DAYS: i32 = 10_957;

/// Why a file or a folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {message}", path.display())]
pub struct FileError {
    /// The file or folder.
    pub path: PathBuf,
    /// What is wrong, and what to do.
    pub message: String,
}

impl FileError {
    /// About a file.
    pub fn new(path: &Path, message: impl std::fmt::Display) -> Self {
        Self { path: path.to_owned(), message: message.to_string() }
    }
}
