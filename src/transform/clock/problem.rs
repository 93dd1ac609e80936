//! What is wrong with a policy, with what is allowed and what was probably meant.

use super::grammar::KEYS;

/// Everything that is wrong with a policy, not just the first thing.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{}", .problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct PolicyError {
    /// One entry a mistake.
    pub problems: Vec<PolicyProblem>,
}

impl PolicyError {
    /// Whether the zone's name is (among) what is wrong: `ERR_ZONE` in the vectors.
    #[must_use]
    pub fn is_zone(&self) -> bool {
        self.problems.iter().any(|problem| matches!(problem, PolicyProblem::Zone { .. }))
    }
}

/// One mistake in a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyProblem {
    /// A zone the bundle does not have under exactly this name.
    #[error("zone {name:?} is not in the time-zone database{}", hint(.similar))]
    Zone {
        /// As given.
        name: String,
        /// The name that was probably meant.
        similar: Option<String>,
    },
    /// A key the grammar does not have.
    #[error("unknown policy key {key:?}{}; known: {}", hint(.similar), known_keys())]
    Key {
        /// As given.
        key: String,
        /// The key that was probably meant.
        similar: Option<String>,
    },
    /// A value its key does not know.
    #[error("{key}: {value:?} is not one of: {allowed}{}", hint(.similar))]
    Value {
        /// The key.
        key: String,
        /// As given.
        value: String,
        /// What the key knows.
        allowed: String,
        /// The value that was probably meant.
        similar: Option<String>,
    },
    /// A part without `=`.
    #[error("{part:?} is not key=value")]
    Shape {
        /// As given.
        part: String,
    },
    /// A key that is given more than once.
    #[error("{key} is given twice")]
    Twice {
        /// The key.
        key: String,
    },
    /// A value that only means something in a zone, where none is named.
    #[error("{key}={value} needs a zone")]
    NeedsZone {
        /// The key.
        key: String,
        /// Its value.
        value: String,
    },
}

fn hint(similar: &Option<String>) -> String {
    similar.as_ref().map_or_else(String::new, |name| format!("; did you mean {name:?}?"))
}

fn known_keys() -> String {
    KEYS.map(|(key, _)| key).join(", ")
}

pub(super) fn problem_of(key: &str, value: &str) -> PolicyProblem {
    let known = KEYS.iter().find(|(known, _)| *known == key);
    let Some((_, allowed)) = known else {
        let similar = similar(key, KEYS.iter().map(|(known, _)| *known));
        return PolicyProblem::Key { key: key.to_owned(), similar };
    };
    let words = allowed.split(", ").filter(|word| !word.contains([' ', ':']));
    PolicyProblem::Value {
        key: key.to_owned(),
        value: value.to_owned(),
        allowed: (*allowed).to_owned(),
        similar: similar(value, words),
    }
}

/// The one of `known` that is near enough to be a slip of the keyboard.
pub(super) fn similar<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let plain = |text: &str| text.to_ascii_lowercase().replace([' ', '-'], "_");
    let wanted = plain(given);
    let near = known.map(|name| (distance(&wanted, &plain(name)), name));
    let limit = if given.len() < 4 { 1 } else { 2 };
    near.filter(|(far, _)| *far <= limit).min().map(|(_, name)| name.to_owned())
}

/// Levenshtein distance in bytes.
fn distance(a: &str, b: &str) -> usize {
    if a.len().abs_diff(b.len()) > 2 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.bytes().enumerate() {
        let mut corner = i;
        let mut left = i + 1;
        for (cell, to) in row.iter_mut().skip(1).zip(b.bytes()) {
            let best = (corner + usize::from(from != to)).min(left + 1).min(*cell + 1);
            corner = *cell;
            *cell = best;
            left = best;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(usize::MAX)
}
