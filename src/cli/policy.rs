//! `millstream policy`

use std::path::PathBuf;

use millstream::database::edition;
use millstream::database::policy::apply::{self, Options};
use millstream::database::policy::{self, Drift};
use millstream::observe::report::Report;
use millstream::sink::SinkError;

use super::{Common, Ended, Usage};

/// Show or apply chunk intervals, compression, retention, rollups and indexes.
///
/// The policies of a set are shipped with it; --file takes others (docs/policies.md).
///
/// Example: `millstream policy show --set ms5`
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: super::Where,
    /// The set whose policies are meant: ms5, iso22400.
    #[arg(long, global = true)]
    set: Option<String>,
    /// A policy file instead of the shipped one.
    #[arg(long, global = true)]
    file: Option<PathBuf>,
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Show what is wanted, what is there, and where they differ. Changes nothing.
    Show {
        /// End with exit code 4 where something differs.
        #[arg(long)]
        check: bool,
    },
    /// Change what differs, and nothing else.
    Apply {
        /// Print the SQL, change nothing.
        #[arg(long)]
        dry_run: bool,
        /// Let retention drop rows that are there and older than it.
        #[arg(long)]
        accept_loss: bool,
    },
}

pub(crate) async fn run(arguments: &Arguments, common: Common) -> anyhow::Result<Ended> {
    if arguments.set.is_none() && arguments.file.is_none() {
        return Err(
            Usage("which policies? --set ms5, --set iso22400 or --file F".to_owned()).into()
        );
    }
    let (set, file) = (arguments.set.as_deref(), arguments.file.as_deref());
    let policies = policy::load(set, file, &super::environment)?;
    let server = arguments.place.server()?;
    let mut session = server.connect("millstream policy").await.map_err(SinkError::from)?;
    let edition = edition::detect(&session.client).await?;
    let mut report = Report::new(server.describe());
    report.fact("server", edition.to_string());
    match arguments.action {
        Action::Show { check } => {
            let settings = policy::inspect(&session.client, &policies).await?;
            let drift = settings.iter().filter(|setting| setting.drift == Drift::Yes).count();
            report.fact("drift", drift);
            report.tables.push(policy::table(&settings));
            super::print(&report, common)?;
            Ok(Ended::with(if check && drift > 0 { 4 } else { 0 }))
        }
        Action::Apply { dry_run, accept_loss } => {
            let options = Options { dry_run, accept_loss };
            let done = apply::apply(&mut session.client, &policies, options).await?;
            done.tell(&mut report);
            super::print(&report, common)?;
            Ok(Ended::with(u8::from(done.failed())))
        }
    }
}
