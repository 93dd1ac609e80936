//! What follows a load that is whole: the shift calendar, and what was decided on the way.

use tokio_postgres::Client;

use super::Outcome;
use crate::config::plan::Plan;
use crate::pipeline::job::Job;
use crate::sink::{SinkError, ledger, shifts};

/// Puts shifts in place, and tells what stages decided; for tables that are done.
pub(super) async fn run(
    client: &Client,
    plan: &Plan,
    outcome: &mut Outcome,
) -> Result<(), SinkError> {
    for table in outcome.tables.iter().filter(|table| table.done) {
        let target = table.job.target.name.to_string();
        let told = decided(client, &table.job).await?;
        outcome.told.extend(told.into_iter().map(|line| format!("{target}: {line}")));
    }
    if outcome.tables.iter().all(|table| table.done) && !plan.shifts.is_empty() {
        let put = shifts::put(client, &plan.shifts).await?;
        if put.changed > 0 {
            outcome.told.push(format!("{} shifts put in place", put.changed));
        }
        for shift in put.foreign {
            outcome
                .told
                .push(format!("shift {shift} was there before this file, and is left as it is"));
        }
        let homeless = put.homeless.into_iter();
        outcome
            .unpaid
            .extend(homeless.map(|shift| format!("shift {shift}: there is no such site")));
    }
    Ok(())
}

/// What the stage of a table decided, over all runs, from the state in the ledger.
async fn decided(client: &Client, job: &Job) -> Result<Vec<String>, SinkError> {
    let Some(mut stage) = job.recipe().stage else { return Ok(Vec::new()) };
    for partition in ledger::partitions(client, job.stream_id).await? {
        stage.restore(&ledger::state(client, job.stream_id, partition.part).await?);
    }
    Ok(stage.told())
}
