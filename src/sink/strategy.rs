//! Which way rows are written, chosen per table, with the reason that `check` shows.

use crate::config::plan::StrategyChoice;
use crate::schema::TargetTable;

/// How rows get into a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// COPY straight into the table. Exactly-once comes from the ledger, not from a key.
    Append,
    /// COPY into a stage, then `insert … on conflict (key) do update`.
    Upsert {
        /// The primary key.
        key: Vec<String>,
    },
}

impl Strategy {
    /// Its name in the ledger.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Upsert { .. } => "upsert",
        }
    }
}

/// Chooses, and says why. An upsert that cannot be is an error.
pub fn choose(
    choice: StrategyChoice,
    target: &TargetTable,
    written: &[String],
) -> Result<(Strategy, String), String> {
    let key = &target.primary_key;
    let key_is_written = !key.is_empty() && key.iter().all(|column| written.contains(column));
    match choice {
        StrategyChoice::Append => Ok((Strategy::Append, "as the file says".to_owned())),
        StrategyChoice::Upsert if key_is_written => {
            Ok((Strategy::Upsert { key: key.clone() }, "as the file says".to_owned()))
        }
        StrategyChoice::Upsert if key.is_empty() => {
            Err(format!("{} has no primary key to upsert by", target.name))
        }
        StrategyChoice::Upsert => Err(format!(
            "the primary key of {} ({}) is not all written",
            target.name,
            key.join(", ")
        )),
        StrategyChoice::Auto => {
            let reason = match (target.empty, key.is_empty()) {
                (true, _) => "the target is empty",
                (false, true) => "no key to meet: the ledger keeps it exact",
                (false, false) => "a row whose key is there already is set aside, not overwritten",
            };
            Ok((Strategy::Append, reason.to_owned()))
        }
    }
}
