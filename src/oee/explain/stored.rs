//! The stored row against what comes out of the tables now.

use serde_json::json;
use tokio_postgres::{Client, Row};

use super::super::OeeError;
use super::super::result::{Figures, Input};
use super::Explained;
use crate::kpi::rational::Rational;
use crate::observe::report::{Report, Table};
use crate::schema::quote;
use crate::sink::ledger::PgTime;

/// A stored rate and one computed again are the same double, or one of them is wrong.
const RATES_APART_MAX: f64 = 1e-12;

/// Columns before the numbers.
const NUMBERS_AT: usize = 4;

impl Explained<'_> {
    /// Holds the stored row against what comes out now.
    pub(super) async fn compare(
        &self,
        client: &Client,
        report: &mut Report,
    ) -> Result<(), OeeError> {
        let now = self.numbers();
        let columns: Vec<String> =
            now.iter().map(|(column, _)| format!("{}::float8", quote(column))).collect();
        let sql = format!(
            "select \"inputDigest\", \"calculatedAt\"::text, array_remove(flags, null), \"timestamp\", \
                   {} from public.oee_calculations \
                   where \"equipmentId\" = $1 and \"shiftInstanceId\" = $2 \
                   and \"shiftDate\" = $3::text::date",
            columns.join(", ")
        );
        let Input { unit, shift, .. } = &self.input;
        let date = shift.date.to_string();
        let stored = client.query_opt(&sql, &[&unit.id, &shift.instance, &date]).await?;
        let Some(stored) = stored else {
            report.fact("stored", "no");
            report.note("No result is stored: run `millstream oee compute`.");
            return Ok(());
        };
        report.fact("stored", "yes");
        report.fact("calculated_at", stored.get::<_, String>(1));
        let differing = self.differing(&stored, &now);
        if differing.rows.is_empty() {
            report.note("The stored result is what comes out of the tables now.");
        } else {
            "differs".clone_into(&mut report.outcome);
            let mut note =
                "The stored result DIFFERS from what comes out of the tables now".to_owned();
            let digest: Option<&[u8]> = stored.get(0);
            note.push_str(match digest == Some(&self.input.digest().to_be_bytes()[..]) {
                true => ": the row was changed by somebody else; `oee compute` does not see that, since \
                         its inputs are as they were. Delete the row and compute.",
                false => ": its inputs have changed since. Run `millstream oee compute`.",
            });
            report.note(note);
            report.tables.push(differing);
        }
        Ok(())
    }

    /// Every number of the row, as it is written. Which unit, shift and work center it is of stays as it was.
    fn numbers(&self) -> Vec<(&'static str, Option<f64>)> {
        let Figures { line, made, rates, losses, .. } = &self.figures;
        let time = &line.elements;
        let seconds = |us: i64| Some(us as f64 / 1e6);
        let number = |value: Option<Rational>| value.map(Rational::to_f64);
        // These columns have no null.
        let loss = |value: Option<Rational>| Some(number(value).unwrap_or(0.0));
        vec![
            ("plannedTime", number(Some(losses.planned_time))),
            ("availableTime", number(Some(losses.available_time))),
            ("operatingTime", number(Some(losses.operating_time))),
            ("netOperatingTime", number(losses.net_operating_time)),
            ("productiveTime", number(losses.productive_time)),
            ("availability", number(rates.availability)),
            ("performance", number(rates.effectiveness)),
            ("quality", number(rates.quality_ratio)),
            ("oee", number(rates.oee)),
            ("teep", number(losses.teep)),
            ("totalProduced", number(Some(made.pq))),
            ("goodProduced", number(Some(made.gq))),
            ("defectCount", number(Some(made.sq))),
            ("reworkCount", number(Some(made.rq))),
            ("breakdownLoss", loss(Some(losses.breakdown_loss))),
            ("setupLoss", loss(Some(losses.setup_loss))),
            ("minorStopLoss", loss(Some(losses.minor_stop_loss))),
            ("speedLoss", loss(losses.speed_loss)),
            ("defectLoss", loss(losses.defect_loss)),
            ("reworkLoss", loss(losses.rework_loss)),
            ("potSeconds", seconds(time.pot)),
            ("plannedSeconds", seconds(time.planned)),
            ("pbtSeconds", seconds(time.pbt)),
            ("aptSeconds", seconds(time.apt)),
            ("austSeconds", seconds(time.aust)),
            ("adetSeconds", seconds(time.adet)),
            ("adotSeconds", seconds(time.adot)),
            ("unknownSeconds", seconds(time.unknown)),
            ("idealProducedSeconds", number(made.ideal_produced)),
            ("idealGoodSeconds", number(made.ideal_good)),
            ("availabilityUpper", number(rates.availability_upper)),
        ]
    }

    fn differing(&self, stored: &Row, now: &[(&str, Option<f64>)]) -> Table {
        let mut table = Table::new("Stored and computed", &["column", "stored", "computed now"]);
        for (at, (column, now)) in now.iter().enumerate() {
            let was: Option<f64> = stored.get(NUMBERS_AT + at);
            let same = match (was, *now) {
                (Some(was), Some(now)) => (was - now).abs() <= RATES_APART_MAX * now.abs().max(1.0),
                (was, now) => was.is_none() == now.is_none(),
            };
            if !same {
                table.push(vec![json!(column), json!(was), json!(now)]);
            }
        }
        let start = stored.get::<_, PgTime>(3).0;
        if start != self.input.window.start {
            let (was, now) = (self.clock(start), self.clock(self.input.window.start));
            table.push(vec![json!("timestamp"), json!(was), json!(now)]);
        }
        let (were, are): (Vec<String>, _) = (stored.get(2), self.figures.flags.names());
        if were != are {
            table.push(vec![json!("flags"), json!(were.join(", ")), json!(are.join(", "))]);
        }
        table
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_column_that_is_written_is_compared() {
        let page = include_str!("stored.rs");
        // The key, what stays as it was, and what is told of in words.
        let others =
            ["id", "equipmentId", "shiftInstanceId", "shiftDate", "workCenterId", "inputDigest"];
        let (code, _) = page.split_once("cfg(test)").unwrap();
        for column in super::super::super::result::COLUMNS {
            let compared = code.contains(&format!("\"{column}\""));
            assert!(compared || others.contains(&column), "{column}");
        }
    }
}
