//! `millstream bench`

use std::path::PathBuf;

use millstream::bench::{self, Bench, Size};
use millstream::database::postcheck::panels::P95_MS_MAX;
use millstream::observe::report::Report;

use super::{Common, Ended, Usage};

/// Measure against other ways to load the same file: the server's own COPY, sqlite3 | psql, pgloader.
///
/// Works in a database of its own on the server of DATABASE_URL, dropped at the end.
///
/// Example: `millstream bench --quick --json bench.json`
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A small run for CI; it fails below 1,000 rows/s or half of the shell one-liner.
    #[arg(long)]
    quick: bool,
    /// Measure the dashboard's queries of the set ms5 instead; it fails when a p95 is above 100 ms.
    #[arg(long, conflicts_with = "quick")]
    panels: bool,
    /// Measure `oee compute` instead, over a year of twenty units in three shifts; it fails below 500 shifts/s.
    #[arg(long, conflicts_with = "panels")]
    oee: bool,
    /// Rows of the file, 5,000,000 when left out; of metric_hist with --panels, 10,000,000.
    #[arg(long)]
    rows: Option<u64>,
    /// Also write the figures as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// The seeds ask for 1,000 rows/s.
const ROWS_PER_S_MIN: f64 = 1_000.0;
/// A year of twenty units in less than a minute.
const OEE_SHIFTS_PER_S_MIN: f64 = 500.0;
/// Days of the OEE bench, of a quick one and of a full one.
const OEE_DAYS: (u32, u32) = (60, 365);
/// Below half of the one-liner something is badly wrong, on any machine.
const SHELL_RATIO_MIN: f64 = 0.5;

pub(crate) async fn run(arguments: &Arguments, common: Common) -> anyhow::Result<Ended> {
    let url = super::environment("DATABASE_URL").filter(|url| !url.is_empty());
    let url =
        url.ok_or_else(|| Usage("DATABASE_URL is not set: `./dev bench` sets it".to_owned()))?;
    if arguments.panels {
        return panels(arguments, &url, common).await;
    }
    if arguments.oee {
        return oee(arguments, &url, common).await;
    }
    let mut size = if arguments.quick { Size::QUICK } else { Size::FULL };
    size.rows = arguments.rows.unwrap_or(size.rows).max(1_000);
    let folder = std::env::temp_dir().join(format!("millstream-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let bench = Bench { url, program: std::env::current_exe()?, folder: folder.clone(), size };
    let report = bench.run(&|text| eprintln!("{text}")).await;
    std::fs::remove_dir_all(&folder)?;
    let mut report = report?;
    let days = if arguments.quick { OEE_DAYS.0 } else { OEE_DAYS.1 };
    shifts_per_s(&mut report, &bench.url, days).await?;
    super::print(&report, common)?;
    let figures = report.json();
    if let Some(path) = &arguments.json {
        std::fs::write(path, format!("{figures:#}\n"))?;
    }
    let rate = figures["rows_per_s"].as_f64().unwrap_or(0.0);
    let shell = figures["ratios"]["shell_one_liner"].as_f64();
    if rate < ROWS_PER_S_MIN || shell.is_some_and(|ratio| ratio < SHELL_RATIO_MIN) {
        eprintln!(
            "too slow: at least {ROWS_PER_S_MIN} rows/s and {SHELL_RATIO_MIN} of the one-liner"
        );
        return Ok(Ended::with(1));
    }
    Ok(Ended::DONE)
}

/// Adds what `oee compute` does, and gives its shifts a second.
async fn shifts_per_s(report: &mut Report, url: &str, days: u32) -> anyhow::Result<f64> {
    let (shifts, seconds, again) = bench::oee::run(url, days, &|text| eprintln!("{text}")).await?;
    let rate = shifts as f64 / seconds.max(0.001);
    report.fact("oee_shifts", shifts);
    report.fact("oee_seconds", seconds);
    report.fact("oee_shifts_per_s", rate.round());
    report.fact("oee_shifts_per_s_unchanged", (shifts as f64 / again.max(0.001)).round());
    Ok(rate)
}

async fn oee(arguments: &Arguments, url: &str, common: Common) -> anyhow::Result<Ended> {
    let mut report = Report::new("bench: oee compute");
    let days = if arguments.quick { OEE_DAYS.0 } else { OEE_DAYS.1 };
    let rate = shifts_per_s(&mut report, url, days).await?;
    super::print(&report, common)?;
    if let Some(path) = &arguments.json {
        std::fs::write(path, format!("{:#}\n", report.json()))?;
    }
    if rate < OEE_SHIFTS_PER_S_MIN {
        eprintln!("too slow: at least {OEE_SHIFTS_PER_S_MIN} shifts/s");
        return Ok(Ended::with(1));
    }
    Ok(Ended::DONE)
}

async fn panels(arguments: &Arguments, url: &str, common: Common) -> anyhow::Result<Ended> {
    let rows = arguments.rows.unwrap_or(10_000_000).max(1_000);
    let report = bench::panels::run(url, rows, &|text| eprintln!("{text}")).await?;
    super::print(&report, common)?;
    let figures = report.json();
    if let Some(path) = &arguments.json {
        std::fs::write(path, format!("{figures:#}\n"))?;
    }
    if figures["p95_ms_max"].as_f64().is_none_or(|worst| worst >= P95_MS_MAX) {
        eprintln!("too slow: a p95 of {P95_MS_MAX} ms or more");
        return Ok(Ended::with(1));
    }
    Ok(Ended::DONE)
}
