//! `millstream verify`

use std::path::PathBuf;

use millstream::database::evidence;
use millstream::pipeline::{summary, verify};
use millstream::schema::TableName;
use millstream::sink::reject;

use super::{Common, Ended};

/// Prove that what landed is what was sent: row counts and fingerprints, ledger against table.
///
/// Example: `millstream verify pipelines/telemetry.toml --deep`
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The pipeline file.
    pipeline: PathBuf,
    /// Also read the source and transform it again.
    #[arg(long)]
    deep: bool,
    /// Also write the result as one HTML page.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

pub(crate) async fn run(arguments: &Arguments, common: Common) -> anyhow::Result<Ended> {
    let plan = super::load(&arguments.pipeline)?;
    let server = super::server(&plan)?;
    super::need_ledger(&server).await?;
    let verified = verify::all(&plan, &server, arguments.deep).await?;
    let mut report = summary::of_verification(&plan, &verified);
    let session = server.connect("millstream verify").await?;
    let aside = reject::open_of(&session.client, &plan.name).await?;
    if aside > 0 {
        let file = arguments.pipeline.display();
        report.note(format!(
            "{aside} rows of the source are set aside and in no table: `millstream dead-letter list {file}`"
        ));
    }
    let mut tables: Vec<_> =
        verified.iter().filter_map(|table| TableName::parse(&table.table)).collect();
    tables.sort();
    tables.dedup();
    evidence::look(&session.client, &tables, &mut report).await?;
    super::print(&report, common)?;
    super::write_page(&report, arguments.report.as_ref())?;
    Ok(Ended::with(if report.outcome == "done" { 0 } else { 4 }))
}
