//! Switches, ports, interfaces and VLANs of a Pod Manager, where its dialect has them.

/// Asking for them.
pub trait NetworkDriver: Send + Sync {}
