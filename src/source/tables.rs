//! The tables of a source, whatever kind it is.

use std::path::PathBuf;

use rusqlite::Connection;

use super::sqlite::{self, Catalog, Kind};
use super::{At, Origin, SourceError, parquet, postgres};
use crate::config::plan::From;
use crate::schema::SourceColumn;

/// A table, view or query with its key, ready to be read.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceTable {
    /// For messages.
    pub label: String,
    /// What stands behind `from`.
    pub sql: String,
    /// The key: unique, never null.
    pub key: Vec<String>,
    /// The key is an integer that ranges can be cut by.
    pub by_rowid: bool,
    /// Columns.
    pub columns: Vec<SourceColumn>,
    /// Names its schema: another one is another source.
    pub identity: String,
    /// What it is read from.
    pub origin: Origin,
    /// The number of its rows is the server's estimate.
    pub estimated: bool,
}

/// Why something cannot be read as the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// What.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// Why rows were not counted.
#[derive(Debug)]
pub enum CountError {
    /// The file cannot be read.
    Source(SourceError),
    /// The table or its key does not serve.
    Key(Unusable),
}

impl std::convert::From<SourceError> for CountError {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}

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
    /// A PostgreSQL database.
    Postgres(postgres::Tables),
}

impl Tables {
    /// Opens the source and reads what it holds.
    pub fn open(at: &At) -> Result<Self, SourceError> {
        Ok(match at {
            At::Sqlite(path) => {
                let connection = sqlite::open(path)?;
                let catalog = Catalog::read(&connection)?;
                Self::Sqlite { file: path.to_owned(), catalog, connection }
            }
            At::Parquet(path) => Self::Parquet(parquet::Tables::read(path)?),
            At::Postgres(legacy) => Self::Postgres(postgres::Tables::open(legacy)?),
        })
    }

    /// Says what will be read, before any of it is.
    pub fn will_read<'a>(&self, from: impl Iterator<Item = &'a From>) {
        if let Self::Postgres(tables) = self {
            tables.will_read(from);
        }
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
                    return Err(CountError::Key(Unusable { message, hint }));
                };
                let (table, left_out) = tables.table(name)?;
                let rows = tables.verify_readable(name).map_err(CountError::Source)?;
                Ok((table, rows, left_out))
            }
            Self::Postgres(tables) => {
                let (table, rows) = tables.table(from)?;
                Ok((table, rows, Vec::new()))
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
            Self::Postgres(tables) => tables.names().collect(),
        }
    }
}
