//! Counts at the change of shifts: with them, what a shift made is known to the piece.
//!
//! Off unless it is asked for: the application as it was found counts when somebody thinks of it.

use serde_json::{Value as Json, json};

use super::super::plant::calendar::Calendar;
use super::super::plant::history::{History, Pieces, Work};
use super::super::plant::truth::{self, Record, View};
use super::super::plant::units::Unit;
use super::super::plant::{DAY, NOW, shift_of};
use super::book::{Book, Order};
use super::times::{date, local_hour, sast, utc};
use super::{GenerateError, HOUR, Row, Sheet, number, text};

/// The units with the calendars of their sites, by machine.
pub(super) struct Floor {
    units: Vec<(Unit, Calendar)>,
}

/// A count of one order.
struct Count<'a> {
    at: i64,
    order: &'a Order,
    before: Pieces,
    now: Pieces,
}

impl Floor {
    pub(super) fn new(book: &Book<'_>) -> Result<Self, GenerateError> {
        let units = book.plant.units().into_iter().take(book.plant.machines.len());
        let with_calendar = |unit: Unit| {
            let calendar = Calendar::new(unit.site, book.plant.founded - DAY, NOW + 20 * DAY)?;
            Ok((unit, calendar))
        };
        Ok(Self { units: units.map(with_calendar).collect::<Result<_, GenerateError>>()? })
    }

    /// All counts, in the order of time.
    fn counts<'a>(&self, book: &'a Book<'_>) -> Vec<Count<'a>> {
        let mut found = Vec::new();
        for order in &book.orders {
            let (unit, calendar) = &self.units[order.life.machine];
            let work = Work::new(book.plant, unit, calendar, order.life.clone());
            let until = order.last_instant(NOW);
            let changes = calendar.turns.iter().flat_map(|turn| [turn.start, turn.end]);
            let mut instants: Vec<i64> =
                changes.filter(|at| (order.life.start + 1..until).contains(at)).collect();
            // The last count of an order in work is still to come.
            instants.extend((until == order.life.complete).then_some(until));
            instants.sort_unstable();
            instants.dedup();
            let mut before = Pieces::default();
            for at in instants {
                let now = work.pieces(at);
                if now != before {
                    found.push(Count { at, order, before, now });
                    before = now;
                }
            }
        }
        found.sort_by_key(|count| (count.at, count.order.id));
        found
    }

    /// `quantity_updates` and what goes to `production_waste`, in pieces.
    pub(super) fn sheets(&self, book: &Book<'_>, waste: Sheet) -> [Sheet; 2] {
        let mut updates = Vec::new();
        let mut waste = waste;
        let mut last = waste.sequence;
        for (count, id) in self.counts(book).into_iter().zip(1_i64..) {
            if !count.order.has_children() {
                continue;
            }
            let by = number(Book::user_id(count.order.life.operator));
            let made = count.now.since(count.before);
            updates.push(Row::at(
                count.at,
                vec![
                    number(id),
                    number(count.order.id),
                    number(count.before.made()),
                    number(count.now.made()),
                    number(made.made()),
                    by.clone(),
                    sast(count.at),
                    date(count.at),
                    text(shift_of(local_hour(count.at)).name),
                    text("handover"),
                ],
            ));
            for (kind, pieces) in [("Scrap pieces", made.scrap), ("Rework pieces", made.rework)] {
                if pieces > 0 {
                    last += 1;
                    let order = number(count.order.id);
                    let row = vec![number(last), order, text(kind), number(pieces), by.clone()];
                    let row = row.into_iter().chain([utc(count.at)]).collect();
                    waste.rows.push(Row::at(count.at, row));
                }
            }
        }
        [waste.with_sequence(last), Sheet::new("quantity_updates", updates)]
    }

    /// What is true of the book: where it is silent or wrong, the shift says so.
    pub(super) fn truth(&self, book: &Book<'_>, seed: u64) -> Json {
        let machines = self.units.iter().filter_map(|(unit, calendar)| {
            let first = book.plant.life(unit.machine).next()?.start;
            let history = History::new(book.plant, unit, calendar, (first, NOW));
            let record =
                Record { flawed: flaws(book, unit.machine), unit_pri: true, ..Record::default() };
            Some(truth::machine(&history, calendar, View::Orders, &record))
        });
        json!({
            "system": "orders", "seed": seed, "from": book.plant.founded, "to": NOW,
            "machines": machines.collect::<Vec<_>>(),
        })
    }
}

fn flaws(book: &Book<'_>, machine: usize) -> Vec<(i64, i64, &'static str)> {
    let mut flaws = Vec::new();
    let mut here: Vec<(usize, &Order)> = book.orders.iter().enumerate().collect();
    here.retain(|(_, order)| order.life.machine == machine);
    here.sort_by_key(|(_, order)| order.life.start);
    for (nth, (_, order)) in here.iter().enumerate() {
        let next = here.get(nth + 1).map_or(NOW, |(_, next)| next.life.start);
        if order.deleted {
            flaws.push((order.life.start, next, "deleted order"));
        }
        if order.id % 97 == 13 {
            flaws.push((order.life.start, next, "lost machine"));
        }
        if let Some((at, _)) = order.abandoned {
            flaws.push((at, next, "abandoned order"));
        }
    }
    // Nothing is known after the last change that was written down.
    let changes = here.iter().flat_map(|(_, order)| {
        let stops = order.life.stops.iter().flat_map(|stop| [stop.start, stop.end]);
        stops.chain([order.life.start, order.life.complete])
    });
    let last = changes.filter(|at| *at <= NOW).max().unwrap_or(NOW);
    flaws.push((last, i64::MAX, "after the last record"));
    for id in book.frames.broken.keys() {
        let broken = book.stops.iter().find(|stop| stop.id == *id);
        let broken = broken.filter(|stop| book.orders[stop.order].life.machine == machine);
        if let Some(stop) = broken {
            let end = stop.end.unwrap_or(NOW);
            flaws.push((stop.start - 4 * HOUR, end + 4 * HOUR, "broken stop"));
        }
    }
    flaws
}
