//! Where the planned busy time went, in minutes: the waterfall of `oee_calculations`.
//!
//! ```text
//! plannedTime        POT
//!   availableTime    PBT      = operatingTime + breakdownLoss + setupLoss + minorStopLoss + unknown
//!     operatingTime  APT      = netOperatingTime + speedLoss
//!       netOperatingTime      = Σ PRI×PQ = productiveTime + defectLoss + reworkLoss
//!         productiveTime      = Σ PRI×GQ
//! ```
//!
//! So PBT is the productive time and all losses and what is unknown, always and exactly: with an ideal cycle
//! time that is too long the speed loss is negative. Time of which nothing is known is no loss of any kind.

use super::elements::{Case, Element, Timeline};
use super::indicators::Rate;
use super::quantities::Quantities;
use super::rational::{NumberError, Rational};
use super::state::State;

/// Minutes, exactly; none where a piece has no ideal cycle time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// POT.
    pub planned_time: Rational,
    /// PBT.
    pub available_time: Rational,
    /// APT.
    pub operating_time: Rational,
    /// Σ PRI×PQ.
    pub net_operating_time: Rate,
    /// Σ PRI×GQ.
    pub productive_time: Rate,
    /// DOWN, inside and outside of orders.
    pub breakdown_loss: Rational,
    /// AUST: setup and changeover.
    pub setup_loss: Rational,
    /// Every other stop: idling, starved, blocked, short.
    pub minor_stop_loss: Rational,
    /// APT − Σ PRI×PQ: slow running, and stops that the policy leaves in APT.
    pub speed_loss: Rate,
    /// Σ PRI×SQ.
    pub defect_loss: Rate,
    /// Σ PRI×RQ.
    pub rework_loss: Rate,
    /// UNKNOWN; no column of its own, since `unknownSeconds` says it.
    pub unknown: Rational,
    /// Σ PRI×GQ over the whole window, planned or not, 1 being all of it; none where the OEE is.
    pub teep: Rate,
}

/// The waterfall of one shift. `oee`: as the indicators have it. Fails only when a number does not fit.
pub fn losses(
    case: &Case<'_>,
    line: &Timeline,
    made: &Quantities,
    oee: Rate,
) -> Result<Losses, NumberError> {
    let (mut breakdown, mut minor) = ((0, 0), (0, 0));
    for piece in &line.pieces {
        let row = piece.row.and_then(|row| case.states.get(row));
        let down = row.is_some_and(|row| row.state == Some(State::Down));
        let (adet, adot) = if down { &mut breakdown } else { &mut minor };
        match piece.element {
            Element::Adet => *adet += piece.end - piece.start,
            Element::Adot => *adot += piece.end - piece.start,
            _ => (),
        }
    }
    // Break minutes come out of the stops that are no breakdown first: a break looks like those.
    let taken = &line.break_minutes;
    let kept = |minor: i64, breakdown: i64, taken: i64| {
        let of_minor = taken.min(minor);
        (minor - of_minor, breakdown - (taken - of_minor))
    };
    let (minor_adet, breakdown_adet) = kept(minor.0, breakdown.0, taken.adet);
    let (minor_adot, breakdown_adot) = kept(minor.1, breakdown.1, taken.adot);
    let operating_time = minutes(line.elements.apt)?;
    let net_operating_time = of_seconds(made.ideal_produced)?;
    let productive_time = of_seconds(made.ideal_good)?;
    let rework_loss = of_seconds(made.ideal_rework)?;
    let bad = less(net_operating_time, productive_time)?;
    let teep = match productive_time.zip(oee) {
        Some((productive, _)) => productive.over(minutes(case.window.length())?)?,
        None => None,
    };
    Ok(Losses {
        planned_time: minutes(line.elements.pot)?,
        available_time: minutes(line.elements.pbt)?,
        operating_time,
        net_operating_time,
        productive_time,
        breakdown_loss: minutes(breakdown_adet + breakdown_adot)?,
        setup_loss: minutes(line.elements.aust)?,
        minor_stop_loss: minutes(minor_adet + minor_adot)?,
        speed_loss: less(Some(operating_time), net_operating_time)?,
        defect_loss: less(bad, rework_loss)?,
        rework_loss,
        unknown: minutes(line.elements.unknown)?,
        teep,
    })
}

fn minutes(us: i64) -> Result<Rational, NumberError> {
    Rational::new(i128::from(us), 60_000_000)
}

fn of_seconds(seconds: Rate) -> Result<Rate, NumberError> {
    seconds.map_or(Ok(None), |seconds| seconds.over(Rational::from(60)))
}

fn less(from: Rate, part: Rate) -> Result<Rate, NumberError> {
    from.zip(part).map(|(from, part)| from.minus(part)).transpose()
}
