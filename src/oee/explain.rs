//! `oee show --explain`: one shift of one unit, so that a person with paper comes to the same figures.

mod stored;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use tokio_postgres::Client;

use super::calendar::SiteShift;
use super::compute::{self, Work};
use super::history::{CountEntry, History, Rates};
use super::result::{Figures, Input};
use super::{OeeError, Scope, Trouble, need_codes, need_tables, words};
use crate::kpi::calendar::zone_named;
use crate::kpi::elements::Element;
use crate::kpi::indicators::Rate;
use crate::kpi::rational::{NumberError, Rational, sum};
use crate::observe::report::{Report, Table};
use crate::schema::PG_EPOCH_US;
use crate::sink::session::Server;

/// One unit in one shift, with everything that it is made of.
struct Explained<'a> {
    input: Input<'a>,
    history: &'a History,
    figures: Figures,
    zone: TimeZone,
    /// Codes of products by id.
    codes: HashMap<String, String>,
}

/// Explains the shift `CODE@DATE`, or the one of this instance id. Outcome `differs` when the stored result
/// is not what comes out.
///
/// Errors: the server; the set is not there; no such unit, shift, or no data for it.
pub async fn run(
    server: &Server,
    (unit, shift): (&str, &str),
    as_of: Option<i64>,
) -> Result<Report, OeeError> {
    let session = server.connect("millstream oee explain").await?;
    let client = &session.client;
    need_tables(client).await?;
    let date = date_of(client, shift).await?;
    let (from, to) = (Some(date), Some(date));
    let scope = Scope { equipment: vec![unit.to_owned()], from, to, ..Scope::default() };
    need_codes(client, &scope).await?;
    let (plant, work, troubles) = compute::plan(client, &scope, as_of).await?;
    if let (None, Some(Trouble { place, why })) =
        (work.front().and_then(|w| w.shifts.first()), troubles.first())
    {
        return Err(OeeError::Usage(format!("{place} cannot be computed: {why}")));
    }
    let work = work.front().ok_or_else(|| nothing(unit, shift, &[]))?;
    let wanted = |found: &&Arc<SiteShift>| {
        found.instance == shift || format!("{}@{}", found.code, found.date) == shift
    };
    let planned = work.shifts.iter().find(wanted);
    let planned = planned.ok_or_else(|| nothing(unit, shift, &work.shifts))?;
    let rates = Rates { products: &plant.products, unit: work.unit.pri };
    let mut history = History::default();
    history.read(client, (&work.unit, work.known), planned.window, &rates).await?;
    let input = Input::new(&work.unit, planned, &history, work.known)
        .ok_or_else(|| nothing(unit, shift, &work.shifts))?;
    let figures = input.figures().map_err(number)?;
    let site = plant.sites.get(&work.unit.site);
    let zone = site.and_then(|site| zone_named(&site.zone).ok()).unwrap_or(TimeZone::UTC);
    let codes = client.query("select id, code from public.\"Product\"", &[]).await?;
    let codes = codes.iter().map(|row| (row.get(0), row.get(1))).collect();
    let explained = Explained { input, history: &history, figures, zone, codes };
    let mut report = explained.report(work).map_err(number)?;
    explained.compare(client, &mut report).await?;
    Ok(report)
}

fn number(error: NumberError) -> OeeError {
    OeeError::Usage(format!("this shift cannot be computed: {error}"))
}

fn nothing(unit: &str, shift: &str, there: &[Arc<SiteShift>]) -> OeeError {
    let known: Vec<String> = there.iter().map(|s| format!("{}@{}", s.code, s.date)).collect();
    let known = match known.is_empty() {
        true => "there is no shift with data on that date".to_owned(),
        false => format!("there are {}", known.join(", ")),
    };
    OeeError::Usage(format!("{unit} has no shift {shift} with data; {known}"))
}

/// The date of an instance, or of `CODE@DATE`.
async fn date_of(client: &Client, shift: &str) -> Result<Date, OeeError> {
    let sql = "select \"shiftDate\"::text from public.\"ShiftInstance\" where id = $1";
    let stored = client.query_opt(sql, &[&shift]).await?;
    let stored = stored.and_then(|row| row.get::<_, &str>(0).parse().ok());
    let written = || shift.rsplit_once('@').and_then(|(_, date)| date.parse().ok());
    stored.or_else(written).ok_or_else(|| {
        OeeError::Usage(format!(
            "{shift:?} is neither a shift instance's id nor CODE@DATE, such as NIGHT@2025-07-01"
        ))
    })
}

/// Seconds with as many digits as they have.
fn seconds(us: i64) -> String {
    let text = format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A number as a person writes it: whole, or a fraction where its decimals do not end soon.
fn plain(value: Rational) -> String {
    let power = 1_000_000;
    match value.times(Rational::from(power)) {
        Ok(scaled) if scaled.den() == 1 => {
            let (whole, rest) = (value.num() / value.den(), scaled.num() % i128::from(power));
            let sign = if value.num() < 0 && whole == 0 { "-" } else { "" };
            let text = format!("{sign}{whole}.{:06}", rest.abs());
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        _ => format!("{}/{}", value.num(), value.den()),
    }
}

fn known(value: Option<Rational>) -> String {
    value.map_or("unknown".to_owned(), plain)
}

fn rate(value: Rate) -> Value {
    value.map_or(Value::Null, |value| json!(value.rounded(6)))
}

impl Explained<'_> {
    /// An instant on the wall clock of the site, with its offset.
    fn clock(&self, us: i64) -> String {
        let time = Timestamp::from_microsecond(us.saturating_add(PG_EPOCH_US));
        time.map_or(us.to_string(), |time| {
            let text = time.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S%.f %:z");
            text.to_string()
        })
    }

    fn report(&self, work: &Work) -> Result<Report, NumberError> {
        let Input { unit, shift, window, .. } = &self.input;
        let title = format!("{} in {} on {}", unit.code, shift.code, shift.date);
        let mut report = Report::new(title);
        report.fact("equipment", unit.code.clone());
        report.fact("shift_instance", shift.instance.clone());
        report.fact("from", self.clock(window.start));
        report.fact("to", self.clock(window.end));
        report.fact("known_until", self.clock(work.known.until));
        report.tables.push(self.formulas());
        report.tables.push(self.elements()?);
        report.tables.push(self.losses());
        report.tables.push(self.intervals());
        report.tables.push(self.frames());
        report.tables.push(self.counts()?);
        let mut flags = Table::new("Flags", &["flag", "meaning"]);
        for name in self.figures.flags.names() {
            flags.push(vec![json!(name), json!(words::flag(name))]);
        }
        report.tables.push(flags);
        Ok(report)
    }

    /// Every KPI of the row, its formula, and the formula with its figures put in.
    fn formulas(&self) -> Table {
        let Figures { line, made, rates, losses, .. } = &self.figures;
        let time = &line.elements;
        let (apt, pbt) = (seconds(time.apt), seconds(time.pbt));
        let (all, good) = (known(made.ideal_produced), known(made.ideal_good));
        let over = |left: &str, right: &str| format!("{left} / {right}");
        let mut table = Table::new("KPIs", &["KPI", "formula", "with figures", "value"]);
        let upper = format!("({apt} + {}) / {pbt}", seconds(time.unknown));
        let ids = [
            ("availability", "APT / PBT", over(&apt, &pbt), rates.availability),
            ("availability upper", "(APT + UNKNOWN) / PBT", upper, rates.availability_upper),
            ("effectiveness", "Σ PRI×PQ / APT", over(&all, &apt), rates.effectiveness),
            (
                "quality ratio",
                "GQ / PQ",
                over(&plain(made.gq), &plain(made.pq)),
                rates.quality_ratio,
            ),
            (
                "quality by time",
                "Σ PRI×GQ / Σ PRI×PQ",
                over(&good, &all),
                rates.quality_time_weighted,
            ),
            ("OEE", "Σ PRI×GQ / PBT", over(&good, &pbt), rates.oee),
            (
                "NEE",
                "(APT + AUST) / PBT × effectiveness × quality by time",
                format!("{} / {pbt} × {all} / {apt} × {good} / {all}", seconds(time.aupt())),
                rates.nee,
            ),
            (
                "setup ratio",
                "AUST / (APT + AUST)",
                over(&seconds(time.aust), &seconds(time.aupt())),
                rates.setup_ratio,
            ),
            (
                "technical efficiency",
                "APT / (APT + ADET)",
                over(&apt, &seconds(time.apt + time.adet)),
                rates.technical_efficiency,
            ),
            (
                "TEEP (not of ISO 22400)",
                "Σ PRI×GQ / shift",
                over(&good, &seconds(self.input.window.length())),
                losses.teep,
            ),
        ];
        for (name, formula, figures, value) in ids {
            table.push(vec![json!(name), json!(formula), json!(figures), rate(value)]);
        }
        table
    }

    fn elements(&self) -> Result<Table, NumberError> {
        let Figures { line, .. } = &self.figures;
        let (time, taken) = (&line.elements, &line.break_minutes);
        let mut table = Table::new("Elements", &["element", "is", "seconds", "made of"]);
        let mut row = |name: &str, is: &str, us: i64, of: String| {
            table.push(vec![json!(name), json!(is), json!(us as f64 / 1e6), json!(of)]);
        };
        let pieces = |element: Element| -> i64 {
            let those = line.pieces.iter().filter(|piece| piece.element == element);
            those.map(|piece| piece.end - piece.start).sum()
        };
        let minus = |element: Element, taken: i64| {
            let all = seconds(pieces(element));
            match taken {
                0 => format!("{all} of intervals"),
                _ => format!("{all} of intervals − {} of break minutes", seconds(taken)),
            }
        };
        let outside = seconds(pieces(Element::Outside));
        let pot =
            format!("{} of shift − {outside} not scheduled", seconds(self.input.window.length()));
        row("POT", "planned operation time", time.pot, pot);
        let planned = match taken.planned {
            0 => format!("{} of intervals", seconds(pieces(Element::Planned))),
            _ => format!(
                "{} of intervals + {} of break minutes",
                seconds(pieces(Element::Planned)),
                seconds(taken.planned)
            ),
        };
        row("PLANNED", "planned downtime", time.planned, planned);
        let pbt = format!("{} − {}", seconds(time.pot), seconds(time.planned));
        row("PBT", "planned busy time", time.pbt, pbt);
        row("APT", "production", time.apt, minus(Element::Apt, 0));
        row("AUST", "setup", time.aust, minus(Element::Aust, taken.aust));
        row("ADET", "delay in an order", time.adet, minus(Element::Adet, taken.adet));
        row("ADOT", "down without an order", time.adot, minus(Element::Adot, taken.adot));
        row("UNKNOWN", "nothing known", time.unknown, minus(Element::Unknown, taken.unknown));
        Ok(table)
    }

    /// The waterfall from PBT down: with the productive time and what is unknown it is all of it.
    fn losses(&self) -> Table {
        let of = &self.figures.losses;
        let mut table = Table::new("Losses", &["loss", "minutes", "is"]);
        for (name, value, is) in [
            ("breakdownLoss", Some(of.breakdown_loss), "DOWN, in an order or not"),
            ("setupLoss", Some(of.setup_loss), "AUST"),
            ("minorStopLoss", Some(of.minor_stop_loss), "every other stop"),
            ("speedLoss", of.speed_loss, "APT − Σ PRI×PQ"),
            ("defectLoss", of.defect_loss, "Σ PRI×SQ"),
            ("reworkLoss", of.rework_loss, "Σ PRI×RQ"),
            ("productiveTime", of.productive_time, "Σ PRI×GQ"),
            ("unknown", Some(of.unknown), "UNKNOWN"),
        ] {
            table.push(vec![json!(name), rate(value), json!(is)]);
        }
        table
    }

    /// Every stretch of the shift: what it counts for and why.
    fn intervals(&self) -> Table {
        let entries: Vec<_> = self.history.states_in(self.input.window).collect();
        let columns = ["start", "end", "state", "element", "seconds", "why"];
        let mut table = Table::new("Intervals", &columns);
        for piece in &self.figures.line.pieces {
            let entry = piece.row.and_then(|row| entries.get(row));
            let mut why: Vec<&str> = Vec::new();
            match entry {
                None => why.push("no row covers it"),
                Some(entry) => {
                    let row = &entry.row;
                    let covers = |other: &&&super::history::StateEntry| {
                        other.row.start <= piece.start
                            && other.row.end.is_none_or(|end| end > piece.start)
                    };
                    if entries.iter().filter(covers).count() > 1 {
                        why.push("overlap: this row started last");
                    }
                    if row.end.is_none() {
                        why.push("the row has no end");
                    }
                    if row.start < piece.start || row.end.is_some_and(|end| end > piece.end) {
                        why.push("part of a longer row");
                    }
                    why.extend(entry.reason.as_deref());
                }
            }
            if piece.in_break {
                why.push("in a break");
            }
            match piece.in_order {
                Some(true) => why.push("in an order"),
                Some(false) => why.push("in no order"),
                None => (),
            }
            table.push(vec![
                json!(self.clock(piece.start)),
                json!(self.clock(piece.end)),
                json!(entry.map_or("-", |entry| entry.word.as_str())),
                json!(words::element(piece.element)),
                json!((piece.end - piece.start) as f64 / 1e6),
                json!(why.join("; ")),
            ]);
        }
        table
    }

    /// Breaks and orders.
    fn frames(&self) -> Table {
        let mut table = Table::new("Breaks and orders", &["what", "start", "end", "minutes"]);
        let breaks = self.input.shift.breaks.iter().map(|window| ("break", window));
        let orders = self.input.orders.iter().flatten().map(|window| ("order", window));
        for (what, window) in breaks.chain(orders) {
            let minutes = window.length() as f64 / 6e7;
            let (start, end) = (self.clock(window.start), self.clock(window.end));
            table.push(vec![json!(what), json!(start), json!(end), json!(minutes)]);
        }
        if self.input.shift.break_minutes > 0 {
            let minutes = json!(self.input.shift.break_minutes);
            table.push(vec![
                json!("break, at a time nobody knows"),
                Value::Null,
                Value::Null,
                minutes,
            ]);
        }
        table
    }

    /// What was made, by product and cycle time.
    fn counts(&self) -> Result<Table, NumberError> {
        let columns =
            ["product", "rows", "PRI s", "good", "scrap", "rework", "PQ", "PRI×PQ s", "PRI×GQ s"];
        let mut table = Table::new("Counts by product", &columns);
        let mut by_product: BTreeMap<(&str, Option<Rational>), Vec<&CountEntry>> = BTreeMap::new();
        for entry in self.history.counts_in(self.input.window) {
            let product = entry.product.as_deref().unwrap_or("(none)");
            let product = self.codes.get(product).map_or(product, String::as_str);
            by_product.entry((product, entry.row.pri)).or_default().push(entry);
        }
        for ((product, pri), entries) in by_product {
            let column =
                |of: fn(&CountEntry) -> Rational| sum(entries.iter().map(|entry| of(entry)));
            let good = column(|entry| entry.row.good)?;
            let scrap = column(|entry| entry.row.scrap)?;
            let rework = column(|entry| entry.row.rework)?;
            let made = good.plus(scrap)?.plus(rework)?;
            let ideal = |pieces: Rational| pri.map(|pri| pri.times(pieces)).transpose();
            table.push(vec![
                json!(product),
                json!(entries.len()),
                json!(known(pri)),
                json!(plain(good)),
                json!(plain(scrap)),
                json!(plain(rework)),
                json!(plain(made)),
                json!(known(ideal(made)?)),
                json!(known(ideal(good)?)),
            ]);
        }
        Ok(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_as_a_person_writes_them() {
        let cases = [("12", "12"), ("1.5", "1.5"), ("-0.25", "-0.25"), ("1/3", "1/3"), ("0", "0")];
        for (text, written) in cases {
            assert_eq!(plain(Rational::parse(text).unwrap()), written);
        }
        assert_eq!(seconds(27_000_500_000), "27000.5");
        assert_eq!(seconds(0), "0");
    }
}
