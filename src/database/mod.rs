//! The database itself: its edition and its schema.

pub mod edition;
pub mod migrate;
