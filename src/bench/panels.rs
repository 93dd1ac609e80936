//! The dashboard's queries on as many rows as are asked for, in a database of its own.
//!
//! The set `ms5` is applied, its `metric_hist` filled with the two machines' telemetry up to now, and with it
//! their newest values, stops, faults and OEE; where the edition can, all but the newest day is compressed.

use std::time::Instant;

use tokio_postgres::Client;

use super::BenchError;
use crate::database::edition::{self, Kind};
use crate::database::migrate::{self, Options, journal::Journal};
use crate::database::postcheck::{panels, sample};
use crate::fault;
use crate::observe::report::Report;
use crate::sink::SinkError;
use crate::sink::session::Server;

/// Seconds that one statement fills: some 540,000 rows, a transaction of a size that any server takes.
const STEP_SECONDS: u64 = 6 * 3_600;

/// Everything beside the history: what the other panels read. `$from` and `$to` are instants.
const REST: &str = "\
insert into factory_telemetry.metric_latest \
    (metric_def_id, ts, value_bool, value_int, value_real, value_text, value_json) \
select d.id, h.* from factory_telemetry.metric_def d, lateral ( \
    select ts, value_bool, value_int, value_real, value_text, value_json \
    from factory_telemetry.metric_hist where metric_def_id = d.id order by ts desc limit 1) h; \
insert into factory_telemetry.downtime_events \
    (equipment_code, start_time, end_time, duration_seconds, reason_code, category) \
select 'BP01.PACK.BAG1', t, t + interval '5 minutes', 300, \
    (array['MECH_FAULT', 'UPSTREAM_STOP', 'CHANGEOVER'])[1 + n % 3], \
    case n % 3 when 2 then 'changeover' else 'unplanned' end \
from generate_series($from, $to, interval '50 minutes') with ordinality s (t, n); \
insert into factory_telemetry.fault_event (equipment_code, bit_index, ts_on, ts_off, duration_s) \
select 'BP01.PACK.BAG1', n % 50, t, t + interval '40 seconds', 40 \
from generate_series($from, $to, interval '4 minutes') with ordinality s (t, n); \
insert into factory_telemetry.oee_calculations (line_id, equipment_code, calculation_time, \
    availability, performance, quality, oee, planned_production_time, actual_production_time, \
    ideal_cycle_time, good_parts, total_parts) \
select l.id, 'BP01.PACK.BAG1', t, 0.9, 0.95, 0.98, 0.84, 60, 54, 0.6, 84, 86 \
from generate_series($from, $to, interval '1 minute') t \
left join (select id from factory_telemetry.production_lines order by line_code limit 1) l on true";

/// Fills and measures. `say` tells a person what is going on.
///
/// Errors: the server; the role has to be allowed to create databases.
pub async fn run(url: &str, rows: u64, say: &dyn Fn(&str)) -> Result<Report, BenchError> {
    let server = Server::parse(url).map_err(SinkError::from)?;
    let door = server.connect("millstream bench").await.map_err(SinkError::from)?;
    let name = format!("millstream_bench_{}", std::process::id());
    door.client.batch_execute(&format!("create database {name} template template0")).await?;
    let measured = measure(&server.on_database(&name), rows, say).await;
    door.client.batch_execute(&format!("drop database {name} with (force)")).await?;
    measured
}

async fn measure(server: &Server, rows: u64, say: &dyn Fn(&str)) -> Result<Report, BenchError> {
    let mut session = server.connect("millstream bench").await.map_err(SinkError::from)?;
    let has_timescale = super::extension(&session.client).await?.has_timescale;
    session = server.connect("millstream bench").await.map_err(SinkError::from)?;
    let failed = |error: migrate::MigrateError| BenchError::Way {
        way: "the set ms5".to_owned(),
        cause: fault::chain(&error),
    };
    let migrations = migrate::load("ms5", None).map_err(failed)?;
    let (files, journal) = (("ms5", migrations.as_slice()), &mut Journal::silent());
    migrate::up(&mut session.client, files, Options::default(), journal).await.map_err(failed)?;
    let client = &session.client;
    let edition = edition::detect(client).await?;
    say(&format!("filling metric_hist with {rows} rows on {edition}"));
    let since = Instant::now();
    let filled = fill(client, rows, say).await?;
    let filled_in = since.elapsed().as_secs_f64();
    if edition.kind == Kind::Community {
        say("compressing all but the newest day");
        let sql = "select count(compress_chunk(c)) from show_chunks('factory_telemetry.metric_hist', \
                   older_than => interval '1 day') c";
        client.execute(sql, &[]).await?;
    }
    client.batch_execute("vacuum (analyze)").await?;
    let mut report = Report::new(format!("bench: panels on {filled} rows of metric_hist"));
    report.note(edition.to_string());
    let mut latencies = Vec::new();
    for panel in panels::of_set("ms5") {
        say(&panel.name);
        latencies.push(panels::measure(client, &panel).await?);
    }
    let worst = latencies.iter().map(|latency| latency.ms(0.95)).fold(0.0, f64::max);
    report.fact("rows", filled);
    report.fact("fill_rows_per_s", (filled as f64 / filled_in).round());
    report.fact("bytes", size(client, has_timescale).await?);
    report.fact("p95_ms_max", super::rounded(worst));
    report.tables.push(panels::table(&latencies));
    report.plots = latencies.iter().map(panels::Latency::plot).collect();
    Ok(report)
}

/// Fills the newest `rows` seconds' worth of history, oldest first, and all the rest.
async fn fill(client: &Client, rows: u64, say: &dyn Fn(&str)) -> Result<u64, BenchError> {
    // Rows a second as a fraction: 252 in ten seconds. A few more than asked for, as stops fall unevenly.
    let seconds = rows * 10 / 252 + 10;
    let metrics = format!(
        "insert into factory_telemetry.metric_def (id, equipment_code, metric_key, value_type, \
         description) select id, case machine when 0 then 'BP01.PACK.BAG1' else 'BP01.PACK.BAG1.BL' end, \
         metric_key, value_type, metric_key from ({}) m",
        sample::METRICS
    );
    client.batch_execute("truncate factory_telemetry.metric_def cascade").await?;
    client.batch_execute(&metrics).await?;
    let sql = "select date_trunc('second', now())::text";
    let to: String = client.query_one(sql, &[]).await?.get(0);
    let instant = |before: u64| format!("('{to}'::timestamptz - interval '{before} seconds')");
    let (mut left, mut filled) = (seconds, 0);
    while left > 0 {
        let step = left.min(STEP_SECONDS);
        let table = "factory_telemetry.metric_hist";
        filled += sample::fill(client, table, (&instant(left), step)).await?;
        left -= step;
        say(&format!("{filled} rows"));
    }
    let rest = REST.replace("$from", &instant(seconds)).replace("$to", &instant(0));
    client.batch_execute(&rest).await?;
    Ok(filled)
}

async fn size(client: &Client, has_timescale: bool) -> Result<i64, BenchError> {
    let sql = match has_timescale {
        true => "select hypertable_size('factory_telemetry.metric_hist')",
        false => "select pg_total_relation_size('factory_telemetry.metric_hist')",
    };
    Ok(client.query_one(sql, &[]).await?.get(0))
}
