//! Readings and event subscriptions of a Pod Manager, where its dialect has them.

use super::{Begun, Call};
use crate::model::reading::Reading;

/// Everything that was read in one go.
#[derive(Debug, Clone, Default)]
pub struct Readings {
    /// What was measured.
    pub all: Vec<Reading>,
    /// Paths of what could not be read, or not wholly.
    pub incomplete: Vec<String>,
}

/// What stands around a node: readings of these are the node's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Paths of its systems.
    pub systems: Vec<String>,
    /// Paths of the chassis that the systems stand in.
    pub chassis: Vec<String>,
}

/// An event subscription as the Pod Manager shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionView {
    /// Its path.
    pub path: String,
    /// Where events go.
    pub destination: String,
    /// Its creator's mark.
    pub context: String,
    /// `Protocol`.
    pub protocol: Option<String>,
    /// `EventTypes`.
    pub event_types: Vec<String>,
}

/// A subscription to be made.
#[derive(Clone)]
pub struct NewSubscription {
    /// Where events go. There is a secret in it.
    pub destination: String,
    /// Our mark.
    pub context: String,
}

/// Asking for them.
pub trait TelemetryDriver: Send + Sync {
    /// Reads everything that is measured. A part that is refused is named in `incomplete`.
    fn readings(&self) -> Call<'_, Readings>;

    /// What stands around a node, by the node's path.
    fn surroundings<'a>(&'a self, node: &'a str) -> Call<'a, Surroundings>;

    /// Lists all subscriptions, whoever made them; `None` where events cannot be subscribed to.
    fn subscriptions(&self) -> Call<'_, Option<Vec<SubscriptionView>>>;

    /// Subscribes. `Done(None)`: it was made, and the answer does not say where.
    fn subscribe<'a>(&'a self, wanted: &'a NewSubscription) -> Call<'a, Begun<Option<String>>>;

    /// Removes a subscription; one that is gone already is a success.
    fn unsubscribe<'a>(&'a self, subscription: &'a str) -> Call<'a, Begun<()>>;
}
