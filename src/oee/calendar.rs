//! Shift instances: those that are recorded, and those that the calendar of a site makes.
//!
//! A made instance bears the hash of its own values as its id. So it is known as made for as long as nobody
//! changes it: it follows the calendar, while one that a person corrected stays as it is.

mod store;

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use jiff::civil::Date;
use tokio_postgres::Client;
use xxhash_rust::xxh3::xxh3_128;

use super::plant::{Shift, Site, is_infinite};
use super::{Scope, Trouble};
use crate::kpi::calendar::{self, CalendarError, Instance, Pattern};
use crate::kpi::window::Window;
use crate::schema::PG_EPOCH_US;
use crate::sink::SinkError;
use crate::sink::ledger::PgTime;

/// One shift of a site on one date.
#[derive(Clone, Debug)]
pub(super) struct SiteShift {
    pub(super) instance: String,
    pub(super) code: String,
    pub(super) date: Date,
    /// From its start to its recorded end or, without one, its planned one.
    pub(super) window: Window,
    /// Its end is recorded.
    pub(super) ended: bool,
    pub(super) breaks: Vec<Window>,
    /// Of breaks of which nobody knows when they are.
    pub(super) break_minutes: u32,
}

/// A row of `"ShiftInstance"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    id: String,
    shift: String,
    date: Date,
    start: i64,
    end: Option<i64>,
    planned_minutes: i32,
    break_minutes: i32,
}

/// What the calendar of one site comes to.
#[derive(Debug, Default)]
pub(super) struct Calendar {
    /// By start.
    pub(super) shifts: Vec<SiteShift>,
    /// To be stored.
    pub(super) made: Vec<Row>,
    /// Made by a calendar that is no more: to be removed, with their results.
    pub(super) obsolete: Vec<Row>,
    /// Ids of shifts that cannot be read: nothing of theirs is touched.
    pub(super) broken: HashSet<String>,
    pub(super) troubles: Vec<Trouble>,
}

/// What a calendar is worked out between, in microseconds since 2000.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// First and last moment that anything is known of: `[first, last)`.
    pub(super) known: (i64, i64),
    /// What was made for before this stays: the rows may have been dropped.
    pub(super) history_from: i64,
    /// Whatever starts here or later stays.
    pub(super) as_of: Option<i64>,
}

const INSTANCES: &str = "select i.id, i.\"shiftId\", i.\"shiftDate\"::text, i.\"actualStartTime\", \
    i.\"actualEndTime\", i.\"plannedMinutes\", i.\"breakMinutes\" from public.\"ShiftInstance\" i \
    join public.\"Shift\" s on s.id = i.\"shiftId\" where s.\"siteId\" = $1 \
    and i.\"shiftDate\" between $2::text::date and $3::text::date";

impl Row {
    /// The id of a made instance with these values.
    fn made_id(&self) -> String {
        let Self { shift, date, start, planned_minutes, break_minutes, .. } = self;
        let words = format!("{shift}\0{date}\0{start}\0{planned_minutes}\0{break_minutes}");
        format!("{:032x}", xxh3_128(words.as_bytes()))
    }

    fn is_made(&self) -> bool {
        self.end.is_none() && self.id == self.made_id()
    }

    /// Its shift date.
    pub(super) fn date(&self) -> Date {
        self.date
    }

    fn window(&self) -> Window {
        let planned = self.start.saturating_add(i64::from(self.planned_minutes) * 60_000_000);
        Window::new(self.start, self.end.unwrap_or(planned))
    }

    fn is_infinite(&self) -> bool {
        is_infinite(self.start) || self.end.is_some_and(is_infinite)
    }
}

/// The clock's minute of `HH:MM`.
fn minute(clock: &str) -> Option<u16> {
    let (hours, minutes) = clock.split_once(':')?;
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

/// A row of `"Shift"` as the kernel takes it; the text says what is wrong with it.
fn pattern(shift: &Shift) -> Result<Pattern, String> {
    let clock =
        |text: &str| minute(text).ok_or_else(|| format!("{text:?} is no time; write HH:MM"));
    let breaks = match &shift.break_windows {
        None => None,
        Some(windows) => {
            let wrong = || {
                format!(
                    "breakWindows is {windows}; write [{{\"start\": \"10:00\", \"end\": \"10:30\"}}]"
                )
            };
            let windows: Vec<serde_json::Value> =
                serde_json::from_str(windows).map_err(|_| wrong())?;
            let bound = |window: &serde_json::Value, name: &str| {
                window.get(name).and_then(|text| text.as_str()).and_then(minute).ok_or_else(wrong)
            };
            let pairs = windows.iter().map(|w| Ok((bound(w, "start")?, bound(w, "end")?)));
            Some(pairs.collect::<Result<Vec<_>, String>>()?)
        }
    };
    let days = shift.week_days.as_deref().map(week_days).transpose()?;
    Ok(Pattern {
        code: shift.code.clone(),
        start_minute: clock(&shift.start)?,
        end_minute: clock(&shift.end)?,
        days,
        breaks,
        break_minutes: u32::try_from(shift.break_minutes).map_err(|_| "breakMinutes".to_owned())?,
    })
}

/// Days from a JSON list of their numbers.
fn week_days(list: &str) -> Result<[bool; 7], String> {
    let mut days = [false; 7];
    let wrong = || format!("weekDays is {list}; 1 is Monday and 7 is Sunday");
    let numbers: Vec<usize> = serde_json::from_str(list).map_err(|_| wrong())?;
    for day in numbers {
        let place = day.checked_sub(1).and_then(|at| days.get_mut(at));
        *place.ok_or_else(wrong)? = true;
    }
    Ok(days)
}

/// Dates of a site that `[first, last)` touches; a shift that began the day before may reach into it.
fn dates(site: &Site, (first, last): (i64, i64)) -> Result<(Date, Date), CalendarError> {
    let zone = calendar::zone_named(&site.zone)?;
    let date = |us: i64| {
        let time = Timestamp::from_microsecond(us.saturating_add(PG_EPOCH_US));
        time.ok().map(|time| time.to_zoned(zone.clone()).date())
    };
    let from = date(first).and_then(|date| date.yesterday().ok()).unwrap_or(Date::MIN);
    Ok((from, date(last).unwrap_or(Date::MAX)))
}

/// Works out the shifts of one site over what is known of its units. Writes nothing.
pub(super) async fn of_site(
    client: &Client,
    (id, site): (&str, &Site),
    bounds: Bounds,
    scope: &Scope,
) -> Result<Calendar, SinkError> {
    let mut calendar = Calendar::default();
    let (from, to) = match dates(site, bounds.known) {
        Ok((from, to)) => (
            scope.from.map_or(from, |asked| from.max(asked)),
            scope.to.map_or(to, |asked| to.min(asked)),
        ),
        Err(error) => {
            calendar.trouble(format!("site {}", site.code), error.to_string());
            calendar.broken.extend(site.shifts.iter().map(|shift| shift.id.clone()));
            return Ok(calendar);
        }
    };
    if from > to {
        return Ok(calendar);
    }
    let rows = client.query(INSTANCES, &[&id, &from.to_string(), &to.to_string()]).await?;
    let mut stored: HashMap<(String, Date), Row> = HashMap::new();
    for row in rows.iter().filter_map(stored_row) {
        stored.insert((row.shift.clone(), row.date), row);
    }
    for shift in site.shifts.iter().filter(|shift| scope.wants_shift(&shift.code)) {
        let days = match days(shift, &site.zone, (from, to)) {
            Ok(days) => days,
            Err(why) => {
                calendar.trouble(format!("site {}, shift {}", site.code, shift.code), why);
                calendar.broken.insert(shift.id.clone());
                continue;
            }
        };
        for (instance, planned) in days {
            let found = stored.remove(&(shift.id.clone(), instance.date));
            if found.as_ref().is_some_and(Row::is_infinite) {
                let place =
                    format!("site {}, shift {} on {}", site.code, shift.code, instance.date);
                let why = "its \"actualStartTime\" or \"actualEndTime\" is infinite; an end that is not \
                           known is null";
                calendar.trouble(place, why.to_owned());
                calendar.broken.insert(shift.id.clone());
                continue;
            }
            // What lies beyond the time that was asked for is not looked at.
            let start = found.as_ref().map_or(instance.window.start, |found| found.start);
            if bounds.as_of.is_some_and(|as_of| start >= as_of) {
                continue;
            }
            let planned = planned && overlaps(instance.window, bounds.known);
            calendar.settle(shift, (instance, planned), found, bounds.history_from);
        }
    }
    calendar.shifts.sort_by(|left, right| {
        (left.window, &left.code, &left.instance).cmp(&(right.window, &right.code, &right.instance))
    });
    Ok(calendar)
}

fn overlaps(window: Window, (first, last): (i64, i64)) -> bool {
    window.start < last && first < window.end
}

/// Every date with its instance, and whether the pattern has a shift on it.
fn days(
    shift: &Shift,
    zone: &str,
    (from, to): (Date, Date),
) -> Result<Vec<(Instance, bool)>, String> {
    let pattern = pattern(shift)?;
    let on: HashSet<Date> = calendar::instances(&pattern, zone, from, to)
        .map_err(|error| error.to_string())?
        .into_iter()
        .map(|instance| instance.date)
        .collect();
    // A recorded shift may be on any day, and has its breaks by the clock all the same.
    let every_day = Pattern { days: None, ..pattern };
    let instances = calendar::instances(&every_day, zone, from, to).map_err(|e| e.to_string())?;
    Ok(instances
        .into_iter()
        .map(|i| {
            let planned = on.contains(&i.date);
            (i, planned)
        })
        .collect())
}

fn stored_row(row: &tokio_postgres::Row) -> Option<Row> {
    Some(Row {
        id: row.get(0),
        shift: row.get(1),
        date: row.get::<_, &str>(2).parse().ok()?,
        start: row.get::<_, PgTime>(3).0,
        end: row.get::<_, Option<PgTime>>(4).map(|end| end.0),
        planned_minutes: row.get(5),
        break_minutes: row.get(6),
    })
}

impl Calendar {
    fn trouble(&mut self, place: String, why: String) {
        self.troubles.push(Trouble { place, why });
    }

    /// One shift on one date: what is recorded wins, what was made follows the calendar.
    fn settle(
        &mut self,
        shift: &Shift,
        (instance, planned): (Instance, bool),
        found: Option<Row>,
        history_from: i64,
    ) {
        let row = match found {
            // What it was made for may be gone from the history; its results are all that is left.
            Some(found) if !found.is_made() || found.start < history_from => found,
            // Worked no more does not mean that it never was.
            Some(found) if !shift.active => found,
            None if !shift.active => return,
            found => {
                let made = planned.then(|| made(shift, &instance));
                let row = match (found, made) {
                    (Some(found), Some(made)) if found.id == made.id => Some(found),
                    (found, made) => {
                        self.obsolete.extend(found);
                        self.made.extend(made.clone());
                        made
                    }
                };
                let Some(row) = row else { return };
                row
            }
        };
        let minutes = if shift.break_windows.is_some() { 0 } else { row.break_minutes };
        self.shifts.push(SiteShift {
            code: shift.code.clone(),
            date: row.date,
            window: row.window(),
            ended: row.end.is_some(),
            breaks: instance.breaks,
            break_minutes: u32::try_from(minutes).unwrap_or(0),
            instance: row.id,
        });
    }
}

/// The row that the calendar has for one date.
fn made(shift: &Shift, instance: &Instance) -> Row {
    // A zone whose clock was moved by seconds is a century old.
    let minutes = instance.window.length() / 60_000_000;
    let mut row = Row {
        id: String::new(),
        shift: shift.id.clone(),
        date: instance.date,
        start: instance.window.start,
        end: None,
        planned_minutes: i32::try_from(minutes).unwrap_or(i32::MAX),
        break_minutes: break_minutes(shift, instance),
    };
    row.id = row.made_id();
    row
}

/// Elapsed minutes of break: of the windows where they are known.
fn break_minutes(shift: &Shift, instance: &Instance) -> i32 {
    if shift.break_windows.is_none() {
        return shift.break_minutes;
    }
    let inside = crate::kpi::window::union(&instance.breaks);
    let us: i64 = inside.iter().map(|window| window.overlap(instance.window).length()).sum();
    i32::try_from(us / 60_000_000).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_that_somebody_corrected_is_no_longer_made() {
        let mut row = Row {
            id: String::new(),
            shift: "night".to_owned(),
            date: Date::constant(2025, 7, 1),
            start: 0,
            end: None,
            planned_minutes: 480,
            break_minutes: 30,
        };
        row.id = row.made_id();
        assert!(row.is_made());
        let late = Row { start: 60_000_000, ..row.clone() };
        let ended = Row { end: Some(1), ..row.clone() };
        let shorter = Row { planned_minutes: 420, ..row };
        assert!(!late.is_made() && !ended.is_made() && !shorter.is_made());
    }

    #[test]
    fn a_clock_is_two_numbers() {
        assert_eq!(minute("06:30"), Some(390));
        for wrong in ["24:00", "6", "06:60", "", "ab:cd"] {
            assert_eq!(minute(wrong), None, "{wrong}");
        }
    }
}
