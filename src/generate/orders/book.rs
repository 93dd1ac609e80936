//! The plant's orders and stops as the application numbers them: by the instant at which each
//! was entered, over all machines, with what was deleted and what was left lying.

use super::super::plant::{Activity, NOW, OrderLife, Plant};
use super::times::Frames;
use super::{HOUR, Rng};

/// An order the application has known.
pub(super) struct Order {
    pub(super) id: i64,
    pub(super) life: OrderLife,
    /// The instant of the stop from which nobody took it up again, and whether the application
    /// still said `paused` then.
    pub(super) abandoned: Option<(i64, bool)>,
    /// No row any more.
    pub(super) deleted: bool,
    /// Its stops, waste and counts have a row all the same, if it has none.
    pub(super) orphans: bool,
}

/// A stop the application has known.
pub(super) struct Stop {
    pub(super) id: i64,
    /// Where the order is in the book.
    pub(super) order: usize,
    /// Which of the order's stops.
    pub(super) nth: usize,
    pub(super) start: i64,
    /// None if it lasts for ever.
    pub(super) end: Option<i64>,
}

/// The truth from which rows are written.
pub(super) struct Book<'a> {
    pub(super) plant: &'a Plant,
    pub(super) orders: Vec<Order>,
    pub(super) stops: Vec<Stop>,
    pub(super) frames: Frames,
    /// Stops up to this id were explained in people's own words.
    pub(super) last_free_text: i64,
    /// What is younger was never checkpointed.
    pub(super) cutoff: i64,
}

/// Ids of machines that were tried out, broke, and were deleted.
pub(super) const LOST_MACHINES: [i64; 2] = [3, 7];

impl<'a> Book<'a> {
    /// Numbers all that has happened until `NOW`.
    pub(super) fn new(plant: &'a Plant) -> Self {
        let mut rng = Rng::new(plant.seed, "book");
        let orders = orders(plant);
        let mut stops: Vec<Stop> = Vec::new();
        for (place, order) in orders.iter().enumerate() {
            for (nth, stop) in order.life.stops.iter().enumerate() {
                let over = order.abandoned.is_some_and(|(at, _)| stop.start > at);
                if stop.start <= NOW && !over {
                    let end = order.abandoned.is_none_or(|(at, _)| stop.start < at);
                    let end = end.then_some(stop.end);
                    stops.push(Stop { id: 0, order: place, nth, start: stop.start, end });
                }
            }
        }
        stops.sort_by_key(|stop| (stop.start, stop.order));
        for (stop, id) in stops.iter_mut().zip(1..) {
            stop.id = id;
        }
        let with_row: Vec<&Stop> =
            stops.iter().filter(|stop| orders[stop.order].has_children()).collect();
        let frames = Frames::new(plant.seed, &with_row);
        let known = i64::try_from(stops.len()).unwrap_or(i64::MAX);
        let last_free_text = known * rng.between(10, 60) / 100;
        let cutoff = NOW - rng.between(20 * HOUR, 44 * HOUR);
        Self { plant, orders, stops, frames, last_free_text, cutoff }
    }

    /// The id that a machine has in its table: those tried out in between took some.
    pub(super) fn machine_id(machine: usize) -> i64 {
        let mut id = i64::try_from(machine).unwrap_or(i64::MAX - 9) + 1;
        for lost in LOST_MACHINES {
            if id >= lost {
                id += 1;
            }
        }
        id
    }

    /// The id that a person has in its table.
    pub(super) fn user_id(person: usize) -> i64 {
        i64::try_from(person).map_or(i64::MAX, |person| person + 1)
    }
}

impl Order {
    /// Whether stops, waste and counts of it have rows.
    pub(super) fn has_children(&self) -> bool {
        !self.deleted || self.orphans
    }

    /// What the application thinks of it.
    pub(super) fn status(&self, as_of: i64) -> &'static str {
        if let Some((_, paused)) = self.abandoned.filter(|(at, _)| *at <= as_of) {
            return if paused { "paused" } else { "stopped" };
        }
        match self.life.activity(as_of) {
            Activity::Waiting => "pending",
            Activity::Producing => "in_progress",
            Activity::Stopped(_) => "stopped",
            Activity::Done => "completed",
        }
    }

    /// Until when something happened to it, as far as anybody knows.
    pub(super) fn last_instant(&self, as_of: i64) -> i64 {
        let abandoned = self.abandoned.map_or(i64::MAX, |(at, _)| at);
        self.life.complete.min(abandoned).min(as_of)
    }
}

fn orders(plant: &Plant) -> Vec<Order> {
    let mut lives: Vec<OrderLife> = (0..plant.machines.len())
        .flat_map(|machine| plant.life(machine).take_while(|life| life.start < NOW + 96 * HOUR))
        .filter(|life| life.created <= NOW)
        .collect();
    lives.sort_by_key(|life| (life.created, life.machine));
    let mut left_lying = 0;
    lives
        .into_iter()
        .zip(1_i64..)
        .map(|(life, id)| {
            // Counted, not drawn, so that every seed has some of each.
            let deleted = id % 83 == 9;
            let settled = life.complete < NOW && !deleted;
            let stop = life.stops.last().filter(|_| settled).map(|stop| stop.start);
            let early = plant.growth(life.start) < 250;
            let abandoned = stop.and_then(|at| {
                left_lying += 1;
                let turn = if early { left_lying % 40 == 12 } else { left_lying % 150 == 90 };
                turn.then_some((at, early))
            });
            Order { id, life, abandoned, deleted, orphans: id / 83 % 2 == 0 }
        })
        .collect()
}
