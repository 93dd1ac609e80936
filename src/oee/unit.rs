//! The results of one unit: held against what is stored, computed slice by slice, written where they changed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use jiff::civil::Date;
use tokio_postgres::Client;

use super::Trouble;
use super::calendar::SiteShift;
use super::compute::{SLICE, Shared, Work, hull};
use super::history::{History, Rates};
use super::plant::Unit;
use super::result::{Computed, Input};
use super::tally::Tally;
use super::write::{self, Key};
use crate::batch::Counts;
use crate::failpoint;
use crate::kpi::flag::Flag;
use crate::sink::SinkError;
use crate::sink::ledger::PgTime;

/// A result that is stored.
struct Stored {
    digest: Option<u128>,
    oee: Option<f64>,
    /// How much it knows: PQ, and seconds of which nothing is known.
    knows: (f64, f64),
    start: i64,
    /// It belongs to a shift that could not be read.
    broken: bool,
    flags: Vec<String>,
}

const STORED: &str = "select o.\"shiftInstanceId\", o.\"shiftDate\"::text, o.\"inputDigest\", o.oee, \
    o.\"totalProduced\"::float8, o.\"unknownSeconds\"::float8, o.\"timestamp\", i.\"shiftId\", \
    array_remove(o.flags, null) \
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
        let start = row.get::<_, PgTime>(6).0;
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
            start,
            broken: shift.is_some_and(|shift| shared.broken.iter().any(|id| id == shift)),
            flags: row.get(8),
        };
        Some((Key { instance: row.get(0), date }, stored))
    });
    Ok(stored.collect())
}

/// One unit, slice by slice.
pub(super) async fn compute(
    client: &mut Client,
    work: &Work,
    shared: &Shared,
) -> Result<Tally, SinkError> {
    let mut tally = Tally { code: work.unit.code.clone(), ..Tally::default() };
    let stored = stored(client, work, shared).await?;
    tally.dates.extend(stored.keys().map(|key| key.date));
    let rates = Rates { products: &shared.plant.products, unit: work.unit.pri };
    let mut history = History::default();
    // By key, not by slice: a result without a reason may lie anywhere.
    let mut gone = gone(work, &stored, shared.plant.history_from);
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
fn gone(work: &Work, stored: &HashMap<Key, Stored>, history_from: i64) -> Vec<Key> {
    if !work.tidy {
        return Vec::new();
    }
    let planned: HashSet<Key> = work.shifts.iter().map(|shift| key(shift)).collect();
    let without_reason = |key: &Key, stored: &Stored| {
        !planned.contains(key) && stored.start >= history_from && !stored.broken
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
                if found.is_some_and(|found| forgets(found, &result, shared.plant.tables_from)) {
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

/// The result is from before the first row of the table that would tell, and knows less than the one that is
/// stored: what that one was computed from has been dropped. A shift that was not over gives way: what is
/// unknown of it grows with the shift.
fn forgets(stored: &Stored, result: &Computed, (states_from, counts_from): (i64, i64)) -> bool {
    let (made, unknown) = stored.knows;
    let figures = &result.figures;
    let unknown_now = figures.line.elements.unknown as f64 / 1e6;
    let fewer = stored.start < counts_from && figures.made.pq.to_f64() < made;
    let vaguer = stored.start < states_from && unknown_now > unknown + 1e-6;
    let was_open = stored.flags.iter().any(|flag| flag == Flag::OpenShift.name());
    (fewer || vaguer) && !was_open && !failpoint::without("oee_keep")
}

fn say(shared: &Shared, unit: &Unit, shift: &SiteShift, oee: Option<f64>) {
    if shared.request.each_shift {
        let oee = oee.map_or("-".to_owned(), |oee| format!("{:.1}%", oee * 100.0));
        shared.progress.say(&format!("{} {} {} {oee}", unit.code, shift.date, shift.code));
    }
}
