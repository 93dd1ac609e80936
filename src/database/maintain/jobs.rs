//! The server's own jobs: when each ran last and runs next, and again those that failed.

use tokio_postgres::{Client, Row};

use crate::config::policy::Policies;
use crate::database::loading;
use crate::schema::TableName;
use crate::sink::SinkError;

use super::{Maintained, Options, Outcome};

/// Jobs of a table or of a continuous aggregate, which some versions know by what stores it.
const JOBS: &str = "select j.job_id, j.application_name::text, j.scheduled, \
      coalesce(s.last_run_status, 'never'), \
      coalesce(date_trunc('second', s.last_run_started_at)::text, ''), \
      coalesce(date_trunc('second', s.next_start)::text, 'soon'), \
      coalesce(c.hypertable_schema, $1::text)::text, coalesce(c.hypertable_name, $2::text)::text, \
      coalesce((select ': ' || e.err_message from timescaledb_information.job_errors e \
        where e.job_id = j.job_id order by e.start_time desc limit 1), '') \
    from timescaledb_information.jobs j left join timescaledb_information.job_stats s using (job_id) \
    left join timescaledb_information.continuous_aggregates c \
      on c.view_schema = $1 and c.view_name = $2 \
    where j.proc_name like 'policy\\_%' and ((j.hypertable_schema, j.hypertable_name) = ($1, $2) \
      or (j.hypertable_schema, j.hypertable_name) = \
        (c.materialization_hypertable_schema, c.materialization_hypertable_name)) order by 1";

pub(super) async fn look(
    client: &Client,
    set: &Policies,
    options: Options<'_>,
    done: &mut Maintained,
) -> Result<(), SinkError> {
    let tables = set.tables.iter().map(|table| &table.name);
    let views = set.rollups.iter().filter(|rollup| rollup.refresh.is_some());
    for name in tables.chain(views.map(|rollup| &rollup.view)) {
        for row in client.query(JOBS, &[&name.schema, &name.name]).await? {
            let outcome = one(client, &row, options).await;
            done.settle("job", &name.to_string(), outcome);
        }
    }
    Ok(())
}

async fn one(
    client: &Client,
    row: &Row,
    options: Options<'_>,
) -> Result<(Outcome, String), SinkError> {
    let (id, name): (i32, &str) = (row.get(0), row.get(1));
    let (status, last, next): (&str, &str, &str) = (row.get(3), row.get(4), row.get(5));
    let table = TableName { schema: row.get(6), name: row.get(7) };
    if !row.get::<_, bool>(2) {
        let who = loading::by(client, &table).await?;
        let why = who.unwrap_or_else(|| "`policy apply` lets it run again".to_owned());
        return Ok((Outcome::Skipped, format!("{name} is paused: {why}")));
    }
    if status != "Failed" {
        let last =
            if last.is_empty() { "has not run yet".to_owned() } else { format!("ran {last}") };
        return Ok((Outcome::Nothing, format!("{name} {last}, next {next}")));
    }
    let error: &str = row.get(8);
    if !options.run_jobs {
        let detail = format!("{name} failed {last}{error}; next {next}; --run-jobs runs it now");
        return Ok((Outcome::Failed, detail));
    }
    if let Some(who) = loading::by(client, &table).await? {
        return Ok((Outcome::Skipped, format!("{name} failed {last}; left alone: {who}")));
    }
    if options.dry_run {
        return Ok((Outcome::Planned, format!("{name} failed {last}: run it again")));
    }
    // Here, so that its error is seen; the scheduler then notes for itself that it goes again.
    client.batch_execute(&format!("call run_job({id})")).await?;
    client.batch_execute(&format!("select alter_job({id}, next_start => now())")).await?;
    Ok((Outcome::Done, format!("{name} had failed {last}: ran again")))
}
