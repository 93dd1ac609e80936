//! Puts the evidence together: a verdict for each column of times, and for each stretch of its rows.
//!
//! In this order: what a value carries itself; what the clocks' changes prove; what a `default` says, if
//! nothing contradicts it; then, from these outwards, what the order of cause and effect leaves as the
//! only possibility. Whatever is not reached stays open: no verdict is better than a guess.

use super::court::Court;
use super::frames::Segment;
use super::profile::ColumnProfile;
use super::read::{Facts, File};
use super::{AuditError, Options};

/// What the readings of a column are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every value carries its offset, or counts from 1970.
    Explicit,
    /// So far ahead of UTC, all rows or up to some row.
    Frames(Vec<Segment>),
    /// The local time of a zone with summer time; further names of the same clocks.
    Zone(String, Vec<String>),
    /// No value at all.
    Unused,
    /// Not known.
    Open,
}

/// A column and what was found out about it.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The places of its table and its own.
    pub key: (usize, usize),
    /// What it is.
    pub verdict: Verdict,
    /// Why, a sentence each.
    pub evidence: Vec<String>,
    /// Rows that do not fit the verdict.
    pub against: Vec<i64>,
}

/// The rounds in which what is known spreads: no chain of tables is longer.
const ROUNDS: usize = 6;

/// Judges every column of times.
pub(super) fn judge(
    file: &File,
    tables: &[Facts],
    columns: &[Vec<ColumnProfile>],
    options: &Options,
) -> Result<Vec<Judged>, AuditError> {
    let mut court = Court::new(file, tables, columns, options);
    court.open();
    court.take_defaults()?;
    for _ in 0..ROUNDS {
        if !court.spread()? {
            break;
        }
    }
    court.schedules()?;
    court.leftovers()?;
    Ok(court.judged)
}
