//! Whether rows may go into a target as it is.

use crate::config::Problems;
use crate::config::plan::TablePlan;
use crate::schema::{PgType, TargetTable};

/// Notes what would change rows on their way in, what this role may not do, and a time that is none.
pub(super) fn check(table: &TablePlan, target: &TargetTable, problems: &mut Problems) {
    if !target.interferes.is_empty() {
        let message = format!("{} has {}", target.name, target.interferes.join(", "));
        let hint = "such a thing may change or drop rows behind the ledger's back: disable it for \
                    the load (`alter table … disable trigger …`)";
        problems.error(table.place, &table.key, message, hint);
    }
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
