//! What a database holds, object by object: what a set makes, and what is there.
//!
//! What a set makes is found by making it, in a database that exists for a few seconds: a description kept
//! beside the files would be a second truth.

use std::collections::BTreeMap;

use tokio_postgres::Client;

use super::migrate::journal::Journal;
use super::migrate::{self, MigrateError, Migration, Options};
use crate::schema::quote;
use crate::sink::session::Server;
use crate::sink::{SinkError, catalog};

/// A kind and a name: `column`, `factory_telemetry.metric_hist.ts`.
pub type Object = (String, String);

/// Objects with what defines them, in the server's own words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// By kind and name.
    pub objects: BTreeMap<Object, String>,
}

/// How an object of a set stands in a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which one.
    pub object: Object,
    /// Its definition in the database; `None`: it is not there.
    pub there: Option<String>,
    /// Its definition in the set; `None`: the set does not make it.
    pub set: Option<String>,
}

impl Difference {
    /// `missing`, `extra` or `differs`.
    pub fn word(&self) -> &'static str {
        match (&self.there, &self.set) {
            (None, _) => "missing",
            (_, None) => "extra",
            _ => "differs",
        }
    }
}

/// Objects of every schema that is ours to look at: `$1` are schemas. Constraints and indexes go by what
/// they do, not by what they are called; hypertables' internal triggers and chunk tables are not listed, and
/// the numbers that continuous aggregates get in a database are left out of their views.
const OBJECTS: &str = "\
with ours as (select n.oid, n.nspname from pg_namespace n where n.nspname = any($1)), \
rels as (select c.oid, c.relkind, c.relname, o.nspname, \
    o.nspname || '.' || c.relname as name from pg_class c join ours o on o.oid = c.relnamespace \
    where not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')) \
select 'table', name, '' from rels where relkind in ('r', 'p') \
union all select 'column', r.name || '.' || a.attname, \
    format_type(a.atttypid, a.atttypmod) || case when a.attnotnull then ' not null' else '' end || \
    coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '') || \
    case when a.attidentity <> '' then ' identity' else '' end \
    from rels r join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped \
    left join pg_attrdef d on d.adrelid = r.oid and d.adnum = a.attnum \
    where r.relkind in ('r', 'p') \
union all select 'constraint', r.name || ' ' || pg_get_constraintdef(k.oid), '' \
    from rels r join pg_constraint k on k.conrelid = r.oid where k.contype in ('p', 'u', 'f', 'c') \
union all select 'index', r.name || ' ' || regexp_replace(pg_get_indexdef(i.indexrelid), \
    '^CREATE (UNIQUE )?INDEX [^ ]+ ON [^ ]+ ', '\\1'), '' \
    from rels r join pg_index i on i.indrelid = r.oid where r.relkind in ('r', 'p', 'm') \
    and not exists (select from pg_constraint k where k.conindid = i.indexrelid) \
union all select case relkind when 'v' then 'view' else 'materialized view' end, name, \
    regexp_replace(pg_get_viewdef(oid), '(_hypertable_|cagg_watermark\\()[0-9]+', '\\1', 'g') \
    from rels where relkind in ('v', 'm') \
union all select 'function', o.nspname || '.' || p.proname || '(' || \
    pg_get_function_identity_arguments(p.oid) || ')', md5(pg_get_functiondef(p.oid)) \
    from pg_proc p join ours o on o.oid = p.pronamespace where p.prokind in ('f', 'p') \
    and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e') \
union all select 'trigger', r.name || '.' || t.tgname, pg_get_triggerdef(t.oid) \
    from rels r join pg_trigger t on t.tgrelid = r.oid where not t.tgisinternal \
    and t.tgname not like 'ts_%'";

/// Reads what is there.
pub async fn read(client: &Client, schemas: &[String]) -> Result<Inventory, SinkError> {
    let mut inventory = Inventory::default();
    for row in client.query(OBJECTS, &[&schemas]).await? {
        let object = (row.get(0), row.get(1));
        inventory.objects.insert(object, row.get(2));
    }
    if catalog::has_timescale(client).await? {
        let sql = "select hypertable_schema || '.' || hypertable_name, column_name || ' ' || \
                   coalesce(time_interval::text, integer_interval::text) \
                   from timescaledb_information.dimensions \
                   where hypertable_schema = any($1) and dimension_number = 1";
        for row in client.query(sql, &[&schemas]).await? {
            inventory.objects.insert(("hypertable".to_owned(), row.get(0)), row.get(1));
        }
    }
    Ok(inventory)
}

/// What a set makes, found by making it in a database that is dropped again. The server is asked for the
/// same edition as `client`'s database has. What a killed run left behind goes first; the caller holds the
/// runners' lock of this database, after which they are named.
///
/// Errors: the role may not create databases (the message says what to grant), or a file of the set fails.
pub async fn of_set(
    server: &Server,
    client: &Client,
    (set, migrations): (&str, &[Migration]),
) -> Result<Inventory, MigrateError> {
    let sql =
        "select 'millstream_reference_' || oid from pg_database where datname = current_database()";
    let name: String = client.query_one(sql, &[]).await?.get(0);
    client.batch_execute(&format!("drop database if exists {} with (force)", quote(&name))).await?;
    client.batch_execute(&format!("create database {} template template0", quote(&name))).await?;
    let made = make(&server.on_database(&name), client, (set, migrations)).await;
    let drop = format!("drop database if exists {} with (force)", quote(&name));
    let dropped = client.batch_execute(&drop).await;
    let inventory = made?;
    dropped?;
    Ok(inventory)
}

async fn make(
    scratch: &Server,
    like: &Client,
    (set, migrations): (&str, &[Migration]),
) -> Result<Inventory, MigrateError> {
    let mut session = scratch.connect("millstream reference").await.map_err(SinkError::from)?;
    let sql = "select extversion from pg_extension where extname = 'timescaledb'";
    if let Some(row) = like.query_opt(sql, &[]).await? {
        let version = quote(row.get(0));
        let sql = format!("create extension timescaledb version {version}");
        session.client.batch_execute(&sql).await?;
        // A new session, as the library of the template may be another version's.
        session = scratch.connect("millstream reference").await.map_err(SinkError::from)?;
    }
    let mut silent = Journal::silent();
    let client = &mut session.client;
    migrate::up(client, (set, migrations), Options::default(), &mut silent).await?;
    let sql = "select array_agg(nspname::text) from pg_namespace n where nspname not in \
               ('pg_catalog', 'information_schema', 'pg_toast') and nspname !~ 'timescaledb' \
               and (nspname <> 'public' or exists (select from pg_class c where \
                 c.relnamespace = n.oid and relname <> 'migration_log' and relkind in ('r', 'v', 'm')))";
    let schemas: Option<Vec<String>> = session.client.query_one(sql, &[]).await?.get(0);
    let mut inventory = read(&session.client, &schemas.unwrap_or_default()).await?;
    inventory.objects.retain(|(_, name), _| !name.starts_with("public.migration_log"));
    Ok(inventory)
}

impl Inventory {
    /// Schemas of the objects.
    pub fn schemas(&self) -> Vec<String> {
        let schema = |(_, name): &Object| name.split('.').next().unwrap_or_default().to_owned();
        let mut schemas: Vec<String> = self.objects.keys().map(schema).collect();
        schemas.sort();
        schemas.dedup();
        schemas
    }

    /// Objects of one kind.
    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let of_kind = self.objects.iter().filter(move |((found, _), _)| found == kind);
        of_kind.map(|((_, name), definition)| (name.as_str(), definition.as_str()))
    }

    /// How a database differs from this, which is a set's. Of schema `public` only what the set makes is
    /// looked at: others live there, too.
    pub fn differences(&self, there: &Self) -> Vec<Difference> {
        let mut found = Vec::new();
        for (object, set) in &self.objects {
            let other = there.objects.get(object);
            if other != Some(set) {
                let (object, set) = (object.clone(), Some(set.clone()));
                found.push(Difference { object, there: other.cloned(), set });
            }
        }
        for (object, definition) in &there.objects {
            let shared = object.1.starts_with("public.");
            if !shared && !self.objects.contains_key(object) {
                let there = Some(definition.clone());
                found.push(Difference { object: object.clone(), there, set: None });
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory(objects: &[(&str, &str, &str)]) -> Inventory {
        let owned = |(kind, name, text): &(&str, &str, &str)| {
            (((*kind).to_owned(), (*name).to_owned()), (*text).to_owned())
        };
        Inventory { objects: objects.iter().map(owned).collect() }
    }

    #[test]
    fn what_differs_is_missing_extra_or_another() {
        let set = inventory(&[("table", "s.a", ""), ("column", "s.a.x", "integer")]);
        let there = inventory(&[
            ("column", "s.a.x", "text"),
            ("table", "s.mine", ""),
            ("table", "public.theirs", ""),
        ]);
        let found = set.differences(&there);
        let words: Vec<_> = found.iter().map(|d| (d.object.1.as_str(), d.word())).collect();
        assert_eq!(words, [("s.a.x", "differs"), ("s.a", "missing"), ("s.mine", "extra")]);
        assert_eq!(set.differences(&set), []);
        assert_eq!(there.schemas(), ["public", "s"]);
    }
}
