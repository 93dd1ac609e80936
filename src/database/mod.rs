//! The database itself: its edition, its schema, and what looks after both.

pub mod address;
pub mod adopt;
pub mod archive;
pub mod edition;
pub mod evidence;
pub mod finding;
pub mod inventory;
pub mod loading;
pub mod maintain;
pub mod migrate;
pub mod policy;
pub mod postcheck;
pub mod preflight;
