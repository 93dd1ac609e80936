//! Sites, equipment, people, what was computed for each shift, and alerts.

use super::super::plant::calendar::Calendar;
use super::super::plant::history::{Doing, History};
use super::super::plant::truth::{self, View};
use super::super::plant::units::SITES;
use super::super::plant::{DAY, Plant, Role};
use super::super::server::{Line, Pen, id, row_id};
use super::{GenerateError, HOLD};

pub(super) fn write(
    pen: &mut Pen<'_>,
    plant: &Plant,
    histories: &[(History, Calendar)],
) -> Result<(), GenerateError> {
    let (from, to) = histories.first().map_or((0, 0), |(it, _)| (it.from, it.to));
    let rows = SITES.iter().map(|(code, name, zone, _)| {
        let line = Line::new().text(&id("Site", code)).text(code).text(name).text(zone);
        line.time(from - 300 * DAY).time(from - 30 * DAY)
    });
    pen.copy("\"Site\"", r#"id, code, name, timezone, "createdAt", "updatedAt""#, rows)?;
    let rows = histories.iter().map(|(history, _)| {
        let unit = &history.unit;
        let line = Line::new().text(&id("Equipment", unit.code)).text(unit.code).text(unit.name);
        let line = line.text(unit.kind).text(&id("Site", unit.site)).bool(true);
        line.time(unit.commissioned).time(unit.commissioned)
    });
    let columns = r#"id, code, name, type, "siteId", "isActive", "createdAt", "updatedAt""#;
    pen.copy("\"Equipment\"", columns, rows)?;
    write_people(pen, plant, to)?;
    write_oee(pen, histories)
}

fn write_people(pen: &mut Pen<'_>, plant: &Plant, to: i64) -> Result<(), GenerateError> {
    let there = || {
        let packs = |role: Role| role == Role::Packer;
        plant.people.iter().enumerate().filter(move |(_, it)| it.hired <= to && !packs(it.role))
    };
    let rows = there().map(|(nth, person)| {
        let role = match person.role {
            Role::Admin => "admin",
            Role::Supervisor => "supervisor",
            Role::Operator | Role::Packer => "operator",
        };
        let site = (nth > 0).then(|| id("Site", SITES[nth % 2].0));
        Line::new()
            .text(&id("User", &person.employee_code))
            .text(&format!("{}@example.com", person.employee_code.to_lowercase()))
            .text(&format!("{} {}", person.first, person.last))
            .text(role)
            .maybe(site.as_deref())
            .bool(person.left.is_none_or(|left| left > to))
            .time(person.hired)
            .time(person.hired)
    });
    let columns = r#"id, email, name, role, "siteId", "isActive", "createdAt", "updatedAt""#;
    pen.copy("\"User\"", columns, rows)?;
    let rows = there().filter(|(nth, _)| nth % 3 == 0).map(|(nth, person)| {
        let began = to - 3_600 * (1 + i64::try_from(nth).unwrap_or(0));
        let line = Line::new().text(&id("Session", &person.employee_code));
        let line = line.text(&id("User", &person.employee_code));
        line.text(&format!("made-up-token-{nth}")).time(began + DAY).time(began)
    });
    pen.copy("\"Session\"", r#"id, "userId", token, "expiresAt", "createdAt""#, rows)
}

/// What the old system computed: ratios in percent, cut off at 100.
fn write_oee(pen: &mut Pen<'_>, histories: &[(History, Calendar)]) -> Result<(), GenerateError> {
    let percent = |of: i64, by: i64| (of * 100_000 / by.max(1)).clamp(0, 100_000);
    let mut lines = Vec::new();
    for (history, calendar) in histories {
        let whole = calendar.turns.iter();
        for turn in whole.filter(|it| history.from <= it.start && it.end <= history.to) {
            let it = truth::elements(history, turn, View::Telemetry { hold: HOLD });
            let made = history.pieces(turn.end).since(history.pieces(turn.start));
            let a = percent(it.apt, it.pbt());
            let p = percent(made.made() * 60, history.unit.rate * it.apt);
            let q = percent(made.good, made.made());
            let line = Line::new()
                .text(&row_id('k', lines.len() + 1))
                .time(turn.end)
                .text(&id("Equipment", history.unit.code))
                .time(turn.start)
                .time(turn.end)
                .milli(a)
                .milli(p)
                .milli(q)
                .milli(a * p / 100_000 * q / 100_000)
                .int((turn.end - turn.start) / 60)
                .int(it.apt / 60);
            let line =
                if history.unit.has_pri { line.ratio(60, history.unit.rate) } else { line.null() };
            lines.push(line.int(made.made()).int(made.good));
        }
    }
    let columns = r#"id, timestamp, "equipmentId", "shiftStartTime", "shiftEndTime", availability,
        performance, quality, oee, "plannedTime", "runTime", "idealCycleTime", "totalCount",
        "goodCount""#;
    pen.copy("oee_data", columns, lines)
}

pub(super) fn write_alerts(
    pen: &mut Pen<'_>,
    histories: &[(History, Calendar)],
) -> Result<(), GenerateError> {
    let mut lines = Vec::new();
    for (history, _) in histories {
        for spell in &history.spells {
            let Doing::Stopped(reason) = spell.doing else { continue };
            let (kind, severity) = match reason.code {
                "maintenance" => ("maintenance_due", "medium"),
                "machine_breakdown" => ("breakdown", "critical"),
                "material_shortage" => ("material", "low"),
                _ => continue,
            };
            let seen = lines.len() % 4 != 3;
            lines.push(
                Line::new()
                    .text(&row_id('a', lines.len() + 1))
                    .time(spell.start)
                    .text(&id("Equipment", history.unit.code))
                    .text(severity)
                    .text(kind)
                    .text(reason.words[0])
                    .bool(spell.end >= history.to)
                    .bool(seen)
                    .maybe_time(seen.then_some(spell.start + 240))
                    .maybe(seen.then_some("EMP0100")),
            );
        }
    }
    let columns = r#"id, timestamp, "equipmentId", severity, type, message, "isActive",
        acknowledged, "acknowledgedAt", "acknowledgedBy""#;
    pen.copy("\"Alert\"", columns, lines)
}
