//! A case as it is written.

use jiff::civil::DateTime;
use serde_json::Value;

use super::CaseError;
use super::counts::{Counts, Pri};
use super::json::{Field, Fields};
use crate::kpi::calendar::{snapped, zone_named};
use crate::kpi::elements::StateRow;
use crate::kpi::indicators::Energy;
use crate::kpi::policy::{Boundary, Breaks, Overlap, Policy};
use crate::kpi::rational::Rational;
use crate::kpi::state::{Category, State};
use crate::kpi::window::Window;

/// The words of a case.
const WORDS: [&str; 15] = [
    "shift",
    "shift_local",
    "as_of",
    "breaks",
    "break_minutes",
    "states",
    "orders",
    "counts",
    "pri_s",
    "psq",
    "aoet_s",
    "energy",
    "fpy",
    "reliability",
    "policy",
];

/// Policies that a case may set.
const POLICIES: [&str; 4] = ["overlap", "break_policy", "microstop", "boundary"];

/// One unit in one shift, as it is written.
#[derive(Clone, Debug)]
pub struct Input {
    /// The shift; an open one ends where knowledge does.
    pub window: Window,
    /// The shift has no end of its own.
    pub open_shift: bool,
    /// Up to when anything is known.
    pub as_of: Option<i64>,
    /// Breaks by window.
    pub breaks: Vec<Window>,
    /// Minutes of breaks of which nobody knows when they are.
    pub break_minutes: u32,
    /// Rows of states.
    pub states: Vec<StateRow>,
    /// When orders ran; none when it is not said.
    pub orders: Option<Vec<Window>>,
    /// Counts and ideal cycle times.
    pub(super) counts: Counts,
    /// Planned scrap quantity.
    pub psq: Option<Rational>,
    /// Actual order execution time, seconds.
    pub aoet_s: Option<Rational>,
    /// Meter readings.
    pub energy: Option<Vec<Energy>>,
    /// Parts good at their first inspection, and parts inspected.
    pub fpy: Option<(Rational, Rational)>,
    /// Failures are to be counted.
    pub reliability: bool,
    /// Readings of the time model.
    pub policy: Policy,
}

impl Input {
    /// Reads a case.
    pub fn parse(text: &str) -> Result<Self, CaseError> {
        let value: Value = serde_json::from_str(text).map_err(|error| {
            let message = error.to_string();
            // The place is told in front.
            let end = message.rfind(" at line ").unwrap_or(message.len());
            CaseError::Syntax {
                line: error.line(),
                column: error.column(),
                message: format!("no JSON: {}", message.get(..end).unwrap_or(&message)),
            }
        })?;
        let root = Field::root(&value).object(&WORDS)?;
        let as_of = root.read("as_of", Field::instant)?;
        let (window, open_shift) = shift(&root, as_of)?;
        let pri = root.read("pri_s", Pri::read)?.unwrap_or_default();
        Ok(Self {
            window,
            open_shift,
            as_of,
            breaks: root.list("breaks", Field::window)?.unwrap_or_default(),
            break_minutes: root.read("break_minutes", minutes)?.unwrap_or(0),
            states: root.list("states", state_row)?.unwrap_or_default(),
            orders: root.list("orders", |field| order(field, as_of))?,
            counts: Counts::read(root.get("counts"), pri)?,
            psq: root.read("psq", Field::amount)?,
            aoet_s: root.read("aoet_s", Field::amount)?,
            energy: root.list("energy", energy)?,
            fpy: root.read("fpy", fpy)?,
            reliability: root.read("reliability", Field::flag)?.unwrap_or(false),
            policy: root.read("policy", policy)?.unwrap_or_default(),
        })
    }
}

/// The window, and whether it is open.
fn shift(root: &Fields<'_>, as_of: Option<i64>) -> Result<(Window, bool), CaseError> {
    let local = root.read("shift_local", local_window)?;
    let Some(field) = root.get("shift") else {
        let missing = || root.need("shift").err();
        return match (local, missing()) {
            (Some(window), _) => Ok((window, false)),
            (None, error) => {
                Err(error.unwrap_or_else(|| Field::root(&Value::Null).error("missing")))
            }
        };
    };
    let shift = field.object(&["start", "end"])?;
    let start = shift.need("start")?.instant()?;
    let Some(end) = shift.get("end") else {
        // It lasts as long as anything is known, and not longer than planned.
        let planned = local.map_or(i64::MAX, |window| window.end);
        let Some(as_of) = as_of else {
            return Err(field.error("has no end; give one, or as_of: up to when anything is known"));
        };
        let window = Window::new(start, as_of.min(planned));
        if window.end < start {
            return Err(field.error("starts after as_of"));
        }
        return Ok((window, true));
    };
    let window = shift.window()?;
    match local {
        Some(local) if local != window => {
            Err(end.error("shift and shift_local are not the same window; give one of them"))
        }
        _ => Ok((window, false)),
    }
}

fn local_window(field: &Field<'_>) -> Result<Window, CaseError> {
    let local = field.object(&["zone", "start", "end"])?;
    let zone = zone_named(local.need("zone")?.text()?)?;
    let instant = |key: &str| {
        let field = local.need(key)?;
        let clock = clock(&field)?;
        snapped(&zone, clock).ok_or_else(|| field.error("outside of the years that times can have"))
    };
    let window = Window::new(instant("start")?, instant("end")?);
    if window.end < window.start {
        return Err(local.need("end")?.error("before the start"));
    }
    Ok(window)
}

/// A wall clock's face. The parser would leave out an offset without a word.
fn clock(field: &Field<'_>) -> Result<DateTime, CaseError> {
    let text = field.text()?;
    let bare = text.split_once(['T', ' ']).is_some_and(|(_, time)| {
        time.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.'))
    });
    text.parse().ok().filter(|_| bare).ok_or_else(|| {
        field.error(format!(
            "{text:?} is no wall clock; write 2024-08-01T06:00:00, without an offset"
        ))
    })
}

fn minutes(field: &Field<'_>) -> Result<u32, CaseError> {
    u32::try_from(field.whole()?).map_err(|_| field.error("not a number of minutes"))
}

fn state_row(field: &Field<'_>) -> Result<StateRow, CaseError> {
    let row = field.object(&["start", "end", "state", "category", "reason"])?;
    let word = row.need("state")?;
    let state = match word.value() {
        // A machine may number its states.
        Value::Number(number) => State::named(&number.to_string()),
        _ => State::named(word.text()?),
    };
    let category = row.read("category", |category| {
        let text = category.text()?;
        Category::named(text).ok_or_else(|| {
            let known: Vec<&str> = Category::all().map(Category::name).collect();
            category.error(format!("{text:?} is not known; known are {}", known.join(", ")))
        })
    })?;
    row.read("reason", Field::text)?;
    let start = row.need("start")?.instant()?;
    Ok(StateRow { start, end: row.read("end", Field::instant)?, state, category })
}

/// An order; one that still runs lasts as long as anything is known.
fn order(field: &Field<'_>, as_of: Option<i64>) -> Result<Window, CaseError> {
    let order = field.object(&["start", "end"])?;
    if order.get("end").is_some() {
        return order.window();
    }
    Ok(Window::new(order.need("start")?.instant()?, as_of.unwrap_or(i64::MAX)))
}

fn energy(field: &Field<'_>) -> Result<Energy, CaseError> {
    let reading = field.object(&["start", "end", "kwh"])?;
    Ok(Energy { window: reading.window()?, kwh: reading.need("kwh")?.number()? })
}

fn fpy(field: &Field<'_>) -> Result<(Rational, Rational), CaseError> {
    let parts = field.object(&["gp", "ip"])?;
    Ok((parts.need("gp")?.amount()?, parts.need("ip")?.amount()?))
}

fn policy(field: &Field<'_>) -> Result<Policy, CaseError> {
    let policy = field.object(&POLICIES)?;
    let overlap =
        [("latest_start_wins", Overlap::LatestStartWins), ("severity", Overlap::Severity)];
    let breaks = [("actual_wins", Breaks::ActualWins), ("calendar_wins", Breaks::CalendarWins)];
    let boundary =
        [("attribute_to_end", Boundary::AttributeToEnd), ("interpolate", Boundary::Interpolate)];
    Ok(Policy {
        overlap: policy.read("overlap", |word| word.one_of(&overlap))?.unwrap_or_default(),
        breaks: policy.read("break_policy", |word| word.one_of(&breaks))?.unwrap_or_default(),
        microstop_us: policy.read("microstop", microstop)?.flatten(),
        boundary: policy.read("boundary", |word| word.one_of(&boundary))?.unwrap_or_default(),
    })
}

fn microstop(field: &Field<'_>) -> Result<Option<i64>, CaseError> {
    let policy = field.object(&["threshold_s", "as"])?;
    let threshold = policy.need("threshold_s")?;
    let micros = threshold.amount()?.times(Rational::from(1_000_000))?;
    let whole = micros.num() / micros.den();
    let us = i64::try_from(whole).map_err(|_| threshold.error("longer than any stop"))?;
    let produces = policy.read("as", |word| word.one_of(&[("APT", true), ("ADET", false)]))?;
    Ok(produces.unwrap_or(false).then_some(us))
}
