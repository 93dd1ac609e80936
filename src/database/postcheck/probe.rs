//! A row into each table of time and back out, in a transaction that is rolled back.
//!
//! Its values are made from the columns' types, their lists of words and what their keys refer to. Sequences
//! move on, as they do for any insert that is rolled back; nothing else stays.

use tokio_postgres::{Client, Transaction};

use super::hypertables::Hypertable;
use super::{Check, PostcheckError, Set};
use crate::database::edition::Kind;
use crate::fault;
use crate::schema::quote;
use crate::sink::SinkError;

/// Columns that a row needs, with a value for each: the time, and what is neither nullable nor filled in by
/// the server. A text takes the first word of its list; a reference takes what is there.
const VALUES: &str = r#"
select a.attname::text,
    case
        when f.table_name is not null then
            format('(select %I from %s limit 1)', f.column_name, f.table_name)
        when l.word is not null then format('%L', l.word)
        when t.typtype = 'e' then format('%L', (
            select enumlabel from pg_enum where enumtypid = t.oid order by enumsortorder limit 1))
        when t.typcategory = 'D' then 'now()'
        when t.typcategory = 'T' then 'interval ''1 hour'''
        when t.typcategory = 'N' then '1'
        when t.typcategory = 'B' then 'false'
        when t.typcategory = 'S' then '''postcheck'''
        when t.typcategory = 'A' then '''{}'''
        when t.typname in ('json', 'jsonb') then '''{}'''
        when t.typname = 'uuid' then 'gen_random_uuid()'
        else 'null'
    end || '::' || format_type(a.atttypid, a.atttypmod),
    f.table_name
from pg_attribute a
join pg_type t on t.oid = a.atttypid
left join lateral (
    select c.confrelid::regclass::text as table_name, r.attname as column_name
    from pg_constraint c join pg_attribute r on r.attrelid = c.confrelid and r.attnum = c.confkey[1]
    where c.conrelid = a.attrelid and c.contype = 'f' and c.conkey = array[a.attnum] limit 1
) f on true
left join lateral (
    select substring(pg_get_constraintdef(c.oid) from '''([^'']*)''') as word
    from pg_constraint c
    where c.conrelid = a.attrelid and c.contype = 'c' and c.conkey = array[a.attnum]
      and t.typcategory = 'S' limit 1
) l on true
where a.attrelid = $1::text::regclass and a.attnum > 0 and not a.attisdropped
  and (a.attname = $2 or a.attnotnull and not a.atthasdef and a.attidentity = '')
order by a.attnum"#;

const LIMITS: &str = "set local lock_timeout = '5s'; set local statement_timeout = '30s'";

/// Tries each table.
pub(super) async fn check(
    check: &mut Check<'_>,
    set: &Set,
    hypertables: &[Hypertable],
) -> Result<(), PostcheckError> {
    let mut went = 0;
    for hypertable in hypertables {
        let name = hypertable.table.to_string();
        let outcome = one(check.client, hypertable, check.edition.kind != Kind::Plain).await;
        match outcome {
            Ok(()) => went += 1,
            Err(Stopped::NoParent(parent)) => {
                let why = format!("a row of it refers to {parent}, which is empty");
                check.found.skip("insert", &name, why);
            }
            Err(Stopped::Statement { sql, error }) => {
                let code = error.code().map(|code| code.code().to_owned()).unwrap_or_default();
                let found = format!("{}: {sql}", SinkError::from(error));
                let to_do = match fault::remedy(&code) {
                    "" => {
                        "an application's insert fails alike: mend the table, or what hangs on it"
                    }
                    remedy => remedy,
                };
                check.found.fail("insert", &name, found, to_do);
            }
            Err(Stopped::Lost { what }) => {
                let to_do = "look for triggers and rules that change or drop rows";
                check.found.fail("insert", &name, what, to_do);
            }
        }
    }
    if went > 0 {
        let bucket = if check.edition.kind == Kind::Plain { "" } else { ", time_bucket right" };
        let found =
            format!("{went} of {} tables: in, out again{bucket}, rolled back", hypertables.len());
        check.found.pass("insert", &set.name, found);
    }
    Ok(())
}

enum Stopped {
    NoParent(String),
    Statement { sql: String, error: tokio_postgres::Error },
    Lost { what: String },
}

async fn one(client: &mut Client, table: &Hypertable, has_bucket: bool) -> Result<(), Stopped> {
    let failed = |error| Stopped::Statement { sql: "begin".to_owned(), error };
    // Dropped, it is rolled back.
    let transaction = client.transaction().await.map_err(failed)?;
    transaction.batch_execute(LIMITS).await.map_err(failed)?;
    let outcome = insert_and_read(&transaction, table, has_bucket).await;
    let rolled_back = transaction.rollback().await;
    outcome?;
    rolled_back.map_err(failed)
}

async fn insert_and_read(
    transaction: &Transaction<'_>,
    Hypertable { table, time, .. }: &Hypertable,
    has_bucket: bool,
) -> Result<(), Stopped> {
    let name = table.quoted();
    let failed = |sql: &str| {
        let sql = sql.to_owned();
        move |error| Stopped::Statement { sql, error }
    };
    let columns = transaction.query(VALUES, &[&name, time]).await.map_err(failed(&name))?;
    for row in &columns {
        if let Some(parent) = row.get::<_, Option<String>>(2) {
            let sql = format!("select exists (select from {parent})");
            let there = transaction.query_one(&sql, &[]).await.map_err(failed(&sql))?;
            if !there.get::<_, bool>(0) {
                return Err(Stopped::NoParent(parent));
            }
        }
    }
    let names: Vec<String> = columns.iter().map(|row| quote(row.get(0))).collect();
    let values: Vec<String> = columns.iter().map(|row| row.get(1)).collect();
    let insert =
        format!("insert into {name} ({}) values ({})", names.join(", "), values.join(", "));
    let returning = format!("{insert} returning to_jsonb({}.*)::text", quote(&table.name));
    let row = transaction.query_opt(&returning, &[]).await.map_err(failed(&insert))?;
    let Some(row) = row else {
        return Err(Stopped::Lost { what: format!("the row did not go in: {insert}") });
    };
    let sent: String = row.get(0);
    // now() stands still in a transaction, so the time finds the chunk and the value finds the row.
    let time = quote(time);
    let right = match has_bucket {
        true => format!(
            "bool_and(time_bucket(interval '1 day', t.{time}) = date_trunc('day', t.{time}))"
        ),
        false => "true".to_owned(),
    };
    let select = format!(
        "select count(*), {right} from {name} t where t.{time} >= now() - interval '1 day' \
         and to_jsonb(t.*) = $1::text::jsonb"
    );
    let row = transaction.query_one(&select, &[&sent]).await.map_err(failed(&select))?;
    let right = row.get::<_, Option<bool>>(1).unwrap_or(true);
    match (row.get::<_, i64>(0), right) {
        (1.., true) => Ok(()),
        (1.., false) => Err(Stopped::Lost { what: "time_bucket gives another day".to_owned() }),
        (_, _) => Err(Stopped::Lost { what: format!("the row did not come back: {select}") }),
    }
}
