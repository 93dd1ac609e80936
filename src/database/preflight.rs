//! `preflight`: whether this machine, this server and these files are fit for a migration.
//!
//! Everything is looked at, whatever fails on the way, and nothing stays behind: what is tried in the
//! database is tried in transactions that are rolled back. What the chosen sets need decides what is a
//! failure. How good a figure has to be is decided by functions that know no server.

use std::path::PathBuf;
use std::time::Instant;

use serde_json::json;

use super::edition::{Capability, Kind};
use super::finding::{Findings, Verdict};
use super::migrate::script::Condition;
use super::migrate::{self, MigrateError, Migration, Script};
use crate::observe::report::Report;
use crate::sink::session::Server;

mod backup;
mod container;
mod extension;
mod files;
mod host;
mod server;
mod settings;
pub mod tools;

/// What is asked of a run.
#[derive(Clone, Debug)]
pub struct Request {
    /// Migration sets that will be applied; none stands for all, and then nothing they need is a must.
    pub sets: Vec<String>,
    /// A server without the extension is meant.
    pub plain: bool,
    /// Leave out what takes long or writes.
    pub quick: bool,
    /// Where copies, logs and spools will be.
    pub state_dir: PathBuf,
    /// Where backups will be.
    pub backup_dir: PathBuf,
    /// A folder of migration sets in place of those in the binary.
    pub migrations: Option<PathBuf>,
    /// Free bytes a file system must have.
    pub disk_min: u64,
    /// Bytes of memory the machine must have.
    pub memory_min: u64,
    /// Chunks that the database will hold; none stands for a guess from the sets.
    pub chunks: Option<u64>,
}

/// How a check went, what was seen, and what to do.
type Judged = (Verdict, String, String);

/// Checks everything; gives back the report, `failed` when any check is.
///
/// Errors: a set that does not exist. A server that cannot be reached is a finding.
pub async fn run(server: &Server, request: &Request) -> Result<Report, MigrateError> {
    let since = Instant::now();
    let sets = Sets::load(request)?;
    let mut findings = Findings::default();
    let mut on_server = Findings::default();
    let session = server::connect(server, &mut on_server).await;
    let (mut session, seen) = match session {
        Some((session, seen)) => (Some(session), Some(seen)),
        None => (None, None),
    };
    let machine = host::Machine::read();
    let data_directory = seen.as_ref().and_then(|seen| seen.data_directory.clone());
    host::check(&mut findings, &machine, request, data_directory.as_deref());
    findings.all.append(&mut on_server.all);
    if let (Some(session), Some(seen)) = (&mut session, &seen) {
        let client = &mut session.client;
        server::check(&mut findings, client, seen).await;
        extension::check(&mut findings, client, seen, &sets).await;
        if request.quick {
            findings.skip("extension", "hypertable", QUICK);
        } else {
            extension::try_hypertable(&mut findings, client, seen.edition.kind).await;
        }
        let memory = seen.here.then_some(machine.memory_total);
        settings::check(&mut findings, client, (seen.edition.kind, memory), &sets).await;
    } else {
        for (area, check) in ON_SERVER {
            findings.skip(area, check, "no connection");
        }
    }
    let client = session.as_mut().map(|session| &mut session.client);
    files::check(&mut findings, client, &sets).await;
    findings.all.extend(around(server, request, seen.as_ref()).await.all);
    Ok(report(server, &findings, (seen.as_ref(), since.elapsed().as_secs_f64())))
}

/// Checks that a server which cannot be reached leaves undone.
const ON_SERVER: &[(&str, &str)] = &[
    ("server", "permissions"),
    ("server", "network"),
    ("extension", "installed"),
    ("extension", "hypertable"),
    ("settings", "all of them"),
];

/// Why a check was left out.
const QUICK: &str = "--quick";

/// What stands around the database: backups, the programs for them, a container.
async fn around(server: &Server, request: &Request, seen: Option<&server::Seen>) -> Findings {
    let (request, port) = (request.clone(), server.local_port());
    let known = seen.map(|seen| (seen.major, seen.database_bytes));
    // Other programs are asked, and disks waited for.
    let looked = tokio::task::spawn_blocking(move || {
        let mut findings = Findings::default();
        backup::check(&mut findings, &request, known.map(|(_, bytes)| bytes));
        if request.quick {
            for (area, check) in [("backup", "pg_dump, pg_restore"), ("container", "engine")] {
                findings.skip(area, check, QUICK);
            }
            return findings;
        }
        tools::check(&mut findings, known.map(|(major, _)| major));
        container::check(&mut findings, port);
        findings
    });
    looked.await.unwrap_or_else(|error| {
        let mut findings = Findings::default();
        findings.fail("backup", "all of them", error.to_string(), "report this as a defect");
        findings
    })
}

fn report(server: &Server, findings: &Findings, (seen, seconds): Seconds<'_>) -> Report {
    let mut report = Report::new(format!("Preflight of {}", server.describe()));
    report.tables.push(findings.table("Checks"));
    let failures = findings.count(Verdict::Fail);
    report.fact("passed", findings.count(Verdict::Pass));
    report.fact("warnings", findings.count(Verdict::Warn));
    report.fact("failures", failures);
    report.fact("skipped", findings.count(Verdict::Skip));
    report.fact("seconds", json!((seconds * 100.0).round() / 100.0));
    if seen.is_some_and(|seen| !seen.here) {
        report.note(
            "The server runs on another machine: disk, memory and processors above are those of this \
             one. Run preflight there too.",
        );
    }
    if failures == 0 {
        report.note("Pre-migration validation passed");
    } else {
        report.outcome = "failed".to_owned();
        report.note(format!(
            "Pre-migration validation failed: {failures} of {} checks; what to do stands beside each",
            findings.all.len()
        ));
    }
    report
}

type Seconds<'a> = (Option<&'a server::Seen>, f64);

/// The sets that are meant, and how they are meant.
struct Sets<'a> {
    request: &'a Request,
    all: Vec<(String, Result<Vec<Migration>, MigrateError>)>,
}

impl<'a> Sets<'a> {
    fn load(request: &'a Request) -> Result<Self, MigrateError> {
        let names: Vec<String> = match request.sets.as_slice() {
            [] => migrate::sets().map(str::to_owned).collect(),
            named => named.to_vec(),
        };
        let mut all = Vec::new();
        for name in names {
            match migrate::load(&name, request.migrations.as_deref()) {
                Err(error @ MigrateError::UnknownSet { .. }) => return Err(error),
                loaded => all.push((name, loaded)),
            }
        }
        Ok(Self { request, all })
    }

    /// Names of the sets with a statement that needs it.
    fn needing(&self, capability: Capability) -> Vec<&str> {
        let needs = |sql: &str| {
            let statements = Script::parse(sql).map(|script| script.statements);
            let needs = |condition| condition == Condition::Needs(capability);
            statements.is_ok_and(|all| all.iter().any(|statement| needs(statement.condition)))
        };
        self.all
            .iter()
            .filter(|(_, files)| {
                files.as_ref().is_ok_and(|files| files.iter().any(|file| needs(&file.sql)))
            })
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// What a server of this kind would leave out, with the number of statements, most first.
    fn left_out(&self, kind: Kind) -> Vec<(&'static str, usize)> {
        let mut counts: Vec<(&'static str, usize)> = Vec::new();
        for migration in self.all.iter().filter_map(|(_, files)| files.as_ref().ok()).flatten() {
            let Ok(script) = Script::parse(&migration.sql) else { continue };
            for (statement, _) in script.waiting(kind) {
                let feature = feature(&statement.sql);
                match counts.iter_mut().find(|(name, _)| *name == feature) {
                    Some((_, count)) => *count += 1,
                    None => counts.push((feature, 1)),
                }
            }
        }
        counts.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
        counts
    }
}

/// What a statement of TimescaleDB is for, in words.
fn feature(sql: &str) -> &'static str {
    const WORDS: &[(&str, &str)] = &[
        ("add_retention_policy", "retention policies"),
        ("add_compression_policy", "compression policies"),
        ("add_columnstore_policy", "compression policies"),
        ("add_continuous_aggregate_policy", "refresh policies"),
        ("timescaledb.continuous", "continuous aggregates"),
        ("timescaledb.compress", "compression"),
        ("timescaledb.enable_columnstore", "compression"),
        ("create_hypertable", "hypertables"),
        ("set_chunk_time_interval", "chunk intervals"),
        ("add_job", "jobs"),
    ];
    let sql = sql.to_lowercase();
    WORDS.iter().find(|(word, _)| sql.contains(word)).map_or("other statements", |(_, name)| *name)
}

/// Enters a judgement under the name of its check.
fn enter(findings: &mut Findings, (area, check): (&'static str, &str), judged: Judged) {
    let (verdict, found, remedy) = judged;
    match verdict {
        Verdict::Pass => findings.pass(area, check, found),
        Verdict::Warn => findings.warn(area, check, found, &remedy),
        Verdict::Fail => findings.fail(area, check, found, &remedy),
        Verdict::Skip => findings.skip(area, check, found),
    }
}

fn pass(found: impl Into<String>) -> Judged {
    (Verdict::Pass, found.into(), String::new())
}

/// A name that nobody else uses, for what is tried and taken back.
fn scratch() -> String {
    format!("millstream_preflight_{:016x}", fastrand::u64(..))
}

/// Reads `10GB`, `512 MB`, `4096kB`: powers of 1024, as the server counts.
///
/// Errors: what is wrong, for a command line.
pub fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no size: write a number and kB, MB, GB or TB, as in 10GB");
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
    let (number, unit) = text.split_at(at);
    let unit: u64 = match unit.trim().to_lowercase().as_str() {
        "kb" => KB,
        "mb" => MB,
        "gb" => GB,
        "tb" => GB << 10,
        _ => return Err(wrong()),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let tenths: u64 = fraction.get(..1).unwrap_or("0").parse().map_err(|_| wrong())?;
    let bytes = whole.checked_mul(unit).and_then(|bytes| bytes.checked_add(unit / 10 * tenths));
    bytes.ok_or_else(wrong)
}

const KB: u64 = 1 << 10;
const MB: u64 = 1 << 20;
const GB: u64 = 1 << 30;

/// `25GB`, `9.5GB`, `512MB`, `64kB`: rounded down, so that it never looks like enough when it is not.
fn sized(bytes: u64) -> String {
    match bytes {
        GB.. if bytes < 10 * GB && bytes % GB >= GB / 10 => {
            format!("{}.{}GB", bytes / GB, bytes % GB * 10 / GB)
        }
        GB.. => format!("{}GB", bytes / GB),
        MB.. => format!("{}MB", bytes / MB),
        _ => format!("{}kB", bytes / KB),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_read_as_the_server_reads_it() {
        assert_eq!(size("10GB"), Ok(10 * GB));
        assert_eq!(size("1.5 gb"), Ok(GB + GB / 10 * 5));
        assert_eq!(size("4096kB"), Ok(4 * MB));
        for wrong in ["10", "GB", "ten GB", "-1GB", "1e9GB", "99999999999999999TB", "1.xGB", ""] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_size_is_shown_rounded_down() {
        assert_eq!(sized(25 * GB + GB / 2), "25GB");
        assert_eq!(sized(10 * GB - 1), "9.9GB");
        assert_eq!(sized(GB), "1GB");
        assert_eq!(sized(GB - 1), "1023MB");
        assert_eq!(sized(64 * KB), "64kB");
    }

    #[test]
    fn a_statement_is_named_by_what_it_is_for() {
        assert_eq!(
            feature("select add_retention_policy('a.b', interval '90 days')"),
            "retention policies"
        );
        assert_eq!(
            feature("ALTER TABLE a SET (timescaledb.compress, timescaledb.compress_orderby = 't')"),
            "compression"
        );
        assert_eq!(feature("select 1"), "other statements");
    }
}
