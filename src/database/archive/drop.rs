//! Drops the rows of a range, if they are still those that were archived.

use tokio_postgres::{Client, IsolationLevel, Transaction};

use super::range::Reading;
use super::{ArchiveError, Folder, State};
use crate::database::loading;
use crate::failpoint;
use crate::sink::fingerprint::Sum;
use crate::sink::{SinkError, ledger};

/// A lock that others hold is waited for this long: writers queue up behind us meanwhile.
const LOCK_TIMEOUT: &str = "5s";
/// Readers of the chunk are waited for less long than the server takes to look for a deadlock (1 s): one that
/// is about to write waits for us, and it must not be the one that is ended.
const DROP_TIMEOUT: &str = "500ms";

/// What became of the drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dropped {
    /// The rows are gone.
    Gone,
    /// Others are there than were archived; nothing was dropped.
    Changed,
}

/// Drops the range if it holds exactly the rows of `sum`.
///
/// Before the commit the manifest learns the transaction's number: a process that dies here leaves the
/// question to the server, which knows what became of it.
pub(super) async fn drop_range(
    client: &mut Client,
    folder: &mut Folder,
    (reading, entry): (&Reading, Option<usize>),
    sum: Sum,
) -> Result<Dropped, ArchiveError> {
    let has_ledger = ledger::exists(client).await?;
    let transaction = match reading.is_hypertable {
        true => client.transaction().await?,
        // What others add meanwhile is not in the snapshot, and so is not deleted.
        false => {
            let level = IsolationLevel::RepeatableRead;
            client.build_transaction().isolation_level(level).start().await?
        }
    };
    transaction.batch_execute(&format!("set local lock_timeout = '{LOCK_TIMEOUT}'")).await?;
    // A load that has begun is half of a history; one that begins now waits for this transaction. The lock comes
    // before the snapshot, or a load that was just beginning would not be seen.
    if has_ledger {
        transaction.batch_execute("lock table millstream.partition in share mode").await?;
        let table = &reading.chunk.table;
        if let Some(who) = loading::by(&transaction, table).await? {
            return Err(ArchiveError::Loading { table: table.clone(), who });
        }
    }
    if let Some((child, key)) = loading::follower(&transaction, &reading.chunk.table).await? {
        return Err(ArchiveError::Follower { table: reading.chunk.table.clone(), child, key });
    }
    let chunks = match reading.is_hypertable {
        true => lock(&transaction, reading).await?,
        false => Vec::new(),
    };
    let now = reading.copy(&transaction, &mut |_| Ok(())).await?;
    if now != sum && !failpoint::without("late_rows") {
        transaction.rollback().await?;
        return Ok(Dropped::Changed);
    }
    let number: String =
        transaction.query_one("select pg_current_xact_id()::text", &[]).await?.get(0);
    if let Some(at) = entry {
        folder.mark(at, State::Dropping(number))?;
    }
    let done = match reading.is_hypertable {
        true => drop_chunks(&transaction, reading, chunks).await,
        false => delete(&transaction, reading, sum).await,
    };
    failpoint::hit("archive_before_commit");
    if let Err(error) = done {
        transaction.rollback().await?;
        if let Some(at) = entry {
            folder.mark(at, State::Written)?;
        }
        return Err(error);
    }
    transaction.commit().await?;
    failpoint::hit("archive_committed");
    if let Some(at) = entry {
        folder.mark(at, State::Dropped)?;
    }
    Ok(Dropped::Gone)
}

/// Keeps late rows out until the end of the transaction.
///
/// Writers stop at the table, before they have chosen a chunk, and then find the range free. With the chunk
/// alone locked, one of them would hold the chunk's row in the catalog, wait for the chunk, and be ended by
/// the drop. Whoever writes to a chunk by its own name stops there.
async fn lock(
    transaction: &Transaction<'_>,
    reading: &Reading,
) -> Result<Vec<String>, ArchiveError> {
    let table = reading.chunk.table.quoted();
    let sql = format!("lock table {table} in share row exclusive mode");
    transaction.batch_execute(&sql).await?;
    let chunks = reading.chunks(transaction).await?;
    for chunk in &chunks {
        let sql = format!("lock table {chunk} in exclusive mode");
        transaction.batch_execute(&sql).await?;
    }
    Ok(chunks)
}

async fn drop_chunks(
    transaction: &Transaction<'_>,
    reading: &Reading,
    archived: Vec<String>,
) -> Result<(), ArchiveError> {
    let chunk = &reading.chunk;
    transaction.batch_execute(&format!("set local lock_timeout = '{DROP_TIMEOUT}'")).await?;
    let sql = format!(
        "select drop_chunks($1::text::regclass, older_than => {}, newer_than => {}) order by 1",
        reading.literal(chunk.to),
        reading.literal(chunk.from)
    );
    let rows = transaction.query(&sql, &[&chunk.table.quoted()]).await?;
    let dropped: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    match dropped == archived {
        true => Ok(()),
        false => Err(ArchiveError::OtherChunks { table: chunk.table.clone(), dropped, archived }),
    }
}

async fn delete(
    transaction: &Transaction<'_>,
    reading: &Reading,
    sum: Sum,
) -> Result<(), ArchiveError> {
    let table = reading.chunk.table.quoted();
    let sql = format!("delete from {table} where {}", reading.condition());
    let landed = transaction.execute(&sql, &[]).await?;
    match landed == sum.n {
        true => Ok(()),
        // A trigger or rule of the table keeps rows.
        false => Err(SinkError::Count { sent: sum.n, landed }.into()),
    }
}

/// Somebody else changed a row at the same moment, or held a lock for long: the next attempt sees it.
pub(super) fn comes_again(error: &SinkError) -> bool {
    matches!(error.sqlstate(), Some("40001" | "40P01" | "55P03"))
}
