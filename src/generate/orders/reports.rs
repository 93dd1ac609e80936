//! Reports of shifts. Each is dated by UTC and named by the local hour, so that what is written
//! after 02:00 about the night of yesterday stands under today's night, which has yet to begin.

use std::collections::BTreeSet;

use super::super::plant::{Activity, DAY, NOW, Role, shift_of};
use super::book::{Book, Order};
use super::times::{SAST, date, local_hour, sast, utc};
use super::{HOUR, Rng, Row, Sheet, Value, number, ratio, text};

/// What happened in one shift, in one environment or in all.
#[derive(Default)]
struct Tally {
    orders: i64,
    completed: i64,
    in_progress: i64,
    stopped: i64,
    made: i64,
    stops: i64,
    downtime_minutes: i64,
    machines: BTreeSet<usize>,
    /// Of the completed: hundredths of a percent, summed.
    efficiency: i64,
}

/// The reports, and how many of them bear the date of a night that was still to come.
pub(super) fn shift_reports(book: &Book<'_>) -> (Sheet, usize) {
    let mut rng = Rng::new(book.plant.seed, "shift reports");
    let mut by_start: Vec<&Order> = book.orders.iter().filter(|order| !order.deleted).collect();
    by_start.sort_by_key(|order| order.life.start);
    let mut taken = BTreeSet::new();
    let mut rows = Vec::new();
    let mut misdated = 0;
    // From 06:00 on the site, half a day at a time.
    let first = book.plant.founded + (6 - SAST) * HOUR;
    for nth in 0..(NOW - first) / (12 * HOUR) + 1 {
        let start = first + nth * 12 * HOUR;
        let written = start + rng.between(9 * HOUR, 12 * HOUR - 300) - rng.between(0, 5) * HOUR;
        let grown = book.plant.growth(written) > 300;
        let environments = if grown { &["", "packaging", "blending"][..] } else { &[""] };
        for environment in environments.iter().filter(|_| written <= NOW) {
            let day = written - written.rem_euclid(DAY);
            let shift = shift_of(local_hour(written));
            if taken.insert((day, shift.name, *environment)) {
                let report = Report { start, written, day, environment };
                let id = i64::try_from(rows.len()).unwrap_or(i64::MAX - 1) + 1;
                misdated += usize::from(shift.name == "night" && day > start);
                rows.push(report.row(id, book, &tally(book, &by_start, &report), &mut rng));
            }
        }
    }
    (Sheet::new("shift_reports", rows), misdated)
}

/// One report to write.
struct Report<'a> {
    start: i64,
    written: i64,
    /// The UTC day, which is taken for the shift's.
    day: i64,
    environment: &'a str,
}

impl Report<'_> {
    fn row(&self, id: i64, book: &Book<'_>, tally: &Tally, rng: &mut Rng) -> Row {
        let supervisor = book.plant.someone(rng, Role::Supervisor, self.written);
        let shift = shift_of(local_hour(self.written));
        let begins = self.day + shift.start_hour * HOUR;
        let available = book.plant.machines.iter().filter(|it| it.commissioned <= self.written);
        // In hundredths of a percent; 720 minutes are a shift.
        let availability = (10_000 - tally.downtime_minutes * 10_000 / 720).max(0);
        let efficiency = tally.efficiency / tally.completed.max(1);
        let oee = availability * efficiency / 10_000;
        let notes = if rng.chance(60) { text("Quiet. Belt on 2 squeaks.") } else { Value::Null };
        let machines = i64::try_from(tally.machines.len()).unwrap_or(0);
        Row::at(
            self.written,
            vec![
                number(id),
                date(self.day),
                text(shift.name),
                text(self.environment),
                number(Book::user_id(supervisor)),
                // The wall clock's hours, hung on the day as they are: no frame is added.
                utc(begins),
                utc(begins + shift.hours * HOUR),
                number(tally.orders),
                number(tally.completed),
                number(tally.in_progress),
                number(tally.stopped),
                number(tally.made),
                number(tally.stops),
                number(tally.downtime_minutes),
                number(machines),
                number(i64::try_from(available.count()).unwrap_or(0)),
                ratio(oee, 100),
                ratio(efficiency, 100),
                number(100),
                notes,
                sast(self.written),
                number(Book::user_id(supervisor)),
            ],
        )
    }
}

/// No order takes longer than this.
const LONGEST_ORDER: i64 = 12 * DAY;

fn tally(book: &Book<'_>, by_start: &[&Order], report: &Report<'_>) -> Tally {
    let (from, to) = (report.start, report.written);
    let mut tally = Tally::default();
    let first = by_start.partition_point(|order| order.life.start < from - LONGEST_ORDER);
    let end = by_start.partition_point(|order| order.life.start < to);
    for order in &by_start[first..end] {
        let life = &order.life;
        let here = &book.plant.machines[life.machine];
        let elsewhere = !report.environment.is_empty() && here.environment != report.environment;
        if elsewhere || order.last_instant(to) <= from {
            continue;
        }
        let until = order.last_instant(to);
        tally.orders += 1;
        tally.machines.insert(life.machine);
        tally.made += life.produced_at(until) - life.produced_at(from);
        match life.activity(to) {
            _ if order.abandoned.is_some_and(|(at, _)| at <= to) => tally.stopped += 1,
            Activity::Done => {
                tally.completed += 1;
                tally.efficiency += life.produced * 10_000 / life.quantity;
            }
            Activity::Stopped(_) => tally.stopped += 1,
            Activity::Producing | Activity::Waiting => tally.in_progress += 1,
        }
        for stop in life.stops.iter().filter(|stop| (from..until).contains(&stop.start)) {
            tally.stops += 1;
            tally.downtime_minutes += (stop.end.min(until) - stop.start) / 60;
        }
    }
    tally
}
