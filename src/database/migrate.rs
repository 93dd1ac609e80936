//! Migrations: numbered SQL files, embedded in the binary or in a folder, applied in order, each once.
//!
//! A file is one transaction with its row of `public.migration_log`, so a crash leaves all of it or nothing.
//! A file that says `-- no transaction` can be left half done: it is `dirty` then, nothing goes on, and a
//! person says by `migrate resolve` what became of it. A file that changed after it was applied stops the
//! runner. Runners exclude each other by an advisory lock.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::sink::SinkError;

pub mod create;
mod explain;
pub mod journal;
pub mod log;
pub mod run;
pub mod script;

pub use run::{Options, rehearse, up};
pub use script::{Script, ScriptError};

/// A migration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// File name, such as `001_ledger.sql`.
    pub file: String,
    /// Its text.
    pub sql: String,
}

impl Migration {
    /// What its first line calls it (`-- 002 - PLC Equipment Management`), else the words of its file name.
    pub fn name(&self) -> String {
        let stem = self.file.trim_end_matches(".sql");
        let (number, words) = stem.split_once('_').unwrap_or((stem, ""));
        let title = format!("-- {number} - ");
        let first = self.sql.trim_start_matches('\u{feff}').lines().next().unwrap_or_default();
        if let Some(title) = first.strip_prefix(&title) {
            return format!("{number} - {}", title.trim());
        }
        let words: Vec<String> = words
            .split('_')
            .map(|word| {
                let mut letters = word.chars();
                let first = letters.next().map(|letter| letter.to_uppercase().to_string());
                format!("{}{}", first.unwrap_or_default(), letters.as_str())
            })
            .collect();
        format!("{number} - {}", words.join(" "))
    }

    /// SHA-256 of the text with line ends as `\n`: a checkout on another system is no change.
    pub fn checksum(&self) -> String {
        let text = self.sql.replace("\r\n", "\n");
        crate::batch::hex(&Sha256::digest(text.trim_start_matches('\u{feff}').as_bytes()))
    }
}

macro_rules! migrations {
    ($($set:literal: [$($file:literal),* $(,)?]),* $(,)?) => {
        /// The sets by name; file and text of each, in order.
        const EMBEDDED: &[(&str, &[(&str, &str)])] = &[$((
            $set,
            &[$(($file, include_str!(concat!("../../migrations/", $set, "/", $file)))),*],
        )),*];
    };
}

migrations! {
    "millstream": ["001_ledger.sql", "002_debts.sql", "003_snapshots.sql", "004_trigger_debt.sql"],
    "ms5": [
        "001_init_telemetry.sql",
        "002_plc_equipment_management.sql",
        "003_production_management.sql",
        "004_advanced_production_features.sql",
        "005_andon_escalation_system.sql",
        "006_report_system.sql",
        "007_plc_integration_phase1.sql",
        "008_fix_critical_schema_issues.sql",
        "009_database_optimization.sql",
    ],
    "iso22400": [
        "001_plant.sql",
        "002_history.sql",
        "003_functions_triggers.sql",
        "004_rollups.sql",
        "005_policies.sql",
        "006_shift_days_and_evidence.sql",
    ],
    "orders": ["001_tables.sql", "002_indexes.sql", "003_foreign_keys.sql", "004_sast.sql"],
}

/// A table that tells that a set's tables are there although the log does not know of it.
const LANDMARKS: &[(&str, &str)] =
    &[("ms5", "factory_telemetry.metric_def"), ("iso22400", "public.\"Equipment\"")];

/// Why a set was not applied.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// No such set.
    #[error("there is no migration set `{name}`; there are {known}")]
    UnknownSet {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The folder of a set cannot be used.
    #[error("{}: {problem}", path.display())]
    Folder {
        /// Folder or file.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A file cannot be read as statements.
    #[error("{set}/{file}: {error}")]
    Script {
        /// The set.
        set: String,
        /// The file.
        file: String,
        /// Line and problem.
        error: ScriptError,
    },
    /// An applied file is not what it was.
    #[error(
        "{set}/{file} was changed after it was applied (applied {applied}, now {now}): landed \
         migrations never change; restore the file and write a new one"
    )]
    Changed {
        /// The set.
        set: String,
        /// The file.
        file: String,
        /// Checksum in the log.
        applied: String,
        /// Checksum of the file.
        now: String,
    },
    /// A file would come after one that was written later.
    #[error(
        "{set}/{file} is not applied while {later}, which comes after it, is: give it a number above \
         {later}, or see what `millstream migrate status --set {set}` says"
    )]
    Order {
        /// The set.
        set: String,
        /// The file that comes too late.
        file: String,
        /// An applied file behind it.
        later: String,
    },
    /// The log knows a file that the set has not.
    #[error(
        "{set}/{file} was applied to this database, and this set has no such file: use the release \
         (or the --dir) that has it"
    )]
    Missing {
        /// The set.
        set: String,
        /// The file.
        file: String,
    },
    /// A file without a transaction stopped half-way.
    #[error(
        "{set}/{file} is dirty: {message}. It runs outside a transaction, so what it did up to there \
         stands. Finish or undo it by hand, then say which: `millstream migrate resolve --set {set} \
         --file {file} --as applied|pending`"
    )]
    Dirty {
        /// The set.
        set: String,
        /// The file.
        file: String,
        /// How far it came, and why no further.
        message: String,
    },
    /// The tables are there, and another tool made them.
    #[error(
        "{table} is there, and not by this set: `millstream migrate adopt --set {set}` compares the \
         database with the set and brings it to the same end, its data kept"
    )]
    Foreign {
        /// The set.
        set: String,
        /// A table of it.
        table: String,
    },
    /// Another runner is at work.
    #[error(
        "another migration runner holds the lock (waited {seconds} s): let it finish, then try again"
    )]
    Locked {
        /// How long this one waited.
        seconds: u64,
    },
    /// A file failed.
    #[error("{set}/{file}: {cause}")]
    Failed {
        /// The set.
        set: String,
        /// The file.
        file: String,
        /// The server's message with line and remedy.
        cause: String,
    },
    /// The server.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

impl From<tokio_postgres::Error> for MigrateError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Sink(error.into())
    }
}

/// Names of the embedded sets.
pub fn sets() -> impl Iterator<Item = &'static str> {
    EMBEDDED.iter().map(|(name, _)| *name)
}

/// The files of a set: embedded, or those of a folder (`DIR/<set>/*.sql` or `DIR/*.sql`).
///
/// They are numbered from 001 without a gap; anything else is refused by name.
pub fn load(set: &str, folder: Option<&Path>) -> Result<Vec<Migration>, MigrateError> {
    let fits = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '-';
    if set.is_empty() || !set.chars().all(fits) {
        let known = "letters, digits, `_` and `-` in a set's name".to_owned();
        return Err(MigrateError::UnknownSet { name: set.to_owned(), known });
    }
    let found = match folder {
        Some(folder) => from_folder(set, folder)?,
        None => embedded(set)?,
    };
    for (index, migration) in found.iter().enumerate() {
        let number = migration.file.split_once('_').and_then(|(number, _)| number.parse().ok());
        if number != Some(index + 1) {
            let problem = format!(
                "a set is numbered from 001 without a gap, and here {:03} was expected",
                index + 1
            );
            return Err(MigrateError::Folder { path: PathBuf::from(&migration.file), problem });
        }
        parse(set, migration)?;
    }
    Ok(found)
}

fn embedded(set: &str) -> Result<Vec<Migration>, MigrateError> {
    let found = EMBEDDED.iter().find(|(name, _)| *name == set).ok_or_else(|| {
        let known: Vec<&str> = sets().collect();
        MigrateError::UnknownSet { name: set.to_owned(), known: known.join(", ") }
    })?;
    let owned =
        |(file, sql): &(&str, &str)| Migration { file: (*file).to_owned(), sql: (*sql).to_owned() };
    Ok(found.1.iter().map(owned).collect())
}

fn from_folder(set: &str, folder: &Path) -> Result<Vec<Migration>, MigrateError> {
    let problem =
        |path: &Path, problem: String| MigrateError::Folder { path: path.to_owned(), problem };
    let below = folder.join(set);
    let folder = if below.is_dir() { below.as_path() } else { folder };
    let entries = std::fs::read_dir(folder).map_err(|error| problem(folder, error.to_string()))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| problem(folder, error.to_string()))?.path();
        if path.extension().is_none_or(|extension| extension != "sql") {
            continue;
        }
        let sql = std::fs::read_to_string(&path).map_err(|e| problem(&path, e.to_string()))?;
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        found.push(Migration { file, sql });
    }
    if found.is_empty() {
        return Err(problem(folder, "there is no .sql file in it".to_owned()));
    }
    found.sort_by(|a, b| a.file.cmp(&b.file));
    Ok(found)
}

fn parse(set: &str, migration: &Migration) -> Result<Script, MigrateError> {
    Script::parse(&migration.sql).map_err(|error| MigrateError::Script {
        set: set.to_owned(),
        file: migration.file.clone(),
        error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn migration(file: &str, sql: &str) -> Migration {
        Migration { file: file.to_owned(), sql: sql.to_owned() }
    }

    #[test]
    fn a_name_is_its_first_line_or_made_of_its_file() {
        assert_eq!(migration("002_some_words.sql", "select 1;\n").name(), "002 - Some Words");
        let named = migration("002_plc.sql", "-- 002 - PLC Equipment\nselect 1;\r\n");
        assert_eq!(named.name(), "002 - PLC Equipment");
        let unix = migration("002_plc.sql", "-- 002 - PLC Equipment\nselect 1;\n");
        assert_eq!(named.checksum(), unix.checksum());
    }

    #[test]
    fn every_file_of_the_tree_is_embedded_in_order() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
        // One that is there and not in the macro is an unknown set, or lacks the file.
        for entry in std::fs::read_dir(&root).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let (there, here) = (load(&name, Some(&root)).unwrap(), load(&name, None).unwrap());
            assert_eq!(there, here, "{name}");
        }
    }

    #[test]
    fn a_folder_is_taken_as_a_whole_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |folder: &Path| load("mine", Some(folder)).unwrap_err().to_string();
        assert!(refused(folder.path()).contains("no .sql file"));
        std::fs::write(folder.path().join("001_a.sql"), "select 1").unwrap();
        assert_eq!(load("mine", Some(folder.path())).unwrap().len(), 1);
        std::fs::write(folder.path().join("003_c.sql"), "select 1").unwrap();
        assert!(refused(folder.path()).contains("003_c.sql: a set is numbered"));
        std::fs::write(folder.path().join("002_b.sql"), "select 'a").unwrap();
        assert!(refused(folder.path()).contains("mine/002_b.sql: line 1: a string"));
        assert!(refused(&folder.path().join("none")).contains("none: "));
    }
}
