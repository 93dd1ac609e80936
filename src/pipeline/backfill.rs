//! A backfill: copy the source, resolve the plan, register the streams, run the lanes, pay what is owed.

use std::sync::Arc;

use tokio_postgres::Client;

use super::failure::RunError;
use super::job::Job;
use super::job::Window;
use super::lane::{self, LaneError, Shared};
use super::reader::End;
use super::register::{self, How};
use super::resolve::{self, Resolved};
use super::shutdown::Shutdown;
use crate::batch::Counts;
use crate::config::plan::{Finding, Plan};
use crate::fault::Fault;
use crate::observe::progress::Progress;
use crate::sink::ledger::PartitionRow;
use crate::sink::session::{Server, Session};
use crate::sink::strategy::Strategy;
use crate::sink::{SinkError, catalog, debt, holder, ledger};
use crate::source::sqlite::CopyNotes;
use crate::{backoff, failpoint};

mod copy;
mod debts;
mod finish;
mod fresh;

/// What may be asked of a backfill.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Rows outside are left out.
    pub window: Window,
    /// Forget this pipeline's ledger first; its targets must be empty.
    pub fresh: bool,
    /// Go on although the columns mean something else now.
    pub accept_plan_change: bool,
    /// Compare what was read before with the source, before anything is read on.
    pub catch_up: bool,
}

/// A table when a run has ended.
#[derive(Clone, Debug)]
pub struct TableOutcome {
    /// The job.
    pub job: Job,
    /// Over all runs of this pipeline, from the ledger.
    pub counts: Counts,
    /// Every partition is at its end.
    pub done: bool,
    /// Foreign keys with rows that refer to nothing.
    pub dangling: Vec<(String, i64)>,
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// Tables in the order they ran.
    pub tables: Vec<TableOutcome>,
    /// What the plan's resolution found.
    pub resolved: Resolved,
    /// A stop was asked for.
    pub stopped: bool,
    /// What is still owed, and why it could not be paid.
    pub unpaid: Vec<String>,
    /// What else a person has to know: policies left on, warnings of the server.
    pub told: Vec<String>,
    /// What the file looks for: name, rows or the reason they were not found out, an example.
    pub findings: Vec<(String, Result<i64, String>, Option<String>)>,
    /// Words on the source file.
    pub notes: CopyNotes,
}

/// Before the first run: whether the plan fits at all, so that a wrong one leaves no trace.
pub async fn preflight(plan: &Plan, server: &Server, window: Window) -> Result<(), RunError> {
    let session = server.connect("millstream").await.map_err(SinkError::from)?;
    if !ledger::exists(&session.client).await? {
        let at = resolve::source(plan)?;
        resolve::resolve(plan, &session.client, &at, window).await?;
    }
    Ok(())
}

/// Runs a plan to its end, or to a stop.
pub async fn run(
    plan: &Plan,
    server: &Server,
    options: &Options,
    (progress, shutdown): (&Arc<Progress>, &Shutdown),
) -> Result<Outcome, RunError> {
    let mut control = server.connect("millstream control").await.map_err(SinkError::from)?;
    lock(&control.client, &plan.name).await?;
    let (copy, notes) = copy::take(plan, &control.client, (progress, options.fresh)).await?;
    let mut resolved = resolve::resolve(plan, &control.client, &copy.at, options.window).await?;
    let copy_id = copy.id()?;
    if options.fresh {
        fresh::forget(&mut control.client, plan, &resolved.jobs).await?;
    }
    let mut streams = Vec::new();
    for job in &mut resolved.jobs {
        let Options { accept_plan_change, catch_up, .. } = *options;
        let how = How { copy_id: &copy_id, accept_plan_change, catch_up };
        streams.push(register::check(&control.client, &plan.name, job, how).await?);
    }
    create_missing(plan, &mut control.client, &mut resolved).await?;
    if streams.iter().all(Option::is_none) {
        prepare(plan, &mut control.client).await?;
    }
    let mut partitions = Vec::new();
    for (job, stream) in resolved.jobs.iter_mut().zip(streams) {
        let stream = (stream, copy_id.as_str());
        let parts = register::enter(&mut control.client, &plan.name, job, stream).await?;
        copy::count_rest(job, &parts)?;
        partitions.push(parts);
    }
    let shared = Shared {
        server: server.clone(),
        shutdown: shutdown.clone(),
        progress: Arc::clone(progress),
        owner: format!("pid {} {:08x}", std::process::id(), fastrand::u32(..)),
        batch_rows: plan.limits.batch_rows,
        lanes: plan.limits.lanes,
        notes: Arc::default(),
    };
    debts::pay_for_others(&control.client, &shared, plan, &resolved.jobs).await?;
    let left: u64 =
        resolved.jobs.iter().zip(&partitions).map(|(job, parts)| rows_left(job, parts)).sum();
    progress.expect(left);
    let loaded = run_tables(&shared, plan, &resolved.jobs, &partitions).await;
    copy.release();
    let stopped = !matches!(loaded, Ok(End::Partition));
    if stopped {
        debts::resume_early(&control.client, plan).await;
    }
    loaded?;
    let mut outcome = Outcome {
        tables: Vec::new(),
        resolved,
        stopped,
        unpaid: Vec::new(),
        told: Vec::new(),
        findings: Vec::new(),
        notes,
    };
    settle(plan, &shared, &mut outcome).await?;
    let read = &outcome.resolved.jobs;
    outcome
        .told
        .extend(copy::of_snapshots(&control.client, (read, &partitions), options.catch_up).await?);
    outcome.told.extend(copy::of_the_server(read));
    outcome.told.extend(shared.notes.lock().iter().flat_map(|notes| notes.iter().cloned()));
    if !outcome.stopped && outcome.tables.iter().all(|table| table.done) {
        copy.drop();
    }
    // Only now may another run take a copy into the same folder.
    drop(control);
    Ok(outcome)
}

fn rows_left(job: &Job, partitions: &[PartitionRow]) -> u64 {
    let read = partitions.iter().map(|partition| partition.counts.read).sum();
    job.row_count.saturating_sub(read)
}

/// One runner a pipeline. The lock goes with its session; a dead runner's session ends by itself.
async fn lock(client: &Client, pipeline: &str) -> Result<(), RunError> {
    let sql = "select pg_try_advisory_lock(hashtextextended('millstream ' || $1, 0))";
    for attempt in 0..7 {
        let locked: bool =
            client.query_one(sql, &[&pipeline]).await.map_err(SinkError::from)?.get(0);
        if locked {
            return Ok(());
        }
        tokio::time::sleep(backoff::wait(attempt, 1.0)).await;
    }
    let pid = holder::of(client, pipeline).await?.unwrap_or_default();
    Err(RunError::Busy { pipeline: pipeline.to_owned(), pid })
}

async fn create_missing(
    plan: &Plan,
    client: &mut Client,
    resolved: &mut Resolved,
) -> Result<(), RunError> {
    for job in resolved.jobs.iter_mut().filter(|job| !job.create.is_empty()) {
        let transaction = client.transaction().await.map_err(SinkError::from)?;
        for statement in &job.create {
            transaction.batch_execute(statement).await.map_err(SinkError::from)?;
        }
        transaction.commit().await.map_err(SinkError::from)?;
        tracing::info!(table = %job.target.name, pipeline = plan.name, "created");
        if let Some(made) = catalog::table(client, &job.target.name).await? {
            job.target = made;
        }
    }
    Ok(())
}

/// What the file wants done before the first row of this pipeline lands; all of it or nothing. Dying
/// right after it, before the ledger knows of the pipeline, the next run does it again.
async fn prepare(plan: &Plan, client: &mut Client) -> Result<(), RunError> {
    let Some(sql) = &plan.target.prepare else { return Ok(()) };
    let transaction = client.transaction().await.map_err(SinkError::from)?;
    let done = transaction.batch_execute(sql).await;
    done.map_err(|error| RunError::Prepare(SinkError::from(error)))?;
    transaction.commit().await.map_err(SinkError::from)?;
    failpoint::hit("after_prepare");
    Ok(())
}

/// One table after the other: referred ones come first.
async fn run_tables(
    shared: &Shared,
    plan: &Plan,
    jobs: &[Job],
    partitions: &[Vec<PartitionRow>],
) -> Result<End, RunError> {
    for (job, parts) in jobs.iter().zip(partitions) {
        if parts.iter().all(|partition| partition.done) {
            continue;
        }
        shared.progress.stage(&job.target.name.name);
        // A session of its own: the server may have come and gone since the last table.
        let mut session = connect_patiently(&shared.server).await?;
        let load = debt::Load {
            pipeline: &plan.name,
            table: &job.target,
            compressed: matches!(job.strategy, Strategy::DirectCompress { .. }),
            triggers: job.plan.suspend_triggers,
            oldest: job.oldest,
        };
        let warnings = debt::suspend(&mut session.client, &load).await?;
        warnings.into_iter().for_each(|warning| shared.note(warning));
        drop(session);
        failpoint::hit("after_suspend");
        if run_table(shared, job, parts).await? == End::Stopped {
            return Ok(End::Stopped);
        }
    }
    Ok(End::Partition)
}

/// All partitions of a table, on as many lanes as the file allows.
async fn run_table(
    shared: &Shared,
    job: &Job,
    partitions: &[PartitionRow],
) -> Result<End, RunError> {
    let lanes = shared.lanes_of(job);
    let waiting: Vec<PartitionRow> =
        partitions.iter().filter(|partition| !partition.done).cloned().collect();
    let queue = Arc::new(std::sync::Mutex::new(waiting.into_iter()));
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..lanes {
        let (shared, job, queue) = (shared.clone(), job.clone(), Arc::clone(&queue));
        running.spawn(async move {
            loop {
                let next = queue.lock().ok().and_then(|mut queue| queue.next());
                let Some(partition) = next else { return Ok(End::Partition) };
                let end = lane::run(&shared, &job, &partition).await;
                match end {
                    Ok(End::Partition) => {}
                    Ok(End::Stopped) => return Ok(End::Stopped),
                    Err(error) => {
                        // The other lanes commit what they have in hand and leave, too.
                        shared.shutdown.request();
                        return Err(error);
                    }
                }
            }
        });
    }
    let mut end = End::Partition;
    let mut failed = None;
    while let Some(lane) = running.join_next().await {
        match lane.map_err(|_| LaneError::Thread("a lane")) {
            Ok(Ok(End::Partition)) => {}
            Ok(Ok(End::Stopped)) => end = End::Stopped,
            Ok(Err(error)) | Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(end), |error| Err(error.into()))
}

/// Connects although the server may just be coming back.
pub async fn connect_patiently(server: &Server) -> Result<Session, SinkError> {
    let mut attempt = 0;
    loop {
        match server.connect("millstream").await.map_err(SinkError::from) {
            Err(error) if error.fault() == Fault::Restart && attempt < 12 => {
                tokio::time::sleep(backoff::wait(attempt, 1.0)).await;
                attempt += 1;
            }
            other => return other,
        }
    }
}

/// After the lanes: debts, sequences, what the ledger says.
async fn settle(plan: &Plan, shared: &Shared, outcome: &mut Outcome) -> Result<(), RunError> {
    let session = connect_patiently(&shared.server).await?;
    let client = &session.client;
    failpoint::hit("before_settle");
    if !outcome.stopped {
        outcome.unpaid = debts::pay_all(client, shared, plan, &outcome.resolved.jobs).await?;
    }
    for job in &outcome.resolved.jobs {
        let partitions = ledger::partitions(client, job.stream_id).await?;
        let mut counts = Counts::default();
        partitions.iter().for_each(|partition| counts += partition.counts);
        let done = partitions.iter().all(|partition| partition.done);
        if done {
            catalog::advance_sequences(client, &job.target).await?;
        }
        let dangling = match done && job.target.hypertable.is_none() {
            true => catalog::dangling(client, &job.target).await?,
            false => Vec::new(),
        };
        outcome.tables.push(TableOutcome { job: job.clone(), counts, done, dangling });
    }
    finish::run(client, plan, outcome).await?;
    if outcome.tables.iter().all(|table| table.done) {
        for finding in &plan.findings {
            outcome.findings.push(look_for(client, finding).await);
        }
    }
    Ok(())
}

/// Counts the rows of a finding. A query that fails is told, and fails nothing: the rows are in.
async fn look_for(
    client: &Client,
    finding: &Finding,
) -> (String, Result<i64, String>, Option<String>) {
    let sql = format!("select count(*), min(found::text) from ({}) found", finding.query);
    let name = finding.name.clone();
    match client.query_one(&sql, &[]).await {
        Ok(row) => (name, Ok(row.get(0)), row.get(1)),
        Err(error) => (name, Err(SinkError::from(error).to_string()), None),
    }
}

/// Whether everything the source has is accounted for: each table's balance, and, for a table that is
/// done, as many rows read as it holds.
pub fn imbalance(outcome: &Outcome) -> Vec<String> {
    let mut wrong = Vec::new();
    for TableOutcome { job, counts, done, .. } in &outcome.tables {
        if !counts.balanced() {
            wrong.push(format!("{}: rows read do not add up: {counts:?}", job.source.label));
        }
        if *done && counts.read != job.row_count && !job.at.moved_on() {
            let (read, there) = (counts.read, job.row_count);
            wrong.push(format!("{}: {read} rows read, {there} in the source", job.source.label));
        }
    }
    wrong
}

/// Rejected rows by table, reason, column and number.
pub async fn rejected(
    client: &Client,
    outcome: &Outcome,
) -> Result<Vec<(String, String, String, i64)>, SinkError> {
    let sql = "select reason, coalesce(column_name, ''), count(*) from millstream.dead_letter \
               where stream_id = $1 and status = 'open' group by 1, 2 order by 3 desc, 1, 2";
    let mut all = Vec::new();
    for table in &outcome.tables {
        for row in client.query(sql, &[&table.job.stream_id]).await? {
            all.push((table.job.target.name.to_string(), row.get(0), row.get(1), row.get(2)));
        }
    }
    Ok(all)
}
