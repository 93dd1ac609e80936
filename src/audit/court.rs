//! How a judgement is reached: what is known spreads from column to column until nothing is added.

use super::defaults::{self, Written};
use super::frames::{Segment, fit};
use super::hearing::{Heard, against_site, ahead, carried};
use super::judge::{Judged, Verdict};
use super::profile::ColumnProfile;
use super::read::{Facts, File};
use super::relations::{self, Key, Part, Relation};
use super::times::{DAY, MINUTE, SECOND, length_shown, offset_shown, shown};
use super::zones::{self, Group};
use super::{AuditError, Options};

/// Everything a judgement rests on.
pub(super) struct Court<'a> {
    pub(super) file: &'a File,
    pub(super) tables: &'a [Facts],
    pub(super) columns: &'a [Vec<ColumnProfile>],
    pub(super) options: &'a Options,
    pub(super) judged: Vec<Judged>,
    relations: Vec<Relation>,
    /// In use on earth in these years.
    pub(super) offsets: Vec<i64>,
    /// Of the clocks that are known to write into the file.
    pub(super) known: Vec<i64>,
}

impl<'a> Court<'a> {
    pub(super) fn new(
        file: &'a File,
        tables: &'a [Facts],
        columns: &'a [Vec<ColumnProfile>],
        options: &'a Options,
    ) -> Self {
        Self {
            file,
            tables,
            columns,
            options,
            judged: Vec::new(),
            relations: Vec::new(),
            offsets: Vec::new(),
            known: Vec::new(),
        }
    }

    pub(super) fn column(&self, key: Key) -> Option<&'a ColumnProfile> {
        self.columns.get(key.0)?.get(key.1)
    }

    pub(super) fn name(&self, key: Key) -> String {
        let table = self.tables.get(key.0).map_or("", |table| &table.entry.name);
        format!("{table}.{}", self.column(key).map_or("", |column| &column.name))
    }

    fn judged(&self, key: Key) -> Option<&Judged> {
        self.judged.iter().find(|judged| judged.key == key)
    }

    fn frames(&self, key: Key) -> Option<&[Segment]> {
        match &self.judged(key)?.verdict {
            Verdict::Frames(segments) => Some(segments),
            // Instants need no frame; an empty list is never asked for one.
            Verdict::Explicit => Some(&[]),
            _ => None,
        }
    }

    pub(super) fn default_of(&self, key: Key) -> Option<(&'a str, Written)> {
        let default = self.tables.get(key.0)?.defaults.get(&self.column(key)?.name)?;
        Some((default, defaults::written(default)?))
    }

    /// What values carry themselves, and what changes of the clocks prove.
    pub(super) fn open(&mut self) {
        let mut range: Option<(i64, i64)> = None;
        for (table, columns) in self.columns.iter().enumerate() {
            for (index, column) in columns.iter().enumerate() {
                let verdict = if column.is_unused_time() {
                    Verdict::Unused
                } else if !column.is_time() {
                    continue;
                } else if column.times.readings == 0 {
                    Verdict::Explicit
                } else {
                    Verdict::Open
                };
                if let Some((low, high)) = column.times.reading_range {
                    let (a, b) = range.unwrap_or((low, high));
                    range = Some((a.min(low), b.max(high)));
                }
                let evidence = carried(column);
                let key = (table, index);
                self.judged.push(Judged { key, verdict, evidence, against: Vec::new() });
            }
        }
        let Some(range) = range else { return };
        self.offsets = zones::offsets_in_use(&zones::groups(range));
        self.known = self.site_offsets(range);
        let mut cached: Vec<((i64, i64), Vec<Group>)> = Vec::new();
        for index in 0..self.judged.len() {
            let Some(judged) = self.judged.get(index) else { continue };
            let Some(column) = self.column(judged.key) else { continue };
            let Some(range) = column.times.reading_range else { continue };
            if judged.verdict != Verdict::Open || column.times.is_schedule() {
                continue;
            }
            let groups = match cached.iter().find(|(known, _)| *known == range) {
                Some((_, groups)) => groups.clone(),
                None => {
                    cached.push((range, zones::groups(range)));
                    cached.last().map(|(_, groups)| groups.clone()).unwrap_or_default()
                }
            };
            self.prove_zone(index, column, &groups);
        }
    }

    /// The offsets of the zone that was named on the command line.
    fn site_offsets(&self, (low, high): (i64, i64)) -> Vec<i64> {
        let zone = self.options.site_zone.as_deref().and_then(zones::zone);
        let Some(zone) = zone else { return Vec::new() };
        let ends = [low, high, low.midpoint(high)];
        let mut offsets: Vec<i64> =
            ends.iter().filter_map(|at| zones::offset_at(&zone, *at)).collect();
        offsets.sort_unstable();
        offsets.dedup();
        offsets
    }

    fn prove_zone(&mut self, index: usize, column: &ColumnProfile, groups: &[Group]) {
        let mut proven = zones::proven(&column.times, groups);
        let site = self.options.site_zone.as_deref().unwrap_or_default();
        if proven.len() > 1
            && let Some(own) =
                proven.iter().position(|(group, _)| group.names.iter().any(|name| name == site))
        {
            proven = vec![proven.swap_remove(own)];
        }
        let against = against_site(&column.times, groups, site);
        let Some(judged) = self.judged.get_mut(index) else { return };
        judged.evidence.extend(against);
        match proven.as_slice() {
            [] => {}
            [(group, evidence)] => {
                judged.evidence.extend(evidence.iter().cloned());
                if let Some(seam) = column.times.seams.first() {
                    let (low, high) = zones::seam_offsets(seam);
                    let between = format!("{} and {}", offset_shown(low), offset_shown(high));
                    judged.evidence.push(format!(
                        "where instants turn to readings, the readings are between {between} ahead"
                    ));
                }
                let mut names = group.names.clone();
                let own = names.iter().position(|name| name == site).unwrap_or(0);
                let name = names.remove(own);
                judged.verdict = Verdict::Zone(name, names);
            }
            several => {
                let names: Vec<&str> = several
                    .iter()
                    .filter_map(|(group, _)| group.names.first().map(String::as_str))
                    .collect();
                let evidence = several.iter().flat_map(|(_, evidence)| evidence.first()).next();
                judged.evidence.extend(evidence.cloned());
                judged.evidence.push(format!(
                    "local time with summer time, of {} or a zone like it: --site-zone would tell",
                    names.join(", of ")
                ));
            }
        }
    }

    /// Columns whose default says whose clock fills them in, and that nothing contradicts.
    pub(super) fn take_defaults(&mut self) -> Result<(), AuditError> {
        let mut parts = Vec::new();
        for judged in &mut self.judged {
            let Some(column) =
                self.columns.get(judged.key.0).and_then(|columns| columns.get(judged.key.1))
            else {
                continue;
            };
            let role = relations::role(&column.name);
            if !column.times.is_schedule() && judged.verdict != Verdict::Unused {
                parts.push(Part { key: judged.key, role });
            }
        }
        self.relations = relations::all(self.tables, &parts);
        let mut taken = Vec::new();
        for index in 0..self.judged.len() {
            let Some(judged) = self.judged.get(index) else { continue };
            let (key, open) = (judged.key, judged.verdict == Verdict::Open);
            let Some((default, written)) = self.default_of(key) else { continue };
            let Some(column) = self.column(key).filter(|_| open) else { continue };
            let steady = !(column.times.is_rising() && column.times.step_back_count > 0);
            let text = match written {
                Written::Ahead(offset) => {
                    if steady {
                        taken.push((index, offset));
                    }
                    format!("the schema fills in {default}, which is {}", ahead(offset))
                }
                Written::Local => format!("the schema fills in {default}: the server's local time"),
            };
            if let Written::Ahead(offset) = written
                && !self.known.contains(&offset)
            {
                self.known.push(offset);
            }
            self.add_evidence(index, text);
            if written == Written::Local {
                self.take_local(index);
            }
        }
        for (index, offset) in &taken {
            self.set(*index, vec![Segment { through: i64::MAX, offset: *offset }]);
        }
        let mut wrong = Vec::new();
        for (index, offset) in taken {
            let Some(key) = self.judged.get(index).map(|judged| judged.key) else { continue };
            let heard = self.hear(key)?;
            if !heard.bounds.is_empty() && !fit(&heard.bounds, &self.offsets).allows(offset) {
                wrong.push((index, "other columns contradict it".to_owned()));
            } else if let Some(text) = self.in_the_future(key, offset) {
                wrong.push((index, text));
            }
        }
        for (index, text) in wrong {
            self.add_evidence(index, text);
            if let Some(judged) = self.judged.get_mut(index) {
                judged.verdict = Verdict::Open;
            }
        }
        Ok(())
    }

    /// A column of the server's local time, if the site's zone was named and nothing speaks against it.
    fn take_local(&mut self, index: usize) {
        let Some(site) = self.options.site_zone.clone() else { return };
        let Some(judged) = self.judged.get_mut(index) else { return };
        if judged.evidence.iter().any(|text| text.starts_with("not ")) {
            return;
        }
        judged.evidence.push(format!("{site} was named as the site's zone"));
        judged.verdict = Verdict::Zone(site, Vec::new());
    }

    /// What was written cannot be later than the file was changed last.
    fn in_the_future(&self, key: Key, offset: i64) -> Option<String> {
        let (_, newest) = self.column(key)?.times.reading_range?;
        let late = newest - offset - self.options.modified?;
        let length = length_shown(late);
        // Clocks differ by minutes; plans lie days ahead.
        (10 * MINUTE..DAY).contains(&late).then(|| {
            format!("but so the newest would lie {length} after the file's own last change")
        })
    }

    pub(super) fn add_evidence(&mut self, index: usize, text: String) {
        if let Some(judged) = self.judged.get_mut(index) {
            judged.evidence.push(text);
        }
    }

    pub(super) fn set(&mut self, index: usize, segments: Vec<Segment>) {
        if let Some(judged) = self.judged.get_mut(index) {
            judged.verdict = Verdict::Frames(segments);
        }
    }

    /// What all known columns say of one.
    fn hear(&self, key: Key) -> Result<Heard, AuditError> {
        let mut heard = Heard::default();
        for relation in &self.relations {
            let other = if relation.earlier == key {
                relation.later
            } else if relation.later == key {
                relation.earlier
            } else {
                continue;
            };
            let Some(frames) = self.frames(other) else { continue };
            let said = relations::bounds(self.file, self.tables, relation, key, frames)?;
            heard.take(&self.name(other), relation, key, said);
        }
        heard.bounds.sort_by_key(|bound| bound.id);
        Ok(heard)
    }

    /// One round: whoever can be pinned by what is known by now is known from now on.
    pub(super) fn spread(&mut self) -> Result<bool, AuditError> {
        let mut found = false;
        for index in 0..self.judged.len() {
            let Some(judged) = self.judged.get(index) else { continue };
            let key = judged.key;
            let scheduled = self.column(key).is_none_or(|column| column.times.is_schedule());
            if judged.verdict != Verdict::Open || scheduled {
                continue;
            }
            let heard = self.hear(key)?;
            if heard.bounds.is_empty() {
                continue;
            }
            if let Some(segments) = self.pin(key, &heard) {
                self.conclude(index, &heard, segments)?;
                found = true;
            }
        }
        Ok(found)
    }

    /// For what stays open: what is known all the same.
    pub(super) fn leftovers(&mut self) -> Result<(), AuditError> {
        for index in 0..self.judged.len() {
            let Some(judged) = self.judged.get(index) else { continue };
            let key = judged.key;
            if judged.verdict != Verdict::Open {
                continue;
            }
            let heard = self.hear(key)?;
            let mut evidence =
                heard.told(i64::MIN, Segment { through: i64::MAX, offset: 0 }, false);
            if let Some(newest) = self.newest(key) {
                evidence.push(newest);
            }
            let summer = judged.evidence.iter().any(|text| text.starts_with("local time with"));
            if evidence.is_empty() && !summer {
                evidence.push("nothing in the file relates it to a clock that is known".to_owned());
            }
            if let Some(judged) = self.judged.get_mut(index) {
                judged.evidence.extend(evidence);
            }
        }
        Ok(())
    }

    /// The newest reading against the file's own time: weak, as a file is copied and restored.
    fn newest(&self, key: Key) -> Option<String> {
        let modified = self.options.modified?;
        let (_, newest) = self.column(key)?.times.reading_range?;
        let ahead = newest - modified;
        let near = ahead.abs() < 26 * 3_600 * SECOND;
        near.then(|| {
            let side = if ahead < 0 { "before" } else { "after" };
            let length = length_shown(ahead.abs());
            format!("newest {} is {length} {side} the file's own time in UTC (weak)", shown(newest))
        })
    }
}
