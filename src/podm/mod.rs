//! The only code that speaks HTTP to hardware.

/// Connections to Pod Managers, shared by all tasks of a process.
#[derive(Clone, Default)]
pub struct Pool {}
