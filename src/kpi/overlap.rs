//! Rows that may overlap, repeat, stay open or make no sense become segments, each of one row.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::elements::{Case, Failure, StateRow};
use super::flag::{Flag, Flags};
use super::policy::Overlap;
use super::state::{Category, State};
use super::window::Window;

/// A stretch of time and the row that holds in it. Not cut at the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) row: usize,
    /// Its row is open: it ends where knowledge does, or where another row takes over.
    pub(super) open_end: bool,
}

pub(super) struct Resolved {
    /// In order, without overlap; there may be holes.
    pub(super) segments: Vec<Segment>,
    pub(super) flags: Flags,
}

/// A row that makes sense, with its end.
#[derive(Clone, Copy)]
struct Span {
    window: Window,
    row: usize,
    open: bool,
    rank: Rank,
}

/// The greatest of the rows that cover an instant holds. What only breaks ties makes the answer
/// independent of the order of the rows.
type Rank = (i64, i64, Option<State>, Option<Category>, i64, Reverse<usize>);

/// Which row holds when, and what was mended.
pub(super) fn resolve(case: &Case<'_>) -> Resolved {
    let mut flags = Flags::default();
    let spans = spans(case, &mut flags);
    let segments = if spans.is_sorted_by(|left, right| left.window.end <= right.window.start) {
        spans.iter().map(|span| segment(span, span.window)).collect()
    } else {
        layered(case, &spans, &mut flags)
    };
    Resolved { segments, flags }
}

fn segment(span: &Span, window: Window) -> Segment {
    Segment {
        start: window.start,
        end: window.end,
        row: span.row,
        open_end: span.open && window.end == span.window.end,
    }
}

/// The rows that make sense, each once, by start.
fn spans(case: &Case<'_>, flags: &mut Flags) -> Vec<Span> {
    let mut rows: Vec<(usize, &StateRow)> = case.states.iter().enumerate().collect();
    rows.retain(|(_, row)| {
        let makes_sense = row.end.is_none_or(|end| end > row.start);
        flags.raise(Flag::NonPositiveState, !makes_sense && case.window.contains(row.start));
        makes_sense
    });
    rows.sort_unstable_by_key(|(index, row)| (row.start, row.end, row.state, row.category, *index));
    rows.dedup_by_key(|(_, row)| **row);
    let mut spans = Vec::with_capacity(rows.len());
    let mut next_start = None;
    let mut last_start = None;
    // From the right, so that the next later start is known.
    for (index, row) in rows.into_iter().rev() {
        if last_start.is_some_and(|last| last > row.start) {
            next_start = last_start;
        }
        last_start = Some(row.start);
        let open = row.end.is_none() && next_start.is_none();
        let end = row.end.or(next_start).unwrap_or(case.as_of);
        let window = Window::new(row.start, end);
        if window.is_empty() {
            continue;
        }
        if !window.overlap(case.window).is_empty() {
            flags.raise(Flag::OpenStateClipped, open);
            flags.raise(Flag::UnmappedState, row.state.is_none());
            flags.raise(Flag::StateCategoryConflict, conflicts(row));
        }
        let rank = rank(case.policy.overlap, row, end, index);
        spans.push(Span { window, row: index, open, rank });
    }
    spans.reverse();
    spans
}

fn rank(overlap: Overlap, row: &StateRow, end: i64, index: usize) -> Rank {
    let severity = row.state.map_or(-1, |state| i64::from(state.severity()));
    let (first, second) = match overlap {
        Overlap::LatestStartWins => (row.start, severity),
        Overlap::Severity => (severity, row.start),
    };
    (first, second, row.state, row.category, end, Reverse(index))
}

/// A stop that is filed under production or slow running is the classic reading of it, and no conflict.
fn conflicts(row: &StateRow) -> bool {
    let (Some(state), Some(category)) = (row.state, row.category) else {
        return false;
    };
    match category {
        Category::PerformanceLoss => {
            !matches!(state.category(), Category::AvailabilityLoss | Category::Production)
        }
        Category::Production => !(state.produces() || state == State::Microstop),
        other => other != state.category(),
    }
}

/// Goes over every edge from left to right; a heap knows which of the rows that began holds.
fn layered(case: &Case<'_>, spans: &[Span], flags: &mut Flags) -> Vec<Segment> {
    let mut ends: Vec<i64> = spans.iter().map(|span| span.window.end).collect();
    ends.sort_unstable();
    let mut edges: Vec<i64> =
        ends.iter().copied().chain(spans.iter().map(|s| s.window.start)).collect();
    edges.sort_unstable();
    edges.dedup();
    let mut segments: Vec<Segment> = Vec::with_capacity(edges.len());
    let (mut begun, mut ended) = (0, 0);
    let mut heap: BinaryHeap<(Rank, usize)> = BinaryHeap::new();
    for (start, end) in edges.iter().copied().zip(edges.iter().copied().skip(1)) {
        while let Some(span) = spans.get(begun).filter(|span| span.window.start <= start) {
            heap.push((span.rank, begun));
            begun += 1;
        }
        ended += ends.iter().skip(ended).take_while(|end| **end <= start).count();
        let stretch = Window::new(start, end);
        flags.raise(Flag::Overlap, begun - ended > 1 && !stretch.overlap(case.window).is_empty());
        let holds = loop {
            let top = heap.peek().and_then(|(_, top)| spans.get(*top));
            match top {
                Some(span) if span.window.end <= start => {
                    heap.pop();
                }
                other => break other,
            }
        };
        let Some(span) = holds else { continue };
        match segments.last_mut() {
            Some(last) if last.row == span.row && last.end == start => {
                *last = segment(span, Window::new(last.start, end));
            }
            _ => segments.push(segment(span, stretch)),
        }
    }
    segments
}

/// Which segments are part of a stop that is short by the policy. A stop is measured whole: over rows that
/// follow each other, and beyond the window.
pub(super) fn short_stops(case: &Case<'_>, segments: &[Segment]) -> Vec<bool> {
    let mut short = vec![false; segments.len()];
    let Some(threshold) = case.policy.microstop_us else { return short };
    let mut first = 0;
    while first < segments.len() {
        let run = run(case, segments, first, is_stop);
        let ends = (segments.get(first), segments.get(run.saturating_sub(1)));
        if let (Some(head), Some(tail)) = ends
            && run > first
        {
            let length = tail.end.saturating_sub(head.start);
            let whole = length <= threshold && !tail.open_end;
            short.iter_mut().take(run).skip(first).for_each(|mark| *mark = whole);
        }
        first = run.max(first + 1);
    }
    short
}

/// Breakdowns in order; a stop that is short by the policy is none.
pub(super) fn failures(case: &Case<'_>, segments: &[Segment], short: &[bool]) -> Vec<Failure> {
    let mut failures = Vec::new();
    let mut first = 0;
    while first < segments.len() {
        let run = run(case, segments, first, is_failure);
        let ends = (segments.get(first), segments.get(run.saturating_sub(1)));
        if let (Some(head), Some(tail)) = ends
            && run > first
            && short.get(first) != Some(&true)
        {
            let known = !tail.open_end && tail.end <= case.as_of;
            failures.push(Failure { start: head.start, end: known.then_some(tail.end) });
        }
        first = run.max(first + 1);
    }
    failures
}

/// Where the run ends that begins at `first`: segments that touch, each as asked for.
fn run(
    case: &Case<'_>,
    segments: &[Segment],
    first: usize,
    asked: impl Fn(&Case<'_>, &StateRow) -> bool,
) -> usize {
    let mut until = None;
    let rest = segments.iter().skip(first);
    let long = rest.take_while(|segment| {
        let touches = until.is_none_or(|until| until == segment.start);
        until = Some(segment.end);
        touches && case.states.get(segment.row).is_some_and(|row| asked(case, row))
    });
    first + long.count()
}

fn is_failure(_case: &Case<'_>, row: &StateRow) -> bool {
    row.state == Some(State::Down) && row.category.is_none_or(|c| c == State::Down.category())
}

/// Idling is a stop only where orders are known of: without them it is no delay.
fn is_stop(case: &Case<'_>, row: &StateRow) -> bool {
    let stops = match row.state {
        Some(State::Microstop | State::Starved | State::Blocked | State::Down) => true,
        Some(State::Idle) => case.orders.is_some(),
        _ => false,
    };
    stops && row.category != Some(Category::Planned)
}
