//! Whether rows may go into a target as it is.

use crate::config::Problems;
use crate::config::plan::TablePlan;
use crate::schema::{PgType, TargetTable};

/// Notes what would change rows on their way in, what this role may not do, and a time that is none.
pub(super) fn check(table: &TablePlan, target: &TargetTable, problems: &mut Problems) {
    interference(table, target, problems);
    if !target.denied.is_empty() {
        let rights = target.denied.join(", ");
        let message = format!("this role may not {} {}", target.denied.join(" or "), target.name);
        let hint = format!(
            "as its owner: grant usage on schema {} to …; grant {rights} on {} to …",
            crate::schema::quote(&target.name.schema),
            target.name.quoted()
        );
        problems.error(table.place, &table.key, message, hint);
    }
    let Some(hypertable) = &table.hypertable else { return };
    match target.column(&hypertable.time) {
        None => {
            let message = format!("{} has no column `{}`", target.name, hypertable.time);
            problems.error(table.place, &format!("{}.hypertable", table.key), message, "");
        }
        Some(column)
            if !matches!(
                column.ty,
                PgType::Timestamptz(_) | PgType::Timestamp(_) | PgType::Date
            ) =>
        {
            let message = format!("{} is {}, which is no time", column.name, column.ty.sql());
            let hint = "say what its values mean: { zone = \"…\" } or { time = \"unit=ms\" }";
            problems.error(table.place, &format!("{}.hypertable", table.key), message, hint);
        }
        Some(_) => {}
    }
}

/// A trigger may be suspended; a rule, row security and what a hypertable does not let go of may not.
fn interference(table: &TablePlan, target: &TargetTable, problems: &mut Problems) {
    let (triggers, others): (Vec<&str>, Vec<&str>) = target
        .interferes
        .iter()
        .map(String::as_str)
        .partition(|thing| thing.starts_with("trigger "));
    if !others.is_empty() {
        let message = format!("{} has {}", target.name, others.join(", "));
        let hint = "such a thing may change or drop rows behind the ledger's back: take it away for \
                    the load, or load as a role that it does not hold for";
        problems.error(table.place, &table.key, message, hint);
    }
    if triggers.is_empty() {
        return;
    }
    let message = format!("{} has {}", target.name, triggers.join(", "));
    let hint = match (target.hypertable.is_some(), table.suspend_triggers, target.owned) {
        (true, _, _) => {
            "it may change or drop rows behind the ledger's back, and triggers of a hypertable are \
             not turned off: drop it for the load, and create it again afterwards"
        }
        (false, true, true) => {
            problems.warn(table.place, &table.key, message, "off for the load, then as it was");
            return;
        }
        (false, true, false) => "only the table's owner may turn triggers off: load as the owner",
        (false, false, _) => {
            "such a thing may change or drop rows behind the ledger's back: triggers = \"suspend\" \
             turns it off for the load and puts it back"
        }
    };
    problems.error(table.place, &table.key, message, hint);
}
