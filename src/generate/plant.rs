//! The simulated plant: who and what is there, and what happens on each machine.
//!
//! Everything is in true UTC seconds; each writer adds its own idea of time. A machine's life is
//! an endless run of orders, each with its stops, drawn from a stream of its own: the telemetry
//! and the orders of one seed tell of the same days. The plant grows from its founding to `NOW`:
//! machines are commissioned, people hired, pauses between orders get shorter.

pub mod calendar;
pub mod history;
mod lists;
pub mod truth;
pub mod units;

use super::Rng;
pub use lists::REASONS;
use lists::{FIRST_NAMES, LAST_NAMES, MACHINES, PRODUCTS};

/// The present of every generated world: 2025-08-02T00:06:00Z. In South Africa that is after
/// midnight in the night shift, when local date, shift and UTC date still disagree.
pub const NOW: i64 = 1_754_093_160;

/// How far back the plant of the telemetry was founded; orders of as many years tell of it too.
pub const YEARS: u32 = 2;

pub(crate) const HOUR: i64 = 3_600;
pub(crate) const DAY: i64 = 86_400;

/// Where machines stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Short and unique.
    pub code: &'static str,
    /// For people.
    pub name: &'static str,
    /// IANA name.
    pub zone: &'static str,
}

/// One machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Unique, as a PLC or a historian names it.
    pub code: &'static str,
    /// For people.
    pub name: &'static str,
    /// What it does.
    pub kind: &'static str,
    /// The part of the plant.
    pub environment: &'static str,
    /// Units a minute when it runs well.
    pub rate: i64,
    /// Which of the sites.
    pub site: usize,
    /// Since when it takes orders.
    pub commissioned: i64,
}

/// What someone does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Looks after the system.
    Admin,
    /// Leads a shift.
    Supervisor,
    /// Runs a machine.
    Operator,
    /// Packs by hand.
    Packer,
}

/// Someone who works here, invented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// First name.
    pub first: &'static str,
    /// Family name.
    pub last: &'static str,
    /// Unique.
    pub employee_code: String,
    /// What they do.
    pub role: Role,
    /// Since when.
    pub hired: i64,
    /// When they left again; whoever did was removed from the books without a trace.
    pub left: Option<i64>,
}

/// What is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Unique.
    pub code: &'static str,
    /// For people.
    pub name: &'static str,
}

/// Half a day's work, in local hours; a night ends on the day after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shift {
    /// day or night.
    pub name: &'static str,
    /// When it begins.
    pub start_hour: i64,
    /// How long it lasts.
    pub hours: i64,
}

/// Why a machine stands.
#[derive(Debug, PartialEq, Eq)]
pub struct Reason {
    /// As systems with a list write it.
    pub code: &'static str,
    /// The list's heading for it.
    pub category: &'static str,
    /// As people wrote it before there was a list.
    pub words: [&'static str; 2],
    /// It was to be expected.
    pub planned: bool,
    /// How often, of a hundred.
    pub share: i64,
    /// Shortest and longest, in minutes.
    pub minutes: (i64, i64),
}

/// One stop of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopLife {
    /// When the machine stood.
    pub start: i64,
    /// When it went on.
    pub end: i64,
    /// Why.
    pub reason: &'static Reason,
}

/// One order from its planning to its end. All of it is drawn at once, also what lies after `NOW`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderLife {
    /// Index of the machine.
    pub machine: usize,
    /// Index of the person who runs it.
    pub operator: usize,
    /// Index of the product.
    pub product: usize,
    /// Units asked for.
    pub quantity: i64,
    /// Units made by the end.
    pub produced: i64,
    /// When it was planned.
    pub created: i64,
    /// When it began.
    pub start: i64,
    /// When it was done.
    pub complete: i64,
    /// In between, apart from one another, in order.
    pub stops: Vec<StopLife>,
}

/// What a machine does at an instant of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity<'a> {
    /// The order has not begun.
    Waiting,
    /// It runs.
    Producing,
    /// It stands.
    Stopped(&'a StopLife),
    /// The order is done.
    Done,
}

/// Everything that does not move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plant {
    /// Where it all comes from.
    pub seed: u64,
    /// The first day.
    pub founded: i64,
    /// Where machines stand.
    pub sites: Vec<Site>,
    /// In the order in which they came.
    pub machines: Vec<Machine>,
    /// In the order in which they were hired.
    pub people: Vec<Person>,
    /// What is made.
    pub products: Vec<Product>,
}

/// Day 06:00 to 18:00, night 18:00 to 06:00.
pub const SHIFTS: [Shift; 2] = [
    Shift { name: "day", start_hour: 6, hours: 12 },
    Shift { name: "night", start_hour: 18, hours: 12 },
];

/// The shift in which a local hour lies.
pub fn shift_of(hour: i64) -> &'static Shift {
    let [day, night] = &SHIFTS;
    if (day.start_hour..night.start_hour).contains(&hour) { day } else { night }
}

/// The machines that are there from the first day; the others follow over three fifths of the time.
const FIRST_MACHINES: i64 = 4;

/// Hired by the last day.
const PEOPLE: usize = 90;

impl Plant {
    /// The plant of a seed, founded `years` before `NOW`.
    pub fn new(seed: u64, years: u32) -> Self {
        let founded = NOW - NOW % DAY - i64::from(years) * 365 * DAY;
        let age = NOW - founded;
        let mut machines = MACHINES.to_vec();
        let late = i64::try_from(machines.len()).unwrap_or(i64::MAX) - FIRST_MACHINES;
        for (machine, place) in machines.iter_mut().zip(1 - FIRST_MACHINES..) {
            machine.commissioned = founded + age / 5 * 3 / late.max(1) * place.max(0);
        }
        Self {
            seed,
            founded,
            sites: vec![
                Site { code: "BP01", name: "Boulder Pass", zone: "Africa/Johannesburg" },
                Site { code: "BP02", name: "Birch Point", zone: "Europe/Berlin" },
            ],
            machines,
            people: people(seed, founded),
            products: PRODUCTS.to_vec(),
        }
    }

    /// The life of one machine from its first order on; empty for a machine that is not there.
    pub fn life(&self, machine: usize) -> Life<'_> {
        let at = self.machines.get(machine).map_or(i64::MAX, |found| found.commissioned);
        let rng = Rng::new(self.seed, &format!("life of machine {machine}"));
        Life { plant: self, machine, rng, at }
    }

    /// From 0 at the founding to 1000 at `NOW`.
    pub fn growth(&self, instant: i64) -> i64 {
        ((instant - self.founded) * 1000 / (NOW - self.founded).max(1)).clamp(0, 1000)
    }

    /// Someone of that role who is there at that instant; the first of them all if nobody is.
    pub fn someone(&self, rng: &mut Rng, role: Role, instant: i64) -> usize {
        let there = |person: &Person| person.role == role && person.works_at(instant);
        let count = self.people.iter().filter(|person| there(person)).count();
        let nth = rng.below(count);
        let mut found = self.people.iter().enumerate().filter(|(_, person)| there(person));
        found.nth(nth).map_or(0, |(index, _)| index)
    }
}

impl Person {
    /// Whether they are on the books at an instant.
    pub fn works_at(&self, instant: i64) -> bool {
        self.hired <= instant && self.left.is_none_or(|left| instant < left)
    }
}

fn people(seed: u64, founded: i64) -> Vec<Person> {
    let mut rng = Rng::new(seed, "people");
    let age = NOW - founded;
    (0..PEOPLE)
        .zip(0_i64..)
        .map(|(index, number)| {
            // A dozen found the place; the others come one by one.
            let hired = founded + (number - 12).max(0) * (age * 9 / 10 / 78);
            // An operator in any case, so that every seed has orders that nobody ran.
            let gone = index == 20 || index > 12 && rng.chance(60);
            Person {
                first: rng.pick(&FIRST_NAMES),
                last: rng.pick(&LAST_NAMES),
                employee_code: format!("EMP{:04}", 100 + number * 3 + rng.between(0, 2)),
                role: match index {
                    0 => Role::Admin,
                    1..=3 => Role::Supervisor,
                    _ if index % 30 == 0 => Role::Supervisor,
                    _ if index % 4 == 0 => Role::Operator,
                    _ => Role::Packer,
                },
                hired,
                left: gone.then(|| hired + rng.between(25, 60) * DAY),
            }
        })
        .collect()
}

/// The orders of one machine, one after the other, without an end.
#[derive(Debug, Clone)]
pub struct Life<'a> {
    plant: &'a Plant,
    machine: usize,
    rng: Rng,
    at: i64,
}

impl Iterator for Life<'_> {
    type Item = OrderLife;

    fn next(&mut self) -> Option<OrderLife> {
        let rate = self.plant.machines.get(self.machine)?.rate;
        let rng = &mut self.rng;
        let pause = rng.between(2 * HOUR, 20 * HOUR) * (1700 - self.plant.growth(self.at)) / 1000;
        let start = self.at + pause;
        let planned = start - rng.between(HOUR / 2, 4 * DAY);
        // Nothing was planned before there was a plant.
        let created = if planned < self.plant.founded { start - HOUR / 2 } else { planned };
        let run = rng.between(6 * HOUR, 36 * HOUR);
        let stops = stops(rng, start, run);
        let stood: i64 = stops.iter().map(|stop| stop.end - stop.start).sum();
        let produced = rate * (run / 60) * rng.between(70, 98) / 100;
        let complete = start + run + stood;
        self.at = complete;
        Some(OrderLife {
            machine: self.machine,
            operator: self.plant.someone(rng, Role::Operator, start),
            product: rng.below(self.plant.products.len()),
            // People order round figures and get what they get.
            quantity: (produced * rng.between(92, 118) / 100 / 50 * 50).max(50),
            produced,
            created,
            start,
            complete,
            stops,
        })
    }
}

fn stops(rng: &mut Rng, start: i64, run: i64) -> Vec<StopLife> {
    let mut stops = Vec::new();
    let mut at = start;
    let mut left = run;
    loop {
        let until = rng.between(30 * 60, 21 * HOUR);
        // An order does not end standing still.
        if until + 300 >= left {
            return stops;
        }
        left -= until;
        let reason = draw_reason(rng);
        let (shortest, longest) = reason.minutes;
        let length = rng.between(shortest * 60, longest * 60);
        stops.push(StopLife { start: at + until, end: at + until + length, reason });
        at += until + length;
    }
}

fn draw_reason(rng: &mut Rng) -> &'static Reason {
    let mut draw = rng.between(0, 99);
    for reason in &REASONS {
        draw -= reason.share;
        if draw < 0 {
            return reason;
        }
    }
    &REASONS[0]
}

impl OrderLife {
    /// What the machine does for this order at an instant.
    pub fn activity(&self, instant: i64) -> Activity<'_> {
        if instant < self.start {
            return Activity::Waiting;
        }
        if instant >= self.complete {
            return Activity::Done;
        }
        let standing = self.stops.iter().find(|stop| (stop.start..stop.end).contains(&instant));
        standing.map_or(Activity::Producing, Activity::Stopped)
    }

    /// Units made up to an instant: even over the time it ran.
    pub fn produced_at(&self, instant: i64) -> i64 {
        let until = instant.clamp(self.start, self.complete);
        let stood_until = |limit: i64| -> i64 {
            self.stops.iter().map(|stop| (stop.end.min(limit) - stop.start).max(0)).sum()
        };
        let ran = until - self.start - stood_until(until);
        let runs = self.complete - self.start - stood_until(self.complete);
        self.produced * ran / runs.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::{Activity, DAY, NOW, Plant, REASONS, YEARS, shift_of};

    #[test]
    fn a_seed_is_a_plant() {
        let plant = Plant::new(5, YEARS);
        assert_eq!(plant, Plant::new(5, YEARS));
        assert_ne!(plant, Plant::new(6, YEARS));
        assert!(plant.life(3).take(50).eq(plant.life(3).take(50)));
        assert!(plant.life(99).next().is_none());
        assert_eq!(REASONS.iter().map(|reason| reason.share).sum::<i64>(), 100);
        assert_eq!(
            (shift_of(5).name, shift_of(6).name, shift_of(18).name),
            ("night", "day", "night")
        );
    }

    #[test]
    fn orders_follow_one_another_and_stops_lie_inside() {
        for seed in 0..20 {
            let plant = Plant::new(seed, YEARS);
            for machine in 0..plant.machines.len() {
                let mut last = plant.machines[machine].commissioned;
                for order in plant.life(machine).take_while(|order| order.start < NOW) {
                    assert!(order.created <= order.start && last <= order.start);
                    last = order.start;
                    for stop in &order.stops {
                        assert!(last < stop.start && stop.start < stop.end);
                        last = stop.end;
                        assert_eq!(order.activity(stop.start), Activity::Stopped(stop));
                    }
                    assert!(last < order.complete && order.complete - order.start < 12 * DAY);
                    last = order.complete;
                    assert_eq!(order.produced_at(order.start), 0);
                    assert_eq!(order.produced_at(order.complete), order.produced);
                }
            }
        }
    }

    #[test]
    fn the_eight_machines_of_the_telemetry_run_before_it_begins() {
        let plant = Plant::new(1, YEARS);
        assert!(plant.machines[7].commissioned < NOW - 390 * DAY);
    }
}
