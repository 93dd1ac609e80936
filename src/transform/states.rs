//! Samples and events to intervals of state: one row a state, not one a sample.
//!
//! For each unit the events that cover an instant decide what it did then, the last to have begun first;
//! where none does, the last sample as long as it holds; else it is what the file says `otherwise`. Equal
//! neighbours are one interval. An interval is handed out when it is over; the open one is kept.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::stage::{Column, Record, Step, Taken, place, text_or_null};
use super::{Reason, Refusal};
use crate::batch::Current;
use crate::config::stage::{Overlap, StatesPlan};
use crate::kpi::state::{Category, State};
use crate::schema::{Datum, PgType};

mod unit;

use unit::{Label, Run, Unit};

/// In front of a unit's id in the ledger.
const PREFIX: &str = "states ";
/// Words that are remembered; a source with more of them is looked up each time.
const WORDS_MAX: usize = 256;

/// Turns records into intervals.
#[derive(Debug)]
pub struct States {
    plan: StatesPlan,
    fields: Fields,
    units: HashMap<String, Unit>,
    changed: BTreeSet<String>,
    moved: BTreeSet<String>,
    /// Words of the source and what they mean: looking one up in the list is slower than in here.
    words: Vec<(String, State, bool)>,
}

#[derive(Debug)]
struct Fields {
    equipment: Option<usize>,
    at: Option<usize>,
    until: Option<usize>,
    kind: Option<usize>,
    state: Option<usize>,
    planned: Option<usize>,
    reason: Option<usize>,
    order: Option<usize>,
    operator: Option<usize>,
}

/// The columns of a record.
pub(super) fn record() -> Vec<Column> {
    vec![
        ("equipment", PgType::Varchar(36), true),
        ("at", PgType::Timestamptz(6), true),
        ("until", PgType::Timestamptz(6), false),
        ("kind", PgType::Text, false),
        ("state", PgType::Text, false),
        ("planned", PgType::Bool, false),
        ("reason", PgType::Varchar(255), false),
        ("order", PgType::Varchar(36), false),
        ("operator", PgType::Varchar(36), false),
    ]
}

/// The columns it writes.
pub(super) fn output() -> Vec<(&'static str, PgType)> {
    vec![
        ("timestamp", PgType::Timestamptz(6)),
        ("id", PgType::Varchar(36)),
        ("equipmentId", PgType::Varchar(36)),
        ("state", PgType::Varchar(20)),
        ("stateCategory", PgType::Varchar(20)),
        ("reason", PgType::Varchar(255)),
        ("startTime", PgType::Timestamptz(6)),
        ("endTime", PgType::Timestamptz(6)),
        ("durationSeconds", PgType::Float8),
        ("productionOrderId", PgType::Varchar(36)),
        ("operatorId", PgType::Varchar(36)),
    ]
}

/// What a record is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// What the unit did at an instant, and does until the next sample or until it holds no longer.
    Sample,
    /// What it did from one instant to another; without an end, until the next event begins or a sample
    /// shows that it produces.
    Event,
    /// Nothing new up to here.
    Tick,
}

impl States {
    pub(super) fn new(plan: &StatesPlan, fields: &[&str]) -> Self {
        let at = |column| place(fields, column);
        Self {
            plan: plan.clone(),
            fields: Fields {
                equipment: at("equipment"),
                at: at("at"),
                until: at("until"),
                kind: at("kind"),
                state: at("state"),
                planned: at("planned"),
                reason: at("reason"),
                order: at("order"),
                operator: at("operator"),
            },
            units: HashMap::new(),
            changed: BTreeSet::new(),
            moved: BTreeSet::new(),
            words: Vec::new(),
        }
    }

    /// An event unless the record says otherwise: a table of samples says so with a constant.
    fn kind(&self, record: &Record) -> Result<Kind, Refusal> {
        match record.text(self.fields.kind) {
            None | Some("event") => Ok(Kind::Event),
            Some("sample") => Ok(Kind::Sample),
            Some("tick") => Ok(Kind::Tick),
            Some(_) => Err(Refusal::at(self.fields.kind, Reason::Unmapped)),
        }
    }

    /// What the record says of the unit, and whether its word is in the list. One that is not is a state
    /// that nobody knows: the state before it must not go on in its place.
    fn label(&mut self, record: &Record) -> (Label, bool) {
        let word = record.text(self.fields.state).unwrap_or("UNKNOWN");
        let (state, known) = self.meaning(word);
        let stands = state.category() == Category::AvailabilityLoss;
        let planned = stands && record.flag(self.fields.planned);
        let owned = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        let reason = owned(record.text(self.fields.reason));
        let label = Label {
            state: if planned { State::PlannedStop } else { state },
            reason: if known { reason } else { reason.or_else(|| Some(cut(word))) },
            order: owned(record.text(self.fields.order)),
            operator: owned(record.text(self.fields.operator)),
        };
        (label, known)
    }

    fn meaning(&mut self, word: &str) -> (State, bool) {
        if let Some((_, state, known)) = self.words.iter().find(|(heard, ..)| heard == word) {
            return (*state, *known);
        }
        let named = State::named(word);
        let meaning = (named.unwrap_or(State::Unknown), named.is_some());
        if self.words.len() < WORDS_MAX {
            self.words.push((word.to_owned(), meaning.0, meaning.1));
        }
        meaning
    }

    /// Units whose open interval moved.
    pub(super) fn current(&mut self) -> Vec<Current> {
        let moved = std::mem::take(&mut self.moved);
        let current = moved.into_iter().filter_map(|equipment| {
            let unit = self.units.get(&equipment)?;
            let run = unit.run.as_ref()?;
            let (state, since) = (run.label.state.name(), run.start);
            let seen = unit.known_until(&self.plan);
            Some(Current { equipment, state, since, seen })
        });
        current.collect()
    }

    /// What was decided: overlaps and words without a meaning.
    pub(super) fn told(&self) -> Vec<String> {
        let overlaps: u64 = self.units.values().map(|unit| unit.overlaps).sum();
        let unmapped: u64 = self.units.values().map(|unit| unit.unmapped).sum();
        let mut told = Vec::new();
        if overlaps > 0 {
            let rule = self.plan.overlap.name();
            told.push(format!("{overlaps} events began while another lasted: {rule}"));
        }
        if unmapped > 0 {
            told.push(format!(
                "{unmapped} records with a state that no list knows became UNKNOWN, with their word as the \
                 reason: name them in [table.columns] state = {{ map = … }}"
            ));
        }
        told
    }
}

impl Step for States {
    fn step(
        &mut self,
        record: &Record,
        out: &mut dyn FnMut(&[Datum<'_>]),
    ) -> Result<Taken, Refusal> {
        let equipment = record.text(self.fields.equipment).unwrap_or_default();
        let at = record.instant(self.fields.at)?;
        // An end that never comes is none.
        let until = record.whole(self.fields.until).filter(|until| *until != i64::MAX);
        let kind = self.kind(record)?;
        if kind == Kind::Event && until.is_some_and(|until| until < at) {
            return Err(Refusal::at(self.fields.until, Reason::EndsBeforeStart));
        }
        if self.units.get(equipment).is_some_and(|unit| at < unit.front) {
            return Err(Refusal::at(self.fields.at, Reason::Late));
        }
        let (label, known) = self.label(record);
        let unit = self.units.get(equipment);
        if kind == Kind::Event && unit.is_some_and(|unit| !unit.has_room(at, &label)) {
            return Err(Refusal::at(self.fields.until, Reason::TooManyOverlaps));
        }
        if unit.is_none() {
            self.units.insert(equipment.to_owned(), Unit::new(at));
        }
        let Some(unit) = self.units.get_mut(equipment) else { return Ok(Taken::Used) };
        for noted in [&mut self.changed, &mut self.moved] {
            if !noted.contains(equipment) {
                noted.insert(equipment.to_owned());
            }
        }
        let mut emit = |run: &Run, end: i64| hand_out(&self.plan, equipment, (run, end), out);
        unit.advance(&self.plan, at, &mut emit);
        if !unit.hears(record.digest()) {
            return Ok(Taken::Duplicate);
        }
        match kind {
            Kind::Sample => unit.sample(at, label),
            Kind::Event => unit.begin(at, until, label),
            Kind::Tick => {}
        }
        unit.settle(&self.plan, &mut emit);
        unit.unmapped += u64::from(!known);
        Ok(Taken::Used)
    }

    fn changed(&mut self) -> Vec<(String, Vec<u8>)> {
        let changed = std::mem::take(&mut self.changed);
        let kept = changed.into_iter().filter_map(|equipment| {
            let bytes = serde_json::to_vec(self.units.get(&equipment)?).ok()?;
            Some((format!("{PREFIX}{equipment}"), bytes))
        });
        kept.collect()
    }

    fn restore(&mut self, state: &[(String, Vec<u8>)]) -> bool {
        for (key, bytes) in state {
            let Some(equipment) = key.strip_prefix(PREFIX) else { continue };
            let Ok(unit) = serde_json::from_slice::<Unit>(bytes) else { return false };
            self.units.insert(equipment.to_owned(), unit);
        }
        true
    }
}

/// At most as long as the column for reasons.
fn cut(word: &str) -> String {
    word.chars().take(255).collect()
}

/// One closed interval as a row of the target.
fn hand_out(
    plan: &StatesPlan,
    equipment: &str,
    (run, end): (&Run, i64),
    out: &mut dyn FnMut(&[Datum<'_>]),
) {
    let Label { state, reason, order, operator } = &run.label;
    let length = end.saturating_sub(run.start);
    let short = length <= plan.microstop_us && state.category() == Category::AvailabilityLoss;
    let setup = matches!(state, State::Setup | State::Changeover);
    let (state, category) = match short && !setup {
        true if plan.microstop_runs => (State::Microstop, Category::PerformanceLoss),
        true => (State::Microstop, State::Microstop.category()),
        false => (*state, state.category()),
    };
    // Of a plant's life in µs every second fits f64 exactly, and so does the fraction.
    let seconds = length as f64 / 1e6;
    let id = format!(
        "{:016x}",
        xxhash_rust::xxh3::xxh3_64(equipment.as_bytes()) ^ run.start.cast_unsigned()
    );
    out(&[
        Datum::Timestamp(run.start),
        Datum::Text(id.into()),
        Datum::Text(equipment.into()),
        Datum::Text(state.name().into()),
        Datum::Text(category.name().into()),
        text_or_null(reason.as_deref()),
        Datum::Timestamp(run.start),
        Datum::Timestamp(end),
        Datum::Float8(seconds),
        text_or_null(order.as_deref()),
        text_or_null(operator.as_deref()),
    ]);
}

/// A state in the ledger: its canonical name.
mod by_name {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::kpi::state::State;

    pub(super) fn serialize<S: Serializer>(state: &State, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(state.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<State, D::Error> {
        let name = String::deserialize(from)?;
        State::canonical(&name).ok_or_else(|| serde::de::Error::custom("no state of ours"))
    }
}

impl Overlap {
    /// The rule in words.
    fn name(self) -> &'static str {
        match self {
            Self::LatestStart => "the one that began last holds, then the earlier one goes on",
            Self::Severity => "the graver one holds",
        }
    }
}

#[cfg(test)]
mod tests;
