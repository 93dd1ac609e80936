//! Counts and readings of counters to increments: what `production_counts` holds.
//!
//! A reading counts what came before it, so its increment belongs to the time before the reading: it is
//! stamped with the last microsecond of it, and a reading at the very end of a shift counts for that shift.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::stage::{Column, Record, Step, Taken, place, text_or_null};
use super::{Reason, Refusal};
use crate::config::stage::{CountsMode, CountsPlan};
use crate::kpi::counter::{self, Delta};
use crate::schema::{Datum, PgType};

/// In front of a counter's name in the ledger.
const PREFIX: &str = "counts ";

/// Turns records into increments.
#[derive(Debug)]
pub struct Counts {
    plan: CountsPlan,
    fields: Fields,
    counters: HashMap<String, Counter>,
    changed: BTreeSet<String>,
}

#[derive(Debug)]
struct Fields {
    equipment: Option<usize>,
    counter: Option<usize>,
    at: Option<usize>,
    /// total, good, scrap, rework
    values: [Option<usize>; 4],
    order: Option<usize>,
    product: Option<usize>,
    operator: Option<usize>,
    cycle: Option<usize>,
}

/// What is kept of a counter: its last reading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Counter {
    /// µs since 2000.
    at: i64,
    /// total, good, scrap, rework; what the source does not count is null.
    values: [Option<i64>; 4],
    rollovers: u64,
    resets: u64,
}

/// The columns of a record.
pub(super) fn record() -> Vec<Column> {
    vec![
        ("equipment", PgType::Varchar(36), true),
        ("counter", PgType::Text, false),
        ("at", PgType::Timestamptz(6), true),
        ("total", PgType::Int8, false),
        ("good", PgType::Int8, false),
        ("scrap", PgType::Int8, false),
        ("rework", PgType::Int8, false),
        ("order", PgType::Varchar(36), false),
        ("product", PgType::Varchar(36), false),
        ("operator", PgType::Varchar(36), false),
        ("cycle", PgType::Float8, false),
    ]
}

/// The columns it writes. The id is NULL: a random one is nearly all that is left of a compressed chunk.
pub(super) fn output() -> Vec<(&'static str, PgType)> {
    vec![
        ("timestamp", PgType::Timestamptz(6)),
        ("id", PgType::Varchar(36)),
        ("equipmentId", PgType::Varchar(36)),
        ("totalCount", PgType::Int8),
        ("goodCount", PgType::Int8),
        ("rejectCount", PgType::Int8),
        ("reworkCount", PgType::Int8),
        ("productionOrderId", PgType::Varchar(36)),
        ("productId", PgType::Varchar(36)),
        ("operatorId", PgType::Varchar(36)),
        ("actualCycleTime", PgType::Float8),
    ]
}

impl Counts {
    pub(super) fn new(plan: &CountsPlan, fields: &[&str]) -> Self {
        let at = |column| place(fields, column);
        Self {
            plan: plan.clone(),
            fields: Fields {
                equipment: at("equipment"),
                counter: at("counter"),
                at: at("at"),
                values: [at("total"), at("good"), at("scrap"), at("rework")],
                order: at("order"),
                product: at("product"),
                operator: at("operator"),
                cycle: at("cycle"),
            },
            counters: HashMap::new(),
            changed: BTreeSet::new(),
        }
    }

    /// What the counter counted since its last reading, and the counter as it stands then.
    fn read_counter(
        &self,
        key: &str,
        (at, values): (i64, [Option<i64>; 4]),
    ) -> Result<(Reading, Counter), Refusal> {
        let Some(counter) = self.counters.get(key) else {
            return Ok((Reading::First, Counter { at, values, rollovers: 0, resets: 0 }));
        };
        let mut counter = counter.clone();
        if at < counter.at {
            return Err(Refusal::at(self.fields.at, Reason::Late));
        }
        if (at, values) == (counter.at, counter.values) {
            return Ok((Reading::Same, counter));
        }
        let mut counted = [None; 4];
        for ((counted, before), now) in counted.iter_mut().zip(&mut counter.values).zip(values) {
            let (Some(last), Some(now)) = (*before, now) else {
                // A value that is missing once counted nothing this time, and is not made up from the
                // others: the next one counts from the last that was there. At its first it counts nothing.
                *counted = before.or(now).map(|_| 0);
                *before = now.or(*before);
                continue;
            };
            let delta = counter::delta(last, now, self.plan.modulus, self.plan.max_delta);
            counter.rollovers += u64::from(matches!(delta, Delta::Rollover(_)));
            counter.resets += u64::from(matches!(delta, Delta::Reset(_)));
            *before = Some(now);
            *counted = Some(delta.pieces());
        }
        counter.at = at;
        Ok((Reading::Counted(counted), counter))
    }

    fn hand_out(
        &self,
        record: &Record,
        (at, counts): (i64, [Option<i64>; 4]),
        out: &mut dyn FnMut(&[Datum<'_>]),
    ) -> Result<(), Refusal> {
        let too_large = || Refusal::at(self.fields.values[0], Reason::OutOfRange);
        let [total, good, scrap, rework] = counts;
        let scrap = scrap.or_else(|| rest(total, good, rework)).unwrap_or(0);
        let rework = rework.unwrap_or(0);
        let bad = scrap.checked_add(rework).ok_or_else(too_large)?;
        let (total, good) = match (total, good) {
            (Some(total), Some(good)) => (total, good),
            (Some(total), None) => (total, total.checked_sub(bad).ok_or_else(too_large)?),
            (None, Some(good)) => (good.checked_add(bad).ok_or_else(too_large)?, good),
            // Bad ones alone are what was made; with a total of 0 they are taken from the good ones.
            (None, None) if bad != 0 => (bad, 0),
            (None, None) => {
                let counted = self.fields.values.into_iter().flatten().next();
                return Err(Refusal::at(counted, Reason::NotNull));
            }
        };
        let fields = &self.fields;
        out(&[
            Datum::Timestamp(at - i64::from(self.plan.stamp_before)),
            Datum::Null,
            text_or_null(record.text(fields.equipment)),
            Datum::Int8(total),
            Datum::Int8(good),
            Datum::Int8(scrap),
            Datum::Int8(rework),
            text_or_null(record.text(fields.order)),
            text_or_null(record.text(fields.product)),
            text_or_null(record.text(fields.operator)),
            record.real(fields.cycle).map_or(Datum::Null, Datum::Float8),
        ]);
        Ok(())
    }

    /// What was decided: counters that rolled over, and that were set back.
    pub(super) fn told(&self) -> Vec<String> {
        let rollovers: u64 = self.counters.values().map(|counter| counter.rollovers).sum();
        let resets: u64 = self.counters.values().map(|counter| counter.resets).sum();
        let mut told = Vec::new();
        if rollovers > 0 {
            told.push(format!("{rollovers} counters rolled over and were counted on"));
        }
        if resets > 0 {
            told.push(format!(
                "{resets} counters were set back: what they show after it was counted, what was made between \
                 the last reading and the reset is in no source"
            ));
        }
        told
    }
}

enum Reading {
    First,
    Same,
    Counted([Option<i64>; 4]),
}

impl Step for Counts {
    fn step(
        &mut self,
        record: &Record,
        out: &mut dyn FnMut(&[Datum<'_>]),
    ) -> Result<Taken, Refusal> {
        let at = record.instant(self.fields.at)?;
        let values = self.fields.values.map(|field| record.whole(field));
        if self.plan.mode == CountsMode::Event {
            self.hand_out(record, (at, values), out)?;
            return Ok(Taken::Used);
        }
        let equipment = record.text(self.fields.equipment).unwrap_or_default();
        let key = match record.text(self.fields.counter) {
            Some(counter) => format!("{equipment} {counter}"),
            None => equipment.to_owned(),
        };
        let (reading, counter) = self.read_counter(&key, (at, values))?;
        match reading {
            Reading::Same => return Ok(Taken::Duplicate),
            Reading::Counted(counted) if counted.iter().flatten().any(|count| *count != 0) => {
                self.hand_out(record, (at, counted), out)?;
            }
            Reading::First | Reading::Counted(_) => {}
        }
        self.changed.insert(key.clone());
        self.counters.insert(key, counter);
        Ok(Taken::Used)
    }

    fn changed(&mut self) -> Vec<(String, Vec<u8>)> {
        let changed = std::mem::take(&mut self.changed);
        let kept = changed.into_iter().filter_map(|key| {
            let bytes = serde_json::to_vec(self.counters.get(&key)?).ok()?;
            Some((format!("{PREFIX}{key}"), bytes))
        });
        kept.collect()
    }

    fn restore(&mut self, state: &[(String, Vec<u8>)]) -> bool {
        for (key, bytes) in state {
            let Some(key) = key.strip_prefix(PREFIX) else { continue };
            let Ok(counter) = serde_json::from_slice(bytes) else { return false };
            self.counters.insert(key.to_owned(), counter);
        }
        true
    }
}

/// What is neither good nor to be worked on again, where the source counts all and the good ones alone. More
/// good ones than there are in all are a contradiction, which is left to be seen.
fn rest(total: Option<i64>, good: Option<i64>, rework: Option<i64>) -> Option<i64> {
    let total = total?;
    let rest = total.checked_sub(good?)?.checked_sub(rework.unwrap_or(0))?;
    (rest.signum() * total.signum() >= 0).then_some(rest)
}

#[cfg(test)]
mod tests;
