//! Makes a table that holds rows a hypertable, in place.

use std::time::Instant;

use tokio_postgres::{Client, Transaction};

use super::AdoptError;
use super::rows::{self, Rows};
use crate::database::edition::{self, Capability};
use crate::database::inventory::Inventory;
use crate::failpoint;
use crate::schema::{TableName, quote};

/// So many chunks may come of a table's history: each takes a lock of whoever reads them all.
const CHUNKS_MAX: i64 = 1_000;

/// A table that is to become a hypertable.
#[derive(Debug)]
pub(super) struct Plan {
    table: TableName,
    time: String,
    /// Chunk interval of the set, for what comes from now on.
    interval: String,
    /// Constraints that the set gives it, as `alter table … add` takes them.
    constraints: Vec<String>,
}

/// A table that became one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// Table.
    pub table: String,
    /// Before, and the same after.
    pub rows: Rows,
    /// Milliseconds.
    pub ms: u128,
}

/// Tables that are hypertables in the set and are not here. All of them are looked at before one is touched.
pub(super) async fn plans(
    client: &Client,
    reference: &Inventory,
    there: &Inventory,
    rows_max: i64,
) -> Result<Vec<Plan>, AdoptError> {
    let mut plans = Vec::new();
    if !edition::detect(client).await?.kind.has(Capability::Timescale) {
        return Ok(plans);
    }
    for (name, definition) in reference.of_kind("hypertable") {
        let object = |kind: &str| (kind.to_owned(), name.to_owned());
        let here = there.objects.contains_key(&object("table"));
        let done = there.objects.contains_key(&object("hypertable"));
        let (Some(table), Some((time, interval))) =
            (TableName::parse(name), definition.split_once(' '))
        else {
            continue;
        };
        if !here || done {
            continue;
        }
        let sql = format!(
            "select count(*), count(*) filter (where {time} is null or not isfinite({time})) from {}",
            table.quoted(),
            time = quote(time),
        );
        let row = client.query_one(&sql, &[]).await?;
        let (rows, no_time): (i64, i64) = (row.get(0), row.get(1));
        if no_time > 0 {
            let (table, column) = (table.to_string(), time.to_owned());
            return Err(AdoptError::NoTime { table, column, count: no_time });
        }
        if rows > rows_max {
            return Err(AdoptError::TooBig { table: table.to_string(), rows, max: rows_max });
        }
        let of_table =
            |constraint: &str| Some(constraint.strip_prefix(name)?.strip_prefix(' ')?.to_owned());
        let all = reference.of_kind("constraint");
        let constraints = all.filter_map(|(constraint, _)| of_table(constraint)).collect();
        let (time, interval) = (time.to_owned(), interval.to_owned());
        plans.push(Plan { table, time, interval, constraints });
    }
    Ok(plans)
}

/// All of it in one transaction, under the table's lock; what does not read back the same is rolled back.
pub(super) async fn convert(client: &mut Client, plan: &Plan) -> Result<Converted, AdoptError> {
    let since = Instant::now();
    let Plan { table, time, interval, constraints } = plan;
    let (name, time) = (table.quoted(), quote(time));
    let transaction = client.transaction().await?;
    transaction.batch_execute("set local lock_timeout = '10s'").await?;
    transaction.batch_execute(&format!("lock table {name} in access exclusive mode")).await?;
    let columns = rows::columns(&transaction, table).await?;
    let before = rows::of_table(&transaction, table, &columns).await?;
    drop_keys(&transaction, table, constraints).await?;
    transaction.batch_execute(&format!("alter table {name} alter {time} set not null")).await?;
    for key in constraints.iter().filter(|text| text.starts_with("PRIMARY KEY")) {
        let sql = "select exists (select from pg_constraint where conrelid = $1::text::regclass \
                   and contype = 'p')";
        if !transaction.query_one(sql, &[&name]).await?.get::<_, bool>(0) {
            transaction.batch_execute(&format!("alter table {name} add {key}")).await?;
        }
    }
    // Years of history in chunks of an hour would fill the lock table: wide ones for what is there.
    let sql = format!(
        "select greatest($1::text::interval, make_interval(hours => ceil(extract(epoch from \
         max({time}) - min({time})) / 3600 / {CHUNKS_MAX})::int))::text from {name}"
    );
    let wide: Option<String> = transaction.query_one(&sql, &[interval]).await?.get(0);
    let wide = wide.unwrap_or_else(|| interval.clone());
    let sql = "select public.create_hypertable($1::text::regclass, $2::text::name, \
               chunk_time_interval => $3::text::interval, create_default_indexes => false, \
               migrate_data => true)";
    transaction.execute(sql, &[&name, &plan.time, &wide]).await?;
    let sql = "select public.set_chunk_time_interval($1::text::regclass, $2::text::interval)";
    transaction.execute(sql, &[&name, interval]).await?;
    let after = rows::of_table(&transaction, table, &columns).await?;
    if after != before {
        return Err(AdoptError::Fingerprint { table: table.to_string(), before, after });
    }
    failpoint::hit("adopt_convert");
    transaction.commit().await?;
    Ok(Converted { table: table.to_string(), rows: before, ms: since.elapsed().as_millis() })
}

/// Keys and foreign keys that the set does not have: each unique one of a hypertable has to hold the time,
/// and a foreign key would be looked up for every row that moves.
async fn drop_keys(
    transaction: &Transaction<'_>,
    table: &TableName,
    wanted: &[String],
) -> Result<(), tokio_postgres::Error> {
    let name = table.quoted();
    let sql = "select conname::text from pg_constraint where conrelid = $1::text::regclass \
               and contype in ('p', 'u', 'f', 'x') and pg_get_constraintdef(oid) <> all($2)";
    for row in transaction.query(sql, &[&name, &wanted]).await? {
        let drop = format!("alter table {name} drop constraint {}", quote(row.get(0)));
        transaction.batch_execute(&drop).await?;
    }
    let sql = "select c.relname::text from pg_index i join pg_class c on c.oid = i.indexrelid \
               where i.indrelid = $1::text::regclass and i.indisunique \
               and not exists (select from pg_constraint k where k.conindid = i.indexrelid)";
    for row in transaction.query(sql, &[&name]).await? {
        let drop = format!("drop index {}.{}", quote(&table.schema), quote(row.get(0)));
        transaction.batch_execute(&drop).await?;
    }
    Ok(())
}
