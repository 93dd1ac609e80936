//! MS5's `factory_telemetry` in a plain PostgreSQL, as the original migrations leave it.

use postgres::Client;
use serde_json::{Value, json};

use super::database::{Pen, Span};
use super::{GenerateError, Written};

/// Writes the database, and says what is true of it.
pub fn write_ms5(
    client: &mut Client,
    span: &Span,
    rows: u64,
    progress: &mut dyn FnMut(u64),
) -> Result<(Written, Value), GenerateError> {
    let mut pen = Pen::new(client, &[], progress)?;
    pen.run("the schema", include_str!("../../fixtures/ms5-legacy.sql"))?;
    let written = pen.finish(&[], Vec::new())?;
    Ok((written, json!({"seed": span.seed, "rows": rows})))
}
