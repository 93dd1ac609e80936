//! What a retention would drop as soon as it runs.

use tokio_postgres::Client;

use crate::config::policy::{Span, TablePolicy};
use crate::schema::quote;
use crate::sink::SinkError;

use super::literal;

/// Rows that would go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Chunks that are older as a whole.
    pub chunks: i64,
    /// Rows in them.
    pub rows: i64,
    /// The oldest of them.
    pub oldest: String,
    /// The length of time they are older than.
    pub than: Span,
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { chunks, rows, oldest, than } = self;
        write!(f, "{rows} rows in {chunks} chunks older than {than}, back to {oldest}")
    }
}

/// What `retain` drops from a hypertable at once; `None` when nothing.
pub async fn of(
    client: &Client,
    table: &TablePolicy,
    than: Span,
) -> Result<Option<Loss>, SinkError> {
    let sql = "select count(*), max(range_end)::text from timescaledb_information.chunks \
               where hypertable_schema = $1 and hypertable_name = $2 \
               and range_end <= now() - $3::text::interval";
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
        [&table.name.schema, &table.name.name, &than.to_string()];
    let row = client.query_one(sql, &params).await?;
    let Some(end) = row.get::<_, Option<String>>(1) else { return Ok(None) };
    let chunks = row.get(0);
    let (name, time) = (table.name.quoted(), quote(&table.time));
    let end = literal(&end);
    let sql = format!(
        "select count(*), coalesce(min({time})::text, '') from {name} where {time} < timestamptz {end}"
    );
    let row = client.query_one(&sql, &[]).await?;
    let (rows, oldest): (i64, String) = (row.get(0), row.get(1));
    Ok((rows > 0).then_some(Loss { chunks, rows, oldest, than }))
}

/// Rows that were older than the retention when a pipeline loaded them, and are still there: a history
/// that somebody brought over on purpose. Names the pipeline and the time up to which its rows reach.
pub async fn history(
    client: &Client,
    table: &TablePolicy,
    than: Span,
) -> Result<Option<String>, SinkError> {
    if !crate::sink::ledger::exists(client).await? {
        return Ok(None);
    }
    let sql = "select s.pipeline, \
                 max(b.bucket + s.bucket_us * interval '1 microsecond')::text, sum(b.n)::bigint \
               from millstream.stream s join millstream.bucket b using (stream_id) \
               where s.target_table = $1 and s.bucket_column = $2 and b.n > 0 \
               and isfinite(b.bucket) and b.bucket + s.bucket_us * interval '1 microsecond' \
                 <= s.created_at - $3::text::interval group by 1 order by 2 desc limit 1";
    let label = table.name.to_string();
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
        [&label, &table.time, &than.to_string()];
    let Some(row) = client.query_opt(sql, &params).await? else { return Ok(None) };
    let (pipeline, end, rows): (String, String, i64) = (row.get(0), row.get(1), row.get(2));
    let (name, time) = (table.name.quoted(), quote(&table.time));
    let end_literal = literal(&end);
    let sql =
        format!("select exists (select from {name} where {time} < timestamptz {end_literal})");
    let there: bool = client.query_one(&sql, &[]).await?.get(0);
    Ok(there.then(|| {
        format!("pipeline {pipeline} loaded {rows} rows that were older than {than} even then")
    }))
}
