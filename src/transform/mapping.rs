//! The mapping of one source table onto one target table: resolved once, against both, then applied to
//! each row.
//!
//! Columns of the same name go together without being told; the file renames, converts, or fills in.
//! What a column means may differ by row: the source evaluates the conditions, the first that holds wins.

mod resolve;

use super::clock::{Clock, FoldState, Policy, TimeError};
use super::units::Conversion;
use super::{Reason, Refusal, cast};
use crate::batch::{OwnedValue, Row, ValueRef};
use crate::config::Problems;
use crate::config::plan::TablePlan;
use crate::schema::{Datum, PgType, Selection, SourceColumn, TargetTable};

/// One target column that is written.
#[derive(Debug)]
pub struct Field {
    /// Its name.
    pub column: String,
    /// Its type.
    pub ty: PgType,
    /// NULL is refused.
    pub not_null: bool,
    /// The source column it comes from; `None` for a constant.
    pub from: Option<String>,
    base: Meaning,
    /// Index of a condition of the row, and what the value means where it holds.
    by_row: Vec<(usize, Meaning)>,
    /// What `fold = infer` remembers of the rows before.
    fold: Option<FoldState>,
}

/// How a value is to be read.
struct Meaning {
    input: Input,
    map: Vec<(String, OwnedValue)>,
    map_else: Option<OwnedValue>,
    unit: Option<Conversion>,
    clock: Option<(Policy, Clock)>,
    default: Option<OwnedValue>,
}

impl std::fmt::Debug for Meaning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.canonical())
    }
}

enum Input {
    Cell(usize),
    Constant(OwnedValue),
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its values were handed out.
    Used,
    /// The file leaves it out.
    Filtered,
}

/// A resolved mapping, with the state it carries from row to row.
#[derive(Debug)]
pub struct Mapping {
    /// What is written, in the order of the target's columns.
    pub fields: Vec<Field>,
    /// What is read.
    pub selection: Selection,
    filter: Option<usize>,
    /// Rows outside `[from, to)` of this field are left out; µs since 2000.
    window: Option<(usize, i64, i64)>,
    /// The state before the row at hand.
    before: Vec<FoldState>,
}

impl Mapping {
    /// Resolves a table plan against what the source has and what the target takes.
    /// Everything that does not fit is noted in `problems`.
    pub fn resolve(
        plan: &TablePlan,
        key: &[String],
        source: &[SourceColumn],
        target: &TargetTable,
        problems: &mut Problems,
    ) -> Self {
        let mut resolver = resolve::Resolver::new(plan, key, source, problems);
        let mut fields = resolver.fields(target);
        let mut selection = resolver.selection;
        let width = selection.key.len() + selection.columns.len();
        let filter = plan.filter.as_ref().map(|condition| {
            selection.conditions.push(condition.clone());
            width
        });
        let first_rule = width + usize::from(filter.is_some());
        selection.conditions.extend(plan.rows.iter().map(|rule| rule.condition.clone()));
        for field in &mut fields {
            field.by_row.iter_mut().for_each(|(rule, _)| *rule += first_rule);
        }
        Self { fields, selection, filter, window: None, before: Vec::new() }
    }

    /// Leaves out rows whose time is outside `[from, to)`; `false` when the column is not written.
    pub fn limit(&mut self, column: &str, from: i64, to: i64) -> bool {
        let field = self.fields.iter().position(|field| field.column == column);
        self.window = field.map(|field| (field, from, to));
        field.is_some()
    }

    /// Whether rows must be read by one lane in key order, because a column learns from the rows before.
    pub fn is_stateful(&self) -> bool {
        self.fields.iter().any(|field| field.fold.is_some())
    }

    /// Converts one row, handing each value to `out` in the order of [`Mapping::fields`].
    ///
    /// On a refusal nothing of the row counts: the caller takes back what `out` was given, and the
    /// state is as it was before the row, but for the doubt that a fold leaves.
    pub fn apply(
        &mut self,
        row: Row<'_>,
        out: &mut impl FnMut(&PgType, Datum<'_>),
    ) -> Result<Outcome, Refusal> {
        if self.filter.is_some_and(|filter| row.get(filter) != ValueRef::Integer(1)) {
            return Ok(Outcome::Filtered);
        }
        self.before.clear();
        self.before.extend(self.fields.iter().filter_map(|field| field.fold.clone()));
        for (index, field) in self.fields.iter_mut().enumerate() {
            let holds = |rule: &usize| row.get(*rule) == ValueRef::Integer(1);
            let meaning = match field.by_row.iter_mut().find(|(rule, _)| holds(rule)) {
                Some((_, meaning)) => meaning,
                None => &mut field.base,
            };
            let reason = match meaning.read(row, &field.ty, field.fold.as_mut()) {
                Ok(Datum::Null) if field.not_null => Reason::NotNull,
                Ok(datum) => {
                    if let Some((_, from, to)) = self.window.filter(|(timed, ..)| *timed == index)
                        && instant_of(&datum).is_some_and(|us| us < from || us >= to)
                    {
                        return Ok(Outcome::Filtered);
                    }
                    out(&field.ty, datum);
                    continue;
                }
                Err(reason) => reason,
            };
            let in_doubt = (reason == Reason::Time(TimeError::Fold)).then_some(index);
            let stateful = self.fields.iter_mut().enumerate();
            let stateful = stateful.filter_map(|(at, field)| Some((at, field.fold.as_mut()?)));
            for ((at, fold), before) in stateful.zip(&self.before) {
                // A fold that cannot be told stays in doubt for the rows to come.
                if Some(at) != in_doubt {
                    fold.clone_from(before);
                }
            }
            return Err(Refusal { field: index, reason });
        }
        Ok(Outcome::Used)
    }

    /// The state to keep with the cursor: target column and bytes.
    pub fn state(&self) -> Vec<(String, Vec<u8>)> {
        let stateful = self.fields.iter().filter_map(|field| {
            field.fold.as_ref().map(|fold| (field.column.clone(), fold.to_bytes()))
        });
        stateful.collect()
    }

    /// Goes on from a kept state; columns without one start anew. `false` when bytes are not ours.
    pub fn restore(&mut self, state: &[(String, Vec<u8>)]) -> bool {
        let mut readable = true;
        for field in self.fields.iter_mut().filter(|field| field.fold.is_some()) {
            let kept = state.iter().find(|(column, _)| *column == field.column);
            let fold = match kept {
                None => Some(FoldState::default()),
                Some((_, bytes)) => FoldState::from_bytes(bytes),
            };
            readable &= fold.is_some();
            field.fold = Some(fold.unwrap_or_default());
        }
        readable
    }

    /// What this mapping means, one line a column: equal text, equal output.
    pub fn canonical(&self) -> Vec<String> {
        let conditions = &self.selection.conditions;
        let mut lines: Vec<String> = Vec::new();
        if let Some(condition) = self.filter.and_then(|_| conditions.first()) {
            lines.push(format!("where {condition}"));
        }
        if let Some((_, from, to)) = self.window {
            let name = super::clock::format_utc;
            lines.push(format!("--from {} --to {}", name(from), name(to)));
        }
        let first = self.selection.key.len() + self.selection.columns.len();
        for field in &self.fields {
            let from = field.from.as_deref().unwrap_or("(constant)");
            let ty = field.ty.sql();
            lines.push(format!("{} {ty} <- {from} {}", field.column, field.base.canonical()));
            for (index, meaning) in &field.by_row {
                let condition = index.checked_sub(first).and_then(|at| conditions.get(at));
                let condition = condition.map_or("?", String::as_str);
                lines.push(format!("{} where {condition} {}", field.column, meaning.canonical()));
            }
        }
        lines
    }
}

impl Meaning {
    fn read<'a>(
        &'a mut self,
        row: Row<'a>,
        ty: &PgType,
        fold: Option<&mut FoldState>,
    ) -> Result<Datum<'a>, Reason> {
        let mut value = match &self.input {
            Input::Cell(cell) => row.get(*cell),
            Input::Constant(value) => value.borrow(),
        };
        if !self.map.is_empty() && value != ValueRef::Null {
            value = mapped(&self.map, self.map_else.as_ref(), value)?;
        }
        if let (true, Some(default)) = (is_absent(value, ty), &self.default) {
            value = default.borrow();
        }
        if let Some(conversion) = self.unit {
            value = converted(conversion, value)?;
        }
        let Some((policy, clock)) = &mut self.clock else { return cast::cast(value, ty) };
        if *ty == PgType::Date {
            let days = super::clock::date_days(value, policy).map_err(Reason::Time)?;
            return Ok(days.map_or(Datum::Null, Datum::Date));
        }
        let instant = match fold {
            Some(state) if policy.infers_fold() => clock.instant_inferred(value, state),
            _ => clock.instant(value),
        };
        let Some(us) = instant.map_err(Reason::Time)? else { return Ok(Datum::Null) };
        match ty {
            PgType::Timestamptz(digits) | PgType::Timestamp(digits) if *digits < 6 => {
                let step = 10_i64.pow(6 - u32::from(*digits));
                let endless = us == i64::MIN || us == i64::MAX;
                if endless || us % step == 0 {
                    Ok(Datum::Timestamp(us))
                } else {
                    Err(Reason::Precision)
                }
            }
            _ => Ok(Datum::Timestamp(us)),
        }
    }

    fn canonical(&self) -> String {
        let mut words = Vec::new();
        if let Input::Constant(value) = &self.input {
            words.push(format!("value={}", crate::batch::display_value(value.borrow())));
        }
        if let Some((policy, _)) = &self.clock {
            let zone = policy.zone().unwrap_or("none");
            words.push(format!("zone={zone} time={}", policy.canonical()));
            if let Some(digest) = policy.zone().and_then(super::clock::zone_transitions_digest) {
                words.push(format!("transitions={}", digest.get(..16).unwrap_or(&digest)));
            }
        }
        if let Some(conversion) = self.unit {
            words.push(format!("unit={conversion:?}"));
        }
        for (from, to) in &self.map {
            words.push(format!("map {from:?}={}", crate::batch::display_value(to.borrow())));
        }
        if let Some(value) = &self.map_else {
            words.push(format!("map *={}", crate::batch::display_value(value.borrow())));
        }
        if let Some(value) = &self.default {
            words.push(format!("default={}", crate::batch::display_value(value.borrow())));
        }
        words.join(" ")
    }
}

/// NULL; for anything but text also the empty text, which is how exports write "nothing".
fn is_absent(value: ValueRef<'_>, ty: &PgType) -> bool {
    value == ValueRef::Null
        || (value == ValueRef::Text(b"") && !matches!(ty, PgType::Text | PgType::Varchar(_)))
}

fn mapped<'a>(
    map: &'a [(String, OwnedValue)],
    otherwise: Option<&'a OwnedValue>,
    value: ValueRef<'_>,
) -> Result<ValueRef<'a>, Reason> {
    let text = cast::text(value)?;
    let listed = map.iter().find(|(from, _)| *from == text).map(|(_, to)| to);
    listed.or(otherwise).map(OwnedValue::borrow).ok_or(Reason::Unmapped)
}

fn converted(conversion: Conversion, value: ValueRef<'_>) -> Result<ValueRef<'_>, Reason> {
    if value == ValueRef::Null {
        return Ok(value);
    }
    match cast::cast(value, &PgType::Float8)? {
        Datum::Float8(number) => Ok(ValueRef::Real(conversion.apply(number))),
        _ => Err(Reason::WrongClass),
    }
}

/// Microseconds since 2000 of a time, the first one of a date.
fn instant_of(datum: &Datum<'_>) -> Option<i64> {
    match datum {
        Datum::Timestamp(us) => Some(*us),
        Datum::Date(days) => i64::from(*days).checked_mul(86_400_000_000),
        _ => None,
    }
}

fn owned(text: &str) -> OwnedValue {
    OwnedValue::Text(text.as_bytes().to_vec())
}
