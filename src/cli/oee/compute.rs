//! `millstream oee compute`

use std::sync::Arc;

use millstream::observe::progress::Progress;
use millstream::oee::compute::Request;
use millstream::oee::show;

use super::super::{Common, Ended, Where, print};

/// Compute the OEE of every unit in every shift there is data for, into oee_calculations.
///
/// Shift instances are made from "Shift" where none are recorded. What was computed before is written again
/// only when something it was computed from has changed. Exit code 1 when a shift could not be computed.
///
/// Example: `millstream oee compute --from 2025-07-01 -v`
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Where,
    #[command(flatten)]
    which: super::Which,
    /// Up to when things are known; else when each unit was last heard of, never the present.
    #[arg(long, value_name = "INSTANT")]
    as_of: Option<jiff::Timestamp>,
    /// Connections that compute at the same time.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=32))]
    lanes: u8,
    /// Compute and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Where "Shift" has changed, remove any number of results of the calendar that was and compute them by
    /// the one that is. Else more than 100 need --from.
    #[arg(long)]
    remake: bool,
}

pub(crate) async fn run(arguments: &Arguments, common: Common) -> anyhow::Result<Ended> {
    let scope = arguments.which.scope()?;
    let server = arguments.place.server()?;
    let request = Request {
        scope,
        as_of: super::as_of(arguments.as_of),
        lanes: usize::from(arguments.lanes),
        dry_run: arguments.dry_run,
        remake: arguments.remake,
        each_shift: common.verbose > 0,
    };
    let progress = Arc::new(Progress::of("shifts", common.progress, 0));
    let report = show::compute(&server, &request, &progress).await.map_err(super::told)?;
    print(&report, common)?;
    Ok(if report.outcome == "failed" { Ended::with(1) } else { Ended::DONE })
}
