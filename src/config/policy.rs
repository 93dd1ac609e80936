//! The policy file: how long data is kept, how it is cut and compressed, which rollups are refreshed.
//!
//! One file a migration set, embedded; `--file` names another one. A setting that is left out is left
//! as it is on the server. `docs/policies.md` has each key; unknown keys are errors with their place.

mod span;

use std::path::Path;

pub use span::Span;

use super::check::missing;
use super::raw::{Reader, Section};
use super::{Environment, Problems};
use crate::schema::TableName;

/// What is wanted of a database.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policies {
    /// By table, in the order of the file.
    pub tables: Vec<TablePolicy>,
    /// By rollup.
    pub rollups: Vec<Rollup>,
}

/// What is wanted of a table with a time column.
#[derive(Clone, Debug, PartialEq)]
pub struct TablePolicy {
    /// The table.
    pub name: TableName,
    /// Its time column.
    pub time: String,
    /// Width of the chunks to come.
    pub chunk: Option<Span>,
    /// How and when old chunks are compressed.
    pub compress: Option<Compress>,
    /// How long rows are kept.
    pub retain: Option<Retain>,
    /// Name and columns, as in `create index name on table (columns)`.
    pub indexes: Vec<(String, String)>,
}

/// How and when old chunks are compressed.
#[derive(Clone, Debug, PartialEq)]
pub struct Compress {
    /// Columns whose values share a segment.
    pub segment_by: Vec<String>,
    /// Columns that rows of a segment are sorted by.
    pub order_by: Vec<Order>,
    /// Age at which a chunk is compressed.
    pub after: Span,
    /// How often the job runs.
    pub every: Option<Span>,
}

/// A column to sort by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The column.
    pub column: String,
    /// The largest first.
    pub descending: bool,
    /// NULL before all others.
    pub nulls_first: bool,
}

/// How long rows are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retain {
    /// `retain = "forever"`: no job may drop any.
    Forever,
    /// So long.
    For(Span),
}

/// A view that sums a table up.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollup {
    /// The view: a continuous aggregate where the edition has them, else a materialized view.
    pub view: TableName,
    /// When a continuous aggregate is brought up to date.
    pub refresh: Option<Refresh>,
}

/// When a continuous aggregate is brought up to date, and which part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// The window's old end, as an age; from the beginning when left out.
    pub from: Option<Span>,
    /// Its young end.
    pub to: Option<Span>,
    /// How often.
    pub every: Span,
}

/// Keys of the policy file, section by section; `docs/policies.md` explains each.
pub const KEYS: [(&str, &[&str]); 5] = [
    ("", &["table", "rollup"]),
    ("table", &["name", "time", "chunk", "compress", "retain", "indexes"]),
    ("compress", &["segment_by", "order_by", "after", "every"]),
    ("rollup", &["view", "refresh"]),
    ("refresh", &["from", "to", "every"]),
];

fn keys(section: &str) -> &'static [&'static str] {
    KEYS.iter().find(|(name, _)| *name == section).map_or(&[], |(_, keys)| *keys)
}

/// Reads a policy file from disk. Fails with every problem it has.
pub fn load(path: &Path, environment: Environment<'_>) -> Result<Policies, Problems> {
    match std::fs::read_to_string(path) {
        Ok(text) => read(&text, path, environment),
        Err(error) => {
            let mut problems = Problems::new(path);
            let hint = "docs/policies.md shows one; policies/ms5.toml is a whole one";
            problems.error(super::Place::default(), "", format!("cannot be read: {error}"), hint);
            Err(problems)
        }
    }
}

/// Reads the text of a policy file.
pub fn read(text: &str, file: &Path, environment: Environment<'_>) -> Result<Policies, Problems> {
    let mut reader = Reader { text, environment, problems: Problems::new(file) };
    let policies = reader.parse(text).map(|table| {
        let root = Section::root(table.get_ref());
        root.only(&mut reader, keys(""));
        let tables = root.sections(&mut reader, "table");
        let rollups = root.sections(&mut reader, "rollup");
        Policies {
            tables: tables.iter().filter_map(|table| read_table(&mut reader, table)).collect(),
            rollups: rollups.iter().filter_map(|rollup| read_rollup(&mut reader, rollup)).collect(),
        }
    });
    match policies {
        Some(policies) if reader.problems.error_count() == 0 => Ok(policies),
        _ => Err(reader.problems),
    }
}

fn read_table(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<TablePolicy> {
    section.only(reader, keys("table"));
    let name = read_name(reader, section, "name");
    let time = section.text(reader, "time");
    if time.is_none() {
        missing(reader, section, "time", "the column that says how old a row is");
    }
    let compress = section.section(reader, "compress");
    let compress = compress.and_then(|section| read_compress(reader, &section));
    let retain = read_retain(reader, section);
    if let (Some(Retain::For(retain)), Some(compress)) = (retain, &compress)
        && retain.about_us() <= compress.after.about_us()
    {
        let message = format!("rows are dropped ({retain}) before they are compressed");
        let hint = "make compress.after shorter than retain, or leave compress out";
        reader.problems.error(section.place, &section.key("retain"), message, hint);
    }
    let mut indexes = Vec::new();
    if let Some(section) = section.section(reader, "indexes") {
        for (name, _) in section.names(reader) {
            let columns = section.text(reader, &name);
            indexes.extend(columns.map(|columns| (name, columns.value)));
        }
    }
    let chunk = read_span(reader, section, "chunk");
    Some(TablePolicy { name: name?, time: time?.value, chunk, compress, retain, indexes })
}

fn read_name(reader: &mut Reader<'_>, section: &Section<'_>, key: &str) -> Option<TableName> {
    let Some(text) = section.text(reader, key) else {
        missing(reader, section, key, "which one: \"schema.name\"");
        return None;
    };
    let name = TableName::parse(&text.value);
    if name.is_none() {
        let message = format!("`{}` is no name", text.value);
        let hint = "schema.name; quote a part that holds capitals: public.\"Site\"";
        reader.problems.error(text.place, &section.key(key), message, hint);
    }
    name
}

fn read_span(reader: &mut Reader<'_>, section: &Section<'_>, key: &str) -> Option<Span> {
    let text = section.text(reader, key)?;
    let span = text.value.parse().ok();
    if span.is_none() {
        let message = format!("`{}` is no length of time", text.value);
        let hint = "a number and a unit: \"1 hour\", \"7 days\", \"2 years\"";
        reader.problems.error(text.place, &section.key(key), message, hint);
    }
    span
}

fn read_retain(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<Retain> {
    let forever = section.is_text("retain")
        && section.text(reader, "retain").is_some_and(|text| text.value == "forever");
    if forever {
        return Some(Retain::Forever);
    }
    read_span(reader, section, "retain").map(Retain::For)
}

fn read_compress(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<Compress> {
    section.only(reader, keys("compress"));
    let list = |reader: &mut Reader<'_>, key| section.texts(reader, key).unwrap_or_default();
    let segment_by = section.names(reader).iter().any(|(name, _)| name == "segment_by");
    let segment_by = if segment_by { list(reader, "segment_by") } else { Vec::new() };
    let mut order_by = Vec::new();
    for text in list(reader, "order_by") {
        match read_order(&text) {
            Some(order) => order_by.push(order),
            None => {
                let message = format!("`{text}` is no column to sort by");
                let hint = "\"ts desc\", \"ts asc nulls first\"";
                reader.problems.error(section.place, &section.key("order_by"), message, hint);
            }
        }
    }
    if order_by.is_empty() {
        missing(reader, section, "order_by", "for example order_by = [\"ts desc\"]");
    }
    let after = read_span(reader, section, "after");
    if after.is_none() && !section.is_text("after") {
        missing(reader, section, "after", "the age at which a chunk is compressed: \"7 days\"");
    }
    let every = read_span(reader, section, "every");
    Some(Compress { segment_by, order_by, after: after?, every })
}

/// `ts desc nulls last`; NULLs come first in falling order and last in rising order, as in SQL.
fn read_order(text: &str) -> Option<Order> {
    let mut words = text.split_whitespace();
    let column = words.next()?.trim_matches('"').to_owned();
    let rest: Vec<String> = words.map(str::to_lowercase).collect();
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    let (descending, rest) = match rest.as_slice() {
        ["desc", rest @ ..] => (true, rest),
        ["asc", rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let nulls_first = match rest {
        [] => descending,
        ["nulls", "first"] => true,
        ["nulls", "last"] => false,
        _ => return None,
    };
    Some(Order { column, descending, nulls_first })
}

impl std::fmt::Display for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let direction = if self.descending { "desc" } else { "asc" };
        write!(f, "{} {direction}", self.column)?;
        match (self.nulls_first, self.descending) {
            (true, false) => write!(f, " nulls first"),
            (false, true) => write!(f, " nulls last"),
            _ => Ok(()),
        }
    }
}

fn read_rollup(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<Rollup> {
    section.only(reader, keys("rollup"));
    let view = read_name(reader, section, "view");
    let refresh = section.section(reader, "refresh").and_then(|section| {
        section.only(reader, keys("refresh"));
        let every = read_span(reader, &section, "every");
        if every.is_none() && !section.is_text("every") {
            missing(reader, &section, "every", "how often: every = \"1 hour\"");
        }
        let (from, to) = (read_span(reader, &section, "from"), read_span(reader, &section, "to"));
        if let (Some(from), Some(to)) = (from, to)
            && from.about_us() <= to.about_us()
        {
            let message = format!("the window from {from} to {to} ago is empty");
            reader.problems.error(section.place, &section.path, message, "`from` is the older end");
        }
        Some(Refresh { from, to, every: every? })
    });
    Some(Rollup { view: view?, refresh })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policies(text: &str) -> Result<Policies, Problems> {
        read(text, Path::new("policies.toml"), &|_| None)
    }

    #[test]
    fn a_file_says_what_is_wanted() {
        let read = policies(
            "[[table]]\nname = \"public.\\\"Counts\\\"\"\ntime = \"at\"\nchunk = \"1 week\"\n\
             retain = \"2 years\"\ncompress = { segment_by = [\"lineId\"], order_by = [\"at desc\"], \
             after = \"7 days\" }\nindexes = { counts_at = \"at desc\" }\n\
             [[rollup]]\nview = \"hourly\"\nrefresh = { from = \"3 days\", every = \"1 hour\" }\n",
        )
        .unwrap();
        let table = &read.tables[0];
        assert_eq!(table.name.quoted(), "\"public\".\"Counts\"");
        assert_eq!(table.chunk.unwrap().to_string(), "7 days");
        let compress = table.compress.as_ref().unwrap();
        assert_eq!(compress.order_by[0].to_string(), "at desc");
        assert!(compress.order_by[0].nulls_first);
        assert_eq!(table.indexes, [("counts_at".to_owned(), "at desc".to_owned())]);
        assert_eq!(read.rollups[0].refresh.unwrap().to, None);
    }

    #[test]
    fn every_problem_is_told_at_once_with_its_place() {
        let problems = policies(
            "[[table]]\nname = \"a.b.c\"\nchunk = \"soon\"\nretian = \"1 day\"\n\
             [[table]]\nname = \"t\"\ntime = \"ts\"\nretain = \"5 days\"\n\
             compress = { order_by = [\"ts sideways\"], after = \"7 days\", segments = 3 }\n\
             [[rollup]]\nview = \"v\"\nrefresh = { from = \"1 hour\", to = \"2 hours\" }\n",
        );
        insta::assert_snapshot!(problems.unwrap_err().to_string());
    }
}
