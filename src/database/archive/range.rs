//! The ranges of a table, and the rows of one.

use futures_util::StreamExt as _;
use tokio_postgres::{Client, GenericClient, IsolationLevel, Transaction};

use super::{ArchiveError, ChunkRange, Column, FileError};
use crate::schema::{PG_EPOCH_US, PgType, TableName, TargetTable, quote};
use crate::sink::fingerprint::{Fingerprinter, Sum};
use crate::sink::{SinkError, catalog, copy};

const DAY_US: i64 = 86_400_000_000;

/// The ranges of a table whose rows are all older than `before`.
pub(super) async fn before(
    client: &Client,
    table: &TableName,
    time: &str,
    before: i64,
) -> Result<Vec<ChunkRange>, ArchiveError> {
    let found = found(client, table).await?;
    let ty = time_type(&found, time)?;
    let range = |from, to| ChunkRange { table: table.clone(), time: time.to_owned(), from, to };
    if found.hypertable.is_some() {
        let sql = format!(
            "select distinct {start}, {end} from timescaledb_information.chunks \
             where hypertable_schema = $1 and hypertable_name = $2 and {end} <= $3 order by 1",
            start = pg_us("range_start"),
            end = pg_us("range_end"),
        );
        let rows = client.query(&sql, &[&table.schema, &table.name, &before]).await?;
        return Ok(rows.iter().map(|row| range(row.get(0), row.get(1))).collect());
    }
    let last = before.div_euclid(DAY_US) * DAY_US;
    let sql = format!(
        "select distinct (floor(extract(epoch from {time}) / 86400))::bigint * {DAY_US} - {PG_EPOCH_US} \
         from {} where isfinite({time}) and {time} < {} order by 1",
        table.quoted(),
        literal(&ty, last),
        time = quote(time),
    );
    let rows = client.query(&sql, &[]).await?;
    let starts = rows.iter().map(|row| row.get::<_, i64>(0));
    Ok(starts.map(|start| range(start, start + DAY_US)).collect())
}

/// SQL of a time as microseconds since 2000.
fn pg_us(time: &str) -> String {
    format!("((extract(epoch from {time}) * 1000000)::bigint - {PG_EPOCH_US})")
}

async fn found(client: &Client, table: &TableName) -> Result<TargetTable, ArchiveError> {
    let found = catalog::table(client, table).await?;
    found.ok_or_else(|| ArchiveError::NoTable(table.clone()))
}

fn time_type(table: &TargetTable, time: &str) -> Result<PgType, ArchiveError> {
    // A hypertable is cut by its own time column and no other.
    let own = table.hypertable.as_ref().is_none_or(|hypertable| hypertable.time == time);
    let ty = table.column(time).filter(|_| own).map(|column| column.ty.clone());
    ty.filter(|ty| matches!(ty, PgType::Timestamptz(_) | PgType::Timestamp(_) | PgType::Date))
        .ok_or_else(|| ArchiveError::NoTime { table: table.name.clone(), column: time.to_owned() })
}

/// A time (µs since 2000) as a literal of its column's type.
fn literal(ty: &PgType, us: i64) -> String {
    // Exact: an interval counts whole microseconds. Sessions run in UTC.
    let at = format!(
        "(timestamp '2000-01-01' + make_interval(days => {}, secs => {}::numeric / 1000000))",
        us.div_euclid(DAY_US),
        us.rem_euclid(DAY_US)
    );
    match ty {
        PgType::Timestamptz(_) => format!("({at} at time zone 'UTC')"),
        PgType::Date => format!("{at}::date"),
        _ => at,
    }
}

/// How the rows of a range are read.
pub(super) struct Reading {
    pub(super) chunk: ChunkRange,
    pub(super) is_hypertable: bool,
    /// Columns as they are stored: types that are not known come as text.
    pub(super) types: Vec<(String, PgType)>,
    pub(super) printer: Fingerprinter,
    declared: Vec<String>,
    time: PgType,
}

impl Reading {
    pub(super) async fn of(client: &Client, chunk: &ChunkRange) -> Result<Self, ArchiveError> {
        let found = found(client, &chunk.table).await?;
        let time = time_type(&found, &chunk.time)?;
        let types: Vec<(String, PgType)> =
            found.columns.iter().map(|column| (column.name.clone(), column.ty.clone())).collect();
        Ok(Self {
            chunk: chunk.clone(),
            is_hypertable: found.hypertable.is_some(),
            printer: Fingerprinter::new(types.iter().map(|(_, ty)| bits(ty)).collect(), None),
            declared: types.iter().map(|(_, ty)| ty.sql()).collect(),
            types,
            time,
        })
    }

    /// The columns for the manifest.
    pub(super) fn columns(&self) -> Vec<Column> {
        let columns = self.types.iter().zip(&self.declared);
        columns.map(|((name, _), ty)| Column { name: name.clone(), ty: ty.clone() }).collect()
    }

    /// A bound as a person reads it.
    pub(super) fn bound(&self, us: i64) -> String {
        match jiff::Timestamp::from_microsecond(super::unix(us)) {
            Ok(time) => time.to_string(),
            Err(_) => us.to_string(),
        }
    }

    /// A bound as SQL.
    pub(super) fn literal(&self, us: i64) -> String {
        literal(&self.time, us)
    }

    pub(super) fn condition(&self) -> String {
        let time = quote(&self.chunk.time);
        let (from, to) = (self.literal(self.chunk.from), self.literal(self.chunk.to));
        format!("{time} >= {from} and {time} < {to}")
    }

    /// A transaction that sees one moment, in which nothing else can drop the table's chunks.
    pub(super) async fn snapshot<'a>(
        &self,
        client: &'a mut Client,
    ) -> Result<Transaction<'a>, ArchiveError> {
        let level = IsolationLevel::RepeatableRead;
        let transaction =
            client.build_transaction().isolation_level(level).read_only(true).start().await?;
        let lock = format!("lock table {} in access share mode", self.chunk.table.quoted());
        transaction.batch_execute(&lock).await?;
        Ok(transaction)
    }

    /// Count and fingerprint of the rows that are there now.
    pub(super) async fn snapshot_sum(&self, client: &mut Client) -> Result<Sum, ArchiveError> {
        let snapshot = self.snapshot(client).await?;
        let sum = self.copy(&snapshot, &mut |_| Ok(())).await?;
        snapshot.commit().await?;
        Ok(sum)
    }

    /// Hands every row of the range to `each`, as a tuple without its field count.
    pub(super) async fn copy(
        &self,
        client: &Transaction<'_>,
        each: &mut (dyn FnMut(&[u8]) -> Result<(), FileError> + Send),
    ) -> Result<Sum, ArchiveError> {
        let columns: Vec<String> = self
            .types
            .iter()
            .map(|(name, ty)| match ty {
                PgType::Other(_) => format!("{}::text", quote(name)),
                _ => quote(name),
            })
            .collect();
        let sql = format!(
            "copy (select {} from {} where {}) to stdout (format binary)",
            columns.join(", "),
            self.chunk.table.quoted(),
            self.condition()
        );
        // Text of types that are not known must not depend on the database's settings.
        client
            .batch_execute("set local datestyle = 'ISO, YMD'; set local extra_float_digits = 1")
            .await?;
        let stream = client.copy_out(&sql).await?;
        futures_util::pin_mut!(stream);
        let (mut sum, mut first) = (Sum::default(), true);
        while let Some(message) = stream.next().await {
            let message = message?;
            let mut bytes: &[u8] = &message;
            if std::mem::take(&mut first) {
                // The header comes with the first message.
                bytes = bytes.get(copy::HEADER.len()..).unwrap_or_default();
            }
            let Some(tuple) = bytes.get(2..).filter(|_| !bytes.starts_with(&copy::TRAILER)) else {
                continue;
            };
            let malformed = || {
                let table = &self.chunk.table;
                SinkError::Ledger(format!(
                    "a row of {table} cannot be parsed: is there JSON that nests deeper than 120 levels?"
                ))
            };
            let (_, hash) = self.printer.row(tuple).ok_or_else(malformed)?;
            sum.add(hash);
            each(tuple)?;
        }
        Ok(sum)
    }

    /// The chunks of the range by name; none on a plain table.
    pub(super) async fn chunks(
        &self,
        client: &impl GenericClient,
    ) -> Result<Vec<String>, ArchiveError> {
        if !self.is_hypertable {
            return Ok(Vec::new());
        }
        let sql = format!(
            "select format('%I.%I', chunk_schema, chunk_name) from timescaledb_information.chunks \
             where hypertable_schema = $1 and hypertable_name = $2 \
             and {} > $3 and {} < $4 order by 1",
            pg_us("range_end"),
            pg_us("range_start"),
        );
        let ChunkRange { table, from, to, .. } = &self.chunk;
        let rows = client.query(&sql, &[&table.schema, &table.name, from, to]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }
}

/// Types that are not known come as text, and their text is what is hashed.
fn bits(ty: &PgType) -> PgType {
    match ty {
        PgType::Other(_) => PgType::Text,
        known => known.clone(),
    }
}
