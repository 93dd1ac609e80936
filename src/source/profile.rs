//! A sample of a table: rows from all over it, by which types are proposed and zones are checked.

use std::ops::ControlFlow;

use rusqlite::Connection;

use super::sqlite;
use super::tables::SourceTable;
use super::{At, Range, SourceError, parquet, postgres};
use crate::batch::{Batch, Position, Row, ValueRef};
use crate::schema::{PgType, Selection, quote};

/// Windows spread over the table, and rows in each.
const WINDOWS: i64 = 40;
const WINDOW_ROWS: i64 = 500;
/// Rows with pictures in them: the sample ends early.
const BYTES_MAX: usize = 32 << 20;

/// Some rows of a table, as a selection sees them: from all over it, the newest among them.
pub fn sample(
    at: &At,
    table: &SourceTable,
    selection: &Selection,
) -> Result<Vec<Batch>, SourceError> {
    let mut source = super::open(at, table, selection)?;
    let mut batches: Vec<Batch> = Vec::new();
    for (range, rows_max) in windows(at, table)? {
        if batches.iter().map(Batch::byte_count).sum::<usize>() > BYTES_MAX {
            break;
        }
        let mut rows = 0;
        let mut emit = |batch: Batch| {
            rows += batch.row_count();
            batches.push(batch);
            if rows >= rows_max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        source.read(&range, &Position::default(), &mut emit)?;
    }
    Ok(batches)
}

/// Ranges spread over a table that is read by rowid; the first rows of any other.
fn windows(at: &At, table: &SourceTable) -> Result<Vec<(Range, usize)>, SourceError> {
    let all = vec![(Range::default(), 20_000)];
    if !table.by_rowid {
        return Ok(all);
    }
    let Some((low, high)) = bounds(at, table)? else { return Ok(all) };
    let step = (high.saturating_sub(low) / WINDOWS).max(WINDOW_ROWS);
    let after = |key: i64| Position::after([ValueRef::Integer(key)].into_iter());
    let mut starts: Vec<i64> = (0..WINDOWS)
        .map(|window| low.saturating_add(window.saturating_mul(step)))
        .take_while(|start| *start <= high)
        .collect();
    // The newest rows say most about how the system writes today.
    let newest = high.saturating_sub(WINDOW_ROWS - 1);
    if starts.last().is_some_and(|last| newest > last.saturating_add(WINDOW_ROWS)) {
        starts.push(newest);
    }
    let range = |start: i64| Range {
        after: after(start.saturating_sub(1)),
        through: after(start.saturating_add(WINDOW_ROWS - 1)),
    };
    Ok(starts.into_iter().map(|start| (range(start), usize::MAX)).collect())
}

/// Smallest and largest key of a table that is read by one integer; `None` for an empty table.
pub fn bounds(at: &At, table: &SourceTable) -> Result<Option<(i64, i64)>, SourceError> {
    match at {
        At::Sqlite(file) => rowid_bounds(&sqlite::open(file)?, table),
        At::Parquet(folder) => parquet::bounds(folder, table),
        At::Postgres(legacy) => postgres::bounds(legacy, table),
    }
}

/// Smallest and largest rowid; `None` for an empty table.
pub fn rowid_bounds(
    connection: &Connection,
    table: &SourceTable,
) -> Result<Option<(i64, i64)>, SourceError> {
    let key = table.key.first().map(|name| quote(name)).unwrap_or_default();
    // Two subqueries: each is one step down the tree; both in one query would be a scan.
    let table_sql = &table.sql;
    let sql = format!(
        "select (select min({key}) from {table_sql}), (select max({key}) from {table_sql})"
    );
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let bounds: (Option<i64>, Option<i64>) =
        connection.query_row(&sql, [], read).map_err(|error| SourceError::Read {
            table: table.label.clone(),
            message: error.to_string(),
            source: error,
        })?;
    Ok(bounds.0.zip(bounds.1))
}

/// What the values of one column are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Classes {
    /// NULLs.
    pub nulls: u64,
    /// Integers.
    pub integers: u64,
    /// Integers other than 0 and 1.
    pub not_flags: u64,
    /// Floats.
    pub reals: u64,
    /// Texts.
    pub texts: u64,
    /// Texts that are a JSON object or list.
    pub json: u64,
    /// Blobs.
    pub blobs: u64,
}

impl Classes {
    /// Counts the values of one column.
    pub fn of<'a>(rows: impl Iterator<Item = Row<'a>>, column: usize) -> Self {
        let mut classes = Self::default();
        for row in rows {
            match row.get(column) {
                ValueRef::Null => classes.nulls += 1,
                ValueRef::Integer(number) => {
                    classes.integers += 1;
                    classes.not_flags += u64::from(number != 0 && number != 1);
                }
                ValueRef::Real(_) => classes.reals += 1,
                ValueRef::Text(text) => {
                    classes.texts += 1;
                    let bracket = matches!(text.first(), Some(b'{' | b'['));
                    let parses =
                        bracket && serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok();
                    classes.json += u64::from(parses);
                }
                ValueRef::Blob(_) => classes.blobs += 1,
            }
        }
        classes
    }

    /// The type that takes nearly all of the values; the few that do not fit will be set aside.
    pub fn propose(self, declared: &str) -> PgType {
        let declared = declared.to_ascii_lowercase();
        let all = self.integers + self.reals + self.texts + self.blobs;
        // A value in a hundred that does not fit is a bad row, not another type.
        let few = |count: u64| count * 100 <= all;
        if all == 0 {
            return match declared.as_str() {
                text if text.contains("bool") => PgType::Bool,
                text if text.contains("int") => PgType::Int8,
                text if ["real", "floa", "doub"].iter().any(|word| text.contains(word)) => {
                    PgType::Float8
                }
                text if text.contains("blob") => PgType::Bytea,
                _ => PgType::Text,
            };
        }
        if declared.contains("bool") && few(all - self.integers) && self.not_flags == 0 {
            PgType::Bool
        } else if few(all - self.integers) {
            PgType::Int8
        } else if few(all - self.integers - self.reals) {
            PgType::Float8
        } else if few(all - self.blobs) {
            PgType::Bytea
        } else if few(all - self.json) {
            PgType::Jsonb
        } else {
            PgType::Text
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(values: &[ValueRef<'_>]) -> Classes {
        let mut batch = Batch::new(1, 0, values.len());
        values.iter().for_each(|value| batch.push(*value).unwrap());
        Classes::of(batch.rows(), 0)
    }

    #[test]
    fn the_type_follows_the_values() {
        use ValueRef::{Blob, Integer, Null, Real, Text};
        let cases: [(&[ValueRef<'_>], &str, PgType); 8] = [
            (&[Integer(1), Integer(0), Null], "BOOLEAN", PgType::Bool),
            (&[Integer(1), Integer(2)], "BOOLEAN", PgType::Int8),
            (&[Integer(1), Real(0.5)], "INTEGER", PgType::Float8),
            (&[Text(b"a"), Integer(1)], "TEXT", PgType::Text),
            (&[Text(b"{\"a\": 1}"), Text(b"[1]")], "TEXT", PgType::Jsonb),
            (&[Text(b"{broken")], "TEXT", PgType::Text),
            (&[Blob(b"x")], "", PgType::Bytea),
            (&[Null], "DOUBLE", PgType::Float8),
        ];
        for (values, declared, expected) in cases {
            assert_eq!(classes(values).propose(declared), expected, "{values:?}");
        }
    }
}
