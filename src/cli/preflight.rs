//! `millstream preflight`

use std::path::PathBuf;

use millstream::database::preflight::{self, Request, size};

use super::{Common, Ended};

/// Check machine, server and files before a migration. Nothing is changed.
///
/// The target is DATABASE_URL, or DB_HOST, DB_PORT, DB_NAME, DB_USER and the password variable of
/// --environment. Exit code 1 when a check fails.
///
/// Example: `millstream preflight --set ms5`
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: super::Where,
    /// A set that will be applied: ms5, iso22400, orders. What it needs has to be there.
    #[arg(long)]
    set: Vec<String>,
    /// Do without TimescaleDB: what needs it is a warning.
    #[arg(long)]
    plain: bool,
    /// Leave out what takes long or writes: hypertable, SQL, backup folder, programs, container.
    #[arg(long)]
    quick: bool,
    /// Where copies, logs and spools will be.
    #[arg(long, value_name = "DIR", default_value = "millstream-state")]
    state_dir: PathBuf,
    /// Where backups will be; `backups` in the state folder when left out.
    #[arg(long, value_name = "DIR")]
    backup_dir: Option<PathBuf>,
    /// Take the files of the sets from DIR/SET or DIR instead of those in the binary.
    #[arg(long, visible_alias = "dir", value_name = "DIR", requires = "set")]
    migrations: Option<PathBuf>,
    /// Free space that the disk must have.
    #[arg(long, value_name = "SIZE", default_value = "10GB", value_parser = size)]
    min_disk: u64,
    /// Memory that the machine must have.
    #[arg(long, value_name = "SIZE", default_value = "4GB", value_parser = size)]
    min_memory: u64,
    /// Chunks that the database will hold; 2,160 (hours of 90 days) when left out.
    #[arg(long, value_name = "N")]
    chunks: Option<u64>,
    /// Also write the result as one HTML page.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

pub(crate) async fn run(arguments: &Arguments, common: Common) -> anyhow::Result<Ended> {
    let server = arguments.place.server()?;
    let state_dir = arguments.state_dir.clone();
    let backup_dir = arguments.backup_dir.clone().unwrap_or_else(|| state_dir.join("backups"));
    let request = Request {
        sets: arguments.set.clone(),
        plain: arguments.plain,
        quick: arguments.quick,
        state_dir,
        backup_dir,
        migrations: arguments.migrations.clone(),
        disk_min: arguments.min_disk,
        memory_min: arguments.min_memory,
        chunks: arguments.chunks,
    };
    let report = preflight::run(&server, &request).await?;
    super::print(&report, common)?;
    super::write_page(&report, arguments.html.as_ref())?;
    Ok(Ended::with(u8::from(report.outcome == "failed")))
}
