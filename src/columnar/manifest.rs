//! The folder of one table: `schema.table/manifest.json` and the files it names.
//!
//! A file counts once the manifest names it, and the manifest is replaced in one step: written aside,
//! synced, renamed, folder synced. Whatever stops the writer, a reader finds the old list or the new one,
//! and every file on it is whole. Files are listed in the order they came, so that the rows of a folder
//! that only grows keep their numbers.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::FileError;
use crate::schema::TableName;

/// Its name in the folder of a table.
pub const MANIFEST: &str = "manifest.json";
/// What this version writes and reads.
const FORMAT: u32 = 1;

/// What a table's folder holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// 1.
    pub format: u32,
    /// `schema.table`, as SQL quotes it.
    pub table: String,
    /// The time column that the files are cut by.
    pub time: String,
    /// The database it came from: name and system identifier of its server.
    pub database: String,
    /// The columns that the table has had; each file has one of these lists.
    pub shapes: Vec<Vec<Column>>,
    /// The files, in the order they came.
    pub files: Vec<Entry>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name in the folder.
    pub file: String,
    /// First microsecond since 1970 (UTC) that its rows may have.
    pub from_us: i64,
    /// The first one they may not have.
    pub to_us: i64,
    /// Rows.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
    /// SHA-256 of the file, hex.
    pub sha256: String,
    /// Sum of the rows' 128-bit xxh3 hashes, hex: as `verify` shows it.
    pub fingerprint: String,
    /// Number of its list of columns; the fingerprint is over them.
    pub shape: usize,
    /// Chunks of the table that the rows came from; none on a plain table.
    pub chunks: Vec<String>,
    /// What is known of the rows in the table.
    pub state: State,
    /// The version that wrote it.
    pub written_by: String,
}

/// A column of a table, in the table's order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type in the table, as SQL spells it.
    #[serde(rename = "type")]
    pub ty: String,
}

/// What is known of a file's rows in the table they came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// They are there.
    Written,
    /// This transaction is about to drop them: what became of it says whether they are there.
    Dropping(String),
    /// They are gone.
    Dropped,
}

/// The folder's name for a table: anything but letters, digits, `_` and `-` is written as `%` and hex.
pub fn folder_name(table: &TableName) -> String {
    let safe = |part: &str| {
        part.bytes().fold(String::new(), |mut name, byte| {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => name.push(byte.into()),
                _ => name.push_str(&format!("%{byte:02x}")),
            }
            name
        })
    };
    format!("{}.{}", safe(&table.schema), safe(&table.name))
}

/// Reads the manifest of a folder; `None` when it has none.
pub fn read(folder: &Path) -> Result<Option<Manifest>, FileError> {
    let path = folder.join(MANIFEST);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(FileError::new(&path, error)),
    };
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|error| {
        FileError::new(&path, format!("no manifest of ours: {error}; restore it from a backup"))
    })?;
    if manifest.format != FORMAT {
        let message = format!("format {}, this version reads {FORMAT}", manifest.format);
        return Err(FileError::new(&path, message));
    }
    Ok(Some(manifest))
}

/// Replaces the manifest of a folder.
pub fn write(folder: &Path, manifest: &Manifest) -> Result<(), FileError> {
    let aside = folder.join(format!("{MANIFEST}.tmp"));
    let failed = |error: &dyn std::fmt::Display| FileError::new(&aside, error);
    let text = serde_json::to_vec_pretty(manifest).map_err(|error| failed(&error))?;
    let written = File::create(&aside).and_then(|mut file| {
        file.write_all(&text)?;
        file.sync_all()
    });
    written.map_err(|error| failed(&error))?;
    rename(&aside, &folder.join(MANIFEST))
}

impl Manifest {
    /// Of a table that nothing was written of yet.
    pub fn new(table: &TableName, time: &str, database: String) -> Self {
        let (table, time) = (table.quoted(), time.to_owned());
        Self { format: FORMAT, table, time, database, shapes: Vec::new(), files: Vec::new() }
    }

    /// The number of a list of columns; a new one is added.
    pub fn shape(&mut self, columns: Vec<Column>) -> usize {
        let known = self.shapes.iter().position(|shape| *shape == columns);
        known.unwrap_or_else(|| {
            self.shapes.push(columns);
            self.shapes.len() - 1
        })
    }
}

/// Gives a file that was written and synced its name, and syncs the folder: both or neither are there
/// after a power cut.
pub fn rename(aside: &Path, path: &Path) -> Result<(), FileError> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    std::fs::rename(aside, path)
        .and_then(|()| File::open(folder)?.sync_all())
        .map_err(|error| FileError::new(path, error))
}

/// SHA-256 of a file, hex, and its bytes.
pub fn sha256(path: &Path) -> Result<(String, u64), FileError> {
    let failed = |error: std::io::Error| FileError::new(path, error);
    let mut file = File::open(path).map_err(failed)?;
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    let mut part = vec![0; 1 << 16];
    loop {
        let count = file.read(&mut part).map_err(failed)?;
        if count == 0 {
            return Ok((crate::batch::hex(&hash.finalize()), bytes));
        }
        hash.update(part.get(..count).unwrap_or_default());
        bytes += count as u64;
    }
}

impl Entry {
    /// Where it is.
    pub fn path(&self, folder: &Path) -> PathBuf {
        folder.join(&self.file)
    }

    /// The file is the one that was written.
    pub fn check(&self, folder: &Path) -> Result<(), FileError> {
        let path = self.path(folder);
        let (digest, bytes) = sha256(&path)?;
        if digest == self.sha256 && bytes == self.bytes {
            return Ok(());
        }
        let message = format!(
            "not the file that the manifest names ({bytes} bytes, sha256 {digest}; written were {} bytes, \
             sha256 {}): it was damaged or replaced; restore it from a backup",
            self.bytes, self.sha256
        );
        Err(FileError::new(&path, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_folder_of_its_own() {
        let name = |text: &str| folder_name(&TableName::parse(text).unwrap());
        assert_eq!(name("metric_hist"), "public.metric_hist");
        assert_eq!(name("a.\"b/../c\""), "a.b%2f%2e%2e%2fc");
        assert_eq!(name("\"a.b\".c"), "a%2eb.c");
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written_and_a_changed_file_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()).unwrap(), None);
        let table = TableName::parse("t").unwrap();
        let mut manifest = Manifest::new(&table, "at", "db 1".to_owned());
        let columns = vec![Column { name: "at".to_owned(), ty: "timestamptz".to_owned() }];
        assert_eq!((manifest.shape(columns.clone()), manifest.shape(columns)), (0, 0));
        std::fs::write(folder.path().join("a.parquet"), "abc").unwrap();
        let (sha256, bytes) = sha256(&folder.path().join("a.parquet")).unwrap();
        manifest.files.push(Entry {
            file: "a.parquet".to_owned(),
            from_us: 0,
            to_us: 1,
            rows: 1,
            bytes,
            sha256,
            fingerprint: String::new(),
            shape: 0,
            chunks: Vec::new(),
            state: State::Dropping("77".to_owned()),
            written_by: String::new(),
        });
        write(folder.path(), &manifest).unwrap();
        assert_eq!(read(folder.path()).unwrap(), Some(manifest.clone()));
        manifest.files[0].check(folder.path()).unwrap();
        std::fs::write(folder.path().join("a.parquet"), "abd").unwrap();
        let error = manifest.files[0].check(folder.path()).unwrap_err().to_string();
        assert!(error.contains("a.parquet: not the file"), "{error}");
    }
}
