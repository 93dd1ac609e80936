//! The sink: one transaction holds the rows, their dead letters, the state and, last, the cursor.
//!
//! `commit()` of the driver answers Ok on an aborted transaction, so nothing is believed but the row count
//! of COPY and the one row that the cursor's update touches.

mod compress;
mod locate;

use bytes::Bytes;
use compress::Compress;
use futures_util::SinkExt as _;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement};

use super::ledger::{Claim, PgTime, stored};
use super::session::Session;
use super::strategy::Strategy;
use super::{Encoded, Sink, SinkError, current};
use crate::failpoint;
use crate::schema::{PgType, TableName, quote};

/// Time-outs are resource errors: the batch is tried again in smaller pieces, or the lane restarts.
const BEGIN: &str = "begin isolation level read committed read write; \
    set local lock_timeout = '10s'; set local statement_timeout = '300s'; \
    set local idle_in_transaction_session_timeout = '120s'; \
    set local synchronous_commit = on; set constraints all immediate";

const CURSOR: &str = "update millstream.partition set position = $5, version = version + 1, \
    done = $6, source_sum = $7, n_read = n_read + $8, n_used = n_used + $9, \
    n_duplicate = n_duplicate + $10, n_filtered = n_filtered + $11, n_rejected = n_rejected + $12, \
    n_held = n_held + $13, n_made = n_made + $14 \
    where stream_id = $1 and part = $2 and epoch = $3 and version = $4 returning version";

/// The same without its guard, for the test that shows what the guard is for.
const CURSOR_UNGUARDED: &str = "update millstream.partition set position = $5, \
    version = version + 1, done = $6, source_sum = $7, n_read = n_read + $8, n_used = n_used + $9, \
    n_duplicate = n_duplicate + $10, n_filtered = n_filtered + $11, n_rejected = n_rejected + $12, \
    n_held = n_held + $13, n_made = n_made + $14 \
    where stream_id = $1 and part = $2 and $3::bigint is not null and $4::bigint is not null \
    returning version";

/// Writes one partition's rows into one table.
pub struct TimescaleSink {
    session: Session,
    claim: Claim,
    statements: Statements,
    /// How rows are compressed, where they are.
    compress: Option<Compress>,
}

struct Statements {
    still_ours: Statement,
    copy: Statement,
    merge: Option<Statement>,
    buckets: Statement,
    state: Statement,
    current: Option<Statement>,
    dead_letters: Statement,
    cursor: Statement,
}

/// The columns that are written and the table they go to, quoted.
#[derive(Clone, Debug)]
pub struct Destination {
    /// Quoted name.
    pub table: String,
    /// Columns with their types, in the order they are sent.
    pub columns: Vec<(String, PgType)>,
    /// The column by whose time rows fall into buckets; empty where there is none.
    pub time: String,
    /// The table of units that shows what they do now; only where the rows are their states.
    pub units: Option<TableName>,
}

impl TimescaleSink {
    /// Prepares everything once on a session of its own.
    pub async fn open(
        session: Session,
        claim: Claim,
        destination: &Destination,
        strategy: &Strategy,
    ) -> Result<Self, SinkError> {
        let client = &session.client;
        let (copy, merge) = match strategy {
            Strategy::Append | Strategy::DirectCompress { .. } => {
                (super::copy::statement(&destination.table, &destination.columns), None)
            }
            Strategy::Upsert { key } => {
                let stage = format!(
                    "create temp table stage as select {} from {} with no data",
                    names(destination),
                    destination.table
                );
                client.batch_execute(&stage).await?;
                client.batch_execute("alter table stage add ordinal bigserial").await?;
                let merge = client.prepare(&merge_statement(destination, key)).await?;
                (super::copy::statement("pg_temp.stage", &destination.columns), Some(merge))
            }
        };
        let cursor = if failpoint::without("cursor") { CURSOR_UNGUARDED } else { CURSOR };
        let statements = Statements {
            still_ours: client
                .prepare(
                    "select 1 from millstream.partition where stream_id = $1 and part = $2 \
                     and epoch = $3 and version = $4",
                )
                .await?,
            copy: client.prepare(&copy).await?,
            merge,
            buckets: client
                .prepare(
                    "insert into millstream.bucket (stream_id, part, bucket, n, sum, unsettled) \
                     select $1, $2, b.*, true \
                     from unnest($3::timestamptz[], $4::bigint[], $5::bytea[]) b \
                     on conflict (stream_id, part, bucket) \
                     do update set n = excluded.n, sum = excluded.sum, unsettled = true",
                )
                .await?,
            state: client
                .prepare(
                    "insert into millstream.state (stream_id, part, key, value) \
                     select $1, $2, * from unnest($3::text[], $4::bytea[]) \
                     on conflict (stream_id, part, key) do update set value = excluded.value",
                )
                .await?,
            current: match &destination.units {
                Some(units) => Some(current::prepare(client, units).await?),
                None => None,
            },
            dead_letters: client
                .prepare(
                    "insert into millstream.dead_letter (stream_id, part, position, stage, reason, \
                     sqlstate, column_name, source_column, original) select $1, $2, * from \
                     unnest($3::bytea[], $4::text[], $5::text[], $6::text[], $7::text[], \
                     $8::text[], $9::jsonb[])",
                )
                .await?,
            cursor: client.prepare(cursor).await?,
        };
        let compress = match strategy {
            Strategy::DirectCompress { columnstore, .. } => {
                Some(Compress::new(client, claim.stream_id, (columnstore, destination)).await?)
            }
            _ => None,
        };
        Ok(Self { session, claim, statements, compress })
    }

    async fn still_ours(&self) -> Result<(), SinkError> {
        let Claim { stream_id, part, epoch, version, .. } = &self.claim;
        let parameters: [&(dyn ToSql + Sync); 4] = [stream_id, part, epoch, version];
        let found = self.client().query_opt(&self.statements.still_ours, &parameters).await?;
        if found.is_some() || failpoint::without("cursor") {
            Ok(())
        } else {
            Err(SinkError::Fenced)
        }
    }

    fn client(&self) -> &Client {
        &self.session.client
    }

    async fn begin(&self, rows: &Encoded) -> Result<(), SinkError> {
        self.client().batch_execute(BEGIN).await?;
        match (&self.compress, rows.compressed) {
            (Some(compress), Some(sorted)) => compress.begin(self.client(), sorted, rows).await,
            _ => Ok(()),
        }
    }

    /// COPY, and the count that alone proves it.
    async fn copy(&self, rows: &Encoded) -> Result<(), SinkError> {
        let in_copy = |error| SinkError::Database { error, in_copy: true };
        let sink = self.client().copy_in::<_, Bytes>(&self.statements.copy).await?;
        futures_util::pin_mut!(sink);
        for part in &rows.copy {
            // The server reads the row that is wrong only later: finish() tells.
            if sink.as_mut().feed(part.clone()).await.is_err() {
                break;
            }
        }
        let landed = sink.finish().await.map_err(in_copy)?;
        let sent = rows.counts.made;
        if landed != sent {
            return Err(SinkError::Count { sent, landed });
        }
        Ok(())
    }

    async fn merge(&self, merge: &Statement) -> Result<(), SinkError> {
        let in_copy = |error| SinkError::Database { error, in_copy: true };
        self.client().execute(merge, &[]).await.map_err(in_copy)?;
        self.client().batch_execute("truncate pg_temp.stage").await?;
        Ok(())
    }

    async fn keep_books(&self, rows: &Encoded) -> Result<(), SinkError> {
        let (stream_id, part) = (&self.claim.stream_id, &self.claim.part);
        if !rows.buckets.is_empty() {
            let starts: Vec<PgTime> =
                rows.buckets.iter().map(|(start, _)| PgTime(*start)).collect();
            let counts: Vec<i64> = rows.buckets.iter().map(|(_, sum)| stored(sum.n)).collect();
            let sums: Vec<Vec<u8>> =
                rows.buckets.iter().map(|(_, sum)| sum.sum.to_be_bytes().to_vec()).collect();
            let parameters: [&(dyn ToSql + Sync); 5] = [stream_id, part, &starts, &counts, &sums];
            self.client().execute(&self.statements.buckets, &parameters).await?;
        }
        if !rows.state.is_empty() {
            let keys: Vec<&str> = rows.state.iter().map(|(key, _)| key.as_str()).collect();
            let values: Vec<&[u8]> = rows.state.iter().map(|(_, value)| value.as_slice()).collect();
            let parameters: [&(dyn ToSql + Sync); 4] = [stream_id, part, &keys, &values];
            self.client().execute(&self.statements.state, &parameters).await?;
        }
        if let (Some(current), false) = (&self.statements.current, rows.current.is_empty()) {
            current::write(self.client(), current, &rows.current).await?;
        }
        if !rows.dead_letters.is_empty() {
            self.keep_dead_letters(rows).await?;
        }
        if !rows.replayed.is_empty() {
            let sql = "update millstream.dead_letter set status = 'replayed' \
                       where dead_letter_id = any($1) and status = 'open'";
            let marked = self.client().execute(sql, &[&rows.replayed]).await?;
            if usize::try_from(marked) != Ok(rows.replayed.len()) {
                return Err(SinkError::Fenced);
            }
        }
        Ok(())
    }

    async fn keep_dead_letters(&self, rows: &Encoded) -> Result<(), SinkError> {
        let letters = &rows.dead_letters;
        let positions: Vec<&[u8]> = letters.iter().map(|l| l.position.0.as_slice()).collect();
        let stages: Vec<&str> = letters.iter().map(|l| l.stage).collect();
        let reasons: Vec<&str> = letters.iter().map(|l| l.reason.as_str()).collect();
        let sqlstates: Vec<Option<&str>> = letters.iter().map(|l| l.sqlstate.as_deref()).collect();
        let columns: Vec<Option<&str>> = letters.iter().map(|l| l.column.as_deref()).collect();
        let sources: Vec<Option<&str>> =
            letters.iter().map(|l| l.source_column.as_deref()).collect();
        let originals: Vec<&serde_json::Value> = letters.iter().map(|l| &l.original).collect();
        let parameters: [&(dyn ToSql + Sync); 9] = [
            &self.claim.stream_id,
            &self.claim.part,
            &positions,
            &stages,
            &reasons,
            &sqlstates,
            &columns,
            &sources,
            &originals,
        ];
        self.client().execute(&self.statements.dead_letters, &parameters).await?;
        Ok(())
    }

    /// The fence: one row, or the transaction is not ours to commit.
    async fn move_cursor(&self, rows: &Encoded) -> Result<i64, SinkError> {
        let Claim { stream_id, part, epoch, version, .. } = &self.claim;
        let sum = rows.source_sum.to_be_bytes().to_vec();
        let counts = rows.counts;
        let moved = [
            stored(counts.read),
            stored(counts.used),
            stored(counts.duplicate),
            stored(counts.filtered),
            stored(counts.rejected),
            stored(counts.held),
            stored(counts.made),
        ];
        let mut parameters: Vec<&(dyn ToSql + Sync)> =
            vec![stream_id, part, epoch, version, &rows.position.0, &rows.done, &sum];
        parameters.extend(moved.iter().map(|count| count as &(dyn ToSql + Sync)));
        let row = self.client().query_opt(&self.statements.cursor, &parameters).await?;
        row.map(|row| row.get(0)).ok_or(SinkError::Fenced)
    }

    async fn transaction(&self, rows: &Encoded) -> Result<i64, SinkError> {
        self.begin(rows).await?;
        self.still_ours().await?;
        failpoint::hit("before_copy");
        if rows.counts.made > 0 {
            self.copy(rows).await?;
            if let Some(merge) = &self.statements.merge {
                self.merge(merge).await?;
            }
        }
        failpoint::hit("after_copy");
        self.keep_books(rows).await?;
        let version = self.move_cursor(rows).await?;
        failpoint::hit("before_commit");
        self.client().batch_execute("commit").await?;
        failpoint::hit("after_commit");
        Ok(version)
    }
}

impl Sink for TimescaleSink {
    async fn write(&mut self, rows: &Encoded) -> Result<(), SinkError> {
        match self.transaction(rows).await {
            Ok(version) => {
                self.claim.version = version;
                Ok(())
            }
            Err(error) if error.fault() == crate::fault::Fault::Reject => {
                Err(self.locate(rows, error).await?)
            }
            Err(error) => Err(error),
        }
    }
}

fn names(destination: &Destination) -> String {
    let names: Vec<String> = destination.columns.iter().map(|(name, _)| quote(name)).collect();
    names.join(", ")
}

/// The last row of a key wins, within a batch and against the table.
fn merge_statement(destination: &Destination, key: &[String]) -> String {
    let columns = names(destination);
    let key: Vec<String> = key.iter().map(|name| quote(name)).collect();
    let key = key.join(", ");
    let updates: Vec<String> = destination
        .columns
        .iter()
        .map(|(name, _)| quote(name))
        .filter(|name| !key.split(", ").any(|part| part == name))
        .map(|name| format!("{name} = excluded.{name}"))
        .collect();
    let action = match updates.is_empty() {
        true => "do nothing".to_owned(),
        false => format!("do update set {}", updates.join(", ")),
    };
    format!(
        "insert into {} ({columns}) overriding system value select {columns} from \
         (select distinct on ({key}) * from pg_temp.stage order by {key}, ordinal desc) last \
         on conflict ({key}) {action}",
        destination.table
    )
}
