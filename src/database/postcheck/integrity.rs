//! Rows that contradict each other: references to nothing, what should be there once and is there twice,
//! sequences behind their tables, indexes that are not whole.
//!
//! Each count may take ten seconds; what takes longer is said not to be known.

use tokio_postgres::Client;

use super::{Check, PostcheckError, Set, bounded, count, counted, few};
use crate::database::edition::Kind;
use crate::schema::{TableName, quote};

/// A reference without a key: set, column, and the column that it means.
///
/// Nothing but the last two is a defect: `Must` is a row that cannot be understood without the other, `May` an
/// application's code for something that need not be kept here.
const REFERENCES: &[(&str, &str, &str, Strength)] = &[
    (
        "ms5",
        "factory_telemetry.metric_hist.metric_def_id",
        "factory_telemetry.metric_def.id",
        Strength::Must,
    ),
    ("ms5", "factory_telemetry.fault_event.equipment_code", EQUIPMENT_CODE, Strength::May),
    ("ms5", "factory_telemetry.energy_consumption.equipment_code", EQUIPMENT_CODE, Strength::May),
    ("ms5", "factory_telemetry.oee_calculations.equipment_code", EQUIPMENT_CODE, Strength::May),
    (
        "ms5",
        "factory_telemetry.production_context_history.equipment_code",
        EQUIPMENT_CODE,
        Strength::May,
    ),
    ("iso22400", "public.equipment_states.equipmentId", "public.Equipment.id", Strength::Must),
    (
        "iso22400",
        "public.equipment_states.shiftInstanceId",
        "public.ShiftInstance.id",
        Strength::May,
    ),
    (
        "iso22400",
        "public.equipment_states.productionOrderId",
        "public.ProductionOrder.id",
        Strength::May,
    ),
    ("iso22400", "public.production_counts.equipmentId", "public.Equipment.id", Strength::Must),
    ("iso22400", "public.production_counts.productId", "public.Product.id", Strength::May),
    (
        "iso22400",
        "public.production_counts.productionOrderId",
        "public.ProductionOrder.id",
        Strength::May,
    ),
    ("iso22400", "public.quality_events.equipmentId", "public.Equipment.id", Strength::Must),
    ("iso22400", "public.quality_events.productId", "public.Product.id", Strength::May),
    ("iso22400", "public.oee_calculations.equipmentId", "public.Equipment.id", Strength::Must),
    ("iso22400", "public.oee_calculations.workCenterId", "public.WorkCenter.id", Strength::Must),
    (
        "iso22400",
        "public.oee_calculations.shiftInstanceId",
        "public.ShiftInstance.id",
        Strength::Must,
    ),
];

const EQUIPMENT_CODE: &str = "factory_telemetry.equipment_config.equipment_code";

/// What should be there once and has no unique key: set, table, columns, time column.
const ONCE: &[(&str, &str, &[&str], &str)] =
    &[("ms5", "factory_telemetry.metric_hist", &["metric_def_id", "ts"], "ts")];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strength {
    Must,
    May,
}

/// Looks at the rows of a set.
pub(super) async fn check(check: &mut Check<'_>, set: &Set) -> Result<(), PostcheckError> {
    rows(check, set).await?;
    foreign_keys(check, set).await?;
    references(check, set).await?;
    duplicates(check, set).await?;
    sequences(check, set).await?;
    indexes(check, set).await
}

async fn rows(check: &mut Check<'_>, set: &Set) -> Result<(), PostcheckError> {
    let (mut total, mut filled, mut about) = (0, 0, "");
    let tables = there(check, set).await?;
    for table in &tables {
        let sql = format!("select count(*) from {}", table.quoted());
        // Counted where that is quick, else as the last analyze had it.
        let estimate = format!(
            "select coalesce(sum(greatest(reltuples, 0)), 0)::bigint from pg_class where oid = \
             '{0}'::regclass or oid in (select inhrelid from pg_inherits where inhparent = '{0}'::regclass)",
            table.quoted().replace('\'', "''")
        );
        let rows = match bounded(check.client, &sql).await? {
            Ok(rows) => rows,
            Err(_) => {
                about = "about ";
                bounded(check.client, &estimate).await?.unwrap_or(0)
            }
        };
        total += rows;
        filled += usize::from(rows > 0);
    }
    let found =
        format!("{about}{} rows; {filled} of {} tables hold some", count(total), tables.len());
    check.found.pass("integrity", &set.name, found);
    Ok(())
}

/// The set's tables that exist.
async fn there(check: &Check<'_>, set: &Set) -> Result<Vec<TableName>, PostcheckError> {
    let sql = "select n.nspname::text, c.relname::text from pg_class c \
               join pg_namespace n on n.oid = c.relnamespace \
               where c.relkind in ('r', 'p') and n.nspname || '.' || c.relname = any($1) order by 1, 2";
    let rows = check.client.query(sql, &[&set.tables()]).await?;
    Ok(rows.iter().map(|row| TableName { schema: row.get(0), name: row.get(1) }).collect())
}

const KEYS: &str = "\
select c.conname::text, n.nspname || '.' || t.relname, c.confrelid::regclass::text, c.convalidated, \
    (select array_agg(a.attname::text order by k.at) from unnest(c.conkey) with ordinality k (num, at) \
     join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.num), \
    (select array_agg(a.attname::text order by k.at) from unnest(c.confkey) with ordinality k (num, at) \
     join pg_attribute a on a.attrelid = c.confrelid and a.attnum = k.num), \
    c.conrelid::regclass::text \
from pg_constraint c join pg_class t on t.oid = c.conrelid \
join pg_namespace n on n.oid = t.relnamespace \
where c.contype = 'f' and c.conparentid = 0 and n.nspname || '.' || t.relname = any($1) order by 2, 1";

async fn foreign_keys(check: &mut Check<'_>, set: &Set) -> Result<(), PostcheckError> {
    let keys = check.client.query(KEYS, &[&set.tables()]).await?;
    let (mut open, mut sound) = (0, 0);
    for key in &keys {
        let (name, table): (String, String) = (key.get(0), key.get(1));
        let (parent, valid): (String, bool) = (key.get(2), key.get(3));
        let (columns, targets): (Vec<String>, Vec<String>) = (key.get(4), key.get(5));
        let child: String = key.get(6);
        open += usize::from(!valid);
        let pairs = || columns.iter().zip(&targets).map(|(c, t)| (quote(c), quote(t)));
        let filled: Vec<String> = pairs().map(|(c, _)| format!("c.{c} is not null")).collect();
        let equal: Vec<String> = pairs().map(|(c, t)| format!("p.{t} = c.{c}")).collect();
        let sql = format!(
            "select count(*) from {child} c where {} and not exists (select from {parent} p where {})",
            filled.join(" and "),
            equal.join(" and ")
        );
        let which = format!("{table} ({}) → {parent}", columns.join(", "));
        match bounded(check.client, &sql).await? {
            Ok(0) => sound += 1,
            Ok(rows) if valid => {
                let found = format!("{which}: {} rows refer to nothing", count(rows));
                let to_do =
                    format!("mend the rows; the key {name} holds, so it was switched off once");
                check.found.fail(
                    "integrity",
                    &format!("{}: foreign keys", set.name),
                    found,
                    &to_do,
                );
            }
            Ok(rows) => {
                let found = format!("{which}: {} rows refer to nothing", count(rows));
                let to_do =
                    format!("mend them, then alter table {child} validate constraint {name}");
                check.found.warn(
                    "integrity",
                    &format!("{}: foreign keys", set.name),
                    found,
                    &to_do,
                );
            }
            Err(why) => unknown(check, &format!("{}: foreign keys", set.name), (&which, why)),
        }
    }
    if sound > 0 {
        let open = if open > 0 { format!(" ({open} not validated)") } else { String::new() };
        let found = format!("{sound} of {} hold for every row{open}", keys.len());
        check.found.pass("integrity", &format!("{}: foreign keys", set.name), found);
    }
    Ok(())
}

fn unknown(check: &mut Check<'_>, what: &str, (which, why): (&str, &str)) {
    check.found.skip("integrity", what, format!("{which}: {why}"));
}

/// `schema.table.column` as its table and its column.
fn column(name: &str) -> Option<(TableName, String)> {
    let (table, column) = name.rsplit_once('.')?;
    Some((TableName::parse(table)?, quote(column)))
}

async fn references(check: &mut Check<'_>, set: &Set) -> Result<(), PostcheckError> {
    let tables = there(check, set).await?;
    let mut sound = 0;
    let of_set = || REFERENCES.iter().filter(|(name, ..)| *name == set.name);
    for (_, from, to, strength) in of_set() {
        let Some((child, parent, sql)) = looking_for(from, to) else { continue };
        if !tables.contains(&child) || !tables.contains(&parent) {
            continue;
        }
        let which = format!("{from} → {to}");
        match (bounded(check.client, &sql).await?, strength) {
            (Ok(0), _) => sound += 1,
            (Ok(rows), Strength::Must) => {
                let found = format!("{which}: {} rows refer to nothing", count(rows));
                let to_do = "bring back what they refer to, or remove the rows";
                check.found.fail("integrity", &format!("{}: references", set.name), found, to_do);
            }
            (Ok(rows), Strength::May) => {
                let found = format!("{which}: {} rows refer to nothing", count(rows));
                let to_do = "no harm to the rows; what joins the two leaves them out";
                check.found.warn("integrity", &format!("{}: references", set.name), found, to_do);
            }
            (Err(why), _) => unknown(check, &format!("{}: references", set.name), (&which, why)),
        }
    }
    if sound > 0 {
        let found =
            format!("{sound} of {} without keys: every row has its counterpart", of_set().count());
        check.found.pass("integrity", &format!("{}: references", set.name), found);
    }
    Ok(())
}

/// The two tables of a reference, and what counts the rows of the first that refer to nothing.
fn looking_for(from: &str, to: &str) -> Option<(TableName, TableName, String)> {
    let ((child, column), (parent, target)) = (column(from)?, column(to)?);
    let sql = format!(
        "select count(*) from {} c where c.{column} is not null \
         and not exists (select from {} p where p.{target} = c.{column})",
        child.quoted(),
        parent.quoted()
    );
    Some((child, parent, sql))
}

/// Rows that refer to nothing, of one reference that no key guards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::database) struct Orphans {
    /// `schema.table.column`
    pub(in crate::database) from: &'static str,
    /// `schema.table.column`
    pub(in crate::database) to: &'static str,
    /// A row cannot be understood without what it refers to.
    pub(in crate::database) must: bool,
    /// How many, or why that is not known.
    pub(in crate::database) rows: Result<i64, &'static str>,
}

/// Every reference out of some tables that no key guards.
pub(in crate::database) async fn orphans(
    client: &Client,
    tables: &[TableName],
) -> Result<Vec<Orphans>, PostcheckError> {
    let mut found = Vec::new();
    for (_, from, to, strength) in REFERENCES {
        let Some((child, parent, sql)) = looking_for(from, to) else { continue };
        let there = "select (to_regclass($1) is not null)::int";
        let parent = client.query_one(there, &[&parent.quoted()]).await;
        let parent: i32 = parent.map_err(crate::sink::SinkError::from)?.get(0);
        if !tables.contains(&child) || parent == 0 {
            continue;
        }
        let rows = bounded(client, &sql).await?;
        found.push(Orphans { from, to, must: *strength == Strength::Must, rows });
    }
    Ok(found)
}

async fn duplicates(check: &mut Check<'_>, set: &Set) -> Result<(), PostcheckError> {
    let tables = there(check, set).await?;
    for (_, name, columns, time) in ONCE.iter().filter(|(name, ..)| *name == set.name) {
        let Some(table) = TableName::parse(name).filter(|table| tables.contains(table)) else {
            continue;
        };
        let columns: Vec<String> = columns.iter().map(|column| quote(column)).collect();
        let (table, key, time) = (table.quoted(), columns.join(", "), quote(time));
        // The newest day stands for the rest: history is loaded under the ledger.
        let sql = format!(
            "select count(*) from (select from {table} where {time} > (select max({time}) from {table}) \
             - interval '1 day' group by {key} having count(*) > 1) twice"
        );
        let which = format!("{name} ({})", key.replace('"', ""));
        match bounded(check.client, &sql).await? {
            Ok(0) => {
                let found = format!("{which}: none in its newest day");
                check.found.pass("integrity", &format!("{}: duplicates", set.name), found);
            }
            Ok(rows) => {
                let found = format!("{which}: {} values are there twice", count(rows));
                let to_do =
                    "find who writes them twice: two collectors, or a load beside the ledger";
                check.found.warn("integrity", &format!("{}: duplicates", set.name), found, to_do);
            }
            Err(why) => unknown(check, &format!("{}: duplicates", set.name), (&which, why)),
        }
    }
    Ok(())
}

/// Sequences of columns that a unique key begins with: there the maximum is found at once, and matters.
const SEQUENCES: &str = "\
select s.oid::regclass::text, t.oid::regclass::text, a.attname::text, \
    case s.relkind when 'S' then pg_sequence_last_value(s.oid) end, q.seqincrement > 0 \
from pg_class s join pg_sequence q on q.seqrelid = s.oid \
join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = s.oid \
    and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i') \
join pg_class t on t.oid = d.refobjid join pg_namespace n on n.oid = t.relnamespace \
join pg_attribute a on a.attrelid = t.oid and a.attnum = d.refobjsubid \
where n.nspname || '.' || t.relname = any($1) \
    and case s.relkind when 'S' then has_sequence_privilege(s.oid, 'select, usage') end \
    and exists (select from pg_index i where i.indrelid = t.oid and i.indisunique \
        and i.indkey[0] = a.attnum) order by 1";

async fn sequences(check: &mut Check<'_>, set: &Set) -> Result<(), PostcheckError> {
    let rows = check.client.query(SEQUENCES, &[&set.tables()]).await?;
    let mut sound = 0;
    for row in &rows {
        let (sequence, table): (String, String) = (row.get(0), row.get(1));
        let (column, last): (String, Option<i64>) = (row.get(2), row.get(3));
        let sql = format!("select coalesce(max({}), 0)::bigint from {table}", quote(&column));
        let highest = bounded(check.client, &sql).await?.ok();
        match highest.filter(|highest| *highest > last.unwrap_or(0) && row.get(4)) {
            None => sound += 1,
            Some(highest) => {
                let last = last.map_or_else(|| "unused".to_owned(), |last| format!("at {last}"));
                let found = format!("{sequence} is {last}, {table}.{column} goes to {highest}");
                let to_do = format!("select setval('{sequence}', {highest}), or inserts fail");
                check.found.fail("integrity", &format!("{}: sequences", set.name), found, &to_do);
            }
        }
    }
    if sound > 0 {
        let found = format!("{} not behind their tables", counted(sound, "sequence"));
        check.found.pass("integrity", &format!("{}: sequences", set.name), found);
    }
    Ok(())
}

async fn indexes(check: &mut Check<'_>, set: &Set) -> Result<(), PostcheckError> {
    let sql = "select i.indexrelid::regclass::text from pg_index i join pg_class t on t.oid = i.indrelid \
               join pg_namespace n on n.oid = t.relnamespace \
               where not i.indisvalid and (n.nspname || '.' || t.relname = any($1) or exists ( \
                 select from pg_inherits h join pg_class p on p.oid = h.inhparent \
                 join pg_namespace pn on pn.oid = p.relnamespace \
                 where h.inhrelid = t.oid and pn.nspname || '.' || p.relname = any($1))) order by 1";
    let rows = check.client.query(sql, &[&set.tables()]).await?;
    let invalid: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    if !invalid.is_empty() {
        let found = format!("not whole, a build was cut short: {}", few(&invalid, 5));
        check.found.fail(
            "integrity",
            &format!("{}: indexes", set.name),
            found,
            "reindex index concurrently …, or drop it",
        );
    }
    let lacking = lacking(check, set).await?;
    if let Some((table, chunks)) = lacking.first() {
        let found =
            format!("{table}: {} lack an index of the hypertable", counted(*chunks, "chunk"));
        let to_do = "drop that index and create it again";
        check.found.fail("integrity", &format!("{}: indexes", set.name), found, to_do);
    }
    if invalid.is_empty() && lacking.is_empty() {
        check.found.pass(
            "integrity",
            &format!("{}: indexes", set.name),
            "all of them whole, on every chunk",
        );
    }
    Ok(())
}

/// Hypertables with chunks that have fewer indexes than they.
async fn lacking(check: &Check<'_>, set: &Set) -> Result<Vec<(String, usize)>, PostcheckError> {
    if check.edition.kind == Kind::Plain {
        return Ok(Vec::new());
    }
    let sql = "select hypertable_schema || '.' || hypertable_name, count(*) \
               from timescaledb_information.chunks, \
               lateral (select to_regclass(format('%I.%I', chunk_schema, chunk_name)), \
                 to_regclass(format('%I.%I', hypertable_schema, hypertable_name))) r (chunk, hypertable) \
               where hypertable_schema || '.' || hypertable_name = any($1) \
                 and not coalesce(is_compressed, false) and chunk is not null \
                 and (select count(*) from pg_index where indrelid = chunk) \
                   < (select count(*) from pg_index where indrelid = hypertable) group by 1 order by 1";
    let rows = check.client.query(sql, &[&set.tables()]).await?;
    let chunks = |row: &tokio_postgres::Row| usize::try_from(row.get::<_, i64>(1)).unwrap_or(0);
    Ok(rows.iter().map(|row| (row.get(0), chunks(row))).collect())
}
