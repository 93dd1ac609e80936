//! A set's retention must not eat the history that is being adopted: a person says when it may begin.

use tokio_postgres::Client;

use crate::database::edition::{self, Capability};
use crate::database::inventory::Inventory;
use crate::database::policy::literal;
use crate::sink::SinkError;

/// Hypertables of a set as an SQL array of `schema.table`.
fn tables(reference: &Inventory) -> String {
    let names: Vec<String> =
        reference.of_kind("hypertable").map(|(name, _)| literal(name)).collect();
    format!("array[{}]::text[]", names.join(", "))
}

/// SQL that pauses each retention job of the set that would drop rows which are there. It belongs to the
/// transaction that makes the job: the server may run one as soon as it sees it.
pub(super) fn pause(reference: &Inventory) -> String {
    format!(
        "do $$ declare j record; old boolean; begin \
         for j in select job_id, hypertable_schema s, hypertable_name t, column_name c, \
             config ->> 'drop_after' a from timescaledb_information.jobs \
             join timescaledb_information.dimensions using (hypertable_schema, hypertable_name) \
             where proc_name = 'policy_retention' and scheduled and dimension_number = 1 \
             and hypertable_schema || '.' || hypertable_name = any({tables}) loop \
           execute format('select exists (select from %I.%I where %I < now() - %L::interval)', \
             j.s, j.t, j.c, j.a) into old; \
           if old then perform public.alter_job(j.job_id, scheduled => false); end if; \
         end loop; end $$",
        tables = tables(reference)
    )
}

/// What is paused.
pub(super) async fn paused(
    client: &Client,
    reference: &Inventory,
) -> Result<Vec<(String, String)>, SinkError> {
    if !edition::detect(client).await?.kind.has(Capability::Compression) {
        return Ok(Vec::new());
    }
    let sql = format!(
        "select hypertable_schema || '.' || hypertable_name, config ->> 'drop_after' \
         from timescaledb_information.jobs where proc_name = 'policy_retention' and not scheduled \
         and hypertable_schema || '.' || hypertable_name = any({}) order by 1",
        tables(reference)
    );
    let rows = client.query(&sql, &[]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}
