//! SQLite: reads a private copy, taken by the backup API from one snapshot of the live file.
//!
//! The original is opened read-only and left as it is; rows still in its `-wal` are part of the copy. Each
//! value comes with the class SQLite stored it in. Rows are read by rowid, by the primary key of a table
//! without one, or by the key that the file names for a view or a query.

mod catalog;
mod copy;

pub use catalog::{Catalog, Kind};
pub use copy::{Copy, CopyNotes, take_copy, verify_readable};

use std::ops::ControlFlow;
use std::path::Path;

use rusqlite::types::ValueRef as SqlValue;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::tables::SourceTable;
use super::{Range, Source, SourceError};
use crate::batch::{Batch, OwnedValue, Position, ValueRef};
use crate::schema::Selection;

/// Small enough that a batch stays in the processor's cache between the reader and the worker.
const BATCH_ROWS: usize = 4_096;
/// Text and blobs of a batch; one row may be larger.
const BATCH_BYTES: usize = 1 << 20;

/// Opens a file read-only, with everything off that a hostile schema could use.
pub fn open(path: &Path) -> Result<Connection, SourceError> {
    let failed = |error: rusqlite::Error| open_error(path, &error);
    if !path.exists() {
        let message = "there is no such file; check the path, or set SOURCE".to_owned();
        return Err(SourceError::Open { path: path.display().to_string(), message });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(std::time::Duration::from_secs(10)).map_err(failed)?;
    // No memory map: its pages would count as ours, and a large file would break the memory bound.
    let settings = "pragma query_only = on; pragma trusted_schema = off; \
                    pragma cell_size_check = on; pragma mmap_size = 0";
    connection.execute_batch(settings).map_err(failed)?;
    // The first page is read here: a file that is no database fails now.
    connection.query_row("select count(*) from sqlite_schema", [], |_| Ok(())).map_err(failed)?;
    Ok(connection)
}

fn open_error(path: &Path, error: &rusqlite::Error) -> SourceError {
    SourceError::Open { path: path.display().to_string(), message: explain(error) }
}

/// What an error of SQLite means and what to do about it.
fn explain(error: &rusqlite::Error) -> String {
    let advice = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => {
            "not a SQLite database, or an encrypted one: export it unencrypted first"
        }
        Some(ErrorCode::DatabaseCorrupt) => {
            "the file is damaged: copy it again from its system (`.backup`), or salvage it with \
             `sqlite3 damaged.db .recover | sqlite3 mended.db` and read that"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another program holds it locked: close that program, or read a copy made with `.backup`"
        }
        Some(ErrorCode::CannotOpen) => {
            "it cannot be opened: is it a file, may this user read it, and is its folder writable \
             (a database in WAL mode needs its -shm file)?"
        }
        Some(ErrorCode::PermissionDenied) => "this user may not read it",
        _ => return error.to_string(),
    };
    format!("{advice} ({error})")
}

/// Reads one table of a copy.
pub struct SqliteSource {
    connection: Connection,
    table: SourceTable,
    selection: Selection,
}

impl SqliteSource {
    /// Opens the copy and compiles the statement once, so that a bad condition is told before any row.
    pub fn open(
        copy: &Path,
        table: &SourceTable,
        selection: &Selection,
    ) -> Result<Self, SourceError> {
        let connection = open(copy)?;
        let source = Self { connection, table: table.clone(), selection: selection.clone() };
        let sql = source.sql(false, false);
        source.connection.prepare(&sql).map_err(|error| source.broken(error))?;
        Ok(source)
    }

    fn broken(&self, error: rusqlite::Error) -> SourceError {
        SourceError::Read {
            table: self.table.label.clone(),
            message: explain(&error),
            source: error,
        }
    }

    /// The statement; `?1…` are the lower bound, then the upper one.
    fn sql(&self, lower: bool, upper: bool) -> String {
        let quote = crate::schema::quote;
        let key: Vec<String> = self.selection.key.iter().map(|name| quote(name)).collect();
        let mut list = key.clone();
        list.extend(self.selection.columns.iter().map(|name| quote(name)));
        list.extend(self.selection.conditions.iter().map(|sql| format!("(({sql}) is true)")));
        let key = key.join(", ");
        let marks = |first: usize| {
            let marks: Vec<String> =
                (0..self.selection.key.len()).map(|at| format!("?{}", first + at)).collect();
            marks.join(", ")
        };
        let mut bounds = Vec::new();
        if lower {
            bounds.push(format!("({key}) > ({})", marks(1)));
        }
        if upper {
            let first = if lower { self.selection.key.len() + 1 } else { 1 };
            bounds.push(format!("({key}) <= ({})", marks(first)));
        }
        let bounds = if bounds.is_empty() {
            String::new()
        } else {
            format!(" where {}", bounds.join(" and "))
        };
        format!("select {} from {}{bounds} order by {key}", list.join(", "), self.table.sql)
    }

    fn key(&self, position: &Position) -> Result<Vec<OwnedValue>, SourceError> {
        let key = position
            .key()
            .filter(|key| position.is_start() || key.len() == self.selection.key.len());
        key.ok_or_else(|| SourceError::Position { table: self.table.label.clone() })
    }
}

impl Source for SqliteSource {
    fn read(
        &mut self,
        range: &Range,
        position: &Position,
        emit: &mut dyn FnMut(Batch) -> ControlFlow<()>,
    ) -> Result<(), SourceError> {
        let from = if position.is_start() { &range.after } else { position };
        let (lower, upper) = (self.key(from)?, self.key(&range.through)?);
        let sql = self.sql(!lower.is_empty(), !upper.is_empty());
        let bounds = rusqlite::params_from_iter(lower.iter().chain(&upper).map(Bound));
        let mut statement = self.connection.prepare_cached(&sql).map_err(|e| self.broken(e))?;
        let mut rows = statement.query(bounds).map_err(|e| self.broken(e))?;
        let (width, key_width) = (self.selection.width(), self.selection.key.len());
        let mut batch = Batch::new(width, key_width, BATCH_ROWS);
        while let Some(row) = rows.next().map_err(|e| self.broken(e))? {
            for column in 0..width {
                let value = row.get_ref(column).map_err(|e| self.broken(e))?;
                batch.push(from_sql(value)).map_err(|source| SourceError::Row {
                    table: self.table.label.clone(),
                    source,
                })?;
            }
            if batch.row_count() >= BATCH_ROWS || batch.byte_count() >= BATCH_BYTES {
                let full = std::mem::replace(&mut batch, Batch::new(width, key_width, BATCH_ROWS));
                if emit(full).is_break() {
                    return Ok(());
                }
            }
        }
        if batch.row_count() > 0 && emit(batch).is_break() {
            return Ok(());
        }
        Ok(())
    }
}

/// A value as SQLite stores it.
pub(crate) fn from_sql(value: SqlValue<'_>) -> ValueRef<'_> {
    match value {
        SqlValue::Null => ValueRef::Null,
        SqlValue::Integer(number) => ValueRef::Integer(number),
        SqlValue::Real(number) => ValueRef::Real(number),
        SqlValue::Text(bytes) => ValueRef::Text(bytes),
        SqlValue::Blob(bytes) => ValueRef::Blob(bytes),
    }
}

/// A key as it was read, byte for byte: text need not be UTF-8.
struct Bound<'a>(&'a OwnedValue);

impl rusqlite::ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(rusqlite::types::ToSqlOutput::Borrowed(match self.0 {
            OwnedValue::Null => SqlValue::Null,
            OwnedValue::Integer(number) => SqlValue::Integer(*number),
            OwnedValue::Real(number) => SqlValue::Real(*number),
            OwnedValue::Text(bytes) => SqlValue::Text(bytes),
            OwnedValue::Blob(bytes) => SqlValue::Blob(bytes),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(sql: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        (folder, path)
    }

    fn source(path: &Path, table: &str, columns: &[&str], conditions: &[&str]) -> SqliteSource {
        let catalog = Catalog::read(&open(path).unwrap()).unwrap();
        let table = catalog.table(table, &[]).unwrap();
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let selection = Selection {
            key: table.key.clone(),
            columns: owned(columns),
            conditions: owned(conditions),
        };
        SqliteSource::open(path, &table, &selection).unwrap()
    }

    fn read(source: &mut SqliteSource, range: &Range, from: &Position) -> Vec<Vec<OwnedValue>> {
        let mut rows = Vec::new();
        let mut emit = |batch: Batch| {
            rows.extend(batch.rows().map(|row| {
                (0..row.width()).map(|column| row.get(column).into()).collect::<Vec<OwnedValue>>()
            }));
            ControlFlow::Continue(())
        };
        source.read(range, from, &mut emit).unwrap();
        rows
    }

    #[test]
    fn every_class_comes_as_it_is_stored() {
        let (_folder, path) = file(
            "create table \"odd name\"\"s\" (id integer primary key, v);
             insert into \"odd name\"\"s\" (v) values (null), (7), (0.5), ('a' || char(0) || 'b'),
             (x'00ff'), (cast(x'ff' as text)), (9e999);",
        );
        let mut source = source(&path, "odd name\"s", &["v"], &[]);
        let rows = read(&mut source, &Range::default(), &Position::default());
        let values: Vec<OwnedValue> = rows.into_iter().map(|row| row[1].clone()).collect();
        assert_eq!(
            values,
            [
                OwnedValue::Null,
                OwnedValue::Integer(7),
                OwnedValue::Real(0.5),
                OwnedValue::Text(b"a\0b".to_vec()),
                OwnedValue::Blob(vec![0, 255]),
                OwnedValue::Text(vec![255]),
                OwnedValue::Real(f64::INFINITY),
            ]
        );
    }

    #[test]
    fn reading_goes_on_behind_any_row() {
        let (_folder, path) = file(
            "create table t (a text, b int, c text, primary key (a, b)) without rowid;
             insert into t values ('x', 1, 'p'), ('x', 2, 'q'), ('y', 1, 'r'), ('z', 9, 's');",
        );
        let mut source = source(&path, "t", &["c"], &["b > 1"]);
        let all = read(&mut source, &Range::default(), &Position::default());
        assert_eq!(all.len(), 4);
        assert_eq!(all[1][3], OwnedValue::Integer(1), "the condition holds");
        for (index, row) in all.iter().enumerate() {
            let position = Position::after(row[..2].iter().map(OwnedValue::borrow));
            assert_eq!(read(&mut source, &Range::default(), &position), all[index + 1..]);
        }
    }

    #[test]
    fn ranges_meet_without_a_gap() {
        let (_folder, path) = file(
            "create table t (id integer primary key);
             with recursive n(i) as (values (-5) union all select i + 1 from n where i < 9000)
             insert into t select i from n;",
        );
        let mut source = source(&path, "t", &[], &[]);
        let at = |id| Position::after([ValueRef::Integer(id)].into_iter());
        let first = Range { after: Position::default(), through: at(4_000) };
        let second = Range { after: at(4_000), through: Position::default() };
        let low = read(&mut source, &first, &Position::default());
        let high = read(&mut source, &second, &Position::default());
        assert_eq!((low.len(), high.len()), (4_006, 5_000));
    }
}
