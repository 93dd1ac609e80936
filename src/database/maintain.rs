//! `maintain`: what has to be done again and again. Pays what loads owe, lets go of rows that are older than
//! they are kept where the edition has no job for it, refreshes materialized views, gathers statistics.
//!
//! One at a time. Each step stands for itself: one that fails is told, and the next one runs. A table that
//! is being loaded is left alone.

mod jobs;
pub mod retention;
mod views;

use std::path::Path;

use serde_json::json;
use tokio_postgres::Client;

use crate::config::policy::Policies;
use crate::database::edition::{self, Kind};
use crate::database::migrate::log;
use crate::database::{loading, policy};
use crate::observe::report::{Report, Table};
use crate::schema::TableName;
use crate::sink::{SinkError, debt, holder, ledger};

/// Why nothing was maintained.
#[derive(Debug, thiserror::Error)]
pub enum MaintainError {
    /// Another one is at work.
    #[error("another `maintain` is at work in this database (server process {pid}): let it finish")]
    Busy {
        /// The server process that holds the lock.
        pid: i32,
    },
    /// The server.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

impl From<tokio_postgres::Error> for MaintainError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Sink(error.into())
    }
}

/// How to go about it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// Only say what would be done.
    pub dry_run: bool,
    /// Retention may drop a history that was older than it when it was loaded.
    pub accept_loss: bool,
    /// Run jobs again that failed the last time.
    pub run_jobs: bool,
    /// Old rows go into Parquet files in this folder first, also where the edition has a job that drops them.
    pub archive: Option<&'a Path>,
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Done,
    /// There was nothing to do.
    Nothing,
    /// Would be done.
    Planned,
    /// Left, for a reason.
    Skipped,
    /// Went wrong.
    Failed,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// `debt`, `retention`, `rollup`, `job`, `statistics` …
    pub task: &'static str,
    /// What it was about.
    pub object: String,
    /// What became of it.
    pub outcome: Outcome,
    /// How much, or why not.
    pub detail: String,
}

/// All steps of a run, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Maintained {
    /// They.
    pub steps: Vec<Step>,
    /// Debts that are still owed.
    pub unpaid: usize,
}

impl Maintained {
    fn push(&mut self, task: &'static str, object: &str, outcome: Outcome, detail: String) {
        self.steps.push(Step { task, object: object.to_owned(), outcome, detail });
    }

    /// A step that the server may refuse.
    fn settle(
        &mut self,
        task: &'static str,
        object: &str,
        done: Result<(Outcome, String), SinkError>,
    ) {
        let (outcome, detail) = done.unwrap_or_else(|error| (Outcome::Failed, error.to_string()));
        self.push(task, object, outcome, detail);
    }

    /// Tells all of it. The outcome is `failed`, `unpaid` or `done`.
    pub fn tell(&self, report: &mut Report, sets: usize) {
        let count = |wanted| self.steps.iter().filter(|step| step.outcome == wanted).count();
        let failed = count(Outcome::Failed);
        report.outcome = match (failed, self.unpaid) {
            (0, 0) => "done",
            (0, _) => "unpaid",
            (_, _) => "failed",
        }
        .to_owned();
        report.fact("done", count(Outcome::Done));
        report.fact("skipped", count(Outcome::Skipped));
        report.fact("failed", failed);
        report.fact("unpaid", self.unpaid);
        report.tables.push(self.table());
        if sets == 0 {
            report.note("no set with policies is applied here: --set or --file names one");
        }
    }

    fn table(&self) -> Table {
        let mut table = Table::new("Maintenance", &["task", "object", "outcome", "detail"]);
        for Step { task, object, outcome, detail } in &self.steps {
            let outcome = match outcome {
                Outcome::Done => "done",
                Outcome::Nothing => "nothing to do",
                Outcome::Planned => "would do",
                Outcome::Skipped => "skipped",
                Outcome::Failed => "FAILED",
            };
            table.push(vec![json!(task), json!(object), json!(outcome), json!(detail)]);
        }
        table
    }
}

/// Whose policies count: those asked for, else those of every set that was applied here. One without a
/// name stands for the file.
pub async fn sets(
    client: &Client,
    asked: &[String],
    file: Option<&Path>,
) -> Result<Vec<Option<String>>, SinkError> {
    if file.is_some() {
        return Ok(vec![None]);
    }
    if !asked.is_empty() {
        return Ok(asked.iter().cloned().map(Some).collect());
    }
    if !log::exists(client).await? {
        return Ok(Vec::new());
    }
    let known: Vec<&str> = policy::SETS.iter().map(|(set, _)| *set).collect();
    let sql = "select distinct migration_set from public.migration_log \
               where status = 'applied' and migration_set = any($1) order by 1";
    let rows = client.query(sql, &[&known]).await?;
    Ok(rows.iter().map(|row| Some(row.get(0))).collect())
}

/// Does all there is to do.
pub async fn run(
    client: &mut Client,
    policies: &[Policies],
    options: Options<'_>,
) -> Result<Maintained, MaintainError> {
    lock(client).await?;
    let done = run_locked(client, policies, options).await;
    // The session would give it back a moment too late for whoever comes right after.
    let sql = "select pg_advisory_unlock(hashtextextended('millstream maintain', 0))";
    let unlocked = client.execute(sql, &[]).await;
    let done = done?;
    unlocked?;
    Ok(done)
}

async fn run_locked(
    client: &mut Client,
    policies: &[Policies],
    options: Options<'_>,
) -> Result<Maintained, SinkError> {
    client.batch_execute("set lock_timeout = '10s'").await?;
    let kind = edition::detect(client).await?.kind;
    let mut done = Maintained::default();
    pay_debts(client, options, &mut done).await?;
    for set in policies {
        if kind == Kind::Community {
            if options.archive.is_some() {
                for table in &set.tables {
                    retention::of(client, table, (kind, options), &mut done).await?;
                }
            }
            jobs::look(client, set, options, &mut done).await?;
        } else {
            let count = set.tables.iter().filter(|table| table.compress.is_some()).count();
            if count > 0 {
                let why = "needs TimescaleDB's Community edition".to_owned();
                done.push("compression", &format!("{count} tables"), Outcome::Skipped, why);
            }
            for table in &set.tables {
                retention::of(client, table, (kind, options), &mut done).await?;
            }
        }
        views::refresh(client, set, options, &mut done).await?;
        statistics(client, set, options, &mut done).await?;
    }
    Ok(done)
}

/// One at a time; the lock goes with the session.
async fn lock(client: &Client) -> Result<(), MaintainError> {
    let sql = "select pg_try_advisory_lock(hashtextextended('millstream maintain', 0))";
    if client.query_one(sql, &[]).await?.get(0) {
        return Ok(());
    }
    let pid = holder::of(client, "maintain").await?;
    Err(MaintainError::Busy { pid: pid.unwrap_or_default() })
}

async fn pay_debts(
    client: &Client,
    options: Options<'_>,
    done: &mut Maintained,
) -> Result<(), SinkError> {
    if !ledger::exists(client).await? {
        return Ok(());
    }
    for owed in debt::owed(client).await? {
        let object = format!("{} {} on {}", owed.kind, owed.object, owed.table);
        done.unpaid += 1;
        // A load under way pays its own. What would eat half of a history, or look at it as if it were whole,
        // waits for its end also while it lies stopped.
        let history = match owed.kind.as_str() {
            "recompress" | "refresh" => true,
            kind => kind == "policy" && owed.definition == "policy_retention",
        };
        let waits_for = match history {
            true => loading::unfinished(client, &owed.table).await?,
            false => loading::live(client, &owed.table).await?,
        };
        if let Some(pipeline) = waits_for {
            let why = format!("pipeline {pipeline} is not done: it pays itself");
            done.push("debt", &object, Outcome::Skipped, why);
        } else if options.dry_run {
            done.push("debt", &object, Outcome::Planned, String::new());
        } else {
            let paid = debt::pay(client, &owed).await;
            done.unpaid -= usize::from(paid.is_ok());
            done.settle("debt", &object, paid.map(|()| (Outcome::Done, "paid".to_owned())));
        }
    }
    Ok(())
}

async fn statistics(
    client: &Client,
    set: &Policies,
    options: Options<'_>,
    done: &mut Maintained,
) -> Result<(), SinkError> {
    for table in &set.tables {
        if options.dry_run || !exists(client, &table.name).await? {
            continue;
        }
        let object = table.name.to_string();
        let analyzed = client.batch_execute(&format!("analyze {}", table.name.quoted())).await;
        let analyzed = analyzed.map(|()| (Outcome::Done, "analyzed".to_owned()));
        done.settle("statistics", &object, analyzed.map_err(SinkError::from));
    }
    Ok(())
}

async fn exists(client: &Client, name: &TableName) -> Result<bool, SinkError> {
    let sql = "select to_regclass($1::text) is not null";
    Ok(client.query_one(sql, &[&name.quoted()]).await?.get(0))
}
