//! The tables of a folder, their files and columns.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::{FileError, Form, ParquetFile, SourceError};
use crate::columnar::manifest::{self, Manifest};
use crate::schema::{SourceColumn, TableName};
use crate::source::Origin;
use crate::source::tables::{CountError, SourceTable, Unusable};

/// The key of every table: the number of a row, from 1. No column is called so.
pub const KEY: &str = "(row)";

/// The tables of a folder.
#[derive(Clone, Debug)]
pub struct Tables {
    dir: PathBuf,
    tables: Vec<Table>,
}

#[derive(Clone, Debug)]
struct Table {
    name: String,
    folder: PathBuf,
    /// The manifest, or just the files.
    manifest: Option<Manifest>,
    files: Vec<PathBuf>,
}

impl Tables {
    /// Lists a folder.
    pub fn read(dir: &Path) -> Result<Self, SourceError> {
        let mut tables = Vec::new();
        for path in list(dir)? {
            if !path.is_dir() {
                if let Some(name) = path.file_stem().filter(|_| is_parquet(&path)) {
                    let name = name.to_string_lossy().into_owned();
                    let folder = dir.to_owned();
                    tables.push(Table { name, folder, manifest: None, files: vec![path] });
                }
                continue;
            }
            let manifest = manifest::read(&path)?;
            let files: Vec<PathBuf> = match &manifest {
                Some(manifest) => manifest.files.iter().map(|entry| entry.path(&path)).collect(),
                None => list(&path)?.into_iter().filter(|path| is_parquet(path)).collect(),
            };
            let own = manifest.as_ref().and_then(|manifest| TableName::parse(&manifest.table));
            let name = match own {
                Some(table) => table.to_string(),
                None => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            };
            if manifest.is_some() || !files.is_empty() {
                tables.push(Table { name, folder: path, manifest, files });
            }
        }
        if tables.is_empty() {
            let message = "no table is in it: neither a folder with a manifest or with Parquet files, nor a \
                           Parquet file";
            return Err(FileError::new(dir, message).into());
        }
        Ok(Self { dir: dir.to_owned(), tables })
    }

    /// Names of the tables.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tables.iter().map(|table| table.name.as_str())
    }

    /// Names what is in the folder: other files, another name. Files of other tools are read for it.
    pub fn digest(&self) -> Result<String, SourceError> {
        let mut hash = Sha256::new();
        for table in &self.tables {
            hash.update(table.name.as_bytes());
            match &table.manifest {
                // What became of the rows in their database changes nothing here.
                Some(manifest) => manifest.files.iter().for_each(|entry| {
                    hash.update(entry.sha256.as_bytes());
                }),
                None => {
                    for file in &table.files {
                        hash.update(manifest::sha256(file)?.0.as_bytes());
                    }
                }
            }
        }
        Ok(crate::batch::hex(&hash.finalize()))
    }

    fn find(&self, name: &str) -> Option<&Table> {
        let exact = self.tables.iter().find(|table| table.name == name);
        // `metric` and `public."Metric"` are read as SQL reads them.
        exact.or_else(|| {
            let name = TableName::parse(name)?.to_string();
            self.tables.iter().find(|table| table.name == name)
        })
    }

    /// A table by name, with a word on each column that is not read.
    pub fn table(&self, name: &str) -> Result<(SourceTable, Vec<String>), CountError> {
        let Some(table) = self.find(name) else {
            let names = || self.names();
            let hint = match crate::config::nearest(name, names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it has {}", names().collect::<Vec<_>>().join(", ")),
            };
            let message = format!("{} has no table `{name}`", self.dir.display());
            return Err(CountError::Key(Unusable { message, hint }));
        };
        let mut columns: Vec<SourceColumn> = Vec::new();
        let mut left_out = Vec::new();
        for path in &table.files {
            let file = ParquetFile::open(path).map_err(SourceError::from)?;
            for column in file.columns {
                if let Form::Unsupported(why) = column.form {
                    left_out.push(format!("{}: {why}", column.name));
                } else if !columns.iter().any(|known| known.name == column.name) {
                    let declared =
                        table.declared(&column.name).unwrap_or_else(|| guess(&column.form));
                    columns.push(SourceColumn { name: column.name, declared });
                }
            }
        }
        left_out.sort();
        left_out.dedup();
        let listed: Vec<String> =
            columns.iter().map(|column| format!("{} {}", column.name, column.declared)).collect();
        let source = SourceTable {
            label: table.name.clone(),
            sql: String::new(),
            key: vec![KEY.to_owned()],
            by_rowid: true,
            identity: format!("parquet {} ({})", table.name, listed.join(", ")),
            columns,
            origin: Origin::Parquet,
            estimated: false,
        };
        Ok((source, left_out))
    }

    /// The files of a table with their rows, in the order in which rows are numbered.
    pub(super) fn files(&self, name: &str) -> Result<Vec<(PathBuf, u64)>, SourceError> {
        let Some(table) = self.find(name) else {
            return Err(FileError::new(&self.dir, format!("the table `{name}` is gone")).into());
        };
        let counted =
            table.files.iter().map(|path| Ok((path.clone(), ParquetFile::open(path)?.row_count())));
        counted.collect()
    }

    /// Rows of a table, after a look at every byte of its files: a damaged one is found before the first
    /// row moves.
    pub fn verify_readable(&self, name: &str) -> Result<u64, SourceError> {
        let files = self.files(name)?;
        let table = self.find(name).filter(|table| table.manifest.is_some());
        if let Some((table, manifest)) =
            table.and_then(|table| Some((table, table.manifest.as_ref()?)))
        {
            for (entry, (path, rows)) in manifest.files.iter().zip(&files) {
                entry.check(&table.folder)?;
                if entry.rows != *rows {
                    let message = format!("it has {rows} rows, the manifest says {}", entry.rows);
                    return Err(FileError::new(path, message).into());
                }
            }
        }
        Ok(files.iter().map(|(_, rows)| rows).sum())
    }
}

impl Table {
    /// The type that the newest manifest entry with this column gives it.
    fn declared(&self, column: &str) -> Option<String> {
        let shapes = &self.manifest.as_ref()?.shapes;
        let named = |shape: &Vec<manifest::Column>| {
            shape.iter().find(|known| known.name == column).map(|known| known.ty.clone())
        };
        shapes.iter().rev().find_map(named)
    }
}

/// The Postgres type that takes every value of a form.
fn guess(form: &Form) -> String {
    let name = match form {
        Form::Bool => "boolean",
        Form::Integer { unsigned: false } => "bigint",
        Form::Integer { unsigned: true } | Form::Decimal(_) => "numeric",
        Form::Float => "real",
        Form::Double => "double precision",
        Form::Text | Form::Unsupported(_) => "text",
        Form::Bytes => "bytea",
        Form::Uuid => "uuid",
        Form::Timestamp { utc: true, .. } => "timestamptz",
        Form::Timestamp { utc: false, .. } => "timestamp",
        Form::Date => "date",
        Form::Time(_) => "time",
    };
    name.to_owned()
}

fn is_parquet(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "parquet")
}

/// What a folder holds, by name.
fn list(dir: &Path) -> Result<Vec<PathBuf>, FileError> {
    let failed = |error: std::io::Error| FileError::new(dir, format!("no folder to read: {error}"));
    let entries = std::fs::read_dir(dir).map_err(failed)?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()).map_err(failed));
    let mut paths = paths.collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    Ok(paths)
}
