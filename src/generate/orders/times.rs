//! How the application wrote its instants: naive text, in three frames.
//!
//! What SQLite's `CURRENT_TIMESTAMP` filled in is UTC; what `datetime('now', '+2 hours')` filled
//! in is the wall clock of South Africa; and the start and end of a stop changed from the second
//! to the first on the day a server was deployed. `Frames` is the truth about that last column.

use std::collections::BTreeMap;

use rusqlite::types::Value;

use super::super::plant::{DAY, HOUR};
use super::book::Stop;
use super::{Rng, text};

/// South Africa is two hours ahead of UTC, all year.
pub(super) const SAST: i64 = 2;

/// Every column of instants but those of the stops, and the hours its text is ahead of UTC.
pub(super) const COLUMNS: [(&str, i64); 19] = [
    ("users.created_at", 0),
    ("users.last_login", 0),
    ("environments.created_at", 0),
    ("environments.updated_at", 0),
    ("production_orders.created_at", 0),
    ("production_orders.start_time", 0),
    ("production_orders.complete_time", 0),
    ("production_waste.created_at", 0),
    ("quantity_updates.update_time", SAST),
    ("shift_supervisors.created_at", 0),
    ("shift_reports.start_time", SAST),
    ("shift_reports.end_time", SAST),
    ("shift_reports.created_at", SAST),
    ("daily_role_overrides.created_at", SAST),
    ("machine_crews.created_date", SAST),
    ("machine_crews.updated_date", SAST),
    ("crew_assignments.created_at", SAST),
    ("production_stops.start_time", i64::MAX),
    ("production_stops.end_time", i64::MAX),
];

/// `YYYY-MM-DD HH:MM:SS` of an instant, so many hours ahead of UTC.
pub(super) fn ahead(instant: i64, hours: i64) -> Value {
    text(&wall(instant + hours * HOUR))
}

/// In UTC.
pub(super) fn utc(instant: i64) -> Value {
    ahead(instant, 0)
}

/// On the wall clock of the site.
pub(super) fn sast(instant: i64) -> Value {
    ahead(instant, SAST)
}

/// `YYYY-MM-DD` in UTC: what the application takes for today.
pub(super) fn date(instant: i64) -> Value {
    text(wall(instant).get(..10).unwrap_or_default())
}

/// The hour on the wall clock of the site.
pub(super) fn local_hour(instant: i64) -> i64 {
    (instant + SAST * HOUR).rem_euclid(DAY) / HOUR
}

fn wall(seconds: i64) -> String {
    // The plant's years are all within the calendar; an instant that is not would be a zero date.
    let at = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    let civil = jiff::tz::Offset::UTC.to_datetime(at);
    format!("{} {}", civil.date(), civil.time())
}

/// Hours ahead of UTC of one stop's two texts.
pub(super) type Hours = (i64, i64);

/// Which frame each stop was written in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frames {
    /// The last id of the old server.
    pub(super) boundary: i64,
    /// The last id there is.
    pub(super) last: i64,
    /// Stops that do not follow their range.
    pub(super) broken: BTreeMap<i64, Hours>,
}

impl Frames {
    /// Draws the day of the change and the broken rows. `stops` are those that have a row, by id.
    pub(super) fn new(seed: u64, stops: &[&Stop]) -> Self {
        let mut rng = Rng::new(seed, "frames");
        // Short enough for its mixed texts to run backwards, as they do until two hours.
        let short = |stop: &Stop| stop.end.is_some_and(|end| end - stop.start < 110 * 60);
        let target = stops.len() * (30 + rng.below(50)) / 100;
        // The one after it came within the two hours, so that the text seems to go back there.
        let close = |pair: &[&Stop]| short(pair[0]) && pair[1].start - pair[0].start < 100 * 60;
        let mut pairs = stops.windows(2).skip(target);
        let pivot = target + pairs.position(close).unwrap_or(0);
        let boundary = stops.get(pivot).map_or(0, |stop| stop.id);
        let mut broken = BTreeMap::new();
        broken.insert(boundary, (SAST, 0));
        let old: Vec<&Stop> = stops.iter().take(pivot).copied().collect();
        // A few phones went on with the old page after the resume button was changed.
        let late: Vec<&Stop> =
            old.iter().skip(pivot / 2).copied().filter(|stop| short(stop)).collect();
        for _ in 0..late.len().min(2) {
            broken.insert(late[rng.below(late.len())].id, (SAST, 0));
        }
        // Rewritten once too often: 2 h late, so that the stop after it seems to come before it.
        let early = old.windows(2).filter(|pair| pair[1].start - pair[0].start < 90 * 60);
        let twice = early.map(|pair| pair[0]).filter(|stop| stop.end.is_some());
        for stop in twice.filter(|stop| stop.id != boundary).take(2) {
            broken.insert(stop.id, (2 * SAST, 2 * SAST));
        }
        Self { boundary, last: stops.last().map_or(0, |stop| stop.id), broken }
    }

    /// The frames of one stop.
    pub(super) fn of(&self, id: i64) -> Hours {
        let range = if id <= self.boundary { SAST } else { 0 };
        self.broken.get(&id).copied().unwrap_or((range, range))
    }

    /// `frame TABLE.COLUMN all|ids A-B +HH:00`, and `broken TABLE ID COLUMN +HH:00` where a row
    /// does not follow its range.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for (column, hours) in COLUMNS {
            if hours == i64::MAX {
                let next = self.boundary + 1;
                notes.push(format!("frame {column} ids 1-{} +{SAST:02}:00", self.boundary));
                notes.push(format!("frame {column} ids {next}-{} +00:00", self.last));
            } else {
                notes.push(format!("frame {column} all +{hours:02}:00"));
            }
        }
        for (id, (start, end)) in &self.broken {
            let range = if *id <= self.boundary { SAST } else { 0 };
            for (column, hours) in [("start_time", *start), ("end_time", *end)] {
                if hours != range {
                    notes.push(format!("broken production_stops {id} {column} +{hours:02}:00"));
                }
            }
        }
        notes
    }
}
