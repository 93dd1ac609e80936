//! What is sampled and counted.

use super::super::plant::calendar::Calendar;
use super::super::plant::history::{Doing, History, Noted, Pieces, Spell};
use super::super::plant::truth::{Correction, Record};
use super::super::plant::{DAY, HOUR};
use super::super::server::{Line, Pen, Span};
use super::schema::DEFECTS;
use super::{GenerateError, Rng, SLOT, id, row_id};

pub(super) fn write(
    pen: &mut Pen<'_>,
    span: &Span,
    histories: &[(History, Calendar)],
    records: &[Record],
) -> Result<(), GenerateError> {
    let columns = r#""id", "timestamp", "workUnitId", "actualSpeed", "targetSpeed""#;
    let samples = histories.iter().enumerate().flat_map(|(nth, (history, _))| {
        let unit = id("WorkUnit", history.unit.code);
        let instants = instants(history, if nth == 0 { SECONDS } else { 0 });
        instants.into_iter().map(move |at| (history, unit.clone(), at))
    });
    let mut number = 0;
    let rows = samples.map(|(history, unit, at)| {
        number += 1;
        let line = Line::new().text(&row_id('o', number)).time(at).text(&unit);
        line.milli(speed(history, at)).int(history.unit.rate)
    });
    pen.copy("\"OperationalMetric\"", columns, rows)?;
    write_production(pen, histories, records)?;
    write_quality(pen, span, histories)?;
    write_conditions(pen, histories)
}

/// How long before the end the first machine is sampled every second.
const SECONDS: i64 = 3 * HOUR;

/// When a unit is sampled: each minute, and when what it does changes; not while it is unseen.
fn instants(history: &History, seconds: i64) -> Vec<i64> {
    let mut found = Vec::new();
    for spell in &history.spells {
        found.push(spell.start);
        let mut at = spell.start - spell.start.rem_euclid(60) + 60;
        while at < spell.end && spell.doing != Doing::Unseen {
            found.push(at);
            at += 60;
        }
        if spell.doing != Doing::Unseen {
            found.extend((spell.start.max(history.to - seconds) + 1)..spell.end);
        }
    }
    found.sort_unstable();
    found.dedup();
    // Without seconds the range of each spell is what lies after the end of the history.
    found.retain(|at| *at < history.to);
    found
}

/// Thousandths of a unit a minute.
fn speed(history: &History, at: i64) -> i64 {
    let Some(spell) = history.spell(at) else { return 0 };
    let wave = (at / 60 * 7919).rem_euclid(61) - 30;
    match spell.doing {
        Doing::Producing | Doing::Unseen => history.unit.rate * (880 + wave),
        // Someone jogs it: no production, and a sample above zero all the same. Not where nobody noted
        // the end: there such a sample is all that tells that the stop is over.
        Doing::Stopped(_) if jogs(history, spell, at) => 1_500,
        _ => 0,
    }
}

fn jogs(history: &History, spell: &Spell, at: i64) -> bool {
    let ended = spell.noted != Noted::Never && spell.end < history.to;
    ended && at > spell.start && at / 60 % 23 == 5
}

/// A slot of production: where, what it counts, of which order.
struct Slot<'a> {
    history: &'a History,
    start: i64,
    work: usize,
    pieces: Pieces,
}

fn slots(history: &History) -> impl Iterator<Item = Slot<'_>> {
    history.works.iter().enumerate().flat_map(move |(work, it)| {
        let first = it.life.start.max(history.from).div_euclid(SLOT);
        let end = (it.life.complete.min(history.to) + SLOT - 1).div_euclid(SLOT);
        (first..end).map(move |slot| {
            let start = slot * SLOT;
            let pieces = it.pieces(start + SLOT).since(it.pieces(start.max(history.from)));
            Slot { history, start, work, pieces }
        })
    })
}

fn write_production(
    pen: &mut Pen<'_>,
    histories: &[(History, Calendar)],
    records: &[Record],
) -> Result<(), GenerateError> {
    let mut number = 0;
    let mut row = |history: &History, at: i64, work: usize, pieces: Pieces, seconds: i64| {
        number += 1;
        let unit = history.unit.code;
        let order = format!("{unit} {}", history.works[work].number);
        let line = Line::new()
            .text(&row_id('p', number))
            .time(at)
            .text(&id("WorkUnit", unit))
            .int(pieces.made())
            .int(pieces.good)
            .int(pieces.scrap);
        let line = if pieces.made() > 0 { line.ratio(seconds, pieces.made()) } else { line.null() };
        line.text(&id("ProductionOrder", &order))
    };
    let mut lines = Vec::new();
    for ((history, _), record) in histories.iter().zip(records) {
        for slot in slots(history) {
            let middle = slot.start + SLOT / 2;
            // Some standing still is written down as a row of nothing.
            let idle = slot.pieces == Pieces::default();
            if !idle || slot.start / SLOT % 6 == 0 {
                lines.push(row(history, middle, slot.work, slot.pieces, SLOT));
            }
            let corrections = record.corrections.iter().filter(|it| it.work == slot.work);
            for Correction { work, pieces, .. } in corrections.filter(|it| it.at == middle) {
                let taken = Pieces { good: -pieces, scrap: *pieces, rework: 0 };
                lines.push(row(history, middle, *work, taken, SLOT));
            }
        }
    }
    let columns = r#""id", "timestamp", "workUnitId", "totalOutput", "goodOutput",
        "defectiveOutput", "actualCycleTime", "productionOrderId""#;
    pen.copy("\"ProductionMetric\"", columns, lines)
}

fn write_quality(
    pen: &mut Pen<'_>,
    span: &Span,
    histories: &[(History, Calendar)],
) -> Result<(), GenerateError> {
    let mut rng = Rng::new(span.seed, "legacy quality");
    let mut number = 0;
    let found = histories.iter().flat_map(|(history, _)| slots(history));
    let rows = found.filter(|slot| slot.pieces.scrap > 0 || slot.start / SLOT % 40 == 0);
    let rows = rows.map(|slot| {
        number += 1;
        let [code, ..] = rng.pick(&DEFECTS);
        let kind = (!rng.chance(120)).then(|| id("DefectType", code));
        let line = Line::new().text(&row_id('q', number)).time(slot.start + SLOT / 2);
        let line = line.text(&id("WorkUnit", slot.history.unit.code));
        line.int(slot.pieces.scrap).maybe(kind.as_deref())
    });
    let columns = r#""id", "timestamp", "workUnitId", "defectCount", "defectTypeId""#;
    pen.copy("\"QualityMetric\"", columns, rows)
}

fn write_conditions(
    pen: &mut Pen<'_>,
    histories: &[(History, Calendar)],
) -> Result<(), GenerateError> {
    let every = |step: i64| {
        histories.iter().flat_map(move |(history, _)| {
            let first = (history.from + step - 1).div_euclid(step);
            (first..history.to.div_euclid(step)).map(move |nth| (history, nth * step))
        })
    };
    let mut number = 0;
    let rows = every(HOUR).map(|(history, at)| {
        number += 1;
        let kw = 3_000 + speed(history, at) / 7;
        let line = Line::new().text(&row_id('e', number)).time(at);
        let line = line.text(&id("WorkUnit", history.unit.code)).milli(kw * 9 / 10);
        if number % 17 == 0 { line.null() } else { line.milli(kw) }
    });
    let columns = r#""id", "timestamp", "workUnitId", "energyKwh", "powerKw""#;
    pen.copy("\"EnergyMetric\"", columns, rows)?;
    let mut number = 0;
    let rows = every(DAY).map(|(history, at)| {
        number += 1;
        let hours = (at - history.unit.commissioned).rem_euclid(45 * DAY) / 36;
        let line = Line::new().text(&row_id('m', number)).time(at);
        let line = line.text(&id("WorkUnit", history.unit.code));
        let line = if number % 9 == 0 { line.null() } else { line.milli(99_000 - hours / 20) };
        line.milli(hours * 10)
    });
    let columns = r#""id", "timestamp", "workUnitId", "healthScore", "hoursSinceService""#;
    pen.copy("\"MaintenanceMetric\"", columns, rows)
}
