//! The policy of one column: what its values mean where they could mean several things.
//!
//! `default` or `key=value;key=value`. The first word of each list below is its default, and the
//! defaults refuse rather than guess. Spaces around keys and values do not count, the order of keys
//! does not either; a key that is given twice is an error.

use super::civil::{DAY, civil_from_days, days_from_civil, days_in_month};
use super::grammar::{
    Bounds, Date, EpochRef, Fold, Frac, Gap, H24, KEYS, Layout, Leap, Naive, Offset, Unit, Zed,
    naive_text, parse_bounds, parse_naive, parse_sentinels,
};
use super::parse;
use super::problem::{PolicyError, PolicyProblem, problem_of, similar};
use super::zone;

/// What the values of one column mean.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    zone: Option<String>,
    pub(super) naive: Naive,
    pub(super) zed: Zed,
    pub(super) offset: Offset,
    pub(super) gap: Gap,
    pub(super) fold: Fold,
    pub(super) unit: Unit,
    pub(super) epoch_ref: EpochRef,
    pub(super) date: Date,
    pub(super) h24: H24,
    pub(super) leap: Leap,
    pub(super) frac: Frac,
    pub(super) layout: Layout,
    /// Sorted, each once.
    pub(super) sentinels: Vec<String>,
    /// Those of them that are dates.
    sentinel_dates: Vec<(i64, i64, i64)>,
    pub(super) bounds: Bounds,
}

impl Policy {
    /// Reads a policy; `""` is `default`.
    ///
    /// # Errors
    /// All mistakes at once, each with what is allowed and what was probably meant.
    pub fn parse(zone: Option<&str>, policy: &str) -> Result<Policy, PolicyError> {
        let mut problems = Vec::new();
        let mut read = Policy { zone: zone.map(str::to_owned), ..Policy::default() };
        if let Some(name) = zone.filter(|name| !zone::exists(name)) {
            let similar = similar(name, zone::names());
            problems.push(PolicyProblem::Zone { name: name.to_owned(), similar });
        }
        let mut seen: Vec<&str> = Vec::new();
        let policy = policy.trim();
        let policy = if policy == "default" { "" } else { policy };
        for part in policy.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let Some((key, value)) = part.split_once('=') else {
                problems.push(PolicyProblem::Shape { part: part.to_owned() });
                continue;
            };
            let (key, value) = (key.trim(), value.trim());
            if seen.contains(&key) {
                problems.push(PolicyProblem::Twice { key: key.to_owned() });
                continue;
            }
            seen.push(key);
            if read.set(key, value).is_none() {
                problems.push(problem_of(key, value));
            }
        }
        problems.extend(read.zone_needed());
        if problems.is_empty() { Ok(read) } else { Err(PolicyError { problems }) }
    }

    /// The zone's name.
    #[must_use]
    pub fn zone(&self) -> Option<&str> {
        self.zone.as_deref()
    }

    /// Whether folds are resolved from the order of rows, which makes the column stateful.
    #[must_use]
    pub fn infers_fold(&self) -> bool {
        self.fold == Fold::Infer
    }

    /// Whether a text without `Z` or offset has a stated meaning (or is stated to have none).
    #[must_use]
    pub fn decides_naive(&self) -> bool {
        self.zone.is_some() || self.naive != Naive::Zone
    }

    /// The policy without its zone in one spelling, the same for all that mean the same.
    ///
    /// Keys in a fixed order, defaults left out, `default` if nothing is left.
    #[must_use]
    pub fn canonical(&self) -> String {
        let mut parts: Vec<String> = Vec::new();
        for (key, _) in KEYS {
            let (value, is_default) = self.get(key);
            if !is_default {
                parts.push(format!("{key}={value}"));
            }
        }
        if parts.is_empty() { "default".to_owned() } else { parts.join(";") }
    }

    fn get(&self, key: &str) -> (String, bool) {
        macro_rules! word {
            ($field:ident) => {
                (self.$field.word().to_owned(), self.$field == Default::default())
            };
        }
        match key {
            "naive" => (naive_text(self.naive), self.naive == Naive::Zone),
            "z" => word!(zed),
            "offset" => word!(offset),
            "gap" => word!(gap),
            "fold" => word!(fold),
            "unit" => word!(unit),
            "epoch_ref" => word!(epoch_ref),
            "date" => word!(date),
            "h24" => word!(h24),
            "leap" => word!(leap),
            "frac" => word!(frac),
            "layout" => word!(layout),
            "sentinel" => (self.sentinels.join(","), self.sentinels.is_empty()),
            _ => match self.bounds {
                Bounds::Pg => ("pg".to_owned(), true),
                Bounds::PgInfinity => ("pg_inf".to_owned(), false),
                Bounds::Plausible(first, last) => (format!("plausible:{first}..{last}"), false),
            },
        }
    }

    fn set(&mut self, key: &str, value: &str) -> Option<()> {
        match key {
            "naive" => self.naive = parse_naive(value)?,
            "z" => self.zed = Zed::parse(value)?,
            "offset" => self.offset = Offset::parse(value)?,
            "gap" => self.gap = Gap::parse(value)?,
            "fold" => self.fold = Fold::parse(value)?,
            "unit" => self.unit = Unit::parse(value)?,
            "epoch_ref" => self.epoch_ref = EpochRef::parse(value)?,
            "date" => self.date = Date::parse(value)?,
            "h24" => self.h24 = H24::parse(value)?,
            "leap" => self.leap = Leap::parse(value)?,
            "frac" => self.frac = Frac::parse(value)?,
            "layout" => self.layout = Layout::parse(value)?,
            "sentinel" => {
                self.sentinels = parse_sentinels(value)?;
                self.sentinel_dates = self.sentinels.iter().filter_map(|one| date(one)).collect();
            }
            "range" => self.bounds = parse_bounds(value)?,
            _ => return None,
        }
        Some(())
    }

    fn zone_needed(&self) -> Vec<PolicyProblem> {
        if self.zone.is_some() {
            return Vec::new();
        }
        let asked = [
            ("z", self.zed.word(), self.zed == Zed::Zone),
            ("offset", self.offset.word(), self.offset != Offset::Honour),
            ("epoch_ref", self.epoch_ref.word(), self.epoch_ref == EpochRef::Zone),
        ];
        let asked = asked.into_iter().filter(|(_, _, needed)| *needed);
        asked
            .map(|(key, value, _)| PolicyProblem::NeedsZone {
                key: key.to_owned(),
                value: value.to_owned(),
            })
            .collect()
    }

    /// The policy under which the date as written is midnight UTC.
    pub(super) fn for_dates(&self) -> Policy {
        Policy {
            zone: None,
            naive: Naive::Fixed(0),
            zed: if self.zed == Zed::Reject { Zed::Reject } else { Zed::Zone },
            offset: Offset::AsZone,
            epoch_ref: EpochRef::Utc,
            date: Date::Midnight,
            ..self.clone()
        }
    }

    /// Whether a trimmed text stands for NULL as a whole.
    pub(super) fn is_sentinel_text(&self, text: &[u8]) -> bool {
        self.sentinels.iter().any(|one| one.as_bytes() == text)
    }

    /// Whether an integer stands for NULL, such as `sentinel=0`.
    pub(super) fn is_sentinel_integer(&self, value: i64) -> bool {
        self.sentinels.iter().any(|one| one.parse() == Ok(value))
    }

    /// Whether a date, with whatever time, stands for NULL.
    pub(super) fn is_sentinel_date(&self, year: i64, month: i64, day: i64) -> bool {
        self.sentinel_dates.contains(&(year, month, day))
    }

    /// Whether the date of a count stands for NULL.
    pub(super) fn is_sentinel_reading(&self, reading: i64) -> bool {
        let (year, month, day) = civil_from_days(reading.div_euclid(DAY));
        self.is_sentinel_date(year, month, day)
    }

    /// The days since 2000-01-01 that stand for NULL; `None` if more than dates do.
    pub(super) fn sentinel_days(&self) -> Option<Vec<i64>> {
        let all = self.sentinel_dates.len() == self.sentinels.len();
        let dates = self.sentinel_dates.iter();
        let real = dates.filter(|(year, month, day)| {
            (1..=12).contains(month) && (1..=days_in_month(*year, *month)).contains(day)
        });
        all.then(|| real.map(|(year, month, day)| days_from_civil(*year, *month, *day)).collect())
    }

    /// The first and the last instant that is plausible.
    pub(super) fn plausible(&self) -> Option<(i64, i64)> {
        let Bounds::Plausible(first, last) = self.bounds else { return None };
        let start = days_from_civil(first, 1, 1) * DAY;
        let end = days_from_civil(last.saturating_add(1), 1, 1).checked_mul(DAY);
        Some((start, end.map_or(i64::MAX, |end| end - 1)))
    }
}

/// A sentinel of the shape `YYYY-MM-DD`.
fn date(text: &str) -> Option<(i64, i64, i64)> {
    let written = parse::parse(text.as_bytes(), Layout::Iso)?;
    written.time.is_none().then_some((written.year, written.month, written.day))
}
