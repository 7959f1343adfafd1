//! Event subscriptions of a Redfish service.
//!
//! *Source*: DSP0266, eventing; EventDestination.

use serde_json::json;

use super::{Standard, begun};
use crate::podm::driver::Begun;
use crate::podm::driver::telemetry::{NewSubscription, SubscriptionView};
use crate::podm::error::{Cause, RedfishError};
use crate::podm::http::Change;
use crate::podm::resource::Resource;

/// What is subscribed to where the service names what there is.
const TYPES: [&str; 5] = ["StatusChange", "ResourceUpdated", "ResourceAdded", "ResourceRemoved", "Alert"];

impl Standard {
    /// The event service with its link to subscriptions; `None` where there is none.
    async fn event_service(&self) -> Result<Option<(Resource, String)>, RedfishError> {
        let Some(link) = self.collection("EventService").await? else { return Ok(None) };
        let Some(service) = self.client.get_if_there(&link).await? else { return Ok(None) };
        let Some(link) = service.link("Subscriptions")? else { return Ok(None) };
        Ok(Some((service, link)))
    }

    pub(in crate::podm) async fn list_subscriptions(&self) -> Result<Option<Vec<SubscriptionView>>, RedfishError> {
        let Some((_, link)) = self.event_service().await? else { return Ok(None) };
        let all = self.read_all(&self.members(&link).await?).await?;
        all.iter().map(view).collect::<Result<_, _>>().map(Some)
    }

    pub(in crate::podm) async fn subscribe_to(
        &self,
        wanted: &NewSubscription,
    ) -> Result<Begun<Option<String>>, RedfishError> {
        let missing = || Cause::Malformed("there is no EventService with Subscriptions".into());
        let found = self.event_service().await?;
        let (service, link) = found.ok_or_else(|| self.client.error("GET", "/redfish/v1/EventService", missing()))?;
        let mut body = json!({ "Destination": wanted.destination, "Context": wanted.context, "Protocol": "Redfish" });
        let offered = service.texts("EventTypesForSubscription")?;
        let types: Vec<&str> = TYPES.into_iter().filter(|t| offered.iter().any(|o| o == t)).collect();
        // Newer services have no types and refuse the property.
        if !types.is_empty() {
            body["EventTypes"] = json!(types);
        }
        let answer = self.client.change(&link, Change::Post(Some(&body))).await?;
        begun(&self.client, &link, answer, |a| a.location)
    }

    pub(in crate::podm) async fn unsubscribe_from(&self, path: &str) -> Result<Begun<()>, RedfishError> {
        match self.ask(path, Change::Delete).await {
            Err(e) if matches!(e.status(), Some(404 | 410)) => Ok(Begun::Done(())),
            other => other,
        }
    }
}

fn view(r: &Resource) -> Result<SubscriptionView, RedfishError> {
    Ok(SubscriptionView {
        path: r.path.clone(),
        destination: r.text("Destination")?.unwrap_or_default(),
        context: r.text("Context")?.unwrap_or_default(),
        protocol: r.text("Protocol")?,
        event_types: r.texts("EventTypes")?,
    })
}
