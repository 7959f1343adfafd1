//! What an operator sees of a process: logs ([`log`]), metrics ([`metrics`]) and a small server for both health and them
//! ([`health`]).

pub mod health;
pub mod log;
pub mod metrics;
