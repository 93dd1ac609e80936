//! Which tables somebody is loading right now: nothing is dropped from them and no policy of theirs moves.
//!
//! A load counts from its first partition to its last, also while it lies stopped: what it brought is
//! half of a history, and a policy would begin to eat it.

use tokio_postgres::{Client, GenericClient};

use crate::schema::TableName;
use crate::sink::{SinkError, holder, ledger};

/// Who loads a table, in words for a person.
pub async fn by(
    client: &impl GenericClient,
    table: &TableName,
) -> Result<Option<String>, SinkError> {
    if !ledger::exists(client).await? {
        return Ok(None);
    }
    if let Some(pipeline) = unfinished(client, table).await? {
        return Ok(Some(format!("pipeline {pipeline} is not done with it")));
    }
    let sql = "select exists (select from millstream.ddl_debt \
               where table_name = $1 and state = 'owed' and kind = 'policy')";
    let paused: bool = client.query_one(sql, &[&table.to_string()]).await?.get(0);
    Ok(paused.then(|| "a load has paused its policies: `maintain` puts them back".to_owned()))
}

/// The pipeline that has not come to the end of its source. Needs the ledger.
pub async fn unfinished(
    client: &impl GenericClient,
    table: &TableName,
) -> Result<Option<String>, SinkError> {
    let sql = "select s.pipeline from millstream.stream s where s.target_table = $1 and exists \
                 (select from millstream.partition p where p.stream_id = s.stream_id \
                  and p.part >= 0 and not p.done) limit 1";
    let found = client.query_opt(sql, &[&table.to_string()]).await?;
    Ok(found.map(|row| row.get(0)))
}

/// The pipeline of a table that has a run going at this moment. Needs the ledger.
pub async fn live(client: &Client, table: &TableName) -> Result<Option<String>, SinkError> {
    let sql = "select distinct pipeline from millstream.stream where target_table = $1";
    for row in client.query(sql, &[&table.to_string()]).await? {
        let pipeline: String = row.get(0);
        if holder::of(client, &pipeline).await?.is_some() {
            return Ok(Some(pipeline));
        }
    }
    Ok(None)
}

/// A table whose rows go or change when those of this table are deleted, and its foreign key.
pub async fn follower(
    client: &impl GenericClient,
    table: &TableName,
) -> Result<Option<(String, String)>, SinkError> {
    let sql = "select conrelid::regclass::text, conname::text from pg_constraint \
               where confrelid = to_regclass($1) and contype = 'f' and confdeltype in ('c', 'n', 'd') \
               order by 1, 2 limit 1";
    let found = client.query_opt(sql, &[&table.quoted()]).await?;
    Ok(found.map(|row| (row.get(0), row.get(1))))
}

/// Runs a statement unless somebody loads the table. No load can begin in between: it would have to
/// write to `millstream.partition` first. Gives back who is loading, or how many rows it touched.
pub async fn guarded(
    client: &mut Client,
    table: &TableName,
    sql: &str,
) -> Result<Result<u64, String>, SinkError> {
    let transaction = client.transaction().await?;
    transaction.batch_execute("set local lock_timeout = '10s'").await?;
    if ledger::exists(&transaction).await? {
        transaction.batch_execute("lock table millstream.partition in share mode").await?;
    }
    if let Some(who) = by(&transaction, table).await? {
        return Ok(Err(who));
    }
    let touched = transaction.execute(sql, &[]).await?;
    transaction.commit().await?;
    Ok(Ok(touched))
}
