//! What the tests share: a database of one's own, a server of one's own, the tool, and source files.

pub(crate) mod database;
pub(crate) mod server;
pub(crate) mod source;
pub(crate) mod tool;

use std::time::{Duration, Instant};

pub(crate) use database::Database;
pub(crate) use tool::Scene;

/// A variable that `./dev test` sets. Nothing is skipped for want of it.
pub(crate) fn environment(name: &str) -> String {
    std::env::var(name).ok().filter(|value| !value.is_empty()).unwrap_or_else(|| {
        panic!("{name} is not set: run `./dev test`, or `./dev up` and set it from `./dev status`")
    })
}

/// Says that a test, or a part of it, did not run. The runner shows nothing of tests that pass, so it also
/// goes into the file that `./dev test` prints at the end.
pub(crate) fn skipped(why: &str) {
    use std::io::Write as _;
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    eprintln!("SKIPPED: {test}: {why}");
    if let Ok(path) = std::env::var("MILLSTREAM_TEST_SKIPPED") {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        writeln!(file, "SKIPPED: {test}: {why}").unwrap();
    }
}

/// Whether `./dev test --long` runs.
pub(crate) fn long() -> bool {
    std::env::var("MILLSTREAM_TEST_LONG").is_ok_and(|value| !value.is_empty())
}

/// Random moments that can be had again: `MILLSTREAM_TEST_SEED=… ./dev test NAME`.
pub(crate) fn random() -> fastrand::Rng {
    let given = std::env::var("MILLSTREAM_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    println!("MILLSTREAM_TEST_SEED={seed}");
    fastrand::Rng::with_seed(seed)
}

/// Asks again and again until there is an answer; fails when `limit` has passed.
pub(crate) fn wait_for<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(since.elapsed() < limit, "waited {limit:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
