//! `[source]`: a file, a folder or a server; and what a wildcard may say.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{keys, missing, parse_duration_us};
use crate::config::plan::{From, Secret, SourcePlan};
use crate::config::raw::{Reader, Section, Text};
use crate::schema::TableName;

/// As long as the defaults of most servers let a report run: vacuum is back before anybody notices.
const HOLD: Duration = Duration::from_secs(3_600);

pub(super) fn read_source(
    reader: &mut Reader<'_>,
    root: &Section<'_>,
    file: &Path,
) -> Option<SourcePlan> {
    let Some(section) = root.section(reader, "source") else {
        let hint =
            "[source] with sqlite = \"file.db\", postgres = \"${SOURCE}\" or parquet = \"dir/\"";
        missing(reader, root, "source", hint);
        return None;
    };
    section.only(reader, keys("source"));
    let names = ["sqlite", "parquet", "postgres"];
    let mut given: Vec<(&str, Text)> = Vec::new();
    for name in names {
        given.extend(section.text(reader, name).map(|text| (name, text)));
    }
    let hold = read_hold(reader, &section);
    if let [(first, _), (second, text), ..] = given.as_slice() {
        let message = format!("both `{first}` and `{second}`: which one?");
        reader.problems.error(text.place, "source", message, "keep one of them");
        return None;
    }
    let Some((name, text)) = given.pop() else {
        if !names.iter().any(|name| section.is_text(name)) {
            let hint = "the SQLite file to read; or postgres = \"${SOURCE}\", a server; or parquet = \
                        \"dir/\", a folder of Parquet files";
            missing(reader, &section, "sqlite", hint);
        }
        return None;
    };
    match name {
        "postgres" => read_postgres(reader, text, hold),
        name => {
            if section.is_text("hold") {
                let message = "`hold` is of a server; nothing waits for a file".to_owned();
                reader.problems.error(section.place, "source.hold", message, "leave it out");
            }
            read_path(reader, name, text, file)
        }
    }
}

fn read_postgres(reader: &mut Reader<'_>, text: Text, hold: Duration) -> Option<SourcePlan> {
    let Text { value, place } = text;
    // A variable that is not set was told already.
    if value.is_empty() {
        return None;
    }
    let is_url = value.starts_with("postgres://") || value.starts_with("postgresql://");
    // The text itself may be a secret that went astray.
    if !is_url && !value.contains("host=") {
        let message = "this is no URL of a PostgreSQL server".to_owned();
        let hint =
            "postgres://user@host:5432/database, the password in SOURCE_PGPASSWORD or a variable";
        reader.problems.error(place, "source.postgres", message, hint);
        return None;
    }
    Some(SourcePlan::Postgres { url: Secret(value), hold, place })
}

fn read_hold(reader: &mut Reader<'_>, section: &Section<'_>) -> Duration {
    let Some(Text { value, place }) = section.text(reader, "hold") else { return HOLD };
    let hold = parse_duration_us(&value).and_then(|us| u64::try_from(us).ok());
    if hold.is_none() {
        let message = format!("`{value}` is no span of time");
        let hint = "a number and a unit: \"30 minutes\", \"2 hours\"";
        reader.problems.error(place, "source.hold", message, hint);
    }
    hold.map_or(HOLD, Duration::from_micros)
}

fn read_path(reader: &mut Reader<'_>, name: &str, text: Text, file: &Path) -> Option<SourcePlan> {
    let Text { value, place } = text;
    if value.contains("://") {
        let message = "this source is a file or a folder, not a URL".to_owned();
        reader.problems.error(place, &format!("source.{name}"), message, "give its path");
    }
    // A relative path means the working directory, as on any command line; beside the pipeline
    // file is tried second, so that an example runs from anywhere.
    let beside = file.parent().map(|parent| parent.join(&value));
    let path = PathBuf::from(&value);
    let path = match beside {
        Some(beside) if !path.exists() && beside.exists() => beside,
        _ => path,
    };
    Some(match name {
        "sqlite" => SourcePlan::Sqlite { path, place },
        _ => SourcePlan::Parquet { path, place },
    })
}

/// A wildcard goes into a wildcard, and says nothing of columns: they are of many tables.
pub(super) fn check_wildcard(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    from: Option<&From>,
    to: Option<&TableName>,
) {
    let (Some(from), Some(to)) = (from, to) else { return };
    let wild = from.wildcard().is_some();
    if wild != (to.name == "*") {
        let message = "`from` and `to` are both `schema.*`, or neither is".to_owned();
        let hint = "from = \"plant.*\" and to = \"plant.*\"";
        reader.problems.error(section.place, &section.path, message, hint);
    }
    let told = ["key", "where", "hypertable", "columns", "rows", "states", "counts", "quality"];
    if let Some(name) = told.iter().find(|name| wild && section.has(name)) {
        let message = format!("`{name}` is about one table, and this is a wildcard");
        let hint = "give that table a [[table]] of its own: it wins over the wildcard";
        reader.problems.error(section.place, &section.key(name), message, hint);
    }
    if !wild && section.has("except") {
        let message = "`except` belongs to a wildcard".to_owned();
        let hint = "from = \"plant.*\" with except = [\"plant.old\"]";
        reader.problems.error(section.place, &section.key("except"), message, hint);
    }
}
