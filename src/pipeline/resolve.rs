//! From a plan to jobs: what the file says, held against what the source has and the target takes.
//!
//! Every problem is noted with its place in the file. A sample of the source goes through each mapping,
//! so that a column whose zone or unit nobody stated is an error here and not a million dead letters.

use std::collections::{HashMap, HashSet};

use tokio_postgres::Client;

use super::job::{self, Job, Window};
use crate::batch::Batch;
use crate::config::plan::{From, Plan, TablePlan};
use crate::config::{Place, Problems};
use crate::schema::{Selection, TableName, TargetTable};
use crate::sink::columnstore::Columnstore;
use crate::sink::timescale::Destination;
use crate::sink::{SinkError, catalog, columnstore, create, retention, strategy};
use crate::source::profile;
use crate::source::tables::{CountError, SourceTable, Tables, Unusable};
use crate::source::{At, SourceError};
use crate::transform::Reason;
use crate::transform::clock::TimeError;
use crate::transform::mapping::Mapping;

mod filling;
mod kept;
mod place;
mod propose;
mod staged;
mod target;
mod told;
mod wildcard;

pub use place::source;

/// More chunks than this and the server's lock table becomes the limit.
const CHUNKS_MAX: i128 = 1_000;

/// Why a plan cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The file does not fit the source or the target.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// The source.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The target.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

/// A plan that can run.
#[derive(Debug)]
pub struct Resolved {
    /// In the order in which they run: referred tables before those that refer to them.
    pub jobs: Vec<Job>,
    /// Warnings.
    pub problems: Problems,
    /// Tables of the source that the file leaves behind.
    pub left_behind: Vec<String>,
    /// The database has the extension.
    pub has_timescale: bool,
    /// What a sample of the source met: target table, column, reason, rows in the sample.
    pub sampled: Vec<(String, String, Reason, u64)>,
}

/// Resolves every table of a plan.
pub async fn resolve(
    plan: &Plan,
    client: &Client,
    at: &At,
    window: Window,
) -> Result<Resolved, ResolveError> {
    let tables = Tables::open(at)?;
    let has_timescale = catalog::has_timescale(client).await?;
    let mut resolved = Resolved {
        jobs: Vec::new(),
        problems: Problems::new(&plan.file),
        left_behind: Vec::new(),
        has_timescale,
        sampled: Vec::new(),
    };
    staged::check_shifts(client, plan, &mut resolved.problems).await?;
    let (spelled, problems) = ((&tables, at.origin()), &mut resolved.problems);
    let planned = wildcard::expand(plan, spelled, client, problems).await?;
    tables.will_read(planned.iter().map(|table| &table.from));
    for table in &planned {
        let (source, rows, left_out) = match tables.table(&table.from) {
            Ok(found) => found,
            Err(CountError::Source(error)) => return Err(error.into()),
            Err(CountError::Key(Unusable { message, hint })) => {
                resolved.problems.error(table.place, &table.key, message, hint);
                continue;
            }
        };
        let source = named(table, source);
        told::check(table, &source, &left_out, &mut resolved.problems);
        let target = catalog::table(client, &table.to).await?;
        let retention = retention::of(client, &table.to).await?;
        let direct = match &target {
            Some(_) if table.stage.is_some() => {
                Err("its rows are made of records, one after the other".to_owned())
            }
            Some(target) => columnstore::read(client, target).await?,
            None => Err("the table is only made by this load".to_owned()),
        };
        let units = staged::units(client, table).await?;
        let table = Table { plan, table, source, rows, at, window, retention };
        table.job((target, direct, units), &mut resolved)?;
    }
    if resolved.problems.error_count() > 0 {
        return Err(resolved.problems.into());
    }
    order(&mut resolved.jobs);
    let read: HashSet<&String> = resolved.jobs.iter().map(|job| &job.source.label).collect();
    let names = tables.names().into_iter();
    let left_behind: Vec<String> = names.filter(|name| !read.contains(name)).collect();
    resolved.left_behind = left_behind;
    Ok(resolved)
}

/// A query is known to a person by where it leads.
fn named(table: &TablePlan, mut source: SourceTable) -> SourceTable {
    if matches!(table.from, From::Query { .. }) {
        source.label = format!("query for {}", table.to);
    }
    source
}

/// The target if it is there, how it is compressed, and the table of units beside it.
type Found = (Option<TargetTable>, Result<Columnstore, String>, Option<TableName>);

/// One table on its way to a job.
struct Table<'a> {
    plan: &'a Plan,
    table: &'a TablePlan,
    source: SourceTable,
    rows: u64,
    at: &'a At,
    window: Window,
    retention: Option<(String, i64)>,
}

impl Table<'_> {
    fn job(
        self,
        (found, direct, units): Found,
        resolved: &mut Resolved,
    ) -> Result<(), ResolveError> {
        let Self { plan, table, source, rows, at, window, retention } = self;
        let problems = &mut resolved.problems;
        let has_timescale = resolved.has_timescale;
        let made = found_or_made((plan, table), (&source, at), found, has_timescale, problems)?;
        let Some((target, statements)) = made else { return Ok(()) };
        let bucket = bucket(table, &target);
        let timed = (job::time_of_shape(table, &bucket.0).to_owned(), bucket.1);
        let limit = window.map(|window| (timed.0.as_str(), window));
        let Some((table, mut mapping)) = fitted(table, (&source, &target), limit, problems) else {
            return Ok(());
        };
        let table = &table;
        let batches = profile::sample(at, &source, &mapping.selection)?;
        let bounds = (&timed, retention.as_ref());
        let sampled = check_sample(table, &batches, &mut mapping, bounds, problems);
        let label = target.name.to_string();
        let sampled = sampled
            .into_iter()
            .map(|((column, reason), rows)| (label.clone(), column, reason, rows));
        resolved.sampled.extend(sampled);
        let whole = filling::Whole {
            rows,
            spread: source.by_rowid,
            bucket: &timed,
            lanes: if meaning(table, &mapping).1 { 1 } else { plan.limits.lanes },
        };
        let (oldest, direct) = filling::look(&batches, &mut mapping, whole, direct);
        let (canonical, stateful) = meaning(table, &mapping);
        let left_behind = left_behind(&source, &mapping.selection);
        let columns = job::recipe(table, mapping).columns;
        let candidate = strategy::Candidate { target: &target, columns: &columns, direct };
        let (strategy, reason) = match strategy::choose(table.strategy, candidate) {
            Ok(chosen) => chosen,
            Err(message) => {
                problems.error(table.place, &format!("{}.strategy", table.key), message, "");
                return Ok(());
            }
        };
        resolved.jobs.push(Job {
            index: resolved.jobs.len(),
            plan: table.clone(),
            destination: Destination {
                table: target.name.quoted(),
                columns,
                time: bucket.0.clone(),
                units,
            },
            strategy,
            reason,
            oldest,
            bucket,
            row_count: rows,
            stream_id: 0,
            canonical,
            stateful,
            left_behind,
            source,
            at: at.clone(),
            target,
            create: statements,
            window,
        });
        Ok(())
    }
}

/// The plan with what both sides tell of it, and its mapping; nothing where they do not go together.
fn fitted(
    table: &TablePlan,
    (source, target): (&SourceTable, &TargetTable),
    limit: Option<(&str, (i64, i64))>,
    problems: &mut Problems,
) -> Option<(TablePlan, Mapping)> {
    let errors_before = problems.error_count();
    let shape = job::shape(table, target);
    let table = told::plan(table, source, &shape);
    told::frames(&table, source, &shape, problems);
    let mut mapping = Mapping::resolve(&table, &source.key, &source.columns, &shape, problems);
    target::check(&table, target, problems);
    staged::check(&table, target, problems);
    if let Some((time, (from, to))) = limit {
        mapping.limit(time, from, to);
    }
    if mapping.fields.is_empty() {
        let message = format!("no column of {} goes into {}", source.label, target.name);
        problems.error(table.place, &table.key, message, "name them under [table.columns]");
    }
    (problems.error_count() == errors_before).then_some((table, mapping))
}

/// The table as found, or as it will be made and how; nothing where it may not be made.
fn found_or_made(
    (plan, table): (&Plan, &TablePlan),
    (source, at): (&SourceTable, &At),
    found: Option<TargetTable>,
    has_timescale: bool,
    problems: &mut Problems,
) -> Result<Option<(TargetTable, Vec<String>)>, ResolveError> {
    if let Some(target) = found {
        return Ok(Some((target, Vec::new())));
    }
    if !plan.target.create || table.stage.is_some() {
        let message = format!("the target has no table {}", table.to);
        let hint = "apply its migration set (`millstream migrate up --set …`), or set [target] \
                    create = true to have it made";
        problems.error(table.place, &table.key, message, hint);
        return Ok(None);
    }
    if table.hypertable.is_some() && !has_timescale {
        let message = format!("{} is made a plain table", table.to);
        let hint = "this database has no TimescaleDB: create extension timescaledb";
        problems.warn(table.place, &table.key, message, hint);
    }
    let target = propose::target(table, source, at, problems)?;
    let hypertable = table.hypertable.as_ref().filter(|_| has_timescale);
    let statements = create::statements(&target, hypertable);
    Ok(Some((target, statements)))
}

/// The time column by which rows are sorted into buckets, and how wide these are.
fn bucket(table: &TablePlan, target: &TargetTable) -> (String, i64) {
    let planned = table.hypertable.as_ref().map(|plan| (plan.time.clone(), plan.chunk_us));
    let found = target.hypertable.as_ref().map(|found| (found.time.clone(), found.chunk_us));
    found.filter(|(_, width)| *width > 0).or(planned).unwrap_or_default()
}

/// What a table's rows mean, one line a column, and whether they are understood by those before them.
fn meaning(table: &TablePlan, mapping: &Mapping) -> (Vec<String>, bool) {
    let mut lines = mapping.canonical();
    lines.extend(table.stage.as_ref().map(|stage| stage.canonical()));
    let staged = table.stage.as_ref().is_some_and(|stage| stage.is_stateful());
    (lines, mapping.is_stateful() || staged)
}

fn left_behind(source: &SourceTable, selection: &Selection) -> Vec<String> {
    let taken = |name: &String| selection.columns.contains(name) || selection.key.contains(name);
    source.columns.iter().map(|c| c.name.clone()).filter(|name| !taken(name)).collect()
}

type Sampled = HashMap<(String, Reason), u64>;

/// Sends a sample through the mapping. Unstated zones and units are errors; the rest is told.
fn check_sample(
    table: &TablePlan,
    batches: &[Batch],
    mapping: &mut Mapping,
    (bucket, retention): (&(String, i64), Option<&(String, i64)>),
    problems: &mut Problems,
) -> Sampled {
    let mut refused = Sampled::new();
    let mut times: Option<(i64, i64)> = None;
    let time_field = mapping.fields.iter().position(|field| field.column == bucket.0);
    let rows: u64 = batches.iter().map(|batch| batch.row_count() as u64).sum();
    for row in batches.iter().flat_map(Batch::rows) {
        let mut field = 0;
        let outcome = mapping.apply(row, &mut |_, datum| {
            if let (true, crate::schema::Datum::Timestamp(us)) = (Some(field) == time_field, datum)
            {
                let (low, high) = times.unwrap_or((us, us));
                times = Some((low.min(us), high.max(us)));
            }
            field += 1;
        });
        if let Err(refusal) = outcome {
            let column = mapping.fields.get(refusal.field).map(|field| field.column.clone());
            *refused.entry((column.unwrap_or_default(), refusal.reason)).or_default() += 1;
        }
    }
    // The sample jumps through the table: what it taught the state is not what the rows will.
    mapping.restore(&[]);
    for ((column, reason), count) in &refused {
        let unstated = matches!(
            reason,
            Reason::Time(TimeError::Naive | TimeError::Unit | TimeError::DateOnly)
        );
        // One stray value is a bad row; a share of them is a question that nobody answered.
        if unstated && count * 100 > rows {
            let place = rule_place(table, column);
            let message = format!(
                "{count} of {rows} sampled values cannot be placed ({}): {}",
                reason.code(),
                reason.explain()
            );
            let hint = match reason {
                Reason::Time(TimeError::Naive) => {
                    "say whose clock wrote them: zone = \"Europe/Berlin\", or time = \"naive=utc\"; \
                     `millstream audit` shows the evidence"
                }
                Reason::Time(TimeError::Unit) => "say what the numbers count: time = \"unit=ms\"",
                _ => "say what a date alone means: time = \"date=midnight\"",
            };
            problems.error(place, &format!("{}.columns.{column}", table.key), message, hint);
        }
    }
    if let Some((low, high)) = times {
        check_chunks(table, (low, high), bucket.1, problems);
        kept::check(table, low, retention, problems);
    }
    // A window of the sample may begin inside a fold that the whole run resolves.
    refused.retain(|(_, reason), _| {
        !(mapping.is_stateful() && *reason == Reason::Time(TimeError::Fold))
    });
    refused
}

fn rule_place(table: &TablePlan, column: &str) -> Place {
    let rule = table.columns.iter().find(|rule| rule.target == column);
    rule.map_or(table.place, |rule| rule.place)
}

fn check_chunks(
    table: &TablePlan,
    (low, high): (i64, i64),
    chunk_us: i64,
    problems: &mut Problems,
) {
    if chunk_us <= 0 {
        return;
    }
    let span = i128::from(high) - i128::from(low);
    let chunks = span / i128::from(chunk_us) + 1;
    if chunks <= CHUNKS_MAX {
        return;
    }
    let days = (span / CHUNKS_MAX / 86_400_000_000 + 1).max(1);
    let message = format!(
        "about {chunks} chunks from {} to {}: more than {CHUNKS_MAX} fill the server's lock table",
        crate::transform::clock::format_utc(low),
        crate::transform::clock::format_utc(high),
    );
    let hint = format!("chunk = \"{days} days\" keeps it below; or a stray time widens the range");
    problems.warn(table.place, &format!("{}.hypertable", table.key), message, hint);
}

/// Referred tables first; where tables refer to each other in a circle, the order of the file stands.
fn order(jobs: &mut Vec<Job>) {
    let mut waiting: Vec<Job> = std::mem::take(jobs);
    while !waiting.is_empty() {
        let names: HashSet<_> = waiting.iter().map(|job| job.target.name.clone()).collect();
        let free = waiting.iter().position(|job| {
            let mut keys = job.target.foreign_keys.iter();
            keys.all(|key| key.references == job.target.name || !names.contains(&key.references))
        });
        jobs.push(waiting.remove(free.unwrap_or(0)));
    }
    for (index, job) in jobs.iter_mut().enumerate() {
        job.index = index;
    }
}
