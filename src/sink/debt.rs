//! What a load sets aside and owes: triggers to turn on again, secondary indexes to build again, `not valid`
//! foreign keys to put back, policies to resume, chunks to compress again, aggregates to refresh.
//!
//! Everything is written down in the transaction that sets it aside, indexes under a lock that makes "the
//! table is empty" true. Whoever comes next pays: the end of the load, or a later command. A debt belongs
//! to the pipeline that made it for as long as that one runs, and to anyone after.

use tokio_postgres::{Client, Transaction};

use super::{SinkError, holder};
use crate::schema::{TableName, TargetTable, quote};

mod index;
mod policy;
mod recompress;
mod refresh;
mod trigger;

/// One thing owed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Debt {
    /// Its id in the ledger.
    pub id: i64,
    /// The table.
    pub table: TableName,
    /// `trigger`, `index`, `foreign_key`, `recompress`, `refresh` or `policy`: in this order they are paid.
    pub kind: String,
    /// Name of the trigger, index, constraint, job or aggregate.
    pub object: String,
    /// How to make it.
    pub definition: String,
    /// Whose load made it; empty for nobody's.
    pub pipeline: String,
}

impl std::fmt::Display for Debt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} on {}", self.kind, self.object, self.table)
    }
}

/// A load that is about to begin.
#[derive(Clone, Copy, Debug)]
pub struct Load<'a> {
    /// Whose.
    pub pipeline: &'a str,
    /// Into which table.
    pub table: &'a TargetTable,
    /// Rows are compressed as they come in.
    pub compressed: bool,
    /// Its triggers are turned off.
    pub triggers: bool,
    /// Earliest time that it is known to bring, µs since 2000.
    pub oldest: Option<i64>,
}

/// Sets aside what would fight the load (policies), what it is faster without (indexes) and what it is
/// only possible without (`not valid` keys), and writes all of it down. Gives warnings.
pub async fn suspend(client: &mut Client, load: &Load<'_>) -> Result<Vec<String>, SinkError> {
    let mut warnings = Vec::new();
    if load.table.hypertable.is_some() {
        // First, and for good: a policy at work may hold the locks that the rest waits for.
        let transaction = begin(client, load).await?;
        warnings.extend(policy::pause(&transaction, load).await?);
        warnings.extend(refresh::promise(&transaction, load).await?);
        if load.compressed {
            recompress::promise(&transaction, load).await?;
        }
        transaction.commit().await?;
    }
    if load.triggers {
        let transaction = begin(client, load).await?;
        trigger::suspend(&transaction, load).await?;
        transaction.commit().await?;
    }
    if index::wanted(load.table) {
        let transaction = begin(client, load).await?;
        index::suspend(&transaction, load).await?;
        transaction.commit().await?;
    }
    Ok(warnings)
}

/// Two loads of one table set things aside one after the other.
async fn begin<'a>(client: &'a mut Client, load: &Load<'_>) -> Result<Transaction<'a>, SinkError> {
    let transaction = client.transaction().await?;
    transaction.batch_execute("set local lock_timeout = '10s'").await?;
    let table = load.table.name.to_string();
    transaction.execute("select pg_advisory_xact_lock(hashtextextended($1, 8))", &[&table]).await?;
    Ok(transaction)
}

/// Writes one debt down; one that is owed already is this load's from now on.
async fn owe(
    transaction: &Transaction<'_>,
    load: &Load<'_>,
    (kind, object, definition): (&str, &str, &str),
) -> Result<(), SinkError> {
    let sql = "insert into millstream.ddl_debt (table_name, kind, object_name, definition, pipeline) \
               values ($1, $2, $3, $4, $5) \
               on conflict (table_name, kind, object_name) where state = 'owed' \
               do update set pipeline = excluded.pipeline";
    let table = load.table.name.to_string();
    transaction.execute(sql, &[&table, &kind, &object, &definition, &load.pipeline]).await?;
    Ok(())
}

/// All that is owed in this database, in the order in which it is to be paid.
pub async fn owed(client: &Client) -> Result<Vec<Debt>, SinkError> {
    // As JSON: a command that changes nothing may meet a ledger of before the column.
    let sql = "select debt_id, table_name, kind, object_name, definition, \
               coalesce(to_jsonb(d) ->> 'pipeline', '') from millstream.ddl_debt d \
               where state = 'owed' order by array_position( \
               array['trigger', 'index', 'foreign_key', 'recompress', 'refresh', 'policy'], kind), debt_id";
    let rows = client.query(sql, &[]).await?;
    let debts = rows.iter().filter_map(|row| {
        let (schema, name) = row.get::<_, &str>(1).split_once('.')?;
        Some(Debt {
            id: row.get(0),
            table: TableName { schema: schema.to_owned(), name: name.to_owned() },
            kind: row.get(2),
            object: row.get(3),
            definition: row.get(4),
            pipeline: row.get(5),
        })
    });
    Ok(debts.collect())
}

/// The same for a database that may have no ledger yet.
pub async fn known(client: &Client) -> Result<Vec<Debt>, SinkError> {
    if super::ledger::exists(client).await? { owed(client).await } else { Ok(Vec::new()) }
}

/// What may be paid now by `pipeline` (or by nobody in particular: an empty name): its own debts and those
/// of pipelines that do not run. What hangs on a table that another run is loading is left to that run.
pub async fn due(client: &Client, pipeline: &str) -> Result<Vec<Debt>, SinkError> {
    let runs = format!("exists (select {})", holder::lock_of("s.pipeline"));
    let owner = format!("select {runs} from (values ($1)) s (pipeline)");
    let loader = format!(
        "select s.pipeline from millstream.stream s where s.target_table = $1 and s.pipeline <> $2 \
         and s.kind = 'pipeline' and {runs} limit 1"
    );
    let mut due = Vec::new();
    for debt in owed(client).await? {
        let owner = client.query_one(&owner, &[&debt.pipeline]).await?;
        if debt.pipeline != pipeline && owner.get(0) {
            continue;
        }
        let loader = client.query_opt(&loader, &[&debt.table.to_string(), &pipeline]).await?;
        match loader {
            Some(row) => {
                let sql = "update millstream.ddl_debt set pipeline = $2 where debt_id = $1";
                client.execute(sql, &[&debt.id, &row.get::<_, &str>(0)]).await?;
            }
            None => due.push(debt),
        }
    }
    Ok(due)
}

/// Pays one debt. Safe to repeat, and to be cut short anywhere.
pub async fn pay(client: &Client, debt: &Debt) -> Result<(), SinkError> {
    // One payer at a time; the lock goes with the session.
    client.execute("select pg_advisory_lock(hashtextextended($1, 7))", &[&debt.object]).await?;
    let paid = pay_locked(client, debt).await;
    let unlock = "select pg_advisory_unlock(hashtextextended($1, 7))";
    let unlocked = client.execute(unlock, &[&debt.object]).await;
    // What went wrong first is what matters.
    paid?;
    unlocked?;
    Ok(())
}

async fn pay_locked(client: &Client, debt: &Debt) -> Result<(), SinkError> {
    // Paid by another one, or taken over by a load that has begun since.
    let sql = "select state = 'owed' and pipeline = $2 from millstream.ddl_debt where debt_id = $1";
    let still: bool = client.query_one(sql, &[&debt.id, &debt.pipeline]).await?.get(0);
    if !still {
        return Ok(());
    }
    match debt.kind.as_str() {
        "trigger" => trigger::resume(client, debt).await?,
        "index" => index::build(client, debt).await?,
        "recompress" => recompress::pay(client, debt).await?,
        "refresh" => refresh::pay(client, debt).await?,
        "policy" => policy::resume(client, debt).await?,
        _ => {
            let table = debt.table.quoted();
            let constraint = quote(&debt.object);
            let sql = format!(
                "alter table {table} drop constraint if exists {constraint}; \
                 alter table {table} add constraint {constraint} {}",
                debt.definition
            );
            client.batch_execute(&sql).await?;
        }
    }
    // With the last debt that looks at touched buckets they are in order again.
    let sql = "with paid as (update millstream.ddl_debt set state = 'paid', paid_at = now() \
                   where debt_id = $1 and pipeline = $4 returning 1) \
               update millstream.bucket b set unsettled = false from millstream.stream s \
               where exists (select from paid) and $3 in ('recompress', 'refresh') \
               and s.stream_id = b.stream_id \
               and s.target_table = $2 and b.unsettled and not exists ( \
                   select from millstream.ddl_debt d where d.table_name = $2 and d.state = 'owed' \
                   and d.kind in ('recompress', 'refresh') and d.debt_id <> $1)";
    let table = debt.table.to_string();
    client.execute(sql, &[&debt.id, &table, &debt.kind, &debt.pipeline]).await?;
    Ok(())
}
