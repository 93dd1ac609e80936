//! What a Parquet file or a server tells of its own columns, so that the pipeline file need not.

use crate::config::Problems;
use crate::config::plan::{ColumnRule, TablePlan};
use crate::schema::{PgType, TargetTable};
use crate::source::tables::SourceTable;
use crate::source::{Origin, postgres};

/// The plan with the meaning of columns whose type says it: instants and wall clocks that go where they came
/// from. What the file says of a column stands; a wall clock that becomes an instant still needs its zone.
pub(super) fn plan(plan: &TablePlan, source: &SourceTable, target: &TargetTable) -> TablePlan {
    let mut told = plan.clone();
    if source.origin == Origin::Sqlite {
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

/// Notes wall clocks that are to become instants though nobody said whose clock it was.
pub(super) fn frames(
    plan: &TablePlan,
    source: &SourceTable,
    target: &TargetTable,
    problems: &mut Problems,
) {
    if source.origin != Origin::Postgres {
        return;
    }
    for column in &target.columns {
        let rule = plan.columns.iter().find(|rule| rule.target == column.name);
        let from = rule.and_then(|rule| rule.from.as_ref()).unwrap_or(&column.name);
        let declared = source.columns.iter().find(|known| known.name == *from);
        let naive =
            declared.is_some_and(|known| known.declared.split('(').next() == Some("timestamp"));
        let told = rule.is_some_and(|rule| {
            let policy = rule.time.as_deref().unwrap_or_default();
            rule.zone.is_some() || rule.value.is_some() || rule.skip || policy.contains("naive=")
        });
        if naive && !told && matches!(column.ty, PgType::Timestamptz(_)) {
            let key = format!("{}.columns.{}", plan.key, column.name);
            let message = format!(
                "{}.{from} is a timestamp without time zone, and {} is an instant",
                source.label, column.name
            );
            let hint =
                "say whose clock wrote it: zone = \"Europe/Berlin\", or time = \"naive=utc\"";
            problems.error(rule.map_or(plan.place, |rule| rule.place), &key, message, hint);
        }
    }
}

/// Notes what cannot be had from Parquet files: conditions in SQL, and columns of some types; and what a
/// server has to put into words itself.
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
    if source.origin == Origin::Postgres {
        for (column, ty) in postgres::read_as_text(source) {
            let message = format!("{}.{column} is {ty}, a type that is read as text", source.label);
            let hint =
                "it comes as the server writes it; into a column of that type it does not go";
            problems.warn(plan.place, &format!("{}.columns.{column}", plan.key), message, hint);
        }
    }
    for column in left_out {
        let message = format!("not read of {}: {column}", source.label);
        problems.warn(plan.place, &plan.key, message, "have its writer store it as a plain column");
    }
}
