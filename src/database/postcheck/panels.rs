//! What a dashboard asks: queries by set, one file a panel, timed as a dashboard sends them.
//!
//! The first line of a file is the panel's title. `-- $1 uuid: select …` gives the values that stand for `$1`,
//! one after the other; the lines that follow it with deeper indent belong to it. Each run is a statement of
//! its own, with the values written in, so that parsing and planning are measured, too.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::{Value, json};
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::observe::report::{Plot, Table};

macro_rules! panels {
    ($($set:literal: [$($file:literal),* $(,)?]),* $(,)?) => {
        /// File and text of each set's panels.
        const EMBEDDED: &[(&str, &[(&str, &str)])] = &[$((
            $set,
            &[$(($file, include_str!(concat!("../../../panels/", $set, "/", $file)))),*],
        )),*];
    };
}

panels! {
    "ms5": [
        "01_machine_now.sql",
        "02_metric_trend.sql",
        "03_newest_values.sql",
        "04_running_share.sql",
        "05_oee_by_line.sql",
        "06_downtime_reasons.sql",
        "07_faults.sql",
    ],
    "iso22400": [
        "01_state_line.sql",
        "02_counts_by_hour.sql",
        "03_oee_by_shift.sql",
        "04_work_center_days.sql",
    ],
    "orders": ["01_column_statistics.sql", "02_orders_in_progress.sql"],
}

/// What the seeds ask of a dashboard's query, in milliseconds.
pub const P95_MS_MAX: f64 = 100.0;
/// Runs that are timed, and those before them that are not.
const RUNS: u32 = 60;
const WARM_UP: u32 = 3;
/// A slow panel is timed less often: what ten runs take says enough then.
const TIME_MAX: Duration = Duration::from_secs(15);
const VALUES_MAX: usize = 60;

/// A panel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panel {
    /// Such as `ms5/01_machine_now`.
    pub name: String,
    /// What it shows.
    pub title: String,
    /// Type and query of each parameter.
    parameters: Vec<(String, String)>,
    /// The query.
    sql: String,
}

/// How long a panel's query took.
#[derive(Clone, Debug)]
pub struct Latency {
    /// The panel.
    pub panel: Panel,
    /// Microseconds.
    pub microseconds: Histogram<u64>,
    /// Rows of the longest answer.
    pub rows: usize,
}

/// The panels of a set.
pub fn of_set(set: &str) -> Vec<Panel> {
    let found = EMBEDDED.iter().find(|(name, _)| *name == set);
    let files = found.map_or(&[][..], |(_, files)| *files);
    files.iter().map(|(file, text)| parse(set, file, text)).collect()
}

fn parse(set: &str, file: &str, text: &str) -> Panel {
    let mut parameters: Vec<(String, String)> = Vec::new();
    let (mut title, mut sql) = (String::new(), String::new());
    for line in text.lines() {
        match line.strip_prefix("--") {
            None => {
                sql.push_str(line);
                sql.push('\n');
            }
            Some(comment) if title.is_empty() => title = comment.trim().to_owned(),
            Some(comment) => match (comment.strip_prefix(" $"), comment.strip_prefix("   ")) {
                (Some(parameter), _) => {
                    let (head, query) = parameter.split_once(':').unwrap_or((parameter, ""));
                    let ty = head.split_once(' ').map_or("text", |(_, ty)| ty);
                    parameters.push((ty.to_owned(), query.trim().to_owned()));
                }
                (None, Some(more)) => {
                    if let Some((_, query)) = parameters.last_mut() {
                        query.push(' ');
                        query.push_str(more.trim());
                    }
                }
                (None, None) => {}
            },
        }
    }
    let name = format!("{set}/{}", file.trim_end_matches(".sql"));
    Panel { name, title, parameters, sql: sql.trim_end().trim_end_matches(';').to_owned() }
}

/// Times a panel's query, with one value of each parameter after the other.
///
/// Errors: the query, or one that finds its values, fails.
pub async fn measure(client: &Client, panel: &Panel) -> Result<Latency, tokio_postgres::Error> {
    let mut values: Vec<Vec<String>> = Vec::new();
    for (_, query) in &panel.parameters {
        let messages = client.simple_query(query).await?;
        let found = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        });
        values.push(found.take(VALUES_MAX).collect());
    }
    let mut microseconds = clock();
    let (mut rows, since) = (0, Instant::now());
    for run in 0..RUNS + WARM_UP {
        let sql = panel.with(&values, run as usize);
        let started = Instant::now();
        let messages = client.simple_query(&sql).await?;
        let took = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let answer = messages.iter().filter(|m| matches!(m, SimpleQueryMessage::Row(_)));
        rows = rows.max(answer.count());
        if run >= WARM_UP {
            microseconds.saturating_record(took);
        }
        if since.elapsed() > TIME_MAX && microseconds.len() >= 10 {
            break;
        }
    }
    Ok(Latency { panel: panel.clone(), microseconds, rows })
}

/// Microseconds up to ten minutes; three digits are more than a machine repeats.
fn clock() -> Histogram<u64> {
    Histogram::new_with_max(600_000_000, 3).expect("the bounds are constants that fit")
}

impl Panel {
    /// The statement of a run: its values written in. The last parameter is replaced first: `$1` begins `$10`.
    fn with(&self, values: &[Vec<String>], run: usize) -> String {
        let mut sql = self.sql.clone();
        for (at, (ty, _)) in self.parameters.iter().enumerate().rev() {
            let of = values.get(at).map_or(&[][..], Vec::as_slice);
            let value = of.get(run % of.len().max(1));
            let literal = match value {
                Some(value) => format!("'{}'::{ty}", value.replace('\'', "''")),
                None => format!("null::{ty}"),
            };
            sql = sql.replace(&format!("${}", at + 1), &literal);
        }
        sql
    }
}

impl Latency {
    /// Milliseconds at a quantile between 0 and 1.
    pub fn ms(&self, quantile: f64) -> f64 {
        self.microseconds.value_at_quantile(quantile) as f64 / 1000.0
    }

    fn rounded(&self, quantile: f64) -> Value {
        json!((self.ms(quantile) * 100.0).round() / 100.0)
    }

    /// The curve of its quantiles.
    pub fn plot(&self) -> Plot {
        let at = |percent: i32| (f64::from(percent), self.ms(f64::from(percent) / 100.0));
        let points = (0..=20).map(|step| at(step * 5)).collect();
        let title = format!("{}: {}", self.panel.name, self.panel.title);
        Plot { title, x: "% of runs".to_owned(), y: "ms".to_owned(), points }
    }
}

/// All of them as a table.
pub fn table(latencies: &[Latency]) -> Table {
    let columns = ["panel", "runs", "rows", "p50 ms", "p95 ms", "p99 ms", "max ms"];
    let mut table = Table::new("Panels", &columns);
    for latency in latencies {
        let quantile = |q| latency.rounded(q);
        table.push(vec![
            json!(latency.panel.name),
            json!(latency.microseconds.len()),
            json!(latency.rows),
            quantile(0.5),
            quantile(0.95),
            quantile(0.99),
            quantile(1.0),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_tree_is_embedded() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("panels");
        for set in std::fs::read_dir(root).unwrap() {
            let set = set.unwrap();
            let name = set.file_name().into_string().unwrap();
            let files = std::fs::read_dir(set.path()).unwrap().count();
            assert_eq!(of_set(&name).len(), files, "{name}");
        }
        for panel in EMBEDDED.iter().flat_map(|(set, _)| of_set(set)) {
            assert!(!panel.title.is_empty() && !panel.sql.is_empty(), "{panel:?}");
            for at in 1..=panel.parameters.len() {
                assert!(panel.sql.contains(&format!("${at}")), "{} lacks ${at}", panel.name);
            }
            assert!(!panel.sql.contains(&format!("${}", panel.parameters.len() + 1)));
        }
    }

    #[test]
    fn a_slow_run_is_told_as_slow() {
        let mut latency =
            Latency { panel: of_set("ms5").remove(0), microseconds: clock(), rows: 0 };
        for microseconds in [900, 150_000, 2_000_000] {
            latency.microseconds.saturating_record(microseconds);
        }
        let near = |quantile: f64, ms: f64| (latency.ms(quantile) / ms - 1.0).abs() < 0.01;
        assert!(near(0.1, 0.9) && near(0.5, 150.0) && near(1.0, 2_000.0), "{latency:?}");
    }

    #[test]
    fn values_are_written_in_turn_by_turn() {
        let text =
            "-- Title\n-- $1 text: select a\n--     from b\n-- $2 int: select 1\nselect $1, $2;\n";
        let panel = parse("s", "01_a.sql", text);
        assert_eq!((panel.name.as_str(), panel.title.as_str()), ("s/01_a", "Title"));
        assert_eq!(panel.parameters[0], ("text".to_owned(), "select a from b".to_owned()));
        let values = vec![vec!["it's".to_owned(), "$2".to_owned()], vec!["7".to_owned()]];
        assert_eq!(panel.with(&values, 0), "select 'it''s'::text, '7'::int");
        assert_eq!(panel.with(&values, 1), "select '$2'::text, '7'::int");
        assert_eq!(panel.with(&[vec![], vec![]], 5), "select null::text, null::int");
    }
}
