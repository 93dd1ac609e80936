//! Sees sources, transforms and sinks, and wires them: one lane a partition, bottom-up.

pub mod backfill;
pub mod dead_letters;
pub mod dry_run;
pub mod failure;
pub mod job;
pub mod lane;
pub mod reader;
pub mod register;
pub mod resolve;
pub mod shutdown;
pub mod summary;
pub mod verify;
pub mod worker;
