//! Failures and repairs (KPIs 31 to 34). The denominators that the standard prints could not be confirmed,
//! so the sums and the number of failures are kept, and each mean says what it is divided by.
//!
//! A failure belongs to the window in which it begins, with the whole of its repair, wherever that ends.

use super::elements::{Case, Element, Timeline};
use super::indicators::{Rate, times};
use super::rational::{NumberError, Rational};
use super::state::State;

/// Sums over the failures of a window; times in microseconds. All but `between` add up over shifts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reliability {
    /// FE: failures that began in the window.
    pub failures: i64,
    /// Those of them that were repaired.
    pub repaired: i64,
    /// How long those repairs took, whole.
    pub repair_us: i64,
    /// How often one failure of the window followed another.
    pub between: i64,
    /// Processing time (APT + AUST) from the end of the one to the start of the other.
    pub between_us: i64,
    /// Production in the window before its last failure.
    pub to_failure_us: i64,
    /// All production of the window (APT).
    pub operating_us: i64,
    /// Corrective maintenance in the window: time DOWN (CMT).
    pub corrective_us: i64,
    /// Preventive maintenance in the window: time in PLANNED_MAINTENANCE (PMT).
    pub preventive_us: i64,
}

impl Reliability {
    /// The sums of one window.
    pub fn of(case: &Case<'_>, line: &Timeline) -> Self {
        let mut sums = Self { operating_us: line.elements.apt, ..Self::default() };
        let inside = line.failures.iter().filter(|failure| case.window.contains(failure.start));
        let mut previous_end = None;
        // Failures and pieces are both in order: one walk over the pieces serves them all.
        let mut pieces = line.pieces.iter().peekable();
        for failure in inside {
            sums.failures += 1;
            if let Some(end) = failure.end {
                sums.repaired += 1;
                sums.repair_us = sums.repair_us.saturating_add(end.saturating_sub(failure.start));
            }
            let mut processing = 0;
            while let Some(piece) = pieces.next_if(|piece| piece.end <= failure.start) {
                let length = piece.end - piece.start;
                match piece.element {
                    Element::Apt => {
                        sums.to_failure_us += length;
                        processing += length;
                    }
                    Element::Aust => processing += length,
                    _ => (),
                }
            }
            if previous_end.is_some() {
                sums.between += 1;
                sums.between_us += processing;
            }
            previous_end = failure.end;
        }
        for piece in &line.pieces {
            let state = piece.row.and_then(|row| case.states.get(row)).and_then(|row| row.state);
            match state {
                Some(State::Down) if matches!(piece.element, Element::Adet | Element::Adot) => {
                    sums.corrective_us += piece.end - piece.start;
                }
                Some(State::PlannedMaintenance) => sums.preventive_us += piece.end - piece.start,
                _ => (),
            }
        }
        sums
    }

    /// (33) MTTR in seconds: over the repairs that are done.
    pub fn mttr_s(&self) -> Result<Rate, NumberError> {
        mean(self.repair_us, self.repaired)
    }

    /// (31) MTBF in seconds as operating time (APT) over the number of failures.
    pub fn mtbf_operating_over_fe_s(&self) -> Result<Rate, NumberError> {
        mean(self.operating_us, self.failures)
    }

    /// (31) MTBF in seconds as the mean time between failures that follow each other in the window.
    pub fn mtbf_mean_tbf_s(&self) -> Result<Rate, NumberError> {
        mean(self.between_us, self.between)
    }

    /// (32) MTTF in seconds: production before a failure, over the number of failures.
    pub fn mttf_s(&self) -> Result<Rate, NumberError> {
        mean(self.to_failure_us, self.failures)
    }

    /// (34) Corrective maintenance ratio, CMT / (CMT + PMT).
    pub fn corrective_maintenance_ratio(&self) -> Result<Rate, NumberError> {
        times(self.corrective_us, self.corrective_us + self.preventive_us)
    }
}

fn mean(us: i64, of: i64) -> Result<Rate, NumberError> {
    let all = Rational::from(of).times(Rational::from(1_000_000))?;
    Rational::from(us).over(all)
}
