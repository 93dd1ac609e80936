//! A calendar into `"ShiftInstance"`, all of it or nothing.

use tokio_postgres::{Client, Transaction};

use super::{Calendar, Row};
use crate::sink::SinkError;
use crate::sink::ledger::PgTime;

impl Calendar {
    /// Results that go with what is obsolete.
    pub(in crate::oee) async fn at_stake(&self, client: &Client) -> Result<u64, SinkError> {
        let ids: Vec<&str> = self.obsolete.iter().map(|row| row.id.as_str()).collect();
        if ids.is_empty() {
            return Ok(0);
        }
        let dates: Vec<String> = self.obsolete.iter().map(|row| row.date.to_string()).collect();
        let sql = "select count(*) from public.oee_calculations o join \
                   unnest($1::text[], ($2::text[])::date[]) g (instance, date) \
                   on o.\"shiftInstanceId\" = g.instance and o.\"shiftDate\" = g.date";
        let count: i64 = client.query_one(sql, &[&ids, &dates]).await?.get(0);
        Ok(count.unsigned_abs())
    }

    /// Stores what is made, and removes what is obsolete together with its results. Gives the number of
    /// results removed; none when somebody changed an instance since it was read: then nothing of this may
    /// be committed.
    pub(in crate::oee) async fn write(
        &self,
        transaction: &Transaction<'_>,
    ) -> Result<Option<u64>, SinkError> {
        let Some(removed) = self.remove(transaction).await? else { return Ok(None) };
        let made = &self.made;
        let column = |of: fn(&Row) -> String| made.iter().map(of).collect::<Vec<String>>();
        let numbers = |of: fn(&Row) -> i32| made.iter().map(of).collect::<Vec<i32>>();
        let starts: Vec<PgTime> = made.iter().map(|row| PgTime(row.start)).collect();
        let sql = "insert into public.\"ShiftInstance\" (id, \"shiftId\", \"shiftDate\", \
                   \"actualStartTime\", \"plannedMinutes\", \"breakMinutes\") \
                   select a, b, c, d, e, f from unnest($1::text[], $2::text[], ($3::text[])::date[], \
                   $4::timestamptz[], $5::int[], $6::int[]) x (a, b, c, d, e, f) \
                   on conflict do nothing";
        if !made.is_empty() {
            let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 6] = [
                &column(|row| row.id.clone()),
                &column(|row| row.shift.clone()),
                &column(|row| row.date.to_string()),
                &starts,
                &numbers(|row| row.planned_minutes),
                &numbers(|row| row.break_minutes),
            ];
            if transaction.execute(sql, &parameters).await? != made.len() as u64 {
                return Ok(None);
            }
        }
        Ok(Some(removed))
    }

    /// Instances first: those that nobody has changed, and only with all of them their results.
    async fn remove(&self, transaction: &Transaction<'_>) -> Result<Option<u64>, SinkError> {
        let obsolete = &self.obsolete;
        if obsolete.is_empty() {
            return Ok(Some(0));
        }
        let ids: Vec<&str> = obsolete.iter().map(|row| row.id.as_str()).collect();
        let dates: Vec<String> = obsolete.iter().map(|row| row.date.to_string()).collect();
        let starts: Vec<PgTime> = obsolete.iter().map(|row| PgTime(row.start)).collect();
        let planned: Vec<i32> = obsolete.iter().map(|row| row.planned_minutes).collect();
        let breaks: Vec<i32> = obsolete.iter().map(|row| row.break_minutes).collect();
        let sql = "delete from public.\"ShiftInstance\" i using unnest($1::text[], \
                   ($2::text[])::date[], $3::timestamptz[], $4::int[], $5::int[]) g (a, b, c, d, e) \
                   where i.id = g.a and i.\"shiftDate\" = g.b and i.\"actualStartTime\" = g.c \
                   and i.\"plannedMinutes\" = g.d and i.\"breakMinutes\" = g.e \
                   and i.\"actualEndTime\" is null";
        let gone = transaction.execute(sql, &[&ids, &dates, &starts, &planned, &breaks]).await?;
        if gone != obsolete.len() as u64 {
            return Ok(None);
        }
        super::super::write::allow_decompression(transaction).await?;
        let sql = "delete from public.oee_calculations o using \
                   unnest($1::text[], ($2::text[])::date[]) g (instance, date) \
                   where o.\"shiftInstanceId\" = g.instance and o.\"shiftDate\" = g.date";
        Ok(Some(transaction.execute(sql, &[&ids, &dates]).await?))
    }
}
