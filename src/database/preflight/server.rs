//! The server: whether it answers, how fast, and whether this role may do what a migration does.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio_postgres::Client;

use super::{Judged, enter, pass, scratch};
use crate::database::edition::{self, Edition};
use crate::database::finding::{Findings, Verdict};
use crate::fault;
use crate::schema::quote;
use crate::sink::SinkError;
use crate::sink::session::{Server, Session, SessionError};

/// The oldest server that the migrations are tested on.
const MAJOR_MIN: u32 = 15;

/// Round trips measured.
const ROUND_TRIPS: usize = 21;

/// Above this each statement waits for the network more than for the server.
const ROUND_TRIP_MAX: Duration = Duration::from_millis(50);

/// What a server tells about itself.
pub(super) struct Seen {
    pub(super) edition: Edition,
    pub(super) major: u32,
    /// It shares this machine's network address.
    pub(super) here: bool,
    /// Its files, where it is here and shows them to this role.
    pub(super) data_directory: Option<PathBuf>,
    pub(super) database_bytes: u64,
    database: String,
    role: String,
    standby: bool,
}

/// Connects and looks around; a refusal is a finding.
pub(super) async fn connect(server: &Server, findings: &mut Findings) -> Option<(Session, Seen)> {
    let since = Instant::now();
    let connected = async {
        let session = server.connect("millstream preflight").await?;
        let took = since.elapsed();
        let seen = look(&session.client).await?;
        Ok::<_, SinkError>((session, seen, took))
    };
    match connected.await {
        Ok((session, seen, took)) => {
            enter(findings, ("server", "connection"), connection(&seen, took));
            Some((session, seen))
        }
        Err(error) => {
            let (found, remedy) = refused(&error);
            findings.fail("server", "connection", found, &remedy);
            None
        }
    }
}

fn connection(seen: &Seen, took: Duration) -> Judged {
    let ms = took.as_secs_f64() * 1e3;
    let found =
        format!("connected in {ms:.0} ms as {}; PostgreSQL {}", seen.role, seen.edition.postgres);
    if seen.standby {
        let remedy = "connect to the primary".to_owned();
        return (Verdict::Fail, format!("{found}, a read-only standby"), remedy);
    }
    if seen.major < MAJOR_MIN {
        return (
            Verdict::Fail,
            found,
            format!("upgrade the server to PostgreSQL {MAJOR_MIN} or newer"),
        );
    }
    pass(found)
}

fn refused(error: &SinkError) -> (String, String) {
    let remedy = match error.sqlstate().map(fault::remedy) {
        None | Some("") => "start the server, or correct host and port in DATABASE_URL",
        Some(remedy) => remedy,
    };
    let found = match error {
        SinkError::Session(SessionError::Connect { cause, .. }) => cause.clone(),
        other => other.to_string(),
    };
    (found, remedy.to_owned())
}

async fn look(client: &Client) -> Result<Seen, SinkError> {
    let edition = edition::detect(client).await?;
    // A server in a container sees another address of itself than the client's.
    let sql = "select current_setting('server_version_num')::int / 10000, \
               inet_server_addr() is not distinct from inet_client_addr(), \
               (select setting from pg_settings where name = 'data_directory'), \
               pg_database_size(current_database()), current_database()::text, current_user::text, \
               pg_is_in_recovery()";
    let row = client.query_one(sql, &[]).await?;
    let here = row.get(1);
    let folder: Option<String> = row.get(2);
    Ok(Seen {
        edition,
        major: u32::try_from(row.get::<_, i32>(0)).unwrap_or_default(),
        here,
        data_directory: folder.filter(|_| here).map(PathBuf::from),
        database_bytes: u64::try_from(row.get::<_, i64>(3)).unwrap_or_default(),
        database: row.get(4),
        role: row.get(5),
        standby: row.get(6),
    })
}

pub(super) async fn check(findings: &mut Findings, client: &mut Client, seen: &Seen) {
    permissions(findings, client, seen).await;
    match round_trips(client).await {
        Ok(mut times) => enter(findings, ("server", "network"), network(&mut times)),
        Err(error) => lost(findings, "network", &error),
    }
}

/// Both privileges are really used, and rolled back.
async fn permissions(findings: &mut Findings, client: &mut Client, seen: &Seen) {
    let (database, role) = (quote(&seen.database), quote(&seen.role));
    let name = scratch();
    let tries = [
        (
            "create schema",
            format!("create schema {name}; create table {name}.t (id int)"),
            "a schema and a table in it, rolled back",
            format!("as the owner: grant create on database {database} to {role}"),
        ),
        (
            "create table",
            format!("create table public.{name} (id int); insert into public.{name} values (1)"),
            "a table in public with a row, rolled back",
            format!("as the owner: grant create on schema public to {role}"),
        ),
    ];
    for (check, sql, done, remedy) in tries {
        match rolled_back(client, &sql).await {
            Ok(()) => findings.pass("server", check, done),
            Err(error) => findings.fail("server", check, said(&error), &remedy),
        }
    }
}

async fn rolled_back(client: &mut Client, sql: &str) -> Result<(), tokio_postgres::Error> {
    // Dropped after an error, a transaction is rolled back too.
    let transaction = client.transaction().await?;
    transaction.batch_execute(sql).await?;
    transaction.rollback().await
}

async fn round_trips(client: &Client) -> Result<Vec<Duration>, tokio_postgres::Error> {
    let mut times = Vec::with_capacity(ROUND_TRIPS);
    for _ in 0..ROUND_TRIPS {
        let since = Instant::now();
        // The simple protocol: one trip there and back.
        client.batch_execute("select 1").await?;
        times.push(since.elapsed());
    }
    Ok(times)
}

fn network(times: &mut [Duration]) -> Judged {
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    let slowest = times.last().copied().unwrap_or_default();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let found = format!(
        "round trip {:.2} ms (median of {}, slowest {:.2} ms)",
        ms(median),
        times.len(),
        ms(slowest)
    );
    if median > ROUND_TRIP_MAX {
        let remedy = "run millstream nearer to the server: each commit waits for a round trip";
        return (Verdict::Warn, found, remedy.to_owned());
    }
    pass(found)
}

/// The server's own words.
pub(super) fn said(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(server) => format!("{} ({})", server.message(), server.code().code()),
        None => fault::chain(error),
    }
}

/// A check that the server did not answer.
pub(super) fn lost(findings: &mut Findings, check: &str, error: &tokio_postgres::Error) {
    let remedy = error.code().map_or("", |code| fault::remedy(code.code()));
    let remedy = if remedy.is_empty() { "see the server's log" } else { remedy };
    findings.fail("server", check, said(error), remedy);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::edition::Kind;

    #[test]
    fn the_middle_round_trip_counts() {
        let ms = Duration::from_millis;
        let (verdict, found, _) = network(&mut [ms(900), ms(2), ms(3)]);
        assert_eq!(verdict, Verdict::Pass);
        assert_eq!(found, "round trip 3.00 ms (median of 3, slowest 900.00 ms)");
        assert_eq!(network(&mut [ms(51); 3]).0, Verdict::Warn);
    }

    #[test]
    fn an_old_server_and_a_standby_are_no_targets() {
        let seen = |major, standby| {
            let edition =
                Edition { kind: Kind::Plain, postgres: format!("{major}.1"), timescale: None };
            let (database, role) = ("d".to_owned(), "r".to_owned());
            let (here, data_directory, database_bytes) = (true, None, 0);
            Seen { edition, major, here, data_directory, database_bytes, database, role, standby }
        };
        let judge = |major, standby| connection(&seen(major, standby), Duration::from_millis(4)).0;
        assert_eq!(judge(15, false), Verdict::Pass);
        assert_eq!(judge(14, false), Verdict::Fail);
        assert_eq!(judge(17, true), Verdict::Fail);
    }
}
