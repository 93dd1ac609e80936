//! Points at which a test stops the process or leaves a guard out. Compiled in by the feature
//! `failpoints` alone, which no shipped binary has.
//!
//! `MILLSTREAM_FAILPOINT=name:n` kills the process, as `kill -9` does, when the point is reached for the
//! n-th time. `MILLSTREAM_WITHOUT=guard` leaves a guard out, so that a test can show that it fails then.

/// Dies here if a test says so.
#[cfg(feature = "failpoints")]
pub fn hit(name: &str) {
    use std::sync::atomic::{AtomicU64, Ordering};
    static HITS: AtomicU64 = AtomicU64::new(0);
    let Ok(wanted) = std::env::var("MILLSTREAM_FAILPOINT") else { return };
    let (point, nth) = wanted.split_once(':').unwrap_or((&wanted, "1"));
    if point == name && HITS.fetch_add(1, Ordering::SeqCst) + 1 == nth.parse().unwrap_or(1) {
        let process = rustix::process::getpid();
        let killed = rustix::process::kill_process(process, rustix::process::Signal::KILL);
        tracing::error!(?killed, "failpoint");
    }
}

/// Nothing, in a binary that is shipped.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn hit(_name: &str) {}

/// Whether a test leaves this guard out.
#[cfg(feature = "failpoints")]
pub fn without(guard: &str) -> bool {
    std::env::var("MILLSTREAM_WITHOUT").is_ok_and(|left_out| left_out == guard)
}

/// No guard is ever left out of a binary that is shipped.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn without(_guard: &str) -> bool {
    false
}
