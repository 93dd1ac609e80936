//! Results into `oee_calculations`: what changed, and what is to go, in one transaction a slice.

use bytes::Bytes;
use futures_util::SinkExt as _;
use jiff::civil::Date;
use tokio_postgres::{Client, Transaction};

use super::result::{COLUMNS, Computed};
use crate::failpoint;
use crate::schema::quote;
use crate::sink::{SinkError, copy};

/// A result by its key, without the unit's part.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) instance: String,
    pub(super) date: Date,
}

/// The stage of this session: the columns in our order, emptied by every commit.
pub(super) async fn prepare(client: &Client) -> Result<(), SinkError> {
    let sql = format!(
        "create temp table oee_stage on commit delete rows as select {} \
         from public.oee_calculations with no data",
        names()
    );
    Ok(client.batch_execute(&sql).await?)
}

/// Columns of a stored result that a new one does not change.
const KEPT: [&str; 5] = ["id", "equipmentId", "shiftInstanceId", "shiftDate", "workCenterId"];

fn names() -> String {
    let names: Vec<String> = COLUMNS.iter().map(|name| quote(name)).collect();
    names.join(", ")
}

/// The server's part of a slice. The key is what a result is, and where the unit stood then stays as it is; all
/// else is replaced.
fn merge() -> String {
    let replaced: Vec<String> = COLUMNS
        .iter()
        .filter(|name| !KEPT.contains(name))
        .map(|name| format!("{0} = excluded.{0}", quote(name)))
        .collect();
    format!(
        "insert into public.oee_calculations ({0}) select {0} from pg_temp.oee_stage \
         on conflict (\"equipmentId\", \"shiftInstanceId\", \"shiftDate\") do update set {1}, \
         \"calculatedAt\" = now()",
        names(),
        replaced.join(", ")
    )
}

/// Old results lie in compressed chunks, and the server counts what a statement has to unpack.
pub(super) async fn allow_decompression(transaction: &Transaction<'_>) -> Result<(), SinkError> {
    let sql = "select set_config(name, '0', true) from pg_settings \
               where name = 'timescaledb.max_tuples_decompressed_per_dml_transaction'";
    Ok(transaction.batch_execute(sql).await?)
}

/// Writes results of one unit, and removes those that have no reason any more.
pub(super) async fn slice(
    client: &mut Client,
    unit: &str,
    results: &[Computed],
    gone: &[Key],
) -> Result<(), SinkError> {
    if results.is_empty() && gone.is_empty() {
        return Ok(());
    }
    let transaction = client.transaction().await?;
    allow_decompression(&transaction).await?;
    if !results.is_empty() {
        let mut bytes = copy::HEADER.to_vec();
        results.iter().for_each(|result| result.encode(&mut bytes));
        bytes.extend_from_slice(&copy::TRAILER);
        let sql = format!("copy pg_temp.oee_stage ({}) from stdin (format binary)", names());
        let sink = transaction.copy_in(&sql).await?;
        let mut sink = std::pin::pin!(sink);
        sink.send(Bytes::from(bytes)).await?;
        let landed = sink.finish().await?;
        let sent = u64::try_from(results.len()).unwrap_or(u64::MAX);
        if landed != sent {
            return Err(SinkError::Count { sent, landed });
        }
        transaction.batch_execute(&merge()).await?;
    }
    if !gone.is_empty() {
        let instances: Vec<&str> = gone.iter().map(|key| key.instance.as_str()).collect();
        let dates: Vec<String> = gone.iter().map(|key| key.date.to_string()).collect();
        let sql = "delete from public.oee_calculations o using \
                   unnest($2::text[], ($3::text[])::date[]) g (instance, date) \
                   where o.\"equipmentId\" = $1 and o.\"shiftInstanceId\" = g.instance \
                   and o.\"shiftDate\" = g.date";
        transaction.execute(sql, &[&unit, &instances, &dates]).await?;
    }
    failpoint::hit("oee_slice");
    transaction.commit().await?;
    failpoint::hit("oee_slice_done");
    Ok(())
}
