//! `millstream dead-letter`

use std::path::PathBuf;

use millstream::pipeline::dead_letters;
use millstream::sink::SinkError;

use super::{Common, Ended};

/// List, show, export and replay rows that were set aside.
///
/// Example: `millstream dead-letter replay my.toml --set value_int=42`
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// A line for each row: where it came from and why it was set aside.
    List {
        /// The pipeline file.
        pipeline: PathBuf,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: i64,
    },
    /// One row with all its original values.
    Show {
        /// The pipeline file.
        pipeline: PathBuf,
        /// Its number in the list.
        id: i64,
    },
    /// All open rows as JSON lines, to be edited and given to `replay --from`.
    Export {
        /// The pipeline file.
        pipeline: PathBuf,
    },
    /// Send open rows through the pipeline again, after the file, the target or the values were mended.
    Replay {
        /// The pipeline file.
        pipeline: PathBuf,
        /// Give a source column this value in every row; repeatable.
        #[arg(long, value_name = "COLUMN=VALUE")]
        set: Vec<String>,
        /// Take the values from an edited export.
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
        /// Only this one; repeatable.
        #[arg(long)]
        id: Vec<i64>,
    },
}

pub(crate) async fn run(arguments: &Arguments, common: Common) -> anyhow::Result<Ended> {
    let (Action::List { pipeline, .. }
    | Action::Show { pipeline, .. }
    | Action::Export { pipeline }
    | Action::Replay { pipeline, .. }) = &arguments.action;
    let plan = super::load(pipeline)?;
    let server = super::server(&plan)?;
    super::need_ledger(&server).await?;
    if let Action::Replay { .. } = &arguments.action {
        // A ledger of an older release gets what this one writes.
        super::ensure_ledger(&server).await?;
    }
    let mut session = server.connect("millstream").await.map_err(SinkError::from)?;
    let client = &mut session.client;
    match &arguments.action {
        Action::List { limit, .. } => {
            super::print(&dead_letters::list(client, &plan.name, *limit).await?, common)?;
        }
        Action::Show { id, .. } => {
            super::print(&dead_letters::show(client, &plan.name, *id).await?, common)?;
        }
        Action::Export { .. } => {
            use std::io::Write as _;
            let lines = dead_letters::export(client, &plan.name).await?;
            std::io::stdout().write_all(lines.as_bytes())?;
        }
        Action::Replay { set, from, id, .. } => {
            let edits = dead_letters::Edits::read(set, from.as_deref(), id)?;
            let replayed = dead_letters::replay(&plan, &server, client, &edits).await?;
            super::print(&replayed, common)?;
            return Ok(Ended::with(if replayed.outcome == "done" { 0 } else { 3 }));
        }
    }
    Ok(Ended::DONE)
}
