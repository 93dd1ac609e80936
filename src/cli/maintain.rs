//! `millstream maintain`

use std::path::PathBuf;

use millstream::database::maintain::{self, Options};
use millstream::database::{edition, policy};
use millstream::observe::report::Report;
use millstream::sink::SinkError;

use super::{Common, Ended, Usage};

/// Pay what loads owe, drop what is old, refresh rollups, gather statistics.
///
/// On the Community edition the server's own jobs drop and refresh; here it shows how they went. Meant
/// to be run every night; a second run finds nothing to do.
///
/// Example: `millstream maintain --dry-run`
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: super::Where,
    /// Sets to look after; all that are applied when left out.
    #[arg(long)]
    set: Vec<String>,
    /// A policy file instead of the shipped ones.
    #[arg(long, conflicts_with = "set")]
    file: Option<PathBuf>,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Let retention drop a history that was older than it when it was loaded.
    #[arg(long)]
    accept_loss: bool,
    /// Run jobs again that failed the last time.
    #[arg(long)]
    run_jobs: bool,
    /// Write rows that are past their time into Parquet files in DIR, and drop them once these were read
    /// back. A retention job of the server drops without: give it a longer time.
    #[arg(long, value_name = "DIR")]
    archive: Option<PathBuf>,
}

pub(crate) async fn run(arguments: &Arguments, common: Common) -> anyhow::Result<Ended> {
    if let Some(folder) =
        arguments.archive.as_deref().filter(|path| path.exists() && !path.is_dir())
    {
        return Err(
            Usage(format!("{} is no folder: name one for --archive", folder.display())).into()
        );
    }
    let server = arguments.place.server()?;
    let mut session = server.connect("millstream maintain").await.map_err(SinkError::from)?;
    let file = arguments.file.as_deref();
    let names = maintain::sets(&session.client, &arguments.set, file).await?;
    let mut policies = Vec::new();
    for name in &names {
        policies.push(policy::load(name.as_deref(), file, &super::environment)?);
    }
    let options = Options {
        dry_run: arguments.dry_run,
        accept_loss: arguments.accept_loss,
        run_jobs: arguments.run_jobs,
        archive: arguments.archive.as_deref(),
    };
    let mut report = Report::new(server.describe());
    report.fact("server", edition::detect(&session.client).await?.to_string());
    let done = maintain::run(&mut session.client, &policies, options).await?;
    done.tell(&mut report, policies.len());
    super::print(&report, common)?;
    Ok(Ended::with(match report.outcome.as_str() {
        "failed" => 1,
        "unpaid" => 6,
        _ => 0,
    }))
}
