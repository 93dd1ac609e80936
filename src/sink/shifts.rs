//! The shift calendar of a pipeline file, put where the source has none.

use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

use super::{SinkError, catalog};
use crate::config::shift::ShiftPlan;
use crate::schema::{TableName, TargetTable};

/// What became of the shifts of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Put {
    /// Shifts that came, or changed.
    pub changed: u64,
    /// Shifts that name a site which is not there.
    pub homeless: Vec<String>,
    /// Shifts that somebody else put there.
    pub foreign: Vec<String>,
}

/// Where shifts go.
pub fn table() -> TableName {
    TableName { schema: "public".to_owned(), name: "Shift".to_owned() }
}

/// Whether shifts can be put into the database.
pub async fn can_take(client: &Client) -> Result<bool, SinkError> {
    let found: Option<TargetTable> = catalog::table(client, &table()).await?;
    Ok(found.is_some_and(|table| table.column("weekDays").is_some()))
}

/// Puts the shifts of a file in place: the same again changes nothing, and a shift that the source or a
/// person put there is left as it is.
pub async fn put(client: &Client, shifts: &[ShiftPlan]) -> Result<Put, SinkError> {
    let sql = "insert into public.\"Shift\" (id, \"siteId\", \"shiftCode\", \"shiftName\", \
               \"startTime\", \"endTime\", \"breakMinutes\", \"breakWindows\", \"weekDays\") \
               select md5(s.id || ' ' || $2), s.id, $2, $3, $4, $5, $6, $7, $8 \
               from public.\"Site\" s where $1 in (s.code, '*') \
               on conflict (\"siteId\", \"shiftCode\") do update set \
               \"shiftName\" = excluded.\"shiftName\", \"startTime\" = excluded.\"startTime\", \
               \"endTime\" = excluded.\"endTime\", \"breakMinutes\" = excluded.\"breakMinutes\", \
               \"breakWindows\" = excluded.\"breakWindows\", \"weekDays\" = excluded.\"weekDays\" \
               where \"Shift\".id = excluded.id and (\"Shift\".\"shiftName\", \"Shift\".\"startTime\", \"Shift\".\"endTime\", \
               \"Shift\".\"breakMinutes\", \"Shift\".\"breakWindows\", \"Shift\".\"weekDays\") \
               is distinct from (excluded.\"shiftName\", excluded.\"startTime\", excluded.\"endTime\", \
               excluded.\"breakMinutes\", excluded.\"breakWindows\", excluded.\"weekDays\")";
    let mut put = Put::default();
    for shift in shifts {
        let known = "select exists (select from public.\"Site\" s where $1 in (s.code, '*'))";
        if !client.query_one(known, &[&shift.site]).await?.get::<_, bool>(0) {
            put.homeless.push(format!("{} of site {}", shift.code, shift.site));
            continue;
        }
        let windows = shift.breaks.as_ref().map(|breaks| {
            let windows =
                breaks.iter().map(|(start, end)| serde_json::json!({"start": start, "end": end}));
            serde_json::Value::Array(windows.collect())
        });
        let days = (!shift.days.is_empty()).then_some(&shift.days);
        let parameters: [&(dyn ToSql + Sync); 8] = [
            &shift.site,
            &shift.code,
            &shift.name,
            &shift.start,
            &shift.end,
            &shift.break_minutes,
            &windows,
            &days,
        ];
        put.changed += client.execute(sql, &parameters).await?;
        let sql = "select s.code from public.\"Site\" s join public.\"Shift\" f on f.\"siteId\" = s.id \
                   where $1 in (s.code, '*') and f.\"shiftCode\" = $2 \
                   and f.id <> md5(s.id || ' ' || $2) order by 1";
        for row in client.query(sql, &[&shift.site, &shift.code]).await? {
            put.foreign.push(format!("{} of site {}", shift.code, row.get::<_, String>(0)));
        }
    }
    Ok(put)
}
