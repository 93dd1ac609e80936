//! The server's client programs, `pg_dump` and its kind: found by the server's major version.
//!
//! Looked for in `MILLSTREAM_PG_BIN`, on PATH, and where Debian puts them, in this order.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::database::finding::Findings;

/// How long a program may take to say its version or how it is.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// What was found of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// One of the server's major.
    Fitting(PathBuf),
    /// Only one of another major.
    Other(PathBuf, u32),
    /// None that runs.
    None,
}

/// Folders to look in, in order.
pub fn folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        std::env::var_os("MILLSTREAM_PG_BIN").map(PathBuf::from).into_iter().collect();
    folders.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    folders.extend(debian.map(|entry| entry.path().join("bin")));
    folders
}

/// A program of the server's major; it is run to say its version.
pub fn find(folders: &[PathBuf], program: &str, major: u32) -> Found {
    let mut other = Found::None;
    for path in folders.iter().map(|folder| folder.join(program)).filter(|path| path.is_file()) {
        let said = ask(&path, &["--version"]).ok();
        match said.as_deref().and_then(major_of) {
            Some(found) if found == major => return Found::Fitting(path),
            Some(found) if other == Found::None => other = Found::Other(path, found),
            _ => {}
        }
    }
    other
}

/// `pg_dump (PostgreSQL) 17.5 (Debian 17.5-1)`: 17.
fn major_of(said: &str) -> Option<u32> {
    let (_, version) = said.split_once("(PostgreSQL) ")?;
    let digits = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
    version.get(..digits)?.parse().ok()
}

/// Runs a program that answers at once; what it wrote, or why it did not.
pub(super) fn ask(program: &Path, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let since = Instant::now();
    let status = loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status,
            None if since.elapsed() > ANSWER_MAX => {
                // It may have gone by itself in this moment; then there is nobody to kill.
                let _gone = child.kill().is_err();
                let _ended = child.wait().is_ok();
                return Err(format!("no answer in {} s", ANSWER_MAX.as_secs()));
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    // These answers fit into a pipe, so the program never waited for us to read.
    let text = |pipe: Option<&mut dyn std::io::Read>| {
        let mut bytes = Vec::new();
        let read = pipe.map(|pipe| pipe.take(1 << 20).read_to_end(&mut bytes));
        read.transpose().map(|_| String::from_utf8_lossy(&bytes).trim().to_owned())
    };
    let out =
        text(child.stdout.as_mut().map(|pipe| pipe as _)).map_err(|error| error.to_string())?;
    if status.success() {
        return Ok(out);
    }
    let said =
        text(child.stderr.as_mut().map(|pipe| pipe as _)).map_err(|error| error.to_string())?;
    Err(said.lines().next_back().unwrap_or("it failed").to_owned())
}

pub(super) fn check(findings: &mut Findings, major: Option<u32>) {
    let folders = folders();
    for program in ["pg_dump", "pg_restore"] {
        let Some(major) = major else {
            findings.skip("backup", program, "no connection: the server's major is not known");
            continue;
        };
        let remedy = format!(
            "install postgresql-client-{major}, or set MILLSTREAM_PG_BIN to the folder it is in"
        );
        match find(&folders, program, major) {
            Found::Fitting(path) => {
                findings.pass("backup", program, format!("{major}: {}", path.display()));
            }
            Found::Other(path, found) => {
                let text = format!("{found} and not {major}: {}", path.display());
                findings.warn("backup", program, text, &remedy);
            }
            Found::None => findings.warn("backup", program, "not found", &remedy),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(folder: &Path, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let path = folder.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn a_version_is_read() {
        assert_eq!(major_of("pg_dump (PostgreSQL) 17.5 (Debian 17.5-1)"), Some(17));
        assert_eq!(major_of("pg_restore (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major_of("pg_dump: not found"), None);
    }

    #[test]
    fn the_first_of_the_right_major_is_taken() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let old = script(one.path(), "pg_dump", "echo 'pg_dump (PostgreSQL) 15.13'");
        let folders = [one.path().to_owned(), two.path().to_owned()];
        assert_eq!(find(&folders, "pg_dump", 17), Found::Other(old, 15));
        let new = script(two.path(), "pg_dump", "echo 'pg_dump (PostgreSQL) 17.5'");
        assert_eq!(find(&folders, "pg_dump", 17), Found::Fitting(new));
        assert_eq!(find(&folders, "pg_restore", 17), Found::None);
    }

    #[test]
    fn who_does_not_answer_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let since = Instant::now();
        let hangs = script(folder.path(), "hangs", "exec sleep 60");
        assert!(ask(&hangs, &[]).unwrap_err().contains("no answer"));
        assert!(since.elapsed() < Duration::from_secs(20));
        let fails = script(folder.path(), "fails", "echo one >&2; echo two >&2; exit 1");
        assert_eq!(ask(&fails, &[]).unwrap_err(), "two");
    }
}
