//! `millstream migrate`

use millstream::database::migrate;
use millstream::observe::report::{Report, Table};
use millstream::sink::SinkError;
use serde_json::json;

use super::{Common, Ended};

/// Apply a migration set, or show what is applied. The target is DATABASE_URL.
///
/// Example: `millstream migrate up --set orders`
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: super::Where,
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Apply what is pending.
    Up {
        /// The set: orders, millstream.
        #[arg(long)]
        set: String,
    },
    /// Show each migration and its state.
    Status {
        /// The set; all of them when left out.
        #[arg(long)]
        set: Option<String>,
    },
}

pub(crate) async fn run(arguments: &Arguments, common: Common) -> anyhow::Result<Ended> {
    let server = arguments.place.server()?;
    let mut session = server.connect("millstream migrate").await.map_err(SinkError::from)?;
    match &arguments.action {
        Action::Up { set } => {
            let applied = migrate::up(&mut session.client, set).await?;
            for status in &applied {
                let ms = status.execution_time_ms.unwrap_or_default();
                eprintln!("applied {} ({ms} ms)", status.migration.name());
            }
            if applied.is_empty() {
                eprintln!("{set}: nothing to do, everything is applied");
            }
        }
        Action::Status { set } => {
            let all = migrate::SETS.iter().map(|(name, _)| *name);
            let names: Vec<&str> = match set {
                Some(set) => vec![set.as_str()],
                None => all.collect(),
            };
            let mut table =
                Table::new("Migrations", &["set", "migration", "state", "applied at", "ms"]);
            for name in names {
                for status in migrate::status(&session.client, name).await? {
                    table.push(vec![
                        json!(name),
                        json!(status.migration.name()),
                        json!(status.state),
                        json!(status.applied_at),
                        json!(status.execution_time_ms),
                    ]);
                }
            }
            let mut report = Report::new(server.describe());
            report.tables.push(table);
            super::print(&report, common)?;
        }
    }
    Ok(Ended::DONE)
}
