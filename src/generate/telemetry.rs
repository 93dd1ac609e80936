//! A historian's export: `metric_def` names the metrics, `metric_hist` holds their values.
//!
//! Rows come in real-time order, all metrics due at a tick together, so that an ambiguous local
//! hour can be told from the rows around it. Times are the wall clock of a zone, whose changes
//! from and to summer time lie inside the export; the first twentieth is an older logger's and
//! holds epoch milliseconds; the last two machines write milliseconds. The bad rows are the only
//! ones that cannot be loaded, and `Written::notes` says which they are. One transaction, one row
//! in memory.

mod bad;
mod signals;
mod span;

use std::path::Path;

use jiff::tz::TimeZone;
use rusqlite::{Connection, Statement, params, types::Null};

use super::plant::{Plant, YEARS};
use super::{Draft, GenerateError, Written, sqlite};
use bad::{Bad, Kind};
use signals::{Class, Floor, Metric, Value};
use span::Span;

/// What to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelemetryPlan {
    /// Rows of `metric_hist`, the bad ones included.
    pub rows: u64,
    /// Where it all comes from.
    pub seed: u64,
    /// The zone of the wall clock on the site.
    pub zone: String,
    /// How many of the rows cannot be loaded.
    pub bad: u64,
}

impl TelemetryPlan {
    /// Berlin, and one bad row in 100,000, but some of each kind as soon as there are 1,000 rows.
    pub fn new(rows: u64, seed: u64) -> Self {
        let few = if rows >= 1_000 { 9 } else { 0 };
        Self { rows, seed, zone: "Europe/Berlin".to_owned(), bad: (rows / 100_000).max(few) }
    }
}

const SCHEMA: &str = "
    create table metric_def (
        id INTEGER PRIMARY KEY,
        equipment_code TEXT NOT NULL,
        metric_key TEXT NOT NULL,
        value_type TEXT NOT NULL CHECK (value_type IN ('BOOL', 'INT', 'REAL', 'TEXT', 'JSON')),
        unit TEXT,
        description TEXT,
        UNIQUE (equipment_code, metric_key)
    );
    create table metric_hist (
        id INTEGER PRIMARY KEY,
        metric_def_id INTEGER NOT NULL,
        local_time DATETIME,
        value_bool BOOLEAN,
        value_int INTEGER,
        value_real REAL,
        value_text TEXT,
        value_json TEXT
    );";

const DEF: &str = "insert into metric_def values (?1, ?2, ?3, ?4, ?5, ?6)";
const HIST: &str = "insert into metric_hist values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
/// A cast is the only way to store text that is not UTF-8.
const HIST_CAST: &str = "insert into metric_hist values \
    (?1, ?2, ?3, null, null, null, cast(?4 as text), null)";

/// Rows between two reports of progress.
const REPORT: u64 = 10_000;

/// Writes the export. `progress` hears of rows written so far.
pub fn write_telemetry(
    path: &Path,
    plan: &TelemetryPlan,
    progress: &mut dyn FnMut(u64),
) -> Result<Written, GenerateError> {
    let zone = TimeZone::get(&plan.zone)
        .map_err(|source| GenerateError::Zone { zone: plan.zone.clone(), source })?;
    let draft = Draft::new(path)?;
    let plant = Plant::new(plan.seed, YEARS);
    let metrics = signals::metrics(&plant);
    let mut db = Connection::open(draft.path()).map_err(sqlite("the file"))?;
    // A draft that fails is thrown away: neither journal nor sync would save anything.
    db.execute_batch(
        "pragma page_size = 8192; pragma journal_mode = off; pragma synchronous = off;",
    )
    .map_err(sqlite("the file"))?;
    let tx = db.transaction().map_err(sqlite("the file"))?;
    tx.execute_batch(SCHEMA).map_err(sqlite("the schema"))?;
    write_definitions(&tx, &metrics).map_err(sqlite("metric_def"))?;
    let span = Span::new(&zone, plan.rows, signals::rows_in_a_cycle(&metrics))?;
    let bad = Bad::new(plan, span.gap.clone());
    let mut pen = Pen::new(&tx, plan.rows, bad).map_err(sqlite("metric_hist"))?;
    write_history(&mut pen, &span, &mut Floor::new(&plant, metrics.clone()), progress)?;
    let (null_real, bad_note) = (pen.null_real, pen.bad.note());
    drop(pen);
    tx.commit().map_err(sqlite("the file"))?;
    db.close().map_err(|(_, source)| sqlite("the file")(source))?;
    let definitions = u64::try_from(metrics.len()).unwrap_or(u64::MAX);
    Ok(Written {
        tables: vec![("metric_def".to_owned(), definitions), ("metric_hist".to_owned(), plan.rows)],
        path: draft.finish()?,
        notes: vec![
            format!("zone {}", plan.zone),
            format!("epoch_ms ids 1-{}", plan.rows / EPOCH_PART),
            format!("real_null rows {null_real}"),
            bad_note,
        ],
    })
}

/// One row in so many is the older logger's.
const EPOCH_PART: u64 = 20;

fn write_definitions(db: &Connection, metrics: &[Metric]) -> rusqlite::Result<()> {
    let mut insert = db.prepare(DEF)?;
    for (metric, id) in metrics.iter().zip(1_i64..) {
        insert.execute(params![
            id,
            metric.equipment,
            metric.key,
            metric.class.name(),
            metric.unit,
            metric.description
        ])?;
    }
    Ok(())
}

fn write_history(
    pen: &mut Pen<'_>,
    span: &Span,
    floor: &mut Floor<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<(), GenerateError> {
    for tick in 0_u64.. {
        let base_ms = span.tick_ms(tick);
        for machine in 0..floor.machine_count() {
            if pen.row >= pen.rows {
                progress(pen.row);
                return Ok(());
            }
            let at_ms = base_ms + floor.lag_ms(machine, span.step_ms);
            let (local, hour) = span.local(at_ms, floor.writes_millis(machine))?;
            floor.move_to(machine, at_ms.div_euclid(1000), hour);
            pen.time(at_ms, &local).map_err(sqlite("metric_hist"))?;
            floor
                .due(tick, machine, |def, class, value| pen.write(def, class, &value))
                .map_err(sqlite("metric_hist"))?;
        }
        if pen.row / REPORT != pen.reported {
            pen.reported = pen.row / REPORT;
            progress(pen.row);
        }
    }
    Ok(())
}

/// Writes rows with one statement; what does not change from row to row stays bound.
struct Pen<'a> {
    insert: Statement<'a>,
    cast: Statement<'a>,
    rows: u64,
    epoch_rows: u64,
    row: u64,
    reported: u64,
    at_ms: i64,
    local: String,
    /// The parameter of the value that the last row had.
    bound: usize,
    null_real: u64,
    bad: Bad,
}

const TIME: usize = 3;

impl<'a> Pen<'a> {
    fn new(db: &'a Connection, rows: u64, bad: Bad) -> rusqlite::Result<Self> {
        Ok(Self {
            insert: db.prepare(HIST)?,
            cast: db.prepare(HIST_CAST)?,
            rows,
            epoch_rows: rows / EPOCH_PART,
            row: 0,
            reported: 0,
            at_ms: 0,
            local: String::new(),
            bound: Class::Bool.parameter(),
            null_real: 0,
            bad,
        })
    }

    /// The time of the rows that follow.
    fn time(&mut self, at_ms: i64, local: &str) -> rusqlite::Result<()> {
        self.at_ms = at_ms;
        local.clone_into(&mut self.local);
        self.bind_time()
    }

    fn bind_time(&mut self) -> rusqlite::Result<()> {
        if self.row < self.epoch_rows {
            self.insert.raw_bind_parameter(TIME, self.at_ms)
        } else {
            self.insert.raw_bind_parameter(TIME, self.local.as_str())
        }
    }

    /// One row, or nothing when there are enough.
    fn write(&mut self, def: i64, class: Class, value: &Value<'_>) -> rusqlite::Result<()> {
        if self.row >= self.rows {
            return Ok(());
        }
        if self.row == self.epoch_rows {
            self.bind_time()?;
        }
        self.row += 1;
        let id = i64::try_from(self.row).unwrap_or(i64::MAX);
        self.insert.raw_bind_parameter(1, id)?;
        self.insert.raw_bind_parameter(2, def)?;
        let parameter = class.parameter();
        if self.bound != parameter {
            self.insert.raw_bind_parameter(self.bound, Null)?;
            self.bound = parameter;
        }
        if let Some(bad) = self.bad.take(self.row, class) {
            return self.write_bad(def, value, bad);
        }
        self.null_real += u64::from(matches!(value, Value::Nothing));
        self.bind_value(parameter, value)?;
        self.insert.raw_execute()?;
        Ok(())
    }

    fn bind_value(&mut self, parameter: usize, value: &Value<'_>) -> rusqlite::Result<()> {
        match value {
            Value::Bool(value) => self.insert.raw_bind_parameter(parameter, *value),
            Value::Int(value) => self.insert.raw_bind_parameter(parameter, *value),
            Value::Real(value) => self.insert.raw_bind_parameter(parameter, *value),
            Value::Text(value) => self.insert.raw_bind_parameter(parameter, value.as_ref()),
            Value::Nothing => self.insert.raw_bind_parameter(parameter, Null),
        }
    }

    /// Finishes a row whose id and metric are bound.
    fn write_bad(
        &mut self,
        def: i64,
        value: &Value<'_>,
        (kind, text): (Kind, Option<String>),
    ) -> rusqlite::Result<()> {
        if kind == Kind::InvalidUtf8 {
            let bytes: &[u8] = b"over\xfctemp \xff\xfe";
            let id = i64::try_from(self.row).unwrap_or(i64::MAX);
            self.cast.execute(params![id, def, self.local, bytes])?;
            return Ok(());
        }
        if kind.is_time() {
            self.bind_value(self.bound, value)?;
            self.insert.raw_bind_parameter(TIME, text)?;
            self.insert.raw_execute()?;
            return self.bind_time();
        }
        self.insert.raw_bind_parameter(self.bound, text)?;
        self.insert.raw_execute()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
