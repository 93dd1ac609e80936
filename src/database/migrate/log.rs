//! `public.migration_log`: every attempt is a row, and the newest row of a file says how it stands.
//!
//! A statement that a lesser edition left out has a row of its own, under `file:line`.

use tokio_postgres::Client;

use super::{MigrateError, Migration};
use crate::sink::SinkError;

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

/// Where a migration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not applied.
    Pending,
    /// Applied, and the file is what it was.
    Applied,
    /// Applied, and the file is another one now.
    Changed,
    /// The last attempt failed and left nothing.
    Failed,
    /// The last attempt ended in the middle, outside a transaction.
    Dirty,
    /// Applied by another tool, from files of its own.
    Foreign,
}

impl State {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Applied => "applied",
            Self::Changed => "changed",
            Self::Failed => "failed",
            Self::Dirty => "dirty",
            Self::Foreign => "foreign",
        }
    }
}

/// What the log says of one migration.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// The file.
    pub migration: Migration,
    /// Where it stands.
    pub state: State,
    /// Time of the last attempt, as the server writes it.
    pub at: Option<String>,
    /// How long that took.
    pub execution_time_ms: Option<i64>,
    /// Checksum of that attempt's file.
    pub checksum: Option<String>,
    /// Why it ended as it did.
    pub message: Option<String>,
    /// Lines of statements that this server could not run, and why.
    pub skipped: Vec<(usize, String)>,
}

/// What a runner writes beside each attempt.
#[derive(Clone, Copy, Debug)]
pub struct Author<'a> {
    /// The set.
    pub set: &'a str,
    /// `--environment`.
    pub environment: Option<&'a str>,
}

/// Makes the log, or takes over one of the three older shapes. Gives back the name that an older one got.
pub async fn prepare(client: &mut Client) -> Result<Option<String>, MigrateError> {
    let sql = "select exists (select from pg_class where oid = to_regclass('public.migration_log')), \
               exists (select from pg_attribute where attrelid = to_regclass('public.migration_log') \
               and attname = 'migration_set')";
    let row = client.query_one(sql, &[]).await?;
    let (exists, ours): (bool, bool) = (row.get(0), row.get(1));
    if !exists || ours {
        client.batch_execute(LOG).await?;
        return Ok(None);
    }
    take_over(client).await.map(Some)
}

/// The older log stays under another name, and its successes are rows of the new one, marked as foreign by
/// a checksum that no file has.
async fn take_over(client: &mut Client) -> Result<String, MigrateError> {
    let transaction = client.transaction().await?;
    let sql =
        "select to_char(now() at time zone 'UTC', '\"migration_log_until_\"YYYYMMDD_HH24MISS')";
    let kept: String = transaction.query_one(sql, &[]).await?.get(0);
    let sql = "select coalesce(array_agg(attname::text), '{}') from pg_attribute \
               where attrelid = 'public.migration_log'::regclass and attnum > 0 and not attisdropped";
    let columns: Vec<String> = transaction.query_one(sql, &[]).await?.get(0);
    let has = |name: &str| columns.iter().any(|column| column == name);
    let or = |name: &str, other: &'static str| -> String {
        if has(name) { name.to_owned() } else { other.to_owned() }
    };
    let succeeded = match (has("success"), has("status")) {
        (true, _) => "success",
        (false, true) => "status in ('completed', 'applied', 'success')",
        (false, false) => "true",
    };
    transaction
        .batch_execute(&format!("alter table public.migration_log rename to {kept}; {LOG}"))
        .await?;
    // One shape has times without a zone. They are read as UTC; the old table keeps them as they were.
    let sql = format!(
        "insert into public.migration_log (migration_set, migration_name, migration_file, checksum, \
         status, applied_at, applied_by, execution_time_ms, error_message) \
         select 'ms5', migration_name, {}, 'foreign', 'applied', {}::timestamptz, {}, {}, \
         'taken over from public.{kept}' from public.{kept} where {succeeded} order by id",
        or("migration_file", "migration_name"),
        or("applied_at", "now()"),
        or("applied_by", "current_user"),
        or("execution_time_ms", "null"),
    );
    transaction.batch_execute(&sql).await?;
    transaction.commit().await?;
    Ok(kept)
}

/// Whether there is a log in its present shape.
pub async fn exists(client: &Client) -> Result<bool, SinkError> {
    let sql = "select exists (select from pg_attribute where attrelid = \
               to_regclass('public.migration_log') and attname = 'migration_set')";
    Ok(client.query_one(sql, &[]).await?.get(0))
}

/// What the log says of each file of a set.
pub async fn status(
    client: &Client,
    set: &str,
    migrations: &[Migration],
) -> Result<Vec<Status>, MigrateError> {
    let logged = exists(client).await?;
    let mut statuses = Vec::new();
    for migration in migrations {
        let mut found = Status {
            migration: migration.clone(),
            state: State::Pending,
            at: None,
            execution_time_ms: None,
            checksum: None,
            message: None,
            skipped: Vec::new(),
        };
        if logged {
            read(client, set, &mut found).await?;
        }
        statuses.push(found);
    }
    Ok(statuses)
}

async fn read(client: &Client, set: &str, found: &mut Status) -> Result<(), MigrateError> {
    let in_transaction = super::parse(set, &found.migration)?.in_transaction;
    // In a transaction an attempt that failed changes nothing: what was applied before still is.
    let sql = "select status, checksum, applied_at::text, execution_time_ms, error_message \
               from public.migration_log where migration_set = $1 \
               and (migration_file = $2 or checksum = 'foreign' and migration_name = $3) \
               order by $4 and status in ('failed', 'running') and exists ( \
                 select from public.migration_log a where a.migration_set = $1 \
                 and a.migration_file = $2 and a.status = 'applied' and a.id > coalesce(( \
                   select max(id) from public.migration_log r where r.migration_set = $1 \
                   and r.migration_file = $2 and r.status = 'reverted'), 0)), id desc limit 1";
    let (file, name) = (&found.migration.file, found.migration.name());
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
        [&set, file, &name, &in_transaction];
    let Some(row) = client.query_opt(sql, &parameters).await? else { return Ok(()) };
    let (status, checksum): (String, String) = (row.get(0), row.get(1));
    found.state = match status.as_str() {
        "applied" if checksum == "foreign" => State::Foreign,
        "applied" if checksum == found.migration.checksum() => State::Applied,
        "applied" => State::Changed,
        "failed" | "running" if !in_transaction => State::Dirty,
        // A runner that died: its transaction went with it.
        "failed" | "running" => State::Failed,
        _ => State::Pending,
    };
    found.checksum = Some(checksum);
    (found.at, found.execution_time_ms, found.message) = (row.get(2), row.get(3), row.get(4));
    let sql = "select distinct on (migration_file) migration_file, status, error_message \
               from public.migration_log where migration_set = $1 \
               and starts_with(migration_file, $2 || ':') and id >= coalesce((select max(id) \
                 from public.migration_log where migration_set = $1 and migration_file = $2 \
                 and status = 'applied'), 0) \
               order by migration_file, id desc";
    for row in client.query(sql, &[&set, &found.migration.file]).await? {
        let (file, status): (String, String) = (row.get(0), row.get(1));
        let line = file.rsplit(':').next().and_then(|line| line.parse().ok());
        if let (Some(line), "skipped") = (line, status.as_str()) {
            found.skipped.push((line, row.get::<_, Option<String>>(2).unwrap_or_default()));
        }
    }
    found.skipped.sort();
    Ok(())
}

/// Sets that were applied, in whole or in part.
pub async fn sets(client: &Client) -> Result<Vec<String>, MigrateError> {
    if !exists(client).await? {
        return Ok(Vec::new());
    }
    let sql = "select distinct migration_set from public.migration_log \
               where status = 'applied' and checksum <> 'foreign' order by 1";
    Ok(client.query(sql, &[]).await?.iter().map(|row| row.get(0)).collect())
}

/// Files that were applied and that the set has not.
pub async fn unknown(
    client: &Client,
    set: &str,
    migrations: &[Migration],
) -> Result<Vec<String>, MigrateError> {
    let known: Vec<&str> = migrations.iter().map(|migration| migration.file.as_str()).collect();
    let sql = "select distinct migration_file from public.migration_log l where migration_set = $1 \
               and status = 'applied' and checksum <> 'foreign' and migration_file !~ ':[0-9]+$' \
               and migration_file <> all($2) and not exists (select from public.migration_log n \
                 where n.migration_set = $1 and n.migration_file = l.migration_file \
                 and n.id > l.id and n.status = 'reverted') order by 1";
    let rows = client.query(sql, &[&set, &known]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Writes the start of an attempt; gives back its id.
pub async fn start(
    client: &Client,
    author: Author<'_>,
    migration: &Migration,
) -> Result<i64, MigrateError> {
    let sql = "insert into public.migration_log (migration_set, migration_name, migration_file, \
               checksum, status, environment) values ($1, $2, $3, $4, 'running', $5) returning id";
    let (name, checksum) = (migration.name(), migration.checksum());
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
        [&author.set, &name, &migration.file, &checksum, &author.environment];
    Ok(client.query_one(sql, &parameters).await?.get(0))
}

/// Writes how an attempt goes or went.
pub async fn note(
    client: &impl tokio_postgres::GenericClient,
    id: i64,
    status: &str,
    (ms, message): (i64, Option<&str>),
) -> Result<(), tokio_postgres::Error> {
    let sql = "update public.migration_log set status = $2, execution_time_ms = $3, \
               error_message = $4 where id = $1";
    client.execute(sql, &[&id, &status, &ms, &message]).await?;
    Ok(())
}

/// Writes what became of a single statement: `skipped`, or `applied` once the server could.
pub async fn statement(
    client: &impl tokio_postgres::GenericClient,
    author: Author<'_>,
    (migration, line): (&Migration, usize),
    (status, message): (&str, &str),
) -> Result<(), tokio_postgres::Error> {
    let sql = "insert into public.migration_log (migration_set, migration_name, migration_file, \
               checksum, status, environment, error_message) values ($1, $2, $3, $4, $5, $6, $7)";
    let (name, checksum) = (migration.name(), migration.checksum());
    let file = format!("{}:{line}", migration.file);
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 7] =
        [&author.set, &name, &file, &checksum, &status, &author.environment, &message];
    client.execute(sql, &parameters).await?;
    Ok(())
}

/// Notes that a set is no longer there: somebody dropped its schema by hand.
pub async fn forget(client: &Client, set: &str) -> Result<(), MigrateError> {
    if exists(client).await? {
        let sql = "update public.migration_log set status = 'reverted' \
                   where migration_set = $1 and status in ('applied', 'skipped')";
        client.execute(sql, &[&set]).await?;
    }
    Ok(())
}

/// Writes down what a person found out about a dirty file.
pub async fn resolve(
    client: &Client,
    author: Author<'_>,
    migration: &Migration,
    applied: bool,
) -> Result<(), MigrateError> {
    let status = if applied { "applied" } else { "reverted" };
    let id = start(client, author, migration).await?;
    note(client, id, status, (0, Some("as a person said by `migrate resolve`"))).await?;
    Ok(())
}
