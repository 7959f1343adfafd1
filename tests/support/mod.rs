//! What integration tests share: a private Redis, the REST server in this process, waiting for conditions.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "each test file uses a part of it, and a test that cannot go on should say so"
)]

pub mod api;
pub mod redis;
pub mod wait;
pub mod worker;
