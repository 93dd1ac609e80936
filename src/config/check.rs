//! From the file as written to the plan: every problem is noted, none ends the walk.

use std::path::{Path, PathBuf};

mod columns;
mod source;

use columns::{read_columns, read_rows};
use source::read_source;

use super::plan::{
    Finding, From, HypertablePlan, Limits, Plan, Rejected, RowRule, Secret, StrategyChoice,
    TablePlan, TargetPlan,
};
use super::raw::{Reader, Section, Text};
use super::{Environment, Problems};
use crate::schema::TableName;

/// Rows of one transaction unless the file says otherwise: 100 commits a second at full speed.
const BATCH_ROWS: usize = 65_536;

/// Two connections keep two cores of a server busy; more of them gain little and cost locks.
const LANES: usize = 2;

/// Keys that the file may hold, section by section; `docs/pipeline-file.md` has each with an example.
pub const KEYS: [(&str, &[&str]); 12] = [
    ("", &["name", "source", "target", "state", "limits", "table", "shift", "finding"]),
    ("source", &["sqlite", "parquet", "postgres", "hold"]),
    ("target", &["url", "create", "prepare"]),
    ("state", &["dir"]),
    ("limits", &["rejected", "batch_rows", "lanes"]),
    ("finding", &["name", "query"]),
    (
        "table",
        &[
            "from",
            "query",
            "key",
            "to",
            "where",
            "hypertable",
            "strategy",
            "accept_retention",
            "triggers",
            "except",
            "columns",
            "rows",
            "states",
            "counts",
            "quality",
        ],
    ),
    ("states", &["hold", "otherwise", "overlap", "microstop", "microstop_as"]),
    ("counts", &["mode", "modulus", "max_delta", "stamp"]),
    ("quality", &[]),
    ("shift", &["site", "code", "name", "start", "end", "days", "breaks", "break_minutes"]),
    ("column", &["from", "value", "zone", "time", "unit", "map", "type", "default", "skip"]),
];

pub(super) fn keys(section: &str) -> &'static [&'static str] {
    KEYS.iter().find(|(name, _)| *name == section).map_or(&[], |(_, keys)| *keys)
}

/// Reads the text of a pipeline file.
pub fn plan(
    text: &str,
    file: &Path,
    environment: Environment<'_>,
    problems: Problems,
) -> Result<Plan, Problems> {
    let mut reader = Reader { text, environment, problems };
    let Some(table) = reader.parse(text) else { return Err(reader.problems) };
    let plan = read_plan(&mut reader, &Section::root(table.get_ref()), file);
    match plan {
        Some(plan) if reader.problems.error_count() == 0 => Ok(plan),
        _ => Err(reader.problems),
    }
}

pub(super) fn missing(reader: &mut Reader<'_>, section: &Section<'_>, name: &str, hint: &str) {
    let message = format!("`{name}` is missing");
    reader.problems.error(section.place, &section.path, message, hint);
}

fn read_plan(reader: &mut Reader<'_>, root: &Section<'_>, file: &Path) -> Option<Plan> {
    root.only(reader, keys(""));
    let name = root.text(reader, "name");
    match &name {
        None => missing(reader, root, "name", "it names this pipeline in the ledger for ever"),
        Some(name) if name.value.is_empty() || name.value.len() > 60 => {
            let message = "a name has 1 to 60 characters".to_owned();
            reader.problems.error(name.place, "name", message, "");
        }
        Some(_) => {}
    }
    let source = read_source(reader, root, file);
    let target = read_target(reader, root);
    let state_dir = root.section(reader, "state").and_then(|state| {
        state.only(reader, keys("state"));
        state.text(reader, "dir")
    });
    let limits = read_limits(reader, root);
    let sections = root.sections(reader, "table");
    if sections.is_empty() {
        missing(reader, root, "table", "at least one [[table]] with `from` and `to`");
    }
    let shifts = root.sections(reader, "shift");
    let shifts: Vec<_> =
        shifts.iter().filter_map(|section| super::shift::read(reader, section)).collect();
    super::shift::check(reader, &shifts);
    let findings = root.sections(reader, "finding");
    let findings = findings.iter().filter_map(|section| read_finding(reader, section)).collect();
    let tables: Vec<Option<TablePlan>> =
        sections.iter().map(|section| read_table(reader, section)).collect();
    Some(Plan {
        name: name?.value,
        file: file.to_owned(),
        source: source?,
        target: target?,
        state_dir: PathBuf::from(
            state_dir.map_or("millstream-state".to_owned(), |text| text.value),
        ),
        limits,
        shifts,
        findings,
        tables: tables.into_iter().collect::<Option<Vec<_>>>()?,
    })
}

fn read_target(reader: &mut Reader<'_>, root: &Section<'_>) -> Option<TargetPlan> {
    let section = root.section(reader, "target");
    let (mut url, mut create, mut prepare, mut place) = (None, false, None, root.place);
    if let Some(section) = &section {
        section.only(reader, keys("target"));
        place = section.place;
        create = section.flag(reader, "create").unwrap_or(false);
        prepare = section.text(reader, "prepare").map(|text| text.value);
        if let Some(text) = section.text(reader, "url") {
            place = text.place;
            url = Some(text.value);
        }
    }
    let url = url.or_else(|| (reader.environment)("DATABASE_URL").filter(|url| !url.is_empty()));
    let Some(url) = url else {
        if section.as_ref().is_none_or(|section| !section.is_text("url")) {
            let message = "no target: neither [target] url nor DATABASE_URL is set".to_owned();
            let hint = "export DATABASE_URL=postgres://user@host/database";
            reader.problems.error(place, "target", message, hint);
        }
        return None;
    };
    Some(TargetPlan { url: Secret(url), create, prepare, place })
}

fn read_limits(reader: &mut Reader<'_>, root: &Section<'_>) -> Limits {
    let mut limits = Limits { rejected: Rejected::Rows(0), batch_rows: BATCH_ROWS, lanes: LANES };
    let Some(section) = root.section(reader, "limits") else { return limits };
    section.only(reader, keys("limits"));
    if let Some(Text { value, place }) = section.scalar(reader, "rejected") {
        match parse_rejected(&value) {
            Some(rejected) => limits.rejected = rejected,
            None => {
                let message = format!("`{value}` is no limit");
                let hint = "a number of rows (100) or a share of them (\"0.1%\")";
                reader.problems.error(place, "limits.rejected", message, hint);
            }
        }
    }
    if let Some(rows) = section.count(reader, "batch_rows", 1..=500_000) {
        limits.batch_rows = rows;
    }
    if let Some(lanes) = section.count(reader, "lanes", 1..=16) {
        limits.lanes = lanes;
    }
    limits
}

fn parse_rejected(text: &str) -> Option<Rejected> {
    match text.strip_suffix('%') {
        Some(share) => {
            let share: f64 = share.trim().parse().ok()?;
            (0.0..=100.0).contains(&share).then_some(Rejected::Share(share / 100.0))
        }
        None => text.parse().ok().map(Rejected::Rows),
    }
}

fn read_finding(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<Finding> {
    section.only(reader, keys("finding"));
    let (name, query) = (section.text(reader, "name"), section.text(reader, "query"));
    if name.is_none() || query.is_none() {
        missing(reader, section, "name` or `query", "what to look for, and SQL of the target");
    }
    Some(Finding { name: name?.value, query: query?.value })
}

fn read_table(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<TablePlan> {
    section.only(reader, keys("table"));
    let from = read_from(reader, section);
    let to = match section.text(reader, "to") {
        None => {
            missing(reader, section, "to", "the table it goes to: to = \"schema.table\"");
            None
        }
        Some(text) => {
            let name = TableName::parse(&text.value);
            if name.is_none() {
                let message = format!("`{}` is no table name", text.value);
                let hint = "schema.table; quote a part that holds capitals: public.\"Site\"";
                reader.problems.error(text.place, &section.key("to"), message, hint);
            }
            name
        }
    };
    let hypertable = section.section(reader, "hypertable");
    let hypertable = hypertable.and_then(|section| read_hypertable(reader, &section));
    let stage = super::stage::read(reader, section);
    let strategy = read_strategy(reader, section);
    let columns = read_columns(reader, section);
    let rows = section.sections(reader, "rows");
    let rows: Vec<RowRule> = rows.iter().filter_map(|rule| read_rows(reader, rule)).collect();
    source::check_wildcard(reader, section, from.as_ref(), to.as_ref());
    Some(TablePlan {
        from: from?,
        to: to?,
        filter: section.text(reader, "where").map(|text| text.value),
        hypertable,
        stage,
        strategy,
        columns,
        rows,
        accept_retention: section.flag(reader, "accept_retention").unwrap_or(false),
        suspend_triggers: read_triggers(reader, section),
        except: section.texts(reader, "except").unwrap_or_default(),
        place: section.place,
        key: section.path.clone(),
    })
}

fn read_from(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<From> {
    let table = section.text(reader, "from");
    let query = section.text(reader, "query");
    let key = section.texts(reader, "key").unwrap_or_default();
    match (table, query) {
        (Some(name), None) => Some(From::Table { name: name.value, key }),
        (None, Some(sql)) => {
            if key.is_empty() {
                let message = "a query needs `key`: unique columns that are never null".to_owned();
                let hint = "key = [\"id\"]; rows are read in its order and resumed by it";
                reader.problems.error(sql.place, &section.path, message, hint);
            }
            Some(From::Query { sql: sql.value, key })
        }
        (Some(_), Some(sql)) => {
            let message = "both `from` and `query`: which one?".to_owned();
            reader.problems.error(sql.place, &section.path, message, "keep one of them");
            None
        }
        (None, None) => {
            missing(reader, section, "from", "a table of the source, or query = \"select …\"");
            None
        }
    }
}

fn read_hypertable(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<HypertablePlan> {
    section.only(reader, &["time", "chunk"]);
    let time = section.text(reader, "time");
    if time.is_none() {
        missing(reader, section, "time", "the time column of the target");
    }
    let chunk = match section.text(reader, "chunk") {
        None => Some(86_400_000_000),
        Some(text) => {
            let us = parse_duration_us(&text.value);
            if us.is_none() {
                let message = format!("`{}` is no chunk interval", text.value);
                let hint = "a number and a unit: \"1 hour\", \"1 day\", \"1 week\"";
                reader.problems.error(text.place, &section.key("chunk"), message, hint);
            }
            us
        }
    };
    Some(HypertablePlan { time: time?.value, chunk_us: chunk? })
}

/// `1 day` as microseconds.
pub fn parse_duration_us(text: &str) -> Option<i64> {
    let (number, unit) = text.trim().split_once(' ')?;
    let number: i64 = number.parse().ok().filter(|number| *number > 0)?;
    let seconds = match unit.trim().trim_end_matches('s') {
        "second" => 1,
        "minute" => 60,
        "hour" => 3_600,
        "day" => 86_400,
        "week" => 604_800,
        _ => return None,
    };
    number.checked_mul(seconds)?.checked_mul(1_000_000)
}

fn read_strategy(reader: &mut Reader<'_>, section: &Section<'_>) -> StrategyChoice {
    let Some(text) = section.text(reader, "strategy") else { return StrategyChoice::Auto };
    match text.value.as_str() {
        "auto" => StrategyChoice::Auto,
        "append" => StrategyChoice::Append,
        "upsert" => StrategyChoice::Upsert,
        "direct_compress" => StrategyChoice::DirectCompress,
        other => {
            let message = format!("unknown strategy `{other}`");
            let hint = "auto, append, upsert or direct_compress";
            reader.problems.error(text.place, &section.key("strategy"), message, hint);
            StrategyChoice::Auto
        }
    }
}

fn read_triggers(reader: &mut Reader<'_>, section: &Section<'_>) -> bool {
    let Some(text) = section.text(reader, "triggers") else { return false };
    let suspend = text.value == "suspend";
    if !suspend {
        let message = format!("`{}` is nothing that is done with triggers", text.value);
        let hint = "\"suspend\": off for the load, then back as they were; or leave the key out";
        reader.problems.error(text.place, &section.key("triggers"), message, hint);
    }
    suspend
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Plan, Problems> {
        let environment = |name: &str| match name {
            "DATABASE_URL" => Some("postgres://u@localhost/db".to_owned()),
            _ => None,
        };
        let file = Path::new("press.toml");
        plan(text, file, &environment, Problems::new(file))
    }

    #[test]
    fn a_small_file_becomes_a_plan() {
        let plan = read(
            "name = \"press\"\n[source]\nsqlite = \"${SOURCE:-a.db}\"\n[[table]]\nfrom = \"t\"\n\
             to = \"historian.t\"\nhypertable = { time = \"ts\", chunk = \"2 days\" }\n\
             [table.columns]\nts = { from = \"local\", zone = \"Europe/Berlin\" }\nv = \"val\"\n",
        )
        .unwrap();
        assert_eq!(plan.tables[0].columns.len(), 2);
        assert_eq!(plan.tables[0].columns[1].from.as_deref(), Some("val"));
        assert_eq!(plan.tables[0].hypertable.as_ref().unwrap().chunk_us, 172_800_000_000);
        assert_eq!(format!("{:?}", plan.target.url), "***");
    }

    #[test]
    fn every_problem_is_told_at_once_with_its_place() {
        let text = "nmae = \"x\"\n[source]\nsqlite = \"${NOPE}\"\n[limits]\nrejected = \"many\"\n\
                    [[table]]\nfrom = \"t\"\nto = \"a.b.c\"\nhypertable = { tme = \"ts\" }\n\
                    [table.columns]\nts = { zone = \"europe/berlin\" }\nx = { unit = \"degF -> kg\" }\n";
        let problems = read(text).unwrap_err();
        insta::assert_snapshot!(problems.to_string());
    }

    #[test]
    fn broken_toml_is_told_with_its_place_too() {
        let problems = read("name = \n[[table]\n").unwrap_err();
        assert!(problems.list.iter().any(|problem| problem.place.line == 1));
    }
}
