//! What only a real server, real files and real processes can show. Every test has a database of its own
//! on the services of `./dev up`; a test that stops a server starts one for itself.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "clippy.toml allows them in tests, which does not reach the helpers of tests"
)]

mod adopt;
mod archive;
mod choreography;
mod copy_roundtrip;
mod dead_letters;
mod direct;
mod errors;
mod exactly_once;
mod generate;
mod iso22400;
mod live_source;
mod migrate;
mod ms5;
mod oee;
mod oee_eval;
mod pipelines;
mod policy;
mod postcheck;
mod postgres;
mod preflight;
mod proxy;
mod readme;
mod roads;
mod sqlite;
mod states;
mod support;
mod triggers;
mod verify;
