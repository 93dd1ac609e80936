//! Where the planned busy time went, by reason: the rows of `equipment_states` as the time model cut them.
//! Breaks of which only the length is known are still in it, since nobody knows which stop they were.

use std::collections::BTreeMap;

use serde_json::json;
use tokio_postgres::Client;

use super::compute::{self, SLICE, Work};
use super::history::{History, Rates};
use super::plant::Plant;
use super::result::Input;
use super::{Scope, Trouble, words};
use crate::kpi::elements::Element;
use crate::observe::chart::{Bar, Bars, Chart};
use crate::observe::report::Table;
use crate::sink::SinkError;

/// Bars of the chart; the table has all.
const BARS_MAX: usize = 15;

/// Reason or else state, and what it counts for: microseconds and number of stretches.
type Sums = BTreeMap<(String, &'static str), (i64, u64)>;
/// One of them.
type Sum = ((String, &'static str), (i64, u64));

/// Losses of availability, the longest first.
pub(super) async fn pareto(
    client: &Client,
    scope: &Scope,
) -> Result<(Table, Option<Chart>, Vec<Trouble>), SinkError> {
    let (plant, work, troubles) = compute::plan(client, scope, None).await?;
    let mut sums = Sums::new();
    for work in &work {
        of_unit(client, &plant, work, &mut sums).await?;
    }
    let mut all: Vec<Sum> = sums.into_iter().collect();
    all.sort_by(|left, right| right.1.0.cmp(&left.1.0).then_with(|| left.0.cmp(&right.0)));
    let total: i64 = all.iter().map(|(_, (us, _))| us).sum();
    let mut table =
        Table::new("Losses by reason", &["reason", "counts as", "hours", "share %", "stretches"]);
    for ((reason, element), (us, count)) in &all {
        let share = *us as f64 / total.max(1) as f64 * 100.0;
        table.push(vec![
            json!(reason),
            json!(element),
            json!((hours(*us) * 100.0).round() / 100.0),
            json!((share * 10.0).round() / 10.0),
            json!(count),
        ]);
    }
    let bar = |((reason, element), (us, _)): &Sum| Bar {
        label: format!("{reason} ({element})"),
        from: 0.0,
        length: hours(*us),
        loss: true,
    };
    let bars: Vec<Bar> = all.iter().take(BARS_MAX).map(bar).collect();
    let chart = Bars { title: "Longest losses".to_owned(), unit: "h".to_owned(), bars };
    Ok((table, (!all.is_empty()).then_some(Chart::Bars(chart)), troubles))
}

fn hours(us: i64) -> f64 {
    us as f64 / 3.6e9
}

async fn of_unit(
    client: &Client,
    plant: &Plant,
    work: &Work,
    sums: &mut Sums,
) -> Result<(), SinkError> {
    let rates = Rates { products: &plant.products, unit: work.unit.pri };
    let mut history = History::default();
    for shifts in work.shifts.chunks(SLICE) {
        history.read(client, (&work.unit, work.known), compute::hull(shifts), &rates).await?;
        for shift in shifts {
            let Some(input) = Input::new(&work.unit, shift, &history, work.known) else { continue };
            let entries: Vec<_> = history.states_in(input.window).collect();
            for piece in &input.line().pieces {
                if !matches!(
                    piece.element,
                    Element::Aust | Element::Adet | Element::Adot | Element::Unknown
                ) {
                    continue;
                }
                let entry = piece.row.and_then(|row| entries.get(row));
                let reason = entry.map_or("no data", |entry| {
                    entry
                        .reason
                        .as_deref()
                        .filter(|reason| !reason.is_empty())
                        .unwrap_or(&entry.word)
                });
                let sum =
                    sums.entry((reason.to_owned(), words::element(piece.element))).or_default();
                *sum = (sum.0 + piece.end - piece.start, sum.1 + 1);
            }
        }
    }
    Ok(())
}
