//! How far ahead of UTC a column's readings are, from bounds that other columns set.
//!
//! Each [`Bound`] says of one row: for cause to come before effect its offset is at least this, or at
//! most that. An offset that nearly all rows allow, and that is the only one in use on earth to do so,
//! is pinned. Where no single offset fits all rows, the column changed its meaning: the rows are split
//! by their number where the readings step back, so that each part is pinned.

/// What one row allows, in µs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The row's number.
    pub id: i64,
    /// The least offset.
    pub least: i64,
    /// The greatest offset.
    pub most: i64,
}

/// No bound on this side.
pub(super) const OPEN: i64 = i64::MAX / 4;

/// Bounds this close leave no room for a second clock that differs by hours.
const CLOSE: i64 = 100 * super::times::MINUTE;

/// What a set of bounds says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fit {
    /// Offsets that fit, with the number of bounds that each breaks.
    pub(super) offsets: Vec<(i64, usize)>,
    /// The greatest of the least and the least of the greatest offsets, but for a few rows.
    pub(super) edges: (i64, i64),
}

/// Rows of which a part may contradict the others: one in 300, five at most.
fn stray(rows: usize) -> usize {
    (rows / 300).min(5)
}

/// What bounds say of the offsets in use.
pub(super) fn fit(bounds: &[Bound], offsets: &[i64]) -> Fit {
    let mut least: Vec<i64> = bounds.iter().map(|bound| bound.least).collect();
    let mut most: Vec<i64> = bounds.iter().map(|bound| bound.most).collect();
    least.sort_unstable();
    most.sort_unstable();
    let breaks = |offset: i64| {
        let above = least.len() - least.partition_point(|bound| *bound <= offset);
        above + most.partition_point(|bound| *bound < offset)
    };
    let allowed = stray(bounds.len());
    let fitting = offsets.iter().map(|offset| (*offset, breaks(*offset)));
    let edge = |at: Option<&i64>, none: i64| at.copied().unwrap_or(none);
    Fit {
        offsets: fitting.filter(|(_, breaks)| *breaks <= allowed).collect(),
        edges: (edge(least.iter().rev().nth(allowed), -OPEN), edge(most.get(allowed), OPEN)),
    }
}

impl Fit {
    fn is_closed(&self) -> bool {
        self.edges.0 > -OPEN / 2 && self.edges.1 < OPEN / 2
    }

    /// The one offset that fits; of several, the one that a clock known to write into the file has,
    /// if the bounds are close: the order of cause and effect is only told from names.
    pub(super) fn pinned(&self, known: &[i64]) -> Option<(i64, usize)> {
        if !self.is_closed() {
            return None;
        }
        if let [only] = self.offsets.as_slice() {
            return Some(*only);
        }
        let mut both = self.offsets.iter().filter(|(offset, _)| known.contains(offset));
        let only = both.next()?;
        let is_close = self.edges.1 - self.edges.0 <= CLOSE;
        (is_close && known.len() > 1 && both.next().is_none()).then_some(*only)
    }

    pub(super) fn allows(&self, offset: i64) -> bool {
        self.offsets.iter().any(|(fitting, _)| *fitting == offset)
    }
}

/// Rows up to a number, and how far ahead of UTC they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The last row; `i64::MAX` for the last segment.
    pub through: i64,
    /// The offset in µs.
    pub offset: i64,
}

/// The offset of a row.
pub(super) fn offset_of(segments: &[Segment], id: i64) -> Option<i64> {
    segments.iter().find(|segment| id <= segment.through).map(|segment| segment.offset)
}

/// What can be said without splitting, and where to split.
pub(super) struct Problem<'a> {
    /// In order of the rows.
    pub(super) bounds: &'a [Bound],
    /// In use on earth.
    pub(super) offsets: &'a [i64],
    /// Known to write into the file.
    pub(super) known: &'a [i64],
    /// What the `create table` says.
    pub(super) default: Option<i64>,
    /// Rows after which the meaning may change.
    pub(super) splits: &'a [i64],
}

/// Splits of one column.
const DEPTH_MAX: usize = 3;
/// Tries of a split that big columns can afford.
const TRIES_MAX: usize = 400;

impl Problem<'_> {
    /// The segments of a column, or nothing if the bounds do not pin each of them.
    pub(super) fn solve(&self) -> Option<Vec<Segment>> {
        let mut segments = self.part(self.bounds, i64::MAX, DEPTH_MAX)?;
        segments.dedup_by(|next, before| {
            let same = next.offset == before.offset;
            if same {
                before.through = next.through;
            }
            same
        });
        Some(segments)
    }

    fn one(&self, bounds: &[Bound]) -> Option<(i64, usize)> {
        let fit = fit(bounds, self.offsets);
        let by_default = self.default.filter(|offset| fit.allows(*offset) && fit.is_closed());
        let broken = |offset: i64| fit.offsets.iter().find(|(fitting, _)| *fitting == offset);
        fit.pinned(self.known).or_else(|| by_default.and_then(|offset| broken(offset).copied()))
    }

    fn part(&self, bounds: &[Bound], through: i64, depth: usize) -> Option<Vec<Segment>> {
        if let Some((offset, _)) = self.one(bounds) {
            return Some(vec![Segment { through, offset }]);
        }
        if depth == 0 || !fit(bounds, self.offsets).offsets.is_empty() {
            return None;
        }
        let (first, last) = (bounds.first()?.id, bounds.last()?.id);
        let tries = (TRIES_MAX * 10_000 / bounds.len().max(10_000)).max(10);
        let splits = self.splits.iter().copied().filter(|id| (first..last).contains(id));
        let mut best: Option<(usize, usize, i64)> = None;
        for id in splits.take(tries) {
            let (before, after) = bounds.split_at(bounds.partition_point(|bound| bound.id <= id));
            let (one, two) = (self.one(before), self.one(after));
            let differ = one.map(|one| one.0) != two.map(|two| two.0);
            let open = usize::from(one.is_none()) + usize::from(two.is_none());
            let broken = one.map_or(0, |one| one.1) + two.map_or(0, |two| two.1);
            if differ && open < 2 && best.is_none_or(|best| (open, broken) < (best.0, best.1)) {
                best = Some((open, broken, id));
            }
        }
        let (_, _, id) = best?;
        let (before, after) = bounds.split_at(bounds.partition_point(|bound| bound.id <= id));
        let mut segments = self.part(before, id, depth - 1)?;
        segments.extend(self.part(after, through, depth - 1)?);
        Some(segments)
    }
}

#[cfg(test)]
mod tests {
    use super::super::times::{HOUR, MINUTE};
    use super::*;

    const OFFSETS: [i64; 5] = [-HOUR, 0, HOUR, 2 * HOUR, 3 * HOUR];

    fn rows(ids: std::ops::Range<i64>, offset: i64) -> Vec<Bound> {
        let near = |id: i64| id % 37 * 7 * MINUTE;
        let bound = |id| Bound { id, least: offset - near(id), most: offset + near(id + 9) };
        ids.map(bound).collect()
    }

    fn solve(bounds: &[Bound], known: &[i64], splits: &[i64]) -> Option<Vec<Segment>> {
        Problem { bounds, offsets: &OFFSETS, known, default: None, splits }.solve()
    }

    #[test]
    fn what_both_sides_bound_is_pinned() {
        let found = solve(&rows(0..600, 2 * HOUR), &[], &[]).unwrap();
        assert_eq!(found, [Segment { through: i64::MAX, offset: 2 * HOUR }]);
    }

    #[test]
    fn one_side_is_never_enough() {
        let mut bounds = rows(0..600, 0);
        bounds.iter_mut().for_each(|bound| bound.least = -OPEN);
        assert_eq!(solve(&bounds, &[0, 2 * HOUR], &[]), None);
    }

    #[test]
    fn a_change_is_found_where_readings_step_back() {
        let mut bounds = rows(0..700, 2 * HOUR);
        bounds.extend(rows(700..1_500, 0));
        let found = solve(&bounds, &[], &[3, 699, 900]).unwrap();
        let expected =
            [Segment { through: 699, offset: 2 * HOUR }, Segment { through: i64::MAX, offset: 0 }];
        assert_eq!(found, expected);
        assert_eq!(solve(&bounds, &[], &[3, 900]), None, "no place to split is no verdict");
    }
}
