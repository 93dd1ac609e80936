//! Indexes: there, whole on every chunk, and over the columns that are wanted.

use tokio_postgres::Client;

use crate::config::policy::TablePolicy;
use crate::schema::quote;
use crate::sink::SinkError;

use super::change::leave_alone;
use super::found::Table;
use super::{Drift, Setting};

/// Name, what it is over, whole on the table and on every chunk, held by a constraint, owed to a load.
const INDEXES: &str = "with mine as (select c.relname, i.indexrelid, i.indrelid, i.indisvalid, \
      substring(pg_get_indexdef(i.indexrelid) from ' USING .*') as over from pg_index i \
      join pg_class c on c.oid = i.indexrelid where i.indrelid = $1::text::regclass) \
    select relname::text, over, indisvalid and not exists (select from pg_inherits h \
        where h.inhparent = indrelid and not exists (select from pg_index x \
          where x.indrelid = h.inhrelid and x.indisvalid \
          and substring(pg_get_indexdef(x.indexrelid) from ' USING .*') = over)), \
      exists (select from pg_constraint k where k.conindid = indexrelid) from mine order by 1";

struct Index {
    name: String,
    over: String,
    whole: bool,
    of_constraint: bool,
}

/// The index settings of a table.
pub(super) async fn of_table(
    client: &Client,
    wanted: &TablePolicy,
    found: &Table,
) -> Result<Vec<Setting>, SinkError> {
    if wanted.indexes.is_empty() {
        return Ok(Vec::new());
    }
    let rows = client.query(INDEXES, &[&wanted.name.quoted()]).await?;
    let there: Vec<Index> = rows
        .iter()
        .map(|row| Index {
            name: row.get(0),
            over: row.get(1),
            whole: row.get(2),
            of_constraint: row.get(3),
        })
        .collect();
    let owed = owed(client, wanted).await?;
    let mut settings = Vec::new();
    for (name, columns) in &wanted.indexes {
        let over = normal(client, wanted, columns).await?;
        let mut item = compare(wanted, (name, columns), over.as_deref(), &there, found);
        if owed.contains(name) {
            item.drift = Drift::Busy("owed by a load: `maintain` builds it".to_owned());
            item.sql.clear();
        }
        settings.push(item);
    }
    leave_alone(&mut settings, found.loading.as_ref());
    Ok(settings)
}

fn compare(
    wanted: &TablePolicy,
    (name, columns): (&str, &str),
    over: Option<&str>,
    there: &[Index],
    found: &Table,
) -> Setting {
    let named = there.iter().find(|index| index.name == name);
    let alike = there.iter().find(|index| index.whole && Some(index.over.as_str()) == over);
    let shown = |index: &Index| {
        let over = index.over.trim_start_matches(" USING btree ");
        let name = if index.name == name { String::new() } else { format!(" as {}", index.name) };
        let whole = if index.whole { "" } else { ", not whole" };
        format!("{over}{name}{whole}")
    };
    let mut item = Setting {
        object: wanted.name.clone(),
        name: format!("index {name}"),
        wanted: format!("({columns})"),
        found: named.or(alike).map_or("none".to_owned(), shown),
        drift: Drift::Yes,
        sql: Vec::new(),
        note: String::new(),
        drops: false,
    };
    match (named, over) {
        (None, _) if alike.is_some() => item.drift = Drift::No,
        // Where the server may not tell its own way to write it, a whole one of that name will do.
        (Some(index), None) if index.whole => item.drift = Drift::No,
        (Some(index), Some(over)) if index.whole && index.over == over => item.drift = Drift::No,
        (Some(index), _) if index.of_constraint => {
            item.note = "not done: a constraint holds it; migrations change those".to_owned();
        }
        (Some(_), _) => {
            item.sql.push(format!("drop index {}.{}", quote(&wanted.name.schema), quote(name)))
        }
        (None, _) => {}
    }
    if item.drift == Drift::Yes && item.note.is_empty() {
        let table = wanted.name.quoted();
        // Neither way keeps writers out of the whole table until the end.
        let (how, with) = match found.chunk {
            Some(_) => ("", " with (timescaledb.transaction_per_chunk)"),
            None => (" concurrently", ""),
        };
        let name = quote(name);
        item.sql.push(format!("create index{how} {name} on {table} ({columns}){with}"));
    }
    item
}

/// How the server writes an index over these columns; `None` where it may not be asked. It is made on an
/// empty copy of the table that a rollback takes away.
async fn normal(
    client: &Client,
    wanted: &TablePolicy,
    columns: &str,
) -> Result<Option<String>, SinkError> {
    let table = wanted.name.quoted();
    let made = client
        .batch_execute(&format!(
            "begin; create temp table millstream_like (like {table}); \
             create index millstream_index on pg_temp.millstream_like ({columns})"
        ))
        .await;
    let over = match made {
        Ok(()) => {
            let sql = "select substring(pg_get_indexdef('pg_temp.millstream_index'::regclass) \
                       from ' USING .*')";
            client.query_one(sql, &[]).await.map(|row| row.get(0))
        }
        Err(error) => Err(error),
    };
    client.batch_execute("rollback").await?;
    match over {
        Ok(over) => Ok(over),
        // No right to make temporary tables, or a standby.
        Err(error)
            if error.code().is_some_and(|code| ["42501", "25006"].contains(&code.code())) =>
        {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Indexes that a load has put off.
async fn owed(client: &Client, wanted: &TablePolicy) -> Result<Vec<String>, SinkError> {
    if !crate::sink::ledger::exists(client).await? {
        return Ok(Vec::new());
    }
    let sql = "select object_name from millstream.ddl_debt where table_name = $1 \
               and kind = 'index' and state = 'owed'";
    let rows = client.query(sql, &[&wanted.name.to_string()]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
