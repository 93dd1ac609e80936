//! The stored row against what comes out of the tables now.

use serde_json::json;
use tokio_postgres::{Client, Row};

use super::super::OeeError;
use super::super::result::{Figures, Input};
use super::Explained;
use crate::kpi::rational::Rational;
use crate::observe::report::{Report, Table};

/// A stored rate and one computed again are the same double, or one of them is wrong.
const RATES_APART_MAX: f64 = 1e-12;

impl Explained<'_> {
    /// Holds the stored row against what comes out now.
    pub(super) async fn compare(
        &self,
        client: &Client,
        report: &mut Report,
    ) -> Result<(), OeeError> {
        let sql = "select availability, performance, quality, oee, \"potSeconds\"::float8, \
                   \"pbtSeconds\"::float8, \"aptSeconds\"::float8, \"unknownSeconds\"::float8, \
                   \"totalProduced\"::float8, \"goodProduced\"::float8, \"idealGoodSeconds\"::float8, \
                   \"inputDigest\", \"calculatedAt\"::text, array_remove(flags, null) from public.oee_calculations \
                   where \"equipmentId\" = $1 and \"shiftInstanceId\" = $2 \
                   and \"shiftDate\" = $3::text::date";
        let Input { unit, shift, .. } = &self.input;
        let date = shift.date.to_string();
        let stored = client.query_opt(sql, &[&unit.id, &shift.instance, &date]).await?;
        let Some(stored) = stored else {
            report.fact("stored", "no");
            report.note("No result is stored: run `millstream oee compute`.");
            return Ok(());
        };
        report.fact("stored", "yes");
        report.fact("calculated_at", stored.get::<_, String>(12));
        let differing = self.differing(&stored);
        if differing.rows.is_empty() {
            report.note("The stored result is what comes out of the tables now.");
        } else {
            "differs".clone_into(&mut report.outcome);
            let mut note =
                "The stored result DIFFERS from what comes out of the tables now".to_owned();
            let digest: Option<&[u8]> = stored.get(11);
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

    fn differing(&self, stored: &Row) -> Table {
        let Figures { line, made, rates, flags, .. } = &self.figures;
        let seconds = |us: i64| Some(us as f64 / 1e6);
        let number = |value: Option<Rational>| value.map(Rational::to_f64);
        let now = [
            ("availability", number(rates.availability)),
            ("performance", number(rates.effectiveness)),
            ("quality", number(rates.quality_ratio)),
            ("oee", number(rates.oee)),
            ("potSeconds", seconds(line.elements.pot)),
            ("pbtSeconds", seconds(line.elements.pbt)),
            ("aptSeconds", seconds(line.elements.apt)),
            ("unknownSeconds", seconds(line.elements.unknown)),
            ("totalProduced", number(Some(made.pq))),
            ("goodProduced", number(Some(made.gq))),
            ("idealGoodSeconds", number(made.ideal_good)),
        ];
        let mut table = Table::new("Stored and computed", &["column", "stored", "computed now"]);
        for (at, (column, now)) in now.into_iter().enumerate() {
            let was: Option<f64> = stored.get(at);
            let same = match (was, now) {
                (Some(was), Some(now)) => (was - now).abs() <= RATES_APART_MAX * now.abs().max(1.0),
                (was, now) => was.is_none() == now.is_none(),
            };
            if !same {
                table.push(vec![json!(column), json!(was), json!(now)]);
            }
        }
        let were: Vec<String> = stored.get(13);
        if were != flags.names() {
            table.push(vec![
                json!("flags"),
                json!(were.join(", ")),
                json!(flags.names().join(", ")),
            ]);
        }
        table
    }
}
