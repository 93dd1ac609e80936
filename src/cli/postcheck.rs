//! `millstream postcheck`

use std::path::PathBuf;

use millstream::database::postcheck::{self, Request};

use super::{Common, Ended};

/// Check a database after a migration: log, schema, hypertables, policies, integrity, health.
///
/// The target is DATABASE_URL, or DB_HOST, DB_PORT, DB_NAME, DB_USER and the password variable of
/// --environment. Exit code 4 when a check fails.
///
/// Example: `millstream postcheck --performance --html postcheck.html`
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: super::Where,
    /// A set that should be there; those that migration_log names when left out.
    #[arg(long)]
    set: Vec<String>,
    /// Take the files of the sets from DIR/SET or DIR instead of those in the binary.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Also connect as this role, with the password in MILLSTREAM_AS_PASSWORD, and read what it may.
    #[arg(long = "as", value_name = "ROLE")]
    role: Option<String>,
    /// Also measure: writing, compression and storage in a schema aside, the dashboards' queries.
    #[arg(long, visible_alias = "performance-test")]
    performance: bool,
    /// Leave out what reads whole tables: references, duplicates, sequences.
    #[arg(long)]
    no_data_integrity: bool,
    /// Also write the result as one HTML page.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

pub(crate) async fn run(arguments: &Arguments, common: Common) -> anyhow::Result<Ended> {
    let server = arguments.place.server()?;
    let password = super::environment("MILLSTREAM_AS_PASSWORD").filter(|text| !text.is_empty());
    let request = Request {
        sets: arguments.set.clone(),
        dir: arguments.dir.clone(),
        role: arguments.role.clone().map(|role| (role, password)),
        performance: arguments.performance,
        integrity: !arguments.no_data_integrity,
    };
    let report = postcheck::run(&server, &request).await?;
    super::print(&report, common)?;
    super::write_page(&report, arguments.html.as_ref())?;
    Ok(if report.outcome == "failed" { Ended::with(4) } else { Ended::DONE })
}
