//! `millstream oee`

use millstream::oee::{OeeError, Scope};
use millstream::sink::SinkError;

use super::{Common, Ended, Usage};

mod compute;
mod eval;
mod show;

/// Compute ISO 22400 KPIs.
///
/// Example: `millstream oee compute && millstream oee show --by month`
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    Eval(eval::Arguments),
    Compute(compute::Arguments),
    Show(show::Arguments),
}

/// Which results are meant.
#[derive(clap::Args)]
struct Which {
    /// Codes of units; all when left out.
    #[arg(long, value_name = "CODE", num_args = 1..)]
    equipment: Vec<String>,
    /// Codes of shifts; all when left out.
    #[arg(long, value_name = "CODE", num_args = 1..)]
    shift: Vec<String>,
    /// First shift date, by the calendar of the site.
    #[arg(long, value_name = "DATE")]
    from: Option<jiff::civil::Date>,
    /// Last shift date.
    #[arg(long, value_name = "DATE")]
    to: Option<jiff::civil::Date>,
}

impl Which {
    fn scope(&self) -> anyhow::Result<Scope> {
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from > to
        {
            return Err(Usage(format!("--from {from} is after --to {to}")).into());
        }
        let (equipment, shifts) = (self.equipment.clone(), self.shift.clone());
        Ok(Scope { equipment, shifts, from: self.from, to: self.to })
    }
}

/// Up to when things are known, in microseconds since 2000.
fn as_of(given: Option<jiff::Timestamp>) -> Option<i64> {
    given.map(|at| at.as_microsecond() - millstream::schema::PG_EPOCH_US)
}

/// The server's errors as other commands have them; what was asked wrongly is wrong usage.
fn told(error: OeeError) -> anyhow::Error {
    match error {
        OeeError::Sink(error) => SinkError::into(error),
        OeeError::NoTables { .. } | OeeError::Unknown { .. } | OeeError::Usage(_) => {
            Usage(error.to_string()).into()
        }
        OeeError::Busy { .. } => error.into(),
    }
}

pub(crate) fn run(arguments: &Arguments, common: Common) -> anyhow::Result<Ended> {
    match &arguments.what {
        What::Eval(arguments) => eval::run(arguments, common),
        What::Compute(arguments) => super::block_on(compute::run(arguments, common)),
        What::Show(arguments) => super::block_on(show::run(arguments, common)),
    }
}
