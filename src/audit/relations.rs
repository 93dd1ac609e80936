//! Which times of a file come before which: inside a row, and between a row and the one it refers to.
//!
//! The order is told from names (created ≤ started ≤ ended; what belongs to an order lies inside it), so
//! it is only ever used where it bounds a column from both sides, and never against the data.

use super::AuditError;
use super::frames::{Bound, OPEN, Segment, offset_of};
use super::read::{Facts, File, Pair};
use super::references::ForeignKey;
use super::times::{BIN, HOUR, MINUTE, Moment, Reader};

/// A column by the places of its table and itself.
pub(super) type Key = (usize, usize);

/// What a time means in the life of its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Created,
    Start,
    End,
    /// Written again and again: it lies anywhere after.
    Later,
    /// Any other.
    Event,
}

/// The role that a column's name gives it.
pub(super) fn role(name: &str) -> Role {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() {
            words.push('_');
        }
        words.extend(letter.to_lowercase());
    }
    let is = |list: &[&str]| words.split(['_', ' ', '-', '.']).any(|word| list.contains(&word));
    if is(&["last", "updated", "modified", "changed"]) {
        Role::Later
    } else if is(&["created", "inserted", "entered", "added"]) {
        Role::Created
    } else if is(&["start", "started", "begin", "began", "opened", "from"]) {
        Role::Start
    } else if is(&["end", "ended", "finish", "finished", "complete", "completed", "closed", "to"]) {
        Role::End
    } else {
        Role::Event
    }
}

/// One time that is never after another.
#[derive(Clone, Debug)]
pub(super) struct Relation {
    pub(super) earlier: Key,
    pub(super) later: Key,
    /// The child's table and its reference; nothing within a row.
    pub(super) via: Option<(usize, ForeignKey)>,
}

/// A column that takes part: where it is and what it means.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) key: Key,
    pub(super) role: Role,
}

/// All relations between columns.
pub(super) fn all(tables: &[Facts], parts: &[Part]) -> Vec<Relation> {
    let mut relations = Vec::new();
    let of = |table: usize, role: Role| {
        parts.iter().find(|part| part.key.0 == table && part.role == role).map(|part| part.key)
    };
    for (index, table) in tables.iter().enumerate() {
        let (created, start, end) =
            (of(index, Role::Created), of(index, Role::Start), of(index, Role::End));
        for (earlier, later) in [(created, start), (start, end), (created, end)] {
            if let (Some(earlier), Some(later)) = (earlier, later) {
                relations.push(Relation { earlier, later, via: None });
            }
        }
        for key in &table.foreign_keys {
            let parent = tables.iter().position(|other| other.entry.name == key.parent);
            let Some(parent) = parent.filter(|parent| *parent != index) else { continue };
            // Only what has a beginning and an end holds other things inside.
            let (Some(start), Some(end)) = (of(parent, Role::Start), of(parent, Role::End)) else {
                continue;
            };
            let inside = parts.iter().filter(|p| p.key.0 == index && p.role != Role::Later);
            for part in inside {
                let via = Some((index, key.clone()));
                relations.push(Relation { earlier: start, later: part.key, via: via.clone() });
                relations.push(Relation { earlier: part.key, later: end, via });
            }
        }
    }
    relations
}

/// What a relation says of one of its columns.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) bounds: Vec<Bound>,
    /// Differences (reading less instant) that are whole quarter hours to the second, counted.
    pub(super) exact: Vec<(i64, u64)>,
}

/// Reads the rows of a relation and bounds `subject` by the other column, whose frames are known.
pub(super) fn bounds(
    file: &File,
    tables: &[Facts],
    relation: &Relation,
    subject: Key,
    known: &[Segment],
) -> Result<Said, AuditError> {
    let mut reader = Reader::new()?;
    let mut said = Said::default();
    let is_earlier = relation.earlier == subject;
    let (child, parent) = ends(relation);
    let subject_is_child = child == subject;
    let mut each = |pair: Pair<'_>| {
        let moments = (reader.read(pair.first), reader.read(pair.second));
        let ((own, own_id), (other, other_id)) = if subject_is_child {
            ((moments.0, pair.ids.0), (moments.1, pair.ids.1))
        } else {
            ((moments.1, pair.ids.1), (moments.0, pair.ids.0))
        };
        let Some(Moment::Reading(own)) = own else { return };
        let instant = match other {
            Some(Moment::Reading(at)) => offset_of(known, other_id).map(|offset| at - offset),
            Some(Moment::Zed(at) | Moment::Offset(at) | Moment::Epoch(_, at)) => Some(at),
            Some(Moment::Date(_)) | None => None,
        };
        let Some(instant) = instant else { return };
        let edge = own - instant;
        let (least, most) = if is_earlier { (edge, OPEN) } else { (-OPEN, edge) };
        said.bounds.push(Bound { id: own_id, least, most });
        // Whole minutes are planned; what happens has seconds.
        let happened = own.rem_euclid(MINUTE) != 0;
        if happened && edge % BIN == 0 && edge.abs() <= 15 * HOUR {
            match said.exact.iter_mut().find(|(difference, _)| *difference == edge) {
                Some((_, count)) => *count += 1,
                None => said.exact.push((edge, 1)),
            }
        }
    };
    let name = |key: Key| {
        tables.get(key.0).and_then(|table| table.entry.columns.get(key.1)).map_or("", |c| &c.name)
    };
    match &relation.via {
        None => {
            if let Some(table) = tables.get(child.0) {
                file.in_row(table, (name(child), name(parent)), &mut each)?;
            }
        }
        Some((_, key)) => {
            if let (Some(table), Some(above)) = (tables.get(child.0), tables.get(parent.0)) {
                file.with_parent((table, name(child)), key, (above, name(parent)), &mut each)?;
            }
        }
    }
    Ok(said)
}

/// The column that is read first (the child's) and the other.
fn ends(relation: &Relation) -> (Key, Key) {
    match &relation.via {
        Some((child, _)) if relation.later.0 == *child => (relation.later, relation.earlier),
        _ => (relation.earlier, relation.later),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_come_from_whole_words() {
        for (name, expected) in [
            ("created_at", Role::Created),
            ("startTime", Role::Start),
            ("complete_time", Role::End),
            ("last_login", Role::Later),
            ("update_time", Role::Event),
            ("sender", Role::Event),
        ] {
            assert_eq!(role(name), expected, "{name}");
        }
    }
}
