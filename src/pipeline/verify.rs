//! Proof that what landed is what was sent: the ledger's sums against the table read back.
//!
//! The table is locked `in access share mode` before the snapshot is taken, so that compression and
//! retention wait instead of showing half of a chunk. Tables that are upserted are compared by their key:
//! the source goes through the transform again, and every row it makes must be in the table.

use futures_util::StreamExt as _;
use tokio_postgres::Client;

use super::job::Job;
use crate::schema::quote;
use crate::sink::fingerprint::{Buckets, Fingerprinter, Sum};
use crate::sink::ledger;
use crate::sink::{SinkError, copy};

mod by_key;
mod deep;

pub use by_key::by_key;
pub use deep::deep;

/// What comparing one table gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// The table.
    pub table: String,
    /// `fingerprint`, `key` or `source`.
    pub method: &'static str,
    /// Rows that the ledger says landed.
    pub expected: u64,
    /// Rows read back.
    pub found: u64,
    /// Buckets compared.
    pub buckets: usize,
    /// Buckets that differ.
    pub differences: Vec<Difference>,
    /// Hash sum of all rows, for a person to compare.
    pub fingerprint: u128,
}

/// A bucket that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// First microsecond of the bucket since 2000.
    pub bucket: i64,
    /// What the ledger says.
    pub expected: Sum,
    /// What the table holds.
    pub found: Sum,
}

impl Verified {
    /// Everything is there, nothing more, and bit for bit.
    pub fn holds(&self) -> bool {
        self.differences.is_empty()
    }
}

/// Compares a table that was appended to.
pub async fn by_fingerprint(client: &Client, job: &Job) -> Result<Verified, SinkError> {
    begin(client, &job.target.name.quoted()).await?;
    let compared = compare(client, job).await;
    client.batch_execute("rollback").await?;
    compared
}

async fn compare(client: &Client, job: &Job) -> Result<Verified, SinkError> {
    let table = job.target.name.to_string();
    let streams = ledger::streams_into(client, &table).await?;
    let mut columns: Vec<&str> = streams.iter().map(|stream| stream.columns.as_str()).collect();
    columns.dedup();
    if columns.len() > 1 {
        let message =
            format!("streams into {table} write different columns: {}", columns.join(" | "));
        return Err(SinkError::Ledger(message));
    }
    let expected = ledger::expected(client, &table).await?;
    let found = read_table(client, job).await?;
    Ok(verdict(table, "fingerprint", &expected, &found))
}

/// Bucket by bucket.
pub(super) fn verdict(
    table: String,
    method: &'static str,
    expected: &Buckets,
    found: &Buckets,
) -> Verified {
    let starts: std::collections::BTreeSet<i64> =
        expected.keys().chain(found.keys()).copied().collect();
    let at = |buckets: &Buckets, start: &i64| buckets.get(start).copied().unwrap_or_default();
    let differences = starts.iter().filter_map(|start| {
        let (expected, found) = (at(expected, start), at(found, start));
        (expected != found).then_some(Difference { bucket: *start, expected, found })
    });
    let total = |buckets: &Buckets| buckets.values().map(|sum| sum.n).sum();
    Verified {
        table,
        method,
        expected: total(expected),
        found: total(found),
        buckets: starts.len(),
        differences: differences.collect(),
        fingerprint: found.values().fold(0, |sum, bucket| sum.wrapping_add(bucket.sum)),
    }
}

async fn begin(client: &Client, table: &str) -> Result<(), SinkError> {
    let sql = format!(
        "begin isolation level repeatable read read only; \
         set local lock_timeout = '60s'; lock table {table} in access share mode"
    );
    Ok(client.batch_execute(&sql).await?)
}

/// Sums of a table as it is now, in a snapshot of its own.
pub async fn read_back(client: &Client, job: &Job) -> Result<Buckets, SinkError> {
    begin(client, &job.target.name.quoted()).await?;
    let buckets = read_table(client, job).await;
    client.batch_execute("rollback").await?;
    buckets
}

async fn read_table(client: &Client, job: &Job) -> Result<Buckets, SinkError> {
    let names: Vec<String> = job.destination.columns.iter().map(|(name, _)| quote(name)).collect();
    let time = job.time().and_then(|(column, width)| {
        let field = job.destination.columns.iter().position(|(name, _)| name == column)?;
        Some((field, width))
    });
    let printer = Fingerprinter::new(job.types(), time);
    let sql = format!(
        "copy (select {} from {}) to stdout (format binary)",
        names.join(", "),
        job.target.name.quoted()
    );
    let stream = client.copy_out(&sql).await?;
    futures_util::pin_mut!(stream);
    let mut buckets = Buckets::new();
    let mut last: (i64, Sum) = (i64::MAX, Sum::default());
    let mut first = true;
    while let Some(message) = stream.next().await {
        let message = message?;
        let mut bytes: &[u8] = &message;
        if first {
            // The header comes with the first message.
            bytes = bytes.get(copy::HEADER.len()..).unwrap_or_default();
            first = false;
        }
        let Some(tuple) = bytes.get(2..).filter(|_| !bytes.starts_with(&copy::TRAILER)) else {
            continue;
        };
        let damaged = || SinkError::Ledger("a tuple read back cannot be parsed".to_owned());
        let (bucket, hash) = printer.row(tuple).ok_or_else(damaged)?;
        if bucket != last.0 {
            buckets.entry(last.0).or_default().merge(std::mem::take(&mut last.1));
            last.0 = bucket;
        }
        last.1.add(hash);
    }
    buckets.entry(last.0).or_default().merge(last.1);
    buckets.retain(|_, sum| sum.n > 0);
    Ok(buckets)
}

/// Verifies every table of a plan; `from_source` also reads the source again.
pub async fn all(
    plan: &crate::config::plan::Plan,
    server: &crate::sink::session::Server,
    from_source: bool,
) -> Result<Vec<Verified>, super::failure::RunError> {
    use super::resolve;
    use crate::sink::strategy::Strategy;
    let session = server.connect("millstream verify").await.map_err(SinkError::from)?;
    let client = &session.client;
    let at = resolve::source(plan)?;
    let resolved = resolve::resolve(plan, client, &at, None).await?;
    let mut verified = Vec::new();
    for mut job in resolved.jobs {
        let key = job.key(&plan.name);
        let Some(stream) = ledger::find_stream(client, &key).await? else {
            let message =
                format!("nothing was loaded into {} by `{}` yet", job.target.name, plan.name);
            return Err(SinkError::Ledger(message).into());
        };
        job.stream_id = stream.id;
        job.bucket.clone_from(&stream.bucket);
        job.window = stream.window;
        if stream.strategy == Strategy::Append.meaning() {
            verified.push(by_fingerprint(client, &job).await?);
            if from_source {
                verified.push(deep(client, &job).await?);
            }
        } else {
            let key = job.target.primary_key.clone();
            verified.push(by_key(client, &job, &key).await?);
        }
    }
    Ok(verified)
}
