//! A sink that counts: the client's own speed, for benches and `--dry-run`.

use super::{Encoded, Sink, SinkError};
use crate::batch::Counts;

/// Counts rows and forgets them.
#[derive(Debug, Default)]
pub struct NullSink {
    /// What came by.
    pub counts: Counts,
    /// Dead letters that came by.
    pub dead_letters: Vec<super::reject::DeadLetter>,
}

/// Enough to show what kinds of trouble a dry run meets.
const DEAD_LETTERS_KEPT: usize = 10_000;

impl Sink for NullSink {
    #[allow(clippy::unused_async, reason = "the trait is async; this sink has nothing to wait for")]
    async fn write(&mut self, rows: &Encoded) -> Result<(), SinkError> {
        self.counts += rows.counts;
        let room = DEAD_LETTERS_KEPT.saturating_sub(self.dead_letters.len());
        self.dead_letters.extend(rows.dead_letters.iter().take(room).cloned());
        Ok(())
    }
}
