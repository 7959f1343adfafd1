//! Plain data and pure rules; nothing here does I/O.

pub mod audit;
pub mod circuit;
pub mod device;
pub mod drift;
pub mod driver;
pub mod event;
pub mod flavor;
pub mod history;
pub mod inventory;
pub mod kind;
pub mod node;
pub mod params;
pub mod placement;
pub mod podm;
pub mod problem;
pub mod reading;
pub mod recurrence;
pub mod state;
mod strict;
pub mod task;
pub mod topic;
pub mod trace;
pub mod trust;
pub mod v1time;
