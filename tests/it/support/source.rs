//! Source files, made on the spot.

use std::path::Path;

use rusqlite::Connection;

/// A pipeline for [`readings`].
pub(crate) const READINGS: &str = r#"
name = "readings"
[source]
sqlite = "source.db"
[target]
create = true
[state]
dir = "${STATE:-millstream-state}"
[limits]
batch_rows = 50000
[[table]]
from = "reading"
to = "public.reading"
hypertable = { time = "at", chunk = "1 day" }
[table.columns]
at = { time = "unit=ms" }
"#;

/// `count` readings with ids from 1, a second apart.
pub(crate) fn readings(path: &Path, count: u64) {
    let db = Connection::open(path).unwrap();
    db.execute_batch(&format!(
        "pragma journal_mode = off; pragma synchronous = off; pragma page_size = 8192;
         create table reading (id integer primary key, at integer not null, sensor integer,
             value real, note text);
         with recursive n(i) as (values (1) union all select i + 1 from n where i < {count})
         insert into reading select i, 1700000000000 + i * 1000, i % 97, (i % 1000) / 8.0,
             case when i % 10 = 0 then 'note ' || i end from n;"
    ))
    .unwrap();
}

/// A file made by SQL.
pub(crate) fn file(path: &Path, sql: &str) -> Connection {
    let db = Connection::open(path).unwrap();
    db.execute_batch(sql).unwrap();
    db
}
