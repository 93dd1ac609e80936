//! What truly happened on one unit: spells of doing one thing, one after the other without a hole,
//! and what each order made.
//!
//! Every order is drawn from a stream of its own, so that a history of two weeks and one of two
//! years tell the same of the days they share. What is drawn here beside the plant's orders and
//! stops, such as set-ups or short stops, keeps clear of breaks: whether a pause is planned must
//! not hang on how finely a system sees it.

use super::calendar::Calendar;
use super::units::Unit;
use super::{HOUR, OrderLife, Plant, REASONS, Reason, Rng, StopLife};

/// What a unit does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Nothing, without an order.
    Idle,
    /// It is set up for an order.
    Setup,
    /// It makes parts.
    Producing,
    /// It makes parts, and its telemetry is lost.
    Unseen,
    /// It waits for material, seconds to minutes.
    Starved,
    /// It stands for less than a minute.
    MicroStop,
    /// It stands.
    Stopped(&'static Reason),
}

/// How well an end was noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    /// As it was.
    Right,
    /// So many seconds into what came next.
    Late(i64),
    /// Not at all: it ended when the next stop began.
    Never,
}

/// One stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spell {
    /// First second.
    pub start: i64,
    /// The second after its last.
    pub end: i64,
    /// What the unit did.
    pub doing: Doing,
    /// Place of its order in `History::works`.
    pub work: Option<usize>,
    /// How the end was noted.
    pub noted: Noted,
}

/// An order with what it made when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// The order.
    pub life: OrderLife,
    /// Its number.
    pub number: String,
    /// Scrap in a thousand pieces.
    pub scrap_share: i64,
    /// Rework in a thousand of the rest.
    pub rework_share: i64,
    /// When it truly made parts, `[start, end)`.
    runs: Vec<(i64, i64)>,
    spells: Vec<Spell>,
}

/// Pieces: made = good + scrap + rework.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pieces {
    /// Good ones.
    pub good: i64,
    /// Thrown away.
    pub scrap: i64,
    /// To be worked on again.
    pub rework: i64,
}

impl Pieces {
    /// All of them.
    pub fn made(self) -> i64 {
        self.good + self.scrap + self.rework
    }

    /// What came between `earlier` and this.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            good: self.good - earlier.good,
            scrap: self.scrap - earlier.scrap,
            rework: self.rework - earlier.rework,
        }
    }
}

/// A unit's life in `[from, to)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The unit.
    pub unit: Unit,
    /// From here.
    pub from: i64,
    /// Up to here.
    pub to: i64,
    /// Orders that touch the span, by start; whole, also where they reach beyond it.
    pub works: Vec<Work>,
    /// Spells that cover `[from, to)`, clipped to it.
    pub spells: Vec<Spell>,
}

impl History {
    /// What happened on `unit` in a span. `calendar` is that of its site.
    pub fn new(plant: &Plant, unit: &Unit, calendar: &Calendar, span: (i64, i64)) -> Self {
        let (from, to) = span;
        let lives = plant.life(unit.machine).skip_while(|life| life.complete <= from);
        let works: Vec<Work> = lives
            .take_while(|life| life.start < to)
            .map(|life| Work::new(plant, unit, calendar, life))
            .collect();
        let mut spells = Vec::new();
        let mut at = from;
        for (place, work) in works.iter().enumerate() {
            idle(&mut spells, at, work.life.start.min(to));
            for spell in &work.spells {
                let (start, end) = (spell.start.max(from), spell.end.min(to));
                if start < end {
                    spells.push(Spell { start, end, work: Some(place), ..*spell });
                }
            }
            at = work.life.complete.max(from);
        }
        idle(&mut spells, at, to);
        Self { unit: unit.clone(), from, to, works, spells }
    }

    /// All pieces made up to an instant by the orders of this history.
    pub fn pieces(&self, instant: i64) -> Pieces {
        let mut sum = Pieces::default();
        for work in self.works.iter().take_while(|work| work.life.start < instant) {
            let pieces = work.pieces(instant);
            sum.good += pieces.good;
            sum.scrap += pieces.scrap;
            sum.rework += pieces.rework;
        }
        sum
    }

    /// The spell at an instant of the span.
    pub fn spell(&self, instant: i64) -> Option<&Spell> {
        let after = self.spells.partition_point(|spell| spell.start <= instant);
        self.spells.get(after.checked_sub(1)?)
    }
}

fn idle(spells: &mut Vec<Spell>, start: i64, end: i64) {
    if start < end {
        spells.push(Spell { start, end, doing: Doing::Idle, work: None, noted: Noted::Right });
    }
}

impl Work {
    /// One order, drawn on its own.
    pub fn new(plant: &Plant, unit: &Unit, calendar: &Calendar, life: OrderLife) -> Self {
        let stream = format!("work {} {}", unit.code, life.start);
        let mut pen = Pen { rng: Rng::new(plant.seed, &stream), calendar, spells: Vec::new() };
        let mut at = pen.set_up(&life);
        for stop in &life.stops {
            pen.run(at, stop.start);
            pen.stand(stop);
            at = stop.end;
        }
        pen.run(at, life.complete);
        let Pen { mut rng, spells, .. } = pen;
        let runs: Vec<(i64, i64)> = spells
            .iter()
            .filter(|spell| matches!(spell.doing, Doing::Producing | Doing::Unseen))
            .map(|spell| (spell.start, spell.end))
            .collect();
        Self {
            number: format!("WO-{:02}-{:07}", unit.machine, life.start / 60 % 10_000_000),
            scrap_share: rng.between(4, 35),
            rework_share: rng.between(0, 12),
            life,
            runs,
            spells,
        }
    }

    /// Pieces made up to an instant: even over the time it made any.
    pub fn pieces(&self, instant: i64) -> Pieces {
        let all: i64 = self.runs.iter().map(|(start, end)| end - start).sum();
        let ran: i64 =
            self.runs.iter().map(|(start, end)| (instant.min(*end) - start).max(0)).sum();
        let made = self.life.produced * ran / all.max(1);
        // Of what is left after scrap, so that good pieces never become fewer.
        let scrap = made * self.scrap_share / 1000;
        let rework = (made - scrap) * self.rework_share / 1000;
        Pieces { good: made - scrap - rework, scrap, rework }
    }
}

/// Draws the spells of one order.
struct Pen<'a> {
    rng: Rng,
    calendar: &'a Calendar,
    spells: Vec<Spell>,
}

/// Too short to put anything into.
const LONG: i64 = 40 * 60;

impl Pen<'_> {
    fn push(&mut self, start: i64, end: i64, doing: Doing, noted: Noted) {
        if start < end {
            self.spells.push(Spell { start, end, doing, work: None, noted });
        }
    }

    /// The end of the set-up.
    fn set_up(&mut self, life: &OrderLife) -> i64 {
        let end = life.start + self.rng.between(4 * 60, 22 * 60);
        let first = life.stops.first().map_or(life.complete, |stop| stop.start);
        if end + LONG >= first || self.calendar.near_break(life.start, end) {
            return life.start;
        }
        self.push(life.start, end, Doing::Setup, Noted::Right);
        end
    }

    /// A run between two stops, with what interrupts it.
    fn run(&mut self, start: i64, end: i64) {
        let mut at = start;
        while at + LONG < end {
            let begins = at + self.rng.between(10 * 60, 5 * HOUR);
            let (doing, length) = match self.rng.between(0, 9) {
                0 => (Doing::Starved, self.rng.between(90, 14 * 60)),
                1 => (Doing::Unseen, self.rng.between(8, 18) * 60),
                _ => (Doing::MicroStop, self.rng.between(5, 55)),
            };
            let ends = begins + length;
            if ends + 10 * 60 >= end {
                break;
            }
            let unseen = doing == Doing::Unseen;
            let crosses = unseen && self.calendar.changes_in(begins - 300, ends + 300);
            if crosses || self.calendar.near_break(begins - 300, ends + 60) {
                self.push(at, ends, Doing::Producing, Noted::Right);
            } else if unseen {
                // The telemetry comes back with a whole minute, as it samples.
                let (from, to) = (begins - begins % 60, ends - ends % 60);
                self.push(at, from, Doing::Producing, Noted::Right);
                self.push(from, to, doing, Noted::Right);
                self.push(to, ends, Doing::Producing, Noted::Right);
            } else {
                self.push(at, begins, Doing::Producing, Noted::Right);
                self.push(begins, ends, doing, Noted::Right);
            }
            at = ends;
        }
        self.push(at, end, Doing::Producing, Noted::Right);
    }

    /// A stop; some turn out to have a second cause behind the first.
    fn stand(&mut self, stop: &StopLife) {
        let length = stop.end - stop.start;
        if stop.reason.planned || length < 20 * 60 || !self.rng.chance(350) {
            return self.push(stop.start, stop.end, Doing::Stopped(stop.reason), Noted::Right);
        }
        let change = stop.start + length * self.rng.between(30, 70) / 100;
        let noted = match self.rng.between(0, 2) {
            0 => Noted::Never,
            1 => Noted::Late(self.rng.between(30, (stop.end - change).min(600))),
            _ => Noted::Right,
        };
        let others: Vec<&'static Reason> =
            REASONS.iter().filter(|other| !other.planned && *other != stop.reason).collect();
        let second = self.rng.pick(&others);
        self.push(stop.start, change, Doing::Stopped(stop.reason), noted);
        self.push(change, stop.end, Doing::Stopped(second), Noted::Right);
    }
}

#[cfg(test)]
mod tests;
