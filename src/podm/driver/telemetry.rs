//! Readings and event subscriptions of a Pod Manager, where its dialect has them.

/// Asking for them.
pub trait TelemetryDriver: Send + Sync {}
