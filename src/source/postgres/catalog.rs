//! What a Postgres database holds: tables, views, their columns, and the key each can be read by.

use std::sync::Arc;

use postgres_protocol::escape::escape_literal;

use super::snapshot::Legacy;
use super::value::Form;
use super::wire::{Wire, WireError};
use crate::config::plan::From;
use crate::schema::{SourceColumn, TableName, quote};
use crate::source::tables::{CountError, SourceTable, Unusable};
use crate::source::{Origin, Range, SourceError};

/// The name that the place of a row goes by, where a table has no key.
pub const CTID: &str = "ctid";
/// Tables up to this size are counted to be planned; of larger ones the server's estimate serves.
const COUNTED_BYTES: i64 = 64 << 20;

/// Parents with their children: partitions and chunks are never named by themselves.
const RELATIONS: &str = "select n.nspname, c.relname, c.relkind, c.relhassubclass, \
    exists (select 1 from pg_catalog.pg_trigger t where t.tgrelid = c.oid \
        and t.tgname = 'ts_insert_blocker') \
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
    where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname !~ '^(pg_|_timescaledb_)' \
    and n.nspname not in ('information_schema', 'timescaledb_information', 'timescaledb_experimental') \
    and not coalesce((to_jsonb(c) ->> 'relispartition')::boolean, false) order by 1, 2";

/// A database that is read.
pub struct Tables {
    legacy: Arc<Legacy>,
    relations: Vec<Relation>,
}

struct Relation {
    name: TableName,
    /// `r`, `p`, `v`, `m` or `f`, as the catalog has it.
    kind: char,
    /// Rows may lie in children: places of rows are not unique.
    parent: bool,
    /// The same, and no unique index of its own says enough.
    inherited: bool,
}

impl Relation {
    fn is_base(&self) -> bool {
        matches!(self.kind, 'r' | 'p')
    }
}

impl Tables {
    /// Reads the names of what is there.
    pub fn open(legacy: &Arc<Legacy>) -> Result<Self, SourceError> {
        let mut wire = legacy.connect()?;
        let answer =
            wire.run(RELATIONS).map_err(|error| legacy.failed("reading the catalog", error))?;
        let relations = (0..answer.rows.len()).map(|row| {
            let kind = answer.text(row, 2).chars().next().unwrap_or('v');
            let (children, hypertable) = (answer.text(row, 3) == "t", answer.text(row, 4) == "t");
            // A hypertable gets children with its next row.
            let parent = children || hypertable;
            // Keys of partitioned tables and of hypertables hold over all of their parts.
            let inherited = children && kind == 'r' && !hypertable;
            let name = TableName {
                schema: answer.text(row, 0).to_owned(),
                name: answer.text(row, 1).to_owned(),
            };
            Relation { name, kind, parent, inherited }
        });
        Ok(Self { legacy: Arc::clone(legacy), relations: relations.collect() })
    }

    /// Names of the base tables, `schema.table`.
    pub fn names(&self) -> impl Iterator<Item = String> {
        let base = self.relations.iter().filter(|relation| relation.is_base());
        base.map(|relation| relation.name.to_string())
    }

    /// Says what will be read, so that all of it is locked before a snapshot is taken.
    pub fn will_read<'a>(&self, from: impl Iterator<Item = &'a From>) {
        let (mut tables, mut locks) = (Vec::new(), Vec::new());
        for from in from {
            match from {
                From::Table { name, .. } => match self.find(name) {
                    Some(relation) if relation.is_base() => tables.push(relation.name.quoted()),
                    // Planning a view locks what is behind it.
                    Some(relation) => {
                        locks.push(format!("explain select * from {}", relation.name.quoted()));
                    }
                    None => {}
                },
                From::Query { sql, .. } => {
                    locks.push(format!("explain select * from ({}) q", bare(sql)));
                }
            }
        }
        if !tables.is_empty() {
            locks.insert(0, format!("lock table {} in access share mode", tables.join(", ")));
        }
        self.legacy.will_read(locks);
    }

    fn find(&self, name: &str) -> Option<&Relation> {
        let name = TableName::parse(name)?;
        self.relations.iter().find(|relation| relation.name == name)
    }

    /// What a plan reads, with the number of its rows, or about that.
    pub fn table(&self, from: &From) -> Result<(SourceTable, u64), CountError> {
        let mut wire = self.legacy.connect()?;
        match from {
            From::Table { name, key } => {
                let relation = self.find(name).ok_or_else(|| self.unknown(name))?;
                self.relation(&mut wire, relation, key)
            }
            From::Query { sql, key } => {
                let sql = bare(sql);
                let inner = format!("({sql}) q");
                let columns = match columns(&mut wire, &inner) {
                    Ok(columns) => columns,
                    Err(error) if error.sqlstate.is_some() => {
                        let error = self.legacy.failed("the query fails", error);
                        let hint = "try it in psql, as the role that reads".to_owned();
                        return Err(unusable(error.to_string(), &hint));
                    }
                    Err(error) => return Err(self.legacy.failed(&from.label(), error).into()),
                };
                let table = SourceTable {
                    label: from.label(),
                    identity: identity(&format!("query {sql}"), &columns, key),
                    sql: inner,
                    key: key.clone(),
                    by_rowid: false,
                    columns,
                    origin: Origin::Postgres,
                    estimated: false,
                };
                let rows = self.proven(&table)?;
                Ok((table, rows))
            }
        }
    }

    fn unknown(&self, name: &str) -> CountError {
        let names: Vec<String> = self.relations.iter().map(|r| r.name.to_string()).collect();
        let full = TableName::parse(name).map_or(name.to_owned(), |name| name.to_string());
        let near = crate::config::nearest(&full, names.iter().map(String::as_str));
        let hint = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it has {}", names.join(", ")),
        };
        unusable(format!("the source has no table `{name}`"), &hint)
    }

    fn relation(
        &self,
        wire: &mut Wire,
        relation: &Relation,
        given: &[String],
    ) -> Result<(SourceTable, u64), CountError> {
        let label = relation.name.to_string();
        let sql = relation.name.quoted();
        let failed = |error| self.legacy.failed(&label, error);
        let columns = columns(wire, &sql).map_err(failed)?;
        let unique = match relation.is_base() && !relation.inherited && given.is_empty() {
            true => unique_keys(wire, &sql).map_err(failed)?,
            false => Vec::new(),
        };
        let form = |name: &String| {
            let column = columns.iter().find(|column| column.name == *name);
            column.map(|column| Form::of(&column.declared))
        };
        let readable = |key: &Vec<String>| {
            key.iter().all(|name| form(name).is_some_and(|form| form.order(name).is_some()))
        };
        let own = unique.into_iter().find(readable);
        let proven = own.is_some();
        let key = match own {
            Some(key) => key,
            None if !given.is_empty() => given.to_vec(),
            None if relation.kind == 'r' && !relation.parent => vec![CTID.to_owned()],
            None => {
                let message = format!("`{label}` has no key of its own that rows can be read by");
                return Err(unusable(message, "name one: key = [\"…\"], unique and never null"));
            }
        };
        let by_rowid = match key.as_slice() {
            [one] => form(one) == Some(Form::Integer),
            _ => false,
        };
        let identity = identity(&label, &columns, &key);
        let origin = Origin::Postgres;
        let mut table =
            SourceTable { label, sql, key, by_rowid, columns, identity, origin, estimated: false };
        let rows = match proven || table.key == [CTID] {
            true => self.about(wire, &mut table)?,
            false => self.proven(&table)?,
        };
        Ok((table, rows))
    }

    /// Rows of a table: counted if it is small, else as the server's statistics have it.
    fn about(&self, wire: &mut Wire, table: &mut SourceTable) -> Result<u64, CountError> {
        let sql = format!(
            "select sum(greatest(c.reltuples, 0))::bigint, sum(pg_relation_size(c.oid))::bigint \
             from pg_catalog.pg_class c where c.oid = {name}::regclass or c.oid in \
             (select inhrelid from pg_catalog.pg_inherits where inhparent = {name}::regclass)",
            name = escape_literal(&table.sql)
        );
        let failed = |error| self.legacy.failed(&table.label, error);
        let answer = wire.run(&sql).map_err(failed)?;
        let number = |column| answer.text(0, column).parse::<i64>().unwrap_or(0);
        match (u64::try_from(number(0)), number(1)) {
            (Ok(rows), bytes) if rows > 0 && bytes > COUNTED_BYTES => {
                table.estimated = true;
                Ok(rows)
            }
            _ => Ok(count(&self.legacy, table, &[Range::default()])?),
        }
    }

    /// Rows of a table, view or query whose key the file names, and proof that the key serves.
    fn proven(&self, table: &SourceTable) -> Result<u64, CountError> {
        for name in &table.key {
            let column = table.columns.iter().find(|column| column.name == *name);
            let Some(column) = column else {
                return Err(unusable(format!("the key names `{name}`, which is no column"), ""));
            };
            if Form::of(&column.declared).order(name).is_none() {
                let message = format!("the key column `{name}` is {}", column.declared);
                return Err(unusable(message, "rows are not read in the order of such a type"));
            }
        }
        let key: Vec<String> = table.key.iter().map(|name| quote(name)).collect();
        let nulls: Vec<String> = key.iter().map(|name| format!("{name} is null")).collect();
        let sql = format!(
            "select count(*), count(distinct ({})), coalesce(sum(({})::int), 0) from {}",
            key.join(", "),
            nulls.join(" or "),
            table.sql
        );
        let (mut wire, _) = self.legacy.join(None)?;
        let answer = wire.run(&sql).map_err(|error| self.legacy.failed(&table.label, error))?;
        let number = |column| answer.text(0, column).parse::<u64>().unwrap_or(0);
        let (all, distinct, nulls) = (number(0), number(1), number(2));
        let key = table.key.join(", ");
        if nulls > 0 {
            let message = format!("the key ({key}) is null in {nulls} rows");
            return Err(unusable(message, "name a key that is never null, or filter those rows"));
        }
        if distinct != all {
            let message = format!("the key ({key}) is not unique: {all} rows, {distinct} keys");
            return Err(unusable(message, "add a column that tells the rows apart"));
        }
        Ok(all)
    }
}

/// Rows of some ranges of a table, in the moment that is held.
pub fn count(legacy: &Legacy, table: &SourceTable, ranges: &[Range]) -> Result<u64, SourceError> {
    let (mut wire, _) = legacy.join(None)?;
    let mut all = 0;
    for range in ranges {
        let bounds = super::statement::bounds(table, range)?;
        let sql = format!("select count(*) from {}{bounds}", table.sql);
        let answer = wire.run(&sql).map_err(|error| legacy.failed(&table.label, error))?;
        all += answer.text(0, 0).parse::<u64>().unwrap_or(0);
    }
    Ok(all)
}

/// Smallest and largest value of an integer key; `None` for an empty table.
pub fn bounds(legacy: &Legacy, table: &SourceTable) -> Result<Option<(i64, i64)>, SourceError> {
    let key = table.key.first().map(|name| quote(name)).unwrap_or_default();
    let sql = format!("select min({key}), max({key}) from {}", table.sql);
    let (mut wire, _) = legacy.join(None)?;
    let answer = wire.run(&sql).map_err(|error| legacy.failed(&table.label, error))?;
    let number = |column| answer.text(0, column).parse::<i64>().ok();
    Ok(number(0).zip(number(1)))
}

/// Columns of a type that only the server can put into words: name and type.
pub fn read_as_text(table: &SourceTable) -> Vec<(String, String)> {
    let strange = table
        .columns
        .iter()
        .filter(|column| Form::of(&column.declared) == Form::AsText { known: false });
    strange.map(|column| (column.name.clone(), column.declared.clone())).collect()
}

fn unusable(message: String, hint: &str) -> CountError {
    CountError::Key(Unusable { message, hint: hint.to_owned() })
}

fn bare(sql: &str) -> &str {
    sql.trim().trim_end_matches(';')
}

fn identity(what: &str, columns: &[SourceColumn], key: &[String]) -> String {
    let listed: Vec<String> =
        columns.iter().map(|column| format!("{} {}", column.name, column.declared)).collect();
    format!("postgres {what} ({}) key ({})", listed.join(", "), key.join(", "))
}

/// Columns of a table, view or query, their types by the names that [`Form::of`] knows.
fn columns(wire: &mut Wire, sql: &str) -> Result<Vec<SourceColumn>, WireError> {
    let answer = wire.run(&format!("select * from {sql} limit 0"))?;
    let oids: Vec<String> = answer.columns.iter().map(|column| column.oid.to_string()).collect();
    if oids.is_empty() {
        return Ok(Vec::new());
    }
    let types = wire.run(&format!(
        "select t.oid, b.typname, b.typtype, t.typtypmod, format_type(t.oid, null), t.typtype \
         from pg_catalog.pg_type t join pg_catalog.pg_type b \
         on b.oid = case when t.typtype = 'd' then t.typbasetype else t.oid end \
         where t.oid in ({})",
        oids.join(", ")
    ))?;
    let columns = answer.columns.into_iter().map(|column| {
        let row = (0..types.rows.len())
            .find(|row| types.text(*row, 0) == column.oid.to_string())
            .unwrap_or(usize::MAX);
        let modifier = match types.text(row, 5) {
            "d" => types.text(row, 3).parse().unwrap_or(-1),
            _ => column.modifier,
        };
        let base = (types.text(row, 1), types.text(row, 2));
        SourceColumn { name: column.name, declared: declared(base, modifier, types.text(row, 4)) }
    });
    Ok(columns.collect())
}

fn declared((name, kind): (&str, &str), modifier: i32, full: &str) -> String {
    if kind == "e" {
        return "enum".to_owned();
    }
    let bare = match name {
        "bool" => "boolean",
        "int2" => "smallint",
        "int4" => "integer",
        "int8" => "bigint",
        "float4" => "real",
        "float8" => "double precision",
        "bpchar" => "character",
        "_text" | "_varchar" => "text[]",
        "_int2" => "smallint[]",
        "_int4" => "integer[]",
        "_int8" => "bigint[]",
        "numeric" | "varchar" | "timestamptz" | "timestamp" | "text" | "uuid" | "date" | "time"
        | "interval" | "json" | "jsonb" | "bytea" | "inet" | "cidr" | "name" | "oid" => name,
        _ => return full.to_owned(),
    };
    match (name, modifier) {
        ("numeric", 4..) => {
            let packed = modifier - 4;
            format!("numeric({},{})", packed >> 16, packed & 0x7ff)
        }
        ("varchar", 4..) => format!("varchar({})", modifier - 4),
        ("timestamptz" | "timestamp", 0..=5) => format!("{name}({modifier})"),
        _ => bare.to_owned(),
    }
}

/// Columns of each unique index that holds for every row, the primary key first.
fn unique_keys(wire: &mut Wire, sql: &str) -> Result<Vec<Vec<String>>, WireError> {
    let sql = format!(
        "select array_to_json(array(select a.attname::text \
             from unnest(i.indkey::int2[]) with ordinality k(num, at) \
             join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.num \
             where k.at <= coalesce((to_jsonb(i) ->> 'indnkeyatts')::int, i.indnatts) order by k.at)) \
         from pg_catalog.pg_index i where i.indrelid = {}::regclass and i.indisunique \
         and i.indisvalid and i.indimmediate and i.indpred is null and i.indexprs is null \
         and not exists (select 1 from unnest(i.indkey::int2[]) with ordinality k(num, at) \
             join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.num \
             where not a.attnotnull \
             and k.at <= coalesce((to_jsonb(i) ->> 'indnkeyatts')::int, i.indnatts)) \
         order by i.indisprimary desc, i.indnatts, i.indexrelid",
        escape_literal(sql)
    );
    let answer = wire.run(&sql)?;
    let keys = (0..answer.rows.len()).map(|row| serde_json::from_str(answer.text(row, 0)));
    Ok(keys.filter_map(Result::ok).filter(|key: &Vec<String>| !key.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_go_by_the_names_that_the_forms_know() {
        let of = |name, modifier| declared((name, "b"), modifier, "strange");
        assert_eq!(of("numeric", (12 << 16 | 4) + 4), "numeric(12,4)");
        assert_eq!(of("numeric", -1), "numeric");
        assert_eq!(of("timestamptz", 3), "timestamptz(3)");
        assert_eq!(of("_varchar", -1), "text[]");
        assert_eq!(of("macaddr", -1), "strange");
        assert_eq!(declared(("mood", "e"), -1, "mood"), "enum");
        assert_eq!(Form::of("timestamptz(3)"), Form::Timestamptz);
        assert_eq!(Form::of("strange"), Form::AsText { known: false });
    }
}
