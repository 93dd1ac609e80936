//! Several shifts or units as one: sums first, divide last. The mean of two rates is the rate of neither.

use super::elements::Elements;
use super::flag::Flags;
use super::indicators::{Indicators, indicators};
use super::quantities::Quantities;
use super::rational::{NumberError, Rational};

/// Sums over shifts or units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sums {
    /// Sums of the time model.
    pub elements: Elements,
    /// Sums of pieces and ideal times; an ideal time is none when that of any part is.
    pub quantities: Quantities,
}

impl Default for Sums {
    /// Nothing yet: no pieces, and so no ideal time that could be missing.
    fn default() -> Self {
        let none = Some(Rational::ZERO);
        let quantities = Quantities {
            ideal_produced: none,
            ideal_good: none,
            ideal_rework: none,
            ..Quantities::default()
        };
        Self { elements: Elements::default(), quantities }
    }
}

impl Sums {
    /// Adds a part. Fails when a sum does not fit.
    pub fn add(&mut self, time: &Elements, made: &Quantities) -> Result<(), NumberError> {
        let both = |left: Option<Rational>, right: Option<Rational>| {
            left.zip(right).map(|(left, right)| left.plus(right)).transpose()
        };
        let so_far = self.quantities;
        self.elements = self.elements.plus(time);
        self.quantities = Quantities {
            pq: so_far.pq.plus(made.pq)?,
            gq: so_far.gq.plus(made.gq)?,
            sq: so_far.sq.plus(made.sq)?,
            rq: so_far.rq.plus(made.rq)?,
            ideal_produced: both(so_far.ideal_produced, made.ideal_produced)?,
            ideal_good: both(so_far.ideal_good, made.ideal_good)?,
            ideal_rework: both(so_far.ideal_rework, made.ideal_rework)?,
            flags: Flags::default(),
        };
        Ok(())
    }

    /// The rates of the sums, by the rules of a single shift.
    pub fn indicators(&self) -> Result<Indicators, NumberError> {
        indicators(&self.elements, &self.quantities)
    }
}

#[cfg(test)]
mod tests;
