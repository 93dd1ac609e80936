//! `millstream oee`

use super::{Common, Ended};

mod eval;

/// Compute ISO 22400 KPIs.
///
/// Example: `millstream oee eval shift.json`
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    Eval(eval::Arguments),
}

pub(crate) fn run(arguments: &Arguments, common: Common) -> anyhow::Result<Ended> {
    match &arguments.what {
        What::Eval(arguments) => eval::run(arguments, common),
    }
}
