//! `oee compute`: every shift of every unit, in slices, in lanes, one transaction a slice.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::civil::Date;
use tokio::task::JoinSet;
use tokio_postgres::Client;

use super::calendar::{self, Calendar, SiteShift};
use super::history::{History, Rates};
use super::plant::{self, Plant, Unit};
use super::result::{Computed, Input, Known};
use super::tally::Tally;
use super::write::{self, Key};
use super::{OeeError, Scope, Trouble, need_codes, need_tables, rollup};
use crate::batch::Counts;
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
    tidy: bool,
}

/// What all lanes share.
struct Shared {
    plant: Plant,
    request: Request,
    queue: Mutex<VecDeque<Work>>,
    /// Shifts of which nothing is touched.
    broken: Vec<String>,
    done: Mutex<Vec<Tally>>,
    progress: Arc<Progress>,
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
    let (plant, calendars) = read(&control.client, request, &mut done).await?;
    if !request.dry_run {
        let transaction = control.client.transaction().await?;
        for calendar in calendars.values() {
            done.instances.2 += calendar.write(&transaction).await?;
        }
        transaction.commit().await?;
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
        settle(&control.client, progress, &mut done).await?;
    }
    done.seconds = started.elapsed().as_secs_f64();
    Ok(done)
}

/// The plant, and the calendars of its sites.
async fn read(
    client: &Client,
    request: &Request,
    done: &mut Done,
) -> Result<(Plant, BTreeMap<String, Calendar>), SinkError> {
    let plant = plant::read(client).await?;
    let calendars = calendars(client, &plant, request, done).await?;
    Ok((plant, calendars))
}

/// What a run would do, for whoever looks into it and writes nothing.
pub(super) async fn plan(
    client: &Client,
    scope: &Scope,
    as_of: Option<i64>,
) -> Result<(Plant, VecDeque<Work>, Vec<Trouble>), SinkError> {
    let scope = scope.clone();
    let request = Request { scope, as_of, lanes: 1, dry_run: true, each_shift: false };
    let mut done = Done::default();
    let (plant, calendars) = read(client, &request, &mut done).await?;
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
async fn settle(client: &Client, progress: &Progress, done: &mut Done) -> Result<(), SinkError> {
    let mut dates = std::mem::take(&mut done.dates);
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
    done: &mut Done,
) -> Result<BTreeMap<String, Calendar>, SinkError> {
    let mut known: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for unit in &plant.units {
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
        let bounds = (known, plant.history_from);
        let calendar = calendar::of_site(client, (id, site), bounds, &request.scope).await?;
        done.troubles.extend(calendar.troubles.iter().cloned());
        done.instances.0 += calendar.made.len() as u64;
        done.instances.1 += calendar.obsolete.len() as u64;
        done.dates.extend(calendar.obsolete.iter().map(calendar::Row::date));
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
    for _ in 0..shared.request.lanes.max(1) {
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
    write::prepare(&session.client).await?;
    loop {
        let next = shared.queue.lock().ok().and_then(|mut queue| queue.pop_front());
        let Some(work) = next else { return Ok(()) };
        let tally = unit(&mut session.client, &work, shared).await?;
        if let Ok(mut done) = shared.done.lock() {
            done.push(tally);
        }
    }
}

/// A result that is stored.
struct Stored {
    digest: Option<u128>,
    oee: Option<f64>,
    /// How much it knows: PQ, and seconds of which nothing is known.
    knows: (f64, f64),
    start_before_history: bool,
    /// It belongs to a shift that could not be read.
    broken: bool,
    flags: Vec<String>,
}

const STORED: &str = "select o.\"shiftInstanceId\", o.\"shiftDate\"::text, o.\"inputDigest\", o.oee, \
    o.\"totalProduced\"::float8, o.\"unknownSeconds\"::float8, o.\"timestamp\", i.\"shiftId\", o.flags \
    from public.oee_calculations o left join public.\"ShiftInstance\" i \
    on i.id = o.\"shiftInstanceId\" left join public.\"Shift\" s on s.id = i.\"shiftId\" \
    where o.\"equipmentId\" = $1 and o.\"shiftDate\" between $2::text::date and $3::text::date \
    and ($4::text[] = '{}' or s.\"shiftCode\" = any($4))";

async fn stored(
    client: &Client,
    work: &Work,
    shared: &Shared,
) -> Result<HashMap<Key, Stored>, SinkError> {
    let (from, to) = shared.request.scope.dates();
    let rows =
        client.query(STORED, &[&work.unit.id, &from, &to, &shared.request.scope.shifts]).await?;
    let stored = rows.iter().filter_map(|row| {
        let date: Date = row.get::<_, &str>(1).parse().ok()?;
        let start = row.get::<_, crate::sink::ledger::PgTime>(6).0;
        // What lies beyond the time that was asked for is not looked at.
        if shared.request.as_of.is_some_and(|as_of| start >= as_of) {
            return None;
        }
        let digest: Option<&[u8]> = row.get(2);
        let shift: Option<&str> = row.get(7);
        let stored = Stored {
            digest: digest.and_then(|bytes| bytes.try_into().ok()).map(u128::from_be_bytes),
            oee: row.get(3),
            knows: (row.get(4), row.get(5)),
            start_before_history: start < shared.plant.history_from,
            broken: shift.is_some_and(|shift| shared.broken.iter().any(|id| id == shift)),
            flags: row.get(8),
        };
        Some((Key { instance: row.get(0), date }, stored))
    });
    Ok(stored.collect())
}

/// One unit, slice by slice.
async fn unit(client: &mut Client, work: &Work, shared: &Shared) -> Result<Tally, SinkError> {
    let mut tally = Tally { code: work.unit.code.clone(), ..Tally::default() };
    let mut stored = stored(client, work, shared).await?;
    tally.dates.extend(stored.keys().map(|key| key.date));
    let rates = Rates { products: &shared.plant.products, unit: work.unit.pri };
    let mut history = History::default();
    // By key, not by slice: a result without a reason may lie anywhere.
    let mut gone = gone(work, &mut stored);
    tally.removed = gone.len() as u64;
    for shifts in work.shifts.chunks(SLICE) {
        let since = Instant::now();
        history.read(client, (&work.unit, work.known), hull(shifts), &rates).await?;
        let results = results(work, shifts, &history, (&stored, shared, &mut tally));
        tally.dates.extend(shifts.iter().map(|shift| shift.date));
        if !shared.request.dry_run {
            write::slice(client, &work.unit.id, &results, &std::mem::take(&mut gone)).await?;
        }
        let counts = Counts { read: shifts.len() as u64, ..Counts::default() };
        shared.progress.committed(counts, since.elapsed());
    }
    if !shared.request.dry_run {
        write::slice(client, &work.unit.id, &[], &gone).await?;
    }
    Ok(tally)
}

/// Results that no shift stands for any more. What was before all history is gone from it, not wrong.
fn gone(work: &Work, stored: &mut HashMap<Key, Stored>) -> Vec<Key> {
    if !work.tidy {
        return Vec::new();
    }
    let planned: HashSet<Key> = work.shifts.iter().map(|shift| key(shift)).collect();
    let without_reason = |key: &Key, stored: &Stored| {
        !planned.contains(key) && !stored.start_before_history && !stored.broken
    };
    let mut gone: Vec<Key> = stored
        .iter()
        .filter(|(key, stored)| without_reason(key, stored))
        .map(|(key, _)| key.clone())
        .collect();
    gone.sort();
    gone
}

fn key(shift: &SiteShift) -> Key {
    Key { instance: shift.instance.clone(), date: shift.date }
}

/// The results of a slice that are to be written.
fn results(
    work: &Work,
    shifts: &[Arc<SiteShift>],
    history: &History,
    (stored, shared, tally): (&HashMap<Key, Stored>, &Shared, &mut Tally),
) -> Vec<Computed> {
    let mut changed = Vec::new();
    for shift in shifts {
        let Some(input) = Input::new(&work.unit, shift, history, work.known) else { continue };
        let found = stored.get(&key(shift));
        let digest = input.digest();
        if let Some(found) = found.filter(|found| found.digest == Some(digest)) {
            tally.unchanged += 1;
            tally.raise(found.flags.iter().map(String::as_str));
            say(shared, &work.unit, shift, found.oee);
            continue;
        }
        match input.compute(digest) {
            Ok(result) => {
                if found.is_some_and(|found| forgets(found, &result)) {
                    tally.kept += 1;
                    continue;
                }
                tally.changed += 1;
                tally.raise(result.figures.flags.names());
                say(shared, &work.unit, shift, result.figures.rates.oee.map(|oee| oee.to_f64()));
                changed.push(result);
            }
            Err(error) => {
                let place = format!("{} {} {}", work.unit.code, shift.date, shift.code);
                tally.troubles.push(Trouble { place, why: error.to_string() });
            }
        }
    }
    changed
}

/// The result is from the time where history begins now, and knows less than the one that is stored: what
/// that one was computed from has been dropped.
fn forgets(stored: &Stored, result: &Computed) -> bool {
    let (made, unknown) = stored.knows;
    let figures = &result.figures;
    let unknown_now = figures.line.elements.unknown as f64 / 1e6;
    stored.start_before_history
        && (figures.made.pq.to_f64() < made || unknown_now > unknown + 1e-6)
        && !failpoint::without("oee_keep")
}

fn say(shared: &Shared, unit: &Unit, shift: &SiteShift, oee: Option<f64>) {
    if shared.request.each_shift {
        let oee = oee.map_or("-".to_owned(), |oee| format!("{:.1}%", oee * 100.0));
        shared.progress.say(&format!("{} {} {} {oee}", unit.code, shift.date, shift.code));
    }
}
