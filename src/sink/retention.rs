//! Since when a table keeps its rows: what is older, a retention policy drops.

use tokio_postgres::Client;

use super::{SinkError, catalog};
use crate::schema::TableName;

/// How long rows of a table are kept, in words, and the instant before which they go, µs since 2000.
/// A job that is paused counts: it will run again.
pub async fn of(client: &Client, table: &TableName) -> Result<Option<(String, i64)>, SinkError> {
    if !catalog::has_timescale(client).await? {
        return Ok(None);
    }
    let sql = "select kept, (extract(epoch from now() - kept::interval - \
                 timestamptz '2000-01-01 00:00:00+00') * 1000000)::bigint \
               from (select config->>'drop_after' as kept from timescaledb_information.jobs \
                 where proc_name = 'policy_retention' and hypertable_schema = $1 \
                 and hypertable_name = $2) jobs where kept !~ '^[0-9]+$' order by 2 desc limit 1";
    let row = client.query_opt(sql, &[&table.schema, &table.name]).await?;
    Ok(row.map(|row| (row.get(0), row.get(1))))
}
