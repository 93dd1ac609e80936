//! Log lines: to stderr, short for a person, JSON for a machine.

use tracing_subscriber::filter::LevelFilter;

/// Sets logging up; `verbosity` counts the `-v`.
pub fn start(verbosity: u8) {
    let level = match verbosity {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_target(false)
        .without_time()
        .finish();
    if tracing::subscriber::set_global_default(subscriber).is_err() {
        // A test started logging before: its subscriber stays.
    }
}
