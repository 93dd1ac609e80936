//! Rows that were set aside: to be looked at, taken out, mended and sent through again.
//!
//! A replay is a stream of its own. Its rows, their sums, and the mark that they are replayed commit
//! together, so that a row is never loaded twice however often the command is cut short and repeated.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Value, json};
use tokio_postgres::Client;

use crate::batch::Position;
use crate::observe::report::{Report, Table};
use crate::sink::SinkError;

mod replay;

pub use replay::replay;

/// What a replay changes about the rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edits {
    /// Source column to value, for every row.
    pub set: Vec<(String, Value)>,
    /// Whole rows by number.
    pub rows: HashMap<i64, Value>,
    /// Only these; all open ones when empty.
    pub only: Vec<i64>,
}

/// Edits that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// `--set` without `=`.
    #[error("--set {0}: write column=value")]
    Set(String),
    /// The file cannot be read.
    #[error("{file}: {cause}")]
    File {
        /// The file.
        file: String,
        /// Why.
        cause: String,
    },
    /// A line that is no edited row.
    #[error(
        "{file}:{line}: {cause}; a line reads {{\"id\": 7, \"row\": {{…}}}} as `export` wrote it"
    )]
    Line {
        /// The file.
        file: String,
        /// Its line, from 1.
        line: usize,
        /// Why.
        cause: String,
    },
}

impl Edits {
    /// Reads `column=value` words and an edited export.
    pub fn read(set: &[String], from: Option<&Path>, only: &[i64]) -> Result<Self, EditError> {
        let mut edits = Self { only: only.to_vec(), ..Self::default() };
        for word in set {
            let (column, value) =
                word.split_once('=').ok_or_else(|| EditError::Set(word.clone()))?;
            // A number or null is meant as one; anything else is text.
            let value = match serde_json::from_str::<Value>(value) {
                Ok(parsed @ (Value::Number(_) | Value::Null)) => parsed,
                _ => json!(value),
            };
            edits.set.push((column.to_owned(), value));
        }
        let Some(path) = from else { return Ok(edits) };
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| EditError::File { file: file.clone(), cause: error.to_string() })?;
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let bad =
                |cause: String| EditError::Line { file: file.clone(), line: index + 1, cause };
            let parsed: Value =
                serde_json::from_str(line).map_err(|error| bad(error.to_string()))?;
            let id = parsed.get("id").and_then(Value::as_i64);
            let row = parsed.get("row").filter(|row| row.is_object()).cloned();
            match (id, row) {
                (Some(id), Some(row)) => drop(edits.rows.insert(id, row)),
                _ => return Err(bad("`id` or `row` is missing".to_owned())),
            }
        }
        Ok(edits)
    }
}

const OPEN: &str = "select d.dead_letter_id, s.target_table, d.reason, coalesce(d.column_name, ''), \
    d.position, d.original, d.at::text, d.stage, d.status, s.source_table, \
    coalesce(d.source_column, '') \
    from millstream.dead_letter d join millstream.stream s using (stream_id) \
    where s.pipeline = $1";

/// Open rows, a line each.
pub async fn list(client: &Client, pipeline: &str, limit: i64) -> Result<Report, SinkError> {
    let sql = format!("{OPEN} and d.status = 'open' order by 1 limit $2");
    let mut table =
        Table::new("Dead letters", &["id", "target", "key", "reason", "column", "value"]);
    for row in client.query(&sql, &[&pipeline, &limit]).await? {
        let (source_column, original): (String, Value) = (row.get(10), row.get(5));
        table.push(vec![
            json!(row.get::<_, i64>(0)),
            json!(row.get::<_, String>(1)),
            json!(Position(row.get(4)).display()),
            json!(row.get::<_, String>(2)),
            json!(row.get::<_, String>(3)),
            json!(original.get(&source_column).map_or(String::new(), shortened)),
        ]);
    }
    let sql = "select count(*) from millstream.dead_letter d join millstream.stream s \
               using (stream_id) where s.pipeline = $1 and d.status = 'open'";
    let open: i64 = client.query_one(sql, &[&pipeline]).await?.get(0);
    let mut report = Report::new(format!("{pipeline}: {open} open dead letters"));
    report.tables.push(table);
    Ok(report)
}

/// A value that fits into a line.
fn shortened(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// One row with everything that is known of it.
pub async fn show(client: &Client, pipeline: &str, id: i64) -> Result<Report, SinkError> {
    let sql = format!("{OPEN} and d.dead_letter_id = $2");
    let Some(row) = client.query_opt(&sql, &[&pipeline, &id]).await? else {
        let message = format!("there is no dead letter {id} of the pipeline `{pipeline}`");
        return Err(SinkError::Ledger(message));
    };
    let mut report = Report::new(format!("dead letter {id}"));
    report.fact("source", row.get::<_, String>(9));
    report.fact("key", Position(row.get(4)).display());
    report.fact("target", row.get::<_, String>(1));
    report.fact("column", row.get::<_, String>(3));
    report.fact("reason", row.get::<_, String>(2));
    report.fact("stage", row.get::<_, String>(7));
    report.fact("status", row.get::<_, String>(8));
    report.fact("at", row.get::<_, String>(6));
    let mut table = Table::new("Original", &["source column", "value"]);
    let original: Value = row.get(5);
    for (name, value) in original.as_object().into_iter().flatten() {
        table.push(vec![json!(name), json!(value.to_string())]);
    }
    report.tables.push(table);
    Ok(report)
}

/// Open rows as JSON lines.
pub async fn export(client: &Client, pipeline: &str) -> Result<String, SinkError> {
    let sql = format!("{OPEN} and d.status = 'open' order by 1");
    let mut lines = String::new();
    for row in client.query(&sql, &[&pipeline]).await? {
        let line = json!({
            "id": row.get::<_, i64>(0),
            "source": row.get::<_, String>(9),
            "target": row.get::<_, String>(1),
            "key": Position(row.get(4)).display(),
            "reason": row.get::<_, String>(2),
            "column": row.get::<_, String>(3),
            "row": row.get::<_, Value>(5),
        });
        lines.push_str(&line.to_string());
        lines.push('\n');
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_read_from_words_and_lines() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("edited.jsonl");
        std::fs::write(&file, "{\"id\": 7, \"row\": {\"v\": 1}}\n\n").unwrap();
        let edits = Edits::read(&["v=42".into(), "t=a=b".into()], Some(&file), &[7]).unwrap();
        assert_eq!(edits.set, [("v".to_owned(), json!(42)), ("t".to_owned(), json!("a=b"))]);
        assert_eq!(edits.rows[&7], json!({ "v": 1 }));
        std::fs::write(&file, "{\"id\": 7}").unwrap();
        let error = Edits::read(&[], Some(&file), &[]).unwrap_err().to_string();
        assert!(error.contains("edited.jsonl:1: "), "{error}");
    }
}
