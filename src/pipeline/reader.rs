//! The reader: a thread that asks a source for rows and puts them into a bounded queue.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::shutdown::Shutdown;
use crate::batch::{Batch, Position};
use crate::observe::progress::Stages;
use crate::source::{Range, Source, SourceError};

/// Batches between reader and worker: enough to ride out a hiccup, little enough to stay in cache.
const QUEUE: usize = 8;

/// A reader at work.
pub struct Reader {
    /// Batches in the order of the source; closes at the end of the partition or on a stop.
    pub batches: Receiver<Batch>,
    /// Whether the partition was read to its end.
    pub end: JoinHandle<Result<End, SourceError>>,
}

/// How reading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Nothing is left.
    Partition,
    /// A stop was asked for, or nobody listens any more.
    Stopped,
}

/// Starts reading behind `position`.
pub fn start(
    mut source: Box<dyn Source>,
    range: Range,
    position: Position,
    shutdown: Shutdown,
    stages: Arc<Stages>,
) -> Reader {
    let (sender, batches) = bounded(QUEUE);
    let end = std::thread::spawn(move || {
        let mut stopped = false;
        let mut since = Instant::now();
        let mut emit = |batch: Batch| {
            stages.read.add(since.elapsed());
            stopped = shutdown.requested() || send(&sender, batch).is_err();
            since = Instant::now();
            if stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        source.read(&range, &position, &mut emit)?;
        stages.read.add(since.elapsed());
        Ok(if stopped { End::Stopped } else { End::Partition })
    });
    Reader { batches, end }
}

fn send(sender: &Sender<Batch>, batch: Batch) -> Result<(), ()> {
    sender.send(batch).map_err(drop)
}
