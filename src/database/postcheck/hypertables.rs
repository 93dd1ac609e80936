//! The hypertables of a set: whether they are, by which column, and in chunks of which length.

use super::{Check, PostcheckError, Set, counted, heads};
use crate::database::edition::Kind;
use crate::schema::TableName;

/// A hypertable as the set's files make it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hypertable {
    pub(super) table: TableName,
    pub(super) time: String,
    /// As written, such as `1 day`.
    chunk: Option<String>,
}

/// Those of the set, on whatever edition.
pub(super) fn of_set(set: &Set) -> Vec<Hypertable> {
    let statements = set.scripts.iter().flat_map(|script| &script.statements);
    let calls = statements.flat_map(|statement| heads::calls(statement, &["create_hypertable"]));
    let hypertable = |call: heads::Call| {
        let (table, time) = (call.texts.first()?, call.texts.get(1)?.clone());
        let chunk = call.intervals.first().cloned();
        Some(Hypertable { table: TableName::parse(table)?, time, chunk })
    };
    calls.filter_map(hypertable).collect()
}

/// Looks at each; gives back those of the set.
pub(super) async fn check(
    check: &mut Check<'_>,
    set: &Set,
) -> Result<Vec<Hypertable>, PostcheckError> {
    let hypertables = of_set(set);
    if check.edition.kind == Kind::Plain && !hypertables.is_empty() {
        let found =
            format!("{}: this server is without TimescaleDB", counted(hypertables.len(), "table"));
        check.found.skip("hypertables", &set.name, found);
        return Ok(hypertables);
    }
    for hypertable in &hypertables {
        one(check, hypertable).await?;
    }
    Ok(hypertables)
}

async fn one(check: &mut Check<'_>, expected: &Hypertable) -> Result<(), PostcheckError> {
    let Hypertable { table, time, chunk } = expected;
    let name = table.to_string();
    let sql = "select d.column_name::text, coalesce(d.time_interval::text, d.integer_interval::text), \
                 $3::text is null or d.time_interval = $3::text::interval, h.num_chunks, \
                 h.num_dimensions::int \
               from timescaledb_information.hypertables h \
               join timescaledb_information.dimensions d using (hypertable_schema, hypertable_name) \
               where h.hypertable_schema = $1 and h.hypertable_name = $2 and d.dimension_number = 1";
    let row = check.client.query_opt(sql, &[&table.schema, &table.name, chunk]).await?;
    let Some(row) = row else {
        let to_do = format!(
            "select create_hypertable('{}', '{time}', migrate_data => true)",
            table.quoted()
        );
        check.found.fail("hypertables", &name, "is a plain table", &to_do);
        return Ok(());
    };
    let (column, interval): (String, Option<String>) = (row.get(0), row.get(1));
    let (as_made, chunks, dimensions): (bool, i64, i32) = (row.get(2), row.get(3), row.get(4));
    // `1 hour` rather than the server's 01:00:00.
    let interval = chunk.clone().filter(|_| as_made).or(interval).unwrap_or_default();
    let chunks = counted(usize::try_from(chunks).unwrap_or(0), "chunk");
    let more = match dimensions {
        1 => String::new(),
        many => format!(", {many} dimensions"),
    };
    let found = format!("by {column}, {interval} a chunk, {chunks}{more}");
    if column != *time {
        let to_do = format!("the set cuts it by {time}: make it anew, its data copied");
        check.found.fail("hypertables", &name, found, &to_do);
    } else if !as_made {
        let set = chunk.as_deref().unwrap_or_default();
        let to_do =
            format!("the set has {set}; `millstream policy show` says what was decided since");
        check.found.warn("hypertables", &name, found, &to_do);
    } else {
        check.found.pass("hypertables", &name, format!("Hypertable validated: {found}"));
    }
    Ok(())
}
