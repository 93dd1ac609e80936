//! One flag, set by a signal: stop reading, commit what is in hand, leave.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Shared by every thread and task of a run.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(Arc<AtomicBool>);

impl Shutdown {
    /// Asks for a stop.
    pub fn request(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether a stop was asked for.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Listens for SIGINT and SIGTERM. The second one ends the process at once, which is safe: what is
    /// not committed is read again.
    pub fn listen(&self) {
        let flag = self.clone();
        tokio::spawn(async move {
            use tokio::signal::unix::{SignalKind, signal};
            let (Ok(mut interrupt), Ok(mut terminate)) =
                (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            else {
                tracing::warn!("signals cannot be caught; a stop will end the process at once");
                return;
            };
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if flag.requested() {
                    std::process::exit(5);
                }
                tracing::info!("stopping: what is in hand is committed first");
                flag.request();
            }
        });
    }
}
