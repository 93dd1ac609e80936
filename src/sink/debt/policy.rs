//! Policies that would fight a load: they are paused and put back as they were.

use tokio_postgres::{Client, Transaction};

use super::{Debt, Load, owe};
use crate::sink::SinkError;
use crate::sink::ledger::PgTime;

/// Continuous aggregates over a table, and over those, with their depth.
pub(super) const ROLLUPS: &str = "with recursive rollup as ( \
    select c.*, 1 as depth from timescaledb_information.continuous_aggregates c \
    where c.hypertable_schema = $1 and c.hypertable_name = $2 \
    union all select c.*, r.depth + 1 from timescaledb_information.continuous_aggregates c \
    join rollup r on c.hypertable_schema = r.materialization_hypertable_schema \
    and c.hypertable_name = r.materialization_hypertable_name) ";

/// Policies at work on the table itself, and those that refresh what is made of it. With them: whether
/// this role may pause them, whose they are, and for retention before which time it drops.
const JOBS: &str = "select j.job_id, j.proc_name::text, pg_has_role(current_user, j.owner::oid, 'usage'), \
    j.owner::text, case when j.proc_name = 'policy_retention' \
    and coalesce(j.config ->> 'drop_after', '') !~ '^-?[0-9]*$' \
    then now() - (j.config ->> 'drop_after')::interval end \
    from timescaledb_information.jobs j where j.scheduled and ( \
    (j.hypertable_schema = $1 and j.hypertable_name = $2 and j.proc_name in ('policy_compression', \
        'policy_recompression', 'policy_retention', 'policy_reorder')) \
    or (j.proc_name = 'policy_refresh_continuous_aggregate' and exists (select from rollup r where \
        (j.hypertable_schema, j.hypertable_name) in ((r.view_schema, r.view_name), \
        (r.materialization_hypertable_schema, r.materialization_hypertable_name))))) order by 1";

/// Pauses them; what this role may not pause is a warning, and an error where it would drop what is loaded.
pub(super) async fn pause(
    transaction: &Transaction<'_>,
    load: &Load<'_>,
) -> Result<Vec<String>, SinkError> {
    let name = &load.table.name;
    // What another load has paused stays paused until this one is done, too.
    let sql = "update millstream.ddl_debt set pipeline = $2 \
               where table_name = $1 and kind = 'policy' and state = 'owed'";
    transaction.execute(sql, &[&name.to_string(), &load.pipeline]).await?;
    let sql = format!("{ROLLUPS}{JOBS}");
    let mut warnings = Vec::new();
    for row in transaction.query(&sql, &[&name.schema, &name.name]).await? {
        let (job, policy, ours): (i32, &str, bool) = (row.get(0), row.get(1), row.get(2));
        if ours {
            owe(transaction, load, ("policy", &format!("job {job}"), policy)).await?;
            let sql = "select from public.alter_job($1, scheduled => false)";
            transaction.execute(sql, &[&job]).await?;
            continue;
        }
        let (owner, drops_before): (&str, Option<PgTime>) = (row.get(3), row.get(4));
        let told = format!(
            "{name}: {policy} (job {job}) belongs to {owner} and stays on during the load; as {owner}: \
             select alter_job({job}, scheduled => false), and true afterwards"
        );
        if let (Some(PgTime(before)), Some(oldest)) = (drops_before, load.oldest)
            && oldest < before
        {
            let why = "it would drop rows that this load brings";
            return Err(SinkError::Ledger(format!("{told}: {why}")));
        }
        warnings.push(told);
    }
    Ok(warnings)
}

/// Puts one back. A job that was dropped meanwhile stays dropped.
pub(super) async fn resume(client: &Client, debt: &Debt) -> Result<(), SinkError> {
    let sql = "select (select count(*) from public.alter_job(job_id, scheduled => true)) \
               from timescaledb_information.jobs \
               where 'job ' || job_id = $1 and proc_name = $2 and not scheduled";
    client.query(sql, &[&debt.object, &debt.definition]).await?;
    Ok(())
}
