//! Compression, retention and refresh: whether the jobs are there, and how they went last.

use super::{Check, PostcheckError, Set, counted, few, heads};
use crate::database::edition::Kind;
use crate::schema::TableName;

/// What a file calls, and what a person calls it.
const POLICIES: [(&str, &str, &str); 4] = [
    ("add_compression_policy", "policy_compression", "compression"),
    ("add_columnstore_policy", "policy_compression", "compression"),
    ("add_retention_policy", "policy_retention", "retention"),
    ("add_continuous_aggregate_policy", "policy_refresh_continuous_aggregate", "refresh"),
];

const JOB: &str = "\
select j.job_id, j.scheduled, s.last_run_status, \
    to_char(s.last_successful_finish at time zone 'UTC', 'YYYY-MM-DD HH24:MI'), \
    coalesce(s.total_runs, 0), \
    (select e.err_message from timescaledb_information.job_errors e where e.job_id = j.job_id \
     order by e.finish_time desc nulls last limit 1), \
    coalesce(j.config ->> 'compress_after', j.config ->> 'drop_after', \
        j.config ->> 'start_offset') \
from timescaledb_information.jobs j \
left join timescaledb_information.job_stats s on s.job_id = j.job_id \
left join timescaledb_information.continuous_aggregates c \
    on c.materialization_hypertable_schema = j.hypertable_schema \
    and c.materialization_hypertable_name = j.hypertable_name \
where j.proc_name = $1 and coalesce(c.view_schema, j.hypertable_schema) = $2 \
    and coalesce(c.view_name, j.hypertable_name) = $3";

/// Each policy of the set, and the materialized views.
pub(super) async fn check(check: &mut Check<'_>, set: &Set) -> Result<(), PostcheckError> {
    let functions = POLICIES.map(|(function, ..)| function);
    let statements = || set.scripts.iter().flat_map(|script| &script.statements);
    let calls: Vec<heads::Call> =
        statements().flat_map(|statement| heads::calls(statement, &functions)).collect();
    views(check, set).await?;
    if calls.is_empty() {
        return Ok(());
    }
    if check.edition.kind != Kind::Community {
        let found = format!(
            "{} need the Community edition; `millstream maintain` drops by age and refreshes here",
            counted(calls.len(), "job")
        );
        check.found.skip("policies", &set.name, found);
        return Ok(());
    }
    let mut waiting: Waiting = Waiting::default();
    let mut tables: Vec<TableName> = Vec::new();
    for call in &calls {
        let table = call.texts.first().and_then(|name| TableName::parse(name));
        tables.extend(table.filter(|table| !tables.contains(table)));
    }
    for table in tables {
        let of_table = calls.iter().filter(|call| {
            call.texts.first().and_then(|name| TableName::parse(name)).as_ref() == Some(&table)
        });
        let mut told = Vec::new();
        for call in of_table {
            let policy = POLICIES.iter().find(|(function, ..)| *function == call.function);
            if let Some((function, procedure, word)) = policy {
                let policy = (*function, *procedure, *word);
                told.extend(one(check, &table, policy, &mut waiting).await?);
            }
        }
        if !told.is_empty() {
            check.found.pass("policies", &table.to_string(), told.join("; "));
        }
    }
    waiting.tell(check, &set.name);
    Ok(())
}

/// Jobs of which there is nothing to tell but that they wait.
#[derive(Default)]
struct Waiting {
    not_started: Vec<String>,
    never_ran: Vec<String>,
}

impl Waiting {
    fn tell(self, check: &mut Check<'_>, set: &str) {
        if !self.not_started.is_empty() {
            let found = format!("no free worker for jobs {}", few(&self.not_started, 12));
            let to_do =
                "raise max_worker_processes and timescaledb.max_background_workers; they try again";
            check.found.warn("policies", set, found, to_do);
        }
        if !self.never_ran.is_empty() {
            let found = format!("not run yet: jobs {}", few(&self.never_ran, 12));
            check.found.warn(
                "policies",
                set,
                found,
                "they will; at once: select alter_job(…, next_start => now())",
            );
        }
    }
}

/// One job; what is as it should be comes back as words.
async fn one(
    check: &mut Check<'_>,
    table: &TableName,
    (function, procedure, word): (&str, &str, &str),
    waiting: &mut Waiting,
) -> Result<Option<String>, PostcheckError> {
    let name = table.to_string();
    let row = check.client.query_opt(JOB, &[&procedure, &table.schema, &table.name]).await?;
    let Some(row) = row else {
        let to_do = format!(
            "millstream policy apply --set …, or select {function}('{}', …)",
            table.quoted()
        );
        check.found.fail("policies", &name, format!("there is no {word} policy"), &to_do);
        return Ok(None);
    };
    let (job, scheduled): (i32, bool) = (row.get(0), row.get(1));
    let (status, last): (Option<String>, Option<String>) = (row.get(2), row.get(3));
    let (runs, message): (i64, Option<String>) = (row.get(4), row.get(5));
    let after = row.get::<_, Option<String>>(6).unwrap_or_default();
    let alter = format!("select alter_job({job}, scheduled => true)");
    let failed = status.as_deref() == Some("Failed");
    if failed && message.as_ref().is_some_and(|message| message.ends_with("failed to start")) {
        waiting.not_started.push(job.to_string());
    } else if failed {
        let message = message.unwrap_or_else(|| "its message is gone".to_owned());
        let to_do = format!("mend the cause, then select alter_job({job}, next_start => now())");
        let found = format!("{word} (job {job}) failed last: {message}");
        check.found.fail("policies", &name, found, &to_do);
    } else if !scheduled {
        let found = format!("{word} (job {job}) is paused");
        let to_do = format!("a backfill pauses it and puts it back; else: {alter}");
        check.found.warn("policies", &name, found, &to_do);
    } else if runs == 0 {
        waiting.never_ran.push(job.to_string());
    } else {
        let last = last.unwrap_or_else(|| "never".to_owned());
        return Ok(Some(format!("{word} {after}, last {last} UTC")));
    }
    Ok(None)
}

/// Materialized views that hold nothing yet, and continuous aggregates.
async fn views(check: &mut Check<'_>, set: &Set) -> Result<(), PostcheckError> {
    let names: Vec<String> =
        set.expected.of_kind("materialized view").map(|(name, _)| name.to_owned()).collect();
    let sql = "select n.nspname || '.' || c.relname from pg_class c \
               join pg_namespace n on n.oid = c.relnamespace \
               where c.relkind = 'm' and not c.relispopulated \
               and n.nspname || '.' || c.relname = any($1) order by 1";
    let rows = check.client.query(sql, &[&names]).await?;
    let empty: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    if !empty.is_empty() {
        let found = format!("never refreshed: {}", few(&empty, 5));
        check.found.warn(
            "policies",
            "materialized views",
            found,
            "millstream maintain refreshes them",
        );
    }
    if check.edition.kind != Kind::Community {
        return Ok(());
    }
    let statements = set.scripts.iter().flat_map(|script| &script.statements);
    let wanted: Vec<String> = statements.filter_map(heads::continuous_aggregate).collect();
    let sql = "select view_schema || '.' || view_name from timescaledb_information.continuous_aggregates \
               where view_schema || '.' || view_name = any($1)";
    let rows = check.client.query(sql, &[&wanted]).await?;
    let there: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let missing: Vec<String> =
        wanted.iter().filter(|name| !there.contains(name)).cloned().collect();
    if !missing.is_empty() {
        let to_do = format!("millstream migrate up --set {}", set.name);
        let found = format!("no continuous aggregate: {}", few(&missing, 5));
        check.found.fail("policies", &set.name, found, &to_do);
    } else if !wanted.is_empty() {
        check.found.pass(
            "policies",
            &set.name,
            format!("continuous aggregates: {}", few(&wanted, 5)),
        );
    }
    Ok(())
}
