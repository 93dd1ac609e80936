//! What the server has of each setting.

use tokio_postgres::Client;

use crate::config::policy::Order;
use crate::database::edition::Kind;
use crate::database::loading;
use crate::schema::TableName;
use crate::sink::SinkError;

use super::has_jobs;

/// A background job of a table or rollup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Job {
    /// Its id.
    pub id: i32,
    /// It runs by itself.
    pub scheduled: bool,
    /// How often, as the server prints it.
    pub every: String,
    /// The age it goes by: `compress_after`, `drop_after` or `start_offset`.
    pub age: Option<String>,
    /// `end_offset`
    pub end: Option<String>,
}

/// A table as found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// There is one of that name.
    pub exists: bool,
    /// Who loads it at the moment.
    pub loading: Option<String>,
    /// Chunk interval; `None` for a table that is no hypertable.
    pub chunk: Option<String>,
    /// Chunks there are.
    pub chunks: i64,
    /// Chunks that are compressed.
    pub compressed: i64,
    /// Columns to segment and to sort by, where compression is on.
    pub compression: Option<(Vec<String>, Vec<Order>)>,
    /// The job that compresses.
    pub compress: Option<Job>,
    /// The job that drops.
    pub retain: Option<Job>,
}

/// A rollup as found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rollup {
    /// `v`, `m`, or nothing when there is no such view.
    pub kind: Option<String>,
    /// It is a continuous aggregate over this table.
    pub source: Option<TableName>,
    /// Who loads its table at the moment.
    pub loading: Option<String>,
    /// The job that brings it up to date.
    pub refresh: Option<Job>,
}

const HYPERTABLE: &str = "select d.time_interval::text, count(c.chunk_name), \
    count(*) filter (where c.is_compressed) from timescaledb_information.dimensions d \
    left join timescaledb_information.chunks c using (hypertable_schema, hypertable_name) \
    where d.hypertable_schema = $1 and d.hypertable_name = $2 and d.dimension_number = 1 group by 1";

const COMPRESSION: &str = "select attname::text, segmentby_column_index is not null, \
    coalesce(not orderby_asc, false), coalesce(orderby_nullsfirst, false) \
    from timescaledb_information.compression_settings \
    where hypertable_schema = $1 and hypertable_name = $2 \
    order by segmentby_column_index, orderby_column_index";

/// Jobs know a continuous aggregate by the view or by what stores it, depending on the version.
const JOBS: &str = "select job_id, scheduled, schedule_interval::text, \
    coalesce(config->>'compress_after', config->>'drop_after', config->>'start_offset'), \
    config->>'end_offset' from timescaledb_information.jobs j \
    where proc_name = any($3) and ((hypertable_schema = $1 and hypertable_name = $2) or exists ( \
      select from timescaledb_information.continuous_aggregates c \
      where c.view_schema = $1 and c.view_name = $2 \
      and c.materialization_hypertable_schema = j.hypertable_schema \
      and c.materialization_hypertable_name = j.hypertable_name)) order by job_id limit 1";

/// Reads a table.
pub async fn table(client: &Client, name: &TableName, kind: Kind) -> Result<Table, SinkError> {
    let mut found = Table { exists: relkind(client, name).await?.is_some(), ..Table::default() };
    if !found.exists {
        return Ok(found);
    }
    found.loading = loading::by(client, name).await?;
    if kind == Kind::Plain {
        return Ok(found);
    }
    let Some(row) = client.query_opt(HYPERTABLE, &[&name.schema, &name.name]).await? else {
        return Ok(found);
    };
    found.chunk = Some(row.get::<_, Option<String>>(0).unwrap_or_default());
    (found.chunks, found.compressed) = (row.get(1), row.get(2));
    if has_jobs(kind) {
        let rows = client.query(COMPRESSION, &[&name.schema, &name.name]).await?;
        if !rows.is_empty() {
            let (segment, order): (Vec<_>, Vec<_>) =
                rows.iter().partition(|row| row.get::<_, bool>(1));
            let segment = segment.iter().map(|row| row.get(0)).collect();
            let order = order.iter().map(|row| Order {
                column: row.get(0),
                descending: row.get(2),
                nulls_first: row.get(3),
            });
            found.compression = Some((segment, order.collect()));
        }
        found.compress = job(client, name, &["policy_compression", "policy_columnstore"]).await?;
        found.retain = job(client, name, &["policy_retention"]).await?;
    }
    Ok(found)
}

/// Reads a rollup.
pub async fn rollup(client: &Client, name: &TableName, kind: Kind) -> Result<Rollup, SinkError> {
    let mut found = Rollup { kind: relkind(client, name).await?, ..Rollup::default() };
    if !has_jobs(kind) || found.kind.is_none() {
        return Ok(found);
    }
    let sql = "select hypertable_schema::text, hypertable_name::text \
               from timescaledb_information.continuous_aggregates \
               where view_schema = $1 and view_name = $2";
    if let Some(row) = client.query_opt(sql, &[&name.schema, &name.name]).await? {
        let source = TableName { schema: row.get(0), name: row.get(1) };
        found.loading = loading::by(client, &source).await?;
        found.source = Some(source);
        found.refresh = job(client, name, &["policy_refresh_continuous_aggregate"]).await?;
    }
    Ok(found)
}

async fn relkind(client: &Client, name: &TableName) -> Result<Option<String>, SinkError> {
    let sql = "select c.relkind::text from pg_class c join pg_namespace n \
               on n.oid = c.relnamespace where n.nspname = $1 and c.relname = $2";
    let row = client.query_opt(sql, &[&name.schema, &name.name]).await?;
    Ok(row.map(|row| row.get(0)))
}

async fn job(
    client: &Client,
    name: &TableName,
    procedures: &[&str],
) -> Result<Option<Job>, SinkError> {
    let row = client.query_opt(JOBS, &[&name.schema, &name.name, &procedures]).await?;
    Ok(row.map(|row| Job {
        id: row.get(0),
        scheduled: row.get(1),
        every: row.get(2),
        age: row.get(3),
        end: row.get(4),
    }))
}
