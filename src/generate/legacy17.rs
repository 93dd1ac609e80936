//! The legacy manufacturing schema of 17 tables, in PostgreSQL.
//!
//! Speed is sampled each minute and at each change; stops are events that someone enters, with
//! what goes wrong there: ends noted late, or never, causes left out. Production is counted every
//! five minutes and stamped in the middle of what it counts; corrections are negative. One
//! machine is sampled every second for the last hours. There are no shifts in this schema.

mod events;
mod metrics;
mod places;
mod schema;

use postgres::Client;
use serde_json::{Value, json};

use super::plant::calendar::Calendar;
use super::plant::history::History;
use super::plant::truth::{self, Correction, Record, View};
use super::server::{Pen, Span, id, row_id};
use super::{GenerateError, Rng, Written};
use schema::TABLES;

/// Seconds that a sample of this system's telemetry holds: two of its periods.
pub const HOLD: i64 = 120;

/// Seconds that a row of production counts.
const SLOT: i64 = 300;

/// Writes the database, and says what is true of it.
pub fn write_legacy17(
    client: &mut Client,
    span: &Span,
    progress: &mut dyn FnMut(u64),
) -> Result<(Written, Value), GenerateError> {
    let (plant, histories) = span.histories()?;
    let records: Vec<Record> =
        histories.iter().map(|(history, _)| record(span.seed, history)).collect();
    let mut pen = Pen::new(client, &TABLES, progress)?;
    pen.run("the schema", schema::SQL)?;
    places::write(&mut pen, &plant, &histories)?;
    metrics::write(&mut pen, span, &histories, &records)?;
    let notes = events::write(&mut pen, span, &histories)?;
    let written = pen.finish(&TABLES, notes)?;
    Ok((written, truth_of(span, &histories, &records)))
}

/// What is true of the database that a span makes.
pub fn truth_of(span: &Span, histories: &[(History, Calendar)], records: &[Record]) -> Value {
    let view = View::Telemetry { hold: HOLD };
    let machines = histories.iter().zip(records);
    json!({
        "system": "legacy17", "seed": span.seed, "from": span.from, "to": span.to,
        "machines": machines
            .map(|((history, calendar), record)| truth::machine(history, calendar, view, record))
            .collect::<Vec<_>>(),
    })
}

/// The corrections of one unit: in every third of its orders, half way through.
fn record(seed: u64, history: &History) -> Record {
    let mut rng = Rng::new(seed, &format!("corrections {}", history.unit.code));
    let mut record = Record { product_pri: true, unit_pri: true, ..Record::default() };
    for (work, it) in history.works.iter().enumerate() {
        let at = it.life.start + (it.life.complete - it.life.start) / 2;
        let at = at - at % SLOT + SLOT / 2;
        let pieces = rng.between(2, 12);
        let before = it.pieces(at - SLOT / 2).since(it.pieces(history.from.min(at)));
        let known = history.from <= at && at < history.to && before.good > 0;
        if work % 3 == 1 && known {
            record.corrections.push(Correction { at, work, pieces });
        }
    }
    for it in &record.corrections {
        record.flawed.push((it.at, it.at + 1, "corrected"));
    }
    record
}

#[cfg(test)]
mod tests;
