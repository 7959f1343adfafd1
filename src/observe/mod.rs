//! What an operator sees of a process: logs ([`log`]) and metrics ([`metrics`]).

pub mod log;
pub mod metrics;
