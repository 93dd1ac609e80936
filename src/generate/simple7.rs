//! The simplified schema of seven tables, in PostgreSQL: every measurement is a row of `metrics`.
//!
//! States are codes, sampled each minute and at each change. Pieces are four counters of a PLC:
//! of 16 bits, so that they roll over, and set to zero before some orders. A reading says how much
//! it is to be trusted; what does not say 192 is noise, and some of it looks like a reset.

mod metrics;
mod places;

use postgres::Client;
use serde_json::{Value, json};

use super::plant::calendar::Calendar;
use super::plant::history::History;
use super::plant::truth::{self, Record, View};
use super::server::{Pen, Span};
use super::{GenerateError, Written};

const TABLES: [&str; 7] =
    ["\"Site\"", "\"Equipment\"", "\"User\"", "\"Session\"", "metrics", "oee_data", "\"Alert\""];

/// Seconds that a sample of this system's telemetry holds: two of its periods.
pub const HOLD: i64 = 120;

/// What the counters count up to, and then begin again.
pub const MODULUS: i64 = 65_536;

/// More pieces than that never come between two readings.
pub const MAX_DELTA: i64 = 5_000;

/// Writes the database, and says what is true of it.
pub fn write_simple7(
    client: &mut Client,
    span: &Span,
    progress: &mut dyn FnMut(u64),
) -> Result<(Written, Value), GenerateError> {
    let (plant, histories) = span.histories()?;
    let mut pen = Pen::new(client, &TABLES, progress)?;
    pen.run("the schema", include_str!("simple7/schema.sql"))?;
    places::write(&mut pen, &plant, &histories)?;
    let notes = metrics::write(&mut pen, &histories)?;
    places::write_alerts(&mut pen, &histories)?;
    let written = pen.finish(&TABLES, notes)?;
    Ok((written, truth_of(span, &histories)))
}

/// What is true of the database that a span makes.
pub fn truth_of(span: &Span, histories: &[(History, Calendar)]) -> Value {
    let machines = histories.iter().map(|(history, calendar)| {
        let unit_pri = history.unit.has_pri;
        let record = Record { unit_pri, ..Record::default() };
        truth::machine(history, calendar, View::Telemetry { hold: HOLD }, &record)
    });
    json!({
        "system": "simple7", "seed": span.seed, "from": span.from, "to": span.to,
        "machines": machines.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests;
