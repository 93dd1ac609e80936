//! How far a run is: counters that lanes raise, and a bar, lines or JSON made of them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::batch::Counts;

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Style {
    /// A bar on a terminal, plain lines elsewhere.
    Auto,
    /// Plain lines.
    Plain,
    /// JSON lines on stderr.
    Json,
    /// Nothing.
    None,
}

/// Time spent in one stage, over all lanes.
#[derive(Debug, Default)]
pub struct Timer(AtomicU64);

impl Timer {
    /// Adds some.
    pub fn add(&self, elapsed: Duration) {
        let nanos = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        self.0.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Nanoseconds so far.
    pub fn nanos(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Time by stage.
#[derive(Debug, Default)]
pub struct Stages {
    /// Reading the source.
    pub read: Timer,
    /// Mapping and encoding.
    pub transform: Timer,
    /// COPY to COMMIT, as seen from here.
    pub write: Timer,
}

/// Counters of one run.
#[derive(Debug)]
pub struct Progress {
    /// Time by stage.
    pub stages: std::sync::Arc<Stages>,
    state: Mutex<State>,
    total: AtomicU64,
    /// What is counted.
    what: &'static str,
    style: Style,
    bar: ProgressBar,
    started: Instant,
}

#[derive(Debug)]
struct State {
    counts: Counts,
    latency_us: Option<Histogram<u64>>,
    restarts: u64,
    last_line: Instant,
    /// Since when rows come: what was found out before them says nothing about their rate.
    moving: Instant,
    /// Rows done at some moments, for the plot of the report.
    curve: Vec<(f64, u64)>,
}

/// Lines are for logs: one now and then is enough.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// From then on the time left is told.
const SETTLED: Duration = Duration::from_secs(2);

impl Progress {
    /// Progress over `total` rows.
    pub fn new(style: Style, total: u64) -> Self {
        Self::of("rows", style, total)
    }

    /// Progress over `total` of something else.
    pub fn of(what: &'static str, style: Style, total: u64) -> Self {
        let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
        let style = match style {
            Style::Auto if terminal => Style::Auto,
            Style::Auto => Style::Plain,
            other => other,
        };
        let bar = match style {
            Style::Auto => ProgressBar::new(total),
            _ => ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden()),
        };
        let template = format!(
            "{{prefix:<18}} {{bar:30}} {{percent:>3}}%  {{human_pos}}/{{human_len}} {what}  {{per_sec}}  \
             {{eta}} left"
        );
        if let Ok(template) = ProgressStyle::with_template(&template) {
            bar.set_style(template.progress_chars("━━─"));
        }
        let now = Instant::now();
        Self {
            stages: std::sync::Arc::default(),
            state: Mutex::new(State {
                counts: Counts::default(),
                // 1 µs to 10 min with three digits; the bounds are constants, so it is always there.
                latency_us: Histogram::new_with_bounds(1, 600_000_000, 3).ok(),
                restarts: 0,
                last_line: now,
                moving: now,
                curve: vec![(0.0, 0)],
            }),
            total: AtomicU64::new(total),
            what,
            style,
            bar,
            started: now,
        }
    }

    /// Sets what there is to do, once it is known.
    pub fn expect(&self, total: u64) {
        self.total.store(total, Ordering::Relaxed);
        if let Ok(mut state) = self.state.lock() {
            state.moving = Instant::now();
        }
        self.bar.set_length(total);
        self.bar.reset_eta();
    }

    /// So many are done.
    pub fn at(&self, done: u64) {
        self.bar.set_position(done);
    }

    /// Names what is being done.
    pub fn stage(&self, name: &str) {
        self.bar.set_prefix(name.to_owned());
        if self.style == Style::Plain {
            self.line(name);
        }
    }

    /// A transaction was committed.
    pub fn committed(&self, counts: Counts, elapsed: Duration) {
        self.stages.write.add(elapsed);
        let Ok(mut state) = self.state.lock() else { return };
        state.counts += counts;
        let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        if let Some(histogram) = &mut state.latency_us {
            histogram.saturating_record(micros.max(1));
        }
        let seconds = self.started.elapsed().as_secs_f64();
        let read = state.counts.read;
        state.curve.push((seconds, read));
        self.bar.set_position(read);
        if state.last_line.elapsed() >= LINE_EVERY {
            state.last_line = Instant::now();
            let moving = state.moving.elapsed();
            drop(state);
            self.show(read, moving);
        }
    }

    fn show(&self, read: u64, moving: Duration) {
        let total = self.total.load(Ordering::Relaxed);
        let rate = read as f64 / moving.as_secs_f64().max(0.001);
        let left = total.saturating_sub(read) as f64 / rate.max(0.001);
        // The first moments tell nothing of the rest.
        let known = moving >= SETTLED;
        let percent = 100.0 * read as f64 / total.max(1) as f64;
        let what = self.what;
        match self.style {
            Style::Plain => {
                let left = if known { format!(", {left:.0} s left") } else { String::new() };
                self.line(&format!(
                    "{read} of {total} {what} ({percent:.0}%), {rate:.0} {what}/s{left}"
                ));
            }
            Style::Json => eprintln!(
                "{}",
                serde_json::json!({ "read": read, "total": total, format!("{what}_per_s"): rate.round(),
                    "seconds_left": known.then(|| left.round()) })
            ),
            Style::Auto | Style::None => {}
        }
    }

    /// A line for a person, above the bar if there is one.
    pub fn say(&self, text: &str) {
        match self.style {
            Style::Auto => self.bar.suspend(|| eprintln!("{text}")),
            Style::Json => eprintln!("{}", serde_json::json!({ "message": text })),
            Style::Plain => self.line(text),
            Style::None => tracing::info!("{text}"),
        }
    }

    fn line(&self, text: &str) {
        eprintln!("{:>7.1} s  {text}", self.started.elapsed().as_secs_f64());
    }

    /// A lane was started again.
    pub fn restarted(&self) {
        if let Ok(mut state) = self.state.lock() {
            state.restarts += 1;
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// What there is to tell at the end.
    pub fn summary(&self) -> Summary {
        let Ok(state) = self.state.lock() else { return Summary::default() };
        let quantile = |at: f64| {
            let histogram = state.latency_us.as_ref().filter(|histogram| !histogram.is_empty());
            histogram.map_or(0.0, |histogram| histogram.value_at_quantile(at) as f64 / 1_000.0)
        };
        Summary {
            counts: state.counts,
            commit_ms: (quantile(0.5), quantile(0.99)),
            restarts: state.restarts,
            seconds: self.started.elapsed().as_secs_f64(),
            curve: state.curve.clone(),
            ns_per_row: [&self.stages.read, &self.stages.transform, &self.stages.write]
                .map(|timer| timer.nanos() as f64 / state.counts.read.max(1) as f64),
        }
    }
}

/// Figures of a run.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Over all tables.
    pub counts: Counts,
    /// Median and 99th percentile of COPY to COMMIT, ms.
    pub commit_ms: (f64, f64),
    /// Lanes started again.
    pub restarts: u64,
    /// Wall time.
    pub seconds: f64,
    /// Seconds since the start, rows read.
    pub curve: Vec<(f64, u64)>,
    /// Reading, mapping and encoding, writing; wall time of each stage at work.
    pub ns_per_row: [f64; 3],
}

/// The largest amount of memory this process has held, bytes; 0 where the system does not tell.
pub fn peak_rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|text| text.trim().trim_end_matches("kB").trim().parse().ok());
    kilobytes.map_or(0, |kilobytes: u64| kilobytes * 1024)
}
