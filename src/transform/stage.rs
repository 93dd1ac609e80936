//! Transforms that make rows of their own out of records: states, counts, quality events.
//!
//! A mapping brings a row of the source to a [`Record`], with its zones, units and words put right; a stage
//! takes one record after the other and hands out whole rows of the target when they are certain.

use super::counts::Counts;
use super::quality::Quality;
use super::states::States;
use super::{Reason, Refusal};
use crate::batch::Current;
use crate::config::stage::StagePlan;
use crate::schema::{Datum, PgType, TargetColumn, TargetTable};

/// A transform with state.
///
/// What `step` hands out is a function of the state and the record, never of the batch, the clock or the
/// lane: a run that is cut anywhere and restored from [`Step::changed`] makes the same rows. A record that
/// is refused leaves the state as it was. State is kept by key, a few hundred bytes each.
pub trait Step {
    /// Takes a record in and hands out the rows that are certain now.
    fn step(
        &mut self,
        record: &Record,
        out: &mut dyn FnMut(&[Datum<'_>]),
    ) -> Result<Taken, Refusal>;

    /// State that changed since this was last asked: key and bytes.
    fn changed(&mut self) -> Vec<(String, Vec<u8>)>;

    /// Goes on from kept state, of which all that was ever handed out is given; `false` when it is not ours.
    fn restore(&mut self, state: &[(String, Vec<u8>)]) -> bool;
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is part of what was or will be handed out.
    Used,
    /// It says what the record before it said.
    Duplicate,
}

/// A stage by its kind.
#[derive(Debug)]
pub enum Stage {
    /// Samples and events to intervals.
    States(States),
    /// Counts and counters to increments.
    Counts(Counts),
    /// Defects, rework and scrap.
    Quality(Quality),
}

/// A column of a record: name, type, whether it has to be there.
pub(super) type Column = (&'static str, PgType, bool);

impl Stage {
    /// A stage for records whose columns come in this order.
    pub fn new(plan: &StagePlan, fields: &[&str]) -> Self {
        match plan {
            StagePlan::States(plan) => Self::States(States::new(plan, fields)),
            StagePlan::Counts(plan) => Self::Counts(Counts::new(plan, fields)),
            StagePlan::Quality => Self::Quality(Quality::new(fields)),
        }
    }

    /// The columns that a record may have, as a table for a mapping to go into.
    pub fn record(plan: &StagePlan) -> TargetTable {
        let columns = match plan {
            StagePlan::States(_) => super::states::record(),
            StagePlan::Counts(_) => super::counts::record(),
            StagePlan::Quality => super::quality::record(),
        };
        let columns =
            columns.into_iter().map(|(name, ty, needed)| TargetColumn::planned(name, ty, needed));
        let name =
            crate::schema::TableName { schema: "record".to_owned(), name: plan.name().to_owned() };
        TargetTable::planned(name, columns.collect())
    }

    /// The columns of the target that it writes, in their order; the first is the time.
    pub fn output(plan: &StagePlan) -> Vec<(String, PgType)> {
        let columns = match plan {
            StagePlan::States(_) => super::states::output(),
            StagePlan::Counts(_) => super::counts::output(),
            StagePlan::Quality => super::quality::output(),
        };
        columns.into_iter().map(|(name, ty)| (name.to_owned(), ty)).collect()
    }

    fn step_of(&mut self) -> &mut dyn Step {
        match self {
            Self::States(states) => states,
            Self::Counts(counts) => counts,
            Self::Quality(quality) => quality,
        }
    }

    /// See [`Step::step`].
    pub fn step(
        &mut self,
        record: &Record,
        out: &mut dyn FnMut(&[Datum<'_>]),
    ) -> Result<Taken, Refusal> {
        self.step_of().step(record, out)
    }

    /// See [`Step::changed`].
    pub fn changed(&mut self) -> Vec<(String, Vec<u8>)> {
        self.step_of().changed()
    }

    /// See [`Step::restore`].
    pub fn restore(&mut self, state: &[(String, Vec<u8>)]) -> bool {
        self.step_of().restore(state)
    }

    /// Whether a row's own key is part of what it makes.
    pub fn needs_key(&self) -> bool {
        matches!(self, Self::Quality(_))
    }

    /// Units whose open state moved since this was last asked, in the order of their ids.
    pub fn current(&mut self) -> Vec<Current> {
        match self {
            Self::States(states) => states.current(),
            Self::Counts(_) | Self::Quality(_) => Vec::new(),
        }
    }

    /// What a person should know of what was decided so far, in words.
    pub fn told(&self) -> Vec<String> {
        match self {
            Self::States(states) => states.told(),
            Self::Counts(counts) => counts.told(),
            Self::Quality(_) => Vec::new(),
        }
    }
}

/// One record: the values of a row, by field of the mapping, owned and used again for the next.
#[derive(Debug, Default)]
pub struct Record {
    slots: Vec<Slot>,
    text: String,
    /// Hash of the source row's key: what tells two equal records apart.
    pub key: u128,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Slot {
    Null,
    Flag(bool),
    Whole(i64),
    Real(f64),
    Text(usize, usize),
}

impl Record {
    /// Forgets the row before.
    pub fn clear(&mut self) {
        self.slots.clear();
        self.text.clear();
    }

    /// Takes the next field. Records have columns of few types; another one counts as NULL, and
    /// [`Stage::record`] names none.
    pub fn push(&mut self, datum: &Datum<'_>) {
        let slot = match datum {
            Datum::Bool(flag) => Slot::Flag(*flag),
            Datum::Int8(number) | Datum::Timestamp(number) => Slot::Whole(*number),
            Datum::Float8(number) => Slot::Real(*number),
            Datum::Text(text) => {
                let start = self.text.len();
                self.text.push_str(text);
                Slot::Text(start, self.text.len())
            }
            _ => Slot::Null,
        };
        self.slots.push(slot);
    }

    fn slot(&self, field: Option<usize>) -> Slot {
        field.and_then(|field| self.slots.get(field)).copied().unwrap_or(Slot::Null)
    }

    /// Text of a field.
    pub(super) fn text(&self, field: Option<usize>) -> Option<&str> {
        match self.slot(field) {
            Slot::Text(start, end) => self.text.get(start..end),
            _ => None,
        }
    }

    /// A whole number, or an instant in µs since 2000.
    pub(super) fn whole(&self, field: Option<usize>) -> Option<i64> {
        match self.slot(field) {
            Slot::Whole(number) => Some(number),
            _ => None,
        }
    }

    /// An instant that has a place on the time line, µs since 2000: infinities have none.
    pub(super) fn instant(&self, field: Option<usize>) -> Result<i64, Refusal> {
        match self.whole(field) {
            None => Err(Refusal::at(field, Reason::NotNull)),
            Some(i64::MIN | i64::MAX) => Err(Refusal::at(field, Reason::OutOfRange)),
            Some(instant) => Ok(instant),
        }
    }

    /// A floating point number.
    pub(super) fn real(&self, field: Option<usize>) -> Option<f64> {
        match self.slot(field) {
            Slot::Real(number) => Some(number),
            _ => None,
        }
    }

    /// A flag; `false` where there is none.
    pub(super) fn flag(&self, field: Option<usize>) -> bool {
        self.slot(field) == Slot::Flag(true)
    }

    /// Hash of everything the record says.
    pub(super) fn digest(&self) -> u64 {
        let mut hasher = xxhash_rust::xxh3::Xxh3::new();
        for slot in &self.slots {
            match *slot {
                Slot::Null => hasher.update(b"n"),
                Slot::Flag(flag) => hasher.update(&[b'f', u8::from(flag)]),
                Slot::Whole(number) => hasher.update(&number.to_be_bytes()),
                Slot::Real(number) => hasher.update(&number.to_bits().to_be_bytes()),
                Slot::Text(start, end) => {
                    hasher.update(&(end - start).to_be_bytes());
                    hasher.update(self.text.get(start..end).unwrap_or_default().as_bytes());
                }
            }
        }
        hasher.digest()
    }
}

/// Where a column of the record stands among the fields of the mapping.
pub(super) fn place(fields: &[&str], column: &str) -> Option<usize> {
    fields.iter().position(|field| *field == column)
}

/// Text, or NULL.
pub(super) fn text_or_null(text: Option<&str>) -> Datum<'_> {
    text.map_or(Datum::Null, |text| Datum::Text(text.into()))
}
