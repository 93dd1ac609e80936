//! `millstream oee show`

use std::path::PathBuf;

use millstream::oee::explain;
use millstream::oee::show::{self, Level};

use super::super::{Common, Ended, Where, print, write_page};

/// Show what was computed: summed first, divided last, at any level.
///
/// With --explain one shift of one unit, so that a person with paper can do it again; it says when the stored
/// result is another one (exit code 4).
///
/// Examples: `millstream oee show --by month --html oee.html`,
/// `millstream oee show --explain BAGGER-1 NIGHT@2025-07-01`
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Where,
    #[command(flatten)]
    which: super::Which,
    /// What one row is.
    #[arg(long, value_enum, default_value = "equipment")]
    by: Level,
    /// Also say where the time went, by reason; an HTML page always does.
    #[arg(long)]
    losses: bool,
    /// Also write the result as one HTML page.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Also write the table as CSV.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// One unit and one shift of it: the id of its instance, or CODE@DATE.
    #[arg(long, num_args = 2, value_names = ["EQUIPMENT", "SHIFT"])]
    explain: Option<Vec<String>>,
    /// With --explain, up to when things are known, if `oee compute` was told so.
    #[arg(long, value_name = "INSTANT", requires = "explain")]
    as_of: Option<jiff::Timestamp>,
}

pub(crate) async fn run(arguments: &Arguments, common: Common) -> anyhow::Result<Ended> {
    let scope = arguments.which.scope()?;
    let server = arguments.place.server()?;
    let report = match arguments.explain.as_deref() {
        Some([unit, shift]) => {
            let as_of = super::as_of(arguments.as_of);
            explain::run(&server, (unit, shift), as_of).await.map_err(super::told)?
        }
        _ => {
            let with_losses = arguments.losses || arguments.html.is_some();
            let what = (arguments.by, with_losses);
            show::run(&server, &scope, what).await.map_err(super::told)?
        }
    };
    print(&report, common)?;
    write_page(&report, arguments.html.as_ref())?;
    if let (Some(path), Some(table)) = (&arguments.csv, report.tables.first()) {
        std::fs::write(path, table.csv())
            .map_err(|error| anyhow::anyhow!("the table {}: {error}", path.display()))?;
    }
    Ok(if report.outcome == "differs" { Ended::with(4) } else { Ended::DONE })
}
