//! The extension: whether it is there, in which version and edition, and whether a hypertable works.

use std::time::Instant;

use tokio_postgres::Client;

use super::server::{Seen, lost, said};
use super::{Judged, Sets, enter, pass, scratch};
use crate::database::edition::{Capability, Kind};
use crate::database::finding::{Findings, Verdict};

/// The first with `by_range`, which the migrations use.
const VERSION_MIN: (u32, u32) = (2, 13);

/// What the server has of it.
struct Offered {
    /// Newest version on the server's disk.
    newest: Option<String>,
    /// Loaded at start; not known where this role may not see it.
    preloaded: Option<bool>,
    license: Option<String>,
}

pub(super) async fn check(findings: &mut Findings, client: &Client, seen: &Seen, sets: &Sets<'_>) {
    let offered = match offered(client).await {
        Ok(offered) => offered,
        Err(error) => return lost(findings, "extension", &error),
    };
    let needing = sets.needing(Capability::Timescale);
    let Some(version) = &seen.edition.timescale else {
        let must = !sets.request.plain && !sets.request.sets.is_empty();
        let judged = missing(&offered, &needing, must, seen.major);
        enter(findings, ("extension", "installed"), judged);
        left_out(findings, sets, Kind::Plain);
        return;
    };
    findings.pass("extension", "installed", "timescaledb");
    enter(findings, ("extension", "version"), current(version, offered.newest.as_deref()));
    let license = offered.license.as_deref().unwrap_or("not shown");
    findings.pass("extension", "licence", format!("timescaledb.license = {license}"));
    left_out(findings, sets, seen.edition.kind);
}

async fn offered(client: &Client) -> Result<Offered, tokio_postgres::Error> {
    let sql = "select (select default_version from pg_available_extensions \
                 where name = 'timescaledb'), \
               (select setting like '%timescaledb%' from pg_settings \
                 where name = 'shared_preload_libraries'), \
               current_setting('timescaledb.license', true)";
    let row = client.query_one(sql, &[]).await?;
    Ok(Offered { newest: row.get(0), preloaded: row.get(1), license: row.get(2) })
}

/// `must`: sets were named, and a server without the extension was not asked for.
fn missing(offered: &Offered, needing: &[&str], must: bool, major: u32) -> Judged {
    if needing.is_empty() {
        return pass("no timescaledb; these sets need none");
    }
    let found = format!("no timescaledb; needed by {}", needing.join(", "));
    let remedy = match offered {
        Offered { newest: None, .. } => {
            format!("install TimescaleDB for PostgreSQL {major} on the server")
        }
        Offered { preloaded: Some(false), .. } => "set shared_preload_libraries = 'timescaledb', \
             restart the server, then: create extension timescaledb"
            .to_owned(),
        _ => "as a superuser in this database: create extension timescaledb".to_owned(),
    };
    let verdict = if must { Verdict::Fail } else { Verdict::Warn };
    let otherwise = if must { "; or --plain, to do without" } else { "" };
    (verdict, found, format!("{remedy}{otherwise}"))
}

fn current(version: &str, newest: Option<&str>) -> Judged {
    let update = "alter extension timescaledb update, first thing in a session";
    let parts = |text: &str| {
        let mut numbers =
            text.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or_default());
        (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default(), numbers.next())
    };
    let (major, minor, _) = parts(version);
    if (major, minor) < VERSION_MIN {
        let (major, minor) = VERSION_MIN;
        let remedy = format!("update to {major}.{minor} or newer: {update}");
        return (Verdict::Fail, format!("timescaledb {version} is too old"), remedy);
    }
    match newest.filter(|newest| parts(newest) > parts(version)) {
        Some(newest) => {
            (Verdict::Warn, format!("{version}, and {newest} is on the server"), update.to_owned())
        }
        None => pass(version),
    }
}

/// What the sets ask of a server and this one has not.
fn left_out(findings: &mut Findings, sets: &Sets<'_>, kind: Kind) {
    let words = match kind {
        Kind::Plain => "plain PostgreSQL",
        Kind::Apache => "Apache edition",
        Kind::Community => "Community edition",
    };
    let missing = sets.left_out(kind);
    if missing.is_empty() {
        let judged = pass(format!("{words}: all that the sets ask for"));
        return enter(findings, ("extension", "edition"), judged);
    }
    let list: Vec<String> =
        missing.iter().map(|(name, count)| format!("{name} ({count})")).collect();
    let found = format!("{words}; `migrate up` would skip: {}", list.join(", "));
    let remedy = match kind {
        Kind::Plain => "with the extension, a later `migrate up` makes up for it",
        _ => {
            "with the Community edition, a later `migrate up` makes up for it; till then \
              `millstream maintain` does what it can"
        }
    };
    findings.warn("extension", "edition", found, remedy);
}

/// A real hypertable in a schema of its own: made, filled, read back, dropped, and all of it rolled back.
pub(super) async fn try_hypertable(findings: &mut Findings, client: &mut Client, kind: Kind) {
    if kind == Kind::Plain {
        return findings.skip("extension", "hypertable", "no timescaledb");
    }
    let since = Instant::now();
    match hypertable(client).await {
        Ok((rows, chunks, gone)) if rows == ROWS && chunks >= 2 && gone => {
            let ms = since.elapsed().as_millis();
            let found = format!("{rows} rows in {chunks} chunks: made, read, dropped in {ms} ms");
            findings.pass("extension", "hypertable", found);
        }
        Ok((rows, chunks, gone)) => {
            let found = format!("{rows} of {ROWS} rows in {chunks} chunks, dropped: {gone}");
            let remedy = "see the server's log; reinstall the extension";
            findings.fail("extension", "hypertable", found, remedy);
        }
        Err(error) => {
            let remedy = "see `create schema` above, else the server's log";
            findings.fail("extension", "hypertable", said(&error), remedy);
        }
    }
}

const ROWS: i64 = 1_000;

/// Rows read back, chunks they were in, and whether all of it was gone after the drop.
async fn hypertable(client: &mut Client) -> Result<(i64, i64, bool), tokio_postgres::Error> {
    let name = scratch();
    let transaction = client.transaction().await?;
    transaction
        .batch_execute(&format!(
            "create schema {name}; \
             create table {name}.readings (ts timestamptz not null, sensor int, value float8); \
             select public.create_hypertable('{name}.readings', \
                 public.by_range('ts', interval '1 day')); \
             insert into {name}.readings select timestamptz '2024-01-01 00:00+00' + \
                 i * interval '4 minutes', i % 7, i / 10.0 from generate_series(1, {ROWS}) i"
        ))
        .await?;
    // Each row comes back with its own value.
    let sql = format!(
        "select count(*) filter (where value = 0.1 * extract(epoch from \
             ts - timestamptz '2024-01-01 00:00+00') / 240), \
         (select count(*) from public.show_chunks('{name}.readings')) from {name}.readings"
    );
    let row = transaction.query_one(&sql, &[]).await?;
    let (rows, chunks) = (row.get(0), row.get(1));
    transaction.batch_execute(&format!("drop table {name}.readings")).await?;
    let sql = "select not exists (select from timescaledb_information.chunks \
               where hypertable_schema = $1)";
    let gone = transaction.query_one(sql, &[&name]).await?.get(0);
    transaction.rollback().await?;
    Ok((rows, chunks, gone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_sets_need_decides_whether_a_missing_extension_fails() {
        let offered = |newest: Option<&str>, preloaded| Offered {
            newest: newest.map(str::to_owned),
            preloaded,
            license: None,
        };
        let there = offered(Some("2.19.3"), Some(true));
        assert_eq!(missing(&there, &[], true, 17).0, Verdict::Pass);
        assert_eq!(missing(&there, &["ms5"], false, 17).0, Verdict::Warn);
        let (verdict, found, remedy) = missing(&there, &["ms5", "iso22400"], true, 17);
        assert_eq!(verdict, Verdict::Fail);
        assert_eq!(found, "no timescaledb; needed by ms5, iso22400");
        assert!(remedy.contains("create extension") && remedy.contains("--plain"), "{remedy}");
        let remedy = |offered| missing(&offered, &["ms5"], true, 16).2;
        assert!(remedy(offered(None, None)).contains("for PostgreSQL 16"));
        assert!(remedy(offered(Some("2.19.3"), Some(false))).contains("shared_preload_libraries"));
    }

    #[test]
    fn versions_are_numbers() {
        assert_eq!(current("2.19.3", Some("2.19.3")), pass("2.19.3"));
        assert_eq!(current("2.9.1", Some("2.29.2")).0, Verdict::Fail);
        assert_eq!(current("2.13.0", Some("2.9.0")).0, Verdict::Pass);
        assert_eq!(current("2.13.0", Some("2.29.2")).0, Verdict::Warn);
    }
}
