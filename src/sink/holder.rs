//! Who is at work: a run holds an advisory lock under its pipeline's name for as long as its session lives.

use tokio_postgres::Client;

use super::SinkError;

/// The lock's row of `pg_locks` (alias `l`), for a name in SQL.
pub(super) fn lock_of(name: &str) -> String {
    format!(
        "from pg_locks l, hashtextextended('millstream ' || {name}, 0) as key \
         where l.locktype = 'advisory' and l.granted and l.objsubid = 1 \
         and l.database = (select oid from pg_database where datname = current_database()) \
         and l.classid = ((key >> 32) & 4294967295)::oid and l.objid = (key & 4294967295)::oid"
    )
}

/// The server process that holds the lock of this name in this database.
pub async fn of(client: &Client, name: &str) -> Result<Option<i32>, SinkError> {
    let sql = format!("select min(l.pid) {}", lock_of("$1"));
    Ok(client.query_one(&sql, &[&name]).await?.get(0))
}
