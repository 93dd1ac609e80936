//! Chunks that were loaded compressed: small segments and plain rows are merged, until the chunk is in order.

use tokio_postgres::{Client, Transaction};

use super::{Debt, Load, owe};
use crate::sink::SinkError;

/// With plain rows in a chunk the first pass only takes them in.
const PASSES_MAX: usize = 3;

/// One debt a table: which chunks it is about, the touched buckets tell.
pub(super) async fn promise(
    transaction: &Transaction<'_>,
    load: &Load<'_>,
) -> Result<(), SinkError> {
    owe(transaction, load, ("recompress", "chunks", "until their status is 1")).await
}

/// Touched chunks that are not compressed and in order (status 1); a frozen chunk (4) is nobody's to change.
const CHUNKS: &str = "select chunk from (select distinct \
        format('%I.%I', c.chunk_schema, c.chunk_name) as chunk, c.range_start \
        from timescaledb_information.chunks c \
        join millstream.stream s on s.target_table = $3 \
        join millstream.bucket b on b.stream_id = s.stream_id and b.unsettled \
        and b.bucket < c.range_end \
        and b.bucket + s.bucket_us * interval '1 microsecond' > c.range_start \
        where c.hypertable_schema = $1 and c.hypertable_name = $2) touched, \
    lateral _timescaledb_functions.chunk_status(chunk::regclass) as status \
    where status <> 1 and status & 4 = 0 order by range_start";

pub(super) async fn pay(client: &Client, debt: &Debt) -> Result<(), SinkError> {
    let table = debt.table.to_string();
    for pass in 0.. {
        let left = client.query(CHUNKS, &[&debt.table.schema, &debt.table.name, &table]).await?;
        let Some(first) = left.first() else { break };
        if pass == PASSES_MAX {
            let (count, first) = (left.len(), first.get::<_, &str>(0));
            return Err(SinkError::Ledger(format!(
                "{count} chunks of {table} are not in order after {pass} passes, {first} among them"
            )));
        }
        for row in &left {
            let chunk: &str = row.get(0);
            // One transaction a chunk: what is done stays done.
            let sql = "select public.compress_chunk($1::text::regclass, recompress => true)";
            client.query(sql, &[&chunk]).await?;
        }
    }
    Ok(())
}
