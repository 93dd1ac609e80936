//! Rows of `metrics`.

use super::super::plant::calendar::Calendar;
use super::super::plant::history::{Doing, History, Pieces};
use super::super::server::{Line, Pen, id};
use super::{GenerateError, MAX_DELTA, MODULUS};

/// Seconds between two readings of a counter.
const READ: i64 = 300;

/// What the counters show when the span begins: near the top, so that a slow machine's roll over.
const BEFORE: i64 = MODULUS - 700;

/// What OPC calls good.
const GOOD: i64 = 192;

/// The four counters.
const COUNTERS: [&str; 4] = ["count_total", "count_good", "count_scrap", "count_rework"];

pub(super) fn write(
    pen: &mut Pen<'_>,
    histories: &[(History, Calendar)],
) -> Result<Vec<String>, GenerateError> {
    let columns = r#"timestamp, "equipmentId", "metricType", value, unit, quality"#;
    let (mut resets, mut rollovers, mut noise) = (0, 0, 0_usize);
    for (history, _) in histories {
        let unit = id("Equipment", history.unit.code);
        let mut rows = states(history, &unit);
        let set_to_zero = set_to_zero(history);
        resets += set_to_zero.len();
        rollovers += counters(&mut rows, history, &unit, &set_to_zero);
        noise += disturb(&mut rows, history, &unit);
        pen.copy("metrics", columns, rows)?;
    }
    Ok(vec![
        format!("reset counters {resets}"),
        format!("rollover counters {rollovers}"),
        format!("bad_quality metrics rows {noise}"),
    ])
}

fn metric(at: i64, unit: &str, kind: &str, value: i64, quality: i64) -> Line {
    let measure = match kind {
        "speed" => "units/min",
        "state" => "code",
        _ => "pcs",
    };
    Line::new().time(at).text(unit).text(kind).int(value).text(measure).int(quality)
}

/// Codes of a common hub for what a unit does.
fn code(doing: Doing) -> i64 {
    match doing {
        Doing::Producing | Doing::Unseen => 10_000,
        Doing::Idle => 40_000,
        Doing::MicroStop => 50_000,
        Doing::Starved => 60_000,
        Doing::Setup => 100_000,
        Doing::Stopped(reason) => match reason.code {
            "maintenance" => 210_000,
            "material_shortage" => 60_000,
            _ if reason.planned => 150_000,
            _ => 180_000,
        },
    }
}

fn states(history: &History, unit: &str) -> Vec<Line> {
    let mut rows = Vec::new();
    for spell in &history.spells {
        rows.push(metric(spell.start, unit, "state", code(spell.doing), GOOD));
        let seen = spell.doing != Doing::Unseen;
        let mut at = spell.start - spell.start.rem_euclid(60) + 60;
        while seen && at < spell.end {
            rows.push(metric(at, unit, "state", code(spell.doing), GOOD));
            if at % READ == 0 {
                let wave = (at / 60 * 7919).rem_euclid(9) - 4;
                let runs = spell.doing == Doing::Producing;
                let speed = if runs { history.unit.rate * (90 + wave) / 100 } else { 0 };
                rows.push(metric(at, unit, "speed", speed, GOOD));
            }
            at += 60;
        }
    }
    rows
}

/// Readings that show nothing, in the pause before an order: someone set the counters to zero.
pub(super) fn set_to_zero(history: &History) -> Vec<i64> {
    let mut found: Vec<i64> = Vec::new();
    for pair in history.works.windows(2) {
        let start = pair[1].life.start;
        let at = start - start % READ;
        let after = found.last().copied().unwrap_or(history.from);
        let idle = pair[0].life.complete <= at - READ && history.from < at - READ;
        // Close to the top a drop would look like a rollover.
        let counts = raw(history.pieces(at).since(history.pieces(after)));
        let offset = if found.is_empty() { BEFORE } else { 0 };
        let low = |count: &i64| (count + offset) % MODULUS < MODULUS - 2 * MAX_DELTA;
        let clear = counts.iter().all(low);
        if idle && clear && at < history.to && start / 60 % 2 == 0 {
            found.push(at);
        }
    }
    found
}

fn raw(pieces: Pieces) -> [i64; 4] {
    [pieces.made(), pieces.good, pieces.scrap, pieces.rework]
}

/// When the counters were read, and what they showed.
pub(super) fn readings(history: &History, zeroes: &[i64]) -> Vec<(i64, [i64; 4])> {
    let mut found = Vec::new();
    for nth in (history.from / READ)..=((history.to - 1) / READ) {
        let at = nth * READ;
        if history.spell(at).is_some_and(|it| it.doing == Doing::Unseen && at > it.start) {
            continue;
        }
        let zero = zeroes.iter().rev().find(|zero| **zero <= at);
        let since = zero.copied().unwrap_or(history.from);
        let offset = if zero.is_some() { 0 } else { BEFORE };
        let counts = raw(history.pieces(at).since(history.pieces(since)));
        found.push((at, counts.map(|count| (count + offset) % MODULUS)));
    }
    found
}

/// How often the total rolled over.
pub(super) fn counters(
    rows: &mut Vec<Line>,
    history: &History,
    unit: &str,
    zeroes: &[i64],
) -> usize {
    let readings = readings(history, zeroes);
    for (at, counts) in &readings {
        for (kind, count) in COUNTERS.into_iter().zip(counts) {
            rows.push(metric(*at, unit, kind, *count, GOOD));
        }
    }
    let drops = readings.windows(2).filter(|pair| pair[1].1[0] < pair[0].1[0]);
    drops.count() - zeroes.len()
}

/// Readings that no one should trust, between the others.
fn disturb(rows: &mut Vec<Line>, history: &History, unit: &str) -> usize {
    let before = rows.len();
    for nth in (history.from / 3_600)..(history.to / 3_600) {
        let at = nth * 3_600 + 47 * (nth % 61) + 7;
        // Neither a whole minute nor the start of a spell: those are taken.
        let taken = at % 60 == 0 || history.spell(at).is_some_and(|spell| spell.start == at);
        if nth % 5 != 0 || taken {
            continue;
        }
        rows.push(metric(at, unit, "state", 180_000, 0));
        for kind in COUNTERS {
            rows.push(metric(at, unit, kind, 0, 64));
        }
    }
    rows.len() - before
}
