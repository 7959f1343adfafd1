//! Has the readings of every online Pod Manager collected, and keeps subscriptions alive.
//!
//! Each Pod Manager has its own time slots, set apart from the others' by its id, and each slot is booked in Redis by whoever comes first:
//! any number of schedulers make one collection a slot. One that still runs is not followed by another; the one before is forgotten,
//! so that a collection a minute leaves no tasks behind.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::config::TelemetryConfig;
use crate::model::podm::{Podm, PodmStatus};
use crate::model::task::Definition;
use crate::shutdown::Shutdown;
use crate::store::records::Collection;
use crate::store::submit::SubmitError;
use crate::store::{Store, StoreError};

/// Longest and shortest pause between two looks at which slots have begun.
const LOOK: (Duration, Duration) = (Duration::from_secs(5), Duration::from_millis(50));
/// How often subscriptions are looked at when readings are not collected.
const SUBSCRIPTIONS: Duration = Duration::from_secs(60);
/// Shortest time a collection gets, s.
const LEAST_S: u64 = 120;

pub(super) fn spawn(store: &Store, config: &TelemetryConfig, shutdown: &Shutdown) {
    let every = config.collect_interval.unsigned_abs();
    let telemetry = Arc::new(Telemetry {
        store: store.clone(),
        every,
        receiver: config.event_receiver_url.clone(),
        seen: Mutex::default(),
    });
    let pause = (telemetry.slots() / 4).clamp(LOOK.1, LOOK.0);
    super::spawn_loop("telemetry", shutdown, move || {
        let telemetry = telemetry.clone();
        async move {
            telemetry.pass().await?;
            Ok(pause)
        }
    });
}

/// The pass, with its memory of which slots were dealt with.
pub struct Telemetry {
    store: Store,
    every: Duration,
    receiver: Option<String>,
    seen: Mutex<HashMap<String, u64>>,
}

impl Telemetry {
    fn slots(&self) -> Duration {
        if self.every.is_zero() { SUBSCRIPTIONS } else { self.every }
    }

    /// Looks at all Pod Managers once.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn pass(&self) -> Result<(), StoreError> {
        let podms: Vec<Podm> = self.store.records(Collection::Podm).await?;
        let length = u64::try_from(self.slots().as_millis()).unwrap_or(u64::MAX).max(1);
        let mut seen = self.seen.lock().await;
        seen.retain(|id, _| podms.iter().any(|p| p.uuid == *id));
        for podm in podms.iter().filter(|p| p.status == PodmStatus::Online) {
            let apart = podm.uuid.bytes().fold(0u64, |sum, b| sum.wrapping_mul(31).wrapping_add(b.into())) % length;
            let slot = (self.store.clock().now_ms() + apart) / length;
            if seen.get(&podm.uuid) == Some(&slot) {
                continue;
            }
            if self.store.book_slot("collect", &podm.uuid, slot, length.saturating_mul(3)).await? {
                if !self.every.is_zero() {
                    self.collect(podm).await?;
                }
                self.subscription(podm).await?;
            }
            seen.insert(podm.uuid.clone(), slot);
        }
        Ok(())
    }

    async fn collect(&self, podm: &Podm) -> Result<(), StoreError> {
        let last = self.store.collection_task(&podm.uuid).await?.and_then(|id| id.parse().ok());
        if let Some(id) = last
            && let Some(task) = self.store.task(id).await?
        {
            if !task.state.is_terminal() {
                tracing::debug!(podm = %podm.name, task_id = %id, "the last collection still runs");
                return Ok(());
            }
            self.store.forget(id.bucket(), &[id], None).await?;
        }
        let every_s = self.every.as_secs().max(1);
        let mut def = Definition::new("telemetry.collect", json!({ "every_s": every_s }));
        (def.timeout_s, def.max_attempts) = (every_s.max(LEAST_S), 1);
        if let Some(id) = self.submit(podm, def).await? {
            self.store.note_collection(&podm.uuid, &id).await?;
        }
        Ok(())
    }

    /// Makes, renews or ends the subscription as the setting wants it. A task that finds everything in place changes nothing.
    async fn subscription(&self, podm: &Podm) -> Result<(), StoreError> {
        let note = self.store.subscribed(&podm.uuid).await?;
        let (kind, params) = match (&self.receiver, &note) {
            (Some(receiver), _) => ("subscription.create", json!({ "receiver": receiver, "by_setting": true })),
            (None, Some(note)) if note.by_setting => ("subscription.delete", Value::Null),
            (None, Some(note)) => ("subscription.create", json!({ "receiver": note.receiver })),
            (None, None) => return Ok(()),
        };
        let last = self.store.subscription_task(&podm.uuid).await?.and_then(|id| id.parse().ok());
        if let Some(id) = last
            && let Some(task) = self.store.task(id).await?
        {
            if !task.state.is_terminal() {
                return Ok(());
            }
            self.store.forget(id.bucket(), &[id], None).await?;
        }
        let mut def = Definition::new(kind, params);
        (def.timeout_s, def.max_attempts) = (LEAST_S.max(600), 3);
        if let Some(id) = self.submit(podm, def).await? {
            self.store.note_subscription_task(&podm.uuid, &id).await?;
        }
        Ok(())
    }

    async fn submit(&self, podm: &Podm, mut def: Definition) -> Result<Option<String>, StoreError> {
        def.podm_id = Some(podm.uuid.clone());
        match self.store.submit(def, None, None).await {
            Ok(submitted) => Ok(Some(submitted.id.to_string())),
            Err(SubmitError::Store(error)) => Err(error),
            Err(SubmitError::Refused(problem)) => {
                tracing::warn!(podm = %podm.name, error = %problem.detail, "no telemetry task made");
                Ok(None)
            }
        }
    }
}
