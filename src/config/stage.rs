//! `[table.states]`, `[table.counts]`, `[table.quality]`: rows of the source are records of a transform.

use super::check::{keys, missing};
use super::raw::{Reader, Section, Text};
use crate::kpi::state::State;

/// What a table's rows become.
#[derive(Clone, Debug, PartialEq)]
pub enum StagePlan {
    /// Intervals of state.
    States(StatesPlan),
    /// Increments of counts.
    Counts(CountsPlan),
    /// Quality events.
    Quality,
}

/// `[table.states]`
#[derive(Clone, Debug, PartialEq)]
pub struct StatesPlan {
    /// How long a sample holds, µs; `None` is until the next one.
    pub hold_us: Option<i64>,
    /// The state of an instant that no record covers.
    pub otherwise: State,
    /// Which of two events holds where they overlap.
    pub overlap: Overlap,
    /// Stops up to this long, µs, are micro-stops; 0 is none.
    pub microstop_us: i64,
    /// A micro-stop counts as slow running and not as a stop.
    pub microstop_runs: bool,
}

/// Which of two events holds where they overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// The one that began last; of two that begin alike the graver one, then the later record.
    LatestStart,
    /// The graver one; of two alike the one that began last.
    Severity,
}

/// `[table.counts]`
#[derive(Clone, Debug, PartialEq)]
pub struct CountsPlan {
    /// What a value is.
    pub mode: CountsMode,
    /// A counter shows values below it.
    pub modulus: Option<i64>,
    /// More than this between two readings is no rollover but a reset.
    pub max_delta: Option<i64>,
    /// A row counts what came before its time.
    pub stamp_before: bool,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountsMode {
    /// A number of pieces.
    Event,
    /// The reading of a counter.
    Cumulative,
}

impl StagePlan {
    /// The name of its section.
    pub fn name(&self) -> &'static str {
        match self {
            Self::States(_) => "states",
            Self::Counts(_) => "counts",
            Self::Quality => "quality",
        }
    }

    /// Whether a record is understood by those before it.
    pub fn is_stateful(&self) -> bool {
        match self {
            Self::States(_) => true,
            Self::Counts(plan) => plan.mode == CountsMode::Cumulative,
            Self::Quality => false,
        }
    }

    /// What it means, one line: equal text, equal output.
    pub fn canonical(&self) -> String {
        match self {
            Self::States(plan) => {
                let hold = plan.hold_us.map_or("until the next".to_owned(), seconds);
                let overlap = match plan.overlap {
                    Overlap::LatestStart => "latest_start_wins",
                    Overlap::Severity => "severity_first",
                };
                let microstop = seconds(plan.microstop_us);
                let (otherwise, runs) = (plan.otherwise.name(), plan.microstop_runs);
                format!(
                    "states: hold {hold}, otherwise {otherwise}, overlap {overlap}, microstop {microstop} \
                     as {}",
                    if runs { "running" } else { "stop" }
                )
            }
            Self::Counts(plan) => {
                let number =
                    |value: Option<i64>| value.map_or("none".to_owned(), |n| n.to_string());
                format!(
                    "counts: mode {}, modulus {}, max_delta {}, stamp {}",
                    if plan.mode == CountsMode::Event { "event" } else { "cumulative" },
                    number(plan.modulus),
                    number(plan.max_delta),
                    if plan.stamp_before { "before" } else { "at" }
                )
            }
            Self::Quality => "quality".to_owned(),
        }
    }
}

fn seconds(us: i64) -> String {
    format!("{} s", us / 1_000_000)
}

/// Reads whichever of the three sections a table has.
pub(super) fn read(reader: &mut Reader<'_>, table: &Section<'_>) -> Option<StagePlan> {
    let sections: Vec<(&str, Section<'_>)> = ["states", "counts", "quality"]
        .into_iter()
        .filter_map(|name| Some((name, table.section(reader, name)?)))
        .collect();
    if let [_, (_, second), ..] = sections.as_slice() {
        let message = "a table is one of `states`, `counts` and `quality`".to_owned();
        let hint = "give each a [[table]] of its own; the same query may stand in two";
        reader.problems.error(second.place, &second.path, message, hint);
    }
    let (name, section) = sections.into_iter().next()?;
    section.only(reader, keys(name));
    Some(match name {
        "states" => StagePlan::States(read_states(reader, &section)),
        "counts" => StagePlan::Counts(read_counts(reader, &section)),
        _ => StagePlan::Quality,
    })
}

fn read_states(reader: &mut Reader<'_>, section: &Section<'_>) -> StatesPlan {
    let hold_us = span(reader, section, "hold");
    if hold_us == Some(0) {
        let message = "a sample that holds for no time says nothing".to_owned();
        let hint = "leave `hold` out for samples that hold until the next one";
        reader.problems.error(section.place, &section.key("hold"), message, hint);
    }
    let microstop_us = span(reader, section, "microstop").unwrap_or(0);
    let otherwise = section.text(reader, "otherwise");
    let state = otherwise.as_ref().map(|text| State::canonical(&text.value));
    if let (Some(text), Some(None)) = (&otherwise, state) {
        let names: Vec<&str> = State::all().map(State::name).collect();
        let hint = format!("one of {}", names.join(", "));
        unknown(reader, section, ("otherwise", text), &hint);
    }
    let words =
        [("latest_start_wins", Overlap::LatestStart), ("severity_first", Overlap::Severity)];
    let overlap = choice(reader, section, "overlap", &words);
    let runs = choice(reader, section, "microstop_as", &[("stop", false), ("running", true)]);
    StatesPlan {
        hold_us,
        otherwise: state.flatten().unwrap_or(State::Unknown),
        overlap: overlap.unwrap_or(Overlap::LatestStart),
        microstop_us,
        microstop_runs: runs.unwrap_or(false),
    }
}

fn read_counts(reader: &mut Reader<'_>, section: &Section<'_>) -> CountsPlan {
    let modes = [("event", CountsMode::Event), ("cumulative", CountsMode::Cumulative)];
    let mode = choice(reader, section, "mode", &modes);
    if mode.is_none() && section.text(reader, "mode").is_none() {
        let hint =
            "mode = \"event\" (numbers of pieces) or mode = \"cumulative\" (readings of a counter)";
        missing(reader, section, "mode", hint);
    }
    let mode = mode.unwrap_or(CountsMode::Event);
    let range = 1..=usize::try_from(i64::MAX).unwrap_or(usize::MAX);
    let mut number = |name| {
        let count = section.count(reader, name, range.clone())?;
        i64::try_from(count).ok()
    };
    let (modulus, max_delta) = (number("modulus"), number("max_delta"));
    if modulus.is_some() && max_delta.is_none() {
        let hint =
            "the most it can count between two readings: a drop that would mean more is a reset";
        missing(reader, section, "max_delta", hint);
    }
    let stamp = choice(reader, section, "stamp", &[("at", false), ("before", true)]);
    let stamp_before = stamp.unwrap_or(mode == CountsMode::Cumulative);
    CountsPlan { mode, modulus, max_delta, stamp_before }
}

/// `2 minutes` as µs; `0 seconds` is allowed.
fn span(reader: &mut Reader<'_>, section: &Section<'_>, name: &str) -> Option<i64> {
    let text = section.text(reader, name)?;
    let parsed = match text.value.trim() {
        "0" | "0 seconds" | "0 minutes" => Some(0),
        other => super::check::parse_duration_us(other),
    };
    if parsed.is_none() {
        unknown(
            reader,
            section,
            (name, &text),
            "a number and a unit: \"90 seconds\", \"5 minutes\"",
        );
    }
    parsed
}

fn choice<T: Copy>(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    name: &str,
    words: &[(&str, T)],
) -> Option<T> {
    let text = section.text(reader, name)?;
    let found = words.iter().find(|(word, _)| *word == text.value).map(|(_, value)| *value);
    if found.is_none() {
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        unknown(reader, section, (name, &text), &names.join(" or "));
    }
    found
}

fn unknown(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    (name, text): (&str, &Text),
    hint: &str,
) {
    let message = format!("`{}` is not known here", text.value);
    reader.problems.error(text.place, &section.key(name), message, hint);
}
