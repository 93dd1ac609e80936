//! Runs what differs, one setting after the other; each is left as it was or as it is wanted.

use serde_json::{Value, json};
use tokio_postgres::Client;

use crate::config::policy::{Policies, Retain};
use crate::database::loading;
use crate::observe::report::{Report, Table};
use crate::sink::SinkError;

use super::{Drift, PolicyError, Setting, inspect, loss};

/// How to go about it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Only show the statements.
    pub dry_run: bool,
    /// Retention may drop rows that are there.
    pub accept_loss: bool,
}

/// What became of a setting that differed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As wanted now.
    Changed,
    /// Would be changed.
    Planned,
    /// Left, and why.
    Left(String),
    /// The server said no.
    Failed(String),
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Each setting that differed, and what became of it.
    pub settings: Vec<(Setting, Outcome)>,
    /// Rows that retention drops now, by table, in words.
    pub losses: Vec<String>,
}

impl Applied {
    /// The server refused a change.
    pub fn failed(&self) -> bool {
        self.settings.iter().any(|(_, outcome)| matches!(outcome, Outcome::Failed(_)))
    }

    /// Tells all of it: what changed, what is lost, and for a dry run the statements.
    pub fn tell(&self, report: &mut Report) {
        report.outcome = if self.failed() { "failed" } else { "done" }.to_owned();
        report.tables.push(table(&self.settings));
        for loss in &self.losses {
            report.note(format!("retention drops at once: {}", loss.trim()));
        }
        let planned = self.settings.iter().filter(|(_, outcome)| *outcome == Outcome::Planned);
        for sql in planned.flat_map(|(setting, _)| &setting.sql) {
            report.note(format!("{sql};"));
        }
        if self.settings.is_empty() {
            report.note("nothing to change: all is as wanted");
        }
    }
}

/// Makes the server as the file wants it.
pub async fn apply(
    client: &mut Client,
    policies: &Policies,
    options: Options,
) -> Result<Applied, PolicyError> {
    // A build that waits for a writer keeps all others waiting behind it.
    client.batch_execute("set lock_timeout = '10s'").await?;
    let settings = inspect(client, policies).await?;
    let losses = losses(client, policies, &settings).await?;
    if !losses.is_empty() && !options.accept_loss && !options.dry_run {
        return Err(PolicyError::Loss(losses));
    }
    let mut done = Applied { settings: Vec::new(), losses };
    for setting in settings {
        let outcome = match &setting.drift {
            Drift::No | Drift::NotHere(_) => continue,
            Drift::Busy(why) => Outcome::Left(why.clone()),
            Drift::Yes if setting.sql.is_empty() => Outcome::Left(setting.note.clone()),
            Drift::Yes if options.dry_run => Outcome::Planned,
            Drift::Yes => match change(client, &setting).await {
                Ok(outcome) => outcome,
                Err(error) => Outcome::Failed(error.to_string()),
            },
        };
        done.settings.push((setting, outcome));
    }
    Ok(done)
}

/// What the changes of retention among these would drop at once, in words.
async fn losses(
    client: &Client,
    policies: &Policies,
    settings: &[Setting],
) -> Result<Vec<String>, SinkError> {
    let mut losses = Vec::new();
    for setting in settings.iter().filter(|setting| setting.drops && !setting.sql.is_empty()) {
        let table = policies.tables.iter().find(|table| table.name == setting.object);
        if let Some(table) = table
            && let Some(Retain::For(span)) = table.retain
            && let Some(loss) = loss::of(client, table, span).await?
        {
            losses.push(format!("  {}: {loss}", table.name));
        }
    }
    Ok(losses)
}

async fn change(client: &mut Client, setting: &Setting) -> Result<Outcome, SinkError> {
    for sql in &setting.sql {
        if setting.name.starts_with("index ") {
            // Built chunk by chunk or concurrently, which no transaction around it allows.
            client.batch_execute(sql).await?;
        } else if let Err(who) = loading::guarded(client, &setting.object, sql).await? {
            return Ok(Outcome::Left(who));
        }
    }
    Ok(Outcome::Changed)
}

fn table(done: &[(Setting, Outcome)]) -> Table {
    let mut table = Table::new("Changes", &["object", "setting", "from", "to", "outcome", "note"]);
    for (setting, outcome) in done {
        let (word, why) = match outcome {
            Outcome::Changed => ("changed", setting.note.clone()),
            Outcome::Planned => ("would change", setting.note.clone()),
            Outcome::Left(why) => ("left", why.clone()),
            Outcome::Failed(error) => ("failed", error.clone()),
        };
        let text = |text: &str| Value::from(text);
        let object = json!(setting.object.to_string());
        let (name, found, wanted) = (&setting.name, &setting.found, &setting.wanted);
        table.push(vec![object, text(name), text(found), text(wanted), text(word), json!(why)]);
    }
    table
}
