//! Takes over a database that another tool made: compares it with a set, names every difference, and brings
//! it to the same end, its data kept.
//!
//! Every step looks at the catalog first and is one transaction, so a run that is killed is simply run
//! again. Tables become hypertables before the files run, each verified by a fingerprint inside its own
//! transaction: what does not read back as it was is rolled back. The files of a set that can be adopted
//! can be run on tables that are there (`docs/ms5.md`); they do the rest.

use std::time::Duration;

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::edition::{self, Capability};
use super::inventory::{self, Difference};
use super::migrate::journal::{Journal, Level};
use super::migrate::{MigrateError, Migration, log, run};
use crate::failpoint;
use crate::schema::TableName;
use crate::sink::SinkError;
use crate::sink::session::Server;

mod convert;
mod retention;
mod rows;

pub use convert::Converted;
pub use rows::{Kept, Rows};

/// What may be asked.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// Written beside each attempt.
    pub environment: Option<&'a str>,
    /// Only compare.
    pub dry_run: bool,
    /// How long to wait for another runner.
    pub wait: Duration,
    /// A bigger table is not converted in one transaction without being asked for it.
    pub rows_max: i64,
}

/// What was found and done.
#[derive(Debug, Default)]
pub struct Adopted {
    /// Differences from the set at the start.
    pub before: Vec<Difference>,
    /// Differences that remain; empty but for `extra` when all went well.
    pub after: Vec<Difference>,
    /// Tables that became hypertables.
    pub converted: Vec<Converted>,
    /// Tables whose retention is off, as it would drop rows that were there, and the age at which it drops.
    pub paused: Vec<(String, String)>,
    /// Rows of each table that was there: as many, and the same, as before.
    pub kept: Vec<Kept>,
}

/// Why a database was not adopted.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// The runner.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// Rows that a hypertable cannot hold.
    #[error(
        "{count} rows of {table} have no finite {column}, and a hypertable cannot hold them: give them one \
         (`update {table} set {column} = … where {column} is null or not isfinite({column})`), then adopt \
         again"
    )]
    NoTime {
        /// Table.
        table: String,
        /// Its time column.
        column: String,
        /// Rows.
        count: i64,
    },
    /// None of the set's tables is there.
    #[error(
        "there is nothing to adopt: no table of the set is here; `millstream migrate up --set {set}`"
    )]
    Nothing {
        /// The set.
        set: String,
    },
    /// A table that would be locked for long.
    #[error(
        "{table} has {rows} rows, more than {max}: converting them holds its lock to the end, needs as \
         much disk again, and starts over when it is cut short. Say --rows-max {rows} in a quiet hour, or \
         load a new database with a pipeline (`pipelines/ms5.toml`) beside the running one"
    )]
    TooBig {
        /// Table.
        table: String,
        /// Rows.
        rows: i64,
        /// The limit.
        max: i64,
    },
    /// A table that did not read back as it was; its transaction was rolled back.
    #[error("{table} does not read back as it was ({before}, then {after}); it was left as it was")]
    Fingerprint {
        /// Table.
        table: String,
        /// Rows and sum.
        before: Rows,
        /// Rows and sum.
        after: Rows,
    },
    /// A view that must be made anew and that others stand on.
    #[error("{view} has to be made anew, and {dependents}: save and drop those, then adopt again")]
    Dependents {
        /// The view.
        view: String,
        /// Who stands on it, in the server's words.
        dependents: String,
    },
}

impl From<tokio_postgres::Error> for AdoptError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Migrate(error.into())
    }
}

impl From<SinkError> for AdoptError {
    fn from(error: SinkError) -> Self {
        Self::Migrate(error.into())
    }
}

/// Adopts the database of `server`; `client` is a session of it.
pub async fn adopt(
    (server, client): (&Server, &mut Client),
    (set, migrations): (&str, &[Migration]),
    options: Options<'_>,
    journal: &mut Journal,
) -> Result<Adopted, AdoptError> {
    run::lock(client, options.wait).await?;
    let reference = inventory::of_set(server, client, (set, migrations)).await?;
    let there = inventory::read(client, &reference.schemas()).await?;
    let is_table =
        |object: &inventory::Object| object.0 == "table" && reference.objects.contains_key(object);
    if !there.objects.keys().any(is_table) {
        return Err(AdoptError::Nothing { set: set.to_owned() });
    }
    let mut adopted = Adopted { before: reference.differences(&there), ..Adopted::default() };
    let plans = convert::plans(client, &reference, &there, options.rows_max).await?;
    if options.dry_run {
        return Ok(adopted);
    }
    if let Some(kept) = log::prepare(client).await? {
        journal.write(Level::Warn, &format!("the older migration_log is kept as public.{kept}"));
    }
    let before = rows::of_tables(client, &there).await?;
    // What may be refused is, before a row moves; the views go only after that, which may take long.
    clear_the_way(client, &adopted.before, false).await?;
    for plan in &plans {
        let converted = convert::convert(client, plan).await?;
        let Converted { table, rows, ms } = &converted;
        let text = format!("Hypertable made: {table}, {rows}, read back the same ({ms} ms)");
        journal.write(Level::Success, &text);
        adopted.converted.push(converted);
        failpoint::hit("adopt_converted");
    }
    for dropped in clear_the_way(client, &adopted.before, true).await? {
        journal.keep(Level::Info, &format!("Dropped, to be made anew: {dropped}"));
    }
    let how = (options.environment, retention::pause(&reference));
    run_files(client, (set, migrations), how, journal).await?;
    let there = inventory::read(client, &reference.schemas()).await?;
    add_missing(client, &reference.differences(&there), journal).await?;
    adopted.paused = retention::paused(client, &reference).await?;
    adopted.kept = rows::compare(client, before).await?;
    let now = inventory::read(client, &reference.schemas()).await?;
    adopted.after = reference.differences(&now);
    Ok(adopted)
}

/// The files, those of a former run that was cut short included: each can be run again.
async fn run_files(
    client: &mut Client,
    (set, migrations): (&str, &[Migration]),
    (environment, pause): (Option<&str>, String),
    journal: &mut Journal,
) -> Result<(), MigrateError> {
    let server = edition::detect(client).await?;
    let epilogue = server.kind.has(Capability::Compression).then_some(pause.as_str());
    let author = log::Author { set, environment };
    for migration in migrations {
        run::one(client, (author, &server), (migration, epilogue), journal).await?;
    }
    Ok(())
}

/// Constraints and indexes that `create table if not exists` passes by. One that rows of the past break is
/// left out, and said.
async fn add_missing(
    client: &Client,
    differences: &[Difference],
    journal: &mut Journal,
) -> Result<(), AdoptError> {
    for Difference { object: (kind, object), there, .. } in differences {
        let Some((table, definition)) = object.split_once(' ').filter(|_| there.is_none()) else {
            continue;
        };
        let Some(table) = TableName::parse(table) else { continue };
        let sql = match (kind.as_str(), definition.strip_prefix("UNIQUE ")) {
            ("constraint", _) => format!("alter table {} add {definition}", table.quoted()),
            ("index", Some(rest)) if rest.starts_with("USING") => {
                format!("create unique index on {} {rest}", table.quoted())
            }
            ("index", _) => format!("create index on {} {definition}", table.quoted()),
            _ => continue,
        };
        match client.batch_execute(&sql).await {
            Ok(()) => journal.write(Level::Success, &format!("Added to {table}: {definition}")),
            Err(error) if error.as_db_error().is_some() => {
                let why = crate::fault::chain(&error);
                journal.write(Level::Warn, &format!("{table} lacks {definition}: {why}"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Drops what the files make anew and could not replace: views with other columns, functions with other
/// results, and overloads that would make a call ambiguous.
/// Without `for_good` it only finds out whether it can. Gives back what was dropped, with its text.
async fn clear_the_way(
    client: &mut Client,
    differences: &[Difference],
    for_good: bool,
) -> Result<Vec<String>, AdoptError> {
    let mut dropped = Vec::new();
    let transaction = client.transaction().await?;
    let mut views: Vec<(&str, &str)> = Vec::new();
    let mut functions: Vec<String> = Vec::new();
    let name = |text: &str| text.split('(').next().unwrap_or_default().to_owned();
    for Difference { object: (kind, object), there, set } in differences {
        match (kind.as_str(), there, set) {
            ("view" | "materialized view", Some(_), Some(_)) => views.push((kind, object)),
            ("function", Some(_), Some(_)) => functions.push(object.clone()),
            ("function", Some(_), None) => {
                let made = |d: &Difference| d.set.is_some() && name(&d.object.1) == name(object);
                functions.extend(differences.iter().any(made).then(|| object.clone()));
            }
            _ => {}
        }
    }
    // Views stand on views: what cannot be dropped yet is tried again after the others.
    while !views.is_empty() {
        let mut stuck = Vec::new();
        let mut why = String::new();
        for (kind, view) in &views {
            let Some(quoted) = TableName::parse(view).map(|view| view.quoted()) else { continue };
            match try_drop(&transaction, &format!("{kind} {quoted}")).await? {
                None => dropped.push(format!("{kind} {view}")),
                Some(obstacle) => {
                    stuck.push((*kind, *view));
                    why = obstacle;
                }
            }
        }
        if stuck.len() == views.len() {
            let view = stuck.first().map(|(_, view)| (*view).to_owned()).unwrap_or_default();
            return Err(AdoptError::Dependents { view, dependents: why });
        }
        views = stuck;
    }
    for function in functions {
        let (path, arguments) = function.split_once('(').unwrap_or((&function, ")"));
        let Some(quoted) = TableName::parse(path).map(|path| path.quoted()) else { continue };
        let name = format!("{quoted}({arguments}");
        let sql = "select pg_get_functiondef(p.oid) from pg_proc p join pg_namespace n \
                   on n.oid = p.pronamespace where n.nspname || '.' || p.proname || '(' || \
                   pg_get_function_identity_arguments(p.oid) || ')' = $1";
        let text = transaction.query_opt(sql, &[&function]).await?.map(|row| row.get(0));
        // One that a trigger stands on stays: `create or replace` changes its body.
        if try_drop(&transaction, &format!("function {name}")).await?.is_none() {
            dropped.push(text.unwrap_or(name));
        }
    }
    match for_good {
        true => transaction.commit().await?,
        false => transaction.rollback().await?,
    }
    Ok(dropped)
}

/// Drops it unless something stands on it; says what then.
async fn try_drop(
    transaction: &tokio_postgres::Transaction<'_>,
    what: &str,
) -> Result<Option<String>, tokio_postgres::Error> {
    transaction.batch_execute("savepoint one").await?;
    let Err(error) = transaction.batch_execute(&format!("drop {what} restrict")).await else {
        transaction.batch_execute("release one").await?;
        return Ok(None);
    };
    transaction.batch_execute("rollback to one").await?;
    match error.as_db_error() {
        Some(server) if server.code() == &SqlState::DEPENDENT_OBJECTS_STILL_EXIST => {
            Ok(Some(server.detail().unwrap_or_default().replace('\n', ", ")))
        }
        _ => Err(error),
    }
}
