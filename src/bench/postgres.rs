//! Postgres → hypertable, against what a person would type: `psql copy to stdout | psql copy from stdin`.

use std::process::Command;

use serde_json::{Value, json};
use tokio_postgres::Client;

use super::{Bench, BenchError, Shape, Way, have, rounded, target, time};
use crate::observe::report::Report;

const PIPELINE: &str = "name = \"bench postgres\"\n[source]\npostgres = \"${SOURCE}\"\n[target]\n\
                        url = \"${DATABASE_URL}\"\n[[table]]\nfrom = \"legacy_hist\"\nto = \"public.hist\"\n";

/// What was measured.
#[derive(Debug, Default)]
pub(super) struct Measured {
    ours: Way,
    pipe: Way,
    runs: Vec<Value>,
}

/// A historian's table as an old system has it: a key, and rows in its order.
const LEGACY: &str = "create table public.legacy_hist (id bigint primary key, ts timestamptz not null, \
    metric integer, value double precision)";

impl Bench {
    /// Makes the old table, and loads it one way after the other.
    pub(super) async fn measure_postgres(
        &self,
        (client, url): (&Client, &str),
        shape: Shape,
        say: &dyn Fn(&str),
    ) -> Result<Measured, BenchError> {
        let mut measured = Measured::default();
        measured.ours.name = "millstream, from Postgres";
        measured.pipe.name = "psql copy to | psql copy from";
        if !have("psql") {
            return Ok(measured);
        }
        say(&format!("from Postgres: a table of {} rows", self.size.rows));
        client.batch_execute(LEGACY).await?;
        let fill = format!(
            "insert into public.legacy_hist select i, timestamptz '2024-05-01 00:00+00' \
             + i / 1000 * (5184000000 / {rows}) * interval '1 second', (i % 1000)::int, \
             round((i * 7919 % 100003) / 7.0, 3) from generate_series(1, {rows}::bigint) i",
            rows = self.size.rows
        );
        client.batch_execute(&fill).await?;
        client.batch_execute("vacuum analyze public.legacy_hist").await?;
        for _ in 0..self.size.rounds {
            target(client, shape).await?;
            let run = self.load(url, PIPELINE, &mut measured.ours)?;
            measured.runs.push(run);
            target(client, shape).await?;
            pipe(url, &mut measured.pipe)?;
        }
        client.batch_execute("drop table public.legacy_hist").await?;
        Ok(measured)
    }
}

/// The URL without its password, which every user of this machine could read off a command line.
fn apart(url: &str) -> (String, Option<String>) {
    let parts = url.split_once("://").and_then(|(scheme, rest)| {
        let (user, place) = rest.rsplit_once('@')?;
        let (user, password) = user.split_once(':')?;
        Some((format!("{scheme}://{user}@{place}"), password.to_owned()))
    });
    match parts {
        Some((url, password)) => (url, Some(password)),
        None => (url.to_owned(), None),
    }
}

fn pipe(url: &str, way: &mut Way) -> Result<(), BenchError> {
    let script = "psql -X -q -v ON_ERROR_STOP=1 \
                  -c 'copy (select ts, metric, value from public.legacy_hist) to stdout (format binary)' \"$URL\" | \
                  psql -X -q -v ON_ERROR_STOP=1 -c 'copy public.hist from stdin (format binary)' \"$URL\"";
    let (url, password) = apart(url);
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).env("URL", url);
    if let Some(password) = password {
        command.env("PGPASSWORD", password);
    }
    time(command, way)
}

impl Measured {
    /// Adds the figures to those of the files.
    pub(super) fn tell(&self, rows: u64, report: &mut Report) {
        if self.ours.seconds.is_empty() {
            report.note(format!("not measured, as psql is not to be had here: {}", self.pipe.name));
            return;
        }
        let ratio = rounded(self.pipe.median() / self.ours.median());
        let ratios = report.facts.iter_mut().find(|(name, _)| name == "ratios");
        if let Some((_, Value::Object(ratios))) = ratios {
            ratios.insert("postgres_pipe".to_owned(), json!(ratio));
        }
        if let Some(ways) = report.tables.first_mut() {
            for way in [&self.ours, &self.pipe] {
                // Rows of a bench are far below 2^53.
                ways.push(vec![
                    json!(way.name),
                    json!(rounded(way.median())),
                    json!((rows as f64 / way.median()).round()),
                    json!(rounded(self.ours.median() / way.median())),
                ]);
            }
        }
        let peaks = self.runs.iter().filter_map(|run| run["peak_rss_bytes"].as_u64());
        report.fact("peak_rss_bytes_postgres", peaks.max().unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_gets_onto_a_command_line() {
        let (url, password) = apart("postgres://u:p@ss@h:1/d");
        assert_eq!((url.as_str(), password.as_deref()), ("postgres://u@h:1/d", Some("p@ss")));
        assert_eq!(apart("postgres://u@h/d").1, None);
    }
}
