//! What a run did, unit by unit, and how it is told.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::civil::Date;
use serde_json::{Value, json};

use super::Trouble;
use super::compute::{Done, Request};
use super::show::Group;
use crate::observe::report::{Report, Table};
use crate::sink::session::Server;

/// What became of the shifts of one unit.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) code: String,
    /// Computed, and written or to be written.
    pub(super) changed: u64,
    /// Inputs as they were.
    pub(super) unchanged: u64,
    /// Left as they are, since what they were computed from is gone.
    pub(super) kept: u64,
    /// Without a reason any more.
    pub(super) removed: u64,
    /// Dates that have or had a result.
    pub(super) dates: BTreeSet<Date>,
    /// Flags of what was computed or found as it was, counted.
    pub(super) flags: BTreeMap<String, u64>,
    pub(super) troubles: Vec<Trouble>,
}

impl Tally {
    /// Adds another one's figures; the code stays.
    pub(super) fn add(&mut self, other: &Self) {
        self.changed += other.changed;
        self.unchanged += other.unchanged;
        self.kept += other.kept;
        self.removed += other.removed;
        self.dates.extend(&other.dates);
        for (flag, count) in &other.flags {
            *self.flags.entry(flag.clone()).or_default() += count;
        }
        self.troubles.extend(other.troubles.iter().cloned());
    }

    /// Counts the flags of one shift.
    pub(super) fn raise<'a>(&mut self, flags: impl IntoIterator<Item = &'a str>) {
        for flag in flags {
            *self.flags.entry(flag.to_owned()).or_default() += 1;
        }
    }

    pub(super) fn shifts(&self) -> u64 {
        self.changed + self.unchanged + self.kept
    }
}

/// A year of a plant may have thousands of broken shifts; some of them tell what is wrong.
const TROUBLES_SHOWN: usize = 50;

/// What a run did.
pub(super) fn report(
    server: &Server,
    request: &Request,
    done: &Done,
    rates: &HashMap<&str, &Group>,
) -> Report {
    let mut report = Report::new(format!("oee compute in {}", server.describe()));
    let columns = [
        "equipment",
        "shifts",
        "changed",
        "unchanged",
        "kept",
        "removed",
        "OEE %",
        "availability %",
        "effectiveness %",
        "quality %",
        "flags",
    ];
    let mut table = Table::new("Equipment", &columns);
    let mut all = Tally::default();
    for unit in &done.units {
        all.add(unit);
        let mut row = vec![
            json!(unit.code),
            json!(unit.shifts()),
            json!(unit.changed),
            json!(unit.unchanged),
            json!(unit.kept),
            json!(unit.removed),
        ];
        row.extend(rates.get(unit.code.as_str()).map_or([const { Value::Null }; 4], |g| g.rates()));
        let flags: Vec<String> = unit.flags.iter().map(|(flag, n)| format!("{flag} {n}")).collect();
        row.push(json!(flags.join(", ")));
        table.push(row);
    }
    report.tables.push(table);
    let mut troubles = Table::new("Not computed", &["where", "why"]);
    for trouble in done.troubles.iter().take(TROUBLES_SHOWN) {
        troubles.push(vec![json!(trouble.place), json!(trouble.why)]);
    }
    report.tables.push(troubles);
    let (made, obsolete, with_them) = done.instances;
    report.fact("shifts", all.shifts());
    report.fact("changed", all.changed);
    report.fact("unchanged", all.unchanged);
    report.fact("kept", all.kept);
    report.fact("removed", all.removed + with_them);
    report.fact("shift_instances_made", made);
    report.fact("shift_instances_removed", obsolete);
    report.fact("failed", done.troubles.len());
    report.fact("seconds", (done.seconds * 100.0).round() / 100.0);
    report.fact("shifts_per_s", (all.shifts() as f64 / done.seconds.max(0.001)).round());
    done.notes.iter().for_each(|note| report.note(note));
    if done.troubles.len() > TROUBLES_SHOWN {
        report
            .note(format!("{} more could not be computed.", done.troubles.len() - TROUBLES_SHOWN));
    }
    if all.kept > 0 {
        report.note(format!(
            "{} results were kept: the rows that they were computed from are gone, and what is left says less.",
            all.kept
        ));
    }
    if request.dry_run {
        report.note("Nothing was written: this was a dry run.");
    }
    if !done.troubles.is_empty() {
        report.outcome = "failed".to_owned();
    }
    report
}
