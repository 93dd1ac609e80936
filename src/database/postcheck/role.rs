//! Connects as the application does and reads a row of everything it may.

use super::{Check, PostcheckError, Set, counted, few};
use crate::fault;

/// Tables and views, and whether the one who asks may read them.
const READABLE: &str = "\
select c.oid::regclass::text, has_schema_privilege(c.relnamespace, 'usage') \
    and has_table_privilege(c.oid, 'select') \
from pg_class c join pg_namespace n on n.oid = c.relnamespace \
where c.relkind in ('r', 'p', 'v', 'm') and n.nspname || '.' || c.relname = any($1) order by 1";

/// Reads as the role.
pub(super) async fn check(
    check: &mut Check<'_>,
    sets: &[Set],
    (role, password): (&str, Option<&str>),
) -> Result<(), PostcheckError> {
    let server = check.server.as_role(role, password);
    let session = match server.connect("millstream postcheck").await {
        Ok(session) => session,
        Err(error) => {
            let to_do = "create role … login; its password comes from MILLSTREAM_AS_PASSWORD, and \
                         pg_hba.conf has to let it in";
            check.found.fail("application", role, error.to_string(), to_do);
            return Ok(());
        }
    };
    let client = &session.client;
    client
        .batch_execute("set statement_timeout = '10s'; set default_transaction_read_only = on")
        .await?;
    for set in sets {
        let kinds = ["table", "view", "materialized view"];
        let names: Vec<&str> = kinds
            .iter()
            .flat_map(|kind| set.expected.of_kind(kind))
            .map(|(name, _)| name)
            .collect();
        let rows = client.query(READABLE, &[&names]).await?;
        let (may, may_not): (Vec<_>, Vec<_>) = rows
            .iter()
            .map(|row| (row.get::<_, String>(0), row.get::<_, bool>(1)))
            .partition(|r| r.1);
        let mut read = 0;
        for (name, _) in &may {
            match client.query(&format!("select * from {name} limit 1"), &[]).await {
                Ok(_) => read += 1,
                Err(error) => {
                    let code = error.code().map(|code| code.code().to_owned()).unwrap_or_default();
                    let found = format!("{name}: {}", crate::sink::SinkError::from(error));
                    let to_do = match fault::remedy(&code) {
                        "" => "run that select as the role to see more",
                        remedy => remedy,
                    };
                    check.found.fail("application", role, found, to_do);
                }
            }
        }
        let hidden: Vec<String> = may_not.into_iter().map(|(name, _)| name).collect();
        let grant =
            format!("grant usage on the schema and select on them to {role}, if it needs them");
        if may.is_empty() && !hidden.is_empty() {
            let found =
                format!("{}: may read none of {}", set.name, counted(hidden.len(), "table"));
            check.found.fail("application", role, found, &grant);
            continue;
        }
        if !hidden.is_empty() {
            let found = format!("{}: may not read {}", set.name, few(&hidden, 8));
            check.found.warn("application", role, found, &grant);
        }
        if read > 0 {
            let found = format!("{}: connected, {read} tables and views read", set.name);
            check.found.pass("application", role, found);
        }
    }
    Ok(())
}
