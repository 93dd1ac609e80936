//! From what columns say of one to its frames: where it changed, and which rows fit nothing.

use super::AuditError;
use super::court::Court;
use super::defaults::Written;
use super::frames::{Problem, Segment, offset_of};
use super::hearing::Heard;
use super::judge::Verdict;
use super::relations::Key;
use super::times::length_shown;

/// Rows on either side of a step back among which the stray ones are looked for.
const NEAR: i64 = 50;
/// Rows that may be set aside though only their neighbours are wrong.
const FEW: usize = 4;
/// Rows that are named.
const AGAINST_MAX: usize = 100;

impl Court<'_> {
    pub(super) fn pin(&self, key: Key, heard: &Heard) -> Option<Vec<Segment>> {
        if let Some(offset) = heard.same_second(&self.offsets, &self.known) {
            return Some(vec![Segment { through: i64::MAX, offset }]);
        }
        let default = match self.default_of(key) {
            Some((_, Written::Ahead(offset))) => Some(offset),
            _ => None,
        };
        let splits = self.splits(key);
        let (offsets, known) = (&self.offsets, &self.known);
        Problem { bounds: &heard.bounds, offsets, known, default, splits: &splits }.solve()
    }

    /// Where a column may change its meaning: where it steps back, or where one beside it changed.
    fn splits(&self, key: Key) -> Vec<i64> {
        let mut splits: Vec<i64> = Vec::new();
        for other in self.judged.iter().filter(|other| other.key.0 == key.0) {
            if let Verdict::Frames(segments) = &other.verdict {
                let ends = segments.iter().map(|segment| segment.through);
                splits.extend(ends.filter(|through| *through < i64::MAX));
            }
        }
        if let Some(times) = self.column(key).map(|column| &column.times).filter(|t| t.is_rising())
        {
            // The longest steps first: they are tried while there is time.
            let mut steps = times.steps_back.clone();
            steps.sort_by_key(|step| step.to - step.from);
            splits.extend(steps.iter().map(|step| step.ids.0));
        }
        splits
    }

    pub(super) fn conclude(
        &mut self,
        index: usize,
        heard: &Heard,
        segments: Vec<Segment>,
    ) -> Result<(), AuditError> {
        let Some(key) = self.judged.get(index).map(|judged| judged.key) else { return Ok(()) };
        let mut evidence = Vec::new();
        let mut from = i64::MIN;
        for segment in &segments {
            evidence.extend(heard.told(from, *segment, segments.len() > 1));
            from = segment.through.saturating_add(1);
        }
        let mut against: Vec<i64> = heard
            .bounds
            .iter()
            .filter(|bound| {
                offset_of(&segments, bound.id)
                    .is_some_and(|offset| offset < bound.least || offset > bound.most)
            })
            .map(|bound| bound.id)
            .collect();
        if segments.len() > 1 {
            let (text, astray) = self.changes(key, &segments)?;
            evidence.splice(0..0, text);
            against.extend(astray);
        }
        against.sort_unstable();
        against.dedup();
        if !against.is_empty() {
            let ids: Vec<String> = against.iter().take(8).map(i64::to_string).collect();
            let more = if against.len() > 8 { " …" } else { "" };
            evidence.push(format!("does not fit rows {}{more}", ids.join(", ")));
        }
        against.truncate(AGAINST_MAX);
        for segment in &segments {
            if !self.known.contains(&segment.offset) {
                self.known.push(segment.offset);
            }
        }
        if let Some(judged) = self.judged.get_mut(index) {
            judged.evidence.extend(evidence);
            judged.against = against;
            judged.verdict = Verdict::Frames(segments);
        }
        Ok(())
    }

    /// The steps back at the changes, and rows that run ahead of those after them or behind those before.
    fn changes(
        &self,
        key: Key,
        segments: &[Segment],
    ) -> Result<(Vec<String>, Vec<i64>), AuditError> {
        let (mut text, mut astray) = (Vec::new(), Vec::new());
        let (Some(column), Some(table)) = (self.column(key), self.tables.get(key.0)) else {
            return Ok((text, astray));
        };
        if !column.times.is_rising() {
            return Ok((text, astray));
        }
        for step in &column.times.steps_back {
            let (last, next) = step.ids;
            if segments.iter().any(|segment| segment.through == last) {
                let back = length_shown(step.from - step.to);
                text.push(format!("rises with the key, and steps back by {back} after row {last}"));
                continue;
            }
            let rows = self.file.around(table, &column.name, (last - NEAR, next + NEAR))?;
            let ahead = rows.iter().filter(|(id, at)| *id <= last && *at > step.to);
            let behind = rows.iter().filter(|(id, at)| *id >= next && *at < step.from);
            let (ahead, behind): (Vec<_>, Vec<_>) = (ahead.collect(), behind.collect());
            // Which side is off the order does not say: rows are set aside on both, if they are few.
            let few = ahead.len().min(behind.len()).max(FEW);
            let sides = [ahead, behind].into_iter().filter(|side| side.len() <= few);
            astray.extend(sides.flatten().map(|(id, _)| *id));
        }
        Ok((text, astray))
    }
}
