//! `--dry-run`: reads and maps everything, writes nothing, and tells what would be set aside.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use serde_json::json;

use super::failure::RunError;
use super::job::Window;
use super::resolve;
use super::worker::{Condemned, Worker};
use crate::batch::{Batch, Counts, Position};
use crate::config::plan::Plan;
use crate::observe::progress::Progress;
use crate::observe::report::{Report, Table};
use crate::sink::SinkError;
use crate::sink::ledger::Claim;
use crate::sink::session::Server;
use crate::source::Range;

/// Reads the whole source as it is now.
pub async fn run(
    plan: &Plan,
    server: &Server,
    window: Window,
    progress: &Arc<Progress>,
) -> Result<Report, RunError> {
    let session = server.connect("millstream dry run").await.map_err(SinkError::from)?;
    let at = resolve::source(plan)?;
    let resolved = resolve::resolve(plan, &session.client, &at, window).await?;
    drop(session);
    progress.expect(resolved.jobs.iter().map(|job| job.row_count).sum());
    let mut report = Report::new(format!("dry run {}: nothing was written", plan.name));
    let mut rows =
        Table::new("Source tables", &["source", "read", "used", "filtered", "rejected", "target"]);
    let mut reasons = Table::new("Would be set aside", &["target", "column", "reason", "rows"]);
    let mut before = 0;
    for job in &resolved.jobs {
        progress.stage(&job.target.name.name);
        let (claim, batch_rows) = (Claim::fresh(0), plan.limits.batch_rows);
        let mut worker =
            Worker::new(job.recipe(), job.time(), &claim, Condemned::new(), batch_rows)?;
        let mut counts = Counts::default();
        let mut refused: BTreeMap<(String, String), u64> = BTreeMap::new();
        let mut count = |encoded: crate::sink::Encoded| {
            counts += encoded.counts;
            for letter in encoded.dead_letters {
                *refused.entry((letter.column.unwrap_or_default(), letter.reason)).or_default() +=
                    1;
            }
            progress.at(before + counts.read);
            Ok::<(), std::convert::Infallible>(())
        };
        let mut take = |batch: Batch| match worker.push(&batch, &mut count) {
            Ok(()) => ControlFlow::Continue(()),
        };
        job.open_source()?.read(&Range::default(), &Position::default(), &mut take)?;
        if let Some(last) = worker.finish(true) {
            match count(last) {
                Ok(()) => {}
            }
        }
        before += counts.read;
        let target = job.target.name.to_string();
        rows.push(vec![
            json!(job.source.label),
            json!(counts.read),
            json!(counts.used),
            json!(counts.filtered),
            json!(counts.rejected),
            json!(target),
        ]);
        for ((column, reason), rows) in refused {
            reasons.push(vec![json!(target), json!(column), json!(reason), json!(rows)]);
        }
    }
    report.tables.extend([rows, reasons]);
    Ok(report)
}
