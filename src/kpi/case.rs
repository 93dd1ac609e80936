//! One shift of one unit as JSON: words in, elements and KPIs out. The words are those of `fixtures/kpi.json`;
//! `docs/kpi.md` lists them. Strict: a word that is not known is an error with its place, never left out.

mod counts;
mod input;
mod json;
mod outcome;

use super::calendar::CalendarError;
use super::elements::{Case, timeline};
use super::flag::Flag;
use super::indicators::{
    actual_to_planned_scrap, allocation_ratio, energy_kwh, energy_per_unit, first_pass_yield,
    indicators, production_process_ratio, throughput_rate_per_h,
};
use super::quantities::{CountRow, Quantities, quantities};
use super::rational::{NumberError, Rational};
use super::reliability::Reliability;

pub use input::Input;
pub use outcome::Outcome;

/// Why a case has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaseError {
    /// The text is no JSON.
    #[error("{line}:{column}: {message}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong there.
        message: String,
    },
    /// A field is not what it should be.
    #[error("{path}: {message}")]
    Field {
        /// Where, such as `states[3].end`.
        path: String,
        /// What is wrong, and what to write instead.
        message: String,
    },
    /// A wall clock has no instant.
    #[error("shift_local: {0}")]
    Calendar(#[from] CalendarError),
    /// A number does not fit.
    #[error(transparent)]
    Number(#[from] NumberError),
}

/// Reads one case and computes it.
pub fn evaluate(text: &str) -> Result<Outcome, CaseError> {
    Input::parse(text)?.evaluate()
}

impl Input {
    /// Elements, KPIs and flags.
    pub fn evaluate(&self) -> Result<Outcome, CaseError> {
        let case = Case {
            window: self.window,
            as_of: self.as_of.unwrap_or(i64::MAX),
            breaks: &self.breaks,
            break_minutes: self.break_minutes,
            states: &self.states,
            orders: self.orders.as_deref(),
            policy: &self.policy,
        };
        let line = timeline(&case);
        let (rows, counter_flags) = self.counts.rows(self.window, self.policy.boundary)?;
        let made = quantities(self.window, &rows)?;
        let rates = indicators(&line.elements, &made)?;
        let mut flags = line.flags.with(made.flags).with(rates.flags).with(counter_flags);
        flags.raise(Flag::OpenShift, self.open_shift);
        let mut outcome = Outcome::new(self.window, &line.elements, &made, flags);
        outcome.ideal_times(&priced(&rows, self)?);
        outcome.rates(&rates);
        self.further(&mut outcome, &case, &made)?;
        Ok(outcome)
    }

    /// KPIs whose inputs not every case has.
    fn further(
        &self,
        outcome: &mut Outcome,
        case: &Case<'_>,
        made: &Quantities,
    ) -> Result<(), CaseError> {
        if self.reliability {
            let sums = Reliability::of(case, &timeline(case));
            outcome.kpi("failure_events", Some(Rational::from(sums.failures)));
            outcome.kpi("mttr_s", sums.mttr_s()?);
            outcome.kpi("mtbf_operating_over_fe_s", sums.mtbf_operating_over_fe_s()?);
            outcome.kpi("mtbf_mean_tbf_s", sums.mtbf_mean_tbf_s()?);
        }
        if let Some((good, inspected)) = self.fpy {
            outcome.kpi("first_pass_yield", first_pass_yield(good, inspected)?);
        }
        if let Some(aoet_s) = self.aoet_s {
            let time = outcome.elements();
            outcome.kpi("throughput_rate_per_h", throughput_rate_per_h(made, aoet_s)?);
            outcome.kpi("allocation_ratio", allocation_ratio(&time, aoet_s)?);
            outcome.kpi("production_process_ratio", production_process_ratio(&time, aoet_s)?);
        }
        if let Some(psq) = self.psq {
            outcome.kpi("actual_to_planned_scrap_ratio", actual_to_planned_scrap(made, psq)?);
        }
        if let Some(readings) = &self.energy {
            let kwh = energy_kwh(self.window, readings)?;
            outcome.kpi("energy_kwh", Some(kwh));
            outcome.kpi("energy_per_unit_kwh", energy_per_unit(kwh, made)?);
        }
        Ok(())
    }
}

/// The sums of those pieces that have an ideal time, so that a piece without one hides no other's.
fn priced(rows: &[CountRow], input: &Input) -> Result<Quantities, NumberError> {
    let has = |row: &&CountRow| row.pri.is_some_and(Rational::is_positive);
    let rows: Vec<CountRow> = rows.iter().filter(has).copied().collect();
    quantities(input.window, &rows)
}

#[cfg(test)]
mod tests;
