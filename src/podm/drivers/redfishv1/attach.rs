//! Attaching pooled devices to nodes, in both generations of the action.
//!
//! API 2.1 has `AttachEndpoint` and `DetachEndpoint`, with what may be named beside the action. Later ones have `AttachResource` and
//! `DetachResource`, with that list in an ActionInfo. Both are legal in `Assembled` and `Failed` only.
//!
//! *Source*: Intel RSD PODM API 2.1–2.5.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Rsd;
use crate::podm::driver::Begun;
use crate::podm::error::{Cause, RedfishError};
use crate::podm::extended::Refusal;
use crate::podm::http::Change;
use crate::podm::quirks;
use crate::podm::resource::Resource;

/// An action as a node advertises it.
struct Offered {
    target: String,
    /// Whether it takes endpoints, as 2.1 does.
    by_endpoint: bool,
    /// What may be named, in the Pod Manager's own spelling; `None` when it does not say.
    resources: Option<Vec<String>>,
    /// Protocols that may be named.
    protocols: Vec<String>,
    /// Whether one must be.
    protocol_needed: bool,
}

impl Rsd {
    pub(super) async fn attach_device(&self, node: &str, device: &str) -> Result<Begun<()>, RedfishError> {
        let node = self.client.get(node).await?;
        let device = self.client.get(device).await?;
        let names = self.all_names(&device).await?;
        if !self.linked(&node).is_disjoint(&names) {
            return Ok(Begun::Done(()));
        }
        self.check_state(&node, "attached to")?;
        let offered = self.offered(&node, "Attach").await?;
        let own = self.known_as(&device.path);
        let Some(named) = self.spelling(&offered, &own, &names) else {
            let detail = format!("{own} is not among what can be attached to this node now");
            return Err(self.refusal(&node, 409, detail));
        };
        let mut body = json!({ "Resource": { "@odata.id": named } });
        if let Some(protocol) = protocol(&offered, &device)? {
            body["Protocol"] = Value::String(protocol);
        }
        self.ask(&offered.target, Change::Post(Some(&body))).await
    }

    pub(super) async fn detach_device(&self, node: &str, device: &str) -> Result<Begun<()>, RedfishError> {
        let Some(node) = self.client.get_if_there(node).await? else { return Ok(Begun::Done(())) };
        let Some(device) = self.client.get_if_there(device).await? else { return Ok(Begun::Done(())) };
        let names = self.all_names(&device).await?;
        let linked = !self.linked(&node).is_disjoint(&names);
        let offered = self.offered(&node, "Detach").await?;
        let listed =
            offered.resources.as_ref().is_some_and(|all| all.iter().any(|r| names.contains(&self.known_as(r))));
        if !linked && !listed {
            return Ok(Begun::Done(()));
        }
        self.check_state(&node, "detached from")?;
        let own = self.known_as(&device.path);
        // What is linked may be detached, whether the list is up to date or not.
        let named = self.spelling(&offered, &own, &names).unwrap_or(own);
        self.ask(&offered.target, Change::Post(Some(&json!({ "Resource": { "@odata.id": named } })))).await
    }

    /// A device's path with all its endpoints and targets: those that it names, and those that name it.
    async fn all_names(&self, device: &Resource) -> Result<BTreeSet<String>, RedfishError> {
        let own = self.known_as(&device.path);
        let mut names = self.names_of(device)?;
        if names.is_empty() {
            names.extend(self.endpoints_of(&own).await?);
        }
        names.insert(own);
        Ok(names)
    }

    fn check_state(&self, node: &Resource, what: &str) -> Result<(), RedfishError> {
        match node.text("ComposedNodeState")?.as_deref() {
            None | Some("Assembled" | "Failed") => Ok(()),
            Some(state) => {
                let detail = format!("a device can be {what} a node in the state Assembled or Failed; this is {state}");
                Err(self.refusal(node, 409, detail))
            }
        }
    }

    async fn offered(&self, node: &Resource, verb: &str) -> Result<Offered, RedfishError> {
        for (suffix, by_endpoint) in [("Resource", false), ("Endpoint", true)] {
            let action = format!("{verb}{suffix}");
            let Some(target) = quirks::node_target(node, &action)? else { continue };
            let at = format!("Actions/#ComposedNode.{action}");
            let inline = quirks::allowable_links(node, &format!("{at}/Resource"))?;
            let mut offered =
                Offered { target, by_endpoint, resources: inline, protocols: Vec::new(), protocol_needed: false };
            if let Some(link) = node.link(&format!("{at}/@Redfish.ActionInfo"))?
                && let Some(info) = self.client.get_if_there(&link).await?
            {
                add_info(&mut offered, &info)?;
            }
            return Ok(offered);
        }
        let verb = verb.to_lowercase();
        Err(self.refusal(node, 400, format!("this node offers no action to {verb} devices")))
    }

    /// How the Pod Manager spells the device in its list; without a list, what its generation wants.
    fn spelling(&self, offered: &Offered, own: &str, names: &BTreeSet<String>) -> Option<String> {
        let Some(listed) = &offered.resources else {
            let endpoint = names.iter().find(|name| *name != own);
            return Some(endpoint.filter(|_| offered.by_endpoint).map_or_else(|| own.to_owned(), Clone::clone));
        };
        let is_own = |link: &&String| self.known_as(link) == own;
        let is_name = |link: &&String| names.contains(&self.known_as(link));
        listed.iter().find(is_own).or_else(|| listed.iter().find(is_name)).cloned()
    }

    fn refusal(&self, node: &Resource, status: u16, detail: String) -> RedfishError {
        let word = if status == 409 { "Conflict" } else { "Bad Request" };
        let refusal = Refusal { status, retry_after: None, code: word.into(), title: word.into(), detail, said: true };
        self.client.error("GET", &node.path, Cause::Refused(Box::new(refusal)))
    }
}

fn add_info(offered: &mut Offered, info: &Resource) -> Result<(), RedfishError> {
    for parameter in info.items("Parameters")? {
        match parameter.text("Name")?.as_deref() {
            Some("Resource") if !parameter.raw("AllowableValues").is_null() => {
                offered.resources = Some(parameter.links("AllowableValues")?);
            }
            Some("Protocol") => {
                offered.protocols = parameter.texts("AllowableValues")?;
                offered.protocol_needed = parameter.raw("Required").as_bool() == Some(true);
            }
            _ => {}
        }
    }
    Ok(())
}

/// The protocol to name: the device's own where it is allowed, else the only one there is, else any, but only when one must be named.
fn protocol(offered: &Offered, device: &Resource) -> Result<Option<String>, RedfishError> {
    let own = device.text("Protocol")?;
    let allowed = &offered.protocols;
    let fits = own.filter(|own| allowed.contains(own));
    let only = || allowed.first().filter(|_| allowed.len() == 1 || offered.protocol_needed).cloned();
    Ok(fits.or_else(only))
}
