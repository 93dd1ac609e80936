//! What columns say of each other, and the words in which it is told.

use super::frames::{Bound, Segment, fit};
use super::labels;
use super::profile::ColumnProfile;
use super::relations::{Key, Relation, Said};
use super::times::{Times, offset_shown};
use super::zones::{self, Group};

/// Bounds from all relations, and what is to be said about each.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) bounds: Vec<Bound>,
    /// An offset, the column it refers to, and how to say so.
    spike: Option<(i64, String, String)>,
    from: Vec<(String, bool, Vec<Bound>)>,
}

impl Heard {
    pub(super) fn take(&mut self, name: &str, relation: &Relation, key: Key, said: Said) {
        let rows = said.bounds.len() as u64;
        // Written in the same second as the other, so many times that it cannot be chance. Within a row
        // it can: an end is often computed from its start.
        let exact = said.exact.iter().max_by_key(|(_, count)| *count);
        if let Some((offset, count)) = exact.filter(|_| relation.via.is_some())
            && *count >= 20
            && count * 10 >= rows
        {
            let ahead = ahead(*offset);
            let text = format!(
                "{count} of {rows} rows are of the very second of {name} if they are {ahead}"
            );
            self.spike = Some((*offset, name.to_owned(), text));
        }
        self.bounds.extend(said.bounds.iter().copied());
        self.from.push((name.to_owned(), relation.earlier == key, said.bounds));
    }

    /// The offset by which rows fall into the same second as others, if of the clocks that are known
    /// the other columns allow this one only.
    pub(super) fn same_second(&self, offsets: &[i64], known: &[i64]) -> Option<i64> {
        let (offset, name, _) = self.spike.as_ref()?;
        let others = self.from.iter().filter(|(other, ..)| other != name);
        let bounds: Vec<Bound> = others.flat_map(|(_, _, bounds)| bounds.iter().copied()).collect();
        let (all, others) = (fit(&self.bounds, offsets), fit(&bounds, offsets));
        let mut fitting = known.iter().filter(|offset| others.allows(**offset));
        let only = fitting.next() == Some(offset) && fitting.next().is_none();
        (only && known.len() > 1 && all.allows(*offset)).then_some(*offset)
    }

    /// What the relations say of a stretch of rows: the closest bound on either side.
    pub(super) fn told(&self, from: i64, segment: Segment, ranged: bool) -> Vec<String> {
        let mut evidence: Vec<String> =
            self.spike.iter().map(|(_, _, text)| text.clone()).collect();
        let mut least: Option<(i64, &str)> = None;
        let mut most: Option<(i64, &str)> = None;
        for (name, is_earlier, bounds) in &self.from {
            let here = bounds.iter().filter(|b| (from..=segment.through).contains(&b.id));
            let here: Vec<Bound> = here.copied().collect();
            if here.is_empty() {
                continue;
            }
            let edges = fit(&here, &[]).edges;
            if *is_earlier && least.is_none_or(|(edge, _)| edges.0 > edge) {
                least = Some((edges.0, name));
            }
            if !*is_earlier && most.is_none_or(|(edge, _)| edges.1 < edge) {
                most = Some((edges.1, name));
            }
        }
        let mut words = Vec::new();
        if let Some((edge, name)) = least {
            words.push(format!("at least {}, else after {name}", offset_shown(edge)));
        }
        if let Some((edge, name)) = most {
            words.push(format!("at most {}, else before {name}", offset_shown(edge)));
        }
        if words.is_empty() {
            return evidence;
        }
        let rows = match (ranged, segment.through) {
            (false, _) => String::new(),
            (true, i64::MAX) => format!("rows from {from} are {}: ", ahead(segment.offset)),
            (true, through) => format!("rows through {through} are {}: ", ahead(segment.offset)),
        };
        evidence.push(format!("{rows}{}", words.join("; ")));
        evidence
    }
}

pub(super) fn ahead(offset: i64) -> String {
    if offset == 0 { "UTC".to_owned() } else { offset_shown(offset) }
}

pub(super) fn is_label(column: &ColumnProfile) -> bool {
    let (distinct, _) = column.distinct();
    (2..=6).contains(&distinct) && column.classes.texts == column.values() && !column.secret
}

pub(super) fn told_labels(
    label: &ColumnProfile,
    stretches: &[labels::Label],
    clock: &str,
    offset: i64,
) -> String {
    let words: Vec<String> = stretches
        .iter()
        .map(|it| {
            format!("{} is {} to {}", it.word, labels::of_day(it.start), labels::of_day(it.end))
        })
        .collect();
    let offset = ahead(offset);
    format!("`{}` says which: {} by {clock} ({offset})", label.name, words.join(", "))
}

/// What the values say of themselves.
pub(super) fn carried(column: &ColumnProfile) -> Vec<String> {
    let times = &column.times;
    let mut evidence = Vec::new();
    if times.zeds > 0 {
        evidence.push(format!("{} values end in Z", times.zeds));
    }
    if times.offsets > 0 {
        evidence.push(format!("{} values carry their offset", times.offsets));
    }
    if let Some(unit) = times.unit() {
        let (count, unit) = (times.epoch_count(), unit.word());
        evidence.push(format!("{count} numbers count {unit} since 1970 in UTC"));
    }
    evidence
}

/// What speaks against the zone that was named.
pub(super) fn against_site(times: &Times, groups: &[Group], site: &str) -> Option<String> {
    let group = groups.iter().find(|group| group.names.iter().any(|name| name == site))?;
    group.changes.iter().find_map(|change| match zones::weigh(times, change) {
        zones::Word::Against(text) => Some(format!("not {site}: {text}")),
        _ => None,
    })
}
