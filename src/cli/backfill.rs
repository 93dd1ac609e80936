//! `millstream backfill`

use std::path::PathBuf;
use std::sync::Arc;

use millstream::config::plan::Plan;
use millstream::observe::progress::Progress;
use millstream::pipeline::backfill::{self, Options, Outcome};
use millstream::pipeline::shutdown::Shutdown;
use millstream::pipeline::{dry_run, summary};
use millstream::sink::session::Server;

use super::{Common, Ended, Usage};

/// Load a source, or what was added to it since the last time.
///
/// Rows go in by binary COPY together with the position they were read to: the same command goes on
/// after any crash, and after a finished run it loads what was appended.
///
/// Example: `millstream backfill pipelines/telemetry.toml --report out.html`
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The pipeline file.
    pipeline: PathBuf,
    /// Read, map and count everything, write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Leave out rows before this instant (of the table's time column).
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    from: Option<i64>,
    /// Leave out rows at or after this instant.
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    to: Option<i64>,
    /// Forget this pipeline's ledger and start over; its target tables must be empty.
    #[arg(long)]
    fresh: bool,
    /// Go on although the file now means something else than for the rows already loaded.
    #[arg(long)]
    accept_plan_change: bool,
    /// Compare what was loaded before with a PostgreSQL source, and read on only if nothing changed below
    /// (of a SQLite source every new copy is compared anyway).
    #[arg(long)]
    catch_up: bool,
    /// Also write the summary as one HTML page.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// `2024-08-01` or `2024-08-01T10:00:00Z`; a date alone means its first instant in UTC.
fn instant(text: &str) -> Result<i64, String> {
    use millstream::batch::ValueRef;
    use millstream::transform::clock::{Clock, Policy};
    // A date has no time to be wrong about; a time of day without its zone is not guessed.
    let is_date = text.len() == "2024-08-01".len();
    let policy = if is_date { "date=midnight" } else { "naive=reject" };
    let policy = Policy::parse(Some("UTC"), policy).map_err(|error| error.to_string())?;
    match Clock::new(&policy).instant(ValueRef::Text(text.as_bytes())) {
        Ok(Some(us)) => Ok(us),
        _ => Err("an instant reads 2024-08-01 or 2024-08-01T10:00:00Z".to_owned()),
    }
}

pub(crate) async fn run(arguments: &Arguments, common: Common) -> anyhow::Result<Ended> {
    let plan = super::load(&arguments.pipeline)?;
    let server = super::server(&plan)?;
    let window = match (arguments.from, arguments.to) {
        (None, None) => None,
        (from, to) => Some((from.unwrap_or(i64::MIN), to.unwrap_or(i64::MAX))),
    };
    if window.is_some_and(|(from, to)| from >= to) {
        return Err(Usage("--from is not before --to".to_owned()).into());
    }
    let progress = Arc::new(Progress::new(common.progress, 0));
    if arguments.dry_run {
        let report = dry_run::run(&plan, &server, window, &progress).await?;
        progress.finish();
        super::print(&report, common)?;
        return Ok(Ended::DONE);
    }
    let shutdown = Shutdown::default();
    shutdown.listen();
    backfill::preflight(&plan, &server, window).await?;
    super::ensure_ledger(&server).await?;
    let options = Options {
        window,
        fresh: arguments.fresh,
        accept_plan_change: arguments.accept_plan_change,
        catch_up: arguments.catch_up,
    };
    let outcome = backfill::run(&plan, &server, &options, (&progress, &shutdown)).await;
    progress.finish();
    let outcome = outcome?;
    finish(&plan, &server, &outcome, (&progress, arguments, common)).await
}

async fn finish(
    plan: &Plan,
    server: &Server,
    outcome: &Outcome,
    (progress, arguments, common): (&Progress, &Arguments, Common),
) -> anyhow::Result<Ended> {
    let session = backfill::connect_patiently(server).await?;
    let rejected = backfill::rejected(&session.client, outcome).await?;
    let report = summary::of_run(plan, outcome, &rejected, &progress.summary());
    super::print(&report, common)?;
    super::write_page(&report, arguments.report.as_ref())?;
    Ok(Ended::with(match report.outcome.as_str() {
        "unbalanced" => 4,
        "stopped" => 5,
        "rejected" => 3,
        "unpaid" => 6,
        _ => 0,
    }))
}
