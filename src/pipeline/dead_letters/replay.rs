//! Sends open dead letters through the pipeline again.
//!
//! Always appended, also where the pipeline upserts: a row that was mended late must not replace one that
//! came after it. A key that is there already keeps the letter where it is.

use serde_json::{Value, json};
use tokio_postgres::Client;

use super::Edits;
use crate::batch::{Batch, OwnedValue, Position};
use crate::config::plan::Plan;
use crate::config::stage::StagePlan;
use crate::observe::report::{Report, Table};
use crate::pipeline::failure::RunError;
use crate::pipeline::job::Job;
use crate::pipeline::resolve;
use crate::pipeline::worker::{Condemned, Worker};
use crate::schema::Selection;
use crate::sink::fingerprint::Buckets;
use crate::sink::ledger::{self, StreamKey};
use crate::sink::session::Server;
use crate::sink::strategy::Strategy;
use crate::sink::timescale::TimescaleSink;
use crate::sink::{Encoded, Sink as _, SinkError, reject};

/// An open row, edited.
struct Letter {
    id: i64,
    cells: Vec<OwnedValue>,
}

/// Why a record stays where it is.
const STATEFUL: &str = "what came after this record was decided without it: correct it in the source and load \
                        the table again (--fresh, on an emptied table)";

/// A row that stays where it is: number, reason.
type Kept = (i64, String);

/// Replays; the report says which rows were loaded and which are still refused, and why.
pub async fn replay(
    plan: &Plan,
    server: &Server,
    client: &mut Client,
    edits: &Edits,
) -> Result<Report, RunError> {
    let at = resolve::source(plan)?;
    let resolved = resolve::resolve(plan, client, &at, None).await?;
    let mut kept: Vec<Kept> = Vec::new();
    let mut loaded = 0;
    for mut job in resolved.jobs {
        let key = job.key(&plan.name);
        let Some(stream) = ledger::find_stream(client, &key).await? else { continue };
        job.bucket.clone_from(&stream.bucket);
        job.window = stream.window;
        let (letters, unreadable) = open_letters(client, stream.id, &job, edits).await?;
        kept.extend(unreadable);
        if letters.is_empty() {
            continue;
        }
        let key = StreamKey { kind: "replay", ..key };
        job.stream_id = match ledger::find_stream(client, &key).await? {
            Some(replay) => replay.id,
            None => {
                let ranges = [(Position::default(), Position::default())];
                ledger::create_stream(client, &key, &stream, &ranges, &Buckets::new()).await?
            }
        };
        loaded += replay_table(server, client, &job, letters, &mut kept).await?;
    }
    Ok(report(plan, loaded, &kept))
}

fn report(plan: &Plan, loaded: usize, kept: &[Kept]) -> Report {
    let mut report =
        Report::new(format!("replay {}: {loaded} rows loaded, {} stay", plan.name, kept.len()));
    report.fact("loaded", loaded);
    report.fact("kept", kept.len());
    let mut table = Table::new("Still refused", &["id", "why"]);
    kept.iter().for_each(|(id, why)| table.push(vec![json!(id), json!(why)]));
    report.tables.push(table);
    if !kept.is_empty() {
        report.outcome = "rejected".to_owned();
        report
            .note("mend them with --set column=value, or export, edit, and replay --from the file");
    }
    report
}

async fn open_letters(
    client: &Client,
    stream_id: i64,
    job: &Job,
    edits: &Edits,
) -> Result<(Vec<Letter>, Vec<Kept>), RunError> {
    let sql = "select dead_letter_id, original from millstream.dead_letter \
               where stream_id = $1 and status = 'open' order by dead_letter_id";
    let rows = client.query(sql, &[&stream_id]).await.map_err(SinkError::from)?;
    let selection = job.mapping().selection;
    let stateful = job.plan.stage.as_ref().is_some_and(StagePlan::is_stateful);
    let (mut letters, mut kept) = (Vec::new(), Vec::new());
    for row in rows {
        let (id, mut original): (i64, Value) = (row.get(0), row.get(1));
        if !edits.only.is_empty() && !edits.only.contains(&id) {
            continue;
        }
        if stateful {
            kept.push((id, STATEFUL.to_owned()));
            continue;
        }
        let edited = edits.rows.get(&id).and_then(Value::as_object).into_iter().flatten();
        let edited = edited.map(|(name, value)| (name.clone(), value.clone()));
        let edited: Vec<(String, Value)> = edited.chain(edits.set.iter().cloned()).collect();
        let known = |name: &String| {
            name == "$conditions"
                || selection.key.contains(name)
                || selection.columns.contains(name)
        };
        if let Some((unknown, _)) = edited.iter().find(|(name, _)| !known(name)) {
            kept.push((id, format!("the source has no column `{unknown}`")));
            continue;
        }
        // What an edit does not name stays as it was.
        if let Value::Object(values) = &mut original {
            values.extend(edited);
        }
        match cells(&selection, &original) {
            Ok(cells) => letters.push(Letter { id, cells }),
            Err(why) => kept.push((id, why)),
        }
    }
    Ok((letters, kept))
}

/// The row as the source would hand it over: key, columns, conditions.
fn cells(selection: &Selection, original: &Value) -> Result<Vec<OwnedValue>, String> {
    let mut cells = Vec::new();
    for name in selection.key.iter().chain(&selection.columns) {
        let value = original.get(name).unwrap_or(&Value::Null);
        let value =
            reject::from_json(value).ok_or_else(|| format!("{name}: {value} is no value"))?;
        cells.push(value);
    }
    let held = original.get("$conditions");
    for condition in &selection.conditions {
        // Only the source can evaluate a condition: what it said when the row was read is all there is.
        let value = held.and_then(|held| held.get(condition)).and_then(reject::from_json);
        cells.push(value.ok_or_else(|| {
            format!("the file's condition `{condition}` is new since the row was read")
        })?);
    }
    Ok(cells)
}

fn batch(job: &Job, letters: &[Letter]) -> Result<Batch, RunError> {
    let selection = job.mapping().selection;
    let mut batch = Batch::new(selection.width(), selection.key.len(), letters.len());
    for cell in letters.iter().flat_map(|letter| &letter.cells) {
        batch.push(cell.borrow()).map_err(|source| crate::source::SourceError::Row {
            table: job.source.label.clone(),
            source,
        })?;
    }
    Ok(batch)
}

async fn replay_table(
    server: &Server,
    client: &Client,
    job: &Job,
    mut letters: Vec<Letter>,
    kept: &mut Vec<Kept>,
) -> Result<usize, RunError> {
    refuse_by_mapping(job, &mut letters, kept)?;
    let mut loaded = 0;
    while !letters.is_empty() {
        let piece: Vec<Letter> = letters.drain(..piece_len(&letters)).collect();
        loaded += replay_piece(server, client, job, piece, kept).await?;
    }
    Ok(loaded)
}

/// Letters that fit into one transaction: a few megabytes, and one at least.
fn piece_len(letters: &[Letter]) -> usize {
    const BYTES_MAX: usize = 2 << 20;
    let mut bytes = 0;
    let fits = letters.iter().take(1_000).take_while(|letter| {
        bytes += letter.cells.iter().map(OwnedValue::byte_count).sum::<usize>();
        bytes <= BYTES_MAX
    });
    fits.count().max(1).min(letters.len())
}

/// One transaction; letters that the server refuses are taken out of it, one by one.
async fn replay_piece(
    server: &Server,
    client: &Client,
    job: &Job,
    mut letters: Vec<Letter>,
    kept: &mut Vec<Kept>,
) -> Result<usize, RunError> {
    while !letters.is_empty() {
        let claim = ledger::claim(client, job.stream_id, 0, ("replay", None)).await?;
        let name = format!("ms/{}/0/{}", job.stream_id, claim.epoch);
        let session = server.connect(&name).await.map_err(SinkError::from)?;
        let mut encoded = encode(job, &claim, &letters)?;
        if usize::try_from(encoded.counts.made) != Ok(letters.len()) {
            // The fold state of earlier replays may refuse what the mapping alone would take.
            let why = "it cannot be placed after the rows replayed before; give its time an offset";
            kept.extend(letters.iter().map(|letter| (letter.id, why.to_owned())));
            return Ok(0);
        }
        encoded.replayed = letters.iter().map(|letter| letter.id).collect();
        let mut sink =
            TimescaleSink::open(session, claim, &job.destination, &Strategy::Append).await?;
        match sink.write(&encoded).await {
            Ok(()) => return Ok(letters.len()),
            Err(SinkError::Row { row, sqlstate, message, .. }) => {
                let letter = letters.remove(row.min(letters.len() - 1));
                kept.push((letter.id, format!("{message} ({sqlstate})")));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(0)
}

/// All letters in one transaction.
fn encode(job: &Job, claim: &ledger::Claim, letters: &[Letter]) -> Result<Encoded, RunError> {
    let mut worker = Worker::new(job.recipe(), job.time(), claim, Condemned::new(), usize::MAX)?;
    let mut full = Vec::new();
    let pushed = worker.push(&batch(job, letters)?, &mut |encoded| {
        full.push(encoded);
        Ok::<(), std::convert::Infallible>(())
    });
    match pushed {
        Ok(()) => {}
    }
    // A single huge letter fills a transaction by itself; nothing is left for the last one then.
    let last = if full.len() == 1 { full.pop() } else { worker.finish(true) };
    last.ok_or_else(|| SinkError::Ledger("a replay made no transaction".to_owned()).into())
}

/// Takes out what the mapping still refuses.
fn refuse_by_mapping(
    job: &Job,
    letters: &mut Vec<Letter>,
    kept: &mut Vec<Kept>,
) -> Result<(), RunError> {
    let all = batch(job, letters)?;
    let mut mapping = job.mapping();
    let verdicts: Vec<Option<String>> = all
        .rows()
        .map(|row| match mapping.apply(row, &mut |_, _| {}) {
            Ok(crate::transform::mapping::Outcome::Used) => None,
            Ok(crate::transform::mapping::Outcome::Filtered) => {
                Some("the file's `where` leaves it out".to_owned())
            }
            Err(refusal) => {
                let column = mapping.fields.get(refusal.field).map(|field| field.column.clone());
                let column = column.unwrap_or_default();
                Some(format!("{column}: {}: {}", refusal.reason.code(), refusal.reason.explain()))
            }
        })
        .collect();
    let mut verdicts = verdicts.into_iter();
    letters.retain(|letter| match verdicts.next().flatten() {
        None => true,
        Some(why) => {
            kept.push((letter.id, why));
            false
        }
    });
    Ok(())
}
