//! Plants, lines, units, lists, orders, people.

use std::collections::BTreeSet;

use super::super::plant::calendar::Calendar;
use super::super::plant::history::History;
use super::super::plant::units::{ARTICLES, SITES};
use super::super::plant::{DAY, Plant, REASONS, Role};
use super::super::server::{Line, Pen};
use super::schema::{DEFECTS, OTHER_TYPES};
use super::{GenerateError, id};

pub(super) fn write(
    pen: &mut Pen<'_>,
    plant: &Plant,
    histories: &[(History, Calendar)],
) -> Result<(), GenerateError> {
    write_places(pen, histories)?;
    write_lists(pen)?;
    write_orders(pen, histories)?;
    write_people(pen, plant, histories)
}

fn write_places(pen: &mut Pen<'_>, histories: &[(History, Calendar)]) -> Result<(), GenerateError> {
    let born = histories.first().map_or(0, |(history, _)| history.from) - 600 * DAY;
    let plants = SITES.iter().enumerate().map(|(nth, (code, name, zone, country))| {
        // Nobody entered the pilot hall's zone: what reads it takes UTC, and no shift hangs on it.
        let zone = (nth != 2).then_some(*zone);
        Line::new()
            .text(&id("Plant", code))
            .text(code)
            .text(name)
            .maybe(zone)
            .text(country)
            .time(born)
    });
    pen.copy("\"Plant\"", r#""id", "code", "name", "timezone", "country", "createdAt""#, plants)?;
    let units = || histories.iter().map(|(history, _)| &history.unit);
    let areas: BTreeSet<(&str, &str)> = units().map(|unit| (unit.area(), unit.site)).collect();
    let rows = areas.iter().map(|(area, site)| {
        let name = format!("Area {}", area.rsplit('.').next().unwrap_or(area));
        Line::new().text(&id("Area", area)).text(area).text(&name).text(&id("Plant", site))
    });
    pen.copy("\"Area\"", r#""id", "code", "name", "plantId""#, rows)?;
    let rows = areas.iter().map(|(area, _)| {
        let code = format!("{area}.L1");
        Line::new().text(&id("Line", area)).text(&code).text("Line 1").text(&id("Area", area))
    });
    pen.copy("\"Line\"", r#""id", "code", "name", "areaId""#, rows)?;
    let cells = areas.iter().filter(|(area, _)| area.ends_with("PACK")).map(|(area, _)| {
        let code = format!("{area}.C1");
        Line::new().text(&id("Cell", area)).text(&code).text("Cell 1").text(&id("Line", area))
    });
    pen.copy("\"Cell\"", r#""id", "code", "name", "lineId""#, cells)?;
    let rows = units().enumerate().map(|(nth, unit)| {
        let area = unit.area();
        let cell = area.ends_with("PACK").then(|| id("Cell", area));
        let line = Line::new()
            .text(&id("WorkUnit", unit.code))
            .text(unit.code)
            .text(unit.name)
            .text(&id("Line", area))
            .maybe(cell.as_deref())
            .text(unit.kind);
        let line = if unit.has_pri {
            line.int(unit.rate * 60).ratio(60, unit.rate)
        } else {
            line.null().null()
        };
        line.text("Testwerk")
            .text(&format!("SN-{:05}", 311 + 17 * nth))
            .time(unit.commissioned)
            .text("operational")
    });
    let columns = r#""id", "code", "name", "lineId", "cellId", "workUnitType", "nominalSpeed",
        "theoreticalCycleTime", "manufacturer", "serialNumber", "commissionedAt", "status""#;
    pen.copy("\"WorkUnit\"", columns, rows)
}

fn write_lists(pen: &mut Pen<'_>) -> Result<(), GenerateError> {
    let own = REASONS.iter().map(|it| (it.code.to_uppercase(), it.words[0], it.planned));
    let others = OTHER_TYPES.map(|(code, name)| (code.to_owned(), name, false));
    let rows = own.chain(others).map(|(code, name, planned)| {
        Line::new().text(&id("DowntimeType", &code)).text(&code).text(name).bool(planned)
    });
    pen.copy("\"DowntimeType\"", r#""id", "code", "name", "isPlanned""#, rows)?;
    let rows = DEFECTS.iter().map(|[code, name, category, severity]| {
        let line = Line::new().text(&id("DefectType", code)).text(code).text(name);
        line.text(category).text(severity)
    });
    pen.copy("\"DefectType\"", r#""id", "code", "name", "category", "severity""#, rows)?;
    let rows = ARTICLES.iter().enumerate().map(|(nth, it)| {
        let family = if nth < 8 { "retail" } else { "bulk" };
        let line = Line::new().text(&id("Product", it.code)).text(it.code).text(it.name);
        let line = line.text(family);
        match it.pri_ms {
            Some(ms) => line.milli(ms),
            None => line.null(),
        }
    });
    pen.copy("\"Product\"", r#""id", "code", "name", "family", "standardCycleTime""#, rows)
}

fn write_orders(pen: &mut Pen<'_>, histories: &[(History, Calendar)]) -> Result<(), GenerateError> {
    let rows = histories.iter().flat_map(|(history, _)| {
        let unit = &history.unit;
        history.works.iter().map(move |work| {
            let life = &work.life;
            let article = ARTICLES[unit.article(life.product)].code;
            let done = life.complete <= history.to;
            Line::new()
                .text(&id("ProductionOrder", &format!("{} {}", unit.code, work.number)))
                .text(&format!("{}{}", work.number, if unit.site == "BP03" { "-P" } else { "" }))
                .text(&id("WorkUnit", unit.code))
                .text(&id("Product", article))
                .int(life.quantity)
                .time(life.start)
                .maybe_time(done.then_some(life.complete))
                .text(if done { "completed" } else { "started" })
        })
    });
    let columns = r#""id", "orderNumber", "workUnitId", "productId", "plannedQuantity",
        "actualStart", "actualEnd", "status""#;
    pen.copy("\"ProductionOrder\"", columns, rows)
}

fn write_people(
    pen: &mut Pen<'_>,
    plant: &Plant,
    histories: &[(History, Calendar)],
) -> Result<(), GenerateError> {
    let to = histories.first().map_or(0, |(history, _)| history.to);
    let there = plant.people.iter().enumerate().filter(|(_, person)| person.hired <= to);
    let rows = there.map(|(nth, person)| {
        let role = match person.role {
            Role::Admin => "ADMIN",
            Role::Supervisor => "SUPERVISOR",
            Role::Operator => "OPERATOR",
            Role::Packer => "PACKER",
        };
        let site = SITES[nth % 2].0;
        Line::new()
            .text(&id("User", &person.employee_code))
            .text(&format!("{}@example.com", person.employee_code.to_lowercase()))
            .text(&format!("{} {}", person.first, person.last))
            .text(&person.employee_code)
            .text(role)
            .text(&id("Plant", site))
            .bool(person.left.is_none_or(|left| left > to))
            .text("$2b$12$made.up.and.never.valid")
            .time(person.hired)
    });
    let columns = r#""id", "email", "name", "employeeId", "role", "plantId", "isActive",
        "passwordHash", "createdAt""#;
    pen.copy("\"User\"", columns, rows)
}
