//! `[table.columns]` and `[[table.rows]]`: what columns say about themselves.

use super::{keys, missing};
use crate::config::Place;
use crate::config::plan::{ColumnRule, RowRule};
use crate::config::raw::{Reader, Section, Text};
use crate::schema::PgType;
use crate::transform::{clock, units};

pub(super) fn read_columns(reader: &mut Reader<'_>, section: &Section<'_>) -> Vec<ColumnRule> {
    let Some(columns) = section.section(reader, "columns") else { return Vec::new() };
    let names = columns.names(reader);
    names.iter().map(|(name, place)| read_column(reader, &columns, name, *place)).collect()
}

fn read_column(
    reader: &mut Reader<'_>,
    columns: &Section<'_>,
    name: &str,
    place: Place,
) -> ColumnRule {
    let mut rule = ColumnRule {
        target: name.to_owned(),
        place,
        key: columns.key(name),
        ..ColumnRule::default()
    };
    if columns.is_text(name) {
        rule.from = columns.text(reader, name).map(|text| text.value);
        return rule;
    }
    let Some(section) = columns.section(reader, name) else { return rule };
    section.only(reader, keys("column"));
    rule.from = section.text(reader, "from").map(|text| text.value);
    rule.value = section.scalar(reader, "value").map(|text| text.value);
    rule.zone = section.text(reader, "zone").map(|text| text.value);
    rule.time = section.text(reader, "time").map(|text| text.value);
    rule.default = section.scalar(reader, "default").map(|text| text.value);
    rule.skip = section.flag(reader, "skip").unwrap_or(false);
    if let Some(map) = section.section(reader, "map") {
        for (from, _) in map.names(reader) {
            if let Some(to) = map.scalar(reader, &from) {
                rule.map.push((from, to.value));
            }
        }
    }
    read_unit(reader, &section, &mut rule);
    read_type(reader, &section, &mut rule);
    check_time(reader, &rule);
    if rule.value.is_some() && rule.from.is_some() {
        let message = "both `value` and `from`: a constant or a column?".to_owned();
        reader.problems.error(place, &rule.key, message, "keep one of them");
    }
    rule
}

fn read_unit(reader: &mut Reader<'_>, section: &Section<'_>, rule: &mut ColumnRule) {
    let Some(Text { value, place }) = section.text(reader, "unit") else { return };
    let parts = value.split_once("->").map(|(from, to)| (from.trim(), to.trim()));
    let problem = match parts {
        None => Some("a unit rule reads \"degF -> degC\"".to_owned()),
        Some((from, to)) => units::Conversion::between(from, to).err(),
    };
    match (problem, parts) {
        (None, Some((from, to))) => rule.unit = Some((from.to_owned(), to.to_owned())),
        (problem, _) => {
            let message = problem.unwrap_or_default();
            let hint = format!("known units: {}", units::names().join(", "));
            reader.problems.error(place, &section.key("unit"), message, hint);
        }
    }
}

fn read_type(reader: &mut Reader<'_>, section: &Section<'_>, rule: &mut ColumnRule) {
    let Some(Text { value, place }) = section.text(reader, "type") else { return };
    rule.ty = PgType::parse(&value);
    if rule.ty.is_none() {
        let message = format!("`{value}` is no type that millstream writes");
        let hint = "boolean, smallint, integer, bigint, real, double precision, numeric, text, uuid, \
                    timestamptz, timestamp, date, time, interval, jsonb, bytea, text[], bigint[] …";
        reader.problems.error(place, &section.key("type"), message, hint);
    }
}

fn check_time(reader: &mut Reader<'_>, rule: &ColumnRule) {
    if rule.zone.is_none() && rule.time.is_none() {
        return;
    }
    if rule.zone.as_deref() == Some("?") {
        let message = "the zone is still open (\"?\")".to_owned();
        let hint = "name it (\"Europe/Berlin\", \"UTC\"); nothing is ever loaded by a guessed zone";
        reader.problems.error(rule.place, &rule.key, message, hint);
        return;
    }
    let policy = rule.time.as_deref().unwrap_or("default");
    if let Err(error) = clock::Policy::parse(rule.zone.as_deref(), policy) {
        let hint = "the grammar is in docs/pipeline-file.md; `millstream time` tries a policy out";
        reader.problems.error(rule.place, &rule.key, error.to_string(), hint);
    }
}

pub(super) fn read_rows(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<RowRule> {
    section.only(reader, &["where", "columns"]);
    let columns = read_columns(reader, section);
    let Some(condition) = section.text(reader, "where") else {
        missing(reader, section, "where", "the rows it holds for: where = \"id between 1 and 29\"");
        return None;
    };
    for rule in &columns {
        if rule.from.is_some() || rule.ty.is_some() || rule.skip {
            let message = "a row rule changes the meaning of a column, not its source".to_owned();
            let hint = "zone, time, unit, map, default and value may differ by row";
            reader.problems.error(rule.place, &rule.key, message, hint);
        }
    }
    Some(RowRule {
        condition: condition.value,
        columns,
        place: section.place,
        key: section.path.clone(),
    })
}
