//! The private copy: one consistent snapshot, kept until the run is done, so that a resume reads the same.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::{SourceError, open, open_error};
use crate::source::tables::{CountError, SourceTable};

/// A copy and its name in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// The file.
    pub path: PathBuf,
    /// Named anew each time a copy is taken.
    pub id: String,
    /// It was there already: a run that did not finish left it.
    pub kept: bool,
}

/// What a person should know about the source file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CopyNotes {
    /// Bytes of the file.
    pub bytes: u64,
    /// Bytes of its `-wal`.
    pub wal_bytes: u64,
    /// Warnings.
    pub warnings: Vec<String>,
}

/// Looks at the file and what stands beside it.
fn inspect(path: &Path) -> Result<CopyNotes, SourceError> {
    drop(open(path)?);
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let wal = wal_of(path);
    let mut notes =
        CopyNotes { bytes: size(path), wal_bytes: wal_size(path), warnings: Vec::new() };
    // Byte 18 of the header is the write version: 2 means WAL.
    let mut header = [0; 19];
    let read = std::fs::File::open(path).and_then(|mut file| {
        use std::io::Read as _;
        file.read_exact(&mut header)
    });
    let in_wal_mode = read.is_ok() && header[18] == 2;
    if in_wal_mode && notes.wal_bytes == 0 {
        notes.warnings.push(format!(
            "{} is in WAL mode and has no -wal beside it: if it was copied by hand, the newest rows \
             stayed behind in {}",
            path.display(),
            wal.display()
        ));
    } else if notes.wal_bytes > 0 {
        notes.warnings.push(format!(
            "{} KiB of newest rows are still in {}; they are read too",
            notes.wal_bytes / 1024,
            wal.display()
        ));
    }
    Ok(notes)
}

/// Takes a copy into `folder`, or finds the one whose id is `unfinished`.
pub fn take_copy(
    path: &Path,
    folder: &Path,
    unfinished: Option<&str>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(Copy, CopyNotes), SourceError> {
    let file = folder.join("source.db");
    let id_file = folder.join("source.id");
    let kept = std::fs::read_to_string(&id_file).ok().filter(|_| file.exists());
    if let (Some(id), Some(wanted)) = (&kept, unfinished)
        && id == wanted
    {
        let copy = Copy { path: file, id: id.clone(), kept: true };
        return Ok((copy, CopyNotes::default()));
    }
    let notes = inspect(path)?;
    let failed = |error: std::io::Error| SourceError::Open {
        path: folder.display().to_string(),
        message: format!("no copy can be made there: {error}; [state] dir names another place"),
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    for stale in [&id_file, &file, &folder.join("source.db-wal"), &folder.join("source.db-shm")] {
        match std::fs::remove_file(stale) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed(error));
            }
            _ => {}
        }
    }
    back_up(path, &file, progress)?;
    let id = new_id(&file);
    std::fs::write(&id_file, &id).map_err(failed)?;
    Ok((Copy { path: file, id, kept: false }, notes))
}

fn back_up(
    path: &Path,
    file: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), SourceError> {
    let failed = |error: rusqlite::Error| open_error(path, &error);
    let source = open(path)?;
    // A read transaction pins the snapshot: a writer that commits meanwhile does not start us over.
    source.execute_batch("begin; select count(*) from sqlite_schema").map_err(failed)?;
    if wal_size(path) == 0 {
        // Our read lock keeps every writer's hands off the file itself: without a log beside it, the
        // file is the snapshot, and the system copies it faster than SQLite page by page.
        return std::fs::copy(path, file)
            .map_err(|error| SourceError::Open {
                path: file.display().to_string(),
                message: format!("the copy failed: {error}; is the disk full?"),
            })
            .and_then(|_| own(file));
    }
    let mut target = Connection::open(file).map_err(|error| open_error(file, &error))?;
    target
        .execute_batch("pragma synchronous = off; pragma journal_mode = off")
        .map_err(|error| open_error(file, &error))?;
    {
        let backup = Backup::new(&source, &mut target).map_err(failed)?;
        loop {
            let step = backup.step(4_096).map_err(failed)?;
            let pages = backup.progress();
            let (all, left) = (count(pages.pagecount), count(pages.remaining));
            progress(all - left.min(all), all);
            match step {
                StepResult::Done => break,
                StepResult::Busy | StepResult::Locked => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                _ => {}
            }
        }
    }
    drop(target);
    own(file)
}

/// The copy is ours alone: out of WAL mode, so that reading it leaves no file behind.
fn own(file: &Path) -> Result<(), SourceError> {
    let failed = |error: rusqlite::Error| open_error(file, &error);
    let copy = Connection::open(file).map_err(failed)?;
    copy.query_row("pragma journal_mode = delete", [], |_| Ok(())).map_err(failed)
}

fn wal_size(path: &Path) -> u64 {
    std::fs::metadata(wal_of(path)).map_or(0, |metadata| metadata.len())
}

fn wal_of(path: &Path) -> PathBuf {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    PathBuf::from(wal)
}

fn count(pages: std::ffi::c_int) -> u64 {
    u64::try_from(pages).unwrap_or(0)
}

/// A name that no other copy has. Random on purpose: it says which copy, not what is in it.
fn new_id(file: &Path) -> String {
    let modified = std::fs::metadata(file).and_then(|metadata| metadata.modified());
    let nanos = modified
        .ok()
        .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok())
        .map_or(0, |since| since.as_nanos());
    format!("{nanos:x}-{:016x}", fastrand::u64(..))
}

/// Opens a copy and looks at every page of a table: a damaged one is found before the first row moves.
pub fn verify_readable(copy: &Path, table: &SourceTable) -> Result<u64, CountError> {
    let connection = open(copy).map_err(CountError::Source)?;
    super::catalog::count(&connection, table)
}
