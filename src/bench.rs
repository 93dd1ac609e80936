//! The same file, the same server, the same table, one way after the other: ratios that hold on a noisy machine.
//!
//! Everything happens in a database of its own, made at the start and dropped at the end; no table of a
//! user is touched. Each way loads the file in turn, round by round; medians are compared.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::{Value, json};
use tokio_postgres::Client;

use crate::observe::report::{Report, Table};
use crate::sink::SinkError;
use crate::sink::session::Server;

pub mod oee;
pub mod panels;
mod postgres;
mod source;
mod states;

/// How much to measure.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Rows of the file.
    pub rows: u64,
    /// Samples of states: a day of twenty units, each second, is 1,728,000.
    pub samples: u64,
    /// Times each way is run.
    pub rounds: usize,
}

impl Size {
    /// For CI.
    pub const QUICK: Self = Self { rows: 500_000, samples: 400_000, rounds: 3 };
    /// For figures to be quoted.
    pub const FULL: Self = Self { rows: 5_000_000, samples: 1_728_000, rounds: 3 };
}

/// What a bench needs to know.
#[derive(Clone, Debug)]
pub struct Bench {
    /// The server; its database is only the door to it.
    pub url: String,
    /// This program.
    pub program: PathBuf,
    /// A folder for the file and the state; removed by the caller.
    pub folder: PathBuf,
    /// How much.
    pub size: Size,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The server.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The file.
    #[error("the bench's source file: {0}")]
    Source(#[from] rusqlite::Error),
    /// A way that failed.
    #[error("{way} failed: {cause}")]
    Way {
        /// Which.
        way: String,
        /// Why.
        cause: String,
    },
    /// Files.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl From<tokio_postgres::Error> for BenchError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Sink(error.into())
    }
}

/// Seconds of one way, round by round.
#[derive(Clone, Debug, Default)]
struct Way {
    name: &'static str,
    seconds: Vec<f64>,
}

impl Way {
    fn median(&self) -> f64 {
        let mut sorted = self.seconds.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

const INDEXES: &str =
    "create index on public.hist (ts desc); create index on public.hist (metric, ts desc)";

impl Bench {
    /// Measures everything. `say` tells a person what is going on.
    pub async fn run(&self, say: &dyn Fn(&str)) -> Result<Report, BenchError> {
        let file = self.folder.join("bench.db");
        say(&format!("writing a file of {} rows", self.size.rows));
        source::write(&file, self.size.rows)?;
        let server = Server::parse(&self.url).map_err(SinkError::from)?;
        let door = server.connect("millstream bench").await.map_err(SinkError::from)?;
        let name = format!("millstream_bench_{}", std::process::id());
        door.client.batch_execute(&format!("create database {name}")).await?;
        let url = with_database(&self.url, &name);
        let measured = self.measure(&url, &file, say).await;
        let drop = format!("drop database {name} with (force)");
        door.client.batch_execute(&drop).await?;
        measured
    }

    async fn measure(
        &self,
        url: &str,
        file: &Path,
        say: &dyn Fn(&str),
    ) -> Result<Report, BenchError> {
        let session = Server::parse(url).map_err(SinkError::from)?;
        let session = session.connect("millstream bench").await.map_err(SinkError::from)?;
        let client = &session.client;
        let server = extension(client).await?;
        let pgloader = have("pgloader");
        let shell = have("sqlite3") && have("psql");
        let mut ours = Way { name: "millstream", ..Way::default() };
        let mut plain = Way { name: "server COPY FROM file", ..Way::default() };
        let mut one_liner = Way { name: "sqlite3 -csv | psql copy", ..Way::default() };
        let mut loader = Way { name: "pgloader, plain table", ..Way::default() };
        let mut ours_indexed = Way { name: "millstream, two indexes", ..Way::default() };
        let mut shell_indexed = Way { name: "sqlite3 | psql, two indexes", ..Way::default() };
        let mut compressed =
            Way { name: "millstream, two indexes, Direct Compress", ..Way::default() };
        let (mut runs, mut direct) = (Vec::new(), Vec::new());
        for round in 1..=self.size.rounds {
            say(&format!("round {round} of {}", self.size.rounds));
            target(client, server).await?;
            let run = self.ours(url, file, &mut ours)?;
            runs.push(run);
            server_copy(client, server, &mut plain).await?;
            if shell {
                target(client, server).await?;
                self.shell(url, file, &mut one_liner)?;
            }
            target(client, Shape { indexes: true, ..server }).await?;
            self.ours(url, file, &mut ours_indexed)?;
            if shell {
                target(client, Shape { indexes: true, ..server }).await?;
                self.shell(url, file, &mut shell_indexed)?;
            }
            if server.compresses {
                target(client, Shape { indexes: true, columnstore: true, ..server }).await?;
                let run = self.ours(url, file, &mut compressed)?;
                direct.push(run);
            }
            if pgloader {
                // It makes its own table: a plain one.
                client.batch_execute("drop table public.hist").await?;
                self.pgloader(url, file, &mut loader)?;
            }
        }
        let ways = [ours, plain, one_liner, loader, ours_indexed, shell_indexed, compressed];
        let mut report = self.report(&ways, &runs, &direct);
        let staged = states::measure(self, (client, url), server.has_timescale, say).await?;
        states::add(&mut report, self.size.samples, &staged);
        let from_postgres = self.measure_postgres((client, url), server, say).await?;
        from_postgres.tell(self.size.rows, &mut report);
        Ok(report)
    }

    fn ours(&self, url: &str, file: &Path, way: &mut Way) -> Result<Value, BenchError> {
        self.load(url, &source::pipeline(file, &self.folder.join("state")), way)
    }

    /// The real thing: this program as a user runs it. What it reads from a server is in the same database.
    fn load(&self, url: &str, pipeline: &str, way: &mut Way) -> Result<Value, BenchError> {
        let file = self.folder.join("bench.toml");
        std::fs::write(&file, pipeline)?;
        let since = Instant::now();
        let output = Command::new(&self.program)
            .args(["backfill", "--fresh", "--progress", "none", "--format", "json"])
            .arg(&file)
            .env("DATABASE_URL", url)
            .env("SOURCE", url)
            .stdin(Stdio::null())
            .output()?;
        way.seconds.push(since.elapsed().as_secs_f64());
        let failed = |cause: String| BenchError::Way { way: way.name.to_owned(), cause };
        if !output.status.success() {
            let words = [output.stderr, output.stdout].concat();
            return Err(failed(String::from_utf8_lossy(&words).into_owned()));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| failed(error.to_string()))
    }

    fn shell(&self, url: &str, file: &Path, way: &mut Way) -> Result<(), BenchError> {
        let script = "sqlite3 -csv \"$FILE\" 'select ts, metric, value from hist' | \
                      psql -X -q -v ON_ERROR_STOP=1 -c 'copy public.hist from stdin (format csv)' \"$URL\"";
        let mut command = Command::new("sh");
        command.arg("-c").arg(script).env("FILE", file).env("URL", url);
        command.env("PGTZ", "Europe/Berlin");
        time(command, way)
    }

    fn pgloader(&self, url: &str, file: &Path, way: &mut Way) -> Result<(), BenchError> {
        let load = self.folder.join("bench.load");
        let url = url.replace("postgres://", "postgresql://");
        std::fs::write(
            &load,
            format!(
                "load database from sqlite://{} into {url} with include drop, create tables, \
                 create no indexes, reset no sequences;\n",
                file.display()
            ),
        )?;
        let mut command = Command::new("pgloader");
        command.arg(&load);
        time(command, way)
    }

    fn report(&self, ways: &[Way], runs: &[Value], direct: &[Value]) -> Report {
        let [ours, plain, one_liner, loader, ours_indexed, shell_indexed, compressed] = ways else {
            return Report::default();
        };
        let rows = self.size.rows as f64;
        let mut report =
            Report::new(format!("bench: {} rows, {} rounds", self.size.rows, self.size.rounds));
        let mut table = Table::new("Ways", &["way", "median s", "rows per s", "ratio to ours"]);
        for way in ways.iter().filter(|way| !way.seconds.is_empty()) {
            let ours = match way.name {
                name if name == compressed.name => compressed,
                name if name.contains("indexes") => ours_indexed,
                _ => ours,
            };
            table.push(vec![
                json!(way.name),
                json!(rounded(way.median())),
                json!((rows / way.median()).round()),
                json!(rounded(ours.median() / way.median())),
            ]);
        }
        report.tables.push(table);
        let ratio = |ours: &Way, theirs: &Way| match theirs.seconds.is_empty() {
            true => Value::Null,
            false if ours.seconds.is_empty() => Value::Null,
            false => json!(rounded(theirs.median() / ours.median())),
        };
        report.fact("rows_per_s", (rows / ours.median()).round());
        report.fact(
            "ratios",
            json!({
                "shell_one_liner": ratio(ours, one_liner),
                "pgloader": ratio(ours, loader),
                "server_copy": ratio(ours, plain),
                "shell_one_liner_indexed": ratio(ours_indexed, shell_indexed),
                "shell_one_liner_compressed": ratio(compressed, shell_indexed),
            }),
        );
        let middle = |runs: &[Value], name: &str| {
            let mut values: Vec<f64> = runs.iter().filter_map(|run| run[name].as_f64()).collect();
            values.sort_by(f64::total_cmp);
            json!(values.get(values.len() / 2))
        };
        report.fact(
            "ns_per_row",
            json!({
                "read": middle(runs, "ns_per_row_read"),
                "transform": middle(runs, "ns_per_row_transform"),
                "write": middle(runs, "ns_per_row_write"),
            }),
        );
        report.fact("peak_rss_bytes", middle(runs, "peak_rss_bytes"));
        if !direct.is_empty() {
            report.fact("peak_rss_bytes_compressed", middle(direct, "peak_rss_bytes"));
        }
        report.fact(
            "latency_ms",
            json!({ "p50": middle(runs, "commit_ms_p50"), "p99": middle(runs, "commit_ms_p99") }),
        );
        for way in ways.iter().filter(|way| way.seconds.is_empty()) {
            report.note(format!("not measured, as it is not to be had here: {}", way.name));
        }
        report
    }
}

fn time(mut command: Command, way: &mut Way) -> Result<(), BenchError> {
    let since = Instant::now();
    let output = command.stdin(Stdio::null()).output()?;
    way.seconds.push(since.elapsed().as_secs_f64());
    if output.status.success() {
        return Ok(());
    }
    let cause = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(BenchError::Way { way: way.name.to_owned(), cause })
}

/// What the table looks like that is filled.
#[derive(Clone, Copy, Debug)]
struct Shape {
    has_timescale: bool,
    /// The server has a columnstore.
    compresses: bool,
    /// Two, as usual.
    indexes: bool,
    /// By metric and time.
    columnstore: bool,
}

/// An empty table of the shape every way fills.
async fn target(client: &Client, shape: Shape) -> Result<(), BenchError> {
    let table = "drop table if exists public.hist; \
                 create table public.hist (ts timestamptz not null, metric integer, value double precision)";
    client.batch_execute(table).await?;
    if shape.has_timescale {
        let sql = "select public.create_hypertable('public.hist', public.by_range('ts', interval '1 day'), \
                   create_default_indexes => false)";
        client.batch_execute(sql).await?;
    }
    if shape.columnstore {
        let sql = "alter table public.hist set (timescaledb.compress, \
                   timescaledb.compress_segmentby = 'metric', timescaledb.compress_orderby = 'ts desc')";
        client.batch_execute(sql).await?;
    }
    if shape.indexes {
        client.batch_execute(INDEXES).await?;
    }
    Ok(())
}

/// The floor: the server reads a file of ready-made tuples that it wrote itself.
async fn server_copy(client: &Client, shape: Shape, way: &mut Way) -> Result<(), BenchError> {
    let folder: String = client.query_one("show data_directory", &[]).await?.get(0);
    let file = format!("{folder}/millstream_bench.copy").replace('\'', "''");
    let write = format!("copy (select * from public.hist) to '{file}' (format binary)");
    client.batch_execute(&write).await?;
    target(client, shape).await?;
    let since = Instant::now();
    client.batch_execute(&format!("copy public.hist from '{file}' (format binary)")).await?;
    way.seconds.push(since.elapsed().as_secs_f64());
    // The server made it, so the server has to remove it: it may be in a container.
    client.batch_execute(&format!("copy (select 1) to program 'rm -f \"{file}\"'")).await?;
    Ok(())
}

/// A bare table on this server, with the extension if there is one.
async fn extension(client: &Client) -> Result<Shape, BenchError> {
    let sql = "select exists (select from pg_available_extensions where name = 'timescaledb')";
    let has_timescale: bool = client.query_one(sql, &[]).await?.get(0);
    if has_timescale {
        client.batch_execute("create extension if not exists timescaledb schema public").await?;
    }
    let sql = "select coalesce(current_setting('timescaledb.license', true) = 'timescale', false)";
    let compresses: bool = client.query_one(sql, &[]).await?.get(0);
    Ok(Shape { has_timescale, compresses, indexes: false, columnstore: false })
}

fn have(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn with_database(url: &str, name: &str) -> String {
    let (base, query) = url.split_once('?').map_or((url, ""), |(base, query)| (base, query));
    let server = base.rsplit_once('/').map_or(base, |(server, _)| server);
    if query.is_empty() { format!("{server}/{name}") } else { format!("{server}/{name}?{query}") }
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_database_of_a_url_changes() {
        assert_eq!(with_database("postgres://u@h:1/a", "b"), "postgres://u@h:1/b");
        assert_eq!(with_database("postgres://u@h/a?x=1", "b"), "postgres://u@h/b?x=1");
    }

    #[test]
    fn the_median_is_the_middle() {
        let way = Way { name: "x", seconds: vec![3.0, 1.0, 2.0] };
        assert!((way.median() - 2.0).abs() < f64::EPSILON);
    }
}
