//! What an operator sees of a process: logs ([`log`]), metrics ([`metrics`]) and a small server for both health and them
//! ([`health`]), and traces ([`trace`]).

pub mod health;
pub mod log;
pub mod metrics;
#[cfg(feature = "otlp")]
mod otlp;
pub mod trace;
