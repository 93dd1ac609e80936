//! Direct Compress: whether this server and this table take rows that are compressed as they come in.

use tokio_postgres::Client;

use super::SinkError;
use crate::schema::{PgType, TargetTable};

/// How the columnstore of a table keeps its rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columnstore {
    /// Columns whose values name a segment.
    pub segment_by: Vec<String>,
    /// Order within a segment.
    pub order_by: Vec<Order>,
    /// The server can be told to leave the order of the rows alone.
    pub takes_order: bool,
}

/// One column of the order within a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The column.
    pub column: String,
    /// Largest first.
    pub descending: bool,
}

/// Reads the settings of a table; the inner error says why it cannot be loaded that way.
pub async fn read(
    client: &Client,
    table: &TargetTable,
) -> Result<Result<Columnstore, String>, SinkError> {
    let Some(hypertable) = &table.hypertable else {
        return Ok(Err("it is no hypertable".to_owned()));
    };
    let sql = "select coalesce(current_setting('timescaledb.license', true), '') = 'timescale', \
               current_setting('timescaledb.enable_direct_compress_copy', true) is not null, \
               current_setting('timescaledb.enable_direct_compress_copy_sort_batches', true) \
               is not null";
    let row = client.query_one(sql, &[]).await?;
    if !(row.get::<_, bool>(0) && row.get::<_, bool>(1)) {
        let why = "this server has none: TimescaleDB Community 2.22 or newer has";
        return Ok(Err(why.to_owned()));
    }
    if let Some(why) = refusal(table) {
        return Ok(Err(why));
    }
    let takes_order = row.get(2);
    let sql = "select attname::text, segmentby_column_index is not null, orderby_asc \
               from timescaledb_information.compression_settings \
               where hypertable_schema = $1 and hypertable_name = $2 \
               order by segmentby_column_index, orderby_column_index";
    let settings = client.query(sql, &[&table.name.schema, &table.name.name]).await?;
    if settings.is_empty() {
        return Ok(Err("its columnstore is not enabled".to_owned()));
    }
    let mut found = Columnstore { takes_order, ..Columnstore::default() };
    for row in &settings {
        let column: String = row.get(0);
        match row.get(1) {
            true => found.segment_by.push(column),
            false => {
                let descending = row.get::<_, Option<bool>>(2) == Some(false);
                found.order_by.push(Order { column, descending });
            }
        }
    }
    if found.order_by.is_empty() {
        // What the server falls back to.
        found.order_by.push(Order { column: hypertable.time.clone(), descending: true });
    }
    Ok(Ok(found))
}

/// What stands in the way on the table's own side.
fn refusal(table: &TargetTable) -> Option<String> {
    if let Some(index) = table.indexes.iter().find(|index| index.unique) {
        return Some(format!("the table has a unique key ({})", index.name));
    }
    if !table.interferes.is_empty() {
        return Some(format!("the table has {}", table.interferes.join(", ")));
    }
    // Chunks are compressed again after the load, and only the owner may.
    (!table.owned).then(|| "this role does not own the table".to_owned())
}

impl Columnstore {
    /// Why values would not come back bit for bit: a segment keeps the first of equal values.
    pub fn segment_that_merges(&self, columns: &[(String, PgType)]) -> Option<String> {
        let merges = |ty: &PgType| {
            let by_value = ty.comparison() != crate::schema::Comparison::Bit;
            by_value || matches!(ty, PgType::Numeric(_) | PgType::Float4 | PgType::Float8)
        };
        let mut segments = columns.iter().filter(|(name, _)| self.segment_by.contains(name));
        let (name, ty) = segments.find(|(_, ty)| merges(ty))?;
        Some(format!("{name} is {} and names a segment: equal values are merged", ty.sql()))
    }

    /// The one column that rows can be put in order by as the server itself would.
    pub fn exact_order(&self, columns: &[(String, PgType)]) -> Option<&Order> {
        let [order] = self.order_by.as_slice() else { return None };
        let ty = columns.iter().find(|(name, _)| *name == order.column).map(|(_, ty)| ty)?;
        let exact = matches!(
            ty,
            PgType::Int2
                | PgType::Int4
                | PgType::Int8
                | PgType::Timestamptz(_)
                | PgType::Timestamp(_)
                | PgType::Date
                | PgType::Time
        );
        (exact && self.takes_order).then_some(order)
    }
}
