//! Valence composes and drives bare-metal hardware over Redfish.
//!
//! A client calls the REST [`api`]; what changes or reads hardware becomes a *task*, stored in Redis and appended to the
//! stream of its topic; a [`worker`] claims it, runs its [`service`] handler, which speaks Redfish through [`podm`], and settles
//! it. [`upkeep`] promotes what is due, reclaims what a dead worker held and repairs what was lost.
//!
//! Two rules carry most of the weight: only [`store`] knows Redis, only [`podm`] knows hardware ([`ironic`] is another service). Modules import downwards:
//!
//! ```text
//! bin → api | worker | upkeep | ctl | sim
//! api    → store, model            worker → service, store, model
//! upkeep → store, podm, model      service → podm, ironic, placement, store through service::context
//! podm   → model, store::gates     ironic, store → model     placement → model, pure
//! sim    → model                   ctl → model (speaks HTTP only; ctl::up starts the others)
//! ```

/// Small pieces of memory come and go with every request and every task: the system's own takes a
/// fifth of the REST server's time for them, this one less than half of that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub mod api;
pub mod bench;
pub mod clock;
pub mod config;
pub mod ctl;
pub mod daemon;
pub mod ids;
pub mod ironic;
pub mod lease;
pub mod model;
pub mod observe;
pub mod placement;
pub mod podm;
pub mod secret;
pub mod service;
pub mod shutdown;
pub mod sim;
pub mod store;
pub mod upkeep;
pub mod worker;
