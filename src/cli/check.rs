//! `millstream check`

use std::path::PathBuf;

use millstream::database::edition;
use millstream::pipeline::{resolve, summary};
use millstream::sink::{SinkError, debt};

use super::{Common, Ended};

/// Hold a pipeline file against both sides and print the plan. Changes nothing.
///
/// All problems come at once, each with file, line, column and a hint.
///
/// Example: `millstream check pipelines/telemetry.toml`
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The pipeline file.
    pipeline: PathBuf,
}

pub(crate) async fn run(arguments: &Arguments, common: Common) -> anyhow::Result<Ended> {
    let plan = super::load(&arguments.pipeline)?;
    let server = super::server(&plan)?;
    let session = server.connect("millstream check").await.map_err(SinkError::from)?;
    let edition = edition::detect(&session.client).await?;
    let at = resolve::source(&plan)?;
    let resolved = resolve::resolve(&plan, &session.client, &at, None).await?;
    let owed = debt::known(&session.client).await?;
    let report = summary::of_check(&plan, &resolved, (&edition.to_string(), &owed));
    super::print(&report, common)?;
    Ok(Ended::DONE)
}
