//! Paying what loads set aside: this run's, and that of runs that died.

use tokio_postgres::Client;

use crate::config::plan::Plan;
use crate::failpoint;
use crate::pipeline::job::Job;
use crate::pipeline::lane::Shared;
use crate::sink::SinkError;
use crate::sink::debt::{self, Debt};

/// Before the load: what dead runs owe on tables that this one leaves alone. The rest waits for the end,
/// as this load would only set it aside again.
pub(super) async fn pay_for_others(
    client: &Client,
    shared: &Shared,
    plan: &Plan,
    jobs: &[Job],
) -> Result<(), SinkError> {
    for owed in debt::due(client, &plan.name).await? {
        if owed.pipeline == plan.name || jobs.iter().any(|job| job.target.name == owed.table) {
            continue;
        }
        if let Err(error) = pay(client, shared, &owed).await {
            shared.note(format!("{owed} is owed by the pipeline `{}`: {error}", owed.pipeline));
        }
    }
    Ok(())
}

/// After the load: names what could not be paid.
pub(super) async fn pay_all(
    client: &Client,
    shared: &Shared,
    plan: &Plan,
    jobs: &[Job],
) -> Result<Vec<String>, SinkError> {
    let mut unpaid = Vec::new();
    for owed in debt::due(client, &plan.name).await? {
        let Err(error) = pay(client, shared, &owed).await else { continue };
        let ours = jobs.iter().any(|job| job.target.name == owed.table);
        match ours || owed.pipeline == plan.name {
            true => unpaid.push(format!("{owed}: {error}")),
            false => shared.note(format!("{owed} is owed by `{}`: {error}", owed.pipeline)),
        }
    }
    Ok(unpaid)
}

async fn pay(client: &Client, shared: &Shared, owed: &Debt) -> Result<(), SinkError> {
    let doing = match owed.kind.as_str() {
        "index" => "building indexes",
        "recompress" => "compressing chunks",
        "refresh" => "refreshing aggregates",
        _ => "putting things back",
    };
    shared.progress.stage(doing);
    failpoint::hit("before_debt");
    debt::pay(client, owed).await
}

/// After a load that ended early: triggers and policies are not left off until somebody comes back, but for retention, which
/// would begin to eat half of a history, and empty the aggregates that are refreshed when the rest is in. By the session that
/// holds the run's lock: a run that was overtaken has lost it, and puts nothing back under the other's feet.
pub(super) async fn resume_early(client: &Client, plan: &Plan) {
    let Ok(due) = debt::due(client, &plan.name).await else { return };
    let ours = due.iter().filter(|owed| {
        let live = match owed.kind.as_str() {
            "policy" => owed.definition != "policy_retention",
            kind => kind == "trigger",
        };
        live && owed.pipeline == plan.name
    });
    for owed in ours {
        if let Err(error) = debt::pay(client, owed).await {
            tracing::warn!(%error, %owed, "it stays off until the next command");
        }
    }
}
