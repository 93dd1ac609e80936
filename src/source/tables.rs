//! The tables of a source, whatever kind it is.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::sqlite::{self, Catalog, CountError, Kind, SourceTable};
use super::{Origin, SourceError, parquet};
use crate::config::plan::From;

/// An open source.
pub enum Tables {
    /// A SQLite file.
    Sqlite {
        /// The file.
        file: PathBuf,
        /// Its schema.
        catalog: Catalog,
        /// To it.
        connection: Connection,
    },
    /// A folder of Parquet files.
    Parquet(parquet::Tables),
}

impl Tables {
    /// Opens the file or folder and reads what it holds.
    pub fn open(origin: Origin, path: &Path) -> Result<Self, SourceError> {
        Ok(match origin {
            Origin::Sqlite => {
                let connection = sqlite::open(path)?;
                let catalog = Catalog::read(&connection)?;
                Self::Sqlite { file: path.to_owned(), catalog, connection }
            }
            Origin::Parquet => Self::Parquet(parquet::Tables::read(path)?),
        })
    }

    /// What the plan reads, its rows counted and its bytes looked at; and what of it is not read, and why.
    pub fn table(&self, from: &From) -> Result<(SourceTable, u64, Vec<String>), CountError> {
        match self {
            Self::Sqlite { file, catalog, connection } => {
                let table = match from {
                    From::Table { name, key } => catalog.table(name, key),
                    From::Query { sql, key } => Catalog::query(connection, sql, key, from.label()),
                };
                let table = table.map_err(CountError::Key)?;
                let rows = sqlite::verify_readable(file, &table)?;
                Ok((table, rows, Vec::new()))
            }
            Self::Parquet(tables) => {
                let From::Table { name, .. } = from else {
                    let message = "Parquet files answer no queries".to_owned();
                    let hint = "name the table: from = \"…\"".to_owned();
                    return Err(CountError::Key(sqlite::Unusable { message, hint }));
                };
                let (table, left_out) = tables.table(name)?;
                let rows = tables.verify_readable(name).map_err(CountError::Source)?;
                Ok((table, rows, left_out))
            }
        }
    }

    /// Names of the tables.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Sqlite { catalog, .. } => {
                let tables = catalog.tables.iter().filter(|table| table.kind != Kind::View);
                tables.map(|table| table.name.clone()).collect()
            }
            Self::Parquet(tables) => tables.names().map(str::to_owned).collect(),
        }
    }
}
