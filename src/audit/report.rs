//! The audit for a person and for a machine.

use serde_json::{Value, json};

use super::frames::Segment;
use super::profile::ColumnProfile;
use super::times::{offset_shown, shown};
use super::{Audit, Judged, Verdict};
use crate::observe::report::{Report, Table};

/// All tables of the report.
pub(super) fn of(audit: &Audit, with_shapes: bool) -> Report {
    let mut report = Report::new(format!("audit of {}", audit.path.display()));
    report.tables.push(tables(audit));
    report.tables.push(references(audit));
    report.tables.push(columns(audit));
    if with_shapes {
        report.tables.push(shapes(audit));
    }
    report.tables.push(times(audit));
    let open = audit.open();
    report.fact("tables", audit.tables.len());
    report.fact("rows", audit.tables.iter().map(|table| table.rows).sum::<u64>());
    report.fact("time_columns", audit.judged.len());
    report.fact("open_zones", open.len());
    audit.notes.iter().for_each(|note| report.note(note.clone()));
    if !open.is_empty() {
        "open".clone_into(&mut report.outcome);
        report.note(format!("the evidence does not suffice for {}", open.join(", ")));
    }
    report
}

fn tables(audit: &Audit) -> Table {
    let names = ["table", "rows", "key", "rows a month", "last month", "from", "to", "indexes"];
    let mut table = Table::new("Tables", &names);
    for (index, facts) in audit.tables.iter().enumerate() {
        let clock = audit.clock_of(index);
        let growth = clock.and_then(|column| column.times.growth());
        let range = clock.and_then(|column| column.times.range());
        let day = |at: Option<i64>| {
            at.map_or(Value::Null, |at| json!(shown(at).chars().take(10).collect::<String>()))
        };
        let key = match facts.entry.primary_key.as_slice() {
            [] => "none: by rowid".to_owned(),
            key => key.join(", "),
        };
        table.push(vec![
            json!(facts.entry.name),
            json!(facts.rows),
            json!(key),
            growth.map_or(Value::Null, |growth| json!(growth.0)),
            growth.map_or(Value::Null, |growth| json!(growth.1)),
            day(range.map(|range| range.0)),
            day(range.map(|range| range.1)),
            json!(short(&facts.indexes.join("; "), 56)),
        ]);
    }
    table
}

fn references(audit: &Audit) -> Table {
    let names = ["from", "to", "stated", "rows", "dangling"];
    let mut table = Table::new("References", &names);
    for facts in &audit.tables {
        for key in &facts.foreign_keys {
            table.push(vec![
                json!(format!("{}.{}", facts.entry.name, key.column)),
                json!(format!("{}.{}", key.parent, key.parent_column)),
                json!(if key.declared { "foreign key" } else { "by name" }),
                json!(key.rows),
                json!(key.dangling),
            ]);
        }
    }
    table
}

fn columns(audit: &Audit) -> Table {
    let names = ["column", "declared", "holds", "null", "distinct", "smallest", "largest", "shape"];
    let mut table = Table::new("Columns", &names);
    for (facts, columns) in audit.tables.iter().zip(&audit.columns) {
        for column in columns {
            let (low, high) = range(column);
            let (distinct, estimated) = column.distinct();
            let distinct = if estimated { json!(format!("~{distinct}")) } else { json!(distinct) };
            table.push(vec![
                json!(format!("{}.{}", facts.entry.name, column.name)),
                json!(column.declared.to_lowercase()),
                json!(holds(column)),
                json!(column.classes.nulls),
                distinct,
                json!(short(&low, 20)),
                json!(short(&high, 20)),
                json!(main_shape(column)),
            ]);
        }
    }
    table
}

/// Storage classes with their counts, and what the values look like.
fn holds(column: &ColumnProfile) -> String {
    let classes = &column.classes;
    let all = column.values();
    let named = [
        (classes.integers, "integer"),
        (classes.reals, "real"),
        (classes.texts, "text"),
        (classes.blobs, "blob"),
    ];
    let counts: Vec<String> = named
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(
            |(count, name)| {
                if *count == all { (*name).to_owned() } else { format!("{count} {name}") }
            },
        )
        .collect();
    let mut text = counts.join(", ");
    let looks = if all == 0 {
        "nothing"
    } else if column.is_time() {
        if column.times.epoch_count() > 0 { "times, some as numbers" } else { "times" }
    } else if column.is_date() {
        "dates"
    } else if classes.integers == all && classes.not_flags == 0 {
        "0 and 1"
    } else if classes.json > 0 && classes.json * 100 >= all * 95 {
        "JSON"
    } else if column.times.epoch_count() == all {
        "may be an epoch"
    } else {
        ""
    };
    if !looks.is_empty() {
        let gap = if text.is_empty() { "" } else { ": " };
        text = format!("{text}{gap}{looks}");
    }
    if column.blanks > 0 {
        text = format!("{text}, {} blank", column.blanks);
    }
    text
}

fn range(column: &ColumnProfile) -> (String, String) {
    if column.secret {
        return ("(not shown)".to_owned(), String::new());
    }
    if let (true, Some((low, high))) = (column.is_time(), column.times.range()) {
        return (shown(low), shown(high));
    }
    match (&column.texts, column.numbers) {
        (Some((low, high)), _) => (low.clone(), high.clone()),
        (None, Some((low, high))) => (format!("{low}"), format!("{high}")),
        (None, None) => (String::new(), String::new()),
    }
}

/// The shape of most texts, if they have one.
fn main_shape(column: &ColumnProfile) -> String {
    let shapes = column.shapes();
    let Some(first) = shapes.first().filter(|first| first.count * 2 > column.classes.texts) else {
        return String::new();
    };
    let others = shapes.len() - 1;
    let others = if others > 0 { format!(" +{others}") } else { String::new() };
    format!("{}{others}", short(&first.shape, 24))
}

/// Every shape that a column's texts have, for a machine and for `-v`.
fn shapes(audit: &Audit) -> Table {
    let mut table = Table::new("Shapes of text", &["column", "shape", "values", "example"]);
    for (facts, columns) in audit.tables.iter().zip(&audit.columns) {
        for column in columns {
            let name = format!("{}.{}", facts.entry.name, column.name);
            for shape in column.shapes() {
                let example = if column.secret { "(not shown)" } else { &shape.example };
                let count = json!(shape.count);
                table.push(vec![json!(name), json!(shape.shape), count, json!(example)]);
            }
            if column.other_shapes > 0 {
                table.push(vec![
                    json!(name),
                    json!("others"),
                    json!(column.other_shapes),
                    json!(""),
                ]);
            }
        }
    }
    table
}

fn times(audit: &Audit) -> Table {
    let mut table = Table::new("Times", &["column", "rows", "written in", "because"]);
    for judged in &audit.judged {
        let name = audit.name(judged.key);
        let because = short(&judged.evidence.join("; "), 110);
        let rows = written(judged);
        let first = rows.len() == 1;
        for (index, (ids, frame)) in rows.into_iter().enumerate() {
            let because = if index == 0 { because.as_str() } else { "" };
            let name = if index == 0 || first { name.as_str() } else { "" };
            table.push(vec![json!(name), json!(ids), json!(frame), json!(because)]);
        }
    }
    table
}

/// Rows and frame, a pair for each stretch.
fn written(judged: &Judged) -> Vec<(String, String)> {
    let all = || "all".to_owned();
    match &judged.verdict {
        Verdict::Explicit => vec![(all(), "each value says".to_owned())],
        Verdict::Zone(name, _) => vec![(all(), name.clone())],
        Verdict::Unused => vec![(all(), "never written".to_owned())],
        Verdict::Open => vec![(all(), "?".to_owned())],
        Verdict::Frames(segments) => {
            let mut from: Option<i64> = None;
            let mut rows = Vec::new();
            for Segment { through, offset } in segments {
                let frame = if *offset == 0 { "UTC".to_owned() } else { offset_shown(*offset) };
                let ids = match (from, *through) {
                    (None, i64::MAX) => all(),
                    (None, through) => format!("through {through}"),
                    (Some(from), i64::MAX) => format!("from {from}"),
                    (Some(from), through) => format!("{from} to {through}"),
                };
                rows.push((ids, frame));
                from = Some(through.saturating_add(1));
            }
            rows
        }
    }
}

fn short(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(most - 1).collect();
    cut.push('…');
    cut
}
