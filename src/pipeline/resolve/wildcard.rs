//! `from = "schema.*"`: one table plan for each base table that no other section names.

use tokio_postgres::Client;

use crate::config::Problems;
use crate::config::plan::{From, Plan, TablePlan};
use crate::schema::TableName;
use crate::sink::SinkError;
use crate::source::Origin;
use crate::source::tables::Tables;

/// The tables of a plan, wildcards spelled out.
pub(super) async fn expand(
    plan: &Plan,
    (tables, origin): (&Tables, Origin),
    client: &Client,
    problems: &mut Problems,
) -> Result<Vec<TablePlan>, SinkError> {
    let mut planned = Vec::new();
    for table in &plan.tables {
        let Some(schema) = table.from.wildcard() else {
            planned.push(table.clone());
            continue;
        };
        if origin != Origin::Postgres {
            let message = "wildcards are of a PostgreSQL source".to_owned();
            problems.error(table.place, &table.key, message, "name the tables one by one");
            continue;
        }
        let found = of_schema(plan, table, schema, tables);
        if found.is_empty() {
            let message =
                format!("the source has no table in `{schema}` that is not named otherwise");
            problems.error(
                table.place,
                &table.key,
                message,
                "is the schema spelled as in the source?",
            );
        }
        let missing = match plan.target.create {
            true => Vec::new(),
            false => missing(client, &found).await?,
        };
        if !missing.is_empty() {
            let names: Vec<String> = missing.iter().map(ToString::to_string).collect();
            let message = format!("the target has no {}", names.join(", no "));
            let hint = "apply its migration set (`millstream migrate up --set …`), leave them behind \
                        (except = [\"…\"]), or set [target] create = true to have them made";
            problems.error(table.place, &table.key, message, hint);
        }
        planned.extend(found.into_iter().filter(|table| !missing.contains(&table.to)));
    }
    Ok(planned)
}

fn of_schema(plan: &Plan, table: &TablePlan, schema: &str, tables: &Tables) -> Vec<TablePlan> {
    let elsewhere = |name: &TableName| {
        plan.tables.iter().any(|other| match &other.from {
            From::Table { name: other, .. } => TableName::parse(other).as_ref() == Some(name),
            From::Query { .. } => false,
        })
    };
    let excepted = |name: &TableName| {
        table.except.iter().any(|except| TableName::parse(except).as_ref() == Some(name))
    };
    let names = tables.names().into_iter().filter_map(|label| {
        let (found, bare) = label.split_once('.')?;
        let name = TableName { schema: found.to_owned(), name: bare.to_owned() };
        let ours = found == schema && !elsewhere(&name) && !excepted(&name);
        ours.then(|| TablePlan {
            from: From::Table { name: in_file(&name), key: Vec::new() },
            to: TableName { schema: table.to.schema.clone(), name: bare.to_owned() },
            ..table.clone()
        })
    });
    names.collect()
}

/// A name as a file would write it.
fn in_file(name: &TableName) -> String {
    let part = |part: &str| {
        let plain = part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if plain { part.to_owned() } else { crate::schema::quote(part) }
    };
    format!("{}.{}", part(&name.schema), part(&name.name))
}

async fn missing(client: &Client, tables: &[TablePlan]) -> Result<Vec<TableName>, SinkError> {
    let mut missing = Vec::new();
    for table in tables {
        let sql = "select to_regclass($1) is null";
        let gone: bool = client.query_one(sql, &[&table.to.quoted()]).await?.get(0);
        if gone {
            missing.push(table.to.clone());
        }
    }
    Ok(missing)
}
