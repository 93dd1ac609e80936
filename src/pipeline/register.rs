//! Ties a job to its stream in the ledger: registers it once, and from then on holds both to what was
//! registered. Another schema, another meaning, or rows that changed below the cursor are refused.

use std::ops::ControlFlow;

use tokio_postgres::Client;

use super::job::Job;
use super::verify;
use crate::batch::{Batch, Position, ValueRef};
use crate::sink::SinkError;
use crate::sink::fingerprint::Buckets;
use crate::sink::ledger::{self, PartitionRow, Stream, StreamKey};
use crate::sink::strategy::Strategy;
use crate::source::{At, Range, SourceError, postgres, profile};
use crate::transform::clock::tzdb_version;

/// Partitions of a large table; few, as each keeps its own sums.
const PARTITIONS_MAX: i64 = 8;
/// A partition is worth having from so many keys on.
const PARTITION_KEYS: i64 = 250_000;

/// Why a job does not go with its stream.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The schema of the source table is another one.
    #[error(
        "{table}: this is another source than the one loaded so far\n  loaded: {loaded}\n  now:    {now}\n    \
         hint: give it a pipeline of its own, or start over with --fresh on an empty target"
    )]
    OtherSource {
        /// Source table.
        table: String,
        /// Its schema in the ledger.
        loaded: String,
        /// Its schema now.
        now: String,
    },
    /// The columns mean something else than before.
    #[error(
        "{table}: the plan changed since the first rows were loaded\n{difference}\n    hint: undo the change, or \
         accept it for the rows still to come with --accept-plan-change"
    )]
    OtherPlan {
        /// Source table.
        table: String,
        /// Lines that came and went.
        difference: String,
    },
    /// Other columns are written than before: the sums of old and new rows would not add up.
    #[error(
        "{table}: other columns are written than for the rows already loaded\n  loaded: {loaded}\n  now:    {now}\n    \
         hint: undo the change, or load into another table under another pipeline name"
    )]
    OtherColumns {
        /// Source table.
        table: String,
        /// Columns in the ledger.
        loaded: String,
        /// Columns now.
        now: String,
    },
    /// Rows that were loaded are not what they were.
    #[error(
        "{table}: rows up to key {position} were changed, deleted or inserted in the source after they were loaded \
         ({loaded} rows then, {now} now)\n    hint: the source was replaced, or it is not append-only; nothing was \
         touched. Load it into an empty table under another pipeline name, or restore the source"
    )]
    Changed {
        /// Source table.
        table: String,
        /// The key up to which it was loaded.
        position: String,
        /// Rows read then.
        loaded: u64,
        /// Rows there now.
        now: u64,
    },
    /// A table without a key, half read.
    #[error(
        "{table}: it has no key, so its rows are known by where they lie, and the snapshot in which they lay there \
         is gone with the run that began ({landed} rows landed)\n    hint: empty its target and start over with \
         --fresh; or read it by a query with a `key`"
    )]
    NotResumable {
        /// Source table.
        table: String,
        /// Rows that landed.
        landed: u64,
    },
    /// Another pipeline loaded these very rows into this table.
    #[error(
        "{table}: the pipeline `{other}` has loaded these very rows into it already; a second name would \
         double them\n    hint: keep the name `{other}`, or load into another table"
    )]
    LoadedByOthers {
        /// Target table.
        table: String,
        /// The other pipeline.
        other: String,
    },
    /// Rows landed, and the table is empty or missing now.
    #[error(
        "{table}: {landed} rows were loaded into it, and it is empty now\n    hint: restore it; or start over \
         with --fresh, which loads everything again"
    )]
    TargetGone {
        /// Target table.
        table: String,
        /// Rows that the ledger says landed.
        landed: u64,
    },
    /// The source.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The ledger.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

/// What a run asks of its streams.
#[derive(Clone, Copy, Debug)]
pub struct How<'a> {
    /// The copy or the snapshot that is read.
    pub copy_id: &'a str,
    /// Go on although columns mean something else now.
    pub accept_plan_change: bool,
    /// Look at what was read before, also where the source is a server.
    pub catch_up: bool,
}

/// Holds a job to its stream, and writes nothing: a run that is refused leaves no trace.
pub async fn check(
    client: &Client,
    pipeline: &str,
    job: &mut Job,
    how: How<'_>,
) -> Result<Option<Stream>, RegisterError> {
    let key = job.key(pipeline);
    let stream = ledger::find_stream(client, &key).await?;
    match &stream {
        None => check_not_loaded_by_others(client, pipeline, job).await?,
        Some(stream) => check_stream(client, job, stream, how).await?,
    }
    Ok(stream)
}

/// Makes the job's stream, or takes note that it is read from another copy now; its partitions as they
/// stand.
pub async fn enter(
    client: &mut Client,
    pipeline: &str,
    job: &mut Job,
    (stream, copy_id): (Option<Stream>, &str),
) -> Result<Vec<PartitionRow>, RegisterError> {
    match stream {
        None => create(client, &job.key(pipeline), job, copy_id).await?,
        Some(stream) => go_on(client, job, &stream, copy_id).await?,
    }
    Ok(ledger::partitions(client, job.stream_id).await?)
}

/// The same rows under another pipeline's name would be doubled, and the ledger would say that all is well.
async fn check_not_loaded_by_others(
    client: &Client,
    pipeline: &str,
    job: &Job,
) -> Result<(), RegisterError> {
    let table = job.target.name.to_string();
    for (other, stream) in ledger::pipelines_into(client, &table).await? {
        if other == pipeline || stream.source_id != job.source.identity {
            continue;
        }
        let partitions = ledger::partitions(client, stream.id).await?;
        let mut started = partitions.iter().filter(|partition| !partition.position.is_start());
        let any = started.clone().next().is_some();
        let same = started.try_fold(true, |same, partition| {
            let (rows, sum) = digest(job, partition)?;
            let equal = sum == partition.source_sum && rows == partition.counts.read;
            Ok::<bool, SourceError>(same && equal)
        })?;
        if any && same {
            return Err(RegisterError::LoadedByOthers { table, other });
        }
    }
    Ok(())
}

async fn create(
    client: &mut Client,
    key: &StreamKey,
    job: &mut Job,
    copy_id: &str,
) -> Result<(), RegisterError> {
    let ours = !ledger::streams_into(client, &key.target_table).await?.is_empty();
    let baseline = match job.target.empty || ours {
        true => Buckets::new(),
        false => verify::read_back(client, job).await?,
    };
    let stream = Stream {
        id: 0,
        source_id: job.source.identity.clone(),
        copy_id: copy_id.to_owned(),
        plan: job.canonical.join("\n"),
        strategy: job.strategy.meaning().to_owned(),
        columns: job.column_list(),
        tzdb: tzdb_version().to_owned(),
        bucket: job.bucket.clone(),
        window: job.window,
    };
    let ranges: Vec<ledger::Range> =
        cut(job)?.into_iter().map(|range| (range.after, range.through)).collect();
    job.stream_id = ledger::create_stream(client, key, &stream, &ranges, &baseline).await?;
    Ok(())
}

/// Ranges of about equal width; the first and the last are open, so that nothing can fall outside.
fn cut(job: &Job) -> Result<Vec<Range>, SourceError> {
    let whole = vec![Range::default()];
    // Of an upsert's rows the last one wins: they have to come in one order.
    let ordered = job.stateful || matches!(job.strategy, Strategy::Upsert { .. });
    if !job.source.by_rowid || ordered {
        return Ok(whole);
    }
    let Some((low, high)) = profile::bounds(&job.at, &job.source)? else {
        return Ok(whole);
    };
    let span = high.saturating_sub(low);
    let count = (span / PARTITION_KEYS).clamp(1, PARTITIONS_MAX);
    let at = |key: i64| Position::after([ValueRef::Integer(key)].into_iter());
    let mut ranges = Vec::new();
    let mut after = Position::default();
    for index in 1..count {
        let through = at(low.saturating_add(span / count * index));
        ranges.push(Range { after, through: through.clone() });
        after = through;
    }
    ranges.push(Range { after, through: Position::default() });
    Ok(ranges)
}

async fn check_stream(
    client: &Client,
    job: &mut Job,
    stream: &Stream,
    how: How<'_>,
) -> Result<(), RegisterError> {
    job.stream_id = stream.id;
    job.bucket.clone_from(&stream.bucket);
    let table = || job.source.label.clone();
    if stream.source_id != job.source.identity {
        return Err(RegisterError::OtherSource {
            table: table(),
            loaded: stream.source_id.clone(),
            now: job.source.identity.clone(),
        });
    }
    let plan = job.canonical.join("\n");
    if stream.columns != job.column_list() {
        let loaded = stream.columns.clone();
        return Err(RegisterError::OtherColumns { table: table(), loaded, now: job.column_list() });
    }
    if stream.plan != plan && !how.accept_plan_change {
        let difference = difference(&stream.plan, &plan);
        return Err(RegisterError::OtherPlan { table: table(), difference });
    }
    let partitions = ledger::partitions(client, job.stream_id).await?;
    let landed: u64 = partitions.iter().map(|partition| partition.counts.made).sum();
    if landed > 0 && job.target.empty {
        return Err(RegisterError::TargetGone { table: job.target.name.to_string(), landed });
    }
    if stream.copy_id == how.copy_id {
        return Ok(());
    }
    let live = matches!(job.at, At::Postgres(_));
    let begun = |part: &PartitionRow| !part.done && !part.position.is_start();
    if job.source.key == [postgres::CTID] && partitions.iter().any(begun) {
        return Err(RegisterError::NotResumable { table: table(), landed });
    }
    if !live || how.catch_up {
        check_unchanged(job, partitions)?;
    }
    Ok(())
}

async fn go_on(
    client: &Client,
    job: &mut Job,
    stream: &Stream,
    copy_id: &str,
) -> Result<(), RegisterError> {
    // What rows meant when the first one came stands; whether they are compressed as they come in is
    // asked anew.
    if stream.strategy != job.strategy.meaning() {
        job.strategy = match stream.strategy == Strategy::Append.meaning() {
            true => Strategy::Append,
            false => Strategy::Upsert { key: job.target.primary_key.clone() },
        };
    }
    let plan = job.canonical.join("\n");
    if stream.plan != plan {
        let sql = "update millstream.stream set plan = $2, \
                   plan_sha256 = sha256(convert_to($2, 'UTF8')) where stream_id = $1";
        client.execute(sql, &[&stream.id, &plan]).await.map_err(SinkError::from)?;
    }
    // Where a row lies says nothing about when it came: a table that was read by that is done.
    if stream.copy_id != copy_id && job.source.key != [postgres::CTID] {
        // The tail is open: rows may have been appended.
        let sql = "with moved as (update millstream.stream set copy_id = $2 where stream_id = $1) \
                   update millstream.partition set done = false \
                   where stream_id = $1 and part >= 0 and through = ''";
        client.execute(sql, &[&stream.id, &copy_id]).await.map_err(SinkError::from)?;
    }
    Ok(())
}

fn difference(before: &str, now: &str) -> String {
    let gone = before.lines().filter(|line| !now.lines().any(|other| other == *line));
    let come = now.lines().filter(|line| !before.lines().any(|other| other == *line));
    let lines: Vec<String> = gone
        .map(|line| format!("  - {line}"))
        .chain(come.map(|line| format!("  + {line}")))
        .collect();
    lines.join("\n")
}

/// Reads what was loaded once more from the new copy and compares the hash of the raw rows.
fn check_unchanged(job: &Job, partitions: Vec<PartitionRow>) -> Result<(), RegisterError> {
    for partition in partitions.into_iter().filter(|part| part.done || !part.position.is_start()) {
        // Nothing else runs yet: blocking here blocks nobody.
        let (now, sum) = digest(job, &partition)?;
        if sum != partition.source_sum || now != partition.counts.read {
            return Err(RegisterError::Changed {
                table: job.source.label.clone(),
                position: partition.position.display(),
                loaded: partition.counts.read,
                now,
            });
        }
    }
    Ok(())
}

fn digest(job: &Job, partition: &PartitionRow) -> Result<(u64, u128), SourceError> {
    // A finished closed range is looked at to its end: a row that came in behind its last one counts.
    let closed = partition.done && !partition.through.is_start();
    let through = if closed { &partition.through } else { &partition.position };
    if through.is_start() {
        return Ok((0, 0));
    }
    let range = Range { after: partition.after.clone(), through: through.clone() };
    let selection = job.mapping().selection;
    let columns = selection.key.len() + selection.columns.len();
    let (mut rows, mut sum, mut scratch) = (0_u64, 0_u128, Vec::new());
    let mut add = |batch: Batch| {
        for row in batch.rows() {
            rows += 1;
            sum = sum.wrapping_add(row.digest(columns, &mut scratch));
        }
        ControlFlow::Continue(())
    };
    job.open_source()?.read(&range, &Position::default(), &mut add)?;
    Ok((rows, sum))
}
