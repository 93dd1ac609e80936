//! The KPIs of ISO 22400-2 that states, counts, orders and a shift allow. Numbers in brackets are those of
//! the standard's list.
//!
//! A rate is none when it is 0/0 or x/0, or when something it needs is not known. Nothing is clamped: an
//! effectiveness above 1 says that a cycle time is wrong, and a flag says so too.

use super::elements::Elements;
use super::flag::{Flag, Flags};
use super::quantities::Quantities;
use super::rational::{NumberError, Rational};
use super::window::Window;

/// A rate, or that there is none.
pub type Rate = Option<Rational>;

/// What elements and quantities alone give, of one shift or of sums over many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Indicators {
    /// (8) APT / PBT; none when nothing at all is known. A lower bound while UNKNOWN is not 0.
    pub availability: Rate,
    /// (APT + UNKNOWN) / PBT: what the availability would be if all that is unknown was production.
    pub availability_upper: Rate,
    /// (9) Σ PRI×PQ / APT.
    pub effectiveness: Rate,
    /// (10) GQ / PQ, by pieces.
    pub quality_ratio: Rate,
    /// Σ PRI×GQ / Σ PRI×PQ, the quality by time: availability × effectiveness × this is the OEE, also of
    /// several products.
    pub quality_time_weighted: Rate,
    /// (6) Σ PRI×GQ / PBT; 0 for a shift without good output, none when there are pieces and no APT.
    pub oee: Rate,
    /// (7) AUPT / PBT × effectiveness × quality by time: the OEE that forgives setup.
    pub nee: Rate,
    /// (4) AUBT / PBT.
    pub allocation_efficiency: Rate,
    /// (5) APT / AUBT.
    pub utilization_efficiency: Rate,
    /// (11) AUST / AUPT.
    pub setup_ratio: Rate,
    /// (12) APT / (APT + ADET).
    pub technical_efficiency: Rate,
    /// (16) SQ / PQ.
    pub scrap_ratio: Rate,
    /// (17) RQ / PQ.
    pub rework_ratio: Rate,
    /// What is implausible in elements and quantities together; those of either are with them.
    pub flags: Flags,
}

/// A time in seconds.
pub fn seconds(us: i64) -> Result<Rational, NumberError> {
    Rational::new(i128::from(us), 1_000_000)
}

/// The KPIs. Fails only when a number does not fit.
pub fn indicators(time: &Elements, made: &Quantities) -> Result<Indicators, NumberError> {
    let over_pbt = |us: i64| times(us, time.pbt);
    let (apt, pbt) = (seconds(time.apt)?, seconds(time.pbt)?);
    let known = time.unknown < time.pbt;
    let plausible = time.apt > 0 || made.pq.is_zero();
    let effectiveness = quotient(made.ideal_produced, Some(apt))?;
    let quality_time_weighted = quotient(made.ideal_good, made.ideal_produced)?;
    let oee = quotient(made.ideal_good, Some(pbt))?.filter(|_| known && plausible);
    let nee = product(product(over_pbt(time.aupt())?, effectiveness)?, quality_time_weighted)?;
    let mut flags = Flags::default();
    flags.raise(Flag::CountsWithoutApt, !plausible);
    flags.raise(Flag::EffectivenessAboveOne, effectiveness.is_some_and(|e| e > Rational::ONE));
    Ok(Indicators {
        availability: over_pbt(time.apt)?.filter(|_| known),
        availability_upper: over_pbt(time.apt + time.unknown)?,
        effectiveness,
        quality_ratio: made.gq.over(made.pq)?,
        quality_time_weighted,
        oee,
        nee,
        allocation_efficiency: over_pbt(time.aubt())?,
        utilization_efficiency: times(time.apt, time.aubt())?,
        setup_ratio: times(time.aust, time.aupt())?,
        technical_efficiency: times(time.apt, time.apt + time.adet)?,
        scrap_ratio: made.sq.over(made.pq)?,
        rework_ratio: made.rq.over(made.pq)?,
        flags,
    })
}

/// (3) Throughput rate, PQ / AOET, in pieces an hour. `aoet_s`: actual order execution time in seconds.
pub fn throughput_rate_per_h(made: &Quantities, aoet_s: Rational) -> Result<Rate, NumberError> {
    made.pq.times(Rational::from(3_600))?.over(aoet_s)
}

/// (2) Allocation ratio, Σ AUBT / AOET; above 1 where operations overlap.
pub fn allocation_ratio(time: &Elements, aoet_s: Rational) -> Result<Rate, NumberError> {
    seconds(time.aubt())?.over(aoet_s)
}

/// (13) Production process ratio, Σ APT / AOET.
pub fn production_process_ratio(time: &Elements, aoet_s: Rational) -> Result<Rate, NumberError> {
    seconds(time.apt)?.over(aoet_s)
}

/// (14) Actual to planned scrap ratio, SQ / PSQ. `psq`: planned scrap quantity.
pub fn actual_to_planned_scrap(made: &Quantities, psq: Rational) -> Result<Rate, NumberError> {
    made.sq.over(psq)
}

/// (15) First pass yield, GP / IP: parts that were good at their first inspection, of those inspected.
pub fn first_pass_yield(good: Rational, inspected: Rational) -> Result<Rate, NumberError> {
    good.over(inspected)
}

/// (18) Fall off ratio, SQ of an operation / PQ of the first one.
pub fn fall_off_ratio(made: &Quantities, first: &Quantities) -> Result<Rate, NumberError> {
    made.sq.over(first.pq)
}

/// (30) Equipment load ratio, PQ / EPC. `epc`: equipment production capacity, pieces.
pub fn equipment_load_ratio(made: &Quantities, epc: Rational) -> Result<Rate, NumberError> {
    made.pq.over(epc)
}

/// What a meter counted between two readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Energy {
    /// From reading to reading.
    pub window: Window,
    /// Kilowatt hours.
    pub kwh: Rational,
}

/// The energy of a window in kWh: of each reading its share of the time. An empty reading has no share.
pub fn energy_kwh(window: Window, readings: &[Energy]) -> Result<Rational, NumberError> {
    readings.iter().try_fold(Rational::ZERO, |sum, reading| {
        let inside = reading.window.overlap(window).length();
        let share = times(inside, reading.window.length())?.unwrap_or(Rational::ZERO);
        sum.plus(share.times(reading.kwh)?)
    })
}

/// (23) Comprehensive energy consumption, electric part only: energy / PQ, in kWh a piece.
pub fn energy_per_unit(kwh: Rational, made: &Quantities) -> Result<Rate, NumberError> {
    kwh.over(made.pq)
}

/// A time over a time.
pub(super) fn times(us: i64, of_us: i64) -> Result<Rate, NumberError> {
    Rational::from(us).over(Rational::from(of_us))
}

fn quotient(left: Rate, right: Rate) -> Result<Rate, NumberError> {
    left.zip(right).map_or(Ok(None), |(left, right)| left.over(right))
}

fn product(left: Rate, right: Rate) -> Result<Rate, NumberError> {
    left.zip(right).map(|(left, right)| left.times(right)).transpose()
}
