//! Continuous aggregates over what was loaded: refreshed where rows came, and nowhere else. A refresh of a
//! time whose rows a retention policy has dropped would drop them from the aggregate, too.

use tokio_postgres::{Client, Transaction};

use super::policy::ROLLUPS;
use super::{Debt, Load, owe};
use crate::schema::quote;
use crate::sink::SinkError;

/// Writes down one refresh an aggregate, lower ones first.
pub(super) async fn promise(
    transaction: &Transaction<'_>,
    load: &Load<'_>,
) -> Result<Vec<String>, SinkError> {
    let name = &load.table.name;
    let sql = format!(
        "{ROLLUPS} select view_schema::text, view_name::text, \
         pg_has_role(current_user, view_owner, 'usage'), view_owner::text \
         from rollup order by depth, 1, 2"
    );
    let mut warnings = Vec::new();
    for row in transaction.query(&sql, &[&name.schema, &name.name]).await? {
        let (schema, view): (&str, &str) = (row.get(0), row.get(1));
        let (object, quoted) =
            (format!("{schema}.{view}"), format!("{}.{}", quote(schema), quote(view)));
        match row.get(2) {
            true => owe(transaction, load, ("refresh", &object, &quoted)).await?,
            false => warnings.push(format!(
                "{name}: the aggregate {object} is not refreshed after the load, as it belongs to {owner}; \
                 as {owner}: call refresh_continuous_aggregate('{object}', …)",
                owner = row.get::<_, &str>(3)
            )),
        }
    }
    Ok(warnings)
}

/// Touched windows, each wider by one bucket of the aggregate: only whole buckets are refreshed. No bounds
/// where the table's time is a number.
const WINDOWS: &str = "select lower(w)::text, upper(w)::text from ( \
    select unnest(range_agg(case when isfinite(b.bucket) then tstzrange(b.bucket - f.width, \
        b.bucket + s.bucket_us * interval '1 microsecond' + f.width) \
        else tstzrange(null, null) end)) w \
    from millstream.bucket b join millstream.stream s using (stream_id), \
    (select (_timescaledb_functions.cagg_get_bucket_function_info(mat_hypertable_id)).bucket_width \
        ::interval as width from _timescaledb_catalog.continuous_agg \
        where format('%I.%I', user_view_schema, user_view_name)::regclass = $2::text::regclass) f \
    where s.target_table = $1 and b.unsettled) touched order by w";

pub(super) async fn pay(client: &Client, debt: &Debt) -> Result<(), SinkError> {
    let sql = "select to_regclass($1) is not null";
    if !client.query_one(sql, &[&debt.definition]).await?.get::<_, bool>(0) {
        // Dropped meanwhile.
        return Ok(());
    }
    let sql = "select column_type::text from timescaledb_information.dimensions \
               where hypertable_schema = $1 and hypertable_name = $2 and dimension_number = 1";
    let time = client.query_opt(sql, &[&debt.table.schema, &debt.table.name]).await?;
    let Some(time) = time.map(|row| row.get::<_, String>(0)) else { return Ok(()) };
    let view = debt.definition.replace('\'', "''");
    let windows = client.query(WINDOWS, &[&debt.table.to_string(), &debt.definition]).await?;
    for window in windows {
        let bound = |at: usize| match window.get::<_, Option<&str>>(at) {
            Some(bound) => format!("'{bound}'::{time}"),
            None => "null".to_owned(),
        };
        // A statement of its own: it does not run in a transaction.
        let call = format!(
            "call public.refresh_continuous_aggregate('{view}', {}, {})",
            bound(0),
            bound(1)
        );
        client.batch_execute(&call).await?;
    }
    Ok(())
}
