//! The rows that no loader can take, spread over the export, and the truth about them.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::ops::Range;

use super::signals::Class;
use super::span::naive;
use super::{EPOCH_PART, TelemetryPlan};
use crate::generate::Rng;

/// What is wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A local time that the clocks skipped.
    SpringGap,
    /// Text that is no time.
    TimeText,
    /// No time at all.
    TimeNull,
    /// Letters in `value_int`.
    TextInInt,
    /// A zero byte in `value_text`.
    NulInText,
    /// Bytes in `value_text` that are not UTF-8.
    InvalidUtf8,
    /// JSON that breaks off.
    MalformedJson,
}

const KINDS: [(Kind, &str); 7] = [
    (Kind::SpringGap, "spring_gap"),
    (Kind::TimeText, "time_text"),
    (Kind::TimeNull, "time_null"),
    (Kind::TextInInt, "text_in_int"),
    (Kind::NulInText, "nul_in_text"),
    (Kind::InvalidUtf8, "invalid_utf8"),
    (Kind::MalformedJson, "malformed_json"),
];

/// The order in which they come: with nine, each has been and all three bad texts as well.
const ROUND: [Kind; 9] = [
    Kind::TimeText,
    Kind::SpringGap,
    Kind::TextInInt,
    Kind::NulInText,
    Kind::TimeText,
    Kind::InvalidUtf8,
    Kind::MalformedJson,
    Kind::TimeNull,
    Kind::TimeText,
];

const TIME_TEXTS: [&str; 3] = ["2024-13-45 99:00:00", "n/a", ""];
const BROKEN_JSON: [&str; 3] = ["[\"Guard open\", ", "{\"alarms\": [1,]}", "undefined"];

/// Ids that `note` names at most.
const NAMED: usize = 50;

impl Kind {
    /// The time is wrong, whatever the value.
    pub(super) fn is_time(self) -> bool {
        matches!(self, Self::SpringGap | Self::TimeText | Self::TimeNull)
    }

    fn fits(self, class: Class) -> bool {
        match self {
            Self::SpringGap | Self::TimeText | Self::TimeNull => true,
            Self::TextInInt => class == Class::Int,
            Self::NulInText | Self::InvalidUtf8 => class == Class::Text,
            Self::MalformedJson => class == Class::Json,
        }
    }
}

/// Hands out what is due, and remembers where it went.
pub(super) struct Bad {
    rng: Rng,
    gap: Option<Range<i64>>,
    rows: u64,
    first: u64,
    wanted: u64,
    planned: u64,
    texts: usize,
    waiting: VecDeque<Kind>,
    counts: [u64; KINDS.len()],
    named: Vec<(Kind, u64)>,
}

impl Bad {
    pub(super) fn new(plan: &TelemetryPlan, gap: Option<Range<i64>>) -> Self {
        Self {
            rng: Rng::new(plan.seed, "bad rows"),
            gap,
            rows: plan.rows,
            // The older logger made no mistakes.
            first: plan.rows / EPOCH_PART,
            wanted: plan.bad.min(plan.rows - plan.rows / EPOCH_PART),
            planned: 0,
            texts: 0,
            waiting: VecDeque::new(),
            counts: [0; KINDS.len()],
            named: Vec::new(),
        }
    }

    /// What is to be wrong with this row, and the text in place of the right one.
    pub(super) fn take(&mut self, row: u64, class: Class) -> Option<(Kind, Option<String>)> {
        if row <= self.first || self.counts.iter().sum::<u64>() >= self.wanted {
            return None;
        }
        // Due evenly over the first nine tenths: the last has to leave room for a row that fits.
        let due = u128::from(row - self.first) * u128::from(self.wanted + 1) * 10
            / (u128::from((self.rows - self.first).max(1)) * 9);
        while self.planned < self.wanted && u128::from(self.planned) < due {
            let nth = usize::try_from(self.planned).unwrap_or(0);
            self.waiting.push_back(ROUND[nth % ROUND.len()]);
            self.planned += 1;
        }
        let left = self.wanted - self.counts.iter().sum::<u64>();
        if left > self.rows - row {
            // No row to spare any more: what fits anywhere, now.
            self.waiting.pop_front();
            return Some(self.make(Kind::TimeText, row));
        }
        let place = self.waiting.iter().position(|kind| kind.fits(class))?;
        let kind = self.waiting.remove(place)?;
        Some(self.make(kind, row))
    }

    fn make(&mut self, kind: Kind, row: u64) -> (Kind, Option<String>) {
        let (kind, text) = match (kind, &self.gap) {
            (Kind::SpringGap, Some(gap)) => {
                (kind, Some(naive(self.rng.between(gap.start, gap.end - 1))))
            }
            // A zone without summer time has no gap.
            (Kind::SpringGap | Kind::TimeText, _) => {
                self.texts += 1;
                (Kind::TimeText, Some(TIME_TEXTS[self.texts % TIME_TEXTS.len()].to_owned()))
            }
            (Kind::TextInInt, _) => (kind, Some("abc".to_owned())),
            (Kind::NulInText, _) => (kind, Some("jam\0ned".to_owned())),
            (Kind::MalformedJson, _) => (kind, Some(self.rng.pick(&BROKEN_JSON).to_owned())),
            (Kind::TimeNull | Kind::InvalidUtf8, _) => (kind, None),
        };
        for (place, (known, _)) in KINDS.iter().enumerate() {
            self.counts[place] += u64::from(*known == kind);
        }
        if self.named.len() < NAMED {
            self.named.push((kind, row));
        }
        (kind, text)
    }

    /// `bad_rows 9 spring_gap=1:512 time_text=3:401,702,990 …`: the count, then kind=count:ids.
    /// With more than 50 rows the ids are those of the first 50.
    pub(super) fn note(&self) -> String {
        let mut note = format!("bad_rows {}", self.counts.iter().sum::<u64>());
        for ((kind, name), count) in KINDS.iter().zip(self.counts) {
            let of_kind = self.named.iter().filter(|(known, _)| known == kind);
            let ids: Vec<String> = of_kind.map(|(_, id)| id.to_string()).collect();
            // Writing to a string does not fail.
            write!(note, " {name}={count}:{}", ids.join(",")).ok();
        }
        note
    }
}
