//! Faults by the thousand: campaigns C1 to C8 and C10 of docs/reliability.md, each a module, each repeatable by its seed. What was accepted is never
//! lost, ends once, and the hardware agrees with the record.
//!
//! `make chaos CAMPAIGN=c2 SEED=7` runs one in full; CI runs C1, C2, C3 small. C4 is tests/faults, C9 tests/fuzz.rs and
//! tests/security.rs. A run without one of the protections must show violations, or it would prove nothing: `make control`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a test that cannot go on should say so"
)]

#[path = "../support/mod.rs"]
mod support;

mod c10_calls;
mod c1_calls;
mod c1_clock;
mod c1_compare;
mod c1_draw;
mod c1_model;
mod c2_processes;
mod c3_redis;
mod c5_partitions;
mod c6_failovers;
mod c7_soak;
mod c8_bulkhead;
mod client;
mod group;
mod history;
mod load;
mod model;
mod run;
mod schedule;
