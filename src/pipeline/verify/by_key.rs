//! Compares a table that is upserted: a later row replaces an earlier one, so sums cannot follow.
//!
//! The source goes through the transform again into a temporary table; the last row of each key must be
//! in the target as it is. Rows of the target that come from elsewhere are none of our business.

use std::ops::ControlFlow;

use futures_util::SinkExt as _;
use tokio_postgres::Client;

use super::{Difference, Verified};
use crate::batch::{Batch, Position};
use crate::pipeline::failure::RunError;
use crate::pipeline::job::Job;
use crate::pipeline::worker::{Condemned, Worker};
use crate::schema::quote;
use crate::sink::fingerprint::{NO_TIME, Sum};
use crate::sink::ledger::{self, Claim};
use crate::sink::{Encoded, SinkError, copy};
use crate::source::Range;

/// Every row that the source makes is in the table.
pub async fn by_key(client: &Client, job: &Job, key: &[String]) -> Result<Verified, RunError> {
    let quoted = |names: &mut dyn Iterator<Item = &String>| {
        let names: Vec<String> = names.map(|name| quote(name)).collect();
        names.join(", ")
    };
    let table = job.target.name.quoted();
    let columns = quoted(&mut job.destination.columns.iter().map(|(name, _)| name));
    let key = quoted(&mut key.iter());
    let stage = format!(
        "drop table if exists pg_temp.expected; \
         create temp table expected as select {columns} from {table} with no data; \
         alter table expected add ordinal bigserial"
    );
    client.batch_execute(&stage).await.map_err(SinkError::from)?;
    for partition in ledger::partitions(client, job.stream_id).await? {
        let refused = ledger::refused_by_sink(client, job.stream_id, partition.part).await?;
        let range = Range { after: partition.after, through: partition.position };
        if range.through.is_start() {
            continue;
        }
        let claim = Claim::fresh(job.stream_id);
        let mut worker = Worker::new(job.recipe(), None, &claim, Condemned::new(), 65_536)?;
        worker.refuse(refused);
        for encoded in transactions(job, worker, &range)? {
            load(client, job, &encoded).await?;
        }
    }
    let sql = format!(
        "with last as (select distinct on ({key}) * from pg_temp.expected order by {key}, ordinal desc), \
         wanted as (select {columns} from last) \
         select (select count(*) from wanted), \
         (select count(*) from (select * from wanted except select {columns} from {table}) missing)"
    );
    let row = client.query_one(&sql, &[]).await.map_err(SinkError::from)?;
    client.batch_execute("drop table pg_temp.expected").await.map_err(SinkError::from)?;
    let count = |at: usize| u64::try_from(row.get::<_, i64>(at)).unwrap_or(0);
    let (expected, missing) = (count(0), count(1));
    let difference = Difference {
        bucket: NO_TIME,
        expected: Sum { n: expected, sum: 0 },
        found: Sum { n: expected - missing, sum: 0 },
    };
    Ok(Verified {
        table: job.target.name.to_string(),
        method: "key",
        expected,
        found: expected - missing,
        buckets: 1,
        differences: if missing > 0 { vec![difference] } else { Vec::new() },
        fingerprint: 0,
    })
}

/// Reference tables are small: what they make fits in memory.
fn transactions(job: &Job, mut worker: Worker, range: &Range) -> Result<Vec<Encoded>, RunError> {
    let mut made = Vec::new();
    let mut take = |batch: Batch| {
        let pushed = worker.push(&batch, &mut |encoded| {
            made.push(encoded);
            Ok::<(), std::convert::Infallible>(())
        });
        match pushed {
            Ok(()) => ControlFlow::Continue(()),
        }
    };
    job.open_source()?.read(range, &Position::default(), &mut take)?;
    made.extend(worker.finish(true));
    Ok(made)
}

async fn load(client: &Client, job: &Job, encoded: &Encoded) -> Result<(), SinkError> {
    if encoded.counts.made == 0 {
        return Ok(());
    }
    let sql = copy::statement("pg_temp.expected", &job.destination.columns);
    let sink = client.copy_in::<_, bytes::Bytes>(&sql).await?;
    futures_util::pin_mut!(sink);
    for part in &encoded.copy {
        sink.as_mut().feed(part.clone()).await?;
    }
    let landed = sink.finish().await?;
    let sent = encoded.counts.made;
    if landed == sent { Ok(()) } else { Err(SinkError::Count { sent, landed }) }
}
