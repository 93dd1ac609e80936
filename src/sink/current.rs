//! What units do now: the open state of each, written with the rows that it follows.
//!
//! Closed intervals are rows of `equipment_states`; the open one shows in `"Equipment"` and is only ever
//! replaced by a later one.

use tokio_postgres::{Client, GenericClient, Statement};

use super::SinkError;
use super::ledger::PgTime;
use crate::batch::Current;
use crate::schema::{TableName, TargetTable};

/// The table of units that belongs to a table of states.
pub fn table_of(states: &TableName) -> TableName {
    TableName { schema: states.schema.clone(), name: "Equipment".to_owned() }
}

/// Whether a table of units can show what they do.
pub fn shows(units: &TargetTable) -> bool {
    let wanted = ["id", "currentState", "currentStateSince", "lastSeenAt"];
    wanted.iter().all(|name| units.column(name).is_some())
}

/// The statement for a table of units. Rows are locked in the order of their ids, so that two lanes never
/// wait for each other.
pub(super) async fn prepare(client: &Client, units: &TableName) -> Result<Statement, SinkError> {
    let table = units.quoted();
    let sql = format!(
        "with told as (select * from unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[]) \
             as told (id, state, since, seen)), \
         held as (select u.id from {table} u join told using (id) order by u.id for no key update of u) \
         update {table} u set \"currentState\" = told.state, \"currentStateSince\" = told.since, \
             \"lastSeenAt\" = told.seen \
         from told join held using (id) where u.id = told.id \
             and (u.\"currentStateSince\" is null or u.\"currentStateSince\" <= told.since)"
    );
    Ok(client.prepare(&sql).await?)
}

/// Shows what units do.
pub(super) async fn write(
    client: &Client,
    statement: &Statement,
    current: &[Current],
) -> Result<(), SinkError> {
    let ids: Vec<&str> = current.iter().map(|unit| unit.equipment.as_str()).collect();
    let states: Vec<&str> = current.iter().map(|unit| unit.state).collect();
    let since: Vec<PgTime> = current.iter().map(|unit| PgTime(unit.since)).collect();
    let seen: Vec<PgTime> = current.iter().map(|unit| PgTime(unit.seen)).collect();
    client.execute(statement, &[&ids, &states, &since, &seen]).await?;
    Ok(())
}

/// Forgets what the units do that a pipeline told of.
pub async fn forget(
    client: &impl GenericClient,
    pipeline: &str,
    units: &TableName,
) -> Result<(), SinkError> {
    let sql = format!(
        "update {} set \"currentState\" = 'UNKNOWN', \"currentStateSince\" = null, \"lastSeenAt\" = null \
         where id in (select substr(t.key, 8) from millstream.state t \
             join millstream.stream s using (stream_id) \
             where s.pipeline = $1 and t.key like 'states %')",
        units.quoted()
    );
    client.execute(&sql, &[&pipeline]).await?;
    Ok(())
}
