//! `millstream generate`

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use millstream::generate::server::Span;
use millstream::generate::{GenerateError, Written, legacy17, ms5, orders, simple7, telemetry};
use millstream::observe::progress::Progress;
use millstream::observe::report::{Report, Table};
use serde_json::json;

use super::{Common, Ended};

/// Make realistic sources, files or databases, the same for the same seed.
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
        /// Count at each change of shift, with scrap and rework in pieces.
        #[arg(long)]
        handover_counts: bool,
        /// Also write what is true of each machine and shift, as JSON.
        #[arg(long, requires = "handover_counts")]
        truth: Option<PathBuf>,
    },
    /// The 17-table manufacturing schema, a reconstruction, in PostgreSQL.
    Legacy17(System),
    /// The simplified 7-table schema, in PostgreSQL: metrics as rows, counters that roll over.
    Simple7(System),
    /// The 49 tables of factory_telemetry as the originals make them, in a plain PostgreSQL.
    Ms5 {
        #[command(flatten)]
        system: System,
        /// Rows of metric_hist at most: 28 a second for as many seconds before the end.
        #[arg(long, default_value_t = 403_200)]
        rows: u64,
    },
}

/// Where to, and which days.
#[derive(clap::Args)]
struct System {
    /// The database to fill: postgres://user@host/database. None of the system's tables may be there.
    #[arg(long)]
    out: String,
    /// Same seed, same rows.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many days.
    #[arg(long, default_value_t = 14, conflicts_with = "from")]
    days: i64,
    /// The day after the last; 2025-08-02 when left out.
    #[arg(long, value_name = "DATE")]
    until: Option<jiff::civil::Date>,
    /// The first day, instead of --days.
    #[arg(long, value_name = "DATE", requires = "to")]
    from: Option<jiff::civil::Date>,
    /// The day after the last.
    #[arg(long, value_name = "DATE", requires = "from", conflicts_with = "until")]
    to: Option<jiff::civil::Date>,
    /// Also write what is true of each machine and shift, as JSON.
    #[arg(long)]
    truth: Option<PathBuf>,
}

impl System {
    fn span(&self) -> anyhow::Result<Span> {
        let second = |date: jiff::civil::Date| {
            Ok::<i64, jiff::Error>(date.to_zoned(jiff::tz::TimeZone::UTC)?.timestamp().as_second())
        };
        let until = self.until.map(second).transpose()?;
        Ok(match (self.from, self.to) {
            (Some(from), Some(to)) => Span::between(self.seed, second(from)?, second(to)?)?,
            _ => Span::before(self.seed, self.days, until)?,
        })
    }

    /// Without TLS, and so to this machine alone unless the URL says that this is meant.
    fn connect(&self) -> anyhow::Result<postgres::Client> {
        let config: postgres::Config = self.out.parse().context("--out is no postgres:// URL")?;
        let here = config.get_hosts().iter().all(|host| match host {
            postgres::config::Host::Tcp(name) => {
                ["localhost", "127.0.0.1", "::1"].contains(&name.as_str())
            }
            postgres::config::Host::Unix(_) => true,
        });
        if !here && config.get_ssl_mode() != postgres::config::SslMode::Disable {
            bail!(
                "--out is another host, and test data goes there without TLS: \
                 say sslmode=disable in the URL if that is meant"
            );
        }
        config.connect(postgres::NoTls).context("cannot connect to the database of --out")
    }
}

pub(crate) fn run(arguments: &Arguments, common: Common) -> anyhow::Result<Ended> {
    let total = match &arguments.what {
        What::Telemetry { rows, .. } => *rows,
        _ => 0,
    };
    if let Some(path) = arguments.what.truth().filter(|path| path.exists()) {
        return Err(GenerateError::Exists { path: path.clone() }.into());
    }
    let progress = Arc::new(Progress::new(common.progress, total));
    let mut moved = |rows: u64| progress.at(rows);
    let (written, truth) = generate(&arguments.what, &mut moved)?;
    progress.finish();
    if let (Some(path), Some(truth)) = (arguments.what.truth(), truth) {
        let text = serde_json::to_string_pretty(&truth)?;
        std::fs::write(path, text + "\n")
            .map_err(|source| GenerateError::File { path: path.clone(), source })?;
    }
    super::print(&report(&written), common)?;
    Ok(Ended::DONE)
}

impl What {
    fn truth(&self) -> Option<&PathBuf> {
        match self {
            Self::Telemetry { .. } => None,
            Self::Orders { truth, .. } => truth.as_ref(),
            Self::Legacy17(system) | Self::Simple7(system) | Self::Ms5 { system, .. } => {
                system.truth.as_ref()
            }
        }
    }
}

fn generate(
    what: &What,
    moved: &mut dyn FnMut(u64),
) -> anyhow::Result<(Written, Option<serde_json::Value>)> {
    Ok(match what {
        What::Telemetry { out, rows, seed, zone, bad } => {
            let mut plan = telemetry::TelemetryPlan::new(*rows, *seed);
            plan.zone.clone_from(zone);
            plan.bad = bad.unwrap_or(plan.bad);
            (telemetry::write_telemetry(out, &plan, moved)?, None)
        }
        What::Orders { out, years, seed, handover_counts, truth } => {
            let handover_counts = *handover_counts;
            let plan = orders::OrdersPlan { years: *years, seed: *seed, handover_counts };
            let written = orders::write_orders(out, &plan, moved)?;
            let truth = truth.as_ref().map(|_| orders::truth_of(&plan)).transpose()?;
            (written, truth)
        }
        What::Legacy17(system) => {
            let span = system.span()?;
            let done = legacy17::write_legacy17(&mut system.connect()?, &span, moved)?;
            (done.0, Some(done.1))
        }
        What::Simple7(system) => {
            let span = system.span()?;
            let done = simple7::write_simple7(&mut system.connect()?, &span, moved)?;
            (done.0, Some(done.1))
        }
        What::Ms5 { system, rows } => {
            let span = system.span()?;
            let done = ms5::write_ms5(&mut system.connect()?, &span, *rows, moved)?;
            (done.0, Some(done.1))
        }
    })
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
