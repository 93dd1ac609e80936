//! The ledger: how far each partition was read, what became of its rows, and who may move it on.
//!
//! A partition is claimed by raising its epoch, in a transaction of its own. From then on only that epoch
//! can commit, and each commit raises the version: the update is the last statement of the transaction
//! that holds the rows and must touch one row. Whoever is not sure whether a COMMIT arrived claims again
//! and reads: the row lock makes a commit still under way come first.

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, GenericClient};

use super::SinkError;
use super::fingerprint::{Buckets, Sum};
use crate::batch::{Counts, Position};

/// What a stream is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamKey {
    /// The pipeline's name.
    pub pipeline: String,
    /// Source table, view, or the text of the query.
    pub source_table: String,
    /// Target table, `schema.name`.
    pub target_table: String,
    /// `pipeline` or `replay`.
    pub kind: &'static str,
}

/// A stream as the ledger has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Stream {
    /// Its id.
    pub id: i64,
    /// Schema of its source.
    pub source_id: String,
    /// The copy its partitions were cut on.
    pub copy_id: String,
    /// What its columns mean, one a line.
    pub plan: String,
    /// `append` or `upsert`.
    pub strategy: String,
    /// Columns its hash sums are over.
    pub columns: String,
    /// Version of the time zone database that it was planned with.
    pub tzdb: String,
    /// Time column of the target and width of a bucket in µs; empty and 0 where there is none.
    pub bucket: (String, i64),
    /// Rows outside were left out, µs since 2000.
    pub window: Option<(i64, i64)>,
}

/// A partition as the ledger has it.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionRow {
    /// Number within the stream.
    pub part: i32,
    /// Rows after this key…
    pub after: Position,
    /// … through this one; empty means open.
    pub through: Position,
    /// Read so far.
    pub position: Position,
    /// Nothing is left to read.
    pub done: bool,
    /// What became of its rows.
    pub counts: Counts,
    /// Hash sum of the raw rows read.
    pub source_sum: u128,
}

/// The right to move a partition on, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// The stream.
    pub stream_id: i64,
    /// The partition.
    pub part: i32,
    /// Ours until somebody claims again.
    pub epoch: i64,
    /// Grows at every commit.
    pub version: i64,
    /// Read so far.
    pub position: Position,
    /// Hash sum of the raw rows read so far.
    pub source_sum: u128,
    /// Sums of the rows landed so far, by bucket.
    pub buckets: Buckets,
    /// State of the transform.
    pub state: Vec<(String, Vec<u8>)>,
}

/// A count of the ledger; it is never negative (the database checks the balance).
fn count(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// A count for the ledger.
pub(super) fn stored(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn sum(bytes: &[u8]) -> u128 {
    bytes.try_into().map_or(0, u128::from_be_bytes)
}

/// Microseconds since 2000 as `timestamptz` takes them in binary.
#[derive(Clone, Copy)]
pub struct PgTime(
    /// They.
    pub i64,
);

impl<'a> tokio_postgres::types::FromSql<'a> for PgTime {
    fn from_sql(
        _: &tokio_postgres::types::Type,
        raw: &'a [u8],
    ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw.try_into().map(i64::from_be_bytes)?))
    }
    fn accepts(ty: &tokio_postgres::types::Type) -> bool {
        *ty == tokio_postgres::types::Type::TIMESTAMPTZ
    }
}

impl ToSql for PgTime {
    fn to_sql(
        &self,
        _: &tokio_postgres::types::Type,
        out: &mut bytes::BytesMut,
    ) -> Result<tokio_postgres::types::IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(&self.0.to_be_bytes());
        Ok(tokio_postgres::types::IsNull::No)
    }
    fn accepts(ty: &tokio_postgres::types::Type) -> bool {
        *ty == tokio_postgres::types::Type::TIMESTAMPTZ
    }
    tokio_postgres::types::to_sql_checked!();
}

impl std::fmt::Debug for PgTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Whether this database has a ledger.
pub async fn exists(client: &impl GenericClient) -> Result<bool, SinkError> {
    let sql = "select to_regclass('millstream.stream') is not null";
    Ok(client.query_one(sql, &[]).await?.get(0))
}

/// What names this ledger; it travels in backups.
pub async fn id(client: &Client) -> Result<String, SinkError> {
    let sql = "select ledger_id::text from millstream.identity";
    Ok(client.query_one(sql, &[]).await?.get(0))
}

/// Looks a stream up.
pub async fn find_stream(client: &Client, key: &StreamKey) -> Result<Option<Stream>, SinkError> {
    let sql = "select stream_id, source_id, copy_id, plan, strategy, columns, tzdb, \
               bucket_column, bucket_us, window_from, window_to \
               from millstream.stream where pipeline = $1 and source_table = $2 \
               and target_table = $3 and kind = $4";
    let parameters: [&(dyn ToSql + Sync); 4] =
        [&key.pipeline, &key.source_table, &key.target_table, &key.kind];
    let row = client.query_opt(sql, &parameters).await?;
    Ok(row.map(|row| Stream {
        id: row.get(0),
        source_id: row.get(1),
        copy_id: row.get(2),
        plan: row.get(3),
        strategy: row.get(4),
        columns: row.get(5),
        tzdb: row.get(6),
        bucket: (row.get(7), row.get(8)),
        window: row.get::<_, Option<i64>>(9).zip(row.get(10)),
    }))
}

/// A range of keys, `(after, through]`; an empty end is open.
pub type Range = (Position, Position);

/// Registers a stream with its partitions, all in one transaction. `baseline` are the sums of rows that
/// were in the target before.
pub async fn create_stream(
    client: &mut Client,
    key: &StreamKey,
    stream: &Stream,
    ranges: &[Range],
    baseline: &Buckets,
) -> Result<i64, SinkError> {
    let transaction = client.transaction().await?;
    let sql = "insert into millstream.stream (pipeline, source_table, target_table, kind, \
               source_id, copy_id, plan, plan_sha256, strategy, columns, tzdb, bucket_column, \
               bucket_us, window_from, window_to) values ($1, $2, $3, $4, $5, $6, $7, \
               sha256(convert_to($7, 'UTF8')), $8, $9, $10, $11, $12, $13, $14) \
               returning stream_id";
    let window = stream.window.unzip();
    let parameters: [&(dyn ToSql + Sync); 14] = [
        &key.pipeline,
        &key.source_table,
        &key.target_table,
        &key.kind,
        &stream.source_id,
        &stream.copy_id,
        &stream.plan,
        &stream.strategy,
        &stream.columns,
        &stream.tzdb,
        &stream.bucket.0,
        &stream.bucket.1,
        &window.0,
        &window.1,
    ];
    let stream_id: i64 = transaction.query_one(sql, &parameters).await?.get(0);
    for (part, (after, through)) in (0_i32..).zip(ranges) {
        let sql = "insert into millstream.partition (stream_id, part, after, through) \
                   values ($1, $2, $3, $4)";
        transaction.execute(sql, &[&stream_id, &part, &after.0, &through.0]).await?;
    }
    if !baseline.is_empty() {
        let sql = "insert into millstream.partition (stream_id, part, done) values ($1, -1, true)";
        transaction.execute(sql, &[&stream_id]).await?;
        for (start, sum) in baseline {
            let sql = "insert into millstream.bucket (stream_id, part, bucket, n, sum) \
                       values ($1, -1, $2, $3, $4)";
            let bytes = sum.sum.to_be_bytes().to_vec();
            let parameters: [&(dyn ToSql + Sync); 4] =
                [&stream_id, &PgTime(*start), &stored(sum.n), &bytes];
            transaction.execute(sql, &parameters).await?;
        }
    }
    transaction.commit().await?;
    Ok(stream_id)
}

/// All partitions of a stream, in order.
pub async fn partitions(client: &Client, stream_id: i64) -> Result<Vec<PartitionRow>, SinkError> {
    let sql = "select part, after, through, position, done, n_read, n_used, n_duplicate, \
               n_filtered, n_rejected, n_held, n_made, source_sum \
               from millstream.partition where stream_id = $1 and part >= 0 order by part";
    let rows = client.query(sql, &[&stream_id]).await?;
    let read = |row: tokio_postgres::Row| PartitionRow {
        part: row.get(0),
        after: Position(row.get(1)),
        through: Position(row.get(2)),
        position: Position(row.get(3)),
        done: row.get(4),
        counts: Counts {
            read: count(row.get(5)),
            used: count(row.get(6)),
            duplicate: count(row.get(7)),
            filtered: count(row.get(8)),
            rejected: count(row.get(9)),
            held: count(row.get(10)),
            made: count(row.get(11)),
        },
        source_sum: sum(row.get(12)),
    };
    Ok(rows.into_iter().map(read).collect())
}

/// Takes a partition over: whoever had it before can no longer commit. State is read after that.
///
/// A lane that starts again gives the epoch it had: if somebody else claimed since, it is fenced off. Its
/// own claim whose answer was lost is known by the owner's name.
pub async fn claim(
    client: &Client,
    stream_id: i64,
    part: i32,
    (owner, epoch): (&str, Option<i64>),
) -> Result<Claim, SinkError> {
    let sql = "update millstream.partition set epoch = epoch + 1, owner = $3 \
               where stream_id = $1 and part = $2 \
               and ($4::bigint is null or epoch = $4 or owner = $3) \
               returning epoch, version, position, source_sum";
    let row = client.query_opt(sql, &[&stream_id, &part, &owner, &epoch]).await?;
    let row = row.ok_or(SinkError::Fenced)?;
    let buckets = buckets(client, stream_id, part).await?;
    let state = state(client, stream_id, part).await?;
    Ok(Claim {
        stream_id,
        part,
        epoch: row.get(0),
        version: row.get(1),
        position: Position(row.get(2)),
        source_sum: sum(row.get(3)),
        buckets,
        state,
    })
}

/// State of the transforms of one partition: key and bytes.
pub async fn state(
    client: &Client,
    stream_id: i64,
    part: i32,
) -> Result<Vec<(String, Vec<u8>)>, SinkError> {
    let sql = "select key, value from millstream.state where stream_id = $1 and part = $2";
    let rows = client.query(sql, &[&stream_id, &part]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

fn bucket(row: &tokio_postgres::Row) -> (i64, Sum) {
    (row.get::<_, PgTime>(0).0, Sum { n: count(row.get(1)), sum: sum(row.get(2)) })
}

/// The streams that go into a table.
pub async fn streams_into(client: &Client, target_table: &str) -> Result<Vec<Stream>, SinkError> {
    let sql = "select pipeline, source_table, kind from millstream.stream \
               where target_table = $1 order by stream_id";
    let mut streams = Vec::new();
    for row in client.query(sql, &[&target_table]).await? {
        let kind: &str = row.get(2);
        let key = StreamKey {
            pipeline: row.get(0),
            source_table: row.get(1),
            target_table: target_table.to_owned(),
            kind: if kind == "replay" { "replay" } else { "pipeline" },
        };
        streams.extend(find_stream(client, &key).await?);
    }
    Ok(streams)
}

/// Pipelines, with their streams, that go into a table; replays left out.
pub async fn pipelines_into(
    client: &Client,
    target_table: &str,
) -> Result<Vec<(String, Stream)>, SinkError> {
    let sql = "select pipeline, source_table from millstream.stream \
               where target_table = $1 and kind = 'pipeline' order by stream_id";
    let mut found = Vec::new();
    for row in client.query(sql, &[&target_table]).await? {
        let key = StreamKey {
            pipeline: row.get(0),
            source_table: row.get(1),
            target_table: target_table.to_owned(),
            kind: "pipeline",
        };
        let stream = find_stream(client, &key).await?;
        found.extend(stream.map(|stream| (key.pipeline, stream)));
    }
    Ok(found)
}

/// Sums by bucket over every stream that goes into a table: what the table must hold.
pub async fn expected(client: &Client, target_table: &str) -> Result<Buckets, SinkError> {
    let sql = "select b.bucket, b.n, b.sum from millstream.bucket b \
               join millstream.stream s using (stream_id) where s.target_table = $1";
    let mut buckets = Buckets::new();
    for row in client.query(sql, &[&target_table]).await? {
        let (start, sum) = bucket(&row);
        buckets.entry(start).or_default().merge(sum);
    }
    Ok(buckets)
}

impl Claim {
    /// A claim at the start of a partition that nobody owns: for reading a source again.
    pub fn fresh(stream_id: i64) -> Self {
        Self {
            stream_id,
            part: 0,
            epoch: 0,
            version: 0,
            position: Position::default(),
            source_sum: 0,
            buckets: Buckets::new(),
            state: Vec::new(),
        }
    }
}

/// Sums of one partition.
pub async fn buckets(client: &Client, stream_id: i64, part: i32) -> Result<Buckets, SinkError> {
    let sql = "select bucket, n, sum from millstream.bucket where stream_id = $1 and part = $2";
    let rows = client.query(sql, &[&stream_id, &part]).await?;
    Ok(rows.iter().map(bucket).collect())
}

/// Keys of the rows of a partition that the server refused.
pub async fn refused_by_sink(
    client: &Client,
    stream_id: i64,
    part: i32,
) -> Result<std::collections::HashSet<Position>, SinkError> {
    let sql = "select position from millstream.dead_letter \
               where stream_id = $1 and part = $2 and stage = 'sink'";
    let rows = client.query(sql, &[&stream_id, &part]).await?;
    Ok(rows.iter().map(|row| Position(row.get(0))).collect())
}

/// The copy that a run of this pipeline was reading when it ended early.
pub async fn unfinished_copy(client: &Client, pipeline: &str) -> Result<Option<String>, SinkError> {
    let sql = "select copy_id from millstream.stream s where pipeline = $1 and kind = 'pipeline' \
               and exists (select from millstream.partition p \
                           where p.stream_id = s.stream_id and p.part >= 0 and not p.done) limit 1";
    let row = client.query_opt(sql, &[&pipeline]).await?;
    Ok(row.map(|row| row.get(0)))
}
