//! Policies: what the policy file wants of each table, what the server has, and the statements between.
//!
//! [`inspect`] reads, [`change`] compares without touching anything, [`apply`] runs what differs. What an
//! edition does not offer is said and left; a table that is being loaded is left alone. Retention never
//! begins to drop rows that are there unless the caller accepts the loss.

pub mod apply;
pub mod change;
pub mod found;
mod index;
pub mod loss;

use std::path::Path;

use serde_json::json;
use tokio_postgres::Client;

use crate::config::policy::{self, Policies};
use crate::config::{Environment, Problems};
use crate::database::edition::{self, Kind};
use crate::observe::report::Table;
use crate::schema::TableName;
use crate::sink::SinkError;

/// The policies of each set, as shipped.
pub const SETS: &[(&str, &str)] = &[
    ("ms5", include_str!("../../policies/ms5.toml")),
    ("iso22400", include_str!("../../policies/iso22400.toml")),
];

/// Why policies were not read or applied.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// No such set.
    #[error("there are no policies for a set `{name}`; there are some for {known}; or give --file")]
    UnknownSet {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The file is wrong.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// A retention would drop rows at once.
    #[error("nothing was changed; retention would drop rows that are there:\n{}\n\
             add --accept-loss if they may go, or keep them longer in the policy file", .0.join("\n"))]
    Loss(Vec<String>),
    /// The server.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

impl From<tokio_postgres::Error> for PolicyError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Sink(error.into())
    }
}

/// Reads the file, or the shipped policies of a set.
pub fn load(
    set: Option<&str>,
    file: Option<&Path>,
    environment: Environment<'_>,
) -> Result<Policies, PolicyError> {
    if let Some(file) = file {
        return Ok(policy::load(file, environment)?);
    }
    let name = set.unwrap_or_default();
    let found = SETS.iter().find(|(set, _)| *set == name);
    let known = || SETS.iter().map(|(set, _)| *set).collect::<Vec<_>>().join(", ");
    let (_, text) =
        found.ok_or_else(|| PolicyError::UnknownSet { name: name.to_owned(), known: known() })?;
    Ok(policy::read(text, Path::new(&format!("policies/{name}.toml")), environment)?)
}

/// Whether something is as it is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drift {
    /// It is.
    No,
    /// It is not.
    Yes,
    /// This server does not offer it, or offers it another way: why, in a few words.
    NotHere(&'static str),
    /// Left alone for now, and why.
    Busy(String),
}

/// One setting of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The table or view.
    pub object: TableName,
    /// What is set.
    pub name: String,
    /// As the file has it.
    pub wanted: String,
    /// As the server has it.
    pub found: String,
    /// Whether they differ.
    pub drift: Drift,
    /// Statements that make it so, each run by itself. Empty where no statement can.
    pub sql: Vec<String>,
    /// What to know about the change.
    pub note: String,
    /// The change starts or shortens a retention.
    pub drops: bool,
}

/// Everything the file names, as wanted and as found. Changes nothing.
pub async fn inspect(client: &Client, policies: &Policies) -> Result<Vec<Setting>, SinkError> {
    let kind = edition::detect(client).await?.kind;
    let mut settings = Vec::new();
    for table in &policies.tables {
        let found = found::table(client, &table.name, kind).await?;
        let mut these = change::of_table(table, &found, kind);
        if found.exists {
            these.extend(index::of_table(client, table, &found).await?);
        }
        settings.extend(these);
    }
    for rollup in &policies.rollups {
        let found = found::rollup(client, &rollup.view, kind).await?;
        let source = found.source.as_ref();
        let source = policies.tables.iter().find(|table| Some(&table.name) == source);
        settings.extend(change::of_rollup(rollup, &found, (source, kind)));
    }
    Ok(settings)
}

/// Settings as a table of a report.
pub fn table(settings: &[Setting]) -> Table {
    let mut table = Table::new("Policies", &["object", "setting", "wanted", "found", "drift"]);
    for Setting { object, name, wanted, found, drift, .. } in settings {
        let drift = match drift {
            Drift::No => "no",
            Drift::Yes => "yes",
            Drift::NotHere(why) => why,
            Drift::Busy(who) => who,
        };
        table.push(vec![
            json!(object.to_string()),
            json!(name),
            json!(wanted),
            json!(found),
            json!(drift),
        ]);
    }
    table
}

/// Text as a literal of SQL.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The object as a literal that names it.
pub(crate) fn regclass(name: &TableName) -> String {
    format!("{}::regclass", literal(&name.quoted()))
}

/// Whether this kind of server has compression, jobs and continuous aggregates.
fn has_jobs(kind: Kind) -> bool {
    kind == Kind::Community
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_files_are_right() {
        for (set, _) in SETS {
            let policies = load(Some(set), None, &|_| None).unwrap_or_else(|e| panic!("{e}"));
            assert!(!policies.tables.is_empty(), "{set}");
        }
        let error = load(Some("ms6"), None, &|_| None).unwrap_err().to_string();
        assert!(error.contains("`ms6`") && error.contains("iso22400"), "{error}");
    }
}
