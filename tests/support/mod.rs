//! What integration tests share. Every test file says `mod support;` and uses a part of it.
//!
//! One redis-server ([`redis::TestRedis`]), one way to wait ([`wait`]); above them the REST server in this process ([`api`]), a worker
//! of a few lines ([`worker`]), the engine without processes ([`engine`]), simulated Pod Managers ([`podm`]), a real Ironic ([`ironic`]) and a small one behind a Keystone ([`keystone`]), and a plant around them
//! ([`saga`]), a deployment of real processes ([`deployment`]).
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "each test file uses a part of it, and a test that cannot go on should say so"
)]

pub mod api;
pub mod blocks;
pub mod canned;
pub mod certs;
pub mod cluster;
pub mod deployment;
pub mod engine;
pub mod examples;
pub mod fakepodm;
pub mod fakesystems;
pub mod front;
pub mod ironic;
pub mod keystone;
pub mod matrix;
pub mod mutants;
pub mod netns;
pub mod placing;
pub mod podm;
pub mod pool;
pub mod process;
pub mod python;
pub mod redis;
pub mod relay;
pub mod saga;
pub mod sentinels;
pub mod server;
pub mod sushy;
pub mod transcripts;
pub mod trees;
pub mod tty;
pub mod twister;
pub mod up;
pub mod wait;
pub mod worker;
