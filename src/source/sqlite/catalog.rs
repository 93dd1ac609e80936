//! What a SQLite file holds: tables, views, their columns, and the key each can be read by.

use rusqlite::Connection;

use super::{SourceError, explain};
use crate::schema::{SourceColumn, quote};
use crate::source::Origin;
use crate::source::tables::{CountError, SourceTable, Unusable};

/// All tables and views of a file.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// In order of their names.
    pub tables: Vec<TableEntry>,
}

/// A table or view.
#[derive(Clone, Debug)]
pub struct TableEntry {
    /// Name.
    pub name: String,
    /// Table or view.
    pub kind: Kind,
    /// Columns in order.
    pub columns: Vec<SourceColumn>,
    /// Columns of the primary key, in key order.
    pub primary_key: Vec<String>,
    /// Its `create` statement.
    pub sql: String,
}

/// Kinds of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An ordinary table.
    Rowid,
    /// A table without rowid: its primary key is its order.
    WithoutRowid,
    /// A view.
    View,
}

impl Catalog {
    /// Reads the schema.
    pub fn read(connection: &Connection) -> Result<Self, SourceError> {
        let failed = |error: rusqlite::Error| SourceError::Read {
            table: "sqlite_schema".to_owned(),
            message: explain(&error),
            source: error,
        };
        let sql = "select l.name, l.type, l.wr, coalesce(s.sql, '') from pragma_table_list l \
                   join sqlite_schema s on s.name = l.name \
                   where l.schema = 'main' and l.type in ('table', 'view') \
                   and l.name not like 'sqlite\\_%' escape '\\' order by l.name";
        let mut statement = connection.prepare(sql).map_err(failed)?;
        let entries = statement
            .query_map([], |row| {
                let (kind, without_rowid): (String, bool) = (row.get(1)?, row.get(2)?);
                let kind = match (kind.as_str(), without_rowid) {
                    ("view", _) => Kind::View,
                    (_, true) => Kind::WithoutRowid,
                    (_, false) => Kind::Rowid,
                };
                Ok((row.get::<_, String>(0)?, kind, row.get::<_, String>(3)?))
            })
            .map_err(failed)?;
        let mut tables = Vec::new();
        for entry in entries {
            let (name, kind, sql) = entry.map_err(failed)?;
            let (columns, primary_key) = columns(connection, &name).map_err(failed)?;
            tables.push(TableEntry { name, kind, columns, primary_key, sql });
        }
        Ok(Self { tables })
    }

    /// A table or view by name; a view takes its key from the file.
    pub fn table(&self, name: &str, key: &[String]) -> Result<SourceTable, Unusable> {
        let Some(entry) = self.tables.iter().find(|table| table.name == name) else {
            let names = self.tables.iter().map(|table| table.name.as_str());
            let hint = match crate::config::nearest(name, names.clone()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it has {}", names.collect::<Vec<_>>().join(", ")),
            };
            let message = format!("the source has no table `{name}`");
            return Err(Unusable { message, hint });
        };
        let (key, by_rowid) = match entry.kind {
            Kind::Rowid => (vec![entry.rowid_name()?], true),
            Kind::WithoutRowid => (entry.primary_key.clone(), false),
            Kind::View if key.is_empty() => {
                let message = format!("`{name}` is a view: it needs `key`");
                let hint = "key = [\"…\"]: unique columns that are never null".to_owned();
                return Err(Unusable { message, hint });
            }
            Kind::View => (key.to_vec(), false),
        };
        let listed: Vec<String> = entry
            .columns
            .iter()
            .map(|column| format!("{} {}", column.name, column.declared))
            .collect();
        Ok(SourceTable {
            label: name.to_owned(),
            sql: quote(name),
            identity: format!("sqlite {name} ({}) key ({})", listed.join(", "), key.join(", ")),
            key,
            by_rowid,
            columns: entry.columns.clone(),
            origin: Origin::Sqlite,
            estimated: false,
        })
    }

    /// A query with the key that the file names.
    pub fn query(
        connection: &Connection,
        sql: &str,
        key: &[String],
        label: String,
    ) -> Result<SourceTable, Unusable> {
        let failed = |error: rusqlite::Error| Unusable {
            message: format!("the query fails: {}", explain(&error)),
            hint: "try it in sqlite3".to_owned(),
        };
        let sql = sql.trim().trim_end_matches(';');
        let wrapped = format!("select * from ({sql})");
        let statement = connection.prepare(&wrapped).map_err(failed)?;
        let columns: Vec<SourceColumn> = statement
            .columns()
            .map(|column| SourceColumn {
                name: column.name().to_owned(),
                declared: column.decl_type().unwrap_or_default().to_owned(),
            })
            .collect();
        let identity = format!("sqlite query {sql} key ({})", key.join(", "));
        let sql = format!("({sql})");
        let (key, origin) = (key.to_vec(), Origin::Sqlite);
        Ok(SourceTable {
            label,
            sql,
            key,
            by_rowid: false,
            columns,
            identity,
            origin,
            estimated: false,
        })
    }
}

impl TableEntry {
    /// A name for the rowid that no column hides; the INTEGER PRIMARY KEY if there is one.
    fn rowid_name(&self) -> Result<String, Unusable> {
        if let [key] = self.primary_key.as_slice()
            && let Some(column) = self.columns.iter().find(|column| column.name == *key)
            && column.declared.eq_ignore_ascii_case("integer")
        {
            return Ok(key.clone());
        }
        let hidden =
            |name: &&str| self.columns.iter().any(|column| column.name.eq_ignore_ascii_case(name));
        let free = ["rowid", "_rowid_", "oid"].into_iter().find(|name| !hidden(name));
        free.map(str::to_owned).ok_or_else(|| Unusable {
            message: format!("`{}` hides every name of its rowid", self.name),
            hint: "read it by a query that renames a column, with a key".to_owned(),
        })
    }
}

type Columns = (Vec<SourceColumn>, Vec<String>);

fn columns(connection: &Connection, table: &str) -> Result<Columns, rusqlite::Error> {
    let sql = "select name, type, pk from pragma_table_xinfo(?1) where hidden <> 1 order by cid";
    let mut statement = connection.prepare(sql)?;
    let mut columns = Vec::new();
    let mut key: Vec<(i64, String)> = Vec::new();
    let mut rows = statement.query([table])?;
    while let Some(row) = rows.next()? {
        let (name, declared, pk): (String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if pk > 0 {
            key.push((pk, name.clone()));
        }
        columns.push(SourceColumn { name, declared });
    }
    key.sort();
    Ok((columns, key.into_iter().map(|(_, name)| name).collect()))
}

/// Rows of a table, and proof that its key can be read by: unique, never null, valid text.
/// For a table with a rowid counting alone walks every page, and so finds a damaged one.
pub(super) fn count(connection: &Connection, table: &SourceTable) -> Result<u64, CountError> {
    let failed = |error: rusqlite::Error| {
        CountError::Source(SourceError::Read {
            table: table.label.clone(),
            message: explain(&error),
            source: error,
        })
    };
    if table.by_rowid {
        let sql = format!("select count(*) from {} not indexed", table.sql);
        let count: i64 = connection.query_row(&sql, [], |row| row.get(0)).map_err(failed)?;
        return Ok(u64::try_from(count).unwrap_or(0));
    }
    let key: Vec<String> = table.key.iter().map(|name| quote(name)).collect();
    let nulls: Vec<String> = key.iter().map(|name| format!("{name} is null")).collect();
    let sql = format!(
        "select count(*), (select count(*) from (select distinct {} from {})), \
         coalesce(sum({}), 0) from {}",
        key.join(", "),
        table.sql,
        nulls.join(" or "),
        table.sql
    );
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let (all, distinct, nulls): (i64, i64, i64) =
        connection.query_row(&sql, [], read).map_err(failed)?;
    let key = table.key.join(", ");
    if nulls > 0 {
        let message = format!("the key ({key}) is null in {nulls} rows");
        let hint = "name a key that is never null, or filter those rows in the query".to_owned();
        return Err(CountError::Key(Unusable { message, hint }));
    }
    if distinct != all {
        let message = format!("the key ({key}) is not unique: {all} rows, {distinct} keys");
        let hint = "add a column that tells the rows apart".to_owned();
        return Err(CountError::Key(Unusable { message, hint }));
    }
    Ok(u64::try_from(all).unwrap_or(0))
}
