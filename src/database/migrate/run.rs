//! The runner: what is pending, in order, each file with its row of the log.

use std::time::{Duration, Instant};

use tokio_postgres::Client;

use super::explain::explain;
use super::journal::{Journal, Level};
use super::log::{self, Author, State, Status};
use super::script::{Script, Statement};
use super::{LANDMARKS, MigrateError, Migration, parse};
use crate::database::edition::{self, Capability, Edition};
use crate::failpoint;

/// What may be asked of a run.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// Written beside each attempt.
    pub environment: Option<&'a str>,
    /// Run what is applied once more.
    pub force: bool,
    /// How long to wait for another runner.
    pub wait: Duration,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self { environment: None, force: false, wait: Duration::from_secs(30) }
    }
}

/// One file or statement that was run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// `001 - Ledger`
    pub name: String,
    /// Milliseconds.
    pub ms: i64,
    /// Statements that this server could not run.
    pub skipped: usize,
}

/// Applies what is pending of a set, in order, and stops at the first failure.
///
/// Errors: [`MigrateError`]; whatever it is, the files before it are applied and the others untouched.
pub async fn up(
    client: &mut Client,
    (set, migrations): (&str, &[Migration]),
    options: Options<'_>,
    journal: &mut Journal,
) -> Result<Vec<Applied>, MigrateError> {
    lock(client, options.wait).await?;
    let applied = up_locked(client, (set, migrations), options, journal).await;
    // The lock goes with the session at the latest; an error here would hide the one that matters.
    let unlock = "select pg_advisory_unlock(hashtext('millstream.migrate'))";
    let unlocked = client.execute(unlock, &[]).await;
    let applied = applied?;
    unlocked?;
    Ok(applied)
}

/// How long a lock is waited for in any case.
const GRACE: Duration = Duration::from_millis(1_500);

/// Takes the runners' lock, polled for outside any transaction.
pub async fn lock(client: &Client, wait: Duration) -> Result<(), MigrateError> {
    let since = Instant::now();
    loop {
        let sql = "select pg_try_advisory_lock(hashtext('millstream.migrate'))";
        if client.query_one(sql, &[]).await?.get(0) {
            return Ok(());
        }
        // The session of a runner that has just ended may be on its way out.
        if since.elapsed() >= wait.max(GRACE) {
            return Err(MigrateError::Locked { seconds: wait.as_secs() });
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn up_locked(
    client: &mut Client,
    (set, migrations): (&str, &[Migration]),
    options: Options<'_>,
    journal: &mut Journal,
) -> Result<Vec<Applied>, MigrateError> {
    if let Some(kept) = log::prepare(client).await? {
        journal.write(Level::Warn, &format!("an older migration_log is kept as public.{kept}"));
    }
    let server = edition::detect(client).await?;
    let statuses = log::status(client, set, migrations).await?;
    // All of them are looked at before the first one runs.
    check(client, set, &statuses, options.force).await?;
    let author = Author { set, environment: options.environment };
    let mut done = Vec::new();
    for status in &statuses {
        let (migration, epilogue) = (&status.migration, None);
        let run = Run { client, author, server: &server, migration, epilogue, journal };
        let applied = match status.state {
            State::Applied if !options.force && status.skipped.is_empty() => continue,
            State::Applied if !options.force => run.catch_up(&status.skipped).await?,
            _ => Some(run.whole().await?),
        };
        done.extend(applied);
    }
    Ok(done)
}

/// Whether anything stands in the way of the first file.
pub async fn check(
    client: &Client,
    set: &str,
    statuses: &[Status],
    force: bool,
) -> Result<(), MigrateError> {
    let migrations: Vec<Migration> = statuses.iter().map(|s| s.migration.clone()).collect();
    if log::exists(client).await?
        && let Some(file) = log::unknown(client, set, &migrations).await?.into_iter().next()
    {
        return Err(MigrateError::Missing { set: set.to_owned(), file });
    }
    let applied = |status: &&Status| matches!(status.state, State::Applied | State::Changed);
    for (index, status) in statuses.iter().enumerate() {
        let (set, file) = (set.to_owned(), status.migration.file.clone());
        let later = statuses.iter().skip(index).find(applied);
        match (status.state, later) {
            (State::Changed, _) if !force => {
                let applied = status.checksum.clone().unwrap_or_default();
                let now = status.migration.checksum();
                return Err(MigrateError::Changed { set, file, applied, now });
            }
            (State::Dirty, _) => {
                let message = status.message.clone();
                let message = message.unwrap_or_else(|| "its runner died".to_owned());
                return Err(MigrateError::Dirty { set, file, message });
            }
            (State::Pending | State::Failed, Some(later)) => {
                let later = later.migration.file.clone();
                return Err(MigrateError::Order { set, file, later });
            }
            (State::Foreign, _) => {
                let table = format!("{} of an older tool's log", status.migration.name());
                return Err(MigrateError::Foreign { set, table });
            }
            _ => {}
        }
    }
    let fresh = statuses.iter().all(|s| matches!(s.state, State::Pending | State::Failed));
    let landmark = LANDMARKS.iter().find(|(name, _)| *name == set && fresh);
    if let Some((_, table)) = landmark {
        let sql = "select to_regclass($1) is not null";
        if client.query_one(sql, &[table]).await?.get(0) {
            let (set, table) = (set.to_owned(), (*table).to_owned());
            return Err(MigrateError::Foreign { set, table });
        }
    }
    Ok(())
}

/// Runs one file, whatever the log says of it; the caller holds the lock. The epilogue is SQL that belongs to
/// the file's transaction.
pub async fn one(
    client: &mut Client,
    (author, server): (Author<'_>, &Edition),
    (migration, epilogue): (&Migration, Option<&str>),
    journal: &mut Journal,
) -> Result<Applied, MigrateError> {
    Run { client, author, server, migration, epilogue, journal }.whole().await
}

/// One file on one server.
struct Run<'a> {
    client: &'a mut Client,
    author: Author<'a>,
    server: &'a Edition,
    migration: &'a Migration,
    epilogue: Option<&'a str>,
    journal: &'a mut Journal,
}

impl Run<'_> {
    async fn whole(self) -> Result<Applied, MigrateError> {
        let Self { client, author, server, migration, epilogue, journal } = self;
        let script = parse(author.set, migration)?;
        let name = migration.name();
        journal.write(Level::Info, &format!("Starting migration: {name}"));
        let since = Instant::now();
        let id = log::start(client, author, migration).await?;
        failpoint::hit("migration_started");
        let outcome = match script.in_transaction {
            true => {
                let how = (&script, server, epilogue);
                in_transaction(client, (author, migration), how, id).await
            }
            false => one_by_one(client, (author, migration), (&script, server), id).await,
        };
        let ms = milliseconds(since);
        if let Err(Stopped { line, error, at }) = outcome {
            let cause = explain(&error, line, at.as_deref());
            // Where the server is gone the row stays `running`, and says as much to the next runner.
            let noted = log::note(client, id, "failed", (ms, Some(&cause))).await;
            journal.keep(Level::Error, &format!("Migration failed: {name}: {cause}"));
            tracing::debug!(?noted, "attempt");
            let (set, file) = (author.set.to_owned(), migration.file.clone());
            return Err(MigrateError::Failed { set, file, cause });
        }
        journal.write(Level::Success, &format!("Migration completed: {name} ({ms} ms)"));
        let waiting: Vec<(&Statement, Capability)> = script.waiting(server.kind).collect();
        for capability in [Capability::Timescale, Capability::Compression] {
            let lines = waiting.iter().filter(|(_, asked)| *asked == capability);
            let lines: Vec<String> = lines.map(|(s, _)| s.line.to_string()).collect();
            if !lines.is_empty() {
                let (file, lines) = (&migration.file, lines.join(", "));
                let text = format!("Skipped {file}:{lines}, which {}", capability.asks_for());
                journal.write(Level::Warn, &text);
            }
        }
        let skipped = waiting.len();
        Ok(Applied { name, ms, skipped })
    }

    /// Statements left out on a lesser edition that this server can run by now.
    async fn catch_up(self, skipped: &[(usize, String)]) -> Result<Option<Applied>, MigrateError> {
        let Self { client, author, server, migration, journal, .. } = self;
        let script = parse(author.set, migration)?;
        let due = |statement: &&Statement| {
            skipped.iter().any(|(line, _)| *line == statement.line)
                && statement.condition.holds(server.kind)
        };
        let due: Vec<&Statement> = script.statements.iter().filter(due).collect();
        if due.is_empty() {
            return Ok(None);
        }
        let since = Instant::now();
        let done = match script.in_transaction {
            true => {
                let transaction = client.transaction().await?;
                transaction.batch_execute(SETTINGS).await?;
                let done = run_late(&transaction, (author, migration), &due).await;
                if done.is_ok() {
                    transaction.commit().await?;
                }
                done
            }
            false => run_late(client, (author, migration), &due).await,
        };
        if let Err(Stopped { line, error, at }) = done {
            let cause = explain(&error, line, at.as_deref());
            // The statement stays skipped; that it was tried stands beside it.
            let noted = ("skipped", cause.as_str());
            log::statement(client, author, (migration, line), noted).await?;
            let (set, file) = (author.set.to_owned(), migration.file.clone());
            return Err(MigrateError::Failed { set, file, cause });
        }
        let name = format!("{}, {} statements left out before", migration.name(), due.len());
        let ms = milliseconds(since);
        journal.write(Level::Success, &format!("Migration completed: {name} ({ms} ms)"));
        Ok(Some(Applied { name, ms, skipped: skipped.len() - due.len() }))
    }
}

/// Statements that were left out before, each with its row of the log.
async fn run_late(
    client: &impl tokio_postgres::GenericClient,
    (author, migration): (Author<'_>, &Migration),
    due: &[&Statement],
) -> Result<(), Stopped> {
    for Statement { line, sql, .. } in due {
        let done = client.batch_execute(sql).await;
        done.map_err(|error| Stopped { line: *line, at: Some(sql.clone()), error })?;
        let what = (migration, *line);
        log::statement(client, author, what, ("applied", "caught up")).await?;
    }
    Ok(())
}

/// A lock that is held for long must not hold everybody else behind the migration.
const SETTINGS: &str = "set local search_path = public; set local lock_timeout = '10s'";

/// Where a file stopped.
struct Stopped {
    line: usize,
    at: Option<String>,
    error: tokio_postgres::Error,
}

impl From<tokio_postgres::Error> for Stopped {
    fn from(error: tokio_postgres::Error) -> Self {
        Self { line: 1, at: None, error }
    }
}

/// The file, its skipped statements and its row of the log: all or nothing.
async fn in_transaction(
    client: &mut Client,
    (author, migration): (Author<'_>, &Migration),
    (script, server, epilogue): (&Script, &Edition, Option<&str>),
    id: i64,
) -> Result<(), Stopped> {
    let since = Instant::now();
    let transaction = client.transaction().await?;
    run_statements(&transaction, script, server).await?;
    if let Some(epilogue) = epilogue {
        transaction.batch_execute(epilogue).await?;
    }
    for (statement, capability) in script.waiting(server.kind) {
        let what = (migration, statement.line);
        log::statement(&transaction, author, what, ("skipped", capability.asks_for())).await?;
    }
    log::note(&transaction, id, "applied", (milliseconds(since), None)).await?;
    failpoint::hit("migration_commit");
    Ok(transaction.commit().await?)
}

async fn run_statements(
    transaction: &tokio_postgres::Transaction<'_>,
    script: &Script,
    server: &Edition,
) -> Result<(), Stopped> {
    transaction.batch_execute(SETTINGS).await?;
    for statement in script.statements.iter().filter(|s| s.condition.holds(server.kind)) {
        let Statement { line, sql, .. } = statement;
        let done = transaction.batch_execute(sql).await;
        done.map_err(|error| Stopped { line: *line, at: Some(sql.clone()), error })?;
        failpoint::hit("migration_statement");
    }
    Ok(())
}

/// Each statement by itself; how far it came is written down after each.
async fn one_by_one(
    client: &mut Client,
    (author, migration): (Author<'_>, &Migration),
    (script, server): (&Script, &Edition),
    id: i64,
) -> Result<(), Stopped> {
    let since = Instant::now();
    client.batch_execute("set search_path = public").await?;
    let count = script.statements.len();
    for (index, statement) in script.statements.iter().enumerate() {
        let Statement { line, sql, .. } = statement;
        if statement.condition.holds(server.kind) {
            let done = client.batch_execute(sql).await;
            done.map_err(|error| Stopped { line: *line, at: Some(sql.clone()), error })?;
            failpoint::hit("migration_statement");
        }
        let message = format!("its runner died after statement {} of {count}", index + 1);
        log::note(client, id, "running", (milliseconds(since), Some(&message))).await?;
    }
    for (statement, capability) in script.waiting(server.kind) {
        let what = (migration, statement.line);
        log::statement(client, author, what, ("skipped", capability.asks_for())).await?;
    }
    log::note(client, id, "applied", (milliseconds(since), None)).await?;
    client.batch_execute("set search_path = pg_catalog, public").await?;
    Ok(())
}

/// Runs files in a transaction that is rolled back: the server's own parser and catalog say whether they
/// would go through. Gives back the files that cannot be tried that way.
pub async fn rehearse(
    client: &mut Client,
    set: &str,
    migrations: &[Migration],
) -> Result<Vec<String>, MigrateError> {
    let server = edition::detect(client).await?;
    let mut untried = Vec::new();
    let transaction = client.transaction().await?;
    for migration in migrations {
        let script = parse(set, migration)?;
        if !script.in_transaction {
            untried.push(migration.file.clone());
            continue;
        }
        let ran = run_statements(&transaction, &script, &server).await;
        ran.map_err(|Stopped { line, at, error }| MigrateError::Failed {
            set: set.to_owned(),
            file: migration.file.clone(),
            cause: explain(&error, line, at.as_deref()),
        })?;
    }
    transaction.rollback().await?;
    Ok(untried)
}

fn milliseconds(since: Instant) -> i64 {
    i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX)
}
