//! `oee compute`: every shift of every unit, in slices, in lanes, one transaction a slice.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::civil::Date;
use tokio::task::JoinSet;
use tokio_postgres::Client;

use super::calendar::{self, Bounds, Calendar, SiteShift};
use super::plant::{self, Plant, Unit};
use super::result::Known;
use super::tally::Tally;
use super::{OeeError, Scope, Trouble, need_codes, need_tables, rollup, unit, write};
use crate::failpoint;
use crate::kpi::window::Window;
use crate::observe::progress::Progress;
use crate::sink::SinkError;
use crate::sink::session::Server;

/// What to compute, and how.
#[derive(Clone, Debug)]
pub struct Request {
    /// Units, shifts, dates.
    pub scope: Scope,
    /// Up to when things are known, µs since 2000; else when each unit was last heard of.
    pub as_of: Option<i64>,
    /// Connections.
    pub lanes: usize,
    /// Compute and write nothing.
    pub dry_run: bool,
    /// A changed calendar may remove any number of results.
    pub remake: bool,
    /// A line for each shift.
    pub each_shift: bool,
}

/// Shifts of a slice: some weeks of a unit.
pub(super) const SLICE: usize = 128;

/// What a unit has to do.
pub(super) struct Work {
    pub(super) unit: Unit,
    pub(super) known: Known,
    pub(super) shifts: Vec<Arc<SiteShift>>,
    /// Its site's calendar was read: results that it does not have may be removed.
    pub(super) tidy: bool,
}

/// What all lanes share.
pub(super) struct Shared {
    pub(super) plant: Plant,
    pub(super) request: Request,
    queue: Mutex<VecDeque<Work>>,
    /// Shifts of which nothing is touched.
    pub(super) broken: Vec<String>,
    done: Mutex<Vec<Tally>>,
    pub(super) progress: Arc<Progress>,
}

/// What a run came to.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// By unit, in the order of their codes.
    pub(super) units: Vec<Tally>,
    /// Shift instances made and removed, and results removed with them.
    pub(super) instances: (u64, u64, u64),
    /// Dates of instances that were removed.
    dates: BTreeSet<Date>,
    /// What could not be computed.
    pub(super) troubles: Vec<Trouble>,
    /// Sentences.
    pub(super) notes: Vec<String>,
    pub(super) seconds: f64,
}

/// Computes. The lock on this database is held from the first statement to the last.
pub(super) async fn run(
    server: &Server,
    request: &Request,
    progress: &Arc<Progress>,
) -> Result<Done, OeeError> {
    let started = Instant::now();
    let mut control = server.connect("millstream oee").await?;
    need_tables(&control.client).await?;
    need_codes(&control.client, &request.scope).await?;
    lock(&control.client).await?;
    progress.stage("reading the plant");
    let mut done = Done::default();
    let plant = plant::read(&control.client).await?;
    done.notes.extend(plant.notes.iter().cloned());
    let calendars = store(&mut control.client, &plant, request, &mut done).await?;
    if done.instances.2 > 0 && !request.scope.equipment.is_empty() {
        done.notes.push(
            "Shifts changed: their results were removed for all units, and are computed for those asked \
             for. Run without --equipment for the others."
                .to_owned(),
        );
    }
    failpoint::hit("oee_calendar");
    let (queue, broken) = queue(&plant, calendars, request, &mut done);
    let total = queue.iter().map(|work| work.shifts.len() as u64).sum();
    progress.expect(total);
    progress.stage("computing");
    let shared = Arc::new(Shared {
        plant,
        request: request.clone(),
        queue: Mutex::new(queue),
        broken,
        done: Mutex::default(),
        progress: Arc::clone(progress),
    });
    lanes(server, &shared).await?;
    let mut units = shared.done.lock().map(|units| units.clone()).unwrap_or_default();
    units.sort_by(|left, right| left.code.cmp(&right.code));
    for unit in &units {
        done.troubles.extend(unit.troubles.iter().cloned());
    }
    done.units = units;
    if !request.dry_run {
        let within = (&request.scope, shared.plant.history_from);
        settle(&control.client, within, progress, &mut done).await?;
    }
    done.seconds = started.elapsed().as_secs_f64();
    Ok(done)
}

/// Whoever corrects instances while a calendar is worked out does not do so without end.
const ATTEMPTS: u32 = 10;

/// The calendars of the sites, stored. Where somebody changes an instance meanwhile they are worked out again:
/// what a person recorded wins.
async fn store(
    client: &mut Client,
    plant: &Plant,
    request: &Request,
    done: &mut Done,
) -> Result<BTreeMap<String, Calendar>, OeeError> {
    for _ in 0..ATTEMPTS {
        let calendars = calendars(client, plant, request).await?;
        need_leave(client, &calendars, request).await?;
        if request.dry_run {
            done.take(&calendars, 0);
            return Ok(calendars);
        }
        let transaction = client.transaction().await?;
        let mut removed = Some(0);
        for calendar in calendars.values() {
            let Some(sum) = removed else { break };
            removed = calendar.write(&transaction).await?.map(|more| sum + more);
        }
        if let Some(removed) = removed {
            transaction.commit().await?;
            done.take(&calendars, removed);
            return Ok(calendars);
        }
        transaction.rollback().await?;
    }
    let why = "\"ShiftInstance\" changes all the time: run again when nobody writes to it";
    Err(SinkError::Ledger(why.to_owned()).into())
}

/// Results that a changed calendar removes without being asked for it.
const REMOVED_MAX: u64 = 100;

/// Somebody said from when on a changed calendar holds, or it changes little.
async fn need_leave(
    client: &Client,
    calendars: &BTreeMap<String, Calendar>,
    request: &Request,
) -> Result<(), OeeError> {
    if request.remake || request.scope.from.is_some() {
        return Ok(());
    }
    let (mut results, mut first) = (0, None);
    for calendar in calendars.values() {
        results += calendar.at_stake(client).await?;
        first = calendar.obsolete.iter().map(calendar::Row::date).chain(first).min();
    }
    if let Some(first) = first.filter(|_| results > REMOVED_MAX) {
        return Err(OeeError::Usage(format!(
            "\"Shift\" has changed: by its calendar of now {results} results from {first} on would be \
             removed and computed again. Nothing was changed. If the calendar holds from some date on, say \
             so: --from DATE; if it was wrong all the time: --remake"
        )));
    }
    Ok(())
}

impl Done {
    /// What became of the calendars.
    fn take(&mut self, calendars: &BTreeMap<String, Calendar>, removed: u64) {
        for calendar in calendars.values() {
            self.troubles.extend(calendar.troubles.iter().cloned());
            self.instances.0 += calendar.made.len() as u64;
            self.instances.1 += calendar.obsolete.len() as u64;
            self.dates.extend(calendar.obsolete.iter().map(calendar::Row::date));
        }
        self.instances.2 += removed;
    }
}

/// What a run would do, for whoever looks into it and writes nothing.
pub(super) async fn plan(
    client: &Client,
    scope: &Scope,
    as_of: Option<i64>,
) -> Result<(Plant, VecDeque<Work>, Vec<Trouble>), SinkError> {
    let scope = scope.clone();
    let request =
        Request { scope, as_of, lanes: 1, dry_run: true, remake: true, each_shift: false };
    let mut done = Done::default();
    let plant = plant::read(client).await?;
    let calendars = calendars(client, &plant, &request).await?;
    done.take(&calendars, 0);
    let (work, _) = queue(&plant, calendars, &request, &mut done);
    Ok((plant, work, done.troubles))
}

/// The time that some shifts lie in.
pub(super) fn hull(shifts: &[Arc<SiteShift>]) -> Window {
    let windows = shifts.iter().map(|shift| shift.window);
    let both = |a: Window, b: Window| Window::new(a.start.min(b.start), a.end.max(b.end));
    windows.reduce(both).unwrap_or_default()
}

/// The rollups, and statistics of what was written.
async fn settle(
    client: &Client,
    (scope, history_from): (&Scope, i64),
    progress: &Progress,
    done: &mut Done,
) -> Result<(), SinkError> {
    let mut dates = std::mem::take(&mut done.dates);
    dates.extend(rollup::left_over(client, scope, history_from).await?);
    dates.extend(done.units.iter().flat_map(|unit| unit.dates.iter().copied()));
    progress.stage("refreshing the rollups");
    done.notes.extend(rollup::refresh(client, &dates).await?);
    let written: u64 = done.units.iter().map(|unit| unit.changed + unit.removed).sum();
    if written + done.instances.0 + done.instances.1 > 0 {
        progress.stage("statistics");
        client.batch_execute("analyze public.oee_calculations, public.\"ShiftInstance\"").await?;
    }
    Ok(())
}

/// One run at a time; the lock goes with the session. A run that was killed lets go of it within moments.
async fn lock(client: &Client) -> Result<(), OeeError> {
    let sql = "select pg_try_advisory_lock(hashtextextended('millstream oee', 0))";
    for _ in 0..15 {
        if client.query_one(sql, &[]).await?.get(0) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let pid = crate::sink::holder::of(client, "oee").await?;
    let sql = "select format('server process %s of %s from %s, since %s', pid, usename, \
               coalesce(host(client_addr), 'this machine'), date_trunc('second', backend_start)) \
               from pg_stat_activity where pid = $1";
    let holder = match pid {
        Some(pid) => client.query_opt(sql, &[&pid]).await?.map(|row| row.get(0)),
        None => None,
    };
    Err(OeeError::Busy { holder: holder.unwrap_or_else(|| "it has just ended".to_owned()) })
}

/// The calendars of all sites that have units with a history, by site.
async fn calendars(
    client: &Client,
    plant: &Plant,
    request: &Request,
) -> Result<BTreeMap<String, Calendar>, SinkError> {
    let mut known: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    let wanted: HashSet<&str> = plant
        .units
        .iter()
        .filter(|unit| request.scope.wants_unit(&unit.code))
        .map(|unit| unit.site.as_str())
        .collect();
    // Of all units of a site: its calendar is not that of the units that are asked for.
    for unit in plant.units.iter().filter(|unit| wanted.contains(unit.site.as_str())) {
        let Some((first, last)) = span(unit, request) else { continue };
        let site = known.entry(&unit.site).or_insert((first, last));
        *site = (site.0.min(first), site.1.max(last));
    }
    let mut calendars = BTreeMap::new();
    for (id, known) in known {
        let Some(site) = plant.sites.get(id) else { continue };
        if !site.shifts.iter().any(|shift| shift.active) {
            continue;
        }
        let (history_from, as_of) = (plant.history_from, request.as_of);
        let bounds = Bounds { known, history_from, as_of };
        let calendar = calendar::of_site(client, (id, site), bounds, &request.scope).await?;
        calendars.insert(id.to_owned(), calendar);
    }
    Ok(calendars)
}

/// First and last moment that a run looks at: `[first, last)`.
fn span(unit: &Unit, request: &Request) -> Option<(i64, i64)> {
    let (first, last) = unit.evidence?;
    let last = match request.as_of {
        // Whoever says so knows that the open state went on.
        Some(as_of) if unit.open.is_some() => as_of,
        Some(as_of) => last.min(as_of),
        None => last,
    };
    (first < last).then_some((first, last))
}

/// Who has what to do; whoever has nothing is told of once.
fn queue(
    plant: &Plant,
    calendars: BTreeMap<String, Calendar>,
    request: &Request,
    done: &mut Done,
) -> (VecDeque<Work>, Vec<String>) {
    let mut broken = Vec::new();
    let mut shifts: HashMap<String, (Vec<Arc<SiteShift>>, bool)> = HashMap::new();
    for (site, calendar) in calendars {
        broken.extend(calendar.broken.iter().cloned());
        let all_broken = plant.sites.get(&site).is_some_and(|found| {
            found.shifts.iter().all(|shift| calendar.broken.contains(&shift.id))
        });
        shifts.insert(site, (calendar.shifts.into_iter().map(Arc::new).collect(), !all_broken));
    }
    let mut work = VecDeque::new();
    for unit in plant.units.iter().filter(|unit| request.scope.wants_unit(&unit.code)) {
        let Some((first, last)) = span(unit, request) else {
            done.notes.push(format!("{}: neither states nor counts, so no OEE", unit.code));
            continue;
        };
        let Some((site_shifts, tidy)) = shifts.get(&unit.site) else {
            let site = plant.sites.get(&unit.site).map_or("?", |site| site.code.as_str());
            done.notes.push(format!(
                "{}: site {site} has no active shift, so no OEE: give it a calendar with [[shift]] in \
                 the pipeline file, or rows in \"Shift\"",
                unit.code
            ));
            continue;
        };
        let touches =
            |shift: &&Arc<SiteShift>| shift.window.start < last && first < shift.window.end;
        let shifts = site_shifts.iter().filter(touches).cloned().collect();
        work.push_back(Work {
            known: Known { until: last, asked: request.as_of.is_some() },
            unit: unit.clone(),
            shifts,
            tidy: *tidy,
        });
    }
    (work, broken)
}

async fn lanes(server: &Server, shared: &Arc<Shared>) -> Result<(), OeeError> {
    let mut lanes = JoinSet::new();
    let units = shared.queue.lock().map_or(1, |queue| queue.len());
    for _ in 0..shared.request.lanes.min(units) {
        let (server, shared) = (server.clone(), Arc::clone(shared));
        lanes.spawn(async move { lane(&server, &shared).await });
    }
    // The first error ends all: dropping the set stops the others, whose slices are whole or not at all.
    while let Some(ended) = lanes.join_next().await {
        ended.map_err(|error| SinkError::Ledger(format!("a lane died: {error}")))??;
    }
    Ok(())
}

async fn lane(server: &Server, shared: &Shared) -> Result<(), OeeError> {
    let mut session = server.connect("millstream oee lane").await?;
    if !shared.request.dry_run {
        write::prepare(&session.client).await?;
    }
    loop {
        let next = shared.queue.lock().ok().and_then(|mut queue| queue.pop_front());
        let Some(work) = next else { return Ok(()) };
        let tally = unit::compute(&mut session.client, &work, shared).await?;
        if let Ok(mut done) = shared.done.lock() {
            done.push(tally);
        }
    }
}
