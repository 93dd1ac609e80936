//! The plant as the target's tables have it: sites with their shifts, units with their cycle times, orders.

use std::collections::HashMap;

use tokio_postgres::Client;

use crate::kpi::rational::Rational;
use crate::kpi::window::Window;
use crate::sink::SinkError;
use crate::sink::ledger::PgTime;

/// Whoever has a calendar.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub(super) code: String,
    /// IANA name, as stored: it may be none.
    pub(super) zone: String,
    /// All of them, the inactive ones too.
    pub(super) shifts: Vec<Shift>,
}

/// A row of `"Shift"`, as stored.
#[derive(Clone, Debug)]
pub(super) struct Shift {
    pub(super) id: String,
    pub(super) code: String,
    pub(super) start: String,
    pub(super) end: String,
    pub(super) break_minutes: i32,
    /// `None`: nobody knows when the break is, and its minutes count.
    /// JSON as stored, which may hold what no list of windows has.
    pub(super) break_windows: Option<String>,
    /// A JSON list of what the array has: nulls and lists among it.
    pub(super) week_days: Option<String>,
    pub(super) active: bool,
}

/// A row of `"Equipment"`.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    pub(super) id: String,
    pub(super) code: String,
    pub(super) center: String,
    pub(super) site: String,
    /// Seconds a piece where the product has none of its own.
    pub(super) pri: Option<Rational>,
    /// The open state and since when.
    pub(super) open: Option<(String, i64)>,
    pub(super) last_seen: Option<i64>,
    /// Orders that this unit may have run, by start.
    pub(super) orders: Vec<Window>,
    /// First and last moment that anything is known of: `[first, last)`.
    pub(super) evidence: Option<(i64, i64)>,
}

/// Everything but the history itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Plant {
    pub(super) sites: HashMap<String, Site>,
    /// By code.
    pub(super) units: Vec<Unit>,
    /// PRI of products that have one.
    pub(super) products: HashMap<String, Rational>,
    /// What of it was left out, in sentences.
    pub(super) notes: Vec<String>,
    /// Of the earliest evidence of any kind. What there was before may have been dropped.
    pub(super) history_from: i64,
    /// Of the earliest row of states, and of the earliest count; what an empty table had may have been
    /// dropped.
    pub(super) tables_from: (i64, i64),
}

const UNITS: &str = "select e.id, e.code, e.\"workCenterId\", c.\"siteId\", \
    e.\"theoreticalCycleTime\", e.\"nominalSpeed\", e.\"currentState\", e.\"currentStateSince\", \
    e.\"lastSeenAt\" from public.\"Equipment\" e \
    join public.\"WorkCenter\" c on c.id = e.\"workCenterId\" order by e.code";

const SHIFTS: &str = "select s.id, s.\"siteId\", s.\"shiftCode\", s.\"startTime\", s.\"endTime\", \
    s.\"breakMinutes\", s.\"breakWindows\"::text, \
    array_to_json(s.\"weekDays\")::text, s.\"isActive\" \
    from public.\"Shift\" s order by s.\"siteId\", s.\"shiftCode\"";

const ORDERS: &str = "select \"workCenterId\", \"equipmentId\", \"actualStartTime\", \
    coalesce(\"actualEndTime\", 'infinity') from public.\"ProductionOrder\" \
    where \"actualStartTime\" < coalesce(\"actualEndTime\", 'infinity') order by 3, 4";

const STATES_KNOWN: &str = "select \"equipmentId\", min(\"startTime\"), \
    max(coalesce(nullif(\"endTime\", 'infinity'), \"startTime\")) from public.equipment_states \
    where isfinite(\"startTime\") group by 1";

// A count belongs to the moment it is stamped with, so what is known reaches just beyond it.
const COUNTS_KNOWN: &str = "select \"equipmentId\", min(\"timestamp\"), \
    max(\"timestamp\") + interval '1 microsecond' from public.production_counts \
    where isfinite(\"timestamp\") group by 1";

/// Reads all of it.
pub(super) async fn read(client: &Client) -> Result<Plant, SinkError> {
    let mut plant = Plant { sites: sites(client).await?, ..Plant::default() };
    let known = known(client, &mut plant).await?;
    let sql = "select id, \"standardCycleTime\" from public.\"Product\"";
    for row in client.query(sql, &[]).await? {
        if let Some(pri) = row.get::<_, Option<f64>>(1).and_then(positive) {
            plant.products.insert(row.get(0), pri);
        }
    }
    let orders = client.query(ORDERS, &[]).await?;
    let mut by_center: HashMap<&str, Vec<(Option<&str>, Window)>> = HashMap::new();
    for row in &orders {
        let window = Window { start: row.get::<_, PgTime>(2).0, end: row.get::<_, PgTime>(3).0 };
        by_center.entry(row.get(0)).or_default().push((row.get(1), window));
    }
    for row in client.query(UNITS, &[]).await? {
        let (id, center): (String, String) = (row.get(0), row.get(2));
        let cycle = row.get::<_, Option<f64>>(4).and_then(positive);
        let speed = row.get::<_, Option<f64>>(5).and_then(positive);
        let moment = |at: usize| row.get::<_, Option<PgTime>>(at).map(|at| at.0);
        for (at, column) in [(7, "currentStateSince"), (8, "lastSeenAt")] {
            if moment(at).is_some_and(is_infinite) {
                let code: &str = row.get(1);
                plant.notes.push(format!("{code}: \"{column}\" is infinite, which says nothing"));
            }
        }
        let since = moment(7).filter(|at| !is_infinite(*at));
        let last_seen = moment(8).filter(|at| !is_infinite(*at));
        let moments = [known.get(&id).map(|known| known.0), since].into_iter().flatten();
        let ends = [known.get(&id).map(|known| known.1), last_seen].into_iter().flatten();
        let evidence = moments.min().zip(ends.max());
        let own = by_center.get(center.as_str()).into_iter().flatten();
        let orders = own
            .filter(|(unit, _)| unit.is_none_or(|unit| unit == id))
            .map(|(_, window)| *window)
            .collect();
        plant.units.push(Unit {
            code: row.get(1),
            site: row.get(3),
            pri: cycle.or(speed.and_then(|speed| Rational::from(3_600).over(speed).ok().flatten())),
            open: since.map(|since| (row.get(6), since)),
            last_seen,
            orders,
            evidence,
            center,
            id,
        });
    }
    let evidence = plant.units.iter().filter_map(|unit| unit.evidence);
    plant.history_from = evidence.map(|(first, _)| first).min().unwrap_or(i64::MAX);
    Ok(plant)
}

/// `infinity` or `-infinity`, as the server sends them.
pub(super) fn is_infinite(at: i64) -> bool {
    at == i64::MAX || at == i64::MIN
}

/// A cycle time or a speed that can be one, as it is printed: 0.1 is a tenth.
fn positive(value: f64) -> Option<Rational> {
    Rational::from_f64(value).ok().filter(|value| value.is_positive())
}

async fn sites(client: &Client) -> Result<HashMap<String, Site>, SinkError> {
    let mut sites = HashMap::new();
    for row in client.query("select id, code, timezone from public.\"Site\"", &[]).await? {
        let site = Site { code: row.get(1), zone: row.get(2), shifts: Vec::new() };
        sites.insert(row.get::<_, String>(0), site);
    }
    for row in client.query(SHIFTS, &[]).await? {
        let Some(site) = sites.get_mut(row.get::<_, &str>(1)) else { continue };
        site.shifts.push(Shift {
            id: row.get(0),
            code: row.get(2),
            start: row.get(3),
            end: row.get(4),
            break_minutes: row.get(5),
            break_windows: row.get(6),
            week_days: row.get(7),
            active: row.get(8),
        });
    }
    Ok(sites)
}

/// First and last moment that states or counts tell of, by unit.
async fn known(
    client: &Client,
    plant: &mut Plant,
) -> Result<HashMap<String, (i64, i64)>, SinkError> {
    let mut known: HashMap<String, (i64, i64)> = HashMap::new();
    plant.tables_from = (i64::MAX, i64::MAX);
    let tables = &mut plant.tables_from;
    for (sql, from) in [(STATES_KNOWN, &mut tables.0), (COUNTS_KNOWN, &mut tables.1)] {
        for row in client.query(sql, &[]).await? {
            let (first, last) = (row.get::<_, PgTime>(1).0, row.get::<_, PgTime>(2).0);
            let unit = known.entry(row.get(0)).or_insert((first, last));
            *unit = (unit.0.min(first), unit.1.max(last));
            *from = first.min(*from);
        }
    }
    Ok(known)
}
