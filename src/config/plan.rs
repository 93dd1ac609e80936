//! What will run: the pipeline file with every default filled in and every variable replaced.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::Place;
use super::shift::ShiftPlan;
use super::stage::StagePlan;
use crate::schema::{PgType, TableName};

/// A whole pipeline.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Its name in the ledger; never changes.
    pub name: String,
    /// The file it was read from.
    pub file: PathBuf,
    /// Where rows come from.
    pub source: SourcePlan,
    /// Where rows go.
    pub target: TargetPlan,
    /// Copies, logs and backups live here.
    pub state_dir: PathBuf,
    /// Bounds.
    pub limits: Limits,
    /// What moves where, in the order of the file.
    pub tables: Vec<TablePlan>,
    /// The shift calendar of a source that has none.
    pub shifts: Vec<ShiftPlan>,
    /// What to look for in the target after a load.
    pub findings: Vec<Finding>,
}

/// `[[finding]]`: rows that are there as they were in the source, and that a person should know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What they are.
    pub name: String,
    /// SQL of the target that gives them.
    pub query: String,
}

/// A source.
#[derive(Clone, Debug, PartialEq)]
pub enum SourcePlan {
    /// A SQLite file.
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Where the file names it.
        place: Place,
    },
    /// A folder of Parquet files.
    Parquet {
        /// The folder.
        path: PathBuf,
        /// Where the file names it.
        place: Place,
    },
    /// A PostgreSQL server.
    Postgres {
        /// Connection string.
        url: Secret,
        /// How long one snapshot may hold back its vacuum.
        hold: Duration,
        /// Where the file names it.
        place: Place,
    },
}

impl SourcePlan {
    /// The file or folder it is read from; nothing for a server.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Sqlite { path, .. } | Self::Parquet { path, .. } => Some(path),
            Self::Postgres { .. } => None,
        }
    }
}

/// A target.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetPlan {
    /// Connection string. Holds a secret: shown only by [`crate::database::connect::masked`].
    pub url: Secret,
    /// Make missing tables.
    pub create: bool,
    /// SQL that runs once, before the first row of this pipeline lands.
    pub prepare: Option<String>,
    /// Where the file names it.
    pub place: Place,
}

/// Text that must not show in a log.
#[derive(Clone, PartialEq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// Bounds of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// More rejected rows than this end the run with exit code 3.
    pub rejected: Rejected,
    /// Rows a transaction holds at most.
    pub batch_rows: usize,
    /// Connections that copy at the same time.
    pub lanes: usize,
}

/// How many rejected rows are accepted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rejected {
    /// A number of rows.
    Rows(u64),
    /// A share of the rows read, 0 to 1.
    Share(f64),
}

impl Rejected {
    /// Whether a run that rejected so many of the rows it read is still fine.
    pub fn accepts(self, rejected: u64, read: u64) -> bool {
        match self {
            Self::Rows(limit) => rejected <= limit,
            // Counts stay far below 2^53, where f64 stops being exact.
            Self::Share(share) => rejected as f64 <= share * read as f64,
        }
    }
}

/// One `[[table]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct TablePlan {
    /// What is read.
    pub from: From,
    /// Where it goes.
    pub to: TableName,
    /// SQL condition of the source: other rows are counted as filtered.
    pub filter: Option<String>,
    /// Made a hypertable by `create`.
    pub hypertable: Option<HypertablePlan>,
    /// Its rows are records of a transform, and the columns below are the record's.
    pub stage: Option<StagePlan>,
    /// How rows are written.
    pub strategy: StrategyChoice,
    /// Columns that say something about themselves.
    pub columns: Vec<ColumnRule>,
    /// Columns whose meaning differs for some rows; the first rule that holds wins.
    pub rows: Vec<RowRule>,
    /// Rows may come that a retention policy of the target is about to drop.
    pub accept_retention: bool,
    /// The target's triggers are off while it is loaded.
    pub suspend_triggers: bool,
    /// Tables that a wildcard leaves out.
    pub except: Vec<String>,
    /// Where the file names it.
    pub place: Place,
    /// `table[0]`
    pub key: String,
}

/// What is read.
#[derive(Clone, Debug, PartialEq)]
pub enum From {
    /// A table or a view by name.
    Table {
        /// Its name.
        name: String,
        /// Key of a view; empty for a table, which has its own.
        key: Vec<String>,
    },
    /// A query of the source, with its key.
    Query {
        /// SQL.
        sql: String,
        /// Unique, not null columns of the result.
        key: Vec<String>,
    },
}

impl From {
    /// The schema of a wildcard, `schema.*`.
    pub fn wildcard(&self) -> Option<&str> {
        match self {
            Self::Table { name, .. } => name.strip_suffix(".*"),
            Self::Query { .. } => None,
        }
    }

    /// What the ledger knows it by; queries are long, and one letter makes another one.
    pub fn identity(&self) -> String {
        match self {
            Self::Table { name, .. } => name.clone(),
            Self::Query { sql, .. } => {
                let digest = crate::batch::hex(&Sha256::digest(sql.trim().as_bytes()));
                format!("query {} {}", digest.get(..16).unwrap_or_default(), self.label())
            }
        }
    }

    /// A short name for tables and messages.
    pub fn label(&self) -> String {
        match self {
            Self::Table { name, .. } => name.clone(),
            Self::Query { sql, .. } => {
                let words: Vec<&str> = sql.split_whitespace().collect();
                let text = words.join(" ");
                if text.chars().count() <= 40 {
                    return text;
                }
                let head: String = text.chars().take(39).collect();
                format!("{head}…")
            }
        }
    }
}

/// `hypertable = { time = "ts", chunk = "1 day" }`
#[derive(Clone, Debug, PartialEq)]
pub struct HypertablePlan {
    /// Time column of the target.
    pub time: String,
    /// Chunk interval, microseconds.
    pub chunk_us: i64,
}

/// Which way rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StrategyChoice {
    /// The planner chooses.
    Auto,
    /// COPY straight into the table.
    Append,
    /// COPY into a stage, then `insert … on conflict do update`.
    Upsert,
    /// COPY that compresses as it goes.
    DirectCompress,
}

/// What a column says about itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ColumnRule {
    /// Column of the target.
    pub target: String,
    /// Column of the source, where it is another.
    pub from: Option<String>,
    /// A constant instead of a column.
    pub value: Option<String>,
    /// Time zone of naive values.
    pub zone: Option<String>,
    /// Time policy, in the grammar of `transform::clock`.
    pub time: Option<String>,
    /// Unit conversion: from, to.
    pub unit: Option<(String, String)>,
    /// Enumeration: source text to target text; `*` stands for all others.
    pub map: Vec<(String, String)>,
    /// Type of the column that `create` makes.
    pub ty: Option<PgType>,
    /// Instead of NULL.
    pub default: Option<String>,
    /// Not carried over.
    pub skip: bool,
    /// Where the file names it.
    pub place: Place,
    /// `table[0].columns.ts`
    pub key: String,
}

/// `[[table.rows]]`
#[derive(Clone, Debug, PartialEq)]
pub struct RowRule {
    /// SQL condition of the source.
    pub condition: String,
    /// What the columns named say about themselves in these rows.
    pub columns: Vec<ColumnRule>,
    /// Where the file names it.
    pub place: Place,
    /// `table[0].rows[0]`
    pub key: String,
}
