//! Rows set aside: why, where they came from, and the values they had, so that they can be mended.
//!
//! They commit with the batch they were read in. Original values are kept as JSON, so that a person can
//! read and edit them; what JSON or `jsonb` cannot hold is marked and kept byte for byte.

use serde_json::{Map, Value, json};
use tokio_postgres::Client;

use super::SinkError;
use crate::batch::{OwnedValue, Position, ValueRef, hex, unhex};

/// A row set aside.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetter {
    /// Key of the row in its source.
    pub position: Position,
    /// Who refused it: `transform` or `sink`.
    pub stage: &'static str,
    /// Why, as a short code.
    pub reason: String,
    /// The server's code, when the sink refused it.
    pub sqlstate: Option<String>,
    /// The target column it is about.
    pub column: Option<String>,
    /// The source column that it comes from.
    pub source_column: Option<String>,
    /// Source column to value; see [`original`].
    pub original: Value,
}

/// The row as read. Conditions of the file, which only the source can evaluate, are kept as `$conditions`.
pub fn original<'a>(
    columns: impl Iterator<Item = (&'a str, ValueRef<'a>)>,
    conditions: &[(&str, ValueRef<'_>)],
) -> Value {
    let mut row: Map<String, Value> =
        columns.map(|(name, value)| (name.to_owned(), to_json(value))).collect();
    if !conditions.is_empty() {
        let values = conditions.iter().map(|(sql, value)| ((*sql).to_owned(), to_json(*value)));
        row.insert("$conditions".to_owned(), Value::Object(values.collect()));
    }
    Value::Object(row)
}

/// A value as JSON.
pub fn to_json(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => json!(number),
        // From 1e15 on jsonb writes a float without a point, and it would come back as an integer.
        ValueRef::Real(number) if number.abs() < 1e15 => json!(number),
        ValueRef::Real(number) => json!({ "$real": number.to_string() }),
        ValueRef::Blob(bytes) => json!({ "$blob": hex(bytes) }),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if !bytes.contains(&0) => json!(text),
            _ => json!({ "$text": hex(bytes) }),
        },
    }
}

/// The value that [`to_json`] wrote, or that a person edited; `None` for what is no value.
pub fn from_json(value: &Value) -> Option<OwnedValue> {
    match value {
        Value::Null => Some(OwnedValue::Null),
        Value::Bool(flag) => Some(OwnedValue::Integer(i64::from(*flag))),
        Value::Number(number) => {
            let real = number.as_str().contains(['.', 'e', 'E']);
            match number.as_i64() {
                Some(integer) if !real => Some(OwnedValue::Integer(integer)),
                _ => number.as_f64().map(OwnedValue::Real),
            }
        }
        Value::String(text) => Some(OwnedValue::Text(text.clone().into_bytes())),
        Value::Object(marked) => {
            let (mark, value) = marked.iter().next().filter(|_| marked.len() == 1)?;
            let text = value.as_str()?;
            match mark.as_str() {
                "$blob" => unhex(text).map(OwnedValue::Blob),
                "$text" => unhex(text).map(OwnedValue::Text),
                "$real" => text.parse().ok().map(OwnedValue::Real),
                _ => None,
            }
        }
        Value::Array(_) => None,
    }
}

/// Rows of a pipeline that are set aside and wait for a person.
pub async fn open_of(client: &Client, pipeline: &str) -> Result<i64, SinkError> {
    let sql = "select count(*) from millstream.dead_letter d join millstream.stream s using (stream_id) \
               where s.pipeline = $1 and d.status = 'open'";
    Ok(client.query_one(sql, &[&pipeline]).await?.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_survives_the_way_through_json() {
        let values = [
            OwnedValue::Null,
            OwnedValue::Integer(i64::MIN),
            OwnedValue::Integer(9_007_199_254_740_993),
            OwnedValue::Real(0.1),
            OwnedValue::Real(2.0),
            OwnedValue::Real(1e300),
            OwnedValue::Real(f64::INFINITY),
            OwnedValue::Text(b"plain".to_vec()),
            OwnedValue::Text(b"nul\0inside".to_vec()),
            OwnedValue::Text(b"\xff\xfe".to_vec()),
            OwnedValue::Blob(vec![0, 1, 255]),
        ];
        for value in values {
            let json = to_json(value.borrow()).to_string();
            let parsed: Value = serde_json::from_str(&json).unwrap();
            assert_eq!(from_json(&parsed), Some(value), "{json}");
        }
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for text in ["[1]", "{\"$blob\": \"zz\"}", "{\"a\": 1}", "{}"] {
            assert_eq!(from_json(&serde_json::from_str(text).unwrap()), None, "{text}");
        }
    }
}
