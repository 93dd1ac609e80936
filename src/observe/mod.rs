//! What a person or a machine gets to see of a run.

pub mod chart;
pub mod progress;
pub mod report;
pub mod trace;
