//! Has the readings of every online Pod Manager collected, and keeps subscriptions alive.
//!
//! Any number of schedulers make one collection a time slot. One that still runs is not followed by another; the one before is
//! forgotten, so that a collection a minute leaves no tasks behind.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::slots::Slots;
use crate::config::TelemetryConfig;
use crate::model::podm::{Podm, PodmStatus};
use crate::model::task::Definition;
use crate::shutdown::Shutdown;
use crate::store::submit::SubmitError;
use crate::store::{Store, StoreError};

/// How often subscriptions are looked at when readings are not collected.
const SUBSCRIPTIONS: Duration = Duration::from_secs(60);
/// Shortest time a collection gets, s.
const LEAST_S: u64 = 120;

pub(super) fn spawn(store: &Store, config: &TelemetryConfig, shutdown: &Shutdown) {
    let every = config.collect_interval.unsigned_abs();
    let length = if every.is_zero() { SUBSCRIPTIONS } else { every };
    let telemetry = Arc::new(Telemetry {
        store: store.clone(),
        every,
        receiver: config.event_receiver_url.clone(),
        slots: Mutex::new(Slots::new("collect", length)),
    });
    super::spawn_loop("telemetry", shutdown, move || {
        let telemetry = telemetry.clone();
        async move {
            telemetry.pass().await?;
            Ok(Slots::pause(length))
        }
    });
}

/// The pass, with its memory of which slots were dealt with.
pub struct Telemetry {
    store: Store,
    every: Duration,
    receiver: Option<String>,
    slots: Mutex<Slots>,
}

impl Telemetry {
    /// Looks at all Pod Managers once.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn pass(&self) -> Result<(), StoreError> {
        let podms = self.store.podms().await?;
        let mut slots = self.slots.lock().await;
        slots.keep(&podms);
        for podm in podms.iter().filter(|p| p.status == PodmStatus::Online) {
            if slots.book(&self.store, &podm.uuid).await? {
                if !self.every.is_zero() {
                    self.collect(podm).await?;
                }
                self.subscription(podm).await?;
            }
        }
        Ok(())
    }

    async fn collect(&self, podm: &Podm) -> Result<(), StoreError> {
        if !self.clear("collect-task", podm).await? {
            tracing::debug!(podm = %podm.name, "the last collection still runs");
            return Ok(());
        }
        let every_s = self.every.as_secs().max(1);
        let mut def = Definition::new("telemetry.collect", json!({ "every_s": every_s }));
        (def.timeout_s, def.max_attempts) = (every_s.max(LEAST_S), 1);
        self.submit("collect-task", podm, def).await
    }

    /// Makes, renews or ends the subscription as the setting wants it. A task that finds everything in place changes nothing.
    async fn subscription(&self, podm: &Podm) -> Result<(), StoreError> {
        let note = self.store.subscribed(&podm.uuid).await?;
        let (kind, params) = match (&self.receiver, &note) {
            (Some(receiver), _) => ("subscription.create", json!({ "receiver": receiver, "by_setting": true })),
            (None, Some(note)) if note.by_setting || note.ending => ("subscription.delete", Value::Null),
            (None, Some(note)) => ("subscription.create", json!({ "receiver": note.receiver, "renewal": true })),
            (None, None) => return Ok(()),
        };
        if !self.clear("subscribe", podm).await? {
            return Ok(());
        }
        let mut def = Definition::new(kind, params);
        (def.timeout_s, def.max_attempts) = (LEAST_S.max(600), 3);
        self.submit("subscribe", podm, def).await
    }

    /// Forgets the last task of its kind; `false` while that runs.
    async fn clear(&self, what: &str, podm: &Podm) -> Result<bool, StoreError> {
        let last = self.store.last_task(what, &podm.uuid).await?.and_then(|id| id.parse().ok());
        if let Some(id) = last
            && let Some(task) = self.store.task(id).await?
        {
            if !task.state.is_terminal() {
                return Ok(false);
            }
            self.store.forget(id.bucket(), &[id], None).await?;
        }
        Ok(true)
    }

    async fn submit(&self, what: &str, podm: &Podm, mut def: Definition) -> Result<(), StoreError> {
        def.podm_id = Some(podm.uuid.clone());
        match self.store.submit(def, None, None).await {
            Ok(submitted) => self.store.note_last_task(what, &podm.uuid, &submitted.id.to_string()).await,
            Err(SubmitError::Store(error)) => Err(error),
            Err(SubmitError::Refused(problem)) => {
                tracing::warn!(podm = %podm.name, error = %problem.detail, "no telemetry task made");
                Ok(())
            }
        }
    }
}
