//! A schedule's zone from words: if `day` means 06:00 to 18:00 on a clock that is known, then a schedule
//! that writes 06:00 beside `day` was written by the same clock.

use super::AuditError;
use super::read::{Facts, File};
use super::relations::Role;
use super::times::{BIN, DAY, MINUTE};

/// Words of a column that still are labels.
const LABELS_MAX: usize = 6;
/// Quarter hours of a day.
const BINS: i64 = DAY / BIN;
/// Rows by which a label must be known.
const ROWS_MIN: i64 = 100;

/// A label and the stretch of the day in which it is written: `[start, end)`, µs since midnight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) word: String,
    pub(super) start: i64,
    pub(super) end: i64,
}

/// The stretches of a day that the words of a column stand for, if each has one of its own and
/// together they cover the day.
pub(super) fn stretches(
    file: &File,
    table: &Facts,
    columns: (&str, &str),
) -> Result<Option<Vec<Label>>, AuditError> {
    let rows = file.labels(table, columns)?;
    let all: i64 = rows.iter().map(|row| row.2).sum();
    let mut of_bin: Vec<Option<&str>> = Vec::new();
    of_bin.resize(usize::try_from(BINS).unwrap_or(0), None);
    for (word, bin, _) in &rows {
        let place = usize::try_from(*bin).ok().and_then(|bin| of_bin.get_mut(bin));
        match place {
            Some(place) if place.is_none() || *place == Some(word) => *place = Some(word),
            // Two words in the same quarter of an hour: they stand for something else.
            _ => return Ok(None),
        }
    }
    let whole = of_bin.iter().filter(|word| word.is_none()).count() <= 2;
    if all < ROWS_MIN || !whole {
        return Ok(None);
    }
    let mut labels: Vec<Label> = Vec::new();
    for (index, bin) in (0..BINS).zip(0..) {
        let here = of_bin.get(bin).copied().flatten();
        let before =
            of_bin.get(if bin == 0 { of_bin.len() - 1 } else { bin - 1 }).copied().flatten();
        if let (Some(word), Some(_)) = (here, before)
            && here != before
        {
            if labels.iter().any(|label| label.word == word) || labels.len() >= LABELS_MAX {
                return Ok(None);
            }
            labels.push(Label { word: word.to_owned(), start: index * BIN, end: 0 });
        }
    }
    let starts: Vec<i64> = labels.iter().map(|label| label.start).collect();
    for (label, next) in labels.iter_mut().zip(starts.iter().cycle().skip(1)) {
        label.end = *next;
    }
    Ok((labels.len() >= 2).then_some(labels))
}

/// How far a schedule's clock is ahead of the one that the labels are known on: one shift for all words.
pub(super) fn shift(
    file: &File,
    table: &Facts,
    (label, time): (&str, &str),
    role: Role,
    labels: &[Label],
) -> Result<Option<i64>, AuditError> {
    let rows = file.labels(table, (label, time))?;
    let mut shifts: Vec<i64> = Vec::new();
    for known in labels {
        let mut bins = rows.iter().filter(|row| row.0 == known.word).map(|row| row.1 * BIN);
        let Some(at) = bins.next() else { continue };
        if bins.any(|other| other != at) {
            return Ok(None);
        }
        let edge = match role {
            Role::Start => known.start,
            Role::End => known.end,
            Role::Created | Role::Later | Role::Event => return Ok(None),
        };
        // Between -12 h and +12 h.
        shifts.push((at - edge + DAY / 2).rem_euclid(DAY) - DAY / 2);
    }
    let first = shifts.first().copied();
    let same = shifts.len() >= 2 && shifts.iter().all(|shift| Some(*shift) == first);
    Ok(first.filter(|_| same))
}

/// `06:00` of a time of day.
pub(super) fn of_day(at: i64) -> String {
    format!("{:02}:{:02}", at / (60 * MINUTE), at / MINUTE % 60)
}
