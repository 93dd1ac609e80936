//! # millstream
//!
//! Brings a factory's data into TimescaleDB, exactly once, and proves it.
//!
//! ```text
//!  source/            crossbeam        transform/          tokio mpsc          sink/
//!  one OS thread  ──▶ bounded queue ─▶ one worker thread ─▶ bounded queue ──▶ one task, one connection
//!                                      zones, types, units                     COPY, dead letters, state,
//!                                      encode, fingerprint                     and last: the cursor moves
//!  └──────────────── one lane; a lane that fails is started again from its cursor ───────────────────┘
//! ```
//!
//! A source is cut into **partitions**, each ordered and readable again from any **position**. Rows travel
//! in a **batch**, are mapped and encoded, and commit together with the position they were read to, in
//! the **ledger**, a schema of the target database. A row that cannot be used is a **dead letter** with its
//! original values. What the rows add up to, by chunk-sized **bucket**, is their **fingerprint**: `verify`
//! reads the table back and compares.
//!
//! The code map and the invariants are in `ARCHITECTURE.md`.

pub mod audit;
pub mod backoff;
pub mod batch;
pub mod bench;
pub mod columnar;
pub mod config;
pub mod database;
pub mod endpoint;
pub mod failpoint;
pub mod fault;
pub mod generate;
pub mod kpi;
pub mod observe;
pub mod oee;
pub mod pipeline;
pub mod schema;
pub mod sink;
pub mod source;
pub mod transform;
