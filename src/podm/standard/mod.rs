//! What every Redfish service has, whatever composes its nodes: a root, collections and their pages, changes and task monitors; chassis
//! and systems. Drivers are made of it.
//!
//! Links are followed from the service root; nothing but the root's own path is known beforehand. A part that is linked and not there
//! (404) is left out: recorded and real trees have such links.

mod boot;
pub mod chassis;
mod events;
mod full_node;
mod measured;
pub mod network;
mod power;
pub mod racks;
pub mod storage;
pub(in crate::podm) mod survey;
pub mod systems;
mod telemetry;

use futures_util::future::try_join_all;
use tokio::sync::OnceCell;

use super::driver::{Begun, MonitorState, Owner};
use super::error::{Cause, RedfishError};
use super::extended::Refusal;
use super::http::{Answer, Change, Client, ROOT};
use super::quirks;
use super::resource::{Resource, last_segment};
pub(in crate::podm) use full_node::Parts;

/// Requests of one read that are in flight at once: a Pod Manager serves others too.
const AT_ONCE: usize = 4;
/// The service root, with the slash as the specification has it: without it, some redirect.
const SERVICE_ROOT: &str = "/redfish/v1/";
/// Pages of one collection that are followed.
const MAX_PAGES: usize = 1_000;

/// One Redfish service.
pub struct Standard {
    /// How it is asked.
    pub client: Client,
    root: OnceCell<Resource>,
}

impl Standard {
    /// Nothing is asked yet.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client, root: OnceCell::new() }
    }

    pub(in crate::podm) async fn root(&self) -> Result<&Resource, RedfishError> {
        self.root.get_or_try_init(|| self.client.get(SERVICE_ROOT)).await
    }

    /// Path of a collection of the service root; `None` when it has none.
    pub(in crate::podm) async fn collection(&self, name: &str) -> Result<Option<String>, RedfishError> {
        quirks::root_link(self.root().await?, name)
    }

    /// Reads a collection of the service root that must be there.
    pub(in crate::podm) async fn needed(&self, name: &str) -> Result<Resource, RedfishError> {
        let missing = || self.client.error("GET", ROOT, Cause::Malformed(format!("the service root has no {name}")));
        let path = self.collection(name).await?.ok_or_else(missing)?;
        self.client.get(&path).await
    }

    /// Links to all members of a collection, page by page. One that is not there has none.
    pub(in crate::podm) async fn members(&self, collection: &str) -> Result<Vec<String>, RedfishError> {
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
    pub(in crate::podm) async fn read_all(&self, links: &[String]) -> Result<Vec<Resource>, RedfishError> {
        let mut all = Vec::with_capacity(links.len());
        for some in links.chunks(AT_ONCE) {
            let read = try_join_all(some.iter().map(|link| self.client.get_if_there(link))).await?;
            all.extend(read.into_iter().flatten());
        }
        Ok(all)
    }

    /// Reads all members of a linked collection; none when there is no link.
    pub(in crate::podm) async fn parts(&self, of: &Resource, field: &str) -> Result<Vec<Resource>, RedfishError> {
        match of.link(field)? {
            Some(link) => self.read_all(&self.members(&link).await?).await,
            None => Ok(Vec::new()),
        }
    }

    /// The machine of an owner: a computer system, a node without one, or that of a node; `None` when it is not there.
    pub(in crate::podm) async fn machine(&self, of: Owner<'_>) -> Result<Option<Resource>, RedfishError> {
        let path = match of {
            Owner::Node(path) => path.to_owned(),
            Owner::System(id) => {
                let Some(systems) = self.collection("Systems").await? else { return Ok(None) };
                let found = self.members(&systems).await?.into_iter().find(|link| last_segment(link) == id);
                let Some(path) = found else { return Ok(None) };
                path
            }
        };
        let Some(owner) = self.client.get_if_there(&path).await? else { return Ok(None) };
        match owner.link("Links/ComputerSystem")? {
            Some(system) => Ok(Some(self.client.get_if_there(&system).await?.unwrap_or(owner))),
            None => Ok(Some(owner)),
        }
    }

    /// Deletes; what is gone already is a success.
    pub(in crate::podm) async fn remove(&self, link: &str) -> Result<Begun<()>, RedfishError> {
        match self.ask(link, Change::Delete).await {
            Err(e) if matches!(e.status(), Some(404 | 410)) => Ok(Begun::Done(())),
            other => other,
        }
    }

    /// Sends a change that makes nothing.
    pub(in crate::podm) async fn ask(&self, link: &str, change: Change<'_>) -> Result<Begun<()>, RedfishError> {
        begun(&self.client, link, self.client.change(link, change).await?, |_| ())
    }

    /// Asks a task monitor; `made` reads off the final answer what was made.
    pub(in crate::podm) async fn monitor(
        &self,
        monitor: &str,
        made: impl FnOnce(Answer) -> Result<Option<String>, RedfishError>,
    ) -> Result<MonitorState, RedfishError> {
        match self.client.monitor(monitor).await {
            Ok(answer) if answer.status == 202 => Ok(MonitorState::Running { after: answer.retry_after }),
            Ok(answer) => Ok(MonitorState::Ended { location: made(answer)? }),
            Err(e) if matches!(e.status(), Some(404 | 410)) => Ok(MonitorState::Gone),
            Err(e) => Err(e),
        }
    }

    /// Refuses, before anything is sent, a value that the node does not list.
    pub(in crate::podm) fn check_allowed(
        &self,
        path: &str,
        what: &str,
        value: &str,
        allowed: &[String],
    ) -> Result<(), RedfishError> {
        if allowed.is_empty() || allowed.iter().any(|a| a == value) {
            return Ok(());
        }
        let detail = format!("{what} '{value}' is not one that this node allows: {}", allowed.join(", "));
        let refusal = Refusal {
            status: 400,
            retry_after: None,
            code: "Bad Request".into(),
            title: "Bad Request".into(),
            detail,
            said: true,
        };
        Err(self.client.error("GET", path, Cause::Refused(Box::new(refusal))))
    }
}

/// What an accepted change has begun. A 202 that names no monitor cannot be followed; its effect can.
pub fn begun<T>(
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
