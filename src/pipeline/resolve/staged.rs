//! Tables whose rows are made of records: whether the target takes what the stage makes.

use tokio_postgres::Client;

use crate::config::Problems;
use crate::config::plan::{Plan, TablePlan};
use crate::config::stage::StagePlan;
use crate::schema::{PgType, TableName, TargetTable};
use crate::sink::{SinkError, catalog, current, shifts};
use crate::transform::stage::Stage;

/// Notes what the target lacks for the rows of a stage.
pub(super) fn check(plan: &TablePlan, target: &TargetTable, problems: &mut Problems) {
    let Some(stage) = &plan.stage else { return };
    let output = Stage::output(stage);
    let hint = "apply its migration set: `millstream migrate up --set iso22400`";
    for (name, ty) in &output {
        match target.column(name) {
            None => {
                let message = format!(
                    "{} has no column `{name}`, which {} writes",
                    target.name,
                    stage.name()
                );
                problems.error(plan.place, &plan.key, message, hint);
            }
            Some(column) if !takes(&column.ty, ty) => {
                let message = format!(
                    "{}.{name} is {}, and {} writes {}",
                    target.name,
                    column.ty.sql(),
                    stage.name(),
                    ty.sql()
                );
                problems.error(plan.place, &plan.key, message, hint);
            }
            Some(_) => {}
        }
    }
    let unfilled = target.columns.iter().filter(|column| {
        let written = output.iter().any(|(name, _)| *name == column.name);
        column.not_null && !column.has_default && !column.generated && !written
    });
    for column in unfilled {
        let message = format!("{}.{} refuses NULL, and nothing fills it", target.name, column.name);
        problems.error(plan.place, &plan.key, message, hint);
    }
}

/// Whether a column takes a value of a type without a look at it.
fn takes(column: &PgType, value: &PgType) -> bool {
    match (column, value) {
        (PgType::Text, PgType::Varchar(_)) => true,
        (PgType::Varchar(most), PgType::Varchar(length)) => most >= length,
        _ => column == value,
    }
}

/// The table that shows what units do now, where the rows are their states and it is there.
pub(super) async fn units(
    client: &Client,
    plan: &TablePlan,
) -> Result<Option<TableName>, SinkError> {
    let Some(StagePlan::States(_)) = plan.stage else { return Ok(None) };
    let name = current::table_of(&plan.to);
    let table = catalog::table(client, &name).await?;
    Ok(table.filter(current::shows).map(|_| name))
}

/// Shifts need their table.
pub(super) async fn check_shifts(
    client: &Client,
    plan: &Plan,
    problems: &mut Problems,
) -> Result<(), SinkError> {
    let Some(first) = plan.shifts.first() else { return Ok(()) };
    if !shifts::can_take(client).await? {
        let message = format!("the target has no table {} that takes [[shift]]", shifts::table());
        let hint = "apply its migration set: `millstream migrate up --set iso22400`";
        problems.error(first.place, "shift", message, hint);
    }
    Ok(())
}
