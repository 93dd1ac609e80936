//! The pipeline file that follows from an audit: everything stated that was proven, `"?"` for the rest.

use std::fmt::Write as _;

use super::frames::Segment;
use super::profile::{Bad, ColumnProfile};
use super::times::{DAY, HOUR, Unit, offset_shown};
use super::{Audit, Judged, Verdict};
use crate::schema::{PgType, quote};

/// Comment lines are broken at this many characters.
const LINE_CHARS: usize = 100;
/// Further names of a zone's group that are named.
const NAMES_SHOWN: usize = 4;

/// The text of the file.
pub(super) fn of(audit: &Audit) -> String {
    let name = schema_name(audit);
    let mut out = String::new();
    let open = audit.open();
    let file =
        audit.path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    comment(
        &mut out,
        &format!(
            "Written by `millstream audit` from {file}. Columns not named here are \
        taken as they are, under their own names."
        ),
    );
    if open.is_empty() {
        comment(&mut out, "The evidence for each zone is the comment above it.");
    } else {
        comment(
            &mut out,
            &format!(
                "Still open: {}. Put the zone where it says \"?\"; nothing runs before.",
                open.join(", ")
            ),
        );
    }
    let path = audit.path.display().to_string();
    // A default ends at the first brace.
    let source = if path.contains('}') { path } else { format!("${{SOURCE:-{path}}}") };
    push(&mut out, &format!("\nname = {}\n", text(&name)));
    push(&mut out, &format!("\n[source]\nsqlite = {}\n", text(&source)));
    push(&mut out, "\n[target]\nurl = \"${DATABASE_URL}\"\ncreate = true\n");
    limits(&mut out, audit);
    for index in 0..audit.tables.len() {
        table(&mut out, audit, &name, index);
    }
    out
}

fn push(out: &mut String, text: &str) {
    out.push_str(text);
}

/// A comment, broken into lines.
fn comment(out: &mut String, text: &str) {
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.chars().count() + word.chars().count() + 1 > LINE_CHARS && line != "#" {
            push(out, &format!("{line}\n"));
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    push(out, &format!("{line}\n"));
}

/// A TOML string.
fn text(value: &str) -> String {
    let mut out = String::from("\"");
    for letter in value.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            letter if letter.is_control() => {
                // Writing to a string cannot fail.
                let _infallible = write!(out, "\\u{:04X}", u32::from(letter));
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(bare) { name.to_owned() } else { text(name) }
}

/// The stem of the file as a schema that needs no quotes.
fn schema_name(audit: &Audit) -> String {
    let stem =
        audit.path.file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned());
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let name: String = stem.chars().map(plain).take(50).collect();
    let name = name.trim_matches('_').to_owned();
    let begins = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
    let taken = name.starts_with("pg_")
        || ["public", "millstream", "information_schema"].contains(&name.as_str());
    if begins && !taken { name } else { format!("source_{name}").trim_end_matches('_').to_owned() }
}

/// The part of a target's name, quoted where a dot would end it.
fn part(name: &str) -> String {
    if name.contains(['.', '"']) {
        format!("\"{}\"", name.replace('"', ""))
    } else {
        name.to_owned()
    }
}

fn limits(out: &mut String, audit: &Audit) {
    let bad: u64 = (0..audit.tables.len()).map(|table| bad_rows(audit, table)).sum();
    if bad == 0 {
        return;
    }
    let all: u64 = audit.tables.iter().map(|table| table.rows).sum();
    let limit = match bad {
        bad if bad * 1_000 <= all => "\"0.1%\"".to_owned(),
        bad if bad * 100 <= all => "\"1%\"".to_owned(),
        bad => bad.to_string(),
    };
    push(out, "\n[limits]\n");
    comment(
        out,
        &format!(
            "About {bad} of {all} rows cannot be used; the comments below say which. They become dead \
         letters. More than this ends with exit code 3."
        ),
    );
    push(out, &format!("rejected = {limit}\n"));
}

fn bad_rows(audit: &Audit, table: usize) -> u64 {
    let columns = audit.columns.get(table).map(Vec::as_slice).unwrap_or_default();
    let of_column = |(index, column): (usize, &ColumnProfile)| {
        let judged = audit.judged(table, index);
        let against = judged.map_or(0, |judged| judged.against.len() as u64);
        against + bad_values(column).map_or(0, |(bad, _)| bad.count) + strays(judged, column)
    };
    columns.iter().enumerate().map(of_column).sum()
}

/// Readings in an hour that the column's own clock left out.
fn strays(judged: Option<&Judged>, column: &ColumnProfile) -> u64 {
    let Some(Judged { verdict: Verdict::Zone(..), evidence, .. }) = judged else { return 0 };
    let said = evidence.iter().filter_map(|text| text.split_once(" stray)"));
    let counts = said.filter_map(|(before, _)| before.rsplit('(').next()?.parse::<u64>().ok());
    counts.sum::<u64>().min(column.times.readings)
}

/// The type that takes nearly all values, and those that it does not take.
fn bad_values(column: &ColumnProfile) -> Option<(Bad, &'static str)> {
    let bad = if column.is_time() || column.is_date() {
        (column.not_time, "no time")
    } else {
        match column.classes.propose(&column.declared) {
            PgType::Bool | PgType::Int8 | PgType::Float8 => (column.not_number, "no number"),
            PgType::Jsonb => (column.not_json, "no JSON"),
            PgType::Text => (column.broken_text, "not UTF-8, or with a zero byte"),
            _ => return None,
        }
    };
    (bad.0.count > 0).then_some(bad)
}

fn table(out: &mut String, audit: &Audit, schema: &str, index: usize) {
    let (Some(facts), Some(columns)) = (audit.tables.get(index), audit.columns.get(index)) else {
        return;
    };
    let name = &facts.entry.name;
    push(out, "\n[[table]]\n");
    for key in facts.foreign_keys.iter().filter(|key| key.dangling > 0) {
        comment(
            out,
            &format!(
                "{} of {} rows refer to rows of {} that are gone ({}).",
                key.dangling, key.rows, key.parent, key.column
            ),
        );
    }
    push(out, &format!("from = {}\n", text(name)));
    push(out, &format!("to = {}\n", text(&format!("{schema}.{}", part(name)))));
    if let Some((_, column)) = audit.series(index) {
        let chunk = column.times.range().map_or("1 day", |(low, high)| chunk(high - low));
        let time = text(&column.name);
        push(out, &format!("hypertable = {{ time = {time}, chunk = \"{chunk}\" }}\n"));
    }
    let mut lines = String::new();
    let mut rows = String::new();
    for (place, column) in columns.iter().enumerate() {
        let judged = audit.judged(index, place);
        rule(&mut lines, audit, column, judged);
        let rowid = facts.rowid().unwrap_or("rowid");
        if let Some(judged) = judged {
            row_rules(&mut rows, audit, (column, judged), rowid);
        }
    }
    if !lines.is_empty() {
        push(out, "[table.columns]\n");
        push(out, &lines);
    }
    push(out, &rows);
}

/// Between ten and a thousand chunks, if the data lasts long enough.
fn chunk(span: i64) -> &'static str {
    match span {
        span if span < 10 * HOUR => "15 minutes",
        span if span < 10 * DAY => "1 hour",
        span if span < 1_000 * DAY => "1 day",
        span if span < 7_000 * DAY => "1 week",
        _ => "26 weeks",
    }
}

/// What is to be said about a column, if anything.
fn rule(out: &mut String, audit: &Audit, column: &ColumnProfile, judged: Option<&Judged>) {
    let mut parts: Vec<String> = Vec::new();
    if let Some(judged) = judged {
        evidence(out, column, judged);
        parts.extend(meaning(audit, column, judged));
    } else if column.is_date() {
        parts.push("type = \"date\"".to_owned());
    } else {
        let ty = column.classes.propose(&column.declared);
        let name = match ty {
            PgType::Bool => Some("boolean"),
            PgType::Jsonb => Some("jsonb"),
            PgType::Int8 if column.not_number.count > 0 => Some("bigint"),
            PgType::Float8 if column.not_number.count > 0 => Some("double precision"),
            PgType::Text if column.broken_text.count > 0 => Some("text"),
            _ => None,
        };
        parts.extend(name.map(|name| format!("type = \"{name}\"")));
    }
    if let Some((bad, what)) = bad_values(column) {
        let are = if bad.count == 1 { "value is" } else { "values are" };
        comment(out, &format!("{} {are} {what}, first in row {}.", bad.count, bad.first_id));
    }
    if !parts.is_empty() {
        push(out, &format!("{} = {{ {} }}\n", key(&column.name), parts.join(", ")));
    }
}

fn evidence(out: &mut String, column: &ColumnProfile, judged: &Judged) {
    let mut said = judged.evidence.join("; ");
    if let Verdict::Zone(_, same) = &judged.verdict
        && !same.is_empty()
    {
        let names: Vec<&str> = same.iter().take(NAMES_SHOWN).map(String::as_str).collect();
        let more = same.len().saturating_sub(NAMES_SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        said = format!("{said}; the same clocks in these years: {}{more}", names.join(", "));
    }
    match &judged.verdict {
        Verdict::Unused => comment(out, "Never written; a value that turns up is not guessed at."),
        Verdict::Explicit if said.is_empty() => {}
        _ => comment(out, &format!("{}.", capital(&said))),
    }
    if matches!(judged.verdict, Verdict::Zone(..)) && !column.times.is_rising() {
        comment(out, "Rows are in no order of time: the hour that comes twice is rejected.");
    }
    if column.times.unit().is_none() && column.times.epoch_count() > 0 {
        comment(out, "Numbers of several units: unit=auto tells them apart by their size.");
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        // A name in front stays as it is.
        let first_word: String = text.chars().take_while(|c| !c.is_whitespace()).collect();
        let plain = first_word.chars().all(|c| c.is_ascii_lowercase());
        let first = if plain { first.to_ascii_uppercase() } else { first };
        format!("{first}{}", letters.as_str())
    })
}

/// `unit=…` where there are numbers.
fn unit(column: &ColumnProfile) -> Option<String> {
    let unit = column.times.unit().map(Unit::word);
    (column.times.epoch_count() > 0).then(|| format!("unit={}", unit.unwrap_or("auto")))
}

fn meaning(audit: &Audit, column: &ColumnProfile, judged: &Judged) -> Vec<String> {
    let unit = unit(column);
    let time = |mut words: Vec<String>| {
        words.extend(unit.clone());
        (!words.is_empty()).then(|| format!("time = \"{}\"", words.join(";")))
    };
    match &judged.verdict {
        Verdict::Explicit => {
            vec![time(Vec::new()).unwrap_or_else(|| "type = \"timestamptz\"".to_owned())]
        }
        Verdict::Unused => vec!["time = \"naive=reject\"".to_owned()],
        Verdict::Open => {
            let mut parts = vec!["zone = \"?\"".to_owned()];
            parts.extend(time(Vec::new()));
            parts
        }
        Verdict::Zone(name, _) => {
            let fold = if column.times.is_rising() { "fold=infer" } else { "fold=reject" };
            let mut parts = vec![format!("zone = {}", text(name))];
            parts.extend(time(vec!["gap=reject".to_owned(), fold.to_owned()]));
            parts
        }
        Verdict::Frames(segments) => {
            let offset = segments.last().map_or(0, |segment| segment.offset);
            match audit.site_name(column, offset) {
                Some(name) => {
                    let mut parts = vec![format!("zone = {}", text(&name))];
                    parts.extend(time(Vec::new()));
                    parts
                }
                None => time(vec![format!("naive=fixed:{}", offset_shown(offset))])
                    .into_iter()
                    .collect(),
            }
        }
    }
}

/// Rows that mean something else, and rows that fit nothing. The first rule that holds wins.
fn row_rules(
    out: &mut String,
    audit: &Audit,
    (column, judged): (&ColumnProfile, &Judged),
    rowid: &str,
) {
    let name = key(&column.name);
    let rowid = if rowid.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        rowid.to_owned()
    } else {
        quote(rowid)
    };
    let mut rule = |condition: &str, parts: &str| {
        push(
            out,
            &format!(
                "[[table.rows]]\nwhere = {}\ncolumns.{name} = {{ {parts} }}\n",
                text(condition)
            ),
        );
    };
    if !judged.against.is_empty() && matches!(judged.verdict, Verdict::Frames(_)) {
        let ids: Vec<String> = judged.against.iter().map(i64::to_string).collect();
        rule(&format!("{rowid} in ({})", ids.join(", ")), "time = \"naive=reject\"");
    }
    let Verdict::Frames(segments) = &judged.verdict else { return };
    let earlier = segments.len().saturating_sub(1);
    for Segment { through, offset } in segments.iter().take(earlier) {
        let condition = format!("{rowid} <= {through}");
        match audit.site_name(column, *offset) {
            Some(zone) => {
                rule(&condition, &format!("zone = {}, time = \"naive=zone\"", text(&zone)))
            }
            None => rule(&condition, &format!("time = \"naive=fixed:{}\"", offset_shown(*offset))),
        }
    }
}
