//! A transaction whose rows are compressed as they come in.
//!
//! Whether its rows can be sent as "sorted by the client" is decided here, and only here. It is a promise
//! about everything a chunk holds: two batches that overlap in time, both sent so, and `order by time` is
//! answered wrongly. So it is made for a bucket that holds no row and into which nobody else of ours writes:
//! times of batches sent so never overlap. All other batches mark their chunk as unordered, which queries
//! take into account and the recompression after the load mends.

use tokio_postgres::Client;

use super::{Destination, PgTime};
use crate::schema::{PgType, quote};
use crate::sink::columnstore::Columnstore;
use crate::sink::{Encoded, SinkError, Sorted};

const COMPRESS: &str = "set local timescaledb.enable_direct_compress_copy = on";
/// The rows are in the order that the server would sort them into.
const IN_ORDER: &str = "set local timescaledb.enable_direct_compress_copy_sort_batches = off";
const SORTED: &str = "set local timescaledb.enable_direct_compress_copy_client_sorted = on";

/// One writer into an empty bucket, or any number into one that is marked as unordered.
const SHARE: &str = "select pg_advisory_xact_lock_shared(key) from \
    (select hashtextextended($1 || ' ' || bucket, 9) as key from unnest($2::bigint[]) bucket \
    order by 1) keys";
const ALONE: &str =
    "select pg_try_advisory_xact_lock(hashtextextended($1 || ' ' || $2::bigint, 9))";

/// Buckets of different widths, after a change of the chunk interval, would not exclude each other.
const ALIKE: &str = "select count(distinct other.bucket_us) = 1 from millstream.stream s \
    join millstream.stream other using (target_table) where s.stream_id = $1";

/// How the transactions of one sink compress.
pub(super) struct Compress {
    table: String,
    in_order: bool,
    /// Whether a bucket has no row yet, by its ends; asked only of a `timestamptz` that orders segments.
    empty: Option<String>,
}

impl Compress {
    pub(super) async fn new(
        client: &Client,
        stream_id: i64,
        (columnstore, destination): (&Columnstore, &Destination),
    ) -> Result<Self, SinkError> {
        let order = columnstore.exact_order(&destination.columns);
        let is_time = |(name, ty): &(String, PgType)| {
            *name == destination.time && matches!(ty, PgType::Timestamptz(_))
        };
        let timed = destination.columns.iter().any(is_time)
            && order.is_some_and(|order| order.column == destination.time);
        let (table, time) = (&destination.table, quote(&destination.time));
        let empty =
            format!("select not exists (select from {table} where {time} >= $1 and {time} < $2)");
        let alike: bool = client.query_one(ALIKE, &[&stream_id]).await?.get(0);
        let empty = (timed && alike).then_some(empty);
        Ok(Self { table: table.clone(), in_order: order.is_some(), empty })
    }

    /// After BEGIN.
    pub(super) async fn begin(
        &self,
        client: &Client,
        sorted: Sorted,
        rows: &Encoded,
    ) -> Result<(), SinkError> {
        client.batch_execute(COMPRESS).await?;
        if self.in_order {
            client.batch_execute(IN_ORDER).await?;
        }
        if self.is_alone(client, sorted).await? {
            client.batch_execute(SORTED).await?;
            return Ok(());
        }
        let buckets: Vec<i64> = rows.buckets.iter().map(|(start, _)| *start).collect();
        client.query(SHARE, &[&self.table, &buckets]).await?;
        Ok(())
    }

    async fn is_alone(&self, client: &Client, sorted: Sorted) -> Result<bool, SinkError> {
        let (Some(empty), Some((from, to))) = (&self.empty, sorted.bucket) else {
            return Ok(false);
        };
        let ends = (PgTime(from), PgTime(to));
        if !client.query_one(empty, &[&ends.0, &ends.1]).await?.get::<_, bool>(0) {
            return Ok(false);
        }
        if !client.query_one(ALONE, &[&self.table, &from]).await?.get::<_, bool>(0) {
            return Ok(false);
        }
        // Somebody may have come and gone between the two.
        Ok(client.query_one(empty, &[&ends.0, &ends.1]).await?.get(0))
    }
}
