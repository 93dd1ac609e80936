//! `millstream generate`

use std::path::PathBuf;
use std::sync::Arc;

use millstream::generate::{Written, orders, telemetry};
use millstream::observe::progress::Progress;
use millstream::observe::report::{Report, Table};
use serde_json::json;

use super::{Common, Ended};

/// Make realistic source files, the same for the same seed.
///
/// Example: `millstream generate telemetry --rows 1000000 --out telemetry.db`
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// A historian export: metric_def and metric_hist, local text times, some bad rows.
    Telemetry {
        /// The SQLite file to write.
        #[arg(long)]
        out: PathBuf,
        /// Rows of metric_hist.
        #[arg(long, default_value_t = 1_000_000)]
        rows: u64,
        /// Same seed, same file.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Zone of the local times.
        #[arg(long, default_value = "Europe/Berlin")]
        zone: String,
        /// Bad rows among them; about one in 100,000 when left out.
        #[arg(long)]
        bad: Option<u64>,
    },
    /// The production-orders application: 16 tables, times in three frames, newest rows in the -wal.
    Orders {
        /// The SQLite file to write.
        #[arg(long)]
        out: PathBuf,
        /// Years of history.
        #[arg(long, default_value_t = 2)]
        years: u32,
        /// Same seed, same rows.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
}

pub(crate) fn run(arguments: &Arguments, common: Common) -> anyhow::Result<Ended> {
    let total = match &arguments.what {
        What::Telemetry { rows, .. } => *rows,
        What::Orders { .. } => 0,
    };
    let progress = Arc::new(Progress::new(common.progress, total));
    let mut moved = |rows: u64| progress.at(rows);
    let written = match &arguments.what {
        What::Telemetry { out, rows, seed, zone, bad } => {
            let mut plan = telemetry::TelemetryPlan::new(*rows, *seed);
            plan.zone.clone_from(zone);
            plan.bad = bad.unwrap_or(plan.bad);
            telemetry::write_telemetry(out, &plan, &mut moved)
        }
        What::Orders { out, years, seed } => {
            let plan = orders::OrdersPlan { years: *years, seed: *seed };
            orders::write_orders(out, &plan, &mut moved)
        }
    };
    progress.finish();
    super::print(&report(&written?), common)?;
    Ok(Ended::DONE)
}

fn report(written: &Written) -> Report {
    let mut report = Report::new(written.path.display().to_string());
    let mut table = Table::new("Tables", &["table", "rows"]);
    for (name, rows) in &written.tables {
        table.push(vec![json!(name), json!(rows)]);
    }
    report.tables.push(table);
    written.notes.iter().for_each(|note| report.note(note.clone()));
    report
}
