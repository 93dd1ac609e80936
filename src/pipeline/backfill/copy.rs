//! What a run reads: a private copy of a SQLite file, a folder as it is, or snapshots of a server.

use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tokio_postgres::Client;

use crate::config::plan::Plan;
use crate::observe::progress::Progress;
use crate::pipeline::failure::RunError;
use crate::pipeline::job::Job;
use crate::pipeline::resolve;
use crate::sink::ledger::{self, PartitionRow};
use crate::sink::snapshot;
use crate::source::sqlite::{self, CopyNotes};
use crate::source::{At, Range, parquet, postgres};

/// A source for the time of a run.
pub(super) struct Taken {
    /// Where it is read.
    pub(super) at: At,
    /// Names the copy; empty for a server, whose snapshot is only taken when it is known what is read.
    id: String,
}

impl Taken {
    /// Names what is read now.
    pub(super) fn id(&self) -> Result<String, RunError> {
        Ok(match &self.at {
            At::Postgres(legacy) => legacy.moment()?,
            At::Sqlite(_) | At::Parquet(_) => self.id.clone(),
        })
    }

    /// Nothing is read any more in this run. A server need not wait for what is done in the target.
    pub(super) fn release(&self) {
        if let At::Postgres(legacy) = &self.at {
            legacy.release();
        }
    }

    /// Nothing is left to read.
    pub(super) fn drop(&self) {
        let At::Sqlite(path) = &self.at else { return };
        // A copy that stays behind costs disk, nothing else: the next run replaces it.
        if let Err(error) = std::fs::remove_file(path) {
            tracing::warn!(%error, path = %path.display(), "the copy could not be removed");
        }
    }
}

/// The folder of one pipeline's copies: one for each ledger, as two databases may be loaded at once.
fn state_folder(plan: &Plan, ledger_id: &str) -> PathBuf {
    let safe = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
    let name: String = plan.name.chars().map(safe).collect();
    let ledger: String = ledger_id.chars().take(8).collect();
    // Two names may look alike once they are safe.
    let digest = crate::batch::hex(&Sha256::digest(plan.name.as_bytes()));
    plan.state_dir.join(format!("{name}-{}-{ledger}", digest.get(..8).unwrap_or_default()))
}

pub(super) async fn take(
    plan: &Plan,
    client: &Client,
    (progress, fresh): (&Arc<Progress>, bool),
) -> Result<(Taken, CopyNotes), RunError> {
    let path = match resolve::source(plan)? {
        At::Sqlite(path) => path,
        At::Parquet(path) => {
            // Its files never change: they are read where they are, and every byte is looked at first.
            let id = parquet::Tables::read(&path)?.digest()?;
            return Ok((Taken { at: At::Parquet(path), id }, CopyNotes::default()));
        }
        at @ At::Postgres(_) => {
            return Ok((Taken { at, id: String::new() }, CopyNotes::default()));
        }
    };
    // Starting over means starting from the source as it is now.
    let unfinished = match fresh {
        true => None,
        false => ledger::unfinished_copy(client, &plan.name).await?,
    };
    let mebibytes = std::fs::metadata(&path).map_or(0, |metadata| metadata.len()) >> 20;
    progress.stage(&format!("copying the source, {mebibytes} MiB"));
    let folder = state_folder(plan, &ledger::id(client).await?);
    let (copy, notes) = sqlite::take_copy(&path, &folder, unfinished.as_deref(), &mut |_, _| {})?;
    for warning in &notes.warnings {
        progress.say(warning);
    }
    Ok((Taken { at: At::Sqlite(copy.path), id: copy.id }, notes))
}

/// Counts what a server has left for a job: what was read before stands as it was counted then.
pub(super) fn count_rest(job: &mut Job, partitions: &[PartitionRow]) -> Result<(), RunError> {
    let At::Postgres(legacy) = &job.at else { return Ok(()) };
    let untouched = |part: &PartitionRow| !part.done && part.position.is_start();
    let ranges: Vec<Range> = match partitions.iter().all(untouched) {
        true => vec![Range::default()],
        false => partitions.iter().filter(|part| !part.done).map(rest).collect(),
    };
    let read: u64 = partitions.iter().map(|part| part.counts.read).sum();
    job.row_count = read + postgres::count(legacy, &job.source, &ranges)?;
    Ok(())
}

fn rest(part: &PartitionRow) -> Range {
    let after = if part.position.is_start() { &part.after } else { &part.position };
    Range { after: after.clone(), through: part.through.clone() }
}

/// What a person has to know of how long a server was read, and of numbers that were not proven.
pub(super) fn of_the_server(jobs: &[Job]) -> Vec<String> {
    let Some(At::Postgres(legacy)) = jobs.first().map(|job| &job.at) else { return Vec::new() };
    let hold = legacy.hold().as_secs();
    let outlived = legacy.outlived().into_iter().map(|(table, age)| {
        format!(
            "{table} was being read when its snapshot was {} s old, longer than `hold` ({hold} s): the source's \
             vacuum waited for that; a partition that is begun is read to its end",
            age.as_secs()
        )
    });
    let mut told: Vec<String> = outlived.collect();
    if jobs.iter().any(|job| job.at.moved_on()) {
        told.push(
            "numbers of rows were not proven against the source, as it was counted in another snapshot than \
             the last one it was read in: `verify --deep` compares all of it"
                .to_owned(),
        );
    }
    told
}

/// What a person has to know of tables that were not read in one snapshot.
pub(super) async fn of_snapshots(
    client: &Client,
    (jobs, before): (&[Job], &[Vec<PartitionRow>]),
    catch_up: bool,
) -> Result<Vec<String>, RunError> {
    let mut told = Vec::new();
    let of_servers = jobs.iter().zip(before).filter(|(job, _)| matches!(job.at, At::Postgres(_)));
    for (job, before) in of_servers {
        let snapshots = snapshot::count(client, job.stream_id).await?;
        // A run that found nothing new read nothing, and looked at nothing old either.
        let goes_on = before.iter().any(|part| !part.position.is_start());
        if snapshots < 2 && !goes_on {
            continue;
        }
        let looked = match (catch_up, job.at.moved_on()) {
            (true, false) => {
                "what was read before was compared with the source first and had not changed"
            }
            (true, true) => {
                "what earlier runs read was compared with the source first and had not changed, but \
                 this run itself moved on to another snapshot, and nothing was compared with that: \
                 `verify --deep` compares all of it"
            }
            (false, _) => {
                "nothing below the place from which reading went on was looked at again: \
                 `verify --deep` compares all of it, `backfill --catch-up` what was read before it \
                 reads on"
            }
        };
        let plural = if snapshots == 1 { "" } else { "s" };
        told.push(format!(
            "{} was read in {snapshots} snapshot{plural}; {looked}",
            job.source.label
        ));
    }
    Ok(told)
}
