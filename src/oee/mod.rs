//! OEE of every unit in every shift that there is evidence for: out of the target's own tables, into
//! `oee_calculations`, and from there to a person.
//!
//! Nothing is asked of a clock: what is known ends where the data ends. A result bears the hash of what it
//! was computed from, so a run writes only what changed, and a run that died is simply run again.

mod calendar;
pub mod compute;
pub mod explain;
mod history;
mod losses;
mod plant;
mod result;
mod rollup;
pub mod show;
mod tally;
mod unit;
mod words;
mod write;

use jiff::civil::Date;
use tokio_postgres::Client;

use crate::sink::SinkError;
use crate::sink::session::SessionError;

/// Which units, shifts and dates are meant.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Codes of units; all when empty.
    pub equipment: Vec<String>,
    /// Codes of shifts; all when empty.
    pub shifts: Vec<String>,
    /// First shift date.
    pub from: Option<Date>,
    /// Last shift date.
    pub to: Option<Date>,
}

impl Scope {
    fn wants_shift(&self, code: &str) -> bool {
        self.shifts.is_empty() || self.shifts.iter().any(|asked| asked == code)
    }

    fn wants_unit(&self, code: &str) -> bool {
        self.equipment.is_empty() || self.equipment.iter().any(|asked| asked == code)
    }

    /// Bounds as SQL takes them.
    fn dates(&self) -> (String, String) {
        let bound =
            |date: Option<Date>, none: &str| date.map_or(none.to_owned(), |d| d.to_string());
        (bound(self.from, "-infinity"), bound(self.to, "infinity"))
    }
}

/// Something that could not be computed, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Unit and shift, or site and shift.
    pub place: String,
    /// What is wrong and what to do.
    pub why: String,
}

/// Why there is no OEE at all.
#[derive(Debug, thiserror::Error)]
pub enum OeeError {
    /// The server.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The tables are not there, or are older.
    #[error(
        "{what} is not in {database}: apply the set with `millstream migrate up --set iso22400`"
    )]
    NoTables {
        /// Table, or table and column.
        what: String,
        /// The database.
        database: String,
    },
    /// A code that no row has.
    #[error("there is no {what} {code:?}; there are {known}")]
    Unknown {
        /// `equipment` or `shift`.
        what: &'static str,
        /// What was asked for.
        code: String,
        /// Some that are there.
        known: String,
    },
    /// Another run.
    #[error("another `oee compute` is at work in this database: {holder}")]
    Busy {
        /// Which, from where, since when.
        holder: String,
    },
    /// A question that cannot be answered as it is put.
    #[error("{0}")]
    Usage(String),
}

impl From<tokio_postgres::Error> for OeeError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Sink(error.into())
    }
}

impl From<SessionError> for OeeError {
    fn from(error: SessionError) -> Self {
        Self::Sink(error.into())
    }
}

/// What is read and written, as far as it came with later files of the set.
const NEEDED: [(&str, &str); 7] = [
    ("Equipment", "lastSeenAt"),
    ("Shift", "weekDays"),
    ("ShiftInstance", "shiftDate"),
    ("ProductionOrder", "equipmentId"),
    ("equipment_states", "startTime"),
    ("production_counts", "goodCount"),
    ("oee_calculations", "inputDigest"),
];

async fn need_tables(client: &Client) -> Result<(), OeeError> {
    let sql = "select current_database()::text, exists (select from pg_attribute \
               where attrelid = to_regclass($1) and attname = $2 and not attisdropped)";
    for (table, column) in NEEDED {
        let row = client.query_one(sql, &[&format!("public.\"{table}\""), &column]).await?;
        if !row.get::<_, bool>(1) {
            let what = format!("\"{table}\".\"{column}\"");
            return Err(OeeError::NoTables { what, database: row.get(0) });
        }
    }
    Ok(())
}

/// How many codes an error lists.
const CODES_SHOWN: usize = 20;

/// Every code that was asked for is there.
async fn need_codes(client: &Client, scope: &Scope) -> Result<(), OeeError> {
    let questions = [
        (
            "equipment",
            &scope.equipment,
            "select distinct code from public.\"Equipment\" order by 1",
        ),
        ("shift", &scope.shifts, "select distinct \"shiftCode\" from public.\"Shift\" order by 1"),
    ];
    for (what, asked, sql) in questions {
        if asked.is_empty() {
            continue;
        }
        let rows = client.query(sql, &[]).await?;
        let known: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
        if let Some(code) = asked.iter().find(|code| !known.contains(&code.as_str())) {
            let mut list: Vec<&str> = known.iter().copied().take(CODES_SHOWN).collect();
            if known.len() > CODES_SHOWN {
                list.push("…");
            }
            let known = if list.is_empty() { "none".to_owned() } else { list.join(", ") };
            return Err(OeeError::Unknown { what, code: code.clone(), known });
        }
    }
    Ok(())
}
