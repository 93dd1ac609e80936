//! Measured: writing, compression, a month's storage, the dashboard's queries.
//!
//! Whatever is written goes into tables of a schema of its own, made like `metric_hist` and dropped at the end.

use std::time::{Duration, Instant};

use futures_util::SinkExt as _;
use tokio_postgres::types::Type;

use super::panels::{self, Latency};
use super::{Check, PostcheckError, Set, bounded, count, few, hypertables, sample, size};
use crate::database::edition::Kind;
use crate::observe::report::Table;
use crate::schema::{Datum, PgType};
use crate::sink::{SinkError, copy};

/// The seeds' bounds: 1,000 rows/s, 1,000 records in 1.0 s, more than 70 % saved, less than 1 GB a month; a
/// count above a second and a connection above 100 ms are worth a look.
const ROWS_PER_S_MIN: f64 = 1_000.0;
const SAVED_MIN: f64 = 0.7;
const MONTH_BYTES_MAX: f64 = 1e9;
const COUNT_MS_MAX: u128 = 1_000;
const CONNECT_MAX: Duration = Duration::from_millis(100);

const SCHEMA: &str = "millstream_postcheck";
const INSERTS: u32 = 1_000;
const COPIED: u32 = 100_000;
/// Chunks of an hour, as in the set; four of them hold some 360,000 rows.
const SAMPLE_HOURS: u64 = 4;
const MONTH_SECONDS: f64 = 30.0 * 86_400.0;

/// Measures all of it.
pub(super) async fn check(
    check: &mut Check<'_>,
    sets: &[Set],
    connected: Duration,
) -> Result<(), PostcheckError> {
    let found = format!("{} ms", connected.as_millis());
    match connected > CONNECT_MAX {
        true => {
            let to_do = "below 100 ms is usual: look at DNS, TLS and pg_hba.conf";
            check.found.warn("performance", "connection", found, to_do);
        }
        false => check.found.pass("performance", "connection", found),
    }
    let drop = format!("drop schema if exists {SCHEMA} cascade");
    check.client.batch_execute(&drop).await?;
    match check.client.batch_execute(&format!("create schema {SCHEMA}")).await {
        Err(error) => {
            let to_do = "grant create on the database to this role, or leave out --performance";
            let found = format!("no scratch schema: {}", SinkError::from(error));
            check.found.fail("performance", "writing", found, to_do);
        }
        Ok(()) => {
            let measured = aside(check).await;
            check.client.batch_execute(&drop).await?;
            measured?;
        }
    }
    for set in sets {
        counts(check, set).await?;
        live_compression(check, set).await?;
    }
    dashboards(check, sets).await
}

async fn aside(check: &mut Check<'_>) -> Result<(), PostcheckError> {
    let hist = format!("{SCHEMA}.metric_hist");
    make(check, &hist).await?;
    writing(check, &hist).await?;
    let sample = format!("{SCHEMA}.metric_sample");
    make(check, &sample).await?;
    storage(check, &sample).await
}

/// A table like `factory_telemetry.metric_hist`, with its indexes and chunks.
async fn make(check: &Check<'_>, table: &str) -> Result<(), PostcheckError> {
    let mut sql = format!(
        "create table {table} (id bigserial not null, metric_def_id uuid not null, \
         ts timestamptz not null, value_bool boolean, value_int bigint, \
         value_real double precision, value_text text, value_json jsonb); \
         create index on {table} (ts desc); create index on {table} (metric_def_id, ts desc)"
    );
    if check.edition.kind != Kind::Plain {
        sql.push_str(&format!(
            "; select create_hypertable('{table}', 'ts', chunk_time_interval => interval '1 hour', \
             create_default_indexes => false)"
        ));
    }
    if check.edition.kind == Kind::Community {
        sql.push_str(&format!(
            "; alter table {table} set (timescaledb.compress, \
             timescaledb.compress_segmentby = 'metric_def_id', \
             timescaledb.compress_orderby = 'ts desc')"
        ));
    }
    Ok(check.client.batch_execute(&sql).await?)
}

async fn writing(check: &mut Check<'_>, table: &str) -> Result<(), PostcheckError> {
    let transaction = check.client.transaction().await?;
    let sql = format!(
        "insert into {table} (metric_def_id, ts, value_real) \
         values (gen_random_uuid(), now() - $1 * interval '1 second', $2)"
    );
    let insert = transaction.prepare_typed(&sql, &[Type::FLOAT8, Type::FLOAT8]).await?;
    let since = Instant::now();
    for row in 0..INSERTS {
        transaction.execute(&insert, &[&f64::from(row), &f64::from(row)]).await?;
    }
    transaction.commit().await?;
    let seconds = since.elapsed().as_secs_f64();
    let inserted = f64::from(INSERTS) / seconds;
    let copied = f64::from(COPIED) / copy_in(check, table).await?;
    for (what, rows_per_s, found) in [
        ("insert", inserted, format!("{INSERTS} rows, one statement each, in {seconds:.2} s")),
        ("COPY", copied, format!("{} rows, binary", count(i64::from(COPIED)))),
    ] {
        let found = format!("{found}: {} rows/s", count(rounded(rows_per_s)));
        if rows_per_s > ROWS_PER_S_MIN {
            check.found.pass("performance", what, found);
        } else {
            let to_do = "1,000 rows/s are asked for: look at the disk (synchronous_commit, wal) and the network";
            check.found.fail("performance", what, found, to_do);
        }
    }
    Ok(())
}

/// Seconds that a COPY takes, made as millstream makes it.
async fn copy_in(check: &Check<'_>, table: &str) -> Result<f64, PostcheckError> {
    // 2026-01-01, microseconds since 2000; a second a row of each of 28 metrics is an hour a chunk.
    let start = 9_497 * 86_400_000_000_i64;
    let columns = [
        ("metric_def_id", PgType::Uuid),
        ("ts", PgType::Timestamptz(6)),
        ("value_real", PgType::Float8),
    ];
    let columns = columns.map(|(name, ty)| (name.to_owned(), ty));
    let since = Instant::now();
    let sink = check.client.copy_in(&copy::statement(table, &columns)).await?;
    let mut sink = std::pin::pin!(sink);
    let mut buffer = copy::HEADER.to_vec();
    for row in 0..COPIED {
        let mut metric = [0; 16];
        metric[15] = u8::try_from(row % 28).unwrap_or(0);
        copy::begin_tuple(&mut buffer, 3);
        copy::field(&mut buffer, &Datum::Uuid(metric));
        copy::field(&mut buffer, &Datum::Timestamp(start + i64::from(row / 28) * 1_000_000));
        copy::field(&mut buffer, &Datum::Float8(f64::from(row % 100)));
        if buffer.len() > 1 << 18 {
            sink.send(bytes::Bytes::from(std::mem::take(&mut buffer))).await?;
        }
    }
    buffer.extend_from_slice(&copy::TRAILER);
    sink.send(bytes::Bytes::from(buffer)).await?;
    let landed = sink.as_mut().finish().await?;
    if landed != u64::from(COPIED) {
        return Err(SinkError::Count { sent: u64::from(COPIED), landed }.into());
    }
    Ok(since.elapsed().as_secs_f64())
}

fn rounded(number: f64) -> i64 {
    format!("{number:.0}").parse().unwrap_or(0)
}

/// Bytes a row, compressed where the edition can, and what a month of the two machines comes to.
async fn storage(check: &mut Check<'_>, table: &str) -> Result<(), PostcheckError> {
    // Whole chunks: the start of an hour.
    let from = "(date_trunc('hour', now()) - interval '1 day')";
    let rows = sample::fill(check.client, table, (from, SAMPLE_HOURS * 3_600)).await?;
    let rows = (rows.max(1)) as f64;
    let total = match check.edition.kind {
        Kind::Plain => format!("select pg_total_relation_size('{table}')"),
        _ => format!("select hypertable_size('{table}')"),
    };
    let before = bounded(check.client, &total).await?.unwrap_or(0) as f64;
    let month = sample::ROWS_PER_SECOND * MONTH_SECONDS;
    let plain = format!(
        "{:.0} bytes a row, {} a month for the two machines",
        before / rows,
        size(before / rows * month)
    );
    if check.edition.kind != Kind::Community {
        let found = format!("needs the Community edition; here {plain}");
        check.found.skip("performance", "compression", found);
        return Ok(());
    }
    let compress = format!("select count(compress_chunk(c)) from show_chunks('{table}') c");
    check.client.execute(&compress, &[]).await?;
    let after = bounded(check.client, &total).await?.unwrap_or(0) as f64;
    let saved = 1.0 - after / before;
    let found = format!(
        "{:.1} % saved on {} rows: {:.0} → {:.1} bytes a row",
        saved * 100.0,
        count(rounded(rows)),
        before / rows,
        after / rows
    );
    if saved > SAVED_MIN {
        check.found.pass("performance", "compression", found);
    } else {
        let to_do = "70 % are asked for: see segment by and order by in `millstream policy show`";
        check.found.fail("performance", "compression", found, to_do);
    }
    let compressed = after / rows * month;
    let week = before / rows * sample::ROWS_PER_SECOND * 7.0 * 86_400.0;
    let found = format!(
        "{} a month compressed ({} rows); the 7 days before that take {}",
        size(compressed),
        count(rounded(month)),
        size(week)
    );
    if compressed < MONTH_BYTES_MAX {
        check.found.pass("performance", "storage", found);
    } else {
        let to_do = "1 GB is asked for: longer chunks, or fewer metrics at 1 Hz";
        check.found.fail("performance", "storage", found, to_do);
    }
    Ok(())
}

/// How long it takes to count a table of time.
async fn counts(check: &mut Check<'_>, set: &Set) -> Result<(), PostcheckError> {
    for hypertable in hypertables::of_set(set) {
        let name = hypertable.table.to_string();
        let sql = "select to_regclass($1) is not null";
        let quoted = hypertable.table.quoted();
        if !check.client.query_one(sql, &[&quoted]).await?.get::<_, bool>(0) {
            continue;
        }
        let since = Instant::now();
        let rows = bounded(check.client, &format!("select count(*) from {quoted}")).await?;
        let took = since.elapsed().as_millis();
        let to_do = "fine for much data; a dashboard should ask for less, or for a rollup";
        match rows {
            Err(why) => check.found.warn("performance", &name, format!("count(*): {why}"), to_do),
            Ok(rows) if took > COUNT_MS_MAX => {
                let found = format!("count(*) took {took} ms: {} rows", count(rows));
                check.found.warn("performance", &name, found, to_do);
            }
            Ok(_) => {}
        }
    }
    Ok(())
}

/// What compression saves in the live tables.
async fn live_compression(check: &mut Check<'_>, set: &Set) -> Result<(), PostcheckError> {
    if check.edition.kind != Kind::Community {
        return Ok(());
    }
    for hypertable in hypertables::of_set(set) {
        let sql = "select coalesce(number_compressed_chunks, 0), \
                   coalesce(before_compression_total_bytes, 0)::float8, \
                   coalesce(after_compression_total_bytes, 0)::float8 \
                   from timescaledb_information.hypertables h, lateral hypertable_compression_stats( \
                     format('%I.%I', h.hypertable_schema, h.hypertable_name)::regclass) \
                   where h.hypertable_schema = $1 and h.hypertable_name = $2 and h.compression_enabled";
        let table = &hypertable.table;
        let row = check.client.query_opt(sql, &[&table.schema, &table.name]).await?;
        let Some(row) = row else { continue };
        let (chunks, before, after): (i64, f64, f64) = (row.get(0), row.get(1), row.get(2));
        if chunks == 0 || before <= 0.0 {
            continue;
        }
        let saved = 1.0 - after / before;
        let found = format!(
            "{:.1} % saved in {} compressed chunks: {} → {}",
            saved * 100.0,
            count(chunks),
            size(before),
            size(after)
        );
        // Of little data the fixed cost of a chunk is all that is seen.
        if saved > SAVED_MIN || before / (chunks as f64) < 1e6 {
            check.found.pass("performance", &table.to_string(), found);
        } else {
            let to_do =
                "see segment by and order by in `millstream policy show`; longer chunks save more";
            check.found.warn("performance", &table.to_string(), found, to_do);
        }
    }
    Ok(())
}

/// Each panel of each set, on the data there.
async fn dashboards(check: &mut Check<'_>, sets: &[Set]) -> Result<(), PostcheckError> {
    // A panel that takes that long fails, and shall not keep a busy server busy.
    check.client.batch_execute("set statement_timeout = '30s'").await?;
    let mut all: Vec<Latency> = Vec::new();
    for set in sets {
        let mut latencies = Vec::new();
        for panel in panels::of_set(&set.name) {
            match panels::measure(check.client, &panel).await {
                Ok(latency) => latencies.push(latency),
                Err(error) => {
                    let found = SinkError::from(error).to_string();
                    let to_do = "compare the schema with the set (see above), or explain the query";
                    check.found.fail("performance", &panel.name, found, to_do);
                }
            }
        }
        let slow: Vec<String> = latencies
            .iter()
            .filter(|latency| latency.ms(0.95) >= panels::P95_MS_MAX)
            .map(|latency| format!("{} p95 {:.0} ms", latency.panel.name, latency.ms(0.95)))
            .collect();
        let worst = latencies.iter().map(|latency| latency.ms(0.95)).fold(0.0, f64::max);
        let rows = live_rows(check, set).await?;
        let on = format!("on {} rows", count(rows));
        if !slow.is_empty() {
            let to_do =
                "explain (analyze, buffers) it: an index, shorter chunks' ranges, or a rollup";
            let found = format!("{on}: {}", few(&slow, 4));
            check.found.fail("performance", &format!("{}: panels", set.name), found, to_do);
        } else if !latencies.is_empty() {
            let little = if rows < 1_000_000 { "; too few to say much" } else { "" };
            let found =
                format!("{} panels, p95 at most {worst:.1} ms {on}{little}", latencies.len());
            check.found.pass("performance", &format!("{}: panels", set.name), found);
        }
        all.extend(latencies);
    }
    check.client.batch_execute("reset statement_timeout").await?;
    if !all.is_empty() {
        let table: Table = panels::table(&all);
        check.tables.push(table);
        check.plots.extend(all.iter().map(Latency::plot));
    }
    Ok(())
}

/// Rows of the set's tables, as the statistics have them.
async fn live_rows(check: &Check<'_>, set: &Set) -> Result<i64, PostcheckError> {
    let sql = "with recursive tables as ( \
                 select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace \
                 where n.nspname || '.' || c.relname = any($1) \
                 union all select h.inhrelid from pg_inherits h join tables t on t.oid = h.inhparent) \
               select coalesce(sum(s.n_live_tup), 0)::bigint from tables t \
               join pg_stat_all_tables s on s.relid = t.oid";
    Ok(check.client.query_one(sql, &[&set.tables()]).await?.get(0))
}
