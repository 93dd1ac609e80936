//! `millstream time`

use std::io::{BufRead as _, Write as _};

use millstream::transform::clock::{Clock, FoldState, Policy, trial_line, trial_refusal};

use super::Ended;

/// Try a time policy: JSON lines in, JSON lines out.
///
/// In: {"value": …, "class": "text|integer|real|blob|null"}, or just {"value": …}.
/// Out: {"utc": …, "pg_us": …} or {"error": "ERR_…"}.
///
/// Example: `echo '{"value":"2024-10-27 02:30:00"}' | millstream time --zone Europe/Berlin --policy fold=later`
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Arguments {
    /// IANA zone of naive values.
    #[arg(long)]
    zone: Option<String>,
    /// Policy, `key=value;key=value`.
    #[arg(long, default_value = "default")]
    policy: String,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Ended> {
    let mut out = std::io::stdout().lock();
    let policy = Policy::parse(arguments.zone.as_deref(), &arguments.policy);
    let mut trial = match &policy {
        Ok(policy) => Some((Clock::new(policy), FoldState::default())),
        Err(error) => {
            eprintln!("millstream: {error}");
            None
        }
    };
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let answer = match (&mut trial, &policy) {
            (Some((clock, state)), _) => trial_line(clock, state, &line),
            (None, Err(error)) => trial_refusal(error),
            (None, Ok(_)) => continue,
        };
        writeln!(out, "{answer}")?;
    }
    Ok(if policy.is_ok() { Ended::DONE } else { Ended::with(2) })
}
