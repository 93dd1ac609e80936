//! One unit in one shift: inputs gathered, hashed, computed, and written as a row of `oee_calculations`.

use jiff::civil::Date;
use xxhash_rust::xxh3::Xxh3;

use super::calendar::SiteShift;
use super::history::History;
use super::plant::Unit;
use crate::kpi::elements::{Case, StateRow, Timeline, timeline};
use crate::kpi::flag::{Flag, Flags};
use crate::kpi::indicators::{Indicators, Rate, indicators};
use crate::kpi::losses::{Losses, losses};
use crate::kpi::policy::Policy;
use crate::kpi::quantities::{CountRow, Quantities, quantities};
use crate::kpi::rational::{NumberError, Rational};
use crate::kpi::window::Window;
use crate::schema::{Datum, Numeric};
use crate::sink::copy;

/// What the figures mean: another word, and every row is computed again.
const KERNEL: &str = "millstream oee 1";

/// Digits behind the point of a number that has no end, such as a sum of thirds.
const PLACES_MAX: u16 = 18;

/// Columns in the order of [`Computed::encode`].
pub(super) const COLUMNS: [&str; 39] = [
    "id",
    "timestamp",
    "equipmentId",
    "shiftInstanceId",
    "plannedTime",
    "availableTime",
    "operatingTime",
    "netOperatingTime",
    "productiveTime",
    "availability",
    "performance",
    "quality",
    "oee",
    "teep",
    "totalProduced",
    "goodProduced",
    "defectCount",
    "reworkCount",
    "breakdownLoss",
    "setupLoss",
    "minorStopLoss",
    "speedLoss",
    "defectLoss",
    "reworkLoss",
    "shiftDate",
    "workCenterId",
    "potSeconds",
    "plannedSeconds",
    "pbtSeconds",
    "aptSeconds",
    "austSeconds",
    "adetSeconds",
    "adotSeconds",
    "unknownSeconds",
    "idealProducedSeconds",
    "idealGoodSeconds",
    "availabilityUpper",
    "flags",
    "inputDigest",
];

/// Up to when anything is known of a unit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) until: i64,
    /// Somebody said so, and it is not taken from the data.
    pub(super) asked: bool,
}

/// Everything that one result is computed from.
pub(super) struct Input<'a> {
    pub(super) unit: &'a Unit,
    pub(super) shift: &'a SiteShift,
    /// The shift, ended where knowledge ends.
    pub(super) window: Window,
    pub(super) as_of: i64,
    pub(super) states: Vec<StateRow>,
    pub(super) orders: Option<Vec<Window>>,
    pub(super) counts: Vec<CountRow>,
}

/// What the kernel says to it.
pub(super) struct Figures {
    pub(super) line: Timeline,
    pub(super) made: Quantities,
    pub(super) rates: Indicators,
    pub(super) losses: Losses,
    pub(super) flags: Flags,
}

/// A row that is to be written.
pub(super) struct Computed {
    unit: String,
    center: String,
    instance: String,
    pub(super) date: Date,
    start: i64,
    pub(super) digest: u128,
    pub(super) figures: Figures,
}

impl<'a> Input<'a> {
    /// Gathers it. None for a shift that had not begun when knowledge ends.
    pub(super) fn new(
        unit: &'a Unit,
        shift: &'a SiteShift,
        history: &History,
        known: Known,
    ) -> Option<Self> {
        // A shift whose end is recorded is over; what nobody saw of it is unknown, and part of it.
        let over = shift.ended && !known.asked;
        let end = if over { shift.window.end } else { shift.window.end.min(known.until) };
        let window = Window::new(shift.window.start, end);
        if window.is_empty() {
            return None;
        }
        let orders: Vec<Window> = unit
            .orders
            .iter()
            .map(|order| order.overlap(window))
            .filter(|order| !order.is_empty())
            .collect();
        Some(Self {
            unit,
            shift,
            window,
            // What is known beyond the shift is nothing to it, and must not change its digest.
            as_of: known.until.min(window.end),
            states: history.states_in(window).map(|entry| entry.row).collect(),
            // A unit that no order is known of in this shift may well be one that has none recorded.
            orders: (!orders.is_empty()).then_some(orders),
            counts: history.counts_in(window).iter().map(|entry| entry.row).collect(),
        })
    }

    fn is_open(&self) -> bool {
        self.window.end < self.shift.window.end
    }

    /// Hash of all of it, and of what the kernel does with it.
    pub(super) fn digest(&self) -> u128 {
        let mut hash = Xxh3::new();
        let mut text = |word: &str| {
            hash.update(word.as_bytes());
            hash.update(&[0]);
        };
        text(KERNEL);
        text(&self.shift.instance);
        text(&self.shift.date.to_string());
        let mut times = |values: &[i64]| {
            hash.update(&i64::try_from(values.len()).unwrap_or(i64::MAX).to_le_bytes());
            values.iter().for_each(|value| hash.update(&value.to_le_bytes()));
        };
        let Window { start, end } = self.window;
        times(&[start, end, self.shift.window.end, self.as_of, self.shift.break_minutes.into()]);
        let flat = |windows: &[Window]| -> Vec<i64> {
            windows.iter().flat_map(|window| [window.start, window.end]).collect()
        };
        times(&flat(&self.shift.breaks));
        times(&[i64::from(self.orders.is_some())]);
        times(&flat(self.orders.as_deref().unwrap_or_default()));
        for row in &self.states {
            let code = row.state.map_or(-1, |state| i64::from(state as u8));
            let category = row.category.map_or(-1, |category| i64::from(category as u8));
            times(&[row.start, row.end.unwrap_or(i64::MAX), code, category]);
        }
        for row in &self.counts {
            hash.update(&row.at.to_le_bytes());
            let numbers = [Some(row.good), Some(row.scrap), Some(row.rework), row.total, row.pri];
            for number in numbers {
                let (num, den) = number.map_or((0, 0), |number| (number.num(), number.den()));
                hash.update(&num.to_le_bytes());
                hash.update(&den.to_le_bytes());
            }
        }
        hash.digest128()
    }

    fn case<'b>(&'b self, policy: &'b Policy) -> Case<'b> {
        Case {
            window: self.window,
            as_of: self.as_of,
            breaks: &self.shift.breaks,
            break_minutes: self.shift.break_minutes,
            states: &self.states,
            orders: self.orders.as_deref(),
            policy,
        }
    }

    /// What each moment counts for.
    pub(super) fn line(&self) -> Timeline {
        timeline(&self.case(&Policy::default()))
    }

    /// Computes it. Fails when a number does not fit.
    pub(super) fn figures(&self) -> Result<Figures, NumberError> {
        let policy = Policy::default();
        let case = self.case(&policy);
        let line = timeline(&case);
        let made = quantities(self.window, &self.counts)?;
        let rates = indicators(&line.elements, &made)?;
        let losses = losses(&case, &line, &made, rates.oee)?;
        let mut flags = line.flags.with(made.flags).with(rates.flags);
        flags.raise(Flag::OpenShift, self.is_open());
        Ok(Figures { line, made, rates, losses, flags })
    }

    /// The row.
    pub(super) fn compute(&self, digest: u128) -> Result<Computed, NumberError> {
        Ok(Computed {
            unit: self.unit.id.clone(),
            center: self.unit.center.clone(),
            instance: self.shift.instance.clone(),
            date: self.shift.date,
            start: self.window.start,
            digest,
            figures: self.figures()?,
        })
    }
}

impl Computed {
    /// Appends the row as a tuple of binary COPY.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let Figures { line, made, rates, losses, flags } = &self.figures;
        let time = &line.elements;
        let id =
            xxhash_rust::xxh3::xxh3_128(format!("{}\0{}", self.unit, self.instance).as_bytes());
        let rate = |rate: Rate| rate.map_or(Datum::Null, |rate| Datum::Float8(rate.to_f64()));
        // These columns have no null: a loss that cannot be told is none that was found.
        let loss = |rate: Rate| Datum::Float8(rate.map_or(0.0, Rational::to_f64));
        let seconds = |us: i64| numeric(Rational::new(i128::from(us), 1_000_000).ok());
        let text = |text: &str| Datum::Text(text.to_owned().into());
        let fields = [
            Datum::Text(format!("{id:032x}").into()),
            Datum::Timestamp(self.start),
            text(&self.unit),
            text(&self.instance),
            rate(Some(losses.planned_time)),
            rate(Some(losses.available_time)),
            rate(Some(losses.operating_time)),
            rate(losses.net_operating_time),
            rate(losses.productive_time),
            rate(rates.availability),
            rate(rates.effectiveness),
            rate(rates.quality_ratio),
            rate(rates.oee),
            rate(losses.teep),
            numeric(Some(made.pq)),
            numeric(Some(made.gq)),
            numeric(Some(made.sq)),
            numeric(Some(made.rq)),
            loss(Some(losses.breakdown_loss)),
            loss(Some(losses.setup_loss)),
            loss(Some(losses.minor_stop_loss)),
            loss(losses.speed_loss),
            loss(losses.defect_loss),
            loss(losses.rework_loss),
            Datum::Date(days(self.date)),
            text(&self.center),
            seconds(time.pot),
            seconds(time.planned),
            seconds(time.pbt),
            seconds(time.apt),
            seconds(time.aust),
            seconds(time.adet),
            seconds(time.adot),
            seconds(time.unknown),
            numeric(made.ideal_produced),
            numeric(made.ideal_good),
            rate(rates.availability_upper),
        ];
        let names = flags.names().into_iter().map(|name| Some(name.to_owned())).collect();
        let digest = self.digest.to_be_bytes();
        copy::begin_tuple(out, u16::try_from(fields.len() + 2).unwrap_or(u16::MAX));
        fields.iter().for_each(|field| copy::field(out, field));
        copy::field(out, &Datum::TextArray(names));
        copy::field(out, &Datum::Bytes(&digest));
    }
}

/// Days since 2000-01-01, as `date` has them.
fn days(date: Date) -> i32 {
    (date - Date::constant(2000, 1, 1)).get_days()
}

/// The number as `numeric` has it: with every digit if it has an end, else rounded at the last that fits.
fn numeric(value: Option<Rational>) -> Datum<'static> {
    let Some(value) = value else { return Datum::Null };
    let (scaled, scale) = decimal(value);
    let mut rest = scaled.unsigned_abs();
    // Groups of four digits on both sides of the point.
    let padding = (4 - scale % 4) % 4;
    let fits = 10_u128.checked_pow(u32::from(padding)).and_then(|power| rest.checked_mul(power));
    rest = fits.unwrap_or(rest);
    let mut groups = Vec::new();
    while rest > 0 {
        groups.push(i16::try_from(rest % 10_000).unwrap_or(0));
        rest /= 10_000;
    }
    let count = i16::try_from(groups.len()).unwrap_or(i16::MAX);
    let behind = i16::try_from((scale + padding) / 4).unwrap_or(0);
    let zeros = groups.iter().take_while(|group| **group == 0).count();
    groups.drain(..zeros);
    groups.reverse();
    let weight = if groups.is_empty() { 0 } else { count - behind - 1 };
    Datum::Numeric(Numeric { groups, weight, negative: scaled < 0, scale, nan: false })
}

/// `scaled / 10^scale`, with room for one more group of digits.
fn decimal(value: Rational) -> (i128, u16) {
    let (num, den) = (value.num(), value.den());
    let mut best = (rounded(num, den), 0);
    let mut power = 1_i128;
    for scale in 1..=PLACES_MAX {
        if power % den == 0 {
            break;
        }
        let room = power.checked_mul(10).and_then(|power| Some((power, num.checked_mul(power)?)));
        let Some((next, scaled)) = room.filter(|(_, scaled)| scaled.abs() < i128::MAX / 20_000)
        else {
            break;
        };
        power = next;
        best = (rounded(scaled, den), scale);
    }
    best
}

/// The nearest whole number, halves away from zero.
fn rounded(num: i128, den: i128) -> i128 {
    let (whole, rest) = (num / den, num % den);
    let up = rest.unsigned_abs() >= den.unsigned_abs() - rest.unsigned_abs();
    if rest != 0 && up { whole + num.signum() } else { whole }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        let Datum::Numeric(number) = numeric(Some(Rational::parse(text).unwrap())) else {
            panic!("no number");
        };
        // As the server reads the groups.
        let mut value = String::new();
        let last = -i16::try_from(number.scale.div_ceil(4)).unwrap();
        for place in (last..=number.weight.max(0)).rev() {
            let at = usize::try_from(number.weight - place).ok();
            let group = at.and_then(|at| number.groups.get(at)).copied().unwrap_or(0);
            if place == -1 {
                value.push('.');
            }
            value.push_str(&format!("{group:04}"));
        }
        let (whole, fraction) = value.split_once('.').unwrap_or((&value, ""));
        let whole = whole.trim_start_matches('0');
        let sign = if number.negative { "-" } else { "" };
        let fraction: String = fraction.chars().take(usize::from(number.scale)).collect();
        let whole = if whole.is_empty() { "0" } else { whole };
        if fraction.is_empty() {
            format!("{sign}{whole}")
        } else {
            format!("{sign}{whole}.{fraction}")
        }
    }

    #[test]
    fn numbers_with_an_end_keep_every_digit() {
        for text in
            ["0", "27000", "-12.5", "0.000001", "123456789.000001", "10000", "0.1", "12345.67891"]
        {
            assert_eq!(written(text), text);
        }
        assert_eq!(written("1/3"), "0.333333333333333333");
        assert_eq!(written("2/3"), "0.666666666666666667");
        assert_eq!(written("-2/3"), "-0.666666666666666667");
    }

    #[test]
    fn a_number_without_room_for_digits_is_rounded_and_not_wrong() {
        let huge = Rational::new(i128::MAX / 40_000, 3).unwrap();
        let (scaled, scale) = decimal(huge);
        assert_eq!(scale, 0);
        assert_eq!(scaled, rounded(i128::MAX / 40_000, 3));
    }
}
