//! Whether the rows of a table are the ones that were there, whatever was added beside them.

use std::collections::HashMap;

use tokio_postgres::{Client, GenericClient};

use crate::database::inventory::Inventory;
use crate::schema::{TableName, quote};

/// Up to so many rows a table's row hashes are kept in memory, 8 bytes each.
const HASHES_MAX: i64 = 100_000;

/// Number and sum of the row hashes: the same for the same rows in any order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    /// Rows.
    pub count: i64,
    /// Sum of 64-bit hashes of each row's text, as a number.
    pub sum: String,
}

impl std::fmt::Display for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} rows with sum {}", self.count, self.sum)
    }
}

/// A table's rows before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Table.
    pub table: String,
    /// At the start.
    pub before: Rows,
    /// At the end, over the columns that were there at the start.
    pub after: Rows,
    /// Rows of before that are not there any more; `None` where the table is too big to tell.
    pub gone: Option<i64>,
}

/// A table's rows at the start.
pub(super) struct Snapshot {
    table: TableName,
    columns: Vec<String>,
    rows: Rows,
    hashes: Option<HashMap<i64, i64>>,
}

/// `hashtextextended` of a row's text over some columns. The session's settings decide the text, and they
/// are the same before and after.
fn hash(columns: &[String]) -> String {
    let columns: Vec<String> = columns.iter().map(|column| quote(column)).collect();
    format!("hashtextextended(row({})::text, 0)", columns.join(", "))
}

/// Counts and sums a table over some columns.
pub(super) async fn of_table(
    client: &impl GenericClient,
    table: &TableName,
    columns: &[String],
) -> Result<Rows, tokio_postgres::Error> {
    let sql = format!(
        "select count(*), coalesce(sum({}::numeric), 0)::text from {}",
        hash(columns),
        table.quoted()
    );
    let row = client.query_one(&sql, &[]).await?;
    Ok(Rows { count: row.get(0), sum: row.get(1) })
}

async fn hashes(
    client: &Client,
    (table, columns): (&TableName, &[String]),
) -> Result<HashMap<i64, i64>, tokio_postgres::Error> {
    let sql = format!("select {}, count(*) from {} group by 1", hash(columns), table.quoted());
    let rows = client.query(&sql, &[]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Columns of a table, in order.
pub(super) async fn columns(
    client: &impl GenericClient,
    table: &TableName,
) -> Result<Vec<String>, tokio_postgres::Error> {
    let sql = "select coalesce(array_agg(attname::text order by attnum), '{}') from pg_attribute \
               where attrelid = $1::text::regclass and attnum > 0 and not attisdropped";
    Ok(client.query_one(sql, &[&table.quoted()]).await?.get(0))
}

/// All tables that are there.
pub(super) async fn of_tables(
    client: &Client,
    there: &Inventory,
) -> Result<Vec<Snapshot>, tokio_postgres::Error> {
    let mut snapshots = Vec::new();
    for (name, _) in there.of_kind("table") {
        let Some(table) = TableName::parse(name) else { continue };
        let columns = columns(client, &table).await?;
        let rows = of_table(client, &table, &columns).await?;
        let hashes = match rows.count <= HASHES_MAX {
            true => Some(hashes(client, (&table, &columns)).await?),
            false => None,
        };
        snapshots.push(Snapshot { table, columns, rows, hashes });
    }
    Ok(snapshots)
}

/// What became of them.
pub(super) async fn compare(
    client: &Client,
    before: Vec<Snapshot>,
) -> Result<Vec<Kept>, tokio_postgres::Error> {
    let mut kept = Vec::new();
    for Snapshot { table, columns, rows, hashes: old } in before {
        let after = of_table(client, &table, &columns).await?;
        let gone = match old {
            _ if after == rows => Some(0),
            Some(old) => {
                let new = hashes(client, (&table, &columns)).await?;
                let left =
                    |(hash, n): (&i64, &i64)| (n - new.get(hash).copied().unwrap_or(0)).max(0);
                Some(old.iter().map(left).sum())
            }
            None => None,
        };
        kept.push(Kept { table: table.to_string(), before: rows, after, gone });
    }
    Ok(kept)
}
