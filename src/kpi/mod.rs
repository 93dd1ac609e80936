//! ISO 22400-2: states, counts and a shift in; elements of the time model and KPIs out.
//!
//! Pure: no I/O, no clock, nothing random. Times are `i64` microseconds since 2000-01-01 UTC, windows are
//! half-open, sums are exact, and a rate is divided last.

pub mod aggregate;
pub mod calendar;
pub mod case;
pub mod counter;
pub mod elements;
pub mod flag;
pub mod indicators;
pub mod losses;
mod overlap;
pub mod policy;
#[cfg(test)]
mod properties;
pub mod quantities;
pub mod rational;
pub mod reliability;
pub mod state;
pub mod window;
