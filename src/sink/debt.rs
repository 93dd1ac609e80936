//! What a load sets aside and owes: secondary indexes to build again, `not valid` foreign keys to put back.
//!
//! The definition is written down in the transaction that drops the object, under a lock that makes "the
//! table is empty" true. Whoever comes next pays: the end of the load, or any later command. A build that
//! was cut short leaves an invalid index, which `create index if not exists` would skip for ever: so the
//! catalog is looked at, and what is not whole is dropped and built again.

use tokio_postgres::Client;

use super::SinkError;
use crate::schema::{TableName, TargetTable, quote};

/// One thing owed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Debt {
    /// Its id in the ledger.
    pub id: i64,
    /// The table.
    pub table: TableName,
    /// `index` or `foreign_key`.
    pub kind: String,
    /// Name of the index or constraint.
    pub object: String,
    /// How to make it.
    pub definition: String,
}

/// Drops what the load is faster (indexes) or only possible (`not valid` keys) without, and writes it down.
///
/// Indexes go only while the table is empty, and never unique ones.
pub async fn suspend(client: &mut Client, table: &TargetTable) -> Result<usize, SinkError> {
    let wanted = table.indexes.iter().any(|index| !index.unique)
        || table.foreign_keys.iter().any(|key| !key.validated);
    // Only the owner may drop; for anybody else the load runs with them, slower and as exact.
    if !wanted || !table.owned {
        return Ok(0);
    }
    let name = table.name.quoted();
    let transaction = client.transaction().await?;
    transaction.batch_execute("set local lock_timeout = '10s'").await?;
    transaction.batch_execute(&format!("lock table {name} in share row exclusive mode")).await?;
    let sql = format!("select not exists (select from {name})");
    let empty: bool = transaction.query_one(&sql, &[]).await?.get(0);
    let mut owed: Vec<(&str, &str, &str, String)> = Vec::new();
    for index in table.indexes.iter().filter(|index| empty && !index.unique) {
        let drop = format!("drop index {}.{}", quote(&table.name.schema), quote(&index.name));
        owed.push(("index", &index.name, &index.definition, drop));
    }
    for key in table.foreign_keys.iter().filter(|key| !key.validated) {
        let drop = format!("alter table {name} drop constraint {}", quote(&key.name));
        owed.push(("foreign_key", &key.name, &key.definition, drop));
    }
    let target = table.name.to_string();
    for (kind, object, definition, drop) in &owed {
        let sql = "insert into millstream.ddl_debt (table_name, kind, object_name, definition) \
                   values ($1, $2, $3, $4)";
        transaction.execute(sql, &[&target, kind, object, definition]).await?;
        transaction.batch_execute(drop).await?;
    }
    let count = owed.len();
    transaction.commit().await?;
    Ok(count)
}

/// All that is owed in this database.
pub async fn owed(client: &Client) -> Result<Vec<Debt>, SinkError> {
    let sql = "select debt_id, table_name, kind, object_name, definition from millstream.ddl_debt \
               where state = 'owed' order by debt_id";
    let rows = client.query(sql, &[]).await?;
    let debts = rows.iter().filter_map(|row| {
        let (schema, name) = row.get::<_, &str>(1).split_once('.')?;
        Some(Debt {
            id: row.get(0),
            table: TableName { schema: schema.to_owned(), name: name.to_owned() },
            kind: row.get(2),
            object: row.get(3),
            definition: row.get(4),
        })
    });
    Ok(debts.collect())
}

/// Pays one debt. Safe to repeat, and to be cut short anywhere.
pub async fn pay(client: &Client, debt: &Debt) -> Result<(), SinkError> {
    // One payer at a time; the lock goes with the session.
    client.execute("select pg_advisory_lock(hashtextextended($1, 7))", &[&debt.object]).await?;
    let paid = pay_locked(client, debt).await;
    client.execute("select pg_advisory_unlock(hashtextextended($1, 7))", &[&debt.object]).await?;
    paid
}

async fn pay_locked(client: &Client, debt: &Debt) -> Result<(), SinkError> {
    let sql = "select state = 'owed' from millstream.ddl_debt where debt_id = $1";
    let still: bool = client.query_one(sql, &[&debt.id]).await?.get(0);
    if !still {
        return Ok(());
    }
    match debt.kind.as_str() {
        "index" => build_index(client, debt).await?,
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
    let sql = "update millstream.ddl_debt set state = 'paid', paid_at = now() where debt_id = $1";
    client.execute(sql, &[&debt.id]).await?;
    Ok(())
}

async fn build_index(client: &Client, debt: &Debt) -> Result<(), SinkError> {
    if is_whole(client, debt).await? {
        return Ok(());
    }
    let drop =
        format!("drop index if exists {}.{}", quote(&debt.table.schema), quote(&debt.object));
    client.batch_execute(&drop).await?;
    // As much memory for the sort as is safe on any server that holds years of data.
    client.batch_execute("set maintenance_work_mem = '256MB'").await?;
    let built = client.batch_execute(&debt.definition).await;
    client.batch_execute("reset maintenance_work_mem").await?;
    built?;
    if !is_whole(client, debt).await? {
        return Err(SinkError::Ledger(format!(
            "the index {} is not whole after its build",
            debt.object
        )));
    }
    Ok(())
}

/// Valid, and there for every chunk.
async fn is_whole(client: &Client, debt: &Debt) -> Result<bool, SinkError> {
    let sql = "select i.indisvalid and not exists ( \
                 select from pg_inherits h where h.inhparent = i.indrelid and not exists ( \
                   select from pg_index ci join pg_class cc on cc.oid = ci.indexrelid \
                   where ci.indrelid = h.inhrelid and ci.indisvalid \
                   and cc.relname like '%' || left(c.relname, 30) || '%')) \
               from pg_class c join pg_namespace n on n.oid = c.relnamespace \
               join pg_index i on i.indexrelid = c.oid \
               where n.nspname = $1 and c.relname = $2";
    let found = client.query_opt(sql, &[&debt.table.schema, &debt.object]).await?;
    Ok(found.is_some_and(|row| row.get(0)))
}
