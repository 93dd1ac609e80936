//! States and counts of one unit, read along its shifts: what began before a slice is carried into it.

use std::collections::HashMap;

use tokio_postgres::Client;

use super::plant::Unit;
use super::result::Known;
use crate::kpi::elements::StateRow;
use crate::kpi::quantities::CountRow;
use crate::kpi::rational::Rational;
use crate::kpi::state::{Category, State};
use crate::kpi::window::Window;
use crate::sink::SinkError;
use crate::sink::ledger::PgTime;

/// A row of `equipment_states`, or the open state of `"Equipment"`.
#[derive(Clone, Debug)]
pub(super) struct StateEntry {
    pub(super) row: StateRow,
    /// The state's word, as stored.
    pub(super) word: String,
    pub(super) reason: Option<String>,
}

/// A row of `production_counts`.
#[derive(Clone, Debug)]
pub(super) struct CountEntry {
    pub(super) row: CountRow,
    pub(super) product: Option<String>,
}

/// What is known of one unit around the slice that was read last.
#[derive(Debug, Default)]
pub(super) struct History {
    /// By start.
    pub(super) states: Vec<StateEntry>,
    pub(super) counts: Vec<CountEntry>,
    read_to: Option<i64>,
}

const STATE_COLUMNS: &str = "s.\"startTime\", s.\"endTime\", s.state, s.\"stateCategory\", s.reason \
    from public.equipment_states s where s.\"equipmentId\" = $1";

/// Of the rows before the first slice: those that reach into it, and the last one, which may be open.
const BEFORE: &str = "and s.\"timestamp\" < $2 and (s.\"endTime\" > $2 or s.\"timestamp\" = \
    (select max(l.\"timestamp\") from public.equipment_states l \
     where l.\"equipmentId\" = $1 and l.\"timestamp\" < $2))";

const COUNTS: &str = "select \"timestamp\", \"goodCount\", \"rejectCount\", \"reworkCount\", \
    \"totalCount\", \"productId\" from public.production_counts \
    where \"equipmentId\" = $1 and \"timestamp\" >= $2 and \"timestamp\" < $3";

/// What counts for a piece: the product's PRI, else the unit's.
pub(super) struct Rates<'a> {
    pub(super) products: &'a HashMap<String, Rational>,
    pub(super) unit: Option<Rational>,
}

impl History {
    /// Reads on so that everything of `slice` is there; slices come in the order of time.
    pub(super) async fn read(
        &mut self,
        client: &Client,
        (unit, known): (&Unit, Known),
        slice: Window,
        rates: &Rates<'_>,
    ) -> Result<(), SinkError> {
        let (from, first) = match self.read_to {
            Some(read_to) => (read_to, false),
            None => (slice.start, true),
        };
        if first {
            let sql = format!("select {STATE_COLUMNS} {BEFORE}");
            let rows = client.query(&sql, &[&unit.id, &PgTime(from)]).await?;
            self.states.extend(rows.iter().map(state));
            self.states.extend(open(unit, known));
        }
        self.forget(slice.start);
        if slice.end > from {
            let bounds: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
                [&unit.id, &PgTime(from), &PgTime(slice.end)];
            let sql = format!(
                "select {STATE_COLUMNS} and s.\"timestamp\" >= $2 and s.\"timestamp\" < $3"
            );
            self.states.extend(client.query(&sql, &bounds).await?.iter().map(state));
            let rows = client.query(COUNTS, &bounds).await?;
            self.counts.extend(rows.iter().map(|row| count(row, rates)));
            self.read_to = Some(slice.end);
        }
        // One order for one set of rows, whatever order the server has: the digest is over it.
        self.states.sort_unstable_by(|left, right| {
            let key = |entry: &StateEntry| (entry.row.start, entry.row.end, entry.row.category);
            key(left).cmp(&key(right)).then_with(|| left.word.cmp(&right.word))
        });
        self.counts.sort_unstable_by(|left, right| {
            let key = |entry: &CountEntry| {
                let row = &entry.row;
                (row.at, row.good, row.scrap, row.rework, row.total, row.pri)
            };
            key(left).cmp(&key(right)).then_with(|| left.product.cmp(&right.product))
        });
        Ok(())
    }

    /// Lets go of what ended before `from`. An open row lasts to the next start.
    fn forget(&mut self, from: i64) {
        let last = self.states.iter().map(|entry| entry.row.start).filter(|at| *at < from).max();
        self.states.retain(|entry| {
            let row = &entry.row;
            row.start >= from || row.end.is_some_and(|end| end > from) || Some(row.start) == last
        });
        self.counts.retain(|entry| entry.row.at >= from);
    }

    /// Rows that `window` is made of. Where the last of them is open, also the one that ends it.
    pub(super) fn states_in(&self, window: Window) -> impl Iterator<Item = &StateEntry> {
        let behind = self.states.partition_point(|entry| entry.row.start < window.end);
        let (before, after) = self.states.split_at(behind);
        let last_before =
            before.iter().rev().map(|entry| entry.row.start).find(|start| *start < window.start);
        let is_open = before.last().is_some_and(|entry| entry.row.end.is_none());
        // An open row from before the window holds in it only if no other began until then.
        let covers = move |row: &StateRow| match row.end {
            Some(end) => end > window.start,
            None => row.start >= window.start || Some(row.start) == last_before,
        };
        before
            .iter()
            .filter(move |entry| covers(&entry.row))
            .chain(after.iter().take(usize::from(is_open)))
    }

    /// Rows that were counted in `window`.
    pub(super) fn counts_in(&self, window: Window) -> &[CountEntry] {
        let from = self.counts.partition_point(|entry| entry.row.at < window.start);
        let to = self.counts.partition_point(|entry| entry.row.at < window.end);
        self.counts.get(from..to).unwrap_or_default()
    }
}

fn state(row: &tokio_postgres::Row) -> StateEntry {
    let (word, category): (&str, &str) = (row.get(2), row.get(3));
    StateEntry {
        row: StateRow {
            start: row.get::<_, PgTime>(0).0,
            // Without end is what `infinity` means, too.
            end: row.get::<_, Option<PgTime>>(1).map(|end| end.0).filter(|end| *end < i64::MAX),
            state: State::canonical(word),
            category: Category::named(category),
        },
        word: word.to_owned(),
        reason: row.get(4),
    }
}

/// The state that a unit is in now: known up to when it was last seen, and not a moment longer.
fn open(unit: &Unit, known: Known) -> Option<StateEntry> {
    let (word, since) = unit.open.as_ref()?;
    let state = State::canonical(word);
    let end = unit.last_seen.filter(|seen| *seen < known.until && !known.asked);
    if end.is_some_and(|end| end <= *since) {
        return None;
    }
    let category = state.map(State::category);
    let row = StateRow { start: *since, end, state, category };
    Some(StateEntry { row, word: word.clone(), reason: None })
}

fn count(row: &tokio_postgres::Row, rates: &Rates<'_>) -> CountEntry {
    let number = |at: usize| Rational::from(row.get::<_, i64>(at));
    let product: Option<String> = row.get(5);
    let own = product.as_ref().and_then(|product| rates.products.get(product));
    CountEntry {
        row: CountRow {
            at: row.get::<_, PgTime>(0).0,
            good: number(1),
            scrap: number(2),
            rework: number(3),
            total: Some(number(4)),
            pri: own.copied().or(rates.unit),
        },
        product,
    }
}
