//! `verify --deep`: reads the source and transforms it again, without a sink, and compares with the ledger.
//!
//! That proves what the fingerprint alone cannot: that the source is what it was, and that the transform
//! gives the same for it.

use std::collections::HashSet;
use std::ops::ControlFlow;

use tokio_postgres::Client;

use super::{Verified, verdict};
use crate::batch::{Batch, Position};
use crate::pipeline::failure::RunError;
use crate::pipeline::job::Job;
use crate::pipeline::worker::{Condemned, Worker};
use crate::sink::fingerprint::Buckets;
use crate::sink::ledger::{self, Claim};
use crate::source::Range;

/// Compares the sums of one stream with what its source makes today.
pub async fn deep(client: &Client, job: &Job) -> Result<Verified, RunError> {
    let mut expected = Buckets::new();
    let mut found = Buckets::new();
    for partition in ledger::partitions(client, job.stream_id).await? {
        for (start, sum) in ledger::buckets(client, job.stream_id, partition.part).await? {
            expected.entry(start).or_default().merge(sum);
        }
        let refused = ledger::refused_by_sink(client, job.stream_id, partition.part).await?;
        let range = Range { after: partition.after, through: partition.position };
        for (start, sum) in transform_again(job, &range, refused)? {
            found.entry(start).or_default().merge(sum);
        }
    }
    Ok(verdict(job.target.name.to_string(), "source", &expected, &found))
}

fn transform_again(
    job: &Job,
    range: &Range,
    refused: HashSet<Position>,
) -> Result<Buckets, RunError> {
    if range.through.is_start() {
        return Ok(Buckets::new());
    }
    let claim = Claim::fresh(job.stream_id);
    let mut worker = Worker::new(job.recipe(), job.time(), &claim, Condemned::new(), usize::MAX)?;
    worker.refuse(refused);
    let mut take = |batch: Batch| {
        let pushed = worker.push(&batch, &mut |_| Ok::<(), std::convert::Infallible>(()));
        match pushed {
            Ok(()) => ControlFlow::Continue(()),
        }
    };
    job.open_source()?.read(range, &Position::default(), &mut take)?;
    Ok(worker.buckets().clone())
}
