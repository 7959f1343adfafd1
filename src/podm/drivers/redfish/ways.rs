//! How a service lets systems be composed, and which of that is used.
//!
//! Named blocks come first, by POST or in a manifest: only what is chosen here can be reserved before it is asked for. A service that
//! offers neither is told what the node must have, and what it chose is reserved afterwards.
//!
//! *Source*: DMTF DSP2050, and the mockups that DMTF publishes.

use super::Redfish;
use crate::podm::error::RedfishError;
use crate::podm::quirks;
use crate::podm::resource::Resource;

/// A way to compose.
#[derive(Debug)]
pub(super) enum Way {
    /// POST of the blocks to this collection.
    Specific(String),
    /// The Compose action at this target, with a manifest that names the blocks.
    Manifest(String),
    /// POST of what is wanted.
    Constrained {
        /// Where to.
        collection: String,
        /// What may be said.
        capabilities: Resource,
    },
}

impl Redfish {
    /// The way that is used here. A service that announces nothing takes named blocks.
    pub(super) async fn way(&self, service: &Resource) -> Result<Way, RedfishError> {
        let systems = self.needed("Systems").await?;
        let mut offered = systems.items(quirks::CAPABILITIES)?;
        if offered.is_empty() {
            for zone in self.parts(service, "ResourceZones").await? {
                offered.extend(zone.items(quirks::CAPABILITIES)?);
            }
        }
        let mut constrained = None;
        for offer in &offered {
            let collection = offer.link("Links/TargetCollection")?.unwrap_or_else(|| systems.path.clone());
            match (offer.text("UseCase")?.as_deref(), offer.link("CapabilitiesObject")?) {
                (Some("ComputerSystemComposition"), _) => return Ok(Way::Specific(collection)),
                (Some("ComputerSystemConstrainedComposition"), Some(object)) if constrained.is_none() => {
                    constrained = Some((collection, object));
                }
                _ => {}
            }
        }
        if let Some(target) = quirks::compose_target(service)? {
            return Ok(Way::Manifest(target));
        }
        Ok(match constrained {
            Some((collection, object)) => {
                Way::Constrained { collection, capabilities: self.client.get(&object).await? }
            }
            None => Way::Specific(systems.path),
        })
    }
}
