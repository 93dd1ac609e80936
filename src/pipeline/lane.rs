//! A lane: reader → worker → writer for one partition, started again from the ledger's cursor after any
//! failure that allows it. There is no other way to recover, so there is one way to be wrong.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::job::Job;
use super::reader::{self, End};
use super::shutdown::Shutdown;
use super::worker::{self, Condemned, Layout, UnreadableState, Verdict, Worker};
use crate::batch::Position;
use crate::fault::{self, Fault};
use crate::observe::progress::Progress;
use crate::sink::ledger::{self, Claim, PartitionRow};
use crate::sink::session::Server;
use crate::sink::snapshot;
use crate::sink::strategy::Strategy;
use crate::sink::timescale::TimescaleSink;
use crate::sink::{Encoded, Sink, SinkError};
use crate::source::{Range, Source, SourceError};
use crate::{backoff, failpoint};

/// Transactions between worker and writer: one is written while the next is made.
const QUEUE: usize = 2;
/// A server that stays away longer ends a backfill; the same command goes on later.
const AWAY_MAX: Duration = Duration::from_secs(600);
/// More rows than this refused by the server at one cursor: the table is at fault, not the rows.
const CONDEMNED_MAX: usize = 100;

/// Why a lane ended for good.
#[derive(Debug, thiserror::Error)]
pub enum LaneError {
    /// The source.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The sink.
    #[error("{table}: {error}")]
    Sink {
        /// Target table.
        table: String,
        /// Why.
        #[source]
        error: SinkError,
    },
    /// The ledger's state of a transform.
    #[error("{table}: {error}")]
    State {
        /// Target table.
        table: String,
        /// Why.
        #[source]
        error: UnreadableState,
    },
    /// A thread of ours died: a bug.
    #[error("{0} stopped without a word: this is a bug in millstream")]
    Thread(&'static str),
}

/// What all lanes of a run share.
#[derive(Clone)]
pub struct Shared {
    /// Where rows go.
    pub server: Server,
    /// Set by a signal.
    pub shutdown: Shutdown,
    /// What the progress bar and the report show.
    pub progress: Arc<Progress>,
    /// Names this process in the ledger.
    pub owner: String,
    /// Rows a transaction holds at most, where they are not compressed.
    pub batch_rows: usize,
    /// Lanes of a table.
    pub lanes: usize,
    /// What the report has to tell: warnings of the server, each once.
    pub notes: Arc<Mutex<BTreeSet<String>>>,
}

impl Shared {
    /// Lanes that a table can have.
    pub fn lanes_of(&self, job: &Job) -> usize {
        if job.stateful { 1 } else { self.lanes }
    }

    /// Tells a person now, and again in the report.
    pub fn note(&self, text: String) {
        if let Ok(mut notes) = self.notes.lock()
            && notes.insert(text.clone())
        {
            self.progress.say(&text);
        }
    }
}

/// What one attempt learns for the next.
struct Attempt {
    batch_rows: usize,
    /// The epoch of the attempt before.
    epoch: Option<i64>,
    /// Rows refused by the server, and the cursor their numbers count from.
    condemned: (Position, Condemned),
    failures: u32,
    last_progress: Instant,
}

/// Moves one partition to its end, or to a stop.
pub async fn run(shared: &Shared, job: &Job, partition: &PartitionRow) -> Result<End, LaneError> {
    let batch_rows = match &job.strategy {
        Strategy::DirectCompress { batch_rows, .. } => *batch_rows,
        _ => shared.batch_rows,
    };
    let mut attempt = Attempt {
        batch_rows,
        epoch: None,
        condemned: (Position::default(), Condemned::new()),
        failures: 0,
        last_progress: Instant::now(),
    };
    loop {
        let error = match run_once(shared, job, partition, &mut attempt).await {
            Ok(end) => return Ok(end),
            Err(LaneError::Sink { error, .. }) => error,
            Err(LaneError::Source(error)) if error.fault() == Fault::Restart => {
                if attempt.last_progress.elapsed() > AWAY_MAX {
                    return Err(error.into());
                }
                if shared.shutdown.requested() {
                    return Ok(End::Stopped);
                }
                shared.progress.restarted();
                pause(shared, job, &mut attempt, &error).await;
                continue;
            }
            Err(other) => return Err(other),
        };
        let table = job.target.name.to_string();
        let fault = error.fault();
        let away = attempt.last_progress.elapsed() > AWAY_MAX;
        let hopeless = match fault {
            Fault::Stop => true,
            Fault::Restart => away,
            Fault::Shrink => attempt.batch_rows == 1 || away,
            // Without a row to set aside the same again would end the same.
            Fault::Reject => {
                !matches!(error, SinkError::Row { .. }) || attempt.condemned.1.len() > CONDEMNED_MAX
            }
        };
        if hopeless {
            let error = too_many(error, attempt.condemned.1.len());
            return Err(LaneError::Sink { table, error });
        }
        if shared.shutdown.requested() {
            return Ok(End::Stopped);
        }
        shared.progress.restarted();
        match fault {
            Fault::Shrink => attempt.batch_rows = (attempt.batch_rows / 2).max(1),
            Fault::Restart => pause(shared, job, &mut attempt, &error).await,
            Fault::Reject | Fault::Stop => {}
        }
    }
}

/// Says why the lane starts again, and waits.
async fn pause(
    shared: &Shared,
    job: &Job,
    attempt: &mut Attempt,
    error: &(dyn std::error::Error + Sync),
) {
    let pause = backoff::wait(attempt.failures, fastrand::f64());
    attempt.failures += 1;
    let (table, reason) = (&job.target.name, fault::chain(error));
    shared.progress.say(&format!(
        "{table}: {reason}; trying again from the ledger's cursor in {:.1} s",
        pause.as_secs_f64()
    ));
    tokio::time::sleep(pause).await;
}

/// One refused row is a bad row; a hundred of them say something about the table.
fn too_many(error: SinkError, count: usize) -> SinkError {
    match error {
        SinkError::Row { sqlstate, message, .. } if count > CONDEMNED_MAX => {
            SinkError::Rows { count: CONDEMNED_MAX, sqlstate, message }
        }
        other => other,
    }
}

async fn run_once(
    shared: &Shared,
    job: &Job,
    partition: &PartitionRow,
    attempt: &mut Attempt,
) -> Result<End, LaneError> {
    let table = || job.target.name.to_string();
    let sink_error = |error| LaneError::Sink { table: table(), error };
    let claim = claim(shared, job, (partition, attempt.epoch)).await.map_err(sink_error)?;
    attempt.epoch = Some(claim.epoch);
    let session = shared.server.connect(&application_name(&claim)).await;
    let session = session.map_err(|error| sink_error(error.into()))?;
    if attempt.condemned.0 != claim.position {
        attempt.condemned = (claim.position.clone(), Condemned::new());
    }
    let mut worker = Worker::new(
        job.recipe(),
        job.time(),
        &claim,
        attempt.condemned.1.clone(),
        attempt.batch_rows,
    )
    .map_err(|error| LaneError::State { table: table(), error })?;
    if let Strategy::DirectCompress { columnstore, .. } = &job.strategy {
        let layout = Layout::new(columnstore, &job.destination.columns);
        worker.sort(layout, worker::batch_bytes(shared.lanes_of(job)));
    }
    let warnings = Arc::clone(&session.warnings);
    let position = claim.position.clone();
    let mut cursor = position.clone();
    let mut sink = TimescaleSink::open(session, claim, &job.destination, &job.strategy)
        .await
        .map_err(sink_error)?;
    let range = Range { after: partition.after.clone(), through: partition.through.clone() };
    let source = open_source(job, &position).await?;
    let part = (job.stream_id, partition.part);
    let seen = |name: &str| Seen { part, name: name.to_owned(), from: position.clone() };
    let snapshot = source.snapshot().map(seen);
    let stages = Arc::clone(&shared.progress.stages);
    let reader =
        reader::start(source, range, position, shared.shutdown.clone(), Arc::clone(&stages));
    let (sender, mut transactions) = mpsc::channel(QUEUE);
    let batches = reader.batches;
    let end = reader.end;
    let work = std::thread::spawn(move || work(worker, &batches, end, &sender, &stages));
    let how = (attempt, &mut cursor, snapshot);
    let written = write_all(shared, &mut sink, &mut transactions, how).await;
    drop(transactions);
    // Such as "disabling direct compress because …": slower, and not in silence.
    let heard = warnings.lock().map(|mut heard| std::mem::take(&mut *heard)).unwrap_or_default();
    heard.into_iter().for_each(|warning| shared.note(format!("{}: {warning}", table())));
    let read = tokio::task::spawn_blocking(move || work.join()).await;
    let read = read.map_err(|_| LaneError::Thread("the worker"))?;
    let read = read.map_err(|_| LaneError::Thread("the worker"))?;
    written.map_err(sink_error)?;
    read
}

/// A server may take its time to let one in.
async fn open_source(job: &Job, from: &Position) -> Result<Box<dyn Source>, LaneError> {
    let (job, from) = (job.clone(), from.clone());
    let opened = tokio::task::spawn_blocking(move || job.open_source_to_load(&from)).await;
    Ok(opened.map_err(|_| LaneError::Thread("the reader"))??)
}

async fn claim(
    shared: &Shared,
    job: &Job,
    (part, epoch): (&PartitionRow, Option<i64>),
) -> Result<Claim, SinkError> {
    let session = shared.server.connect("millstream").await?;
    // An older owner's session may hang in a lock or on a dead line, and hold the cursor's row. The
    // fence does not depend on its end, only our patience does.
    let sql = "select pg_terminate_backend(pid, 5000) from pg_stat_activity \
               where application_name like $1 and datname = current_database() \
               and pid <> pg_backend_pid()";
    let family = format!("ms/{}/{}/%", job.stream_id, part.part);
    session.client.query(sql, &[&family]).await?;
    session.client.batch_execute("set lock_timeout = '30s'").await?;
    let by = (shared.owner.as_str(), epoch);
    ledger::claim(&session.client, job.stream_id, part.part, by).await
}

/// Short: the server cuts it at 63 bytes, and two names cut alike would end the wrong session.
fn application_name(claim: &Claim) -> String {
    format!("ms/{}/{}/{}", claim.stream_id, claim.part, claim.epoch)
}

type Read = Result<End, LaneError>;

/// The worker's thread: batches in, transactions out, until the queue closes.
fn work(
    mut worker: Worker,
    batches: &crossbeam_channel::Receiver<crate::batch::Batch>,
    end: std::thread::JoinHandle<Result<End, SourceError>>,
    sender: &mpsc::Sender<Encoded>,
    stages: &crate::observe::progress::Stages,
) -> Read {
    let mut open = true;
    for batch in batches {
        let since = Instant::now();
        let mut waited = Duration::ZERO;
        let mut emit = |full: Encoded| {
            let since = Instant::now();
            let sent = sender.blocking_send(full).map_err(drop);
            waited += since.elapsed();
            sent
        };
        let pushed = worker.push(&batch, &mut emit);
        stages.transform.add(since.elapsed().saturating_sub(waited));
        if pushed.is_err() {
            open = false;
            break;
        }
    }
    if !open {
        // The writer failed and says so; let the reader go.
        return Ok(End::Stopped);
    }
    let end = end.join().map_err(|_| LaneError::Thread("the reader"))??;
    if let Some(last) = worker.finish(end == End::Partition)
        && sender.blocking_send(last).is_err()
    {
        return Ok(End::Stopped);
    }
    Ok(end)
}

/// The snapshot of the source that an attempt reads.
struct Seen {
    /// Stream and partition.
    part: (i64, i32),
    /// Its name.
    name: String,
    /// Where reading goes on.
    from: Position,
}

async fn write_all(
    shared: &Shared,
    sink: &mut impl Sink,
    transactions: &mut mpsc::Receiver<Encoded>,
    (attempt, cursor, mut snapshot): (&mut Attempt, &mut Position, Option<Seen>),
) -> Result<(), SinkError> {
    while let Some(rows) = transactions.recv().await {
        let since = Instant::now();
        if rows.counts.read > 0
            && let Some(Seen { part, name, from }) = snapshot.take()
        {
            let session = shared.server.connect("millstream").await?;
            snapshot::note(&session.client, part, (&name, &from)).await?;
        }
        if let Err(error) = sink.write(&rows).await {
            if let SinkError::Row { row, sqlstate, column, .. } = &error {
                let verdict = Verdict { sqlstate: sqlstate.clone(), column: column.clone() };
                condemn(attempt, cursor, rows.origins.get(*row), verdict);
            }
            return Err(error);
        }
        failpoint::hit("before_release");
        let elapsed = since.elapsed();
        cursor.clone_from(&rows.position);
        attempt.failures = 0;
        attempt.last_progress = Instant::now();
        shared.progress.committed(rows.counts, elapsed);
    }
    Ok(())
}

/// Notes a row that the server refuses, by its number behind the cursor where the next attempt begins.
fn condemn(attempt: &mut Attempt, cursor: &Position, origin: Option<&u32>, verdict: Verdict) {
    if attempt.condemned.0 != *cursor {
        attempt.condemned = (cursor.clone(), Condemned::new());
    }
    if let Some(origin) = origin {
        attempt.condemned.1.insert(u64::from(*origin), verdict);
    }
}
