//! The server's settings, with advice in figures.

use std::collections::HashMap;

use tokio_postgres::Client;

use super::server::lost;
use super::{GB, Judged, KB, MB, Sets, enter, pass, sized};
use crate::database::edition::{Capability, Kind};
use crate::database::finding::{Findings, Verdict};
use crate::sink::SinkError;

const AREA: &str = "settings";

/// An hour a chunk, kept for 90 days: what live telemetry of the MS5 system comes to.
const CHUNKS_USUAL: u64 = 2_160;

/// Measured: with 6,400 slots `select count(*)` fails from 6,240 chunks.
const LOCKS_FULL: f64 = 0.975;

/// `drop table` and `pg_dump` lock indexes too: at least two locks a chunk.
const LOCKS_TIGHT: f64 = 0.5;

/// Connections that a load, a look at it and a backup ask for.
const CONNECTIONS_FREE_MIN: u64 = 10;

/// Zones that the shipped pipelines name.
const ZONES: [&str; 2] = ["Africa/Johannesburg", "Europe/Berlin"];

/// Settings by name: value and unit.
struct Settings(HashMap<String, (String, Option<String>)>);

impl Settings {
    async fn read(client: &Client) -> Result<Self, SinkError> {
        let sql = "select name, setting, unit from pg_settings where name = any($1)";
        let names: &[&str] = &[
            "max_connections",
            "superuser_reserved_connections",
            "max_prepared_transactions",
            "max_locks_per_transaction",
            "max_worker_processes",
            "max_parallel_workers",
            "timescaledb.max_background_workers",
            "shared_buffers",
            "work_mem",
            "maintenance_work_mem",
            "max_wal_size",
            "wal_level",
        ];
        let rows = client.query(sql, &[&names]).await?;
        Ok(Self(rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect()))
    }

    fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("not shown", |(value, _)| value.as_str())
    }

    /// A number, in bytes where the setting is a size; 0 where it is not shown.
    fn number(&self, name: &str) -> u64 {
        let Some((value, unit)) = self.0.get(name) else { return 0 };
        let number: u64 = value.parse().unwrap_or_default();
        let unit = unit.as_deref().unwrap_or_default();
        let digits = unit.find(|c: char| !c.is_ascii_digit()).unwrap_or(unit.len());
        let (count, unit) = unit.split_at(digits);
        let scale = match unit {
            "kB" => KB,
            "MB" => MB,
            _ => 1,
        };
        number.saturating_mul(count.parse().unwrap_or(1)).saturating_mul(scale)
    }
}

/// `memory`: of the server's machine, if that is this one.
pub(super) async fn check(
    findings: &mut Findings,
    client: &Client,
    (kind, memory): (Kind, Option<u64>),
    sets: &Sets<'_>,
) {
    let read = async {
        let settings = Settings::read(client).await?;
        let used = "select count(*) from pg_stat_activity where backend_type = 'client backend'";
        let used: i64 = client.query_one(used, &[]).await?.get(0);
        Ok::<_, SinkError>((settings, u64::try_from(used).unwrap_or_default()))
    };
    time_zone(findings, client).await;
    let (settings, used) = match read.await {
        Ok(read) => read,
        Err(error) => {
            return findings.fail(AREA, "all of them", error.to_string(), "see the server's log");
        }
    };
    let number = |name| settings.number(name);
    let connections = number("max_connections");
    let reserved = number("superuser_reserved_connections");
    let wal = (settings.text("wal_level"), number("max_wal_size"));
    for (check, judged) in [
        ("max_connections", max_connections(connections, reserved, used)),
        ("shared_buffers", shared_buffers(number("shared_buffers"), memory)),
        ("work_mem", work_mem(number("work_mem"), memory, connections)),
        ("maintenance_work_mem", maintenance_work_mem(number("maintenance_work_mem"), memory)),
        ("wal", write_ahead(wal.0, wal.1)),
    ] {
        enter(findings, (AREA, check), judged);
    }
    let workers = "background workers";
    match kind {
        Kind::Plain => findings.skip(AREA, workers, "no timescaledb"),
        Kind::Apache => findings.pass(AREA, workers, "this edition has no policies to run"),
        Kind::Community => {
            let ours = number("timescaledb.max_background_workers");
            let all = (number("max_worker_processes"), number("max_parallel_workers"));
            enter(findings, (AREA, workers), background_workers(ours, all));
        }
    }
    let none = sets.request.plain || sets.needing(Capability::Timescale).is_empty();
    if kind == Kind::Plain && none {
        return findings.skip(AREA, "lock table", "no chunks without timescaledb");
    }
    let there = match chunks(client, kind).await {
        Ok(there) => there,
        Err(error) => return lost(findings, "chunks", &error),
    };
    let expected = sets.request.chunks.unwrap_or(CHUNKS_USUAL).max(there);
    let transactions = connections + number("max_prepared_transactions");
    let judged = locks(number("max_locks_per_transaction"), transactions, expected);
    enter(findings, (AREA, "lock table"), judged);
}

async fn chunks(client: &Client, kind: Kind) -> Result<u64, tokio_postgres::Error> {
    if kind == Kind::Plain {
        return Ok(0);
    }
    let sql = "select count(*) from timescaledb_information.chunks";
    let count: i64 = client.query_one(sql, &[]).await?.get(0);
    Ok(u64::try_from(count).unwrap_or_default())
}

/// The zone names come from the server's machine; without them `at time zone` fails.
async fn time_zone(findings: &mut Findings, client: &Client) {
    let sql = "select to_char(timestamptz '2024-07-01 12:00+00' at time zone $1, 'HH24:MI')";
    for zone in ZONES {
        if let Err(error) = client.query_one(sql, &[&zone]).await {
            tracing::debug!(%error, zone, "time zone");
            let remedy = "install tzdata on the server's machine";
            return findings.fail(AREA, "time zones", format!("{zone} is not known"), remedy);
        }
    }
    let shown = match servers_zone(client).await {
        Ok(Some(zone)) => format!("TimeZone is {zone}"),
        _ => "TimeZone is not shown to this role".to_owned(),
    };
    findings.pass(AREA, "time zones", format!("{shown}; {} known", ZONES.join(", ")));
}

/// What a session gets that does not ask; ours asks for UTC.
async fn servers_zone(client: &Client) -> Result<Option<String>, tokio_postgres::Error> {
    let sql = "select split_part(line, '=', 2) from pg_db_role_setting, unnest(setconfig) line \
               where lower(split_part(line, '=', 1)) = 'timezone' \
               and setdatabase in (0, (select oid from pg_database where datname = current_database())) \
               and setrole in (0, current_user::regrole) \
               order by setrole <> 0 desc, setdatabase <> 0 desc limit 1";
    if let Some(row) = client.query_opt(sql, &[]).await? {
        return Ok(row.get(0));
    }
    let sql = "select setting from pg_file_settings where lower(name) = 'timezone' and applied \
               order by seqno desc limit 1";
    Ok(client.query_opt(sql, &[]).await?.map(|row| row.get(0)))
}

fn max_connections(max: u64, reserved: u64, used: u64) -> Judged {
    let free = max.saturating_sub(reserved + used);
    let found = format!("{max}, {used} in use");
    if free < CONNECTIONS_FREE_MIN {
        let more = max + CONNECTIONS_FREE_MIN - free;
        let remedy = format!("close idle sessions, or max_connections = {more} (restart)");
        return (Verdict::Warn, found, remedy);
    }
    pass(found)
}

fn shared_buffers(now: u64, memory: Option<u64>) -> Judged {
    let advice = memory.map_or(GB, |memory| memory / 4);
    if now < 128 * MB || memory.is_some_and(|memory| now < memory / 16) {
        let remedy = format!("shared_buffers = {} (restart)", set_to(advice));
        return (Verdict::Warn, sized(now), remedy);
    }
    pass(sized(now))
}

fn work_mem(now: u64, memory: Option<u64>, connections: u64) -> Judged {
    let share = |memory: u64| memory / 4 / connections.max(1);
    let advice = memory.map_or(16 * MB, |memory| share(memory).clamp(4 * MB, 64 * MB));
    with_room(("work_mem", now), 4 * MB, advice)
}

fn maintenance_work_mem(now: u64, memory: Option<u64>) -> Judged {
    let advice = memory.map_or(256 * MB, |memory| (memory / 16).clamp(64 * MB, GB));
    with_room(("maintenance_work_mem", now), 64 * MB, advice)
}

/// Works from `min` on, and better with more.
fn with_room((name, now): (&str, u64), min: u64, advice: u64) -> Judged {
    let advice = set_to(advice.max(min));
    if now < min {
        return (Verdict::Warn, sized(now), format!("{name} = {advice} (reload)"));
    }
    if crate::database::preflight::size(&advice).is_ok_and(|advice| now < advice) {
        return pass(format!("{} ({advice} would do more)", sized(now)));
    }
    pass(sized(now))
}

fn write_ahead(level: &str, max: u64) -> Judged {
    let found = format!("wal_level {level}, max_wal_size {}", sized(max));
    if max < GB {
        let remedy = "max_wal_size = 4GB (reload): fewer checkpoints while loading";
        return (Verdict::Warn, found, remedy.to_owned());
    }
    pass(found)
}

/// `all`: worker processes, and those that queries may take of them.
fn background_workers(ours: u64, (processes, parallel): (u64, u64)) -> Judged {
    let found = format!("timescaledb {ours}, max_worker_processes {processes}");
    if ours == 0 {
        let remedy = "timescaledb.max_background_workers = 16 (restart), or no policy ever runs";
        return (Verdict::Warn, found, remedy.to_owned());
    }
    // Launcher, logical replication, one to spare.
    let need = ours + parallel + 3;
    if processes < ours + 3 {
        let remedy =
            format!("max_worker_processes = {need} (restart), or policies wait for each other");
        return (Verdict::Warn, found, remedy);
    }
    pass(found)
}

fn locks(a_transaction: u64, transactions: u64, chunks: u64) -> Judged {
    let slots = a_transaction.saturating_mul(transactions);
    let found = format!("room for {slots} locks, {chunks} chunks expected");
    let share = |part: f64| as_float(slots) * part;
    if as_float(chunks) < share(LOCKS_TIGHT) {
        return pass(found);
    }
    let full = as_float(chunks) >= share(LOCKS_FULL);
    let verdict = if full { Verdict::Fail } else { Verdict::Warn };
    let wanted = (chunks * 3).div_ceil(transactions.max(1)).next_multiple_of(64);
    let remedy =
        format!("max_locks_per_transaction = {wanted} (restart), or longer and so fewer chunks");
    (verdict, found, remedy)
}

fn as_float(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// As one would write it into the configuration.
fn set_to(bytes: u64) -> String {
    if bytes >= GB { format!("{}GB", bytes / GB) } else { format!("{}MB", bytes / MB) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_has_its_unit() {
        let of = |value: &str, unit: Option<&str>| {
            let entry = (value.to_owned(), unit.map(str::to_owned));
            Settings(HashMap::from([("it".to_owned(), entry)])).number("it")
        };
        assert_eq!(of("16384", Some("8kB")), 128 * MB);
        assert_eq!(of("2048", Some("MB")), 2 * GB);
        assert_eq!(of("4096", Some("kB")), 4 * MB);
        assert_eq!(of("200", None), 200);
        assert_eq!(of("-1", Some("kB")), 0);
        assert_eq!(Settings(HashMap::new()).number("it"), 0);
    }

    // Measured at the defaults, 64 locks for each of 100 transactions: 6,240 chunks are too many.
    #[test]
    fn the_lock_table_is_held_against_the_chunks() {
        let judge = |chunks| locks(64, 100, chunks);
        assert_eq!(judge(2_160).0, Verdict::Pass);
        assert_eq!(judge(3_200).0, Verdict::Warn);
        assert_eq!(judge(6_239).0, Verdict::Warn);
        let (verdict, found, remedy) = judge(6_240);
        assert_eq!(
            (verdict, found.as_str()),
            (Verdict::Fail, "room for 6400 locks, 6240 chunks expected")
        );
        assert!(remedy.starts_with("max_locks_per_transaction = 192 "), "{remedy}");
        // The advice is enough.
        assert_eq!(locks(192, 100, 6_240).0, Verdict::Pass);
    }

    #[test]
    fn memory_settings_are_held_against_the_machine() {
        assert_eq!(shared_buffers(128 * MB, None), pass("128MB"));
        let (verdict, _, remedy) = shared_buffers(128 * MB, Some(8 * GB));
        assert_eq!((verdict, remedy.as_str()), (Verdict::Warn, "shared_buffers = 2GB (restart)"));
        assert_eq!(shared_buffers(2 * GB, Some(8 * GB)).0, Verdict::Pass);
        assert_eq!(work_mem(4 * MB, Some(8 * GB), 100), pass("4MB (20MB would do more)"));
        assert_eq!(work_mem(MB, None, 100).2, "work_mem = 16MB (reload)");
        assert_eq!(maintenance_work_mem(GB, Some(64 * GB)), pass("1GB"));
        assert_eq!(maintenance_work_mem(16 * MB, None).2, "maintenance_work_mem = 256MB (reload)");
        assert_eq!(write_ahead("replica", GB).0, Verdict::Pass);
        assert_eq!(write_ahead("replica", 512 * MB).0, Verdict::Warn);
    }

    #[test]
    fn connections_and_workers_have_to_be_left() {
        assert_eq!(max_connections(100, 3, 87).0, Verdict::Pass);
        let (verdict, _, remedy) = max_connections(100, 3, 90);
        assert_eq!(verdict, Verdict::Warn);
        assert!(remedy.contains("max_connections = 103"), "{remedy}");
        assert_eq!(background_workers(0, (8, 8)).0, Verdict::Warn);
        let (verdict, _, remedy) = background_workers(16, (8, 8));
        assert_eq!(verdict, Verdict::Warn);
        assert!(remedy.starts_with("max_worker_processes = 27"), "{remedy}");
        assert_eq!(background_workers(4, (8, 8)).0, Verdict::Pass);
    }
}
