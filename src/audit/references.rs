//! References between tables: those the schema states, and those that names and values show.

use rusqlite::Row;

use super::AuditError;
use super::read::{Facts, File};
use crate::schema::quote;

/// A reference from one table to another.
#[derive(Clone, Debug, PartialEq)]
pub struct ForeignKey {
    /// The column that refers.
    pub column: String,
    /// The table it refers to.
    pub parent: String,
    /// The column there.
    pub parent_column: String,
    /// Stated by the schema; else told from its name.
    pub declared: bool,
    /// Rows that refer to nothing.
    pub dangling: u64,
    /// Rows that refer to something or nothing, but are not NULL.
    pub rows: u64,
}

impl File {
    /// Finds the references of a table; `keys` are the names and keys of all tables.
    pub(super) fn foreign_keys(
        &self,
        table: &mut Facts,
        keys: &[(String, Vec<String>)],
    ) -> Result<(), AuditError> {
        let name = table.entry.name.clone();
        let failed = |error| AuditError::query(&name, error);
        // Keys of several columns are left to the schema: no time hangs on them here.
        let sql = "select \"from\", \"table\", \"to\" from pragma_foreign_key_list(?1) f \
                   where (select count(*) from pragma_foreign_key_list(?1) g where g.id = f.id) = 1";
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let declared: Vec<(String, String, Option<String>)> =
            self.list(sql, &name, read).map_err(failed)?;
        for (column, parent, to) in declared {
            let key = keys.iter().find(|(known, _)| known.eq_ignore_ascii_case(&parent));
            let to = to.or_else(|| key.and_then(|(_, key)| key.first().cloned()));
            if let (Some((parent, _)), Some(to)) = (key, to) {
                let found = self.reference(table, &column, (parent, &to)).map_err(failed)?;
                table.foreign_keys.push(ForeignKey { declared: true, ..found });
            }
        }
        for column in &table.entry.columns {
            let known = table.foreign_keys.iter().any(|key| key.column == column.name);
            let parent = if known { None } else { parent_by_name(&column.name, keys) };
            let Some((parent, key)) = parent.filter(|(parent, _)| **parent != name) else {
                continue;
            };
            let found = self.reference(table, &column.name, (parent, key)).map_err(failed)?;
            // A name is only a hint; that nearly all its values are there makes it a reference.
            if found.rows > 0 && found.dangling * 5 <= found.rows {
                table.foreign_keys.push(found);
            }
        }
        Ok(())
    }

    fn reference(
        &self,
        table: &Facts,
        column: &str,
        (parent, key): (&String, &String),
    ) -> rusqlite::Result<ForeignKey> {
        let sql = format!(
            "select count(*), coalesce(sum(not exists (select 1 from {} p where p.{} = c.{})), 0) \
             from {} c where c.{} is not null",
            quote(parent),
            quote(key),
            quote(column),
            table.source.sql,
            quote(column)
        );
        let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
        // Without an index of the key each row would walk the parent.
        let (rows, dangling) = self.connection.query_row(&sql, [], read)?;
        Ok(ForeignKey {
            column: column.to_owned(),
            parent: parent.clone(),
            parent_column: key.clone(),
            declared: false,
            dangling: u64::try_from(dangling).unwrap_or(0),
            rows: u64::try_from(rows).unwrap_or(0),
        })
    }
}

/// `order_id` → `orders`, or the one table that ends in `_orders`, if its key is one column.
fn parent_by_name<'a>(
    column: &str,
    keys: &'a [(String, Vec<String>)],
) -> Option<(&'a String, &'a String)> {
    let stem = column.to_ascii_lowercase();
    let stem = stem.strip_suffix("_id").or_else(|| stem.strip_suffix("_def_id"))?;
    let fits = |name: &str| {
        let name = name.to_ascii_lowercase();
        let singular = name.strip_suffix('s').unwrap_or(&name);
        singular == stem || singular.ends_with(&format!("_{stem}"))
    };
    let mut found = keys.iter().filter(|(name, key)| key.len() == 1 && fits(name));
    let (name, key) = found.next()?;
    found.next().is_none().then(|| key.first().map(|key| (name, key))).flatten()
}
