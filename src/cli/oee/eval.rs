//! `millstream oee eval`

use std::io::Read as _;
use std::path::{Path, PathBuf};

use millstream::kpi::case::{self, CaseError, Outcome};
use millstream::observe::report::{Format, Report, Table};
use serde_json::json;

use super::super::{Common, Ended, Usage, print, write_out};

/// Compute the KPIs of one shift of one unit that is written as JSON.
///
/// Nothing but the file is read: no database, no clock. Its words are in docs/kpi.md; with --format json
/// every KPI comes as an exact fraction too.
///
/// Example: `echo '{"shift": {"start": "2024-08-01T06:00:00Z", "end": "2024-08-01T14:00:00Z"}, "states":
/// [{"start": "2024-08-01T06:00:00Z", "end": "2024-08-01T13:00:00Z", "state": "PRODUCING"}], "counts":
/// {"rows": [{"ts": "2024-08-01T12:00:00Z", "good": 380, "scrap": 20}]}, "pri_s": 60}' | millstream oee eval -`
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The file; - reads it from stdin.
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
}

pub(crate) fn run(arguments: &Arguments, common: Common) -> anyhow::Result<Ended> {
    let from_stdin = arguments.file == Path::new("-");
    let name = if from_stdin { "stdin".into() } else { arguments.file.display().to_string() };
    let mut bytes = Vec::new();
    let read = match from_stdin {
        true => std::io::stdin().lock().read_to_end(&mut bytes).map(drop),
        false => std::fs::read(&arguments.file).map(|found| bytes = found),
    };
    read.map_err(|error| Usage(format!("{name}: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        Usage(format!("{name}: byte {} is no UTF-8", error.utf8_error().valid_up_to()))
    })?;
    let outcome = case::evaluate(text.trim_start_matches('\u{feff}')).map_err(|error| {
        // A place in the text follows the name without a blank, as editors want it.
        let blank = if matches!(error, CaseError::Syntax { .. }) { "" } else { " " };
        Usage(format!("{name}:{blank}{error}"))
    })?;
    match common.format {
        Format::Json => write_out(&format!("{:#}\n", outcome.json()))?,
        Format::Text => print(&report(&outcome), common)?,
    }
    Ok(Ended::DONE)
}

fn report(outcome: &Outcome) -> Report {
    let (start, end) = outcome.window_text();
    let mut report = Report::new(format!("{start} to {end}"));
    let mut elements = Table::new("Elements", &["element", "seconds or pieces"]);
    for (name, value) in outcome.named_elements() {
        elements.push(vec![json!(name), json!(value.rounded(6))]);
    }
    let mut kpis = Table::new("KPIs", &["kpi", "value", "exactly"]);
    for (name, rate) in outcome.named_kpis() {
        let value = rate.map_or(json!("-"), |rate| json!(rate.rounded(6)));
        let exactly = rate.map(|rate| rate.to_string()).unwrap_or_default();
        kpis.push(vec![json!(name), value, json!(exactly)]);
    }
    report.tables.extend([elements, kpis]);
    let flags = outcome.flags.names();
    if !flags.is_empty() {
        report.note(format!("Flags: {}.", flags.join(", ")));
    }
    report
}
