//! What can be offered, and its composition out of named blocks.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::Redfish;
use super::fit::{Part, Wants, choose};
use super::ways::Way;
use crate::podm::driver::{Begun, Offer, Wanted};
use crate::podm::error::{Cause, RedfishError};
use crate::podm::extended::Refusal;
use crate::podm::http::{Answer, Change};
use crate::podm::quirks;
use crate::podm::resource::Resource;
use crate::podm::standard::begun;

/// Why nothing can be composed, when all is well.
pub(super) const NOTHING_FREE: &str = "there is no free hardware that has all that is wanted";

impl Redfish {
    /// The composition service with its blocks; `None` where all that there is are servers as they stand.
    pub(super) async fn composition(&self) -> Result<Option<Resource>, RedfishError> {
        let Some(link) = self.collection("CompositionService").await? else { return Ok(None) };
        let Some(service) = self.client.get_if_there(&link).await? else { return Ok(None) };
        let is_off = service.raw("ServiceEnabled").as_bool() == Some(false);
        Ok(Some(service).filter(|s| !is_off && !s.raw("ResourceBlocks").is_null()))
    }

    /// Parts that would do, the best first; `None` where the service chooses the blocks itself.
    pub(super) async fn offers_of(
        &self,
        wanted: &Wanted,
        taken: &HashSet<String>,
    ) -> Result<Option<Vec<Offer>>, RedfishError> {
        let wants = Wants::of(&wanted.requirements).map_err(|why| self.refusal(400, why))?;
        let offers = match self.composition().await? {
            Some(service) if matches!(self.way(&service).await?, Way::Constrained { .. }) => return Ok(None),
            Some(service) => self.of_blocks(&service, &wants, taken).await?,
            None => self.of_servers(&wants, taken).await?,
        };
        if offers.is_empty() {
            return Err(self.refusal(409, NOTHING_FREE.into()));
        }
        Ok(Some(offers))
    }

    /// Whole servers that are free, the smallest first.
    async fn of_servers(&self, wants: &Wants, taken: &HashSet<String>) -> Result<Vec<Offer>, RedfishError> {
        let Some(systems) = self.collection("Systems").await? else { return Ok(Vec::new()) };
        let mut links = self.members(&systems).await?;
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
    pub(super) async fn of_blocks(
        &self,
        service: &Resource,
        wants: &Wants,
        taken: &HashSet<String>,
    ) -> Result<Vec<Offer>, RedfishError> {
        let composed = self.composed().await?;
        let mut free = Vec::new();
        for block in self.parts(service, "ResourceBlocks").await? {
            let is_free = !taken.contains(&block.path) && quirks::is_free_block(&block, &composed)?;
            if is_free && !quirks::is_reserved(&block) {
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

    /// Composes the reserved blocks, or of what the service chooses. A server that is a node as it stands is not asked for: it is there.
    pub(super) async fn compose(&self, wanted: &Wanted) -> Result<Begun<Option<String>>, RedfishError> {
        if let Some(first) = wanted.parts.first() {
            let kind = self.client.get(first).await?.text("@odata.type")?.unwrap_or_default();
            if kind.trim_start_matches('#').starts_with("ComputerSystem.") {
                return Ok(Begun::Done(Some(first.clone())));
            }
        }
        let Some(service) = self.composition().await? else {
            return Err(self.refusal(409, "this Pod Manager composes nothing any more".into()));
        };
        let blocks: Vec<Value> = wanted.parts.iter().map(|path| json!({ "@odata.id": path })).collect();
        let named = json!({
            "Name": wanted.name,
            "Description": wanted.description,
            "Links": { "ResourceBlocks": blocks },
        });
        let (target, body) = match self.way(&service).await? {
            Way::Constrained { collection, capabilities } => {
                (collection, self.constraints(&service, &capabilities, wanted).await?)
            }
            _ if blocks.is_empty() => return Err(self.refusal(409, "no parts were chosen for the node".into())),
            Way::Specific(collection) => (collection, named),
            Way::Manifest(target) => (target, manifest(named)),
        };
        let answer = self.client.change(&target, Change::Post(Some(&body))).await?;
        self.check(&target, &answer)?;
        begun(&self.client, &target, answer, |answer| self.made(answer))
    }

    /// The path of the system that an answer says was made: its `Location`, the system itself, or that in a manifest.
    pub(super) fn made(&self, answer: Answer) -> Option<String> {
        let named = [&answer.body, response(&answer)].into_iter().find_map(|body| {
            let kind = body["@odata.type"].as_str()?.trim_start_matches('#');
            body["@odata.id"].as_str().filter(|_| kind.starts_with("ComputerSystem."))
        });
        answer.location.clone().or_else(|| named.and_then(|path| self.client.resolve(path).ok()))
    }

    /// The error that a manifest's answer has inside. The action itself is answered as a success then.
    pub(super) fn check(&self, path: &str, answer: &Answer) -> Result<(), RedfishError> {
        let inside = response(answer);
        let is_error = !inside["error"].is_null() && inside["@odata.id"].is_null();
        if is_error { Err(self.client.refused("POST", path, 409, None, inside)) } else { Ok(()) }
    }

    pub(super) fn refusal(&self, status: u16, detail: String) -> RedfishError {
        let word = if status == 409 { "Conflict" } else { "Bad Request" };
        let refusal = Refusal { status, retry_after: None, code: word.into(), title: word.into(), detail, said: true };
        self.client.error("GET", "/redfish/v1/Systems", Cause::Refused(Box::new(refusal)))
    }
}

/// A manifest that composes one system at once.
fn manifest(request: Value) -> Value {
    let stanza = json!({ "StanzaType": "ComposeSystem", "StanzaId": "1", "Request": request });
    json!({
        "RequestFormat": "Manifest",
        "RequestType": "Apply",
        "Manifest": { "Expand": "None", "Stanzas": [stanza] },
    })
}

/// What a manifest's answer says of its one stanza; null in any other answer.
fn response(answer: &Answer) -> &Value {
    &answer.body["Manifest"]["Stanzas"][0]["Response"]
}
