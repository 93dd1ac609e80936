//! What else there is to see after a load: how many, from when to when, whether shifts, gaps and references
//! are plausible. `verify` shows it beside its proof; only what is wrong for certain fails it.

use serde_json::{Value, json};
use tokio_postgres::Client;

use super::postcheck::{PostcheckError, bounded, orphans};
use crate::observe::report::{Report, Table};
use crate::schema::{TableName, TargetTable};
use crate::sink::catalog;

/// Adds what is to be seen of these tables. The report's outcome becomes `differs` where a reference that has to
/// hold does not, or a time zone is not what the tables need.
pub async fn look(
    client: &Client,
    tables: &[TableName],
    report: &mut Report,
) -> Result<(), PostcheckError> {
    let mut found = Vec::new();
    for name in tables {
        found.extend(catalog::table(client, name).await?);
    }
    // A history was just loaded, most likely: what is asked of it next should be planned by what is there.
    for table in found.iter().filter(|table| table.owned) {
        if let Err(error) = catalog::analyze(client, &table.name).await {
            report.note(format!("no fresh statistics of {}: {error}", table.name));
        }
    }
    rows(client, &found, report).await?;
    references(client, tables, report).await?;
    zones(client, report).await?;
    if tables.iter().any(|table| table.schema == "public" && table.name == "equipment_states") {
        client.batch_execute("set statement_timeout = '60s'").await.map_err(wrap)?;
        let seen = [("gaps", gaps(client).await), ("OEE", oee(client).await)];
        client.batch_execute("reset statement_timeout").await.map_err(wrap)?;
        for (what, table) in seen {
            match table {
                Ok(table) => report.tables.push(table),
                // Nothing is proven or refuted by it: a table of another shape, or one that takes too long.
                Err(error) => report.note(format!("{what} not looked at: {}", told_of(error))),
            }
        }
    }
    Ok(())
}

/// Rows, distinct ids, earliest and latest.
async fn rows(
    client: &Client,
    tables: &[TargetTable],
    report: &mut Report,
) -> Result<(), PostcheckError> {
    let mut seen =
        Table::new("Rows", &["table", "rows", "distinct ids", "of", "earliest", "latest"]);
    for table in tables {
        let name = table.name.quoted();
        let count = bounded(client, &format!("select count(*) from {name}")).await?;
        let (ids, of) = distinct(client, table, count).await?;
        let range = match time_column(table) {
            Some(column) => {
                let column = crate::schema::quote(column);
                let sql = format!(
                    "select to_char(min({column}) at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), \
                     to_char(max({column}) at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') from {name}"
                );
                let row = client.query_one(&sql, &[]).await.map_err(wrap)?;
                [json!(row.get::<_, Option<String>>(0)), json!(row.get::<_, Option<String>>(1))]
            }
            None => [Value::Null, Value::Null],
        };
        let [earliest, latest] = range;
        let label = json!(table.name.to_string());
        seen.push(vec![label, told(count), ids, json!(of), earliest, latest]);
    }
    report.tables.push(seen);
    Ok(())
}

/// Distinct ids: as many as rows where a key says so, else counted where that is quick.
async fn distinct(
    client: &Client,
    table: &TargetTable,
    count: Result<i64, &'static str>,
) -> Result<(Value, String), PostcheckError> {
    if !table.primary_key.is_empty() {
        return Ok((told(count), format!("{} (key)", table.primary_key.join(", "))));
    }
    if table.column("id").is_none() {
        return Ok((Value::Null, String::new()));
    }
    let sql = format!("select count(distinct id) from {}", table.name.quoted());
    Ok((told(bounded(client, &sql).await?), "id".to_owned()))
}

fn told(count: Result<i64, &'static str>) -> Value {
    count.map_or_else(|why| json!(why), |count| json!(count))
}

/// The time column of a hypertable; else when rows were made; else the first instant that every row has.
fn time_column(table: &TargetTable) -> Option<&str> {
    use crate::schema::PgType::Timestamptz;
    if let Some(hypertable) = &table.hypertable
        && table.column(&hypertable.time).is_some_and(|c| matches!(c.ty, Timestamptz(_)))
    {
        return Some(&hypertable.time);
    }
    let instants = || table.columns.iter().filter(|column| matches!(column.ty, Timestamptz(_)));
    let named =
        instants().find(|column| ["created_at", "createdAt"].contains(&column.name.as_str()));
    let found = named.or_else(|| instants().find(|column| column.not_null));
    found.or_else(|| instants().next()).map(|column| column.name.as_str())
}

/// Rows that refer to nothing, of references that no key guards.
async fn references(
    client: &Client,
    tables: &[TableName],
    report: &mut Report,
) -> Result<(), PostcheckError> {
    let mut seen = Table::new("References", &["from", "to", "rows that refer to nothing"]);
    for orphan in orphans(client, tables).await? {
        if orphan.must && orphan.rows.is_ok_and(|rows| rows > 0) {
            fail(
                report,
                &format!("{} refers to rows of {} that are not there", orphan.from, orphan.to),
            );
        }
        seen.push(vec![json!(orphan.from), json!(orphan.to), told(orphan.rows)]);
    }
    report.tables.push(seen);
    Ok(())
}

/// The database's own zone, and those of the sites.
async fn zones(client: &Client, report: &mut Report) -> Result<(), PostcheckError> {
    // What is set for the database; a session's own zone, such as this one's, says nothing of others.
    let sql = "select zone, (extract(epoch from (now() at time zone zone) - (now() at time zone 'UTC')) \
               / 3600)::float8, to_regprocedure('public.sast_now()') is not null from (select ( \
               select split_part(s, '=', 2) from pg_db_role_setting d join pg_database b \
               on b.oid = d.setdatabase, unnest(d.setconfig) s where b.datname = current_database() \
               and d.setrole = 0 and s ilike 'timezone=%' limit 1)) z (zone)";
    let row = client.query_one(sql, &[]).await.map_err(wrap)?;
    let (zone, south_african): (Option<String>, bool) = (row.get(0), row.get(2));
    let hours: Option<f64> = row.get(1);
    let mut seen = Table::new("Time zones", &["of", "zone", "hours from UTC now", "result"]);
    // The production-orders application shows instants by the database's zone.
    let result = match (south_african, hours == Some(2.0)) {
        (false, _) => "",
        (true, true) => "PASS",
        (true, false) => {
            fail(
                report,
                "the database does not show South African time: alter database … set timezone",
            );
            "FAIL"
        }
    };
    let zone = zone.unwrap_or_else(|| "not set: the server's".to_owned());
    seen.push(vec![json!("the database"), json!(zone), json!(hours), json!(result)]);
    let there = "select to_regclass('public.\"Site\"') is not null";
    if client.query_one(there, &[]).await.map_err(wrap)?.get(0) {
        let sql = "select s.code::text, s.timezone::text, (extract(epoch from z.utc_offset) / 3600)::float8 \
                   from public.\"Site\" s left join pg_timezone_names z on z.name = s.timezone order by 1";
        let sites = match client.query(sql, &[]).await {
            Ok(sites) => sites,
            Err(error) => {
                report.note(format!("zones of the sites not looked at: {}", told_of(error)));
                Vec::new()
            }
        };
        for row in sites {
            let (code, zone): (String, String) = (row.get(0), row.get(1));
            let hours: Option<f64> = row.get(2);
            if hours.is_none() {
                fail(report, &format!("site {code}: {zone} is no time zone"));
            }
            let result = if hours.is_some() { "PASS" } else { "FAIL" };
            seen.push(vec![
                json!(format!("site {code}")),
                json!(zone),
                json!(hours),
                json!(result),
            ]);
        }
    }
    report.tables.push(seen);
    Ok(())
}

/// Time of a unit about which nothing is known: between two intervals, or in one that says so.
async fn gaps(client: &Client) -> Result<Table, tokio_postgres::Error> {
    let sql = "with silence as (select \"equipmentId\", extract(epoch from \"endTime\" - \"startTime\") / 60 \
               as minutes from public.equipment_states where state = 'UNKNOWN' \
               union all select \"equipmentId\", extract(epoch from lead(\"startTime\") over \
               (partition by \"equipmentId\" order by \"startTime\") - \"endTime\") / 60 \
               from public.equipment_states) \
               select coalesce(e.code, s.\"equipmentId\"), count(*) filter (where minutes > 1), \
               (avg(minutes) filter (where minutes > 1))::float8, \
               coalesce(sum(minutes) filter (where minutes > 1), 0)::float8 \
               from silence s left join public.\"Equipment\" e on e.id = s.\"equipmentId\" group by 1 order by 1";
    let columns = ["equipment", "gaps over 1 min", "mean min", "all min"];
    let mut seen = Table::new("Gaps", &columns);
    for row in client.query(sql, &[]).await? {
        seen.push(vec![
            json!(row.get::<_, String>(0)),
            json!(row.get::<_, i64>(1)),
            json!(row.get::<_, Option<f64>>(2).map(rounded)),
            json!(rounded(row.get(3))),
        ]);
    }
    Ok(seen)
}

/// OEE by unit: mean, least and greatest of its shifts, and that of its sums, which alone is the OEE of the period.
async fn oee(client: &Client) -> Result<Table, tokio_postgres::Error> {
    let sql = "select coalesce(e.code, o.\"equipmentId\"), count(*), avg(o.oee), min(o.oee), max(o.oee), \
               (case when count(o.\"idealGoodSeconds\") = count(*) \
                and sum(o.\"unknownSeconds\") < sum(o.\"pbtSeconds\") \
                and (sum(o.\"aptSeconds\") > 0 or sum(o.\"totalProduced\") = 0) \
                then sum(o.\"idealGoodSeconds\") / sum(o.\"pbtSeconds\") end)::float8 \
               from public.oee_calculations o \
               left join public.\"Equipment\" e on e.id = o.\"equipmentId\" group by 1 order by 3, 1";
    let columns = ["equipment", "shifts", "mean OEE", "least", "greatest", "OEE of the sums"];
    let mut seen = Table::new("OEE", &columns);
    for row in client.query(sql, &[]).await? {
        let rate =
            |at: usize| json!(row.get::<_, Option<f64>>(at).map(|rate| rounded(rate * 100.0)));
        seen.push(vec![
            json!(row.get::<_, String>(0)),
            json!(row.get::<_, i64>(1)),
            rate(2),
            rate(3),
            rate(4),
            rate(5),
        ]);
    }
    Ok(seen)
}

fn fail(report: &mut Report, text: &str) {
    report.outcome = "differs".to_owned();
    report.note(format!("NOT plausible: {text}"));
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn told_of(error: tokio_postgres::Error) -> String {
    crate::sink::SinkError::from(error).to_string()
}

fn wrap(error: tokio_postgres::Error) -> PostcheckError {
    PostcheckError::Sink(error.into())
}
