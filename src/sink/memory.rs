//! A sink in memory whose answers can be lost: what a test needs to break the protocol on purpose.

use std::collections::HashMap;

use super::{Encoded, Sink, SinkError};
use crate::batch::{Counts, Position};

/// Rows and cursor, together as a database keeps them.
#[derive(Debug, Default)]
pub struct Store {
    /// Tuples that landed, by how often.
    pub tuples: HashMap<Vec<u8>, u64>,
    /// Read so far.
    pub position: Position,
    /// What became of the rows.
    pub counts: Counts,
    /// State of the transform.
    pub state: HashMap<String, Vec<u8>>,
    /// Commits so far.
    pub version: i64,
}

/// Writes into a [`Store`]; loses the answer of the writes named.
#[derive(Debug)]
pub struct MemorySink<'a> {
    /// Where rows go.
    pub store: &'a mut Store,
    /// The version this sink thinks it follows.
    pub version: i64,
    /// Number of the write, over all sinks, whose answer is lost.
    pub lose_answer_of: Option<i64>,
}

impl Sink for MemorySink<'_> {
    #[allow(clippy::unused_async, reason = "the trait is async; memory has nothing to wait for")]
    async fn write(&mut self, rows: &Encoded) -> Result<(), SinkError> {
        if self.version != self.store.version {
            return Err(SinkError::Fenced);
        }
        for tuple in super::copy::tuples(&rows.copy) {
            *self.store.tuples.entry(tuple.to_vec()).or_default() += 1;
        }
        self.store.counts += rows.counts;
        self.store.position = rows.position.clone();
        self.store.state.extend(rows.state.iter().cloned());
        self.store.version += 1;
        if self.lose_answer_of == Some(self.store.version) {
            return Err(SinkError::Ledger("the answer was lost".to_owned()));
        }
        self.version = self.store.version;
        Ok(())
    }
}
