//! What the audit asks a SQLite file: the only SQL of the audit.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::types::ValueRef as SqlValue;
use rusqlite::{Connection, Row};

use super::AuditError;
use super::references::ForeignKey;
use super::times::{Moment, Reader};
use crate::batch::ValueRef;
use crate::schema::{SourceColumn, quote};
use crate::source::profile::rowid_bounds;
use crate::source::sqlite::{self, Catalog, Kind};
use crate::source::tables::SourceTable;

/// Above this a table is read in windows, and the report says so.
const WHOLE_ROWS: u64 = 5_000_000;
/// Windows of a table that is not read whole, and rowids in each.
const WINDOWS: i64 = 100;
const WINDOW_ROWS: i64 = 50_000;
/// Pairs of related rows that are held at once: 32 bytes each.
const PAIRS_MAX: u64 = 400_000;

/// A table by itself.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its columns in order.
    pub columns: Vec<SourceColumn>,
    /// The columns of its primary key, in key order.
    pub primary_key: Vec<String>,
}

/// What the schema says of a table.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The table by itself.
    pub entry: Entry,
    /// How it is read.
    pub source: SourceTable,
    /// Rows.
    pub rows: u64,
    /// Indexes, each as `name (columns)`.
    pub indexes: Vec<String>,
    /// References to other tables.
    pub foreign_keys: Vec<ForeignKey>,
    /// The default of each column that has one.
    pub defaults: HashMap<String, String>,
}

impl Facts {
    /// The rowid under its name, or nothing if rows have no number.
    pub fn rowid(&self) -> Option<&str> {
        self.source.by_rowid.then(|| self.source.key.first().map(String::as_str)).flatten()
    }

    /// Whether only windows of it are read.
    pub fn is_sampled(&self) -> bool {
        self.rows > WHOLE_ROWS && self.source.by_rowid
    }
}

/// A file that is open for an audit.
pub(super) struct File {
    pub(super) connection: Connection,
}

impl File {
    pub(super) fn open(path: &Path) -> Result<Self, AuditError> {
        Ok(Self { connection: sqlite::open(path)? })
    }

    /// Every table; what cannot be read is named with the reason.
    pub(super) fn tables(&self) -> Result<(Vec<Facts>, Vec<String>), AuditError> {
        let catalog = Catalog::read(&self.connection)?;
        let (mut tables, mut notes) = (Vec::new(), Vec::new());
        for entry in &catalog.tables {
            if entry.kind == Kind::View {
                notes.push(format!("{} is a view: left out", entry.name));
                continue;
            }
            match catalog.table(&entry.name, &[]) {
                Ok(source) => {
                    let (name, columns) = (entry.name.clone(), entry.columns.clone());
                    let primary_key = entry.primary_key.clone();
                    tables.push(self.facts(Entry { name, columns, primary_key }, source)?);
                }
                Err(unusable) => notes.push(format!("{}; {}", unusable.message, unusable.hint)),
            }
        }
        let keys: Vec<(String, Vec<String>)> = tables
            .iter()
            .map(|table| (table.entry.name.clone(), table.entry.primary_key.clone()))
            .collect();
        for table in &mut tables {
            self.foreign_keys(table, &keys)?;
        }
        Ok((tables, notes))
    }

    fn facts(&self, entry: Entry, source: SourceTable) -> Result<Facts, AuditError> {
        let failed = |error| AuditError::query(&entry.name, error);
        let count = format!("select count(*) from {}", source.sql);
        let rows: i64 = self.connection.query_row(&count, [], |row| row.get(0)).map_err(failed)?;
        let sql = "select l.name, l.\"unique\", \
                   (select group_concat(name, ', ') from pragma_index_info(l.name)) \
                   from pragma_index_list(?1) l order by l.name";
        let index = |row: &Row<'_>| {
            let (name, unique): (String, bool) = (row.get(0)?, row.get(1)?);
            let columns: String = row.get::<_, Option<String>>(2)?.unwrap_or_default();
            let name = if name.starts_with("sqlite_autoindex") { "" } else { &name };
            let unique = if unique { "unique " } else { "" };
            Ok(format!("{unique}{name} ({columns})").replace("  ", " "))
        };
        let indexes = self.list(sql, &entry.name, index).map_err(failed)?;
        let sql =
            "select name, dflt_value from pragma_table_xinfo(?1) where dflt_value is not null";
        let default = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let defaults = self.list(sql, &entry.name, default).map_err(failed)?.into_iter().collect();
        let rows = u64::try_from(rows).unwrap_or(0);
        let foreign_keys = Vec::new();
        Ok(Facts { entry, source, rows, indexes, foreign_keys, defaults })
    }

    pub(super) fn list<T>(
        &self,
        sql: &str,
        table: &str,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        self.connection.prepare(sql)?.query_map([table], |row| read(row))?.collect()
    }

    /// Every row in the order of its key: its number and its columns. Big tables in windows.
    pub(super) fn scan(
        &self,
        table: &Facts,
        each: &mut dyn FnMut(i64, &Row<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), AuditError> {
        let failed = |error| AuditError::query(&table.entry.name, error);
        let key: Vec<String> = table.source.key.iter().map(|name| quote(name)).collect();
        let mut list = vec![table.rowid().map_or("0".to_owned(), quote)];
        list.extend(table.entry.columns.iter().map(|column| quote(&column.name)));
        let windows = self.windows(table)?;
        let bound = if windows.is_empty() {
            String::new()
        } else {
            format!(" where {} between ?1 and ?2", key.join(", "))
        };
        let sql = format!(
            "select {} from {}{bound} order by {}",
            list.join(", "),
            table.source.sql,
            key.join(", ")
        );
        let mut statement = self.connection.prepare(&sql).map_err(failed)?;
        let mut ordinal = 0_i64;
        let mut walk = |rows: &mut rusqlite::Rows<'_>| -> rusqlite::Result<()> {
            while let Some(row) = rows.next()? {
                ordinal += 1;
                let id = if table.source.by_rowid { row.get(0)? } else { ordinal };
                each(id, row)?;
            }
            Ok(())
        };
        if windows.is_empty() {
            return walk(&mut statement.query([]).map_err(failed)?).map_err(failed);
        }
        for window in windows {
            walk(&mut statement.query([window.0, window.1]).map_err(failed)?).map_err(failed)?;
        }
        Ok(())
    }

    fn windows(&self, table: &Facts) -> Result<Vec<(i64, i64)>, AuditError> {
        if !table.is_sampled() {
            return Ok(Vec::new());
        }
        let Some((low, high)) = rowid_bounds(&self.connection, &table.source)? else {
            return Ok(Vec::new());
        };
        let step = (high.saturating_sub(low) / WINDOWS).max(WINDOW_ROWS);
        let start = |window: i64| low.saturating_add(window.saturating_mul(step));
        let windows = (0..WINDOWS).map(start).take_while(|start| *start <= high);
        Ok(windows.map(|start| (start, start.saturating_add(WINDOW_ROWS - 1))).collect())
    }

    /// Every label with the quarter hour of the day of a time column, counted.
    pub(super) fn labels(
        &self,
        table: &Facts,
        (label, time): (&str, &str),
    ) -> Result<Vec<(String, i64, i64)>, AuditError> {
        let sql = format!(
            "select {0}, unixepoch({1}) % 86400 / 900, count(*) from {2} \
             where typeof({0}) = 'text' and unixepoch({1}) is not null group by 1, 2 limit 1000",
            quote(label),
            quote(time),
            table.source.sql
        );
        let failed = |error| AuditError::query(&table.entry.name, error);
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let mut statement = self.connection.prepare(&sql).map_err(failed)?;
        let rows = statement.query_map([], read).map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }

    /// Two columns of the same row: number of the row, first value, second value.
    pub(super) fn in_row(
        &self,
        table: &Facts,
        columns: (&str, &str),
        each: &mut dyn FnMut(Pair<'_>),
    ) -> Result<(), AuditError> {
        let Some(rowid) = table.rowid() else { return Ok(()) };
        let (first, second, id) = (quote(columns.0), quote(columns.1), quote(rowid));
        let sql = format!(
            "select {id}, {id}, {first}, {second} from {} where {first} is not null \
             and {second} is not null and {id} % {} = 0 order by {id}",
            table.source.sql,
            stride(table)
        );
        self.pairs(&table.entry.name, &sql, each)
    }

    /// The readings of the rows between two numbers, with their numbers.
    pub(super) fn around(
        &self,
        table: &Facts,
        column: &str,
        (low, high): (i64, i64),
    ) -> Result<Vec<(i64, i64)>, AuditError> {
        let Some(rowid) = table.rowid() else { return Ok(Vec::new()) };
        let (id, column) = (quote(rowid), quote(column));
        let sql = format!(
            "select {id}, {id}, {column}, null from {} where {id} between {low} and {high}",
            table.source.sql
        );
        let (mut reader, mut rows) = (Reader::new()?, Vec::new());
        self.pairs(&table.entry.name, &sql, &mut |pair| {
            if let Some(Moment::Reading(at)) = reader.read(pair.first) {
                rows.push((pair.ids.0, at));
            }
        })?;
        Ok(rows)
    }

    /// A column of a table against one of the row it refers to.
    pub(super) fn with_parent(
        &self,
        (table, column): (&Facts, &str),
        key: &ForeignKey,
        (parent, parent_column): (&Facts, &str),
        each: &mut dyn FnMut(Pair<'_>),
    ) -> Result<(), AuditError> {
        let (Some(rowid), Some(parent_rowid)) = (table.rowid(), parent.rowid()) else {
            return Ok(());
        };
        let of = |alias: &str, name: &str| format!("{alias}.{}", quote(name));
        let (first, second) = (of("c", column), of("p", parent_column));
        let sql = format!(
            "select {}, {}, {first}, {second} from {} c join {} p on {} = {} \
             where {first} is not null and {second} is not null and {} % {} = 0 order by {}",
            of("c", rowid),
            of("p", parent_rowid),
            table.source.sql,
            parent.source.sql,
            of("p", &key.parent_column),
            of("c", &key.column),
            of("c", rowid),
            stride(table),
            of("c", rowid),
        );
        self.pairs(&table.entry.name, &sql, each)
    }

    fn pairs(
        &self,
        table: &str,
        sql: &str,
        each: &mut dyn FnMut(Pair<'_>),
    ) -> Result<(), AuditError> {
        let failed = |error| AuditError::query(table, error);
        let mut statement = self.connection.prepare(sql).map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let ids = (row.get(0).map_err(failed)?, row.get(1).map_err(failed)?);
            let first = value(row.get_ref(2).map_err(failed)?);
            let second = value(row.get_ref(3).map_err(failed)?);
            each(Pair { ids, first, second });
        }
        Ok(())
    }
}

/// Every row of a table of ordinary size, every nth of a bigger one.
fn stride(table: &Facts) -> u64 {
    table.rows / PAIRS_MAX + 1
}

/// Two values that belong together.
pub(super) struct Pair<'a> {
    /// The number of the row of each.
    pub(super) ids: (i64, i64),
    /// The first.
    pub(super) first: ValueRef<'a>,
    /// The second.
    pub(super) second: ValueRef<'a>,
}

/// A value as SQLite stores it.
pub(super) fn value(value: SqlValue<'_>) -> ValueRef<'_> {
    sqlite::from_sql(value)
}
