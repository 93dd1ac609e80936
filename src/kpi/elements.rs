//! The time model: rows of states, breaks and orders in; what each moment of a shift counts for out.
//!
//! ```text
//! POT  planned operation time: the window, without what is not scheduled
//! ├─ PLANNED  breaks, planned stops, planned maintenance
//! └─ PBT  planned busy time
//!    ├─ AUBT  busy time: an order is worked on
//!    │  ├─ AUPT  processing time = APT (production) + AUST (setup)
//!    │  └─ ADET  delay: failures, short stops, starved, blocked
//!    ├─ ADOT  down time: available, and no order to work on
//!    └─ UNKNOWN  nothing is known
//! ```

use super::flag::{Flag, Flags};
use super::overlap::{self, Segment};
use super::policy::{Breaks, Policy};
use super::state::{Category, State};
use super::window::{Walk, Window, union};

/// What a moment counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Element {
    /// Planned downtime.
    Planned,
    /// Production.
    Apt,
    /// Setup.
    Aust,
    /// A delay while an order is worked on.
    Adet,
    /// Down without an order.
    Adot,
    /// Nothing is known: in PBT, and never production.
    Unknown,
    /// Not scheduled: outside of POT.
    Outside,
}

/// One row of states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StateRow {
    /// Its start, microseconds since 2000-01-01 UTC.
    pub start: i64,
    /// Its end; without one it lasts until the next later start, else as long as anything is known.
    pub end: Option<i64>,
    /// None for a word that is in no list: time of which nothing is known.
    pub state: Option<State>,
    /// What the row is filed under, when it says so; it goes before the state.
    pub category: Option<Category>,
}

/// One unit in one shift.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The shift.
    pub window: Window,
    /// Up to when anything is known; ends what is open. `i64::MAX` when that is not known itself.
    pub as_of: i64,
    /// Breaks, in any order; they may overlap, and reach out of the window.
    pub breaks: &'a [Window],
    /// Minutes of breaks of which nobody knows when they are; 0 where `breaks` says it all.
    pub break_minutes: u32,
    /// Rows that overlap the window, in any order. For stops that reach over its edges, and to tell an
    /// open row from one that the next row ends, also the neighbours: at least one row before and one
    /// after.
    pub states: &'a [StateRow],
    /// When orders ran. None when orders are not recorded at all: then DOWN is a delay and IDLE is not.
    pub orders: Option<&'a [Window]>,
    /// The plant's readings.
    pub policy: &'a Policy,
}

/// A stretch of a window that counts for one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its start.
    pub start: i64,
    /// Its end.
    pub end: i64,
    /// What it counts for.
    pub element: Element,
    /// The row it belongs to, as an index of [`Case::states`]; none in a hole.
    pub row: Option<usize>,
    /// It is in a break.
    pub in_break: bool,
    /// An order runs; none when orders are not recorded.
    pub in_order: Option<bool>,
}

/// How long each element lasts, in microseconds. All of them add up over shifts and units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Elements {
    /// Planned operation time.
    pub pot: i64,
    /// Planned downtime.
    pub planned: i64,
    /// Planned busy time.
    pub pbt: i64,
    /// Production.
    pub apt: i64,
    /// Setup.
    pub aust: i64,
    /// Delay.
    pub adet: i64,
    /// Down without an order.
    pub adot: i64,
    /// Nothing known.
    pub unknown: i64,
}

impl Elements {
    /// Actual unit processing time, APT + AUST.
    pub fn aupt(&self) -> i64 {
        self.apt + self.aust
    }

    /// Actual unit busy time, AUPT + ADET.
    pub fn aubt(&self) -> i64 {
        self.aupt() + self.adet
    }

    /// Both together.
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            pot: self.pot + other.pot,
            planned: self.planned + other.planned,
            pbt: self.pbt + other.pbt,
            apt: self.apt + other.apt,
            aust: self.aust + other.aust,
            adet: self.adet + other.adet,
            adot: self.adot + other.adot,
            unknown: self.unknown + other.unknown,
        }
    }

    fn add(&mut self, element: Element, length: i64) {
        let part = match element {
            Element::Planned => &mut self.planned,
            Element::Apt => &mut self.apt,
            Element::Aust => &mut self.aust,
            Element::Adet => &mut self.adet,
            Element::Adot => &mut self.adot,
            Element::Unknown => &mut self.unknown,
            Element::Outside => return,
        };
        *part += length;
        self.pot += length;
        self.pbt = self.pot - self.planned;
    }
}

/// A breakdown: DOWN without a pause, of the whole of it and not of its part in the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// When it began.
    pub start: i64,
    /// When it was repaired; none while it is not known to be.
    pub end: Option<i64>,
}

/// What a window is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// Its pieces in order, without a hole or an overlap.
    pub pieces: Vec<Piece>,
    /// Their sums, after [`Timeline::break_minutes`] were taken out.
    pub elements: Elements,
    /// What was taken out of each element for breaks of which only the length is known: these parts are
    /// planned downtime in `elements` and what they were before in `pieces`.
    pub break_minutes: Elements,
    /// Breakdowns in order, also those that begin outside of the window.
    pub failures: Vec<Failure>,
    /// What was mended.
    pub flags: Flags,
}

/// What each moment of a shift counts for. Takes n log n steps for n rows.
pub fn timeline(case: &Case<'_>) -> Timeline {
    let resolved = overlap::resolve(case);
    let mut line = Timeline { flags: resolved.flags, ..Timeline::default() };
    let stops = overlap::short_stops(case, &resolved.segments);
    line.failures = overlap::failures(case, &resolved.segments, &stops);
    cut(case, &resolved.segments, &stops, &mut line.pieces);
    let mut in_break_state = 0;
    for piece in &line.pieces {
        line.elements.add(piece.element, piece.end - piece.start);
        let row = piece.row.and_then(|row| case.states.get(row));
        if row.is_some_and(|row| row.state == Some(State::Break)) {
            in_break_state += piece.end - piece.start;
        }
    }
    take_break_minutes(case, in_break_state, &mut line);
    let (unknown, pbt) = (line.elements.unknown, line.elements.pbt);
    line.flags.raise(Flag::IncompleteCoverage, unknown > 0);
    line.flags.raise(Flag::NoStateData, pbt > 0 && unknown == pbt);
    line.flags.raise(Flag::ZeroPbt, pbt == 0);
    line
}

/// Puts the segments, and the holes between them, into pieces at the edges of breaks and orders.
fn cut(case: &Case<'_>, segments: &[Segment], stops: &[bool], pieces: &mut Vec<Piece>) {
    let breaks = union(case.breaks);
    let orders = case.orders.map(union);
    let mut cutter = Cutter {
        case,
        breaks: Walk::new(&breaks),
        orders: orders.as_deref().map(Walk::new),
        pieces,
    };
    let mut at = case.window.start;
    for (segment, short) in segments.iter().zip(stops) {
        let part = Window::new(segment.start, segment.end).overlap(case.window);
        if part.is_empty() {
            continue;
        }
        cutter.cut(Window::new(at, part.start), None, false);
        cutter.cut(part, Some(segment.row), *short);
        at = part.end;
    }
    cutter.cut(Window::new(at, case.window.end), None, false);
}

struct Cutter<'a, 'b> {
    case: &'a Case<'a>,
    breaks: Walk<'a>,
    orders: Option<Walk<'a>>,
    pieces: &'b mut Vec<Piece>,
}

impl Cutter<'_, '_> {
    fn cut(&mut self, part: Window, row: Option<usize>, short: bool) {
        let mut start = part.start;
        while start < part.end {
            let (in_break, break_until) = self.breaks.at(start);
            let (in_order, order_until) = match &mut self.orders {
                Some(orders) => {
                    let (inside, until) = orders.at(start);
                    (Some(inside), until)
                }
                None => (None, i64::MAX),
            };
            let end = part.end.min(break_until).min(order_until);
            let state_row = row.and_then(|row| self.case.states.get(row));
            let mut element = element(state_row, in_break, in_order, self.case.policy.breaks);
            if short && element == Element::Adet {
                element = Element::Apt;
            }
            self.pieces.push(Piece { start, end, element, row, in_break, in_order });
            start = end;
        }
    }
}

/// What a moment counts for, by the row that holds, the breaks and the orders.
fn element(
    row: Option<&StateRow>,
    in_break: bool,
    in_order: Option<bool>,
    breaks: Breaks,
) -> Element {
    let (state, category) = row.map_or((None, None), |row| (row.state, row.category));
    let natural = State::element(state, in_order);
    let works = natural == Element::Apt
        || matches!(category, Some(Category::Production | Category::PerformanceLoss));
    match natural {
        _ if category == Some(Category::Planned) => Element::Planned,
        Element::Planned => Element::Planned,
        _ if works && in_break && breaks == Breaks::CalendarWins => Element::Planned,
        _ if works => Element::Apt,
        Element::Outside => Element::Outside,
        _ if in_break => Element::Planned,
        other => other,
    }
}

/// Breaks of which only the length is known leave PBT once: recorded breaks count towards them, the rest
/// comes out of what is not production, the least certain first.
fn take_break_minutes(case: &Case<'_>, in_break_state: i64, line: &mut Timeline) {
    if case.break_minutes == 0 || !case.breaks.is_empty() {
        return;
    }
    line.flags.raise(Flag::BreakMinutesOnly, true);
    let wanted = i64::from(case.break_minutes) * 60_000_000;
    let mut left = (wanted - in_break_state).max(0);
    let (elements, taken) = (&mut line.elements, &mut line.break_minutes);
    for (from, to) in [
        (&mut elements.unknown, &mut taken.unknown),
        (&mut elements.adot, &mut taken.adot),
        (&mut elements.adet, &mut taken.adet),
        (&mut elements.aust, &mut taken.aust),
    ] {
        let part = left.min(*from);
        *from -= part;
        *to += part;
        taken.planned += part;
        left -= part;
    }
    elements.planned += taken.planned;
    elements.pbt -= taken.planned;
}
