//! Retention where the server has no job for it: old chunks are dropped, old rows of a table without chunks
//! are deleted, one slice of time a transaction.

use std::path::Path;

use tokio_postgres::Client;

use crate::config::policy::{Retain, Span, TablePolicy};
use crate::database::archive::{self, ArchiveError};
use crate::database::edition::Kind;
use crate::database::loading;
use crate::database::policy::{found, literal, loss, regclass};
use crate::schema::{PG_EPOCH_US, TableName, quote};
use crate::sink::SinkError;

use super::{Maintained, Options, Outcome};

/// A slice of a table's time that goes as a whole: one chunk, or a part of a table without chunks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// The table.
    pub table: TableName,
    /// Its time column.
    pub time: String,
    /// SQL type of that column.
    pub time_type: String,
    /// The chunk, where the table has some.
    pub chunk: Option<String>,
    /// First instant, as the server prints it in UTC.
    pub from: String,
    /// The instant after the last.
    pub to: String,
}

impl Slice {
    /// A bound of the range in the type of the time column.
    fn bound(&self, instant: &str) -> String {
        format!("(timestamptz {})::{}", literal(instant), self.time_type)
    }
}

/// Lets a range go; with `--archive`, `archive` does. Gives back how many chunks or rows went, or
/// who loads the table.
pub async fn expire(client: &mut Client, range: &Slice) -> Result<Result<u64, String>, SinkError> {
    let (from, to) = (range.bound(&range.from), range.bound(&range.to));
    let sql = match range.chunk {
        Some(_) => format!(
            "select drop_chunks({}, older_than => {to}, newer_than => {from})",
            regclass(&range.table)
        ),
        None => {
            let (table, time) = (range.table.quoted(), quote(&range.time));
            format!("delete from {table} where {time} >= {from} and {time} < {to}")
        }
    };
    loading::guarded(client, &range.table, &sql).await
}

/// The retention of one table.
pub(super) async fn of(
    client: &mut Client,
    table: &TablePolicy,
    (kind, options): (Kind, Options<'_>),
    done: &mut Maintained,
) -> Result<(), SinkError> {
    let Some(Retain::For(kept)) = table.retain else { return Ok(()) };
    let found = found::table(client, &table.name, kind).await?;
    let follower = loading::follower(client, &table.name).await?;
    let skip = match (&found.loading, found.exists) {
        (_, false) => Some("no such table".to_owned()),
        (Some(who), _) => Some(who.clone()),
        (None, true) if follower.is_some() && !options.accept_loss => {
            follower.map(|(child, key)| format!("rows of {child} go or change with it ({key})"))
        }
        (None, true) if options.accept_loss || options.archive.is_some() => None,
        (None, true) => loss::history(client, table, kept)
            .await?
            .map(|history| format!("{history}: --accept-loss lets them go")),
    };
    let object = table.name.to_string();
    if let Some(why) = skip {
        done.push("retention", &object, Outcome::Skipped, why);
        return Ok(());
    }
    if let Some(dir) = options.archive {
        if let Some(why) = drops_without(client, &table.name, kept, kind).await? {
            done.push("archive", &object, Outcome::Failed, why);
            return Ok(());
        }
        let outcome = into_files(client, table, (kept, dir), options).await;
        let failed = |error: ArchiveError| (Outcome::Failed, error.to_string());
        let (outcome, detail) = outcome.unwrap_or_else(failed);
        done.push("archive", &object, outcome, detail);
        return Ok(());
    }
    let outcome = match found.chunk {
        Some(_) => chunks(client, table, kept, options).await,
        None => rows(client, table, kept, options).await,
    };
    done.settle("retention", &object, outcome);
    Ok(())
}

/// A job of the server that drops, at the same age, what is to be archived first.
async fn drops_without(
    client: &Client,
    table: &TableName,
    kept: Span,
    kind: Kind,
) -> Result<Option<String>, SinkError> {
    if kind != Kind::Community {
        return Ok(None);
    }
    let sql = "select config ->> 'drop_after' from timescaledb_information.jobs \
               where hypertable_schema = $1 and hypertable_name = $2 and scheduled \
               and proc_name = 'policy_retention' and (config ->> 'drop_after') !~ '^-?[0-9]+$' \
               and (config ->> 'drop_after')::interval <= $3::text::interval";
    let found = client.query_opt(sql, &[&table.schema, &table.name, &kept.to_string()]).await?;
    Ok(found.map(|row| {
        let after: String = row.get(0);
        format!(
            "the server's own job drops after {after} and archives nothing: \
             select remove_retention_policy({}), and let `maintain --archive` do it",
            regclass(table)
        )
    }))
}

/// Into Parquet files that were read back, and only then out of the table.
async fn into_files(
    client: &mut Client,
    table: &TablePolicy,
    (kept, dir): (Span, &Path),
    options: Options<'_>,
) -> Result<(Outcome, String), ArchiveError> {
    let sql = format!(
        "select (extract(epoch from now() - $1::text::interval) * 1000000)::bigint - {PG_EPOCH_US}"
    );
    let before: i64 = client.query_one(&sql, &[&kept.to_string()]).await?.get(0);
    let cut = (table.time.as_str(), before);
    if options.dry_run {
        let ranges = archive::ranges(client, &table.name, cut).await?.len();
        let outcome = if ranges == 0 { Outcome::Nothing } else { Outcome::Planned };
        return Ok((outcome, format!("{ranges} ranges older than {kept}")));
    }
    let archived = archive::archive(client, &table.name, cut, dir).await?;
    let rows: u64 = archived.iter().map(|range| range.rows).sum();
    let files = archived.iter().filter(|range| range.file.is_some()).count();
    let mebibytes = archived.iter().map(|range| range.bytes).sum::<u64>() >> 20;
    Ok(match archived.len() {
        0 => (Outcome::Nothing, format!("nothing is older than {kept}")),
        _ => (
            Outcome::Done,
            format!("{rows} rows older than {kept} into {files} files, {mebibytes} MiB, read back"),
        ),
    })
}

const CHUNKS: &str = "select format('%I.%I', chunk_schema, chunk_name), range_start::text, \
    range_end::text, pg_total_relation_size(format('%I.%I', chunk_schema, chunk_name)), \
    primary_dimension_type::text from timescaledb_information.chunks \
    where hypertable_schema = $1 and hypertable_name = $2 \
    and range_end <= now() - $3::text::interval order by range_start";

/// Drops chunks that are older as a whole, the oldest first.
async fn chunks(
    client: &mut Client,
    table: &TablePolicy,
    kept: Span,
    options: Options<'_>,
) -> Result<(Outcome, String), SinkError> {
    let TableName { schema, name } = &table.name;
    let found = client.query(CHUNKS, &[schema, name, &kept.to_string()]).await?;
    let (mut count, mut bytes, mut last) = (0, 0, String::new());
    for row in &found {
        let range = Slice {
            table: table.name.clone(),
            time: table.time.clone(),
            time_type: row.get(4),
            chunk: Some(row.get(0)),
            from: row.get(1),
            to: row.get(2),
        };
        if !options.dry_run
            && let Err(who) = expire(client, &range).await?
        {
            return Ok((Outcome::Skipped, format!("{} after {count} chunks", who)));
        }
        count += 1;
        bytes += row.get::<_, i64>(3);
        last = range.to;
    }
    if count == 0 {
        return Ok((Outcome::Nothing, format!("no chunk is older than {kept}")));
    }
    let mebibytes = bytes >> 20;
    let detail = format!("{count} chunks older than {kept}, up to {last}: {mebibytes} MiB");
    Ok((if options.dry_run { Outcome::Planned } else { Outcome::Done }, detail))
}

/// Deletes rows that are older, a slice of time a transaction, the oldest first.
async fn rows(
    client: &mut Client,
    table: &TablePolicy,
    kept: Span,
    options: Options<'_>,
) -> Result<(Outcome, String), SinkError> {
    let (name, time) = (table.name.quoted(), quote(&table.time));
    let sql = "select (now() - $1::text::interval)::text, \
               (select format_type(atttypid, null) from pg_attribute \
                where attrelid = $2::text::regclass and attname = $3)";
    let row = client.query_one(sql, &[&kept.to_string(), &name, &table.time]).await?;
    let (cut, time_type): (String, Option<String>) = (row.get(0), row.get(1));
    let Some(time_type) = time_type else {
        return Ok((
            Outcome::Failed,
            format!("it has no column {}: see the policy file", table.time),
        ));
    };
    if options.dry_run {
        let sql = format!(
            "select count(*) from {name} where {time} < timestamptz '{cut}' and isfinite({time})"
        );
        let count: i64 = client.query_one(&sql, &[]).await?.get(0);
        let outcome = if count == 0 { Outcome::Nothing } else { Outcome::Planned };
        return Ok((outcome, format!("{count} rows older than {kept}")));
    }
    let width = table.chunk.map_or("1 day".to_owned(), |chunk| chunk.to_string());
    // '-infinity' stands for a time that is not known: such rows are not old.
    let next = format!(
        "select min({time})::timestamptz::text, \
         least(min({time})::timestamptz + interval '{width}', timestamptz '{cut}')::text \
         from {name} where {time} < timestamptz '{cut}' and isfinite({time})"
    );
    let mut count = 0;
    loop {
        let row = client.query_one(&next, &[]).await?;
        let (Some(from), Some(to)) = (row.get(0), row.get(1)) else { break };
        let range = Slice {
            table: table.name.clone(),
            time: table.time.clone(),
            time_type: time_type.clone(),
            chunk: None,
            from,
            to,
        };
        match expire(client, &range).await? {
            // Two bounds in the same day of a date column: what is left is not a whole day old.
            Ok(0) => break,
            Ok(rows) => count += rows,
            Err(who) => return Ok((Outcome::Skipped, format!("{who} after {count} rows"))),
        }
    }
    if count == 0 {
        return Ok((Outcome::Nothing, format!("no row is older than {kept}")));
    }
    let advice = "autovacuum makes their space free again, or now: vacuum (analyze)";
    Ok((Outcome::Done, format!("{count} rows older than {kept}; {advice}")))
}
