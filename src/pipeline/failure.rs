//! Why a run ended before its end: one error for all that a command may meet.

use super::lane::LaneError;
use super::register::RegisterError;
use super::resolve::ResolveError;
use super::worker::UnreadableState;
use crate::sink::SinkError;
use crate::source::SourceError;

/// Why a run ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The plan does not fit.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// The ledger knows this pipeline otherwise.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// A lane.
    #[error(transparent)]
    Lane(#[from] LaneError),
    /// The source.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The target.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// What the file wants done first.
    #[error("[target] prepare failed, and nothing was loaded: {0}")]
    Prepare(#[source] SinkError),
    /// The state of a transform.
    #[error(transparent)]
    State(#[from] UnreadableState),
    /// Somebody else runs this pipeline.
    #[error(
        "another millstream runs the pipeline `{pipeline}` on this database (server process {pid}): \
         wait for it, or stop it first"
    )]
    Busy {
        /// The pipeline.
        pipeline: String,
        /// Backend that holds the lock.
        pid: i32,
    },
    /// `--fresh` on tables that hold rows.
    #[error(
        "--fresh needs empty targets, but {0} holds rows: truncate it first if that is what you want"
    )]
    NotEmpty(String),
}
