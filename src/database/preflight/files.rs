//! The migration files: present, whole, in order with what is applied, and understood by this server.

use std::time::Instant;

use tokio_postgres::Client;

use super::{QUICK, Sets};
use crate::database::finding::Findings;
use crate::database::migrate::log::{self, State, Status};
use crate::database::migrate::{self, MigrateError, Migration, run};
use crate::sink::SinkError;

const AREA: &str = "migrations";

pub(super) async fn check(
    findings: &mut Findings,
    mut client: Option<&mut Client>,
    sets: &Sets<'_>,
) {
    if let Some(client) = &client
        && let Err(error) = older_log(findings, client).await
    {
        findings.fail(AREA, "log", error.to_string(), "see the server's log");
    }
    for (set, loaded) in &sets.all {
        let files = format!("{set}: files");
        let migrations = match loaded {
            Ok(migrations) => migrations,
            Err(error) => {
                let remedy = "mend the file, or name another folder with --migrations";
                findings.fail(AREA, &files, error.to_string(), remedy);
                continue;
            }
        };
        let place = match &sets.request.migrations {
            Some(folder) => format!("in {}", folder.display()),
            None => "in the binary".to_owned(),
        };
        findings.pass(AREA, &files, format!("{} {place}, all readable", migrations.len()));
        match &mut client {
            None => {
                findings.skip(AREA, &format!("{set}: order"), "no connection");
                findings.skip(AREA, &format!("{set}: SQL"), "no connection");
            }
            Some(client) => {
                of_set(findings, client, (set, migrations), sets.request.quick).await;
            }
        }
    }
}

async fn of_set(
    findings: &mut Findings,
    client: &mut Client,
    (set, migrations): (&str, &[Migration]),
    quick: bool,
) {
    let (order, sql) = (format!("{set}: order"), format!("{set}: SQL"));
    let due = match order_of(client, set, migrations).await {
        Ok(statuses) => {
            let due: Vec<Migration> = statuses
                .iter()
                .filter(|status| status.state != State::Applied)
                .map(|status| status.migration.clone())
                .collect();
            let applied = statuses.len() - due.len();
            findings.pass(AREA, &order, format!("{applied} applied, {} to come", due.len()));
            due
        }
        Err(error) => {
            let (found, remedy) = told(set, &error);
            match error {
                // Not wrong, only not for `up`.
                MigrateError::Foreign { .. } => findings.warn(AREA, &order, found, &remedy),
                _ => findings.fail(AREA, &order, found, &remedy),
            }
            return findings.skip(AREA, &sql, "see its order");
        }
    };
    if quick {
        return findings.skip(AREA, &sql, QUICK);
    }
    if due.is_empty() {
        return findings.pass(AREA, &sql, "nothing to come");
    }
    let since = Instant::now();
    match migrate::rehearse(client, set, &due).await {
        Ok(untried) => {
            let (tried, all) = (due.len() - untried.len(), due.len());
            let ms = since.elapsed().as_millis();
            let mut found = format!("{tried} of {all} run and rolled back in {ms} ms");
            if !untried.is_empty() {
                let files = untried.join(", ");
                found = format!("{found}; not tried, as no transaction holds them: {files}");
            }
            findings.pass(AREA, &sql, found);
        }
        Err(error) => {
            let (found, remedy) = told(set, &error);
            findings.fail(AREA, &sql, found, &remedy);
        }
    }
}

async fn order_of(
    client: &Client,
    set: &str,
    migrations: &[Migration],
) -> Result<Vec<Status>, MigrateError> {
    let statuses = log::status(client, set, migrations).await?;
    run::check(client, set, &statuses, false).await?;
    Ok(statuses)
}

/// Says of which shape a log of an older tool is.
async fn older_log(findings: &mut Findings, client: &Client) -> Result<(), SinkError> {
    let sql = "select coalesce(array_agg(attname::text), '{}') from pg_attribute \
               where attrelid = to_regclass('public.migration_log') and attnum > 0 \
               and not attisdropped";
    let columns: Vec<String> = client.query_one(sql, &[]).await?.get(0);
    let has = |name: &str| columns.iter().any(|column| column == name);
    let shape = match (has("migration_set"), has("success"), has("status")) {
        _ if columns.is_empty() => {
            findings.pass(AREA, "log", "none yet: the first `migrate up` makes it");
            return Ok(());
        }
        (true, ..) => {
            findings.pass(AREA, "log", "public.migration_log, in its present shape");
            return Ok(());
        }
        (_, true, _) => "with `success`",
        (_, _, true) => "with `status`",
        _ => "with a name and a time alone",
    };
    let found = format!("public.migration_log of an older tool, {shape}");
    let remedy = "none needed: `migrate` keeps it under another name and takes its entries over";
    findings.warn(AREA, "log", found, remedy);
    Ok(())
}

/// What is wrong, and what to do, as short as a table asks for.
fn told(set: &str, error: &MigrateError) -> (String, String) {
    let (found, remedy) = match error {
        MigrateError::Changed { file, .. } => (
            format!("{file} was changed after it was applied"),
            "restore the file, and write a new one".to_owned(),
        ),
        MigrateError::Order { file, later, .. } => (
            format!("{file} is not applied, and {later} is"),
            format!("give it a number above {later}"),
        ),
        MigrateError::Missing { file, .. } => (
            format!("{file} was applied, and this set has no such file"),
            "use the release or the folder that has it".to_owned(),
        ),
        MigrateError::Dirty { file, message, .. } => (
            format!("{file} stopped half-way: {message}"),
            format!("finish or undo it, then millstream migrate resolve --set {set} --file {file}"),
        ),
        MigrateError::Foreign { table, .. } => (
            format!("{table} is there, and not by this set"),
            format!("millstream migrate adopt --set {set}"),
        ),
        // The runner's own words: place and message, then what to do.
        MigrateError::Failed { file, cause, .. } => match cause.split_once("; ") {
            Some((cause, remedy)) => (format!("{file}: {cause}"), remedy.to_owned()),
            None => (format!("{file}: {cause}"), taken(set, cause)),
        },
        other => (other.to_string(), String::new()),
    };
    (found, remedy)
}

/// What to do about a name that is taken.
fn taken(set: &str, cause: &str) -> String {
    match ["42P07", "42710", "42701", "42723"].iter().any(|code| cause.contains(code)) {
        true => format!("use an empty database, or millstream migrate adopt --set {set}"),
        false => "mend the file, or the database that it does not fit".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_cut_into_what_and_what_to_do() {
        let failed = |cause: &str| {
            let (set, file) = ("ms5".to_owned(), "001_a.sql".to_owned());
            told("ms5", &MigrateError::Failed { set, file, cause: cause.to_owned() })
        };
        let (found, remedy) = failed("line 3: permission denied (42501); grant it");
        assert_eq!(found, "001_a.sql: line 3: permission denied (42501)");
        assert_eq!(remedy, "grant it");
        let (_, remedy) = failed("line 3: relation \"a\" already exists (42P07)");
        assert!(remedy.contains("adopt --set ms5"), "{remedy}");
        assert!(failed("line 3: syntax error (42601)").1.contains("mend the file"));
    }
}
