//! What the elements of each shift truly are: worked out second by second from the history, by
//! nobody's formula but this one. Tests hold `oee compute` against it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::calendar::{Calendar, Turn};
use super::history::{Doing, History, Pieces};

/// How much of a history a system of records can know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// Telemetry: every spell. A sample holds so many seconds; what comes after it is unknown.
    Telemetry {
        /// Seconds that a sample holds.
        hold: i64,
    },
    /// A book of orders and their stops: the rest is production.
    Orders,
}

/// Seconds of the elements of a shift.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Elements {
    /// Planned downtime.
    pub planned: i64,
    /// Actual production time.
    pub apt: i64,
    /// Actual unit setup time.
    pub aust: i64,
    /// Actual unit delay time.
    pub adet: i64,
    /// Actual unit down time.
    pub adot: i64,
    /// In the planned busy time, and nobody knows.
    pub unknown: i64,
}

impl Elements {
    /// Planned operation time: all of it together.
    pub fn pot(self) -> i64 {
        self.planned + self.pbt()
    }

    /// Planned busy time.
    pub fn pbt(self) -> i64 {
        self.apt + self.aust + self.adet + self.adot + self.unknown
    }
}

/// A correction that was entered by hand: pieces that were good and became scrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Correction {
    /// When it was entered, in the middle of a shift.
    pub at: i64,
    /// Place of the order in `History::works`.
    pub work: usize,
    /// How many.
    pub pieces: i64,
}

/// The elements of one turn.
pub fn elements(history: &History, turn: &Turn, view: View) -> Elements {
    let mut sum = Elements::default();
    let first = history.spells.partition_point(|spell| spell.end <= turn.start);
    let within = history.spells.iter().skip(first).take_while(|spell| spell.start < turn.end);
    for spell in within {
        let (start, end) = (spell.start.max(turn.start), spell.end.min(turn.end));
        let mut cuts = vec![start, end];
        if let (Doing::Unseen, View::Telemetry { hold }) = (spell.doing, view) {
            cuts.push((spell.start + hold).clamp(start, end));
        }
        if let Some((from, to)) = turn.pause {
            cuts.extend([from.clamp(start, end), to.clamp(start, end)]);
        }
        cuts.sort_unstable();
        for pair in cuts.windows(2) {
            let rests = turn.pause.is_some_and(|(from, to)| from <= pair[0] && pair[0] < to);
            let held = match view {
                View::Telemetry { hold } => pair[0] < spell.start + hold,
                View::Orders => true,
            };
            *bucket(&mut sum, spell.doing, view, (rests, held)) += pair[1] - pair[0];
        }
    }
    sum
}

fn bucket(sum: &mut Elements, doing: Doing, view: View, (rests, held): (bool, bool)) -> &mut i64 {
    let runs = match doing {
        Doing::Producing => true,
        Doing::Unseen => held,
        Doing::Setup | Doing::Starved | Doing::MicroStop => view == View::Orders,
        Doing::Idle | Doing::Stopped(_) => false,
    };
    match doing {
        _ if runs => &mut sum.apt,
        Doing::Stopped(reason) if reason.planned => &mut sum.planned,
        _ if rests => &mut sum.planned,
        Doing::Setup => &mut sum.aust,
        Doing::Idle => &mut sum.adot,
        Doing::Producing | Doing::Unseen => &mut sum.unknown,
        Doing::Starved | Doing::MicroStop | Doing::Stopped(_) => &mut sum.adet,
    }
}

/// What one unit's record says, besides its history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// Corrections that were entered.
    pub corrections: Vec<Correction>,
    /// Stretches about which the record is known to be wrong or silent, with the reason.
    pub flawed: Vec<(i64, i64, &'static str)>,
    /// Whether it knows the products' own ideal times.
    pub product_pri: bool,
    /// Whether it knows the unit's ideal time.
    pub unit_pri: bool,
}

/// Every turn that lies whole in the history, as JSON.
pub fn machine(history: &History, calendar: &Calendar, view: View, record: &Record) -> Value {
    let whole = |turn: &&Turn| history.from <= turn.start && turn.end <= history.to;
    let shifts = calendar.turns.iter().filter(whole);
    json!({
        "code": history.unit.code,
        "site": history.unit.site,
        "shifts": shifts.map(|turn| shift(history, turn, view, record)).collect::<Vec<_>>(),
    })
}

fn shift(history: &History, turn: &Turn, view: View, record: &Record) -> Value {
    let sum = elements(history, turn, view);
    let mut by_pri: BTreeMap<Option<(i64, i64)>, Pieces> = BTreeMap::new();
    let mut total = Pieces::default();
    for (place, work) in history.works.iter().enumerate() {
        if work.life.complete <= turn.start || turn.end <= work.life.start {
            continue;
        }
        let mut pieces = work.pieces(turn.end).since(work.pieces(turn.start));
        let corrected = record.corrections.iter().filter(|it| it.work == place);
        for it in corrected.filter(|it| turn.start <= it.at && it.at < turn.end) {
            pieces.good -= it.pieces;
            pieces.scrap += it.pieces;
        }
        if pieces == Pieces::default() {
            continue;
        }
        let article = history.unit.article(work.life.product);
        let pri = match (record.product_pri, record.unit_pri) {
            (true, _) => history.unit.pri(article),
            (false, true) => Some((60, history.unit.rate)),
            (false, false) => None,
        };
        for sum in [by_pri.entry(pri).or_default(), &mut total] {
            sum.good += pieces.good;
            sum.scrap += pieces.scrap;
            sum.rework += pieces.rework;
        }
    }
    let ideal: Vec<Value> = by_pri
        .iter()
        .map(|(pri, pieces)| {
            json!({"pri": pri.map(|(of, by)| [of, by]), "produced": pieces.made(), "good": pieces.good})
        })
        .collect();
    let flawed = record.flawed.iter().filter(|it| it.0 < turn.end && turn.start < it.1);
    json!({
        "shift": turn.code, "date": turn.date, "start": turn.start, "end": turn.end,
        "pot": sum.pot(), "planned": sum.planned, "pbt": sum.pbt(), "apt": sum.apt,
        "aust": sum.aust, "adet": sum.adet, "adot": sum.adot, "unknown": sum.unknown,
        "produced": total.made(), "good": total.good, "scrap": total.scrap,
        "rework": total.rework, "ideal": ideal,
        "flawed": flawed.map(|it| it.2).collect::<Vec<_>>(),
    })
}
