//! Schedules: columns whose times of day are so few that somebody planned them.

use super::AuditError;
use super::court::Court;
use super::frames::Segment;
use super::hearing::{is_label, told_labels};
use super::judge::Verdict;
use super::labels;
use super::relations::{self, Key, Role};

impl Court<'_> {
    /// Schedules, whose times of day are few: by the words beside them.
    pub(super) fn schedules(&mut self) -> Result<(), AuditError> {
        for index in 0..self.judged.len() {
            let Some(judged) = self.judged.get(index) else { continue };
            let key = judged.key;
            let Some(column) = self.column(key).filter(|column| column.times.is_schedule()) else {
                continue;
            };
            if judged.verdict != Verdict::Open {
                continue;
            }
            let mut days = column.times.times_of_day.clone();
            days.sort_unstable();
            let days: Vec<String> = days.iter().map(|at| labels::of_day(*at)).collect();
            self.add_evidence(index, format!("a schedule: every value is at {}", days.join(", ")));
            if let Some((offset, text)) = self.by_labels(key)? {
                self.add_evidence(index, text);
                self.set(index, vec![Segment { through: i64::MAX, offset }]);
            }
        }
        Ok(())
    }

    fn by_labels(&self, key: Key) -> Result<Option<(i64, String)>, AuditError> {
        let (Some(own), Some(table)) = (self.columns.get(key.0), self.tables.get(key.0)) else {
            return Ok(None);
        };
        let role = relations::role(self.column(key).map_or("", |column| &column.name));
        if !matches!(role, Role::Start | Role::End) {
            return Ok(None);
        }
        let words = own.iter().filter(|column| is_label(column));
        for label in words {
            for known in &self.judged {
                let Verdict::Frames(segments) = &known.verdict else { continue };
                let [segment] = segments.as_slice() else { continue };
                let beside = self.columns.get(known.key.0).into_iter().flatten();
                let same = beside.filter(|c| is_label(c)).any(|c| c.name == label.name);
                let (Some(other), Some(time)) =
                    (self.tables.get(known.key.0), self.column(known.key))
                else {
                    continue;
                };
                if !same || time.times.is_schedule() {
                    continue;
                }
                let names = (label.name.as_str(), time.name.as_str());
                let Some(stretches) = labels::stretches(self.file, other, names)? else { continue };
                let own_name = self.column(key).map_or("", |column| &column.name);
                let own_names = (label.name.as_str(), own_name);
                if let Some(shift) = labels::shift(self.file, table, own_names, role, &stretches)? {
                    return Ok(Some((
                        segment.offset + shift,
                        told_labels(label, &stretches, &self.name(known.key), segment.offset),
                    )));
                }
            }
        }
        Ok(None)
    }
}
