//! Rows into a PostgreSQL: all of a system, or nothing of it, in one transaction.

use std::io::Write as _;

use postgres::{Client, Transaction};

use super::plant::calendar::Calendar;
use super::plant::history::History;
use super::plant::{DAY, NOW, Plant, YEARS};
use super::{GenerateError, Rng, Written};

/// Which days of which plant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Where it all comes from.
    pub seed: u64,
    /// First second, UTC.
    pub from: i64,
    /// The second after the last.
    pub to: i64,
}

/// More would be a different test.
const DAYS_MAX: i64 = 400;

impl Span {
    /// The `days` before an instant, cut to midnight; before the plant's present if there is none.
    pub fn before(seed: u64, days: i64, until: Option<i64>) -> Result<Self, GenerateError> {
        let to = until.unwrap_or(NOW).div_euclid(DAY) * DAY;
        Self::between(seed, to - days.clamp(-1, DAYS_MAX + 1) * DAY, to)
    }

    /// From one instant to another.
    pub fn between(seed: u64, from: i64, to: i64) -> Result<Self, GenerateError> {
        let founded = Plant::new(seed, YEARS).founded;
        let days = (to - from) / DAY;
        if !(1..=DAYS_MAX).contains(&days) {
            let value = format!("{days} days");
            return Err(GenerateError::Plan { option: "the span", value, allowed: "1 to 400" });
        }
        if from < founded || to > NOW + DAYS_MAX * DAY {
            let value = "outside the plant's life".to_owned();
            let allowed = "dates from 2023-08-03 to 2026-09-05";
            return Err(GenerateError::Plan { option: "the span", value, allowed });
        }
        Ok(Self { seed, from, to })
    }

    /// The plant, and what happened on each of its units with the calendar of its site.
    pub fn histories(&self) -> Result<(Plant, Vec<(History, Calendar)>), GenerateError> {
        let plant = Plant::new(self.seed, YEARS);
        let mut found = Vec::new();
        for unit in plant.units().iter().filter(|unit| unit.commissioned <= self.from) {
            // An order reaches beyond the span, and its breaks with it.
            let around = (self.from - 20 * DAY, self.to + 20 * DAY);
            let calendar = Calendar::new(unit.site, around.0, around.1)?;
            let history = History::new(&plant, unit, &calendar, (self.from, self.to));
            found.push((history, calendar));
        }
        Ok((plant, found))
    }
}

/// One row as COPY takes it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Line(String);

impl Line {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn next(&mut self) -> &mut String {
        if !self.0.is_empty() {
            self.0.push('\t');
        }
        &mut self.0
    }

    pub(crate) fn null(mut self) -> Self {
        self.next().push_str("\\N");
        self
    }

    pub(crate) fn text(mut self, value: &str) -> Self {
        // An empty first value must still count as one.
        let first = self.0.is_empty();
        let out = self.next();
        for c in value.chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                '\t' => out.push_str("\\t"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                c => out.push(c),
            }
        }
        debug_assert!(!(first && value.is_empty()), "the first column is never empty");
        self
    }

    pub(crate) fn maybe(self, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(value),
            None => self.null(),
        }
    }

    pub(crate) fn int(self, value: i64) -> Self {
        self.text(&value.to_string())
    }

    pub(crate) fn bool(self, value: bool) -> Self {
        self.text(if value { "t" } else { "f" })
    }

    /// A number given in thousandths: no float is rounded on the way.
    pub(crate) fn milli(self, value: i64) -> Self {
        let sign = if value < 0 { "-" } else { "" };
        let value = value.abs();
        self.text(&format!("{sign}{}.{:03}", value / 1000, value % 1000))
    }

    /// Twelve digits of a quotient of two whole numbers.
    pub(crate) fn ratio(self, value: i64, of: i64) -> Self {
        let of = i128::from(of.max(1));
        let scaled = (i128::from(value) * 2_000_000_000_000 + of) / (2 * of);
        let (whole, rest) = (scaled / 1_000_000_000_000, scaled % 1_000_000_000_000);
        self.text(&format!("{whole}.{rest:012}"))
    }

    /// An instant in UTC.
    pub(crate) fn time(self, seconds: i64) -> Self {
        self.text(&stamp(seconds))
    }

    pub(crate) fn maybe_time(self, seconds: Option<i64>) -> Self {
        match seconds {
            Some(seconds) => self.time(seconds),
            None => self.null(),
        }
    }
}

/// `YYYY-MM-DD HH:MM:SS` in UTC.
pub(crate) fn stamp(seconds: i64) -> String {
    // The span is within the calendar; an instant that is not would be a zero date.
    let at = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    let civil = jiff::tz::Offset::UTC.to_datetime(at);
    format!("{} {}", civil.date(), civil.time())
}

/// An id as Prisma makes them: a letter and 24 more.
pub(crate) fn id(kind: &str, name: &str) -> String {
    let mut rng = Rng::new(0, &format!("{kind} {name}"));
    let mut id = String::from("c");
    while id.len() < 25 {
        let digit = rng.below(36);
        id.extend("0123456789abcdefghijklmnopqrstuvwxyz".chars().nth(digit));
    }
    id
}

/// An id of one of many rows; they sort as they were made.
pub(crate) fn row_id(kind: char, number: usize) -> String {
    format!("c{kind}{number:023}")
}

/// Writes the tables of one system.
pub(crate) struct Pen<'a> {
    tx: Transaction<'a>,
    progress: &'a mut dyn FnMut(u64),
    rows: u64,
}

fn failed(what: &str) -> impl Fn(postgres::Error) -> GenerateError {
    move |source| GenerateError::Postgres { what: what.to_owned(), source: Box::new(source) }
}

impl<'a> Pen<'a> {
    /// Begins; refuses when one of `tables` is there.
    pub(crate) fn new(
        client: &'a mut Client,
        tables: &[&str],
        progress: &'a mut dyn FnMut(u64),
    ) -> Result<Self, GenerateError> {
        let mut tx = client.transaction().map_err(failed("the transaction"))?;
        for table in tables {
            let ask = "select to_regclass($1) is not null";
            let there: bool = tx.query_one(ask, &[table]).map_err(failed("the catalog"))?.get(0);
            if there {
                return Err(GenerateError::Taken { table: (*table).to_owned() });
            }
        }
        let settings = "set local time zone 'UTC'; set local synchronous_commit = off";
        tx.batch_execute(settings).map_err(failed("the settings"))?;
        Ok(Self { tx, progress, rows: 0 })
    }

    /// Statements of the schema, or what fills tables from tables.
    pub(crate) fn run(&mut self, what: &str, sql: &str) -> Result<(), GenerateError> {
        self.tx.batch_execute(sql).map_err(failed(what))
    }

    /// Rows of one table, by COPY. `columns` are quoted where they need it.
    pub(crate) fn copy(
        &mut self,
        table: &str,
        columns: &str,
        lines: impl IntoIterator<Item = Line>,
    ) -> Result<(), GenerateError> {
        let sql = format!("copy {table} ({columns}) from stdin");
        let mut out = self.tx.copy_in(&sql).map_err(failed(table))?;
        let broken =
            |source: std::io::Error| GenerateError::Stream { table: table.to_owned(), source };
        for line in lines {
            writeln!(out, "{}", line.0).map_err(broken)?;
            self.rows += 1;
            if self.rows.is_multiple_of(10_000) {
                (self.progress)(self.rows);
            }
        }
        out.finish().map_err(failed(table))?;
        Ok(())
    }

    /// Commits, and counts what is there.
    pub(crate) fn finish(
        mut self,
        tables: &[&str],
        notes: Vec<String>,
    ) -> Result<Written, GenerateError> {
        (self.progress)(self.rows);
        let mut counts = Vec::new();
        for table in tables {
            let sql = format!("select count(*) from {table}");
            let count: i64 = self.tx.query_one(&sql, &[]).map_err(failed(table))?.get(0);
            counts.push(((*table).to_owned(), u64::try_from(count).unwrap_or(0)));
        }
        let name = "select current_database()::text";
        let name: String = self.tx.query_one(name, &[]).map_err(failed("the catalog"))?.get(0);
        self.tx.commit().map_err(failed("the transaction"))?;
        Ok(Written { tables: counts, path: name.into(), notes })
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, Span, stamp};

    #[test]
    fn a_line_is_what_copy_takes() {
        let line = Line::new().text("a\tb\\c\nd").null().int(-5).milli(-1_005).bool(true);
        let line = line.ratio(60, 96).ratio(60, 140).time(0).maybe(None).maybe_time(Some(1));
        let expected = "a\\tb\\\\c\\nd\t\\N\t-5\t-1.005\tt\t0.625000000000\t0.428571428571\t\
            1970-01-01 00:00:00\t\\N\t1970-01-01 00:00:01";
        assert_eq!(line.0, expected);
    }

    #[test]
    fn a_span_ends_at_midnight_and_stays_in_the_plants_life() {
        let span = Span::before(1, 14, None).unwrap();
        assert_eq!(stamp(span.from), "2025-07-19 00:00:00");
        assert_eq!(stamp(span.to), "2025-08-02 00:00:00");
        for wrong in [(0, None), (401, None), (14, Some(0))] {
            Span::before(1, wrong.0, wrong.1).unwrap_err();
        }
    }
}
