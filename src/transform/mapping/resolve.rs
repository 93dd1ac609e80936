//! Finds each target column its source and its meaning; what does not fit is noted, not thrown.

use super::{Field, Input, Meaning, owned};
use crate::config::Problems;
use crate::config::plan::{ColumnRule, TablePlan};
use crate::schema::{PgType, Selection, SourceColumn, TargetColumn, TargetTable};
use crate::transform::clock::{Clock, FoldState, Policy};
use crate::transform::units::Conversion;

/// Walks the target's columns and finds each its source.
pub(super) struct Resolver<'a> {
    plan: &'a TablePlan,
    key: &'a [String],
    source: &'a [SourceColumn],
    problems: &'a mut Problems,
    /// What has to be read.
    pub(super) selection: Selection,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(
        plan: &'a TablePlan,
        key: &'a [String],
        source: &'a [SourceColumn],
        problems: &'a mut Problems,
    ) -> Self {
        let selection = Selection { key: key.to_vec(), ..Selection::default() };
        Self { plan, key, source, problems, selection }
    }

    /// One field for each target column that is written.
    pub(super) fn fields(&mut self, target: &TargetTable) -> Vec<Field> {
        self.check_names(target);
        let columns = target.columns.iter().filter(|column| !column.generated);
        columns.filter_map(|column| self.field(column)).collect()
    }

    /// Names in the file that neither side has.
    fn check_names(&mut self, target: &TargetTable) {
        let by_row = self.plan.rows.iter().flat_map(|rule| &rule.columns);
        for rule in self.plan.columns.iter().chain(by_row) {
            if target.column(&rule.target).is_none() {
                let names = target.columns.iter().map(|column| column.name.as_str());
                let near = crate::config::nearest(&rule.target, names);
                let hint = near.map(|near| format!("did you mean `{near}`?")).unwrap_or_default();
                let message = format!("{} has no column `{}`", target.name, rule.target);
                self.problems.error(rule.place, &rule.key, message, hint);
            }
            if let Some(from) = &rule.from
                && !self.source.iter().any(|column| column.name == *from)
            {
                let names = self.source.iter().map(|column| column.name.as_str());
                let near = crate::config::nearest(from, names);
                let hint = near.map(|near| format!("did you mean `{near}`?")).unwrap_or_default();
                let message =
                    format!("the source {} has no column `{from}`", self.plan.from.label());
                self.problems.error(rule.place, &rule.key, message, hint);
            }
        }
    }

    fn rule(&self, column: &str) -> Option<&ColumnRule> {
        self.plan.columns.iter().find(|rule| rule.target == column)
    }

    fn field(&mut self, column: &TargetColumn) -> Option<Field> {
        let rule = self.rule(&column.name).cloned().unwrap_or_else(|| ColumnRule {
            target: column.name.clone(),
            place: self.plan.place,
            key: format!("{}.columns.{}", self.plan.key, column.name),
            ..ColumnRule::default()
        });
        let from = rule.from.clone().unwrap_or_else(|| column.name.clone());
        let in_source = self.source.iter().any(|source| source.name == from);
        if rule.skip || (rule.value.is_none() && !in_source) {
            self.check_left_out(column, &rule, in_source);
            return None;
        }
        if let PgType::Other(name) = &column.ty {
            let message =
                format!("column {} has the type {name}, which is not written", column.name);
            let hint = "leave it out with { skip = true }, or change its type in the target";
            self.problems.error(rule.place, &rule.key, message, hint);
            return None;
        }
        let base = self.meaning(column, &rule, &from)?;
        let mut by_row = Vec::new();
        for (index, row_rule) in self.plan.rows.iter().enumerate() {
            for changed in row_rule.columns.iter().filter(|changed| changed.target == column.name) {
                let merged = merge(&rule, changed);
                by_row.push((index, self.meaning(column, &merged, &from)?));
            }
        }
        let infers = |meaning: &Meaning| {
            meaning.clock.as_ref().is_some_and(|(policy, _)| policy.infers_fold())
        };
        let stateful = infers(&base) || by_row.iter().any(|(_, meaning)| infers(meaning));
        if stateful && self.key.first() == Some(&from) {
            let message = format!(
                "fold=infer cannot tell the hour that comes twice: rows are read in the order of `{from}`"
            );
            let hint = "it needs the order in which rows were written: a key such as [\"id\"]; or bring the \
                        time to UTC in a query; or fold=reject, and the hour is set aside";
            self.problems.error(rule.place, &rule.key, message, hint);
        }
        Some(Field {
            column: column.name.clone(),
            ty: column.ty.clone(),
            not_null: column.not_null,
            from: rule.value.is_none().then_some(from),
            base,
            by_row,
            fold: stateful.then(FoldState::default),
        })
    }

    fn check_left_out(&mut self, column: &TargetColumn, rule: &ColumnRule, in_source: bool) {
        if column.not_null && !column.has_default {
            let message = format!("column {} refuses NULL, and nothing fills it", column.name);
            let hint = if in_source {
                "do not skip it".to_owned()
            } else {
                format!("{} = {{ from = \"…\" }} or {{ value = … }}", column.name)
            };
            self.problems.error(rule.place, &rule.key, message, hint);
        }
    }

    fn cell(&mut self, from: &str) -> usize {
        if let Some(index) = self.key.iter().position(|name| name == from) {
            return index;
        }
        let known = self.selection.columns.iter().position(|name| name == from);
        let index = known.unwrap_or_else(|| {
            self.selection.columns.push(from.to_owned());
            self.selection.columns.len() - 1
        });
        self.key.len() + index
    }

    fn meaning(&mut self, column: &TargetColumn, rule: &ColumnRule, from: &str) -> Option<Meaning> {
        let input = match &rule.value {
            Some(value) => Input::Constant(owned(value)),
            None => Input::Cell(self.cell(from)),
        };
        let others = rule.map.iter().find(|(from, _)| from == "*");
        let unit = match &rule.unit {
            Some((from, to)) => Some(Conversion::between(from, to).ok()?),
            None => None,
        };
        let clock = self.clock(column, rule);
        let is_time =
            matches!(column.ty, PgType::Timestamptz(_) | PgType::Timestamp(_) | PgType::Date);
        if !is_time && (rule.zone.is_some() || rule.time.is_some()) {
            let message = format!("{} is {}, which has no zone", column.name, column.ty.sql());
            let hint = "zone and time belong to timestamptz, timestamp and date columns";
            self.problems.error(rule.place, &rule.key, message, hint);
        }
        Some(Meaning {
            input,
            map: rule
                .map
                .iter()
                .filter(|(from, _)| from != "*")
                .map(|(from, to)| (from.clone(), owned(to)))
                .collect(),
            map_else: others.map(|(_, to)| owned(to)),
            unit,
            clock: clock.map(|policy| {
                let clock = Clock::new(&policy);
                (policy, clock)
            }),
            default: rule.default.as_deref().map(owned),
        })
    }

    fn clock(&mut self, column: &TargetColumn, rule: &ColumnRule) -> Option<Policy> {
        let policy = rule.time.as_deref().unwrap_or("default");
        let parsed = match column.ty {
            PgType::Timestamptz(_) | PgType::Date => Policy::parse(rule.zone.as_deref(), policy),
            // A wall clock is kept as it is written; a zone or an offset in it would be lost.
            PgType::Timestamp(_) if rule.zone.is_some() => {
                let message = format!("{} is a timestamp without time zone", column.name);
                let hint = "make it timestamptz, or leave the zone out to keep the wall clock";
                self.problems.error(rule.place, &rule.key, message, hint);
                return None;
            }
            PgType::Timestamp(_) => {
                let policy = if policy == "default" { "z=reject;offset=match" } else { policy };
                Policy::parse(Some("UTC"), policy)
            }
            _ => return None,
        };
        match parsed {
            Ok(policy) => Some(policy),
            Err(error) => {
                self.problems.error(rule.place, &rule.key, error.to_string(), "");
                None
            }
        }
    }
}

/// What a column means in the rows that a rule names: what the rule says, else what the column says.
fn merge(base: &ColumnRule, changed: &ColumnRule) -> ColumnRule {
    let mut merged = base.clone();
    merged.place = changed.place;
    merged.key.clone_from(&changed.key);
    if changed.zone.is_some() || changed.time.is_some() {
        merged.zone.clone_from(&changed.zone);
        merged.time.clone_from(&changed.time);
        // `naive=fixed:…` and the like need no zone; the column's own zone still serves the rest.
        if merged.zone.is_none() {
            merged.zone.clone_from(&base.zone);
        }
    }
    if changed.value.is_some() {
        merged.value.clone_from(&changed.value);
    }
    if changed.unit.is_some() {
        merged.unit.clone_from(&changed.unit);
    }
    if !changed.map.is_empty() {
        merged.map.clone_from(&changed.map);
    }
    if changed.default.is_some() {
        merged.default.clone_from(&changed.default);
    }
    merged
}
