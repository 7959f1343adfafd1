//! What can be offered, and its composition out of named blocks.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::Redfish;
use super::fit::{Part, Wants, choose};
use crate::podm::driver::{Begun, Offer, Wanted};
use crate::podm::error::{Cause, RedfishError};
use crate::podm::extended::Refusal;
use crate::podm::http::Change;
use crate::podm::quirks;
use crate::podm::resource::Resource;
use crate::podm::standard::begun;

impl Redfish {
    /// The composition service with its blocks; `None` where all that there is are servers as they stand.
    pub(super) async fn composition(&self) -> Result<Option<Resource>, RedfishError> {
        let Some(link) = self.collection("CompositionService").await? else { return Ok(None) };
        let Some(service) = self.client.get_if_there(&link).await? else { return Ok(None) };
        let is_off = service.raw("ServiceEnabled").as_bool() == Some(false);
        Ok(Some(service).filter(|s| !is_off && !s.raw("ResourceBlocks").is_null()))
    }

    pub(super) async fn offers_of(&self, wanted: &Wanted, taken: &HashSet<String>) -> Result<Vec<Offer>, RedfishError> {
        let wants = Wants::of(&wanted.requirements).map_err(|why| self.refusal(400, why))?;
        let offers = match self.composition().await? {
            Some(service) => self.of_blocks(&service, &wants, taken).await?,
            None => self.of_servers(&wants, taken).await?,
        };
        if offers.is_empty() {
            return Err(self.refusal(409, "there is no free hardware that has all that is wanted".into()));
        }
        Ok(offers)
    }

    /// Whole servers that are free, the smallest first.
    async fn of_servers(&self, wants: &Wants, taken: &HashSet<String>) -> Result<Vec<Offer>, RedfishError> {
        let systems = self.needed("Systems").await?;
        let mut links = self.members(&systems.path).await?;
        links.retain(|link| !taken.contains(link));
        let mut fitting = Vec::new();
        for system in self.read_all(&links).await? {
            let state = system.text("Status/State")?;
            let is_usable = !matches!(state.as_deref(), Some("Absent" | "UnavailableOffline" | "Updating"));
            if !is_usable || quirks::is_composed_system(&system)? {
                continue;
            }
            let server = self.server(&system, wants).await?;
            if wants.are_met_by(&[&server]) {
                fitting.push(server);
            }
        }
        fitting.sort_by(Part::by_size);
        Ok(fitting.into_iter().map(|server| Offer { parts: vec![server.path] }).collect())
    }

    /// Free blocks that lie in one zone.
    async fn of_blocks(
        &self,
        service: &Resource,
        wants: &Wants,
        taken: &HashSet<String>,
    ) -> Result<Vec<Offer>, RedfishError> {
        // Some show a block as unused that a system is made of: the systems themselves tell.
        let mut used = taken.clone();
        for system in self.composed().await? {
            used.extend(system.links("Links/ResourceBlocks")?);
        }
        let mut free = Vec::new();
        for block in self.parts(service, "ResourceBlocks").await? {
            if !taken.contains(&block.path) && is_free(&block, used.contains(&block.path))? {
                free.push(self.block(&block, wants).await?);
            }
        }
        let zones = self.parts(service, "ResourceZones").await?;
        if zones.is_empty() {
            return Ok(choose(&free.iter().collect::<Vec<_>>(), wants));
        }
        let mut offers: Vec<Offer> = Vec::new();
        for zone in &zones {
            let inside = zone.links("Links/ResourceBlocks")?;
            let parts: Vec<&Part> = free.iter().filter(|part| inside.contains(&part.path)).collect();
            for offer in choose(&parts, wants) {
                if !offers.contains(&offer) {
                    offers.push(offer);
                }
            }
        }
        offers.sort_by_key(|offer| offer.parts.len());
        Ok(offers)
    }

    /// Composes the reserved blocks. A server that is a node as it stands is not asked for: it is there.
    pub(super) async fn compose(&self, wanted: &Wanted) -> Result<Begun<Option<String>>, RedfishError> {
        let Some(first) = wanted.parts.first() else {
            return Err(self.refusal(409, "no parts were chosen for the node".into()));
        };
        let part = self.client.get(first).await?;
        let kind = part.text("@odata.type")?.unwrap_or_default();
        if kind.trim_start_matches('#').starts_with("ComputerSystem.") {
            return Ok(Begun::Done(Some(first.clone())));
        }
        let systems = self.needed("Systems").await?;
        let blocks: Vec<Value> = wanted.parts.iter().map(|path| json!({ "@odata.id": path })).collect();
        let body = json!({
            "Name": wanted.name,
            "Description": wanted.description,
            "Links": { "ResourceBlocks": blocks },
        });
        let answer = self.client.change(&systems.path, Change::Post(Some(&body))).await?;
        begun(&self.client, &systems.path, answer, |answer| {
            let named = answer.body["@odata.id"].as_str().and_then(|path| self.client.resolve(path).ok());
            answer.location.or(named)
        })
    }

    pub(super) fn refusal(&self, status: u16, detail: String) -> RedfishError {
        let word = if status == 409 { "Conflict" } else { "Bad Request" };
        let refusal = Refusal { status, retry_after: None, code: word.into(), title: word.into(), detail };
        self.client.error("GET", "/redfish/v1/Systems", Cause::Refused(Box::new(refusal)))
    }
}

/// Whether a block may go into one more system. One that can be shared may, until it is in as many as it can be.
pub(super) fn is_free(block: &Resource, is_used: bool) -> Result<bool, RedfishError> {
    let state = block.text("Status/State")?;
    if quirks::is_reserved(block) || matches!(state.as_deref(), Some("Absent" | "Disabled" | "UnavailableOffline")) {
        return Ok(false);
    }
    match block.text("CompositionStatus/CompositionState")?.as_deref() {
        None | Some("Unused") => Ok(!is_used),
        Some("ComposedAndAvailable") => {
            let most = block.number("CompositionStatus/MaxCompositions")?;
            let now = block.number("CompositionStatus/NumberOfCompositions")?.unwrap_or(0.0);
            Ok(most.is_none_or(|most| now < most))
        }
        Some(_) => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(status: Value) -> Resource {
        let body = json!({ "CompositionStatus": status });
        Resource { podm: "lab".into(), path: "/b/1".into(), etag: None, body }
    }

    #[test]
    fn a_block_is_free_by_its_state_its_reservation_and_its_sharing() {
        assert!(is_free(&block(json!({"CompositionState": "Unused", "Reserved": "false"})), false).unwrap());
        for (status, is_used) in [
            (json!({"CompositionState": "Unused"}), true),
            (json!({"CompositionState": "Unused", "Reserved": true}), false),
            (json!({"CompositionState": "Composed"}), false),
            (json!({"CompositionState": "Failed"}), false),
            (
                json!({"CompositionState": "ComposedAndAvailable", "MaxCompositions": 2, "NumberOfCompositions": 2}),
                true,
            ),
        ] {
            assert!(!is_free(&block(status.clone()), is_used).unwrap(), "{status}");
        }
        let shared =
            json!({"CompositionState": "ComposedAndAvailable", "MaxCompositions": 2, "NumberOfCompositions": 1});
        assert!(is_free(&block(shared), true).unwrap());
    }
}
