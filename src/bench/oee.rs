//! Shifts a second of `oee compute`, over a history that is made in the database: twenty units in three
//! shifts, some 40 states and 50 counts each.

use std::sync::Arc;

use tokio_postgres::Client;

use super::BenchError;
use crate::database::migrate::{self, Options, journal::Journal};
use crate::fault;
use crate::observe::progress::{Progress, Style};
use crate::oee::compute::Request;
use crate::oee::{Scope, show};
use crate::sink::SinkError;
use crate::sink::session::Server;

/// Units.
const UNITS: u32 = 20;

const PLANT: &str = "\
insert into \"Site\" (id, code, name, timezone) values ('s', 's', 'Site', 'Europe/Berlin'); \
insert into \"WorkCenter\" (id, code, name, \"siteId\", \"workCenterType\") \
    values ('c', 'c', 'Line', 's', 'LINE'); \
insert into \"Shift\" (id, \"siteId\", \"shiftCode\", \"shiftName\", \"startTime\", \"endTime\", \
    \"breakWindows\") values \
    ('e', 's', 'EARLY', 'Early', '06:00', '14:00', '[{\"start\": \"10:00\", \"end\": \"10:30\"}]'), \
    ('l', 's', 'LATE', 'Late', '14:00', '22:00', '[]'), ('n', 's', 'NIGHT', 'Night', '22:00', '06:00', '[]'); \
insert into \"Product\" (id, code, name, \"standardCycleTime\") select 'p' || n, 'p' || n, 'P', 20 + n \
    from generate_series(0, 4) n; \
insert into \"Equipment\" (id, code, name, \"workCenterId\", \"equipmentType\") \
    select 'u' || n, 'U' || n, 'Unit', 'c', 'PRESS' from generate_series(1, $units) n";

/// Twelve minutes a state, of which every eighth is none of production.
const STATES: &str = "\
insert into equipment_states (id, \"timestamp\", \"startTime\", \"endTime\", \"equipmentId\", state, \
    \"stateCategory\", reason) \
select '', t, t, t + interval '12 minutes', 'u' || u, \
    case when n % 8 <> 0 then 'PRODUCING' when n % 3 = 0 then 'SETUP' else 'DOWN' end, \
    case when n % 8 <> 0 then 'PRODUCTION' else 'AVAILABILITY_LOSS' end, \
    case when n % 8 = 0 then 'reason ' || n % 7 end \
from generate_series(1, $units) u, \
    generate_series(timestamptz '2025-01-01 05:00Z', timestamptz '2025-01-01 05:00Z' + $days * interval '1 day' \
        - interval '1 second', interval '12 minutes') with ordinality s (t, n)";

const COUNTS: &str = "\
insert into production_counts (id, \"timestamp\", \"equipmentId\", \"totalCount\", \"goodCount\", \
    \"rejectCount\", \"productId\") \
select null, t, 'u' || u, 20, 19, 1, 'p' || n / 200 % 5 \
from generate_series(1, $units) u, \
    generate_series(timestamptz '2025-01-01 05:01Z', timestamptz '2025-01-01 05:00Z' + $days * interval '1 day' \
        - interval '1 second', interval '576 seconds') with ordinality s (t, n)";

/// Fills a database of its own and computes it from nothing. Gives shifts, seconds of the first run, and
/// those of a second one, which finds everything as it was.
///
/// Errors: the server; the role has to be allowed to create databases.
pub async fn run(url: &str, days: u32, say: &dyn Fn(&str)) -> Result<(u64, f64, f64), BenchError> {
    let server = Server::parse(url).map_err(SinkError::from)?;
    let door = server.connect("millstream bench").await.map_err(SinkError::from)?;
    let name = format!("millstream_bench_oee_{}", std::process::id());
    door.client.batch_execute(&format!("create database {name} template template0")).await?;
    let measured = measure(&server.on_database(&name), days, say).await;
    door.client.batch_execute(&format!("drop database {name} with (force)")).await?;
    measured
}

async fn measure(
    server: &Server,
    days: u32,
    say: &dyn Fn(&str),
) -> Result<(u64, f64, f64), BenchError> {
    let session = server.connect("millstream bench").await.map_err(SinkError::from)?;
    super::extension(&session.client).await?;
    let mut session = server.connect("millstream bench").await.map_err(SinkError::from)?;
    let failed = |cause: String| BenchError::Way { way: "oee compute".to_owned(), cause };
    let set = |error: migrate::MigrateError| failed(fault::chain(&error));
    let migrations = migrate::load("iso22400", None).map_err(set)?;
    let (files, journal) = (("iso22400", migrations.as_slice()), &mut Journal::silent());
    migrate::up(&mut session.client, files, Options::default(), journal).await.map_err(set)?;
    say(&format!("oee: filling {days} days of {UNITS} units"));
    fill(&session.client, days).await?;
    let request = Request {
        scope: Scope::default(),
        as_of: None,
        lanes: 3,
        dry_run: false,
        remake: false,
        each_shift: false,
    };
    let mut seconds = Vec::new();
    let mut shifts = 0;
    for round in ["computing", "computing again"] {
        say(&format!("oee: {round}"));
        let progress = Arc::new(Progress::of("shifts", Style::None, 0));
        let report = show::compute(server, &request, &progress).await;
        let figures = report.map_err(|error| failed(fault::chain(&error)))?.json();
        shifts = figures["shifts"].as_u64().unwrap_or(0);
        seconds.push(figures["seconds"].as_f64().unwrap_or(f64::NAN));
    }
    let of = |at: usize| seconds.get(at).copied().unwrap_or(f64::NAN);
    Ok((shifts, of(0), of(1)))
}

async fn fill(client: &Client, days: u32) -> Result<(), BenchError> {
    for sql in [PLANT, STATES, COUNTS] {
        let sql = sql.replace("$units", &UNITS.to_string()).replace("$days", &days.to_string());
        client.batch_execute(&sql).await?;
    }
    client.batch_execute("vacuum (analyze)").await?;
    Ok(())
}
