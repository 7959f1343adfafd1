//! Intel Rack Scale Design, versions 1.x and 2.x: `/redfish/v1/Nodes`, Allocate, Assemble.
//!
//! Links are followed from the service root; nothing but the root's own path is known beforehand. A part that is linked and not there
//! (404) is left out: recorded and real trees have such links.
//!
//! *Source*: Intel RSD PODM API 2.1–2.5, and the first Valence's field maps for the v1 API.

mod allocate;
mod boot;
mod chassis;
mod full_node;
mod nodes;
mod power;
mod systems;

use std::sync::Arc;

use futures_util::future::try_join_all;
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::model::params::{Boot, ResetType};
use crate::podm::driver::{Begun, Call, Driver, MonitorState, NodeView, Probe, SystemView, Wanted};
use crate::podm::error::{Cause, RedfishError};
use crate::podm::http::{Answer, Change, Client, ROOT};
use crate::podm::quirks;
use crate::podm::resource::Resource;

/// Requests of one read that are in flight at once: a Pod Manager serves others too.
const AT_ONCE: usize = 4;
/// Pages of one collection that are followed.
const MAX_PAGES: usize = 1_000;

pub(super) fn make(client: Client) -> Arc<dyn Driver> {
    Arc::new(Rsd { client, root: OnceCell::new() })
}

/// One Pod Manager.
struct Rsd {
    client: Client,
    root: OnceCell<Resource>,
}

impl Rsd {
    async fn root(&self) -> Result<&Resource, RedfishError> {
        self.root.get_or_try_init(|| self.client.get(ROOT)).await
    }

    /// Path of a collection of the service root; `None` when it has none.
    async fn collection(&self, name: &str) -> Result<Option<String>, RedfishError> {
        quirks::root_link(self.root().await?, name)
    }

    /// Reads a collection of the service root that must be there.
    async fn needed(&self, name: &str) -> Result<Resource, RedfishError> {
        let missing = || self.client.error("GET", ROOT, Cause::Malformed(format!("the service root has no {name}")));
        let path = self.collection(name).await?.ok_or_else(missing)?;
        self.client.get(&path).await
    }

    /// Links to all members of a collection, page by page. One that is not there has none.
    async fn members(&self, collection: &str) -> Result<Vec<String>, RedfishError> {
        let mut all = Vec::new();
        let mut next = Some(collection.to_owned());
        for _ in 0..MAX_PAGES {
            let Some(path) = next else { return Ok(all) };
            let Some(page) = self.client.get_if_there(&path).await? else { return Ok(all) };
            all.extend(quirks::members(&page)?);
            next = page.text("Members@odata.nextLink")?;
        }
        Err(self.client.error("GET", collection, Cause::Malformed(format!("more than {MAX_PAGES} pages"))))
    }

    /// Reads many resources, a few at once, in their order. Those that are not there are left out.
    async fn read_all(&self, links: &[String]) -> Result<Vec<Resource>, RedfishError> {
        let mut all = Vec::with_capacity(links.len());
        for some in links.chunks(AT_ONCE) {
            let read = try_join_all(some.iter().map(|link| self.client.get_if_there(link))).await?;
            all.extend(read.into_iter().flatten());
        }
        Ok(all)
    }

    /// Reads all members of a linked collection; none when there is no link.
    async fn parts(&self, of: &Resource, field: &str) -> Result<Vec<Resource>, RedfishError> {
        match of.link(field)? {
            Some(link) => self.read_all(&self.members(&link).await?).await,
            None => Ok(Vec::new()),
        }
    }

    /// Sends a change that makes nothing.
    async fn ask(&self, link: &str, change: Change<'_>) -> Result<Begun<()>, RedfishError> {
        begun(&self.client, link, self.client.change(link, change).await?, |_| ())
    }

    async fn probe(&self) -> Result<Probe, RedfishError> {
        let root = self.root().await?;
        let api_version = match root.text("Oem/Intel_RackScale/ApiVersion")? {
            None => root.text("Oem/Intel:RackScale/ApiVersion")?,
            known => known,
        };
        // A service root is read without credentials: something behind it shows whether they are good.
        let mut nodes = 0;
        if let Some(link) = quirks::root_link(root, "Nodes")? {
            nodes =
                self.client.get_if_there(&link).await?.map(|c| quirks::members(&c)).transpose()?.map_or(0, |m| m.len());
        } else if let Some(link) = quirks::root_link(root, "Chassis")? {
            self.client.get_if_there(&link).await?;
        }
        Ok(Probe { api_version, nodes })
    }

    async fn monitor(&self, monitor: &str) -> Result<MonitorState, RedfishError> {
        match self.client.monitor(monitor).await {
            Ok(answer) if answer.status == 202 => Ok(MonitorState::Running { after: answer.retry_after }),
            Ok(answer) => Ok(MonitorState::Ended { location: answer.location }),
            Err(e) if matches!(e.status(), Some(404 | 410)) => Ok(MonitorState::Gone),
            Err(e) => Err(e),
        }
    }
}

/// What an accepted change has begun. A 202 that names no monitor cannot be followed; its effect can.
fn begun<T>(
    client: &Client,
    link: &str,
    answer: Answer,
    done: impl FnOnce(Answer) -> T,
) -> Result<Begun<T>, RedfishError> {
    match (answer.status, &answer.location) {
        (202, Some(path)) => Ok(Begun::Monitor { path: path.clone(), after: answer.retry_after }),
        (202, None) => {
            tracing::warn!(podm = client.podm(), link, "202 without a Location: its effect is watched instead");
            Ok(Begun::Done(done(answer)))
        }
        _ => Ok(Begun::Done(done(answer))),
    }
}

impl Driver for Rsd {
    fn probe(&self) -> Call<'_, Probe> {
        Box::pin(Rsd::probe(self))
    }
    fn allocate<'a>(&'a self, wanted: &'a Wanted) -> Call<'a, Begun<Option<String>>> {
        Box::pin(self.allocate_node(wanted))
    }
    fn assemble<'a>(&'a self, node: &'a str) -> Call<'a, Begun<()>> {
        Box::pin(self.assemble_node(node))
    }
    fn delete_node<'a>(&'a self, node: &'a str) -> Call<'a, Begun<()>> {
        Box::pin(self.decompose(node))
    }
    fn monitor<'a>(&'a self, monitor: &'a str) -> Call<'a, MonitorState> {
        Box::pin(Rsd::monitor(self, monitor))
    }
    fn reset<'a>(&'a self, node: &'a str, kind: ResetType) -> Call<'a, Begun<()>> {
        Box::pin(self.reset_node(node, kind))
    }
    fn set_boot<'a>(&'a self, node: &'a str, boot: &'a Boot) -> Call<'a, Begun<()>> {
        Box::pin(self.boot_node(node, boot))
    }
    fn node<'a>(&'a self, node: &'a str) -> Call<'a, Option<NodeView>> {
        Box::pin(self.read_node(node))
    }
    fn node_by_index<'a>(&'a self, index: &'a str) -> Call<'a, NodeView> {
        Box::pin(self.read_index(index))
    }
    fn nodes(&self) -> Call<'_, Vec<NodeView>> {
        Box::pin(self.list_nodes())
    }
    fn find_by_tag<'a>(&'a self, tag: &'a str) -> Call<'a, Option<NodeView>> {
        Box::pin(async move { Ok(self.list_nodes().await?.into_iter().find(|n| n.tag.as_deref() == Some(tag))) })
    }
    fn full_node<'a>(&'a self, node: &'a str) -> Call<'a, Value> {
        Box::pin(self.show_node(node))
    }
    fn systems<'a>(&'a self, id: Option<&'a str>) -> Call<'a, Vec<SystemView>> {
        Box::pin(self.list_systems(id))
    }
}
