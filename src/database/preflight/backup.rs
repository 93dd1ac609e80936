//! The backup folder: whether a file written there is there, and whether a backup fits.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::{Judged, QUICK, Request, enter, host, pass, scratch, sized};
use crate::database::finding::{Findings, Verdict};

const AREA: &str = "backup";

pub(super) fn check(findings: &mut Findings, request: &Request, database_bytes: Option<u64>) {
    let folder = request.backup_dir.as_path();
    let remedy = "mend its rights, or name another folder with --backup-dir";
    match host::nearest(folder) {
        // A file in its place.
        Ok(there) if !there.is_dir() => {
            let found = format!("{} is no folder", there.display());
            return findings.fail(AREA, "folder", found, remedy);
        }
        Err(error) => {
            let found = format!("{}: {error}", folder.display());
            return findings.fail(AREA, "folder", found, remedy);
        }
        Ok(_) if request.quick => findings.skip(AREA, "folder", QUICK),
        Ok(there) => match probe(&there) {
            Ok(()) => {
                let made = if there == folder || folder.is_dir() { "" } else { "; will be made" };
                let found = format!("{}: written, synced, read back{made}", folder.display());
                findings.pass(AREA, "folder", found);
            }
            Err(error) => {
                let found = format!("{}: {error}", there.display());
                return findings.fail(AREA, "folder", found, remedy);
            }
        },
    }
    match (host::space(folder), database_bytes) {
        (Ok(space), Some(bytes)) => enter(findings, (AREA, "space"), room(space.free, bytes)),
        (Ok(_), None) => findings.skip(AREA, "space", "no connection: nothing to hold it against"),
        (Err(error), _) => findings.skip(AREA, "space", error.to_string()),
    }
}

fn room(free: u64, database: u64) -> Judged {
    let found = format!("{} available, the database has {}", sized(free), sized(database));
    if free < database {
        let remedy =
            format!("free {}, or name another folder with --backup-dir", sized(database - free));
        return (Verdict::Warn, found, remedy);
    }
    pass(found)
}

/// A file that goes whatever happens.
struct Probe(PathBuf);

impl Drop for Probe {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::debug!(%error, path = %self.0.display(), "probe");
        }
    }
}

fn probe(folder: &Path) -> std::io::Result<()> {
    let path = folder.join(format!(".{}", scratch()));
    let written: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(8192).collect();
    let mut file = File::create_new(&path)?;
    let _probe = Probe(path.clone());
    file.write_all(&written)?;
    file.sync_all()?;
    drop(file);
    let mut read = Vec::new();
    File::open(&path)?.read_to_end(&mut read)?;
    if read != written {
        return Err(std::io::Error::other("what was written is not what is read back"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::preflight::MB;

    #[test]
    fn a_probe_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        probe(folder.path()).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(probe(&folder.path().join("none")).is_err());
    }

    #[test]
    fn a_backup_is_held_against_the_database() {
        assert_eq!(room(64 * MB, 64 * MB).0, Verdict::Pass);
        let (verdict, found, remedy) = room(64 * MB, 96 * MB);
        assert_eq!(verdict, Verdict::Warn);
        assert_eq!(found, "64MB available, the database has 96MB");
        assert!(remedy.starts_with("free 32MB"), "{remedy}");
    }
}
