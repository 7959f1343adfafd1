//! The only code that speaks HTTP to hardware.
//!
//! A [`Pool`] belongs to the process; it hands out a [`Driver`] for one Pod Manager and one attempt. The driver knows the Pod Manager's
//! dialect, [`http`] how to ask (limits, same origin, lease), [`guard`] whom one may ask at all, [`quirks`] what real ones do differently.
//! Nothing here decides whether to try again: a [`RedfishError`] says what happened and what it means for an attempt.
//!
//! Invariants: no request leaves for an address that is not allowed; no changing request leaves when the lease may be over; no credential
//! leaves this module, in no error and no log line.

pub mod circuit;
pub mod driver;
pub mod drivers;
pub mod error;
pub mod extended;
pub mod guard;
pub mod http;
mod login;
pub mod pool;
pub mod quirks;
pub mod raw;
pub mod resource;
pub mod retry_after;
pub mod session;
pub mod standard;
pub mod tag;
mod told;
mod trust;

pub use driver::network::{NetworkDriver, PortView, SwitchView, VlanView};
pub use driver::storage::{DeviceView, StorageDriver, StorageView, Storages, VolumeView, WantedVolume};
pub use driver::survey::{Known, Survey};
pub use driver::telemetry::{NewSubscription, Readings, SubscriptionView, Surroundings, TelemetryDriver};
pub use driver::{
    Begun, Driver, MonitorState, NodeView, Offer, Owner, PROBE_LIMIT, Probe, RackView, SystemView, Wanted,
};
pub use error::{Advice, Cause, RedfishError};
pub use pool::{Pool, PoolError};
