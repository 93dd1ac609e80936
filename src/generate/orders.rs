//! `production.db`: the production-orders application's SQLite file, as it lies on its server.
//!
//! Its schema to the letter, and its defects: instants in three frames (`times`), rows that refer
//! to deleted ones, states and roles outside every list, words where later there are codes. The
//! newest rows are only in the write-ahead log beside the file, as with any server that runs:
//! whoever copies the file alone loses them, and sees orders as they were a day ago.

mod book;
mod handover;
mod reports;
mod schema;
mod site;
mod staff;
mod times;
mod work;

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::plant::{HOUR, NOW, Plant};
use super::{Draft, GenerateError, Rng, Written, sqlite};
use book::Book;
use handover::Floor;

/// What to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrdersPlan {
    /// How long the application has run, from 1 to 20.
    pub years: u32,
    /// Where it all comes from.
    pub seed: u64,
    /// Orders are counted at each change of shift and at their end, with scrap and rework in pieces.
    /// Otherwise people count when they think of it, and scrap is kilograms.
    pub handover_counts: bool,
}

/// Longer and a table would no longer be a small matter to hold in memory.
const YEARS_MAX: u32 = 20;

/// Rows of one table, by id.
struct Sheet {
    table: &'static str,
    rows: Vec<Row>,
    /// The highest id ever given out, if rows above the last were deleted.
    sequence: i64,
}

impl Sheet {
    fn new(table: &'static str, rows: Vec<Row>) -> Self {
        Self { table, rows, sequence: 0 }
    }

    fn with_sequence(self, sequence: i64) -> Self {
        Self { sequence, ..self }
    }
}

/// One row, and how it was before the last checkpoint.
struct Row {
    born: i64,
    now: Vec<Value>,
    before: Option<Vec<Value>>,
}

impl Row {
    /// A row that stays as it was entered.
    fn at(born: i64, now: Vec<Value>) -> Self {
        Self { born, now, before: None }
    }

    /// A row that `look` draws as it was at an instant.
    fn changing(born: i64, cutoff: i64, look: impl Fn(i64) -> Vec<Value>) -> Self {
        let (now, before) = (look(NOW), look(cutoff));
        let before = Some(before).filter(|before| *before != now);
        Self { born, now, before }
    }
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

fn number(value: i64) -> Value {
    Value::Integer(value)
}

/// A REAL. What is counted here is far from the limits.
fn ratio(value: i64, of: i64) -> Value {
    let exact = |number: i64| f64::from(i32::try_from(number).unwrap_or(i32::MAX));
    Value::Real(exact(value) / exact(of.max(1)))
}

/// Writes the database and the log beside it. `progress` hears of rows written so far.
pub fn write_orders(
    path: &Path,
    plan: &OrdersPlan,
    progress: &mut dyn FnMut(u64),
) -> Result<Written, GenerateError> {
    if !(1..=YEARS_MAX).contains(&plan.years) {
        let value = plan.years.to_string();
        return Err(GenerateError::Plan { option: "years", value, allowed: "from 1 to 20" });
    }
    let draft = Draft::new(path)?;
    let plant = Plant::new(plan.seed, plan.years);
    let book = Book::new(&plant);
    let mut pen = Pen { db: open(draft.path())?, rows: 0, progress };
    let mut notes = book.frames.notes();
    notes.push("zone +02:00 Africa/Johannesburg".to_owned());
    notes.push(format!("free_text production_stops.reason ids 1-{}", book.last_free_text));
    let floor = if plan.handover_counts { Some(Floor::new(&book)?) } else { None };
    write_all(&mut pen, &book, floor.as_ref(), &mut notes)?;
    let Pen { db, rows, progress } = pen;
    progress(rows);
    let tables = counts(&db).map_err(sqlite("the counts"))?;
    notes.extend(dangling(&db).map_err(sqlite("the counts"))?);
    db.close().map_err(|(_, source)| sqlite("the file")(source))?;
    Ok(Written { tables, path: draft.finish()?, notes })
}

fn open(path: &Path) -> Result<Connection, GenerateError> {
    let prepare = || -> rusqlite::Result<Connection> {
        let db = Connection::open(path)?;
        // The rows refer to deleted ones on purpose. The log stays when the file is closed.
        db.execute_batch(
            "pragma page_size = 4096; pragma journal_mode = wal; pragma synchronous = off;
             pragma foreign_keys = off;",
        )?;
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        for part in [schema::MASTER, schema::WORK, schema::STAFF, schema::CREWS] {
            db.execute_batch(part)?;
        }
        Ok(db)
    };
    prepare().map_err(sqlite("the schema"))
}

/// The connection, and who is told.
struct Pen<'a> {
    db: Connection,
    rows: u64,
    progress: &'a mut dyn FnMut(u64),
}

impl Pen<'_> {
    fn write<'r>(
        &mut self,
        table: &'static str,
        rows: impl Iterator<Item = &'r Vec<Value>>,
    ) -> Result<(), GenerateError> {
        let mut insert = None;
        for row in rows {
            if insert.is_none() {
                let holes = vec!["?"; row.len()].join(", ");
                let sql = format!("insert or replace into {table} values ({holes})");
                insert = Some(self.db.prepare(&sql).map_err(sqlite(table))?);
            }
            if let Some(insert) = &mut insert {
                insert.execute(params_from_iter(row)).map_err(sqlite(table))?;
            }
            self.rows += 1;
            if self.rows.is_multiple_of(10_000) {
                (self.progress)(self.rows);
            }
        }
        Ok(())
    }

    fn run(&self, sql: &str) -> Result<(), GenerateError> {
        self.db.execute_batch(sql).map_err(sqlite("the file"))
    }
}

const SHEETS: [fn(&Book<'_>) -> Sheet; 15] = [
    staff::users,
    site::machines,
    site::environments,
    site::settings,
    site::migrations,
    work::orders,
    work::stops,
    work::waste,
    work::quantity_updates,
    staff::attendance,
    staff::labor,
    staff::supervisors,
    staff::overrides,
    staff::crews,
    staff::crew_assignments,
];

/// What is true of the file that a plan makes, for each machine and shift.
pub fn truth_of(plan: &OrdersPlan) -> Result<serde_json::Value, GenerateError> {
    let plant = Plant::new(plan.seed, plan.years);
    let book = Book::new(&plant);
    Ok(Floor::new(&book)?.truth(&book, plan.seed))
}

fn sheets(book: &Book<'_>, floor: Option<&Floor>) -> Vec<Sheet> {
    let Some(floor) = floor else {
        return SHEETS.into_iter().map(|sheet| sheet(book)).collect();
    };
    let mut sheets = Vec::new();
    for sheet in SHEETS.into_iter().map(|sheet| sheet(book)) {
        match sheet.table {
            "production_waste" => sheets.extend(floor.sheets(book, sheet)),
            "quantity_updates" => {}
            _ => sheets.push(sheet),
        }
    }
    sheets
}

/// Everything up to the cutoff into the file, the rest into the log.
fn write_all(
    pen: &mut Pen<'_>,
    book: &Book<'_>,
    floor: Option<&Floor>,
    notes: &mut Vec<String>,
) -> Result<(), GenerateError> {
    let (reports, misdated) = reports::shift_reports(book);
    notes.push(format!("next_night shift_reports.shift_date rows {misdated}"));
    let mut newest = Vec::new();
    pen.run("begin")?;
    for sheet in sheets(book, floor).into_iter().chain([reports]) {
        let Sheet { table, rows, sequence } = sheet;
        let old = rows.iter().filter(|row| row.born < book.cutoff);
        pen.write(table, old.map(|row| row.before.as_ref().unwrap_or(&row.now)))?;
        let new = rows.into_iter().filter(|row| row.born >= book.cutoff || row.before.is_some());
        newest.push((table, new.map(|row| row.now).collect::<Vec<_>>(), sequence));
    }
    pen.run("commit")?;
    pen.run("pragma wal_checkpoint(truncate); pragma wal_autocheckpoint = 0; begin")?;
    for (table, rows, sequence) in &newest {
        pen.write(table, rows.iter())?;
        let raise = "update sqlite_sequence set seq = max(seq, ?2) where name = ?1";
        pen.db.execute(raise, (table, sequence)).map_err(sqlite(table))?;
    }
    pen.run("commit")
}

fn counts(db: &Connection) -> rusqlite::Result<Vec<(String, u64)>> {
    let count = |table: &str| {
        let sql = format!("select count(*) from {table}");
        let count: i64 = db.query_row(&sql, [], |row| row.get(0))?;
        Ok((table.to_owned(), u64::try_from(count).unwrap_or(0)))
    };
    schema::TABLES.into_iter().map(count).collect()
}

/// `dangling TABLE.COLUMN PARENT rows N`.
fn dangling(db: &Connection) -> rusqlite::Result<Vec<String>> {
    let count = |(table, column, parent)| {
        let sql = format!(
            "select count(*) from {table} where {column} is not null \
             and {column} not in (select id from {parent})"
        );
        let count: i64 = db.query_row(&sql, [], |row| row.get(0))?;
        Ok(format!("dangling {table}.{column} {parent} rows {count}"))
    };
    schema::REFERENCES.into_iter().map(count).collect()
}

#[cfg(test)]
mod tests;
