//! Rows about work: orders, their stops, their waste, the counts in between.

use super::super::plant::{DAY, NOW, Role, shift_of};
use super::book::{Book, LOST_MACHINES, Order, Stop};
use super::times::{ahead, date, local_hour, sast, utc};
use super::{HOUR, Rng, Row, Sheet, Value, number, ratio, text};

pub(super) fn orders(book: &Book<'_>) -> Sheet {
    let last = book.orders.last().map_or(0, |order| order.id);
    let rows = book.orders.iter().filter(|order| !order.deleted).map(|order| {
        let row = |as_of| order_row(book, order, as_of);
        Row::changing(order.life.created, book.cutoff, row)
    });
    Sheet::new("production_orders", rows.collect()).with_sequence(last)
}

/// An order as it looked at an instant. What does not change is drawn anew, from the same seed.
fn order_row(book: &Book<'_>, order: &Order, as_of: i64) -> Vec<Value> {
    let (life, plant) = (&order.life, book.plant);
    let mut rng = Rng::new(plant.seed, &format!("order {}", order.id));
    let machine = &plant.machines[life.machine];
    let product = &plant.products[life.product];
    let status = order.status(as_of);
    let (begun, done) = (as_of >= life.start, status == "completed");
    let known = |yes: bool, value: Value| if yes { value } else { Value::Null };
    let made = life.produced_at(order.last_instant(as_of));
    let lost = order.id % 97 == 13;
    let machine_id = if lost { LOST_MACHINES[0] } else { Book::machine_id(life.machine) };
    let environment = match order.id % 41 {
        5 => Value::Null,
        6 => text(&format!("{} ", machine.environment.to_uppercase())),
        7 => text("Line 2 / new hall"),
        _ => text(machine.environment),
    };
    let priority = rng.pick(&["normal", "normal", "normal", "high", "low", "urgent"]);
    let due = match rng.below(20) {
        0..=2 => text(""),
        3..=5 => Value::Null,
        _ => date(life.created + rng.between(1, 12) * DAY),
    };
    let notes = match rng.below(12) {
        0 => text("Check label; \"new\" artwork\nsecond line"),
        1 => text(""),
        2 => text("Für Exportkunde – 40′ container"),
        _ => Value::Null,
    };
    let creator = plant.someone(&mut rng, Role::Supervisor, life.created);
    let stopped = life.stops.iter().position(|stop| {
        order.abandoned.map_or((stop.start..stop.end).contains(&as_of), |(at, _)| at == stop.start)
    });
    let stopped = stopped.filter(|_| matches!(status, "stopped" | "paused"));
    let reason = stopped.and_then(|nth| {
        let place = book.orders.partition_point(|other| other.id < order.id);
        book.stops.iter().find(|stop| stop.order == place && stop.nth == nth)
    });
    vec![
        number(order.id),
        text(&format!("PO-{}-{:05}", 1000 + order.id % 9, order.id)),
        text(product.name),
        number(life.quantity),
        known(begun, number(made)),
        environment,
        text(priority),
        text(status),
        known(begun || order.id % 3 == 0, number(machine_id)),
        known(begun, number(Book::user_id(life.operator))),
        due,
        notes,
        number(Book::user_id(creator)),
        utc(life.created),
        known(begun, utc(life.start)),
        Value::Null, // no version of the application ever wrote stop_time
        known(done, utc(life.complete)),
        reason.map_or(Value::Null, |stop| text(stop_words(book, stop).0)),
        known(done, ratio(made * 100, life.quantity)),
        number(i64::from(done && plant.growth(life.complete) > 120)),
    ]
}

/// Reason and category as the stop's days had them.
fn stop_words(book: &Book<'_>, stop: &Stop) -> (&'static str, Value) {
    let life = &book.orders[stop.order].life;
    let reason = life.stops[stop.nth].reason;
    if stop.id > book.last_free_text {
        return (reason.code, text(reason.category));
    }
    let [first, second] = reason.words;
    (if stop.id % 2 == 0 { first } else { second }, Value::Null)
}

pub(super) fn stops(book: &Book<'_>) -> Sheet {
    let last = book.stops.last().map_or(0, |stop| stop.id);
    let kept = book.stops.iter().filter(|stop| book.orders[stop.order].has_children());
    let rows = kept
        .map(|stop| Row::changing(stop.start, book.cutoff, |as_of| stop_row(book, stop, as_of)));
    Sheet::new("production_stops", rows.collect()).with_sequence(last)
}

fn stop_row(book: &Book<'_>, stop: &Stop, as_of: i64) -> Vec<Value> {
    let order = &book.orders[stop.order];
    let mut rng = Rng::new(book.plant.seed, &format!("stop {}", stop.id));
    let (start_hours, end_hours) = book.frames.of(stop.id);
    let end = stop.end.filter(|end| *end <= as_of);
    // The application subtracts what it finds written, and cuts towards zero.
    let written = end.map(|end| end + end_hours * HOUR - stop.start - start_hours * HOUR);
    let (reason, category) = stop_words(book, stop);
    let remark = match rng.below(9) {
        0 => text("fitter called"),
        1 => text(""),
        _ => Value::Null,
    };
    let resolver = book.plant.someone(&mut rng, Role::Operator, stop.start);
    let operator = Book::user_id(order.life.operator);
    vec![
        number(stop.id),
        number(order.id),
        text(reason),
        remark,
        ahead(stop.start, start_hours),
        end.map_or(Value::Null, |end| ahead(end, end_hours)),
        written.map_or(Value::Null, |seconds| number(seconds / 60)),
        Value::Null, // resolved_at is never written either
        category,
        if stop.id > book.last_free_text { number(operator) } else { Value::Null },
        end.map_or(Value::Null, |_| number(Book::user_id(resolver))),
    ]
}

pub(super) fn waste(book: &Book<'_>) -> Sheet {
    let mut rng = Rng::new(book.plant.seed, "waste");
    let mut found = Vec::new();
    for order in &book.orders {
        for _ in 0..rng.below(3) {
            let at = rng.between(order.life.start + 60, order.life.complete);
            let quarters = rng.between(1, 400);
            let kind = rng.pick(&["Powder", "Film", "Product", "packaging", "Sachets"]);
            if at <= order.last_instant(NOW) {
                found.push((at, order, kind, quarters));
            }
        }
    }
    found.sort_by_key(|(at, order, ..)| (*at, order.id));
    let last = i64::try_from(found.len()).unwrap_or(i64::MAX);
    let kept = found.into_iter().zip(1_i64..).filter(|((_, order, ..), _)| order.has_children());
    let rows = kept.map(|((at, order, kind, quarters), id)| {
        // A page that sends "12" and one that sends 12.25 fill the same column.
        let quantity = if quarters % 4 == 0 { number(quarters / 4) } else { ratio(quarters, 4) };
        let by = number(Book::user_id(order.life.operator));
        Row::at(at, vec![number(id), number(order.id), text(kind), quantity, by, utc(at)])
    });
    Sheet::new("production_waste", rows.collect()).with_sequence(last)
}

pub(super) fn quantity_updates(book: &Book<'_>) -> Sheet {
    let mut rng = Rng::new(book.plant.seed, "quantity updates");
    let mut found = Vec::new();
    for order in &book.orders {
        let until = order.last_instant(NOW);
        let (mut at, mut before) = (order.life.start, 0);
        while at < until {
            at = (at + rng.between(5 * HOUR, 11 * HOUR)).min(until);
            let now = order.life.produced_at(at);
            // The last count of an order in work is still to come.
            if now > before && (at < until || until == order.life.complete) {
                found.push((at, order, before, now));
                before = now;
            }
        }
    }
    found.sort_by_key(|(at, order, ..)| (*at, order.id));
    let last = i64::try_from(found.len()).unwrap_or(i64::MAX);
    let kept = found.into_iter().zip(1_i64..).filter(|((_, order, ..), _)| order.has_children());
    let rows = kept.map(|((at, order, before, now), id)| {
        let notes = if id % 23 == 0 { text("recounted by hand") } else { Value::Null };
        Row::at(
            at,
            vec![
                number(id),
                number(order.id),
                number(before),
                number(now),
                number(now - before),
                number(Book::user_id(order.life.operator)),
                sast(at),
                date(at),
                text(shift_of(local_hour(at)).name),
                notes,
            ],
        )
    });
    Sheet::new("quantity_updates", rows.collect()).with_sequence(last)
}
