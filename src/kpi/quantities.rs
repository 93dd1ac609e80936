//! What was made: pieces, and the time they would have taken at the ideal speed.

use std::collections::BTreeMap;

use super::flag::{Flag, Flags};
use super::rational::{NumberError, Rational};
use super::window::Window;

/// Pieces that were counted at one instant. A correction is negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CountRow {
    /// When; a count at the end of a window belongs to the next one.
    pub at: i64,
    /// Good pieces.
    pub good: Rational,
    /// Scrap.
    pub scrap: Rational,
    /// Pieces to be worked on again.
    pub rework: Rational,
    /// What the source says all of them are; compared, never used.
    pub total: Option<Rational>,
    /// Planned run time of one piece (PRI) in seconds; none, 0 or less is none.
    pub pri: Option<Rational>,
}

/// Sums of pieces, and of their ideal times in seconds. All of them add up over shifts and units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quantities {
    /// Produced quantity, GQ + SQ + RQ.
    pub pq: Rational,
    /// Good quantity.
    pub gq: Rational,
    /// Scrap quantity.
    pub sq: Rational,
    /// Rework quantity.
    pub rq: Rational,
    /// Sum of PRI × PQ; none when a piece has no PRI.
    pub ideal_produced: Option<Rational>,
    /// Sum of PRI × GQ; none when a piece has no PRI.
    pub ideal_good: Option<Rational>,
    /// Sum of PRI × RQ; none when a piece has no PRI.
    pub ideal_rework: Option<Rational>,
    /// What was implausible.
    pub flags: Flags,
}

/// Pieces of one PRI.
#[derive(Clone, Copy, Default)]
struct Pieces {
    good: Rational,
    scrap: Rational,
    rework: Rational,
}

impl Pieces {
    fn made(&self) -> Result<Rational, NumberError> {
        self.good.plus(self.scrap)?.plus(self.rework)
    }

    fn add(&mut self, row: &CountRow) -> Result<(), NumberError> {
        self.good = self.good.plus(row.good)?;
        self.scrap = self.scrap.plus(row.scrap)?;
        self.rework = self.rework.plus(row.rework)?;
        Ok(())
    }
}

/// The sums of the rows in `window`, in any order. Fails only when a sum does not fit.
pub fn quantities(window: Window, rows: &[CountRow]) -> Result<Quantities, NumberError> {
    let mut flags = Flags::default();
    // By PRI, as a fraction's parts: one multiplication for each PRI and not for each row.
    let mut by_pri: BTreeMap<(i128, i128), Pieces> = BTreeMap::new();
    let mut all = Pieces::default();
    for row in rows.iter().filter(|row| window.contains(row.at)) {
        all.add(row)?;
        let made = row.good.plus(row.scrap)?.plus(row.rework)?;
        flags.raise(Flag::CountMismatch, row.total.is_some_and(|total| total != made));
        let pieces = !(row.good.is_zero() && row.scrap.is_zero() && row.rework.is_zero());
        match row.pri.filter(|pri| pri.is_positive()) {
            Some(pri) => by_pri.entry((pri.num(), pri.den())).or_default().add(row)?,
            None => flags.raise(Flag::MissingPri, pieces),
        }
    }
    let mut ideal = Pieces::default();
    let mut ideal_produced = Rational::ZERO;
    for ((num, den), pieces) in by_pri {
        let pri = Rational::new(num, den)?;
        ideal_produced = ideal_produced.plus(pri.times(pieces.made()?)?)?;
        ideal.good = ideal.good.plus(pri.times(pieces.good)?)?;
        ideal.rework = ideal.rework.plus(pri.times(pieces.rework)?)?;
    }
    let pq = all.made()?;
    flags.raise(Flag::ZeroPq, pq.is_zero());
    let negative = [all.good, all.scrap, all.rework].iter().any(|sum| *sum < Rational::ZERO);
    flags.raise(Flag::NegativeQuantity, negative);
    let known = |sum: Rational| (!flags.has(Flag::MissingPri)).then_some(sum);
    Ok(Quantities {
        pq,
        gq: all.good,
        sq: all.scrap,
        rq: all.rework,
        ideal_produced: known(ideal_produced),
        ideal_good: known(ideal.good),
        ideal_rework: known(ideal.rework),
        flags,
    })
}
