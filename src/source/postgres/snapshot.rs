//! One moment of a server, shared by all connections of a run.
//!
//! Its tables are locked against compression, drops and `alter table` first, then the moment is taken: the
//! other way round a reader could see half of a chunk. It keeps the server from vacuuming what is newer,
//! so it is held for a stated time alone; after that, or when the session that held it died, the next
//! partition is read in a new one. Each is counted. When all is read it is let go at once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::wire::{Wire, WireError};
use crate::endpoint::Endpoint;
use crate::source::SourceError;

/// A server that is read.
pub struct Legacy {
    endpoint: Endpoint,
    hold: Duration,
    /// Statements that lock what will be read.
    locks: Mutex<Vec<String>>,
    held: Mutex<Option<Held>>,
    /// The moment in which the reading of a table without a key began.
    begun: Mutex<HashMap<String, String>>,
    taken: AtomicUsize,
    /// When each moment was taken.
    since: Mutex<HashMap<String, Instant>>,
    /// Tables of which a reading ended later than `hold` allows, and how old its moment was then.
    outlived: Mutex<BTreeMap<String, Duration>>,
}

struct Held {
    /// Ends with the last word on it.
    _session: Wire,
    /// What other sessions take it by.
    id: String,
    name: String,
    since: Instant,
}

impl std::fmt::Debug for Legacy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.endpoint)
    }
}

impl Legacy {
    /// A server, and how long one moment of it may be held. Nothing is connected yet.
    pub fn new(endpoint: Endpoint, hold: Duration) -> Self {
        Self {
            endpoint,
            hold,
            locks: Mutex::default(),
            held: Mutex::default(),
            begun: Mutex::default(),
            taken: AtomicUsize::new(0),
            since: Mutex::default(),
            outlived: Mutex::default(),
        }
    }

    /// Database, host, port and role: all that may be shown.
    pub fn describe(&self) -> String {
        self.endpoint.describe()
    }

    /// Names the moment that is held now, taking one if there is none.
    pub fn moment(&self) -> Result<String, SourceError> {
        self.join(None).map(|(_, name)| name)
    }

    /// Moments taken so far.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// How long one moment is to be held.
    pub fn hold(&self) -> Duration {
        self.hold
    }

    /// Tables that were read in one moment for longer than that, each with the longest time.
    pub fn outlived(&self) -> Vec<(String, Duration)> {
        let outlived = self.outlived.lock().map(|outlived| outlived.clone()).unwrap_or_default();
        outlived.into_iter().collect()
    }

    /// A partition of a table has been read to its end.
    pub(super) fn has_read(&self, table: &str, moment: &str) {
        let since = self.since.lock().ok().and_then(|since| since.get(moment).copied());
        let Some(age) = since.map(|since| since.elapsed()).filter(|age| *age > self.hold) else {
            return;
        };
        if let Ok(mut outlived) = self.outlived.lock() {
            let longest = outlived.entry(table.to_owned()).or_default();
            *longest = age.max(*longest);
        }
    }

    /// The moment in which the reading of a table began, if it has to end in it.
    pub(super) fn moment_of(&self, table: &str) -> Option<String> {
        self.begun.lock().ok()?.get(table).cloned()
    }

    /// The reading of a table without a key began in this moment, and has to end in it: where its rows
    /// lie means nothing in another. `None` forgets that: none of its rows landed yet.
    pub fn begin(&self, table: &str, moment: Option<&str>) {
        if let Ok(mut begun) = self.begun.lock() {
            match moment {
                Some(moment) => begun.insert(table.to_owned(), moment.to_owned()),
                None => begun.remove(table),
            };
        }
    }

    /// Nothing is left to read: lets the moment go, and its locks. What joins after all takes another.
    pub fn release(&self) {
        if let Ok(mut held) = self.held.lock() {
            *held = None;
        }
    }

    /// What has to be locked before a moment is taken; one that is held already is let go.
    pub(in crate::source) fn will_read(&self, locks: Vec<String>) {
        if let (Ok(mut known), Ok(mut held)) = (self.locks.lock(), self.held.lock()) {
            *known = locks;
            *held = None;
        }
    }

    /// A session in no moment at all: for the catalog.
    pub(super) fn connect(&self) -> Result<Wire, SourceError> {
        let connected = Wire::connect(&self.endpoint, "millstream source");
        connected
            .map_err(|error| self.failed(&format!("cannot connect to {}", self.describe()), error))
    }

    /// A session in the moment that is held, and its name. `only` refuses any other moment than this one.
    pub(super) fn join(&self, only: Option<&str>) -> Result<(Wire, String), SourceError> {
        let broken = || WireError::lost("a thread died while it took a snapshot");
        let mut held = self.held.lock().map_err(|_| self.failed("snapshot", broken()))?;
        let mut gone = None;
        for _ in 0..3 {
            if held.as_ref().is_some_and(|held| only.is_none() && held.since.elapsed() > self.hold)
            {
                *held = None;
            }
            // Another moment than the one that is asked for is not worth taking.
            if held.is_none() && only.is_none() {
                *held = Some(self.take()?);
            }
            let Some(Held { id, name, .. }) = held.as_ref() else { break };
            if only.is_some_and(|only| only != name) {
                break;
            }
            let name = name.clone();
            let mut wire = self.connect()?;
            let sql = format!(
                "begin isolation level repeatable read read only; set transaction snapshot '{id}'"
            );
            match wire.run(&sql) {
                Ok(_) => return Ok((wire, name)),
                // Gone with the session that held it.
                Err(error) if is_gone(&error) => {
                    *held = None;
                    gone = Some(error);
                }
                Err(error) => return Err(self.failed("taking part in a snapshot", error)),
            }
        }
        if let (None, Some(error)) = (only, gone) {
            return Err(self.failed("taking part in a snapshot", error));
        }
        let message = "its rows are only told apart by where they lie, and the snapshot in which its \
                       reading began is gone: empty its target and start over with --fresh, or read it by \
                       a query with a `key`";
        Err(self.failed(
            "",
            WireError { sqlstate: Some("42704".to_owned()), message: message.to_owned() },
        ))
    }

    fn take(&self) -> Result<Held, SourceError> {
        let mut session = self.connect()?;
        let failed = |error| self.failed("taking a snapshot", error);
        let locks = self.locks.lock().map(|locks| locks.clone()).unwrap_or_default();
        session.run("begin isolation level read committed read only").map_err(failed)?;
        for lock in locks {
            session.run(&lock).map_err(failed)?;
        }
        let sql = "select pg_export_snapshot(), to_char(clock_timestamp(), 'YYYY-MM-DD HH24:MI:SS.US') \
                   || ' ' || txid_snapshot_xmin(txid_current_snapshot()) || ':' \
                   || txid_snapshot_xmax(txid_current_snapshot())";
        let answer = session.run(sql).map_err(failed)?;
        self.taken.fetch_add(1, Ordering::Relaxed);
        let (name, now) = (answer.text(0, 1).to_owned(), Instant::now());
        if let Ok(mut since) = self.since.lock() {
            since.insert(name.clone(), now);
        }
        Ok(Held { id: answer.text(0, 0).to_owned(), name, since: now, _session: session })
    }

    pub(super) fn failed(&self, what: &str, error: WireError) -> SourceError {
        let advice = advice(error.sqlstate.as_deref());
        SourceError::Server {
            what: what.to_owned(),
            message: format!("{}{advice}", error.message),
            sqlstate: error.sqlstate,
        }
    }
}

/// Whether an exported snapshot ended with its session: before the server looked for it (22023 or
/// 42704, by the release), or after it found it and before it could take part (55000).
fn is_gone(error: &WireError) -> bool {
    matches!(error.sqlstate.as_deref(), Some("22023" | "42704" | "55000"))
}

fn advice(sqlstate: Option<&str>) -> String {
    let remedy = match sqlstate {
        None => return String::new(),
        Some("28P01" | "28000") => "check user and password of [source] postgres, and pg_hba.conf",
        Some("3D000") => "correct the database's name in [source] postgres",
        Some("42501") => {
            "reading takes `connect`, `usage` on the schema and `select` on the tables, and no row \
             security in between"
        }
        Some("55P03") => "something holds the table locked: wait for it to end",
        Some("42P01" | "42703") => "compare it with the pipeline file",
        Some(_) => "",
    };
    let code = sqlstate.unwrap_or_default();
    format!(" ({code}){}{remedy}", if remedy.is_empty() { "" } else { "; " })
}
