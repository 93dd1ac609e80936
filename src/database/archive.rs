//! Moves old rows of a table into Parquet files: written, read back, and only then dropped.
//!
//! One range of time after the other, a chunk of a hypertable or a day of a plain table: its rows are read
//! in one snapshot into a file, the file is read back and gives the same count and fingerprint, and the
//! rows are dropped in a transaction in which they still have that count and fingerprint and no late row can
//! come in. Whatever ends the process, each row is in the table or in a file that its folder's manifest
//! names; the next call goes on. Rows that come while the file is written are archived with the rest; rows
//! that come after the drop get a file of their own.

mod drop;
mod error;
mod range;

pub use error::ArchiveError;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_postgres::Client;

use crate::backoff;
use crate::batch::hex;
use crate::columnar::FileError;
use crate::columnar::manifest::{self, Column, Entry, Manifest, State};
use crate::failpoint;
use crate::schema::{PG_EPOCH_US, TableName};
use crate::sink::fingerprint::Sum;
use crate::sink::parquet::{self, ParquetWriter};
use drop::Dropped;
use range::Reading;

/// Rows may come while a file is written; after this many times somebody loads history.
const ATTEMPTS: u32 = 5;

/// Some rows of a table: those whose time is in `[from, to)`, µs since 2000.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkRange {
    /// The table; a hypertable or a plain one.
    pub table: TableName,
    /// Its time column.
    pub time: String,
    /// First microsecond.
    pub from: i64,
    /// The microsecond after the last one.
    pub to: i64,
}

/// What became of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archived {
    /// The range.
    pub range: ChunkRange,
    /// The file that holds the rows; `None` when there were none.
    pub file: Option<PathBuf>,
    /// Rows moved.
    pub rows: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Sum of the rows' hashes, as `verify` shows it.
    pub fingerprint: u128,
    /// The file was there already, from a run that did not come to its end.
    pub resumed: bool,
}

/// Archives and drops everything of a table older than `before` (µs since 2000): whole chunks of a
/// hypertable, whole days (UTC) of a plain table. `time` names the time column.
pub async fn archive(
    client: &mut Client,
    table: &TableName,
    (time, before): (&str, i64),
    dir: &Path,
) -> Result<Vec<Archived>, ArchiveError> {
    let mut archived = Vec::new();
    for range in ranges(client, table, (time, before)).await? {
        archived.push(archive_chunk(client, &range, dir).await?);
    }
    Ok(archived)
}

/// What [`archive`] would take, in order.
pub async fn ranges(
    client: &Client,
    table: &TableName,
    (time, before): (&str, i64),
) -> Result<Vec<ChunkRange>, ArchiveError> {
    range::before(client, table, time, before).await
}

/// Archives and drops one range; `dir` gets a folder for the table. Files are written on this thread.
pub async fn archive_chunk(
    client: &mut Client,
    chunk: &ChunkRange,
    dir: &Path,
) -> Result<Archived, ArchiveError> {
    let reading = Reading::of(client, chunk).await?;
    let mut folder = Folder::open(client, chunk, dir).await?;
    folder.settle(client, &chunk.table).await?;
    let mut refused = None;
    for attempt in 0..ATTEMPTS {
        let (entry, resumed) = folder.hold(client, &reading).await?;
        failpoint::hit("archive_held");
        let sum = entry.map_or(Ok(Sum::default()), |at| folder.proven(at, &reading))?;
        match drop::drop_range(client, &mut folder, (&reading, entry), sum).await {
            Ok(Dropped::Gone) => {
                failpoint::hit("archive_dropped");
                return Ok(folder.archived(chunk, entry, (sum, resumed)));
            }
            Ok(Dropped::Changed) => refused = None,
            Err(ArchiveError::Sink(error)) if drop::comes_again(&error) => refused = Some(error),
            Err(error) => return Err(error),
        }
        tokio::time::sleep(backoff::wait(attempt, 1.0).min(Duration::from_secs(5))).await;
    }
    let until = reading.bound(chunk.to);
    let late = ArchiveError::LateRows { table: chunk.table.clone(), until };
    Err(refused.map_or(late, ArchiveError::Sink))
}

/// The folder of a table and its manifest.
struct Folder {
    path: PathBuf,
    manifest: Manifest,
}

impl Folder {
    async fn open(client: &Client, chunk: &ChunkRange, dir: &Path) -> Result<Self, ArchiveError> {
        let path = dir.join(manifest::folder_name(&chunk.table));
        std::fs::create_dir_all(&path).map_err(|error| FileError::new(&path, error))?;
        let sql = "select current_database() || ' on system ' || system_identifier \
                   from pg_control_system()";
        let ours: String = client.query_one(sql, &[]).await?.get(0);
        let fresh = || Manifest::new(&chunk.table, &chunk.time, ours.clone());
        let manifest = manifest::read(&path)?.unwrap_or_else(fresh);
        let theirs = format!("{} of {}", manifest.table, manifest.database);
        let ours = format!("{} of {ours}", chunk.table.quoted());
        if theirs != ours {
            return Err(ArchiveError::OtherDatabase { folder: path, theirs, ours });
        }
        Ok(Self { path, manifest })
    }

    /// Drops that were under way when a run ended: the server knows what became of them.
    async fn settle(&mut self, client: &Client, table: &TableName) -> Result<(), ArchiveError> {
        for at in 0..self.manifest.files.len() {
            let State::Dropping(transaction) = self.manifest.files[at].state.clone() else {
                continue;
            };
            let sql = "select pg_xact_status($1::text::xid8)";
            let mut status: Option<String> = Some("in progress".to_owned());
            for attempt in 0..6 {
                status = client.query_one(sql, &[&transaction]).await?.get(0);
                if status.as_deref() != Some("in progress") {
                    break;
                }
                tokio::time::sleep(backoff::wait(attempt, 1.0)).await;
            }
            let state = match status.as_deref() {
                Some("aborted") => State::Written,
                Some("in progress") => {
                    let table = table.clone();
                    return Err(ArchiveError::Unsettled { table, transaction });
                }
                // Too long ago to know: taken for dropped, the file is never replaced.
                Some(_) | None => State::Dropped,
            };
            self.mark(at, state)?;
        }
        Ok(())
    }

    fn mark(&mut self, at: usize, state: State) -> Result<(), FileError> {
        self.manifest.files[at].state = state;
        manifest::write(&self.path, &self.manifest)
    }

    /// The entry whose file holds the rows that are in the range now, and whether it was there before;
    /// no entry for no rows.
    async fn hold(
        &mut self,
        client: &mut Client,
        reading: &Reading,
    ) -> Result<(Option<usize>, bool), ArchiveError> {
        let range = (unix(reading.chunk.from), unix(reading.chunk.to));
        let shape = self.manifest.shape(reading.columns());
        let files = &self.manifest.files;
        let same: Vec<usize> =
            (0..files.len()).filter(|at| (files[*at].from_us, files[*at].to_us) == range).collect();
        let mut replaced = None;
        if let Some(last) = same.last() {
            let now = reading.snapshot_sum(client).await?;
            if now.n == 0 {
                return Ok((None, false));
            }
            let held = same.iter().rev().find(|at| {
                let file = &files[**at];
                (file.shape, file.rows) == (shape, now.n) && file.fingerprint == shown(now.sum)
            });
            if let Some(at) = held {
                return Ok((Some(*at), true));
            }
            let (file, chunks) = (&files[*last], reading.chunks(client).await?);
            // Only a file whose rows were never dropped may make way: the new one holds the range whole, or
            // a restore would bring rows twice, and those back that somebody has deleted since.
            let never_dropped = file.state == State::Written && file.chunks == chunks;
            replaced = never_dropped.then_some(*last);
        }
        let Some(entry) = self.write(client, reading, shape).await? else {
            return Ok((None, false));
        };
        let at = match replaced {
            None => {
                self.manifest.files.push(entry);
                self.manifest.files.len() - 1
            }
            Some(at) => {
                let old = std::mem::replace(&mut self.manifest.files[at], entry);
                manifest::write(&self.path, &self.manifest)?;
                if let Err(error) = std::fs::remove_file(old.path(&self.path)) {
                    tracing::warn!(%error, file = old.file, "a replaced file stays behind");
                }
                return Ok((Some(at), false));
            }
        };
        manifest::write(&self.path, &self.manifest)?;
        Ok((Some(at), false))
    }

    async fn write(
        &self,
        client: &mut Client,
        reading: &Reading,
        shape: usize,
    ) -> Result<Option<Entry>, ArchiveError> {
        let range = &reading.chunk;
        let path = self.path.join(self.free_name(range));
        let mut writer = ParquetWriter::create(&path, &reading.types)?;
        let snapshot = reading.snapshot(client).await?;
        let sum = reading.copy(&snapshot, &mut |tuple| writer.push(tuple)).await?;
        let chunks = reading.chunks(&snapshot).await?;
        snapshot.commit().await?;
        if sum.n == 0 {
            std::fs::remove_file(writer.abandon()).map_err(|error| FileError::new(&path, error))?;
            return Ok(None);
        }
        let written = writer.finish()?;
        failpoint::hit("archive_written");
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Some(Entry {
            file,
            from_us: unix(range.from),
            to_us: unix(range.to),
            rows: sum.n,
            bytes: written.bytes,
            sha256: written.sha256,
            fingerprint: shown(sum.sum),
            shape,
            chunks,
            state: State::Written,
            written_by: concat!("millstream ", env!("CARGO_PKG_VERSION")).to_owned(),
        }))
    }

    /// A name that no file of the manifest has: a file that is replaced stays until the new one counts.
    fn free_name(&self, range: &ChunkRange) -> String {
        let word = |us: i64| match jiff::Timestamp::from_microsecond(unix(us)) {
            Ok(time) => time.to_string().replace(['-', ':'], ""),
            Err(_) => us.to_string(),
        };
        let stem = format!("{}-{}", word(range.from), word(range.to));
        let taken = |name: &String| self.manifest.files.iter().any(|entry| entry.file == *name);
        let names = (1..).map(|number| match number {
            1 => format!("{stem}.parquet"),
            _ => format!("{stem}.{number}.parquet"),
        });
        names.into_iter().find(|name| !taken(name)).unwrap_or(stem)
    }

    /// Reads a file back: it has to be the one that was written and give the rows that went in.
    fn proven(&self, at: usize, reading: &Reading) -> Result<Sum, ArchiveError> {
        let entry = &self.manifest.files[at];
        entry.check(&self.path)?;
        let path = entry.path(&self.path);
        let found = parquet::read_back(&path, &reading.types, &reading.printer)?;
        if found.n != entry.rows || shown(found.sum) != entry.fingerprint {
            return Err(ArchiveError::ReadBack {
                path,
                found: found.n,
                found_sum: shown(found.sum),
                sent: entry.rows,
                sent_sum: entry.fingerprint.clone(),
            });
        }
        Ok(found)
    }

    fn archived(
        &self,
        range: &ChunkRange,
        entry: Option<usize>,
        (sum, resumed): (Sum, bool),
    ) -> Archived {
        let entry = entry.map(|at| &self.manifest.files[at]);
        Archived {
            range: range.clone(),
            file: entry.map(|entry| entry.path(&self.path)),
            rows: sum.n,
            bytes: entry.map_or(0, |entry| entry.bytes),
            fingerprint: sum.sum,
            resumed,
        }
    }
}

/// µs since 1970; ends of time stay ends.
fn unix(us: i64) -> i64 {
    us.saturating_add(PG_EPOCH_US)
}

fn shown(sum: u128) -> String {
    hex(&sum.to_be_bytes())
}
