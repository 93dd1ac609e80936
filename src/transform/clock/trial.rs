//! One line of `millstream time`: a value in JSON in, an instant or an error in JSON out.

use serde_json::{Value, json};

use super::{Clock, FoldState, PolicyError, format_utc};
use crate::batch::ValueRef;

/// A value that owns its bytes.
enum Given {
    Null,
    Integer(i64),
    Real(f64),
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

/// Converts `{"value":…,"class":"text|integer|real|blob|null"}`.
///
/// Without a class the value's JSON type says it: a whole number is an integer, any other number a
/// real. With one, a number may also come as a string; a blob is a string of hex digits. The answer
/// is `{"utc":…,"pg_us":…}`, both null for a NULL, or `{"error":"ERR_…"}`. What is no such line
/// answers `ERR_INPUT` and says why.
pub fn trial_line(clock: &mut Clock, state: &mut FoldState, line: &str) -> String {
    let given = match given(line) {
        Ok(given) => given,
        Err(detail) => return json!({"error": "ERR_INPUT", "detail": detail}).to_string(),
    };
    let value = match &given {
        Given::Null => ValueRef::Null,
        Given::Integer(value) => ValueRef::Integer(*value),
        Given::Real(value) => ValueRef::Real(*value),
        Given::Text(bytes) => ValueRef::Text(bytes),
        Given::Blob(bytes) => ValueRef::Blob(bytes),
    };
    match clock.instant_inferred(value, state) {
        Ok(Some(at)) => json!({"utc": format_utc(at), "pg_us": at}).to_string(),
        Ok(None) => json!({"utc": null, "pg_us": null}).to_string(),
        Err(error) => json!({"error": error.code()}).to_string(),
    }
}

/// The answer to every line when the policy itself is refused: `ERR_ZONE`, or `ERR_POLICY`.
#[must_use]
pub fn trial_refusal(error: &PolicyError) -> String {
    let code = if error.is_zone() { "ERR_ZONE" } else { "ERR_POLICY" };
    json!({"error": code, "detail": error.to_string()}).to_string()
}

fn given(line: &str) -> Result<Given, String> {
    let parsed: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let object = parsed.as_object().ok_or("not a JSON object")?;
    if let Some(key) = object.keys().find(|key| !["value", "class"].contains(&key.as_str())) {
        return Err(format!("unknown key {key:?}; known: value, class"));
    }
    let class = match object.get("class") {
        None | Some(Value::Null) => None,
        Some(Value::String(class)) => Some(class.as_str()),
        Some(_) => return Err("class is not a string".to_owned()),
    };
    let value = match (object.get("value"), class) {
        (Some(value), _) => value,
        (None, Some("null")) => &Value::Null,
        (None, _) => return Err("no value".to_owned()),
    };
    match class {
        None => of_its_own_type(value),
        Some("null") => Ok(Given::Null),
        Some("integer") => integer(value),
        Some("real") => real(value),
        Some("text") => match value {
            Value::String(text) => Ok(Given::Text(text.clone().into_bytes())),
            Value::Number(number) => Ok(Given::Text(number.to_string().into_bytes())),
            _ => Err("a text is a JSON string".to_owned()),
        },
        Some("blob") => value
            .as_str()
            .and_then(unhex)
            .map(Given::Blob)
            .ok_or_else(|| "a blob is a JSON string of hex digits, two a byte".to_owned()),
        Some(other) => {
            Err(format!("unknown class {other:?}; known: text, integer, real, blob, null"))
        }
    }
}

fn of_its_own_type(value: &Value) -> Result<Given, String> {
    match value {
        Value::Null => Ok(Given::Null),
        Value::String(text) => Ok(Given::Text(text.clone().into_bytes())),
        Value::Number(number) if number.to_string().contains(['.', 'e', 'E']) => real(value),
        Value::Number(_) => integer(value),
        _ => Err("a value is a string, a number or null".to_owned()),
    }
}

fn integer(value: &Value) -> Result<Given, String> {
    let parsed = match value {
        Value::Number(number) => number.to_string().parse().ok(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    parsed.map(Given::Integer).ok_or_else(|| "not a 64-bit integer".to_owned())
}

fn real(value: &Value) -> Result<Given, String> {
    let parsed = match value {
        // Through the digits, so that the last bit is right whatever features serde_json has.
        Value::Number(number) => number.to_string().parse().ok(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    parsed.map(Given::Real).ok_or_else(|| "not a number".to_owned())
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit =
        |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(high)? * 16 + digit(low)?),
            _ => None,
        })
        .collect()
}
