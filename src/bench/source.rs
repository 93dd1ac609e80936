//! The bench's file: a narrow historian table with local times, and the pipeline that loads it.

use std::path::Path;

use rusqlite::Connection;

/// Writes `rows` rows of (ts text, metric integer, value real), 60 days in Berlin's summer time.
pub(super) fn write(file: &Path, rows: u64) -> Result<(), rusqlite::Error> {
    let connection = Connection::open(file)?;
    let rows = i64::try_from(rows).unwrap_or(i64::MAX);
    connection.execute_batch(
        "pragma journal_mode = off; pragma synchronous = off; \
         create table hist (id integer primary key, ts text, metric integer, value real)",
    )?;
    // 1,000 metrics a tick; ticks are spread evenly over the days, and no tick falls into a fold.
    connection.execute(
        "with recursive n(i) as (values (0) union all select i + 1 from n where i + 1 < ?1) \
         insert into hist (ts, metric, value) \
         select strftime('%Y-%m-%d %H:%M:%S', 1714521600 + i / 1000 * (5184000000 / ?1), \
         'unixepoch'), i % 1000, \
         round((i * 7919 % 100003) / 7.0, 3) from n",
        [rows],
    )?;
    connection.close().map_err(|(_, error)| error)
}

/// The pipeline that loads it.
pub(super) fn pipeline(file: &Path, state: &Path) -> String {
    // TOML's literal strings take a path as it is.
    format!(
        "name = \"bench\"\n[source]\nsqlite = '{}'\n[target]\nurl = \"${{DATABASE_URL}}\"\n\
         [state]\ndir = '{}'\n[[table]]\nfrom = \"hist\"\nto = \"public.hist\"\n\
         [table.columns]\nts = {{ zone = \"Europe/Berlin\" }}\n",
        file.display(),
        state.display()
    )
}
