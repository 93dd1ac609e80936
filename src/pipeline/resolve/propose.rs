//! The table that `create = true` makes: columns from the source, types from the values found.

use super::ResolveError;
use crate::config::Problems;
use crate::config::plan::{ColumnRule, TablePlan};
use crate::schema::{PgType, Selection, TargetColumn, TargetTable};
use crate::source::profile::{self, Classes};
use crate::source::tables::SourceTable;
use crate::source::{At, Origin};

/// Proposes a target for a table.
pub(super) fn target(
    plan: &TablePlan,
    source: &SourceTable,
    at: &At,
    problems: &mut Problems,
) -> Result<TargetTable, ResolveError> {
    let selection = Selection {
        key: source.key.clone(),
        columns: source.columns.iter().map(|column| column.name.clone()).collect(),
        conditions: Vec::new(),
    };
    let sample = profile::sample(at, source, &selection)?;
    let mut columns: Vec<TargetColumn> = Vec::new();
    for (index, column) in source.columns.iter().enumerate() {
        let rows = sample.iter().flat_map(crate::batch::Batch::rows);
        let classes = Classes::of(rows, source.key.len() + index);
        let proposed = match source.origin {
            Origin::Sqlite => classes.propose(&column.declared),
            // Columns that have a type name it; lengths and digits are for a table that is made by hand.
            Origin::Parquet | Origin::Postgres => {
                let bare = column.declared.split('(').next().unwrap_or_default();
                PgType::parse(bare).unwrap_or(PgType::Text)
            }
        };
        let renamed: Vec<&ColumnRule> = plan
            .columns
            .iter()
            .filter(|rule| rule.from.as_deref() == Some(column.name.as_str()))
            .collect();
        for rule in &renamed {
            columns.push(of_rule(rule, proposed.clone()));
        }
        let own = plan.columns.iter().find(|rule| rule.target == column.name);
        match own {
            Some(rule) if rule.skip || rule.from.is_some() || rule.value.is_some() => {}
            Some(rule) => columns.push(of_rule(rule, proposed)),
            None if renamed.is_empty() => {
                columns.push(TargetColumn::planned(&column.name, proposed, false))
            }
            None => {}
        }
    }
    for rule in plan.columns.iter().filter(|rule| rule.value.is_some()) {
        columns.push(of_rule(rule, PgType::Text));
    }
    check_duplicates(plan, &columns, problems);
    let names: Vec<&String> = columns.iter().map(|column| &column.name).collect();
    let mut primary_key = Vec::new();
    if plan.hypertable.is_none() && source.key.iter().all(|name| names.contains(&name)) {
        primary_key.clone_from(&source.key);
    }
    let time = plan.hypertable.as_ref().map(|hypertable| hypertable.time.as_str());
    for column in &mut columns {
        column.not_null = Some(column.name.as_str()) == time || primary_key.contains(&column.name);
    }
    Ok(TargetTable { primary_key, ..TargetTable::planned(plan.to.clone(), columns) })
}

fn check_duplicates(plan: &TablePlan, columns: &[TargetColumn], problems: &mut Problems) {
    for (index, column) in columns.iter().enumerate() {
        if columns.iter().skip(index + 1).any(|other| other.name == column.name) {
            let message = format!("two source columns go into `{}`", column.name);
            problems.error(plan.place, &plan.key, message, "rename one, or { skip = true } it");
        }
    }
}

/// What the file says of a column decides its type; else its values do.
fn of_rule(rule: &ColumnRule, proposed: PgType) -> TargetColumn {
    let ty = match &rule.ty {
        Some(ty) => ty.clone(),
        None if rule.zone.is_some() || rule.time.is_some() => PgType::Timestamptz(6),
        None if rule.unit.is_some() => PgType::Float8,
        None if !rule.map.is_empty() || rule.value.is_some() => PgType::Text,
        None => proposed,
    };
    TargetColumn::planned(&rule.target, ty, false)
}
