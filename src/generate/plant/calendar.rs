//! When people work: the shifts of each site as instants, by the clock on its wall.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::super::GenerateError;
use super::units::SITES;
use super::{DAY, HOUR};

/// A shift of a site, in local hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roster {
    /// Code of the site.
    pub site: &'static str,
    /// Code of the shift, unique in its site.
    pub code: &'static str,
    /// When it begins and ends; an end that is not later is on the next day.
    pub hours: (i8, i8),
    /// When its break of half an hour begins.
    pub break_hour: Option<i8>,
}

const fn roster(
    site: &'static str,
    code: &'static str,
    hours: (i8, i8),
    break_hour: Option<i8>,
) -> Roster {
    Roster { site, code, hours, break_hour }
}

/// Every shift there is. BP03 has none.
pub const ROSTERS: [Roster; 5] = [
    roster("BP01", "DAY", (6, 18), Some(12)),
    roster("BP01", "NIGHT", (18, 6), Some(0)),
    roster("BP02", "EARLY", (6, 14), Some(10)),
    roster("BP02", "LATE", (14, 22), Some(18)),
    roster("BP02", "NIGHT", (22, 6), None),
];

/// One shift of one day. All instants are UTC seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Code of the shift.
    pub code: &'static str,
    /// The day on which it begins, by the site's calendar: `YYYY-MM-DD`.
    pub date: String,
    /// When it begins.
    pub start: i64,
    /// When it ends: a night is 7 or 9 hours long where the clock changes.
    pub end: i64,
    /// Its break, `[start, end)`.
    pub pause: Option<(i64, i64)>,
}

/// The turns of one site, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    /// By their start; they do not overlap.
    pub turns: Vec<Turn>,
}

impl Calendar {
    /// Every turn that begins from two days before `from` until two days after `to`.
    pub fn new(site: &str, from: i64, to: i64) -> Result<Self, GenerateError> {
        let rosters: Vec<&Roster> = ROSTERS.iter().filter(|it| it.site == site).collect();
        let zone = SITES.iter().find(|it| it.0 == site).map_or("UTC", |it| it.2);
        let tz = TimeZone::get(zone)
            .map_err(|source| GenerateError::Zone { zone: zone.to_owned(), source })?;
        let mut turns = Vec::new();
        let days = (from.div_euclid(DAY) - 2)..=(to.div_euclid(DAY) + 2);
        for day in days.filter(|_| !rosters.is_empty()) {
            let date = date_of(day * DAY)?;
            for roster in &rosters {
                turns.push(turn(roster, date, &tz)?);
            }
        }
        turns.sort_by_key(|turn| turn.start);
        Ok(Self { turns })
    }

    /// Whether a break lies in `[start, end)` or near it.
    pub fn near_break(&self, start: i64, end: i64) -> bool {
        let first = self.turns.partition_point(|turn| turn.end < start - HOUR);
        let mut near = self.turns.iter().skip(first).take_while(|turn| turn.start < end + HOUR);
        near.any(|turn| turn.pause.is_some_and(|(from, to)| from < end + 60 && start < to + 60))
    }

    /// Whether a shift changes in `[start, end]`.
    pub fn changes_in(&self, start: i64, end: i64) -> bool {
        let first = self.turns.partition_point(|turn| turn.start < start);
        self.turns.get(first).is_some_and(|turn| turn.start <= end)
    }
}

/// The UTC date of an instant.
pub(crate) fn date_of(seconds: i64) -> Result<Date, GenerateError> {
    let at = jiff::Timestamp::from_second(seconds)
        .map_err(|source| GenerateError::Instant { seconds, source })?;
    Ok(jiff::tz::Offset::UTC.to_datetime(at).date())
}

fn turn(roster: &Roster, date: Date, tz: &TimeZone) -> Result<Turn, GenerateError> {
    let next = date.tomorrow().unwrap_or(date);
    let (begins, ends) = roster.hours;
    let at = |date: Date, hour: i8, minute: i8| {
        date.at(hour, minute, 0, 0)
            .to_zoned(tz.clone())
            .map(|zoned| zoned.timestamp().as_second())
            .map_err(|source| GenerateError::Instant { seconds: 0, source })
    };
    let pause = match roster.break_hour {
        Some(hour) => {
            let day = if hour < begins { next } else { date };
            Some((at(day, hour, 0)?, at(day, hour, 30)?))
        }
        None => None,
    };
    Ok(Turn {
        code: roster.code,
        date: date.to_string(),
        start: at(date, begins, 0)?,
        end: at(if ends > begins { date } else { next }, ends, 0)?,
        pause,
    })
}
