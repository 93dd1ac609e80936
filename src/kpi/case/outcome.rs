//! What a case comes to, in the words of `fixtures/kpi.json`.

use serde_json::{Map, Value, json};

use crate::kpi::elements::Elements;
use crate::kpi::flag::Flags;
use crate::kpi::indicators::{Indicators, Rate};
use crate::kpi::quantities::Quantities;
use crate::kpi::rational::Rational;
use crate::kpi::window::{EPOCH_US, Window};

/// Decimals of an element, of the seconds that microseconds are.
const ELEMENT_PLACES: u32 = 6;

/// Decimals of a KPI's value beside its fraction.
const KPI_PLACES: u32 = 9;

/// Elements, KPIs and flags of one case.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The shift.
    pub window: Window,
    time: Elements,
    elements: Vec<(&'static str, Rational)>,
    kpis: Vec<(&'static str, Rate)>,
    /// What is implausible or was mended.
    pub flags: Flags,
}

impl Outcome {
    pub(super) fn new(window: Window, time: &Elements, made: &Quantities, flags: Flags) -> Self {
        let seconds = |us: i64| {
            // A million divides without a remainder that could not fit.
            Rational::new(i128::from(us), 1_000_000).unwrap_or_default()
        };
        let elements = vec![
            ("POT", seconds(time.pot)),
            ("PLANNED", seconds(time.planned)),
            ("PBT", seconds(time.pbt)),
            ("APT", seconds(time.apt)),
            ("AUST", seconds(time.aust)),
            ("AUPT", seconds(time.aupt())),
            ("ADET", seconds(time.adet)),
            ("AUBT", seconds(time.aubt())),
            ("ADOT", seconds(time.adot)),
            ("UNKNOWN", seconds(time.unknown)),
            ("PQ", made.pq),
            ("GQ", made.gq),
            ("SQ", made.sq),
            ("RQ", made.rq),
        ];
        Self { window, time: *time, elements, kpis: Vec::new(), flags }
    }

    /// The time model.
    pub fn elements(&self) -> Elements {
        self.time
    }

    pub(super) fn ideal_times(&mut self, priced: &Quantities) {
        self.elements.push(("IDEAL_PQ", priced.ideal_produced.unwrap_or_default()));
        self.elements.push(("IDEAL_GQ", priced.ideal_good.unwrap_or_default()));
    }

    pub(super) fn kpi(&mut self, name: &'static str, rate: Rate) {
        self.kpis.push((name, rate));
    }

    pub(super) fn rates(&mut self, rates: &Indicators) {
        self.kpis.extend([
            ("availability", rates.availability),
            ("availability_upper", rates.availability_upper),
            ("effectiveness", rates.effectiveness),
            ("quality_ratio", rates.quality_ratio),
            ("quality_time_weighted", rates.quality_time_weighted),
            ("oee", rates.oee),
            ("nee", rates.nee),
            ("allocation_efficiency", rates.allocation_efficiency),
            ("utilization_efficiency", rates.utilization_efficiency),
            ("setup_ratio", rates.setup_ratio),
            ("technical_efficiency", rates.technical_efficiency),
            ("scrap_ratio", rates.scrap_ratio),
            ("rework_ratio", rates.rework_ratio),
        ]);
    }

    /// Elements by name, in the order of the time model: seconds and pieces.
    pub fn named_elements(&self) -> impl Iterator<Item = (&'static str, Rational)> {
        self.elements.iter().copied()
    }

    /// KPIs by name; none is a rate that does not exist.
    pub fn named_kpis(&self) -> impl Iterator<Item = (&'static str, Rate)> {
        self.kpis.iter().copied()
    }

    /// Start and end as text in UTC.
    pub fn window_text(&self) -> (String, String) {
        let text = |us: i64| {
            let instant = us.checked_add(EPOCH_US).map(jiff::Timestamp::from_microsecond);
            instant.and_then(Result::ok).map(|at| at.to_string()).unwrap_or_default()
        };
        (text(self.window.start), text(self.window.end))
    }

    /// `window`, `elements`, `kpis` (exact fraction and value) and `flags`.
    pub fn json(&self) -> Value {
        let elements: Map<String, Value> =
            self.named_elements().map(|(name, value)| (name.to_owned(), number(value))).collect();
        let kpi = |rate: Rational| json!({ "fraction": rate.to_string(), "value": rate.rounded(KPI_PLACES) });
        let kpis: Map<String, Value> = self
            .named_kpis()
            .map(|(name, rate)| (name.to_owned(), rate.map_or(Value::Null, kpi)))
            .collect();
        let (start, end) = self.window_text();
        json!({
            "window": { "start": start, "end": end },
            "elements": elements,
            "kpis": kpis,
            "flags": self.flags.names(),
        })
    }
}

/// Whole where it is whole.
fn number(value: Rational) -> Value {
    match i64::try_from(value.num()) {
        Ok(whole) if value.den() == 1 => json!(whole),
        _ => json!(value.rounded(ELEMENT_PLACES)),
    }
}
