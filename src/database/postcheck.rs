//! Checks after a migration, and any day after: the log, the schema against the set, hypertables and their
//! policies, a row in and out, integrity, health; and, when asked, speed and storage.
//!
//! Live tables are read, and written only in a transaction that is rolled back. What is measured by writing
//! is measured in a schema of its own, `millstream_postcheck`, dropped at the end; what a killed run leaves,
//! the next one removes: it holds the lock of the migration runners, so there is one at a time.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio_postgres::Client;

pub(super) use integrity::orphans;

use super::edition::{self, Edition};
use super::finding::{Findings, Verdict};
use super::inventory::Inventory;
use super::migrate::{MigrateError, Migration, Script, run as runner};
use crate::observe::report::{Report, Table, grouped};
use crate::sink::SinkError;
use crate::sink::session::Server;

pub mod heads;
mod health;
mod hypertables;
mod integrity;
mod journal;
pub mod panels;
mod performance;
mod policies;
mod probe;
mod role;
pub mod sample;
mod schema;

/// What may be asked of a run.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Sets to hold the database against; those that the log names when empty.
    pub sets: Vec<String>,
    /// Folder with the files of the sets; embedded ones when none.
    pub dir: Option<PathBuf>,
    /// Role and password of the application.
    pub role: Option<(String, Option<String>)>,
    /// Measure, too.
    pub performance: bool,
    /// Look for rows that contradict each other.
    pub integrity: bool,
}

/// Why nothing was checked.
#[derive(Debug, thiserror::Error)]
pub enum PostcheckError {
    /// The files of a set.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// The server.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// Nothing says what should be there.
    #[error(
        "{database} has no migration log: say which set it should hold, as in `postcheck --set ms5`, or \
         apply one with `millstream migrate up --set ms5`"
    )]
    NoSet {
        /// The database.
        database: String,
    },
}

impl From<tokio_postgres::Error> for PostcheckError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Sink(error.into())
    }
}

/// A set, and what of it the database should have.
struct Set {
    name: String,
    migrations: Vec<Migration>,
    scripts: Vec<Script>,
    /// Everything it makes on this edition.
    expected: Inventory,
}

impl Set {
    /// `schema.name` of its tables.
    fn tables(&self) -> Vec<&str> {
        self.expected.of_kind("table").map(|(name, _)| name).collect()
    }
}

/// One database under examination.
struct Check<'a> {
    client: &'a mut Client,
    server: &'a Server,
    edition: Edition,
    found: Findings,
    tables: Vec<Table>,
    plots: Vec<crate::observe::report::Plot>,
}

const LOCK_WAIT: Duration = Duration::from_secs(60);

/// Checks a database. The report's outcome is `failed` when a check failed, else `done`.
///
/// Errors: no connection, no such set, or nothing says which set is meant.
pub async fn run(server: &Server, request: &Request) -> Result<Report, PostcheckError> {
    let since = Instant::now();
    let mut session = server.connect("millstream postcheck").await.map_err(SinkError::from)?;
    let connected = since.elapsed();
    let edition = edition::detect(&session.client).await?;
    let mut found = Findings::default();
    found.pass("server", "connection", edition.to_string());
    let mut sets = journal::sets(&session.client, request, &mut found).await?;
    if sets.is_empty() && found.count(Verdict::Fail) == 0 {
        return Err(PostcheckError::NoSet { database: server.describe() });
    }
    // The names of what is made aside are fixed, so that leftovers are found again: one run at a time, and no
    // migration meanwhile, which would change what is looked at. The lock goes with the session.
    runner::lock(&session.client, LOCK_WAIT).await?;
    let client = &mut session.client;
    let (tables, plots) = (Vec::new(), Vec::new());
    let mut check = Check { client, server, edition, found, tables, plots };
    for set in &mut sets {
        journal::check(&mut check, set).await?;
        schema::check(&mut check, set).await?;
        let set = &*set;
        let hypertables = hypertables::check(&mut check, set).await?;
        policies::check(&mut check, set).await?;
        probe::check(&mut check, set, &hypertables).await?;
        if request.integrity {
            integrity::check(&mut check, set).await?;
        }
    }
    if !request.integrity {
        check.found.skip("integrity", "rows", "as asked (--no-data-integrity)");
    }
    health::check(&mut check).await?;
    if let Some((role, password)) = &request.role {
        role::check(&mut check, &sets, (role, password.as_deref())).await?;
    }
    if request.performance {
        performance::check(&mut check, &sets, connected).await?;
    }
    Ok(report(server, &sets, check))
}

fn report(server: &Server, sets: &[Set], check: Check<'_>) -> Report {
    let Check { found, tables, plots, .. } = check;
    let mut report = Report::new(server.describe());
    let names: Vec<&str> = sets.iter().map(|set| set.name.as_str()).collect();
    report.tables.push(found.table("Checks"));
    report.tables.extend(tables);
    report.plots = plots;
    let (failed, warned) = (found.count(Verdict::Fail), found.count(Verdict::Warn));
    report.fact("sets", json!(names.join(", ")));
    report.fact("passed", found.count(Verdict::Pass));
    report.fact("warnings", warned);
    report.fact("failed", failed);
    report.fact("skipped", found.count(Verdict::Skip));
    match failed {
        0 => report.note("Post-migration validation passed"),
        count => {
            report.outcome = "failed".to_owned();
            let checks = if count == 1 { "check" } else { "checks" };
            report.note(format!("Post-migration validation FAILED: {count} {checks}, see above"));
        }
    }
    report
}

/// A count for a person.
fn count(number: i64) -> String {
    grouped(&number.to_string())
}

/// `1 table`, `2 tables`.
fn counted(number: usize, what: &str) -> String {
    let end = match what {
        _ if number == 1 => "",
        "index" => "es",
        _ => "s",
    };
    format!("{} {what}{end}", grouped(&number.to_string()))
}

/// Bytes for a person.
fn size(bytes: f64) -> String {
    let units = ["bytes", "kB", "MB", "GB", "TB"];
    let mut scaled = bytes;
    let mut unit = 0;
    while scaled >= 1000.0 && unit + 1 < units.len() {
        (scaled, unit) = (scaled / 1000.0, unit + 1);
    }
    let digits = usize::from(unit > 0 && scaled < 100.0);
    format!("{scaled:.digits$} {}", units[unit])
}

/// The first few of many, and how many there are besides.
fn few(names: &[String], max: usize) -> String {
    let shown = names.iter().take(max).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(max) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// The one number of a query, or why it is not known: it took more than ten seconds, or is not for this role.
pub(super) async fn bounded(
    client: &Client,
    sql: &str,
) -> Result<Result<i64, &'static str>, SinkError> {
    client.batch_execute("set statement_timeout = '10s'").await?;
    let asked = client.query_one(sql, &[]).await;
    client.batch_execute("reset statement_timeout").await?;
    match asked {
        Ok(row) => Ok(Ok(row.get(0))),
        Err(error) => match error.code().map(|code| code.code()) {
            Some("57014") => Ok(Err("takes more than 10 s")),
            Some("42501") => Ok(Err("this role may not read it")),
            _ => Err(error.into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_counts_are_short() {
        assert_eq!([size(0.0), size(999.0), size(1_500.0)], ["0 bytes", "999 bytes", "1.5 kB"]);
        assert_eq!([size(123_456_789.0), size(2.5e9)], ["123 MB", "2.5 GB"]);
        assert_eq!([counted(1, "index"), counted(2_000, "index")], ["1 index", "2,000 indexes"]);
        let names: Vec<String> = ["a", "b", "c"].map(str::to_owned).to_vec();
        assert_eq!([few(&names, 3), few(&names, 2)], ["a, b, c", "a, b and 1 more"]);
    }
}
