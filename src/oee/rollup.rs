//! `oee_hourly` and `oee_daily_workcenter` after a run: refreshed over the dates that have results, never
//! without bounds, which would remove dates whose rows retention has dropped.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use tokio_postgres::Client;

use super::Scope;
use crate::schema::PG_EPOCH_US;
use crate::sink::SinkError;

/// The rollups of the set, lower ones first.
const VIEWS: [&str; 2] = ["oee_hourly", "oee_daily_workcenter"];

/// Kind of relation; filled; with an index by which a refresh can work beside readers; ours.
const VIEW: &str = "select c.relkind::text, c.relispopulated, exists (select from pg_index i \
    where i.indrelid = c.oid and i.indisunique and i.indisvalid and i.indpred is null \
    and i.indexprs is null), pg_has_role(current_user, c.relowner, 'usage'), \
    pg_get_userbyid(c.relowner)::text from pg_class c join pg_namespace n on n.oid = c.relnamespace \
    where n.nspname = 'public' and c.relname = $1";

/// A gap of a long weekend is refreshed along with the days around it.
const GAP_DAYS: i32 = 4;

/// Another refresh may be at work on the same dates.
const ATTEMPTS: u32 = 20;

/// Runs of dates, both ends included.
fn runs(dates: &BTreeSet<Date>) -> Vec<(Date, Date)> {
    let mut runs: Vec<(Date, Date)> = Vec::new();
    for date in dates {
        match runs.last_mut() {
            Some((_, last)) if (*date - *last).get_days() <= GAP_DAYS => *last = *date,
            _ => runs.push((*date, *date)),
        }
    }
    runs
}

/// Dates that the rollup has and no result: a run removed them and was killed before it refreshed. Only from
/// the first whole day of history on: before it results go with retention, and their rollup stays.
pub(super) async fn left_over(
    client: &Client,
    scope: &Scope,
    history_from: i64,
) -> Result<BTreeSet<Date>, SinkError> {
    let aggregate = client.query_opt(VIEW, &[&VIEWS[1]]).await?;
    let time = Timestamp::from_microsecond(history_from.saturating_add(PG_EPOCH_US)).ok();
    // A date of a site begins up to a day from that of UTC.
    let first = time.and_then(|time| time.to_zoned(TimeZone::UTC).date().tomorrow().ok());
    // A view of its own is filled from all results anyway.
    let (Some("v"), Some(first)) = (aggregate.as_ref().map(|row| row.get(0)), first) else {
        return Ok(BTreeSet::new());
    };
    let first = scope.from.map_or(first, |from| from.max(first)).to_string();
    let (_, last) = scope.dates();
    let sql = "select bucket::date::text from public.oee_daily_workcenter \
               where bucket::date between $1::text::date and $2::text::date \
               except select \"shiftDate\"::text from public.oee_calculations \
               where \"shiftDate\" between $1::text::date and $2::text::date";
    let rows = client.query(sql, &[&first, &last]).await?;
    Ok(rows.iter().filter_map(|row| row.get::<_, &str>(0).parse().ok()).collect())
}

/// Brings both up to date where there are results. Gives sentences about what was not.
pub(super) async fn refresh(
    client: &Client,
    dates: &BTreeSet<Date>,
) -> Result<Vec<String>, SinkError> {
    let mut notes = Vec::new();
    for view in VIEWS {
        let Some(row) = client.query_opt(VIEW, &[&view]).await? else {
            notes.push(format!("{view} is not there: millstream migrate up --set iso22400"));
            continue;
        };
        if !row.get::<_, bool>(3) {
            let owner: &str = row.get(4);
            notes.push(format!("{view} was not refreshed, as it belongs to {owner}"));
            continue;
        }
        if row.get::<_, &str>(0) == "m" {
            let beside = row.get::<_, bool>(1) && row.get::<_, bool>(2);
            let word = if beside { "concurrently " } else { "" };
            client.batch_execute(&format!("refresh materialized view {word}public.{view}")).await?;
            continue;
        }
        for (from, to) in runs(dates) {
            let behind = to.saturating_add(1.day());
            call(
                client,
                &format!(
                    "call public.refresh_continuous_aggregate('public.{view}', \
                     '{from}'::date, '{behind}'::date)"
                ),
            )
            .await?;
        }
    }
    Ok(notes)
}

/// A statement of its own, which waits for the server's own refresh.
async fn call(client: &Client, sql: &str) -> Result<(), SinkError> {
    for _ in 1..ATTEMPTS {
        match client.batch_execute(sql).await {
            Err(error) if error.code().is_some_and(|code| code.code() == "55P03") => {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            ended => return Ok(ended?),
        }
    }
    Ok(client.batch_execute(sql).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weekend_does_not_part_two_weeks_and_a_month_does() {
        let date = |month, day| Date::constant(2025, month, day);
        let dates = [date(7, 4), date(7, 7), date(7, 8), date(9, 1)].into_iter().collect();
        assert_eq!(runs(&dates), [(date(7, 4), date(7, 8)), (date(9, 1), date(9, 1))]);
        assert!(runs(&BTreeSet::new()).is_empty());
    }
}
