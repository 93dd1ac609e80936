//! ISO 22400-2: states, counts and a shift in; elements of the time model and KPIs out.
//!
//! Pure: no I/O, no clock, nothing random. Times are `i64` microseconds since 2000-01-01 UTC, windows are
//! half-open, sums are exact, and a rate is divided last.

pub mod counter;
pub mod state;
