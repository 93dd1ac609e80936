//! Which way rows are written, chosen per table, with the reason that `check` shows.

use super::columnstore::Columnstore;
use crate::config::plan::StrategyChoice;
use crate::schema::{Comparison, PgType, TargetTable};

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
    /// COPY that compresses the rows as they come in, sorted by segment and time.
    DirectCompress {
        /// Segments and the order within them.
        columnstore: Columnstore,
        /// Rows of a transaction that fill the segments well.
        batch_rows: usize,
    },
}

impl Strategy {
    /// Its name for a person.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Upsert { .. } => "upsert",
            Self::DirectCompress { .. } => "direct_compress",
        }
    }

    /// Its name in the ledger: what the rows that landed mean. Compressed rows are appended rows.
    pub fn meaning(&self) -> &'static str {
        match self {
            Self::Append | Self::DirectCompress { .. } => "append",
            Self::Upsert { .. } => "upsert",
        }
    }
}

/// How well a source's rows fill the segments of a columnstore.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Filling {
    /// Rows of a transaction.
    pub batch_rows: usize,
    /// Rows of one segment in one chunk and transaction.
    pub rows_per_segment: f64,
}

/// From so many rows a segment on compressed batches are worth it; from 200 on they are as good as any.
const ROWS_PER_SEGMENT_MIN: f64 = 50.0;

/// A table as the choice sees it.
#[derive(Debug)]
pub struct Candidate<'a> {
    /// The table.
    pub target: &'a TargetTable,
    /// Columns that are written.
    pub columns: &'a [(String, PgType)],
    /// Its columnstore with the filling expected, or why there is none to be used.
    pub direct: Result<(Columnstore, Filling), String>,
}

/// Chooses, and says why. What the file asks for and cannot be is an error.
pub fn choose(
    choice: StrategyChoice,
    candidate: Candidate<'_>,
) -> Result<(Strategy, String), String> {
    let Candidate { target, columns, direct } = candidate;
    let key = &target.primary_key;
    let written = |column: &String| columns.iter().any(|(name, _)| name == column);
    let key_is_written = !key.is_empty() && key.iter().all(written);
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
        StrategyChoice::DirectCompress => {
            let (columnstore, filling) =
                direct.map_err(|why| format!("{} cannot take it: {why}", target.name))?;
            let reason = format!("as the file says; {}", filling.describe());
            Ok((with(columnstore, filling), reason))
        }
        StrategyChoice::Auto => match direct.and_then(|direct| worthwhile(direct, columns)) {
            Ok((columnstore, filling)) => {
                Ok((with(columnstore, filling), format!("no key; {}", filling.describe())))
            }
            Err(why) => {
                let reason = match (target.empty, key.is_empty()) {
                    (true, _) => "the target is empty",
                    (false, true) => "no key to meet: the ledger keeps it exact",
                    (false, false) => {
                        "a row whose key is there already is set aside, not overwritten"
                    }
                };
                // For a plain table the question does not come up.
                let why = match target.hypertable {
                    Some(_) => format!("; direct compress: not, since {why}"),
                    None => String::new(),
                };
                Ok((Strategy::Append, format!("{reason}{why}")))
            }
        },
    }
}

fn with(columnstore: Columnstore, filling: Filling) -> Strategy {
    Strategy::DirectCompress { columnstore, batch_rows: filling.batch_rows }
}

impl Filling {
    fn describe(self) -> String {
        let Self { batch_rows, rows_per_segment } = self;
        format!("about {rows_per_segment:.0} rows a segment in batches of {batch_rows}")
    }
}

/// The planner's own choice is more careful than a person's.
fn worthwhile(
    (columnstore, filling): (Columnstore, Filling),
    columns: &[(String, PgType)],
) -> Result<(Columnstore, Filling), String> {
    if filling.rows_per_segment < ROWS_PER_SEGMENT_MIN {
        return Err(format!(
            "only {}, and below {ROWS_PER_SEGMENT_MIN} it costs more than it saves",
            filling.describe()
        ));
    }
    let by_value = columns.iter().find(|(_, ty)| ty.comparison() == Comparison::Value);
    match by_value {
        Some((name, ty)) => {
            let ty = ty.sql();
            Err(format!("{name} is {ty}, which compression gives back in equal value only"))
        }
        None => Ok((columnstore, filling)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Hypertable, TableName};

    fn table() -> TargetTable {
        let mut table = TargetTable::planned(TableName::parse("hist").unwrap(), Vec::new());
        table.hypertable = Some(Hypertable { time: "ts".to_owned(), chunk_us: 86_400_000_000 });
        table
    }

    fn auto(rows_per_segment: f64, ty: PgType) -> (&'static str, String) {
        let filling = Filling { batch_rows: 200_000, rows_per_segment };
        let columns = [("ts".to_owned(), PgType::Timestamptz(6)), ("v".to_owned(), ty)];
        let direct = Ok((Columnstore::default(), filling));
        let candidate = Candidate { target: &table(), columns: &columns, direct };
        let (strategy, reason) = choose(StrategyChoice::Auto, candidate).unwrap();
        (strategy.name(), reason)
    }

    #[test]
    fn well_filled_segments_are_compressed_and_thin_ones_are_not() {
        assert_eq!(auto(59.0, PgType::Float8).0, "direct_compress");
        let (name, reason) = auto(49.0, PgType::Float8);
        assert_eq!(name, "append");
        assert!(reason.contains("not, since only about 49 rows a segment"), "{reason}");
    }

    #[test]
    fn what_compression_rewrites_is_compressed_only_when_the_file_says_so() {
        let (name, reason) = auto(200.0, PgType::Jsonb);
        assert_eq!(name, "append");
        assert!(reason.contains("v is jsonb"), "{reason}");
    }

    #[test]
    fn what_the_file_asks_for_and_cannot_be_is_an_error() {
        let direct = Err("the table has a unique key (hist_pkey)".to_owned());
        let candidate = Candidate { target: &table(), columns: &[], direct };
        let error = choose(StrategyChoice::DirectCompress, candidate).unwrap_err();
        assert!(error.contains("hist_pkey"), "{error}");
    }
}
