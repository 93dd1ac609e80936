//! Samples to intervals, against a plain copy of the same rows by the same program.

use std::path::Path;

use rusqlite::Connection;
use serde_json::{Value, json};
use tokio_postgres::Client;

use super::{Bench, BenchError, Way, rounded};
use crate::observe::report::Report;

/// A unit is sampled each second; so many units.
const UNITS: u64 = 20;

const TABLES: &str = "\
drop table if exists public.sample; drop table if exists public.equipment_states; \
create table public.sample (id bigint, at timestamptz not null, unit text, state text); \
create table public.equipment_states (id varchar(36) not null, \"timestamp\" timestamptz not null, \
    \"equipmentId\" varchar(36) not null, state varchar(20) not null, \"stateCategory\" varchar(20) not null, \
    reason varchar(255), \"startTime\" timestamptz not null, \"endTime\" timestamptz, \
    \"durationSeconds\" double precision, \"productionOrderId\" varchar(36), \"operatorId\" varchar(36), \
    primary key (\"equipmentId\", \"timestamp\", \"startTime\"))";

/// Both ways in turn: the copy, then the intervals.
pub(super) async fn measure(
    bench: &Bench,
    (client, url): (&Client, &str),
    has_timescale: bool,
    say: &dyn Fn(&str),
) -> Result<[Way; 2], BenchError> {
    let file = bench.folder.join("samples.db");
    say(&format!("writing a file of {} samples", bench.size.samples));
    write(&file, bench.size.samples)?;
    let mut copied = Way { name: "samples, copied", ..Way::default() };
    let mut made = Way { name: "samples to intervals", ..Way::default() };
    for _ in 0..bench.size.rounds {
        client.batch_execute(TABLES).await?;
        if has_timescale {
            let sql = "select public.create_hypertable('public.sample', 'at', create_default_indexes => false), \
                       public.create_hypertable('public.equipment_states', 'timestamp', \
                       create_default_indexes => false)";
            client.batch_execute(sql).await?;
        }
        run(bench, (url, &file), "", "public.sample", &mut copied)?;
        run(
            bench,
            (url, &file),
            "[table.states]\nhold = \"5 seconds\"\n",
            "public.equipment_states",
            &mut made,
        )?;
    }
    Ok([copied, made])
}

fn write(file: &Path, samples: u64) -> Result<(), rusqlite::Error> {
    let connection = Connection::open(file)?;
    connection.execute_batch(
        "pragma journal_mode = off; pragma synchronous = off; \
         create table sample (id integer primary key, at text, unit text, state text)",
    )?;
    // Stops of five to eleven minutes, twice an hour, at other minutes for each unit.
    connection.execute(
        "with recursive n(i) as (values (0) union all select i + 1 from n where i + 1 < ?1) \
         insert into sample (at, unit, state) \
         select strftime('%Y-%m-%d %H:%M:%S', 1751328000 + i / ?2, 'unixepoch'), 'UNIT-' || (i % ?2), \
         case when (i / ?2 + i % ?2 * 97) % 1800 < 300 + i % ?2 * 18 then 'DOWN' else 'PRODUCING' end from n",
        [i64::try_from(samples).unwrap_or(i64::MAX), i64::try_from(UNITS).unwrap_or(1)],
    )?;
    connection.close().map_err(|(_, error)| error)
}

fn run(
    bench: &Bench,
    (url, file): (&str, &Path),
    stage: &str,
    to: &str,
    way: &mut Way,
) -> Result<(), BenchError> {
    let columns = match stage.is_empty() {
        true => "",
        false => "equipment = \"unit\"\nkind = { value = \"sample\" }\n",
    };
    let text = format!(
        "name = \"bench {to}\"\n[source]\nsqlite = '{}'\n[target]\nurl = \"${{DATABASE_URL}}\"\n\
         [state]\ndir = '{}'\n[[table]]\nfrom = \"sample\"\nto = \"{to}\"\n{stage}\
         [table.columns]\nat = {{ zone = \"UTC\" }}\n{columns}",
        file.display(),
        bench.folder.join("state").display()
    );
    let report = bench.load(url, &text, way)?;
    let read = report["source_tables"][0]["read"].as_u64();
    if read != Some(bench.size.samples) {
        let cause = format!("{read:?} of {} samples read", bench.size.samples);
        return Err(BenchError::Way { way: way.name.to_owned(), cause });
    }
    Ok(())
}

/// Adds two ways that do with the same rows: the measure, then what is held against it.
pub(super) fn add(report: &mut Report, rows: u64, [theirs, ours]: &[Way; 2]) {
    let rows = rows as f64;
    let compared = theirs.median() / ours.median();
    if let Some(table) = report.tables.first_mut() {
        for (way, to_ours) in [(theirs, 1.0 / compared), (ours, 1.0)] {
            let rate = json!((rows / way.median()).round());
            table.push(vec![
                json!(way.name),
                json!(rounded(way.median())),
                rate,
                json!(rounded(to_ours)),
            ]);
        }
    }
    let ratios = report.facts.iter_mut().find(|(name, _)| name == "ratios");
    if let Some((_, Value::Object(ratios))) = ratios {
        ratios.insert("intervals_to_copy".to_owned(), json!(rounded(compared)));
    }
}
