//! Stops as someone entered them, and alerts.

use super::super::plant::calendar::Calendar;
use super::super::plant::history::{Doing, History, Noted, Spell};
use super::super::server::{Line, Pen, Span};
use super::{GenerateError, Rng, id, row_id};

/// What came out, in words a test can split.
pub(super) fn write(
    pen: &mut Pen<'_>,
    span: &Span,
    histories: &[(History, Calendar)],
) -> Result<Vec<String>, GenerateError> {
    let notes = write_stops(pen, span, histories)?;
    write_alerts(pen, span, histories)?;
    Ok(notes)
}

fn write_stops(
    pen: &mut Pen<'_>,
    span: &Span,
    histories: &[(History, Calendar)],
) -> Result<Vec<String>, GenerateError> {
    let mut rng = Rng::new(span.seed, "legacy stops");
    let (mut overlaps, mut open, mut unnamed) = (0, 0, 0);
    let mut lines = Vec::new();
    for (history, _) in histories {
        for spell in &history.spells {
            let Some((code, words, planned)) = named(spell) else { continue };
            // What lasts on at the end of the span has no end yet.
            let lasts = spell.end >= history.to && spell.doing != Doing::Setup;
            let end = match spell.noted {
                _ if lasts => None,
                Noted::Right => Some(spell.end),
                Noted::Late(seconds) => Some(spell.end + seconds),
                Noted::Never => None,
            };
            overlaps += i32::from(matches!(spell.noted, Noted::Late(_)));
            open += i32::from(end.is_none());
            // A cause may be left out where nothing is lost by it: the machine is down.
            let silent = code == "OTHER" || code == "QUALITY_ISSUE" && rng.chance(500);
            unnamed += i32::from(silent);
            lines.push(
                Line::new()
                    .text(&row_id('d', lines.len() + 1))
                    .text(&id("WorkUnit", history.unit.code))
                    .time(spell.start)
                    .maybe_time(end)
                    .bool(planned)
                    .maybe((!silent).then_some(words))
                    .maybe((!silent).then(|| id("DowntimeType", &code)).as_deref()),
            );
        }
    }
    let columns = r#""id", "workUnitId", "startTime", "endTime", "isPlanned", "reason",
        "downtimeTypeId""#;
    pen.copy("\"DowntimeEvent\"", columns, lines)?;
    Ok(vec![
        format!("overlapping DowntimeEvent rows {overlaps}"),
        format!("open DowntimeEvent rows {open}"),
        format!("unnamed DowntimeEvent rows {unnamed}"),
    ])
}

/// Code of the downtime type, words, whether it was planned; nothing for what nobody enters.
fn named(spell: &Spell) -> Option<(String, &'static str, bool)> {
    match spell.doing {
        Doing::Stopped(reason) => {
            let word = reason.words[usize::from(spell.start % 2 == 1)];
            Some((reason.code.to_uppercase(), word, reason.planned))
        }
        Doing::Setup => Some(("SETUP".to_owned(), "set-up", false)),
        Doing::Starved => Some(("STARVED".to_owned(), "upstream empty", false)),
        Doing::Idle | Doing::Producing | Doing::Unseen | Doing::MicroStop => None,
    }
}

fn write_alerts(
    pen: &mut Pen<'_>,
    span: &Span,
    histories: &[(History, Calendar)],
) -> Result<(), GenerateError> {
    let mut rng = Rng::new(span.seed, "legacy alerts");
    let mut lines = Vec::new();
    for (history, _) in histories {
        for spell in &history.spells {
            let (kind, severity, words) = match spell.doing {
                Doing::Stopped(reason) if reason.code == "maintenance" => {
                    ("maintenance_due", "low", "Service is due")
                }
                Doing::Stopped(reason) if reason.code == "machine_breakdown" => {
                    ("breakdown", "high", reason.words[0])
                }
                Doing::Starved => ("material", "medium", "Infeed empty"),
                Doing::Unseen => ("communication", "medium", "No samples; \"timeout\""),
                _ => continue,
            };
            let resolved = spell.end < history.to && !rng.chance(60);
            lines.push(
                Line::new()
                    .text(&row_id('a', lines.len() + 1))
                    .time(spell.start)
                    .text(&id("WorkUnit", history.unit.code))
                    .text(kind)
                    .text(severity)
                    .text(words)
                    .text(if resolved { "resolved" } else { "active" })
                    .maybe_time(resolved.then_some(spell.end)),
            );
        }
    }
    let columns = r#""id", "timestamp", "workUnitId", "type", "severity", "message", "status",
        "resolvedAt""#;
    pen.copy("\"Alert\"", columns, lines)
}
