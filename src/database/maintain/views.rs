//! Materialized views: refreshed beside their readers where a unique index allows it.

use tokio_postgres::Client;

use crate::config::policy::Policies;
use crate::sink::SinkError;

use super::{Maintained, Options, Outcome};

/// Kind of relation; filled; with an index by which a refresh can work beside readers.
const VIEW: &str = "select c.relkind::text, c.relispopulated, exists (select from pg_index i \
    where i.indrelid = c.oid and i.indisunique and i.indisvalid and i.indpred is null \
    and i.indexprs is null) from pg_class c join pg_namespace n on n.oid = c.relnamespace \
    where n.nspname = $1 and c.relname = $2";

pub(super) async fn refresh(
    client: &Client,
    set: &Policies,
    options: Options<'_>,
    done: &mut Maintained,
) -> Result<(), SinkError> {
    for rollup in &set.rollups {
        let view = &rollup.view;
        let object = view.to_string();
        let row = client.query_opt(VIEW, &[&view.schema, &view.name]).await?;
        let Some(row) = row else {
            done.push("rollup", &object, Outcome::Skipped, "no such view".to_owned());
            continue;
        };
        if row.get::<_, &str>(0) != "m" {
            let why = "a continuous aggregate: its job refreshes it".to_owned();
            done.push("rollup", &object, Outcome::Skipped, why);
            continue;
        }
        let beside = row.get::<_, bool>(1) && row.get::<_, bool>(2);
        let (how, word) = match beside {
            true => ("refreshed beside its readers", "concurrently "),
            false => ("refreshed; readers had to wait", ""),
        };
        if options.dry_run {
            done.push("rollup", &object, Outcome::Planned, "refresh".to_owned());
            continue;
        }
        let sql = format!("refresh materialized view {word}{}", view.quoted());
        let refreshed = client.batch_execute(&sql).await.map(|()| (Outcome::Done, how.to_owned()));
        done.settle("rollup", &object, refreshed.map_err(SinkError::from));
    }
    Ok(())
}
