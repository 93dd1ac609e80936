//! Which snapshots of a live source its partitions were read in.

use tokio_postgres::Client;

use super::SinkError;
use crate::batch::Position;

/// Notes that a partition is read on behind `from` in this snapshot of its source; a second time is none.
pub async fn note(
    client: &Client,
    (stream_id, part): (i64, i32),
    (name, from): (&str, &Position),
) -> Result<(), SinkError> {
    let sql = "insert into millstream.snapshot (stream_id, part, name, from_position) \
               values ($1, $2, $3, $4) on conflict do nothing";
    client.execute(sql, &[&stream_id, &part, &name, &from.0]).await?;
    Ok(())
}

/// Number of snapshots of its source that a stream was read in.
pub async fn count(client: &Client, stream_id: i64) -> Result<i64, SinkError> {
    let sql = "select count(distinct name) from millstream.snapshot where stream_id = $1";
    Ok(client.query_one(sql, &[&stream_id]).await?.get(0))
}
