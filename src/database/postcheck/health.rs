//! How the database does: connections, cache, dead rows, size, long transactions, and what millstream owes.

use crate::sink::ledger;

use super::{Check, PostcheckError, count, counted, few, size};

/// Looks at all of it. Thresholds stand beside what they are held against.
pub(super) async fn check(check: &mut Check<'_>) -> Result<(), PostcheckError> {
    connections(check).await?;
    cache_and_size(check).await?;
    dead_rows(check).await?;
    long_transactions(check).await?;
    owed(check).await
}

async fn connections(check: &mut Check<'_>) -> Result<(), PostcheckError> {
    let sql = "select (select count(*) from pg_stat_activity where backend_type = 'client backend'), \
               current_setting('max_connections')::bigint";
    let row = check.client.query_one(sql, &[]).await?;
    let (used, max): (i64, i64) = (row.get(0), row.get(1));
    let found = format!("{used} of {max} in use");
    match used * 10 > max * 8 {
        true => {
            let to_do = "close idle sessions, or raise max_connections";
            check.found.warn("health", "connections", found, to_do);
        }
        false => check.found.pass("health", "connections", found),
    }
    Ok(())
}

async fn cache_and_size(check: &mut Check<'_>) -> Result<(), PostcheckError> {
    let sql = "select blks_hit, blks_read, pg_database_size(datname), \
               current_setting('shared_buffers') from pg_stat_database where datname = current_database()";
    let row = check.client.query_one(sql, &[]).await?;
    let (hit, read): (i64, i64) = (row.get(0), row.get(1));
    let (bytes, buffers): (i64, String) = (row.get(2), row.get(3));
    check.found.pass("health", "database size", size(bytes as f64));
    let share = hit as f64 / ((hit + read).max(1)) as f64;
    let found =
        format!("{:.1} % of {} blocks from shared_buffers", share * 100.0, count(hit + read));
    // Of a few blocks, or right after a load, the share says nothing.
    match share < 0.9 && hit + read > 1_000_000 {
        true => {
            let to_do = format!("shared_buffers is {buffers}: a quarter of the memory is usual");
            check.found.warn("health", "cache", found, &to_do);
        }
        false => check.found.pass("health", "cache", found),
    }
    Ok(())
}

async fn dead_rows(check: &mut Check<'_>) -> Result<(), PostcheckError> {
    let sql = "select schemaname || '.' || relname || ' (' || n_dead_tup || ' of ' \
               || n_live_tup + n_dead_tup || ')' from pg_stat_user_tables \
               where n_dead_tup > 10000 and n_dead_tup > n_live_tup / 4 order by n_dead_tup desc";
    let rows = check.client.query(sql, &[]).await?;
    let tables: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    if tables.is_empty() {
        check.found.pass("health", "dead rows", "no table with many");
    } else {
        let found = format!("autovacuum is behind: {}", few(&tables, 3));
        check.found.warn("health", "dead rows", found, "vacuum (analyze) them");
    }
    Ok(())
}

async fn long_transactions(check: &mut Check<'_>) -> Result<(), PostcheckError> {
    let sql = "select 'process ' || pid || coalesce(' of ' || usename, '') || ', ' \
               || extract(epoch from now() - xact_start)::bigint / 60 || ' min' from pg_stat_activity \
               where datname = current_database() and backend_type = 'client backend' \
               and now() - xact_start > interval '10 minutes' \
               union all select 'prepared ' || quote_literal(gid) from pg_prepared_xacts \
               where database = current_database() and now() - prepared > interval '10 minutes'";
    let rows = check.client.query(sql, &[]).await?;
    let open: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    if open.is_empty() {
        check.found.pass("health", "transactions", "none open for 10 minutes");
    } else {
        let found = format!("open for more than 10 minutes: {}", few(&open, 3));
        let to_do =
            "vacuum cannot clean behind them: end them (pg_terminate_backend) if nobody needs them";
        check.found.warn("health", "transactions", found, to_do);
    }
    Ok(())
}

/// What a load left undone, and rows that were set aside.
async fn owed(check: &mut Check<'_>) -> Result<(), PostcheckError> {
    if !ledger::exists(check.client).await? {
        return Ok(());
    }
    let sql = "select table_name || '.' || object_name from millstream.ddl_debt \
               where state = 'owed' order by debt_id";
    let rows = check.client.query(sql, &[]).await?;
    let debts: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    if debts.is_empty() {
        check.found.pass("health", "debt", "nothing is owed");
    } else {
        let found = format!("{} owed: {}", counted(debts.len(), "thing"), few(&debts, 3));
        check.found.warn("health", "debt", found, "run the backfill again: it pays first");
    }
    let sql = "select count(*) from millstream.dead_letter where status = 'open'";
    let open: i64 = check.client.query_one(sql, &[]).await?.get(0);
    match open {
        0 => check.found.pass("health", "dead letters", "none open"),
        open => {
            let to_do = "millstream dead-letter list shows them, replay tries them again";
            check.found.warn("health", "dead letters", format!("{} open", count(open)), to_do);
        }
    }
    Ok(())
}
