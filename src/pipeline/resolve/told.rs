//! What a Parquet file tells of its own columns, so that the pipeline file need not.

use crate::config::Problems;
use crate::config::plan::{ColumnRule, TablePlan};
use crate::schema::{PgType, TargetTable};
use crate::source::Origin;
use crate::source::sqlite::SourceTable;

/// The plan with the meaning of columns whose type says it: instants and wall clocks that go where they came
/// from. What the file says of a column stands; a wall clock that becomes an instant still needs its zone.
pub(super) fn plan(plan: &TablePlan, source: &SourceTable, target: &TargetTable) -> TablePlan {
    let mut told = plan.clone();
    if source.origin != Origin::Parquet {
        return told;
    }
    for column in &target.columns {
        let own = told.columns.iter().position(|rule| rule.target == column.name);
        let mut rule = own.and_then(|at| told.columns.get(at)).cloned().unwrap_or_else(|| {
            let (target, key) =
                (column.name.clone(), format!("{}.columns.{}", plan.key, column.name));
            ColumnRule { target, key, place: plan.place, ..ColumnRule::default() }
        });
        let from = rule.from.as_ref().unwrap_or(&column.name);
        let declared = source.columns.iter().find(|known| known.name == *from);
        let declared = declared.map_or("", |known| known.declared.split('(').next().unwrap_or(""));
        let time = match (declared, &column.ty) {
            ("timestamptz", PgType::Timestamptz(_)) | ("date", PgType::Date) => {
                "unit=us;range=pg_inf"
            }
            ("timestamp", PgType::Timestamp(_)) => "unit=us;range=pg_inf;z=reject;offset=match",
            _ => continue,
        };
        if rule.time.is_some() || rule.value.is_some() || rule.skip {
            continue;
        }
        rule.time = Some(time.to_owned());
        match own.and_then(|at| told.columns.get_mut(at)) {
            Some(place) => *place = rule,
            None => told.columns.push(rule),
        }
    }
    told
}

/// Notes what cannot be had from Parquet files: conditions in SQL, and columns of some types.
pub(super) fn check(
    plan: &TablePlan,
    source: &SourceTable,
    left_out: &[String],
    problems: &mut Problems,
) {
    if source.origin == Origin::Parquet && (plan.filter.is_some() || !plan.rows.is_empty()) {
        let message =
            "`where` and [[table.rows]] are SQL, which Parquet files do not speak".to_owned();
        let hint = "load the table whole, or go by way of a database";
        problems.error(plan.place, &plan.key, message, hint);
    }
    for column in left_out {
        let message = format!("not read of {}: {column}", source.label);
        problems.warn(plan.place, &plan.key, message, "have its writer store it as a plain column");
    }
}
