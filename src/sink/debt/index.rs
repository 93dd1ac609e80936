//! Indexes and `not valid` foreign keys. A build that was cut short leaves an invalid index, which `create
//! index if not exists` would skip for ever: so the catalog is looked at, and what is not whole is dropped
//! and built again.

use tokio_postgres::{Client, Transaction};

use super::{Debt, Load, owe};
use crate::schema::{TargetTable, quote};
use crate::sink::SinkError;

/// Whether there is anything to set aside. Only the owner may drop; for anybody else the load runs with
/// everything in place, slower and as exact.
pub(super) fn wanted(table: &TargetTable) -> bool {
    let wanted = table.indexes.iter().any(|index| !index.unique)
        || table.foreign_keys.iter().any(|key| !key.validated);
    wanted && table.owned
}

/// Indexes go only while the table is empty, and never unique ones.
pub(super) async fn suspend(
    transaction: &Transaction<'_>,
    load: &Load<'_>,
) -> Result<(), SinkError> {
    let table = load.table;
    let name = table.name.quoted();
    transaction.batch_execute(&format!("lock table {name} in share row exclusive mode")).await?;
    let sql = format!("select not exists (select from {name})");
    let empty: bool = transaction.query_one(&sql, &[]).await?.get(0);
    for index in table.indexes.iter().filter(|index| empty && !index.unique) {
        owe(transaction, load, ("index", &index.name, &index.definition)).await?;
        let drop = format!("drop index {}.{}", quote(&table.name.schema), quote(&index.name));
        transaction.batch_execute(&drop).await?;
    }
    for key in table.foreign_keys.iter().filter(|key| !key.validated) {
        owe(transaction, load, ("foreign_key", &key.name, &key.definition)).await?;
        let drop = format!("alter table {name} drop constraint {}", quote(&key.name));
        transaction.batch_execute(&drop).await?;
    }
    Ok(())
}

pub(super) async fn build(client: &Client, debt: &Debt) -> Result<(), SinkError> {
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

/// Valid, and there for every chunk: a valid index that reads the same from its method on. Names do not
/// tell, as they are cut at 63 bytes, and the catalog that ties them together is not there in all versions.
async fn is_whole(client: &Client, debt: &Debt) -> Result<bool, SinkError> {
    let sql = "select i.indisvalid and not exists ( \
                 select from pg_inherits h where h.inhparent = i.indrelid and not exists ( \
                   select from pg_index ci where ci.indrelid = h.inhrelid and ci.indisvalid \
                   and substring(pg_get_indexdef(ci.indexrelid) from ' USING (.*)') \
                     = substring(pg_get_indexdef(i.indexrelid) from ' USING (.*)'))) \
               from pg_class c join pg_namespace n on n.oid = c.relnamespace \
               join pg_index i on i.indexrelid = c.oid \
               where n.nspname = $1 and c.relname = $2";
    let found = client.query_opt(sql, &[&debt.table.schema, &debt.object]).await?;
    Ok(found.is_some_and(|row| row.get(0)))
}
