//! What the sensors of eight machines say while the plant lives.
//!
//! Values follow the machine's life: a stop brings the speed down, the speed warms the motor, the
//! counter counts what the order has made and begins anew with the next. Noise is a walk with a
//! pull to its target. Sums are in integers, so that a value is the same on every platform.

use std::borrow::Cow;

use super::super::Rng;
use super::super::plant::{Activity, Life, OrderLife, Plant, shift_of};

/// After so many ticks the same metrics are due again: the least common multiple of all `every`.
pub(super) const CYCLE: u32 = 60;

/// How many of the plant's machines the historian knows.
const MACHINES: usize = 8;
/// From this one on, the logger writes milliseconds.
const FIRST_WITH_MILLIS: usize = 6;

/// Which of the value columns a metric fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Bool,
    Int,
    Real,
    Text,
    Json,
}

impl Class {
    /// As `value_type` has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bool => "BOOL",
            Self::Int => "INT",
            Self::Real => "REAL",
            Self::Text => "TEXT",
            Self::Json => "JSON",
        }
    }

    /// The place of its column in `metric_hist`.
    pub(super) fn parameter(self) -> usize {
        match self {
            Self::Bool => 4,
            Self::Int => 5,
            Self::Real => 6,
            Self::Text => 7,
            Self::Json => 8,
        }
    }
}

/// One value; `Nothing` is a sensor that did not answer. JSON is text here.
pub(super) enum Value<'a> {
    Bool(bool),
    Int(i64),
    Real(f64),
    Text(Cow<'a, str>),
    Nothing,
}

/// One row of `metric_def`, and how its values come about.
#[derive(Debug, Clone)]
pub(super) struct Metric {
    pub(super) equipment: &'static str,
    pub(super) key: &'static str,
    pub(super) class: Class,
    pub(super) unit: Option<&'static str>,
    pub(super) description: String,
    machine: usize,
    every: u32,
    phase: u32,
    signal: Signal,
}

#[derive(Debug, Clone, Copy)]
enum Signal {
    Running,
    Speed,
    Product,
    Alarms,
    Fault(u8),
    Planned,
    StopReason,
    Count,
    Availability,
    Oee,
    Operator,
    Shift,
    FaultBits,
    /// A physical value in thousandths: at rest, at full speed, and the reach of its noise.
    Process {
        rest: i32,
        full: i32,
        noise: i32,
    },
}

type Kind = (&'static str, Class, Option<&'static str>, u32, Signal);

const COMMON: [Kind; 14] = [
    ("running_status", Class::Bool, None, 2, Signal::Running),
    ("speed_real", Class::Real, Some("mpm"), 1, Signal::Speed),
    ("current_product", Class::Int, None, 15, Signal::Product),
    ("active_alarms", Class::Json, None, 10, Signal::Alarms),
    ("internal_fault", Class::Bool, None, 10, Signal::Fault(0)),
    ("upstream_fault", Class::Bool, None, 10, Signal::Fault(1)),
    ("downstream_fault", Class::Bool, None, 10, Signal::Fault(2)),
    ("planned_stop", Class::Bool, None, 10, Signal::Planned),
    ("stop_reason", Class::Text, None, 6, Signal::StopReason),
    ("product_count", Class::Int, Some("ea"), 2, Signal::Count),
    ("availability", Class::Real, Some("%"), 6, Signal::Availability),
    ("oee", Class::Real, Some("%"), 6, Signal::Oee),
    ("current_operator", Class::Text, None, 30, Signal::Operator),
    ("current_shift", Class::Text, None, 30, Signal::Shift),
];

const fn process(
    key: &'static str,
    unit: &'static str,
    every: u32,
    levels: (i32, i32, i32),
) -> Kind {
    let (rest, full, noise) = levels;
    (key, Class::Real, Some(unit), every, Signal::Process { rest, full, noise })
}

const EXTRA: [Kind; 4] = [
    ("fault_bits_raw", Class::Json, None, 20, Signal::FaultBits),
    process("motor_temperature", "degC", 4, (24_000, 78_000, 900)),
    process("motor_current", "A", 3, (400, 14_500, 350)),
    process("air_pressure", "bar", 5, (6_150, 5_600, 60)),
];

/// Every metric; its id is its place here, from 1.
pub(super) fn metrics(plant: &Plant) -> Vec<Metric> {
    let mut metrics = Vec::new();
    for (index, machine) in plant.machines.iter().take(MACHINES).enumerate() {
        // Only the bagger hands out its raw fault bits.
        let extra = if index == 0 { &EXTRA[..] } else { &EXTRA[1..] };
        for (place, kind) in (0_u32..).zip(COMMON.iter().chain(extra)) {
            let (key, class, unit, every, signal) = *kind;
            metrics.push(Metric {
                equipment: machine.code,
                key,
                class,
                unit,
                description: format!("{} of {}", key.replace('_', " "), machine.name),
                machine: index,
                every,
                phase: place % every,
                signal,
            });
        }
    }
    metrics
}

/// Rows that `CYCLE` ticks make.
pub(super) fn rows_in_a_cycle(metrics: &[Metric]) -> u64 {
    metrics.iter().map(|metric| u64::from(CYCLE / metric.every)).sum()
}

const ALARMS: [&str; 5] =
    ["Guard open", "Film break", "Infeed jam", "Over-temperature \"M3\"", "Druck zu niedrig: Ü2"];

/// All machines, at the instants they were last moved to.
pub(super) struct Floor<'a> {
    plant: &'a Plant,
    metrics: Vec<Metric>,
    /// Thousandths, one a metric; of use to those that walk.
    walks: Vec<i32>,
    machines: Vec<Running<'a>>,
    /// Where each machine's metrics begin, and the end.
    bounds: Vec<usize>,
    rng: Rng,
}

/// One machine now.
struct Running<'a> {
    life: Life<'a>,
    order: Option<OrderLife>,
    at: i64,
    local_hour: i64,
    /// Thousandths of a percent of its full speed.
    speed: i32,
    /// Thousandths of the recent past in which it ran.
    availability: i32,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Producing,
    Stopped { code: &'static str, planned: bool },
}

impl<'a> Floor<'a> {
    pub(super) fn new(plant: &'a Plant, metrics: Vec<Metric>) -> Self {
        let machines: Vec<Running<'a>> = (0..MACHINES)
            .map(|index| {
                let mut life = plant.life(index);
                let order = life.next();
                let (speed, availability) = (0, 850);
                let state = State::Idle;
                Running { life, order, at: 0, local_hour: 0, speed, availability, state }
            })
            .collect();
        let bounds = (0..=MACHINES)
            .map(|index| metrics.partition_point(|metric| metric.machine < index))
            .collect();
        let walks = vec![0; metrics.len()];
        Self { plant, metrics, walks, machines, bounds, rng: Rng::new(plant.seed, "telemetry") }
    }

    pub(super) fn machine_count(&self) -> usize {
        self.machines.len()
    }

    pub(super) fn writes_millis(&self, machine: usize) -> bool {
        machine >= FIRST_WITH_MILLIS
    }

    /// How long after the tick this machine is read; never less than for the one before it, and
    /// never as late as the next tick.
    pub(super) fn lag_ms(&mut self, machine: usize, step_ms: i64) -> i64 {
        if !self.writes_millis(machine) {
            return 0;
        }
        let place = i64::try_from(machine - FIRST_WITH_MILLIS).unwrap_or(0);
        (place * 480 + self.rng.between(20, 470)).min(step_ms - 1)
    }

    /// Lets a machine live up to an instant.
    pub(super) fn move_to(&mut self, machine: usize, at: i64, local_hour: i64) {
        let Some(now) = self.machines.get_mut(machine) else { return };
        while now.order.as_ref().is_some_and(|order| order.activity(at) == Activity::Done) {
            now.order = now.life.next();
        }
        now.at = at;
        now.local_hour = local_hour;
        now.state = match now.order.as_ref().map(|order| order.activity(at)) {
            Some(Activity::Producing) => State::Producing,
            Some(Activity::Stopped(stop)) => {
                State::Stopped { code: stop.reason.code, planned: stop.reason.planned }
            }
            Some(Activity::Waiting | Activity::Done) | None => State::Idle,
        };
        let runs = now.state == State::Producing;
        let target = if runs { 92_000 } else { 0 };
        let noise = if runs { self.rng.around_zero(2_500) } else { 0 };
        now.speed = (now.speed + (target - now.speed) / 2 + noise).clamp(0, 110_000);
        if !runs && now.speed < 400 {
            now.speed = 0;
        }
        now.availability += (if runs { 1000 } else { 0 } - now.availability) / 40;
    }

    /// Calls `write` with id, class and value of each of the machine's metrics due at a tick.
    pub(super) fn due<E>(
        &mut self,
        tick: u64,
        machine: usize,
        mut write: impl FnMut(i64, Class, Value<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let in_cycle = u32::try_from(tick % u64::from(CYCLE)).unwrap_or(0);
        let Some(now) = self.machines.get(machine) else { return Ok(()) };
        for index in self.bounds[machine]..self.bounds[machine + 1] {
            let metric = &self.metrics[index];
            if in_cycle % metric.every != metric.phase {
                continue;
            }
            let walk = &mut self.walks[index];
            let value = value(metric.signal, self.plant, now, walk, &mut self.rng);
            write(i64::try_from(index + 1).unwrap_or(i64::MAX), metric.class, value)?;
        }
        Ok(())
    }
}

fn value<'a>(
    signal: Signal,
    plant: &'a Plant,
    now: &Running<'_>,
    walk: &mut i32,
    rng: &mut Rng,
) -> Value<'a> {
    let order = now.order.as_ref();
    let stop = match now.state {
        State::Stopped { code, planned } => Some((code, planned)),
        State::Idle | State::Producing => None,
    };
    let unplanned = stop.is_some_and(|(_, planned)| !planned);
    match signal {
        Signal::Running => Value::Bool(now.state == State::Producing),
        Signal::Speed => thousandths(now.speed),
        Signal::Product => {
            Value::Int(order.map_or(0, |order| i64::try_from(order.product + 1).unwrap_or(0)))
        }
        Signal::Alarms => Value::Text(alarms(unplanned, now.at)),
        Signal::Fault(place) => {
            // One stop is one kind of fault, for as long as it lasts.
            let kind = stop.map_or(0, |(code, _)| code.len() % 3);
            Value::Bool(unplanned && kind == usize::from(place))
        }
        Signal::Planned => Value::Bool(stop.is_some_and(|(_, planned)| planned)),
        Signal::StopReason => Value::Text(stop.map_or("", |(code, _)| code).into()),
        Signal::Count => Value::Int(order.map_or(0, |order| order.produced_at(now.at))),
        Signal::Availability => thousandths(now.availability.saturating_mul(100)),
        Signal::Oee => thousandths(now.availability * (now.speed.min(100_000) / 100) / 1031 * 100),
        Signal::Operator => {
            let person = order.and_then(|order| plant.people.get(order.operator));
            Value::Text(person.map_or(Cow::Borrowed(""), |person| {
                format!("{} {}", person.first, person.last).into()
            }))
        }
        Signal::Shift => Value::Text(shift_of(now.local_hour).name.into()),
        Signal::FaultBits => Value::Text(fault_bits(unplanned, now).into()),
        Signal::Process { rest, full, noise } => {
            if rng.bits().is_multiple_of(8192) {
                return Value::Nothing;
            }
            let target = rest + (full - rest) / 1000 * (now.speed / 100);
            if *walk == 0 {
                *walk = target;
            }
            *walk += (target - *walk) / 6 + rng.around_zero(noise);
            *walk = (*walk).max(0);
            thousandths(*walk)
        }
    }
}

/// A value of three decimals.
fn thousandths(value: i32) -> Value<'static> {
    Value::Real(f64::from(value) / 1000.0)
}

fn alarms(unplanned: bool, at: i64) -> Cow<'static, str> {
    if !unplanned {
        return "[]".into();
    }
    let first = usize::try_from(at / 7200).unwrap_or(0) % ALARMS.len();
    let names = if first == 0 { &ALARMS[..2] } else { &ALARMS[first..=first] };
    let quoted: Vec<String> =
        names.iter().map(|name| format!("\"{}\"", name.replace('"', "\\\""))).collect();
    format!("[{}]", quoted.join(",")).into()
}

/// 64 booleans; bit 59 says that the machine runs and is no fault.
fn fault_bits(unplanned: bool, now: &Running<'_>) -> String {
    let fault = now.at / 7200 % 50;
    let bits = (0..64).map(|bit| match bit {
        59 => now.state == State::Producing,
        _ => unplanned && bit == fault,
    });
    let words: Vec<&str> = bits.map(|bit| if bit { "true" } else { "false" }).collect();
    format!("[{}]", words.join(","))
}
