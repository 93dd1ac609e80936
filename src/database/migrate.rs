//! Migrations: numbered SQL files embedded in the binary, applied in order, each in one transaction.
//!
//! Every attempt is a row of `public.migration_log`. Runners exclude each other by an advisory lock that
//! is polled for outside any transaction. A file that changed after it was applied stops the runner.

use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use tokio_postgres::Client;

use crate::fault;
use crate::sink::SinkError;

/// A migration file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migration {
    /// File name, such as `001_ledger.sql`.
    pub file: &'static str,
    /// Its text.
    pub sql: &'static str,
}

impl Migration {
    /// `001 - Ledger`
    pub fn name(&self) -> String {
        let stem = self.file.trim_end_matches(".sql");
        let (number, words) = stem.split_once('_').unwrap_or((stem, ""));
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
        /// The sets by name, each in order.
        pub const SETS: &[(&str, &[Migration])] = &[$((
            $set,
            &[$(Migration {
                file: $file,
                sql: include_str!(concat!("../../migrations/", $set, "/", $file)),
            }),*],
        )),*];
    };
}

migrations! {
    "millstream": ["001_ledger.sql"],
    "orders": ["001_tables.sql", "002_indexes.sql", "003_foreign_keys.sql", "004_sast.sql"],
}

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

/// What is known of one migration.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// The file.
    pub migration: Migration,
    /// `applied`, `pending`, `failed` or `changed`.
    pub state: &'static str,
    /// When, as the server writes it.
    pub applied_at: Option<String>,
    /// How long it took.
    pub execution_time_ms: Option<i64>,
}

const LOG: &str = "create table if not exists public.migration_log ( \
    id bigint generated always as identity primary key, \
    migration_set text not null, \
    migration_name varchar(255) not null, \
    migration_file text not null, \
    checksum varchar(64) not null, \
    status text not null check (status in ('running', 'applied', 'skipped', 'failed', 'reverted')), \
    applied_at timestamptz not null default now(), \
    applied_by text not null default current_user, \
    execution_time_ms bigint, \
    environment text, \
    error_message text)";

/// How long a runner waits for another one.
const LOCK_WAIT: Duration = Duration::from_secs(30);

/// A set by name.
pub fn set(name: &str) -> Result<&'static [Migration], MigrateError> {
    let found = SETS.iter().find(|(set, _)| *set == name).map(|(_, migrations)| *migrations);
    found.ok_or_else(|| {
        let known: Vec<&str> = SETS.iter().map(|(set, _)| *set).collect();
        MigrateError::UnknownSet { name: name.to_owned(), known: known.join(", ") }
    })
}

/// Applies what is pending of a set; gives back what was applied.
pub async fn up(client: &mut Client, name: &str) -> Result<Vec<Status>, MigrateError> {
    let migrations = set(name)?;
    lock(client).await?;
    let applied = up_locked(client, name, migrations).await;
    client.execute("select pg_advisory_unlock(hashtext('millstream.migrate'))", &[]).await?;
    applied
}

/// Notes that a set is no longer there: somebody dropped its schema by hand.
pub async fn forget(client: &Client, name: &str) -> Result<(), MigrateError> {
    let sql = "select to_regclass('public.migration_log') is not null";
    if client.query_one(sql, &[]).await?.get(0) {
        let sql = "update public.migration_log set status = 'reverted' \
                   where migration_set = $1 and status = 'applied'";
        client.execute(sql, &[&name]).await?;
    }
    Ok(())
}

async fn lock(client: &Client) -> Result<(), MigrateError> {
    let since = Instant::now();
    loop {
        let sql = "select pg_try_advisory_lock(hashtext('millstream.migrate'))";
        if client.query_one(sql, &[]).await?.get(0) {
            return Ok(());
        }
        if since.elapsed() > LOCK_WAIT {
            return Err(MigrateError::Locked { seconds: LOCK_WAIT.as_secs() });
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn up_locked(
    client: &mut Client,
    name: &str,
    migrations: &'static [Migration],
) -> Result<Vec<Status>, MigrateError> {
    client.batch_execute(LOG).await?;
    // All of them are looked at before the first one runs.
    let statuses = status(client, name).await?;
    if let Some(status) = statuses.iter().find(|status| status.state == "changed") {
        let applied = last_checksum(client, name, status.migration).await?;
        return Err(MigrateError::Changed {
            set: name.to_owned(),
            file: status.migration.file.to_owned(),
            applied: applied.unwrap_or_default(),
            now: status.migration.checksum(),
        });
    }
    let mut done = Vec::new();
    for migration in migrations {
        let state = statuses.iter().find(|status| status.migration == *migration);
        if state.is_some_and(|status| status.state == "applied") {
            continue;
        }
        let since = Instant::now();
        let outcome = apply(client, name, migration).await;
        let ms = i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX);
        if let Err(error) = outcome {
            let cause = explain(&error, migration.sql);
            log(client, (name, migration), "failed", (ms, Some(&cause))).await?;
            let (set, file) = (name.to_owned(), migration.file.to_owned());
            return Err(MigrateError::Failed { set, file, cause });
        }
        done.push(Status {
            migration: *migration,
            state: "applied",
            applied_at: None,
            execution_time_ms: Some(ms),
        });
    }
    Ok(done)
}

/// The file and its row of the log, in one transaction.
async fn apply(
    client: &mut Client,
    set: &str,
    migration: &Migration,
) -> Result<(), tokio_postgres::Error> {
    let since = Instant::now();
    let transaction = client.transaction().await?;
    transaction
        .batch_execute("set local search_path = public; set local lock_timeout = '10s'")
        .await?;
    transaction.batch_execute(migration.sql).await?;
    let ms = i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX);
    transaction
        .execute(
            "insert into public.migration_log (migration_set, migration_name, migration_file, \
             checksum, status, execution_time_ms) values ($1, $2, $3, $4, 'applied', $5)",
            &[&set, &migration.name(), &migration.file, &migration.checksum(), &ms],
        )
        .await?;
    transaction.commit().await
}

async fn log(
    client: &Client,
    (set, migration): (&str, &Migration),
    status: &str,
    (ms, message): (i64, Option<&str>),
) -> Result<(), MigrateError> {
    let sql = "insert into public.migration_log (migration_set, migration_name, migration_file, \
               checksum, status, execution_time_ms, error_message) \
               values ($1, $2, $3, $4, $5, $6, $7)";
    let (name, checksum) = (migration.name(), migration.checksum());
    client.execute(sql, &[&set, &name, &migration.file, &checksum, &status, &ms, &message]).await?;
    Ok(())
}

/// What the log says of each migration of a set.
pub async fn status(client: &Client, name: &str) -> Result<Vec<Status>, MigrateError> {
    let migrations = set(name)?;
    let sql = "select to_regclass('public.migration_log') is not null";
    let exists: bool = client.query_one(sql, &[]).await?.get(0);
    let mut statuses = Vec::new();
    for migration in migrations {
        let mut found = Status {
            migration: *migration,
            state: "pending",
            applied_at: None,
            execution_time_ms: None,
        };
        if exists {
            let sql = "select status, checksum, applied_at::text, execution_time_ms \
                       from public.migration_log where migration_set = $1 \
                       and migration_file = $2 order by id desc limit 1";
            if let Some(row) = client.query_opt(sql, &[&name, &migration.file]).await? {
                let (state, checksum): (String, String) = (row.get(0), row.get(1));
                found.state = match state.as_str() {
                    "applied" if checksum == migration.checksum() => "applied",
                    "applied" => "changed",
                    "failed" => "failed",
                    _ => "pending",
                };
                found.applied_at = row.get(2);
                found.execution_time_ms = row.get(3);
            }
        }
        statuses.push(found);
    }
    Ok(statuses)
}

async fn last_checksum(
    client: &Client,
    set: &str,
    migration: Migration,
) -> Result<Option<String>, MigrateError> {
    let sql = "select checksum from public.migration_log where migration_set = $1 \
               and migration_file = $2 and status = 'applied' order by id desc limit 1";
    let row = client.query_opt(sql, &[&set, &migration.file]).await?;
    Ok(row.map(|row| row.get(0)))
}

/// The server's message with the line of the file that it is about.
fn explain(error: &tokio_postgres::Error, sql: &str) -> String {
    use tokio_postgres::error::ErrorPosition;
    let Some(server) = error.as_db_error() else { return fault::chain(error) };
    let line = match server.position() {
        Some(ErrorPosition::Original(at)) => {
            let at = usize::try_from(*at).unwrap_or(usize::MAX);
            let before = sql.chars().take(at).filter(|letter| *letter == '\n').count();
            format!("line {}: ", before + 1)
        }
        _ => String::new(),
    };
    let remedy = fault::remedy(server.code().code());
    let dash = if remedy.is_empty() { "" } else { "; " };
    format!("{line}{} ({}){dash}{remedy}", server.message(), server.code().code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_of_its_file() {
        let migration = Migration { file: "002_plc_equipment.sql", sql: "select 1;\r\n" };
        assert_eq!(migration.name(), "002 - Plc Equipment");
        let unix = Migration { sql: "select 1;\n", ..migration };
        assert_eq!(migration.checksum(), unix.checksum());
    }

    #[test]
    fn sets_are_in_order() {
        for (set, migrations) in SETS {
            assert!(migrations.is_sorted_by_key(|migration| migration.file), "{set}");
        }
    }
}
