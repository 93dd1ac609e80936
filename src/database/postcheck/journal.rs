//! The log: which sets the database should hold, and how their files stand.

use std::path::Path;

use tokio_postgres::Client;

use super::{Check, PostcheckError, Request, Set, counted, few};
use crate::database::finding::Findings;
use crate::database::inventory::Inventory;
use crate::database::migrate::log::{self, State};
use crate::database::migrate::{self, MigrateError, Script};

/// The sets asked for, or those of the log; a set of the log without files is a failure.
pub(super) async fn sets(
    client: &Client,
    request: &Request,
    found: &mut Findings,
) -> Result<Vec<Set>, PostcheckError> {
    let dir = request.dir.as_deref();
    if !request.sets.is_empty() {
        return request.sets.iter().map(|name| load(name, dir)).collect();
    }
    let mut names: Vec<String> = Vec::new();
    if log::exists(client).await? {
        let sql = "select migration_set from public.migration_log where status <> 'reverted' \
                   group by 1 order by min(id)";
        names = client.query(sql, &[]).await?.iter().map(|row| row.get(0)).collect();
    }
    let mut sets = Vec::new();
    for name in names {
        match load(&name, dir) {
            Ok(set) => sets.push(set),
            Err(PostcheckError::Migrate(error)) => {
                let to_do = "say where its files are (--dir), or use the release that has them";
                found.fail("log", &name, error.to_string(), to_do);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(sets)
}

fn load(name: &str, dir: Option<&Path>) -> Result<Set, PostcheckError> {
    let migrations = migrate::load(name, dir)?;
    let parse = |migration: &migrate::Migration| {
        Script::parse(&migration.sql).map_err(|error| MigrateError::Script {
            set: name.to_owned(),
            file: migration.file.clone(),
            error,
        })
    };
    let scripts = migrations.iter().map(parse).collect::<Result<_, _>>()?;
    let (name, expected) = (name.to_owned(), Inventory::default());
    Ok(Set { name, migrations, scripts, expected })
}

/// Every file applied, and still the file it was.
pub(super) async fn check(check: &mut Check<'_>, set: &Set) -> Result<(), PostcheckError> {
    let statuses = log::status(check.client, &set.name, &set.migrations).await?;
    let name = &set.name;
    let mut left_out = Vec::new();
    for status in &statuses {
        let file = &status.migration.file;
        let words = format!("{file} is {}", status.state.name());
        let to_do = match status.state {
            State::Applied => {
                for (line, asks) in &status.skipped {
                    left_out.push(format!("{file}:{line} ({asks})"));
                }
                continue;
            }
            State::Pending => format!("millstream migrate up --set {name}"),
            State::Failed => format!("mend what it says, then millstream migrate up --set {name}"),
            State::Dirty => format!(
                "finish or undo it by hand, then millstream migrate resolve --set {name} --file {file}"
            ),
            State::Changed => "restore the file, and write a new one for what is new".to_owned(),
            State::Foreign => format!("millstream migrate adopt --set {name}"),
        };
        let why = status.message.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        check.found.fail("log", name, format!("{words}{why}"), &to_do);
    }
    if log::exists(check.client).await? {
        for file in log::unknown(check.client, name, &set.migrations).await? {
            let to_do = "use the release (or the --dir) that has it";
            check.found.fail("log", name, format!("{file} was applied and is unknown here"), to_do);
        }
    }
    let applied = statuses.iter().filter(|status| status.state == State::Applied).count();
    if applied == statuses.len() {
        let last = statuses.last().and_then(|status| status.at.as_deref()).unwrap_or_default();
        let last = last.get(..16).unwrap_or(last);
        let found = format!("{} applied, the last one {last} UTC", counted(applied, "migration"));
        check.found.pass("log", name, found);
    }
    if let Some(first) = left_out.first() {
        let found = match left_out.len() {
            1 => format!("1 statement left out on this edition: {first}"),
            many => format!("{many} statements left out on this edition: {}", few(&left_out, 1)),
        };
        check.found.skip("log", name, found);
    }
    Ok(())
}
