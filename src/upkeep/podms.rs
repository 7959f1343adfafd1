//! Registers the configured Pod Managers when they are missing (also after Redis was emptied).

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::json;

use crate::config::PodmConfig;
use crate::ids::{TaskId, new_record_id};
use crate::model::podm::canonical_url;
use crate::model::task::Definition;
use crate::secret::SecretKey;
use crate::shutdown::Shutdown;
use crate::store::records::Collection;
use crate::store::submit::{IdempotencyKey, SubmitError};
use crate::store::{Store, StoreError};

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(5);
/// How long after a registration that failed the next one is tried.
const AGAIN: Duration = Duration::from_secs(60);
/// What a registration claims: the configured name, for the id of the Pod Manager to be.
const REGISTRATION: &str = "registration";

pub(super) fn spawn(store: &Store, key: Option<Arc<SecretKey>>, configured: Vec<PodmConfig>, shutdown: &Shutdown) {
    let store = store.clone();
    super::spawn_loop("podms", shutdown, move || {
        let (store, key, configured) = (store.clone(), key.clone(), configured.clone());
        async move {
            register(&store, key.as_deref(), &configured).await?;
            Ok(PAUSE)
        }
    });
}

/// Registers those that are missing, each by a task. One whose name or URL is taken is there already.
///
/// However many processes do so at once, with the same list, and however long a task takes: there is one of each at a time. All of them
/// claim the name first; whoever comes later takes over the id that has it, and with the id the task.
///
/// # Errors
/// When Redis is away.
pub async fn register(store: &Store, key: Option<&SecretKey>, configured: &[PodmConfig]) -> Result<(), StoreError> {
    if configured.is_empty() {
        return Ok(());
    }
    let names = store.names(Collection::Podm, "name").await?;
    let urls = store.names(Collection::Podm, "url").await?;
    let is_there = |podm: &PodmConfig| names.contains_key(&podm.name) || urls.contains_key(&canonical_url(&podm.url));
    for podm in configured.iter().filter(|podm| !is_there(podm)) {
        let Some(key) = key else {
            tracing::warn!(podm = %podm.name, "not registered: no secret key is configured");
            continue;
        };
        if !has_task(store, key, podm).await? {
            has_task(store, key, podm).await?;
        }
    }
    Ok(())
}

/// Makes the task, or finds the one that there is. `false`: it ended a while ago, and is forgotten now, so that there may be another.
async fn has_task(store: &Store, key: &SecretKey, podm: &PodmConfig) -> Result<bool, StoreError> {
    let proposed = new_record_id();
    let claimed = store.claim_name(Collection::Podm, REGISTRATION, &podm.name, &proposed).await?;
    let id = claimed.unwrap_or(proposed);
    let Some(def) = definition(key, podm, &id) else { return Ok(true) };
    let once = IdempotencyKey { caller: "config".into(), key: format!("podm:{id}"), fingerprint: "config".into() };
    match store.submit(def, None, Some(once)).await {
        Ok(task) if !task.new && is_over(store, task.id).await? => {
            store.release_name(Collection::Podm, REGISTRATION, &podm.name, &id).await?;
            return Ok(false);
        }
        Ok(_) => {}
        Err(SubmitError::Store(error)) => return Err(error),
        Err(SubmitError::Refused(problem)) => {
            tracing::warn!(podm = %podm.name, error = %problem.detail, "not registered");
        }
    }
    Ok(true)
}

/// Whether a registration ended a while ago: what it registered has gone since, or it registered nothing.
async fn is_over(store: &Store, task: TaskId) -> Result<bool, StoreError> {
    let Some(task) = store.task(task).await? else { return Ok(true) };
    let finished = task.field("finished").and_then(|at| at.parse::<u64>().ok());
    let again = u64::try_from(AGAIN.as_millis()).unwrap_or(u64::MAX);
    Ok(task.state.is_terminal() && finished.is_none_or(|at| at.saturating_add(again) < store.clock().now_ms()))
}

fn definition(key: &SecretKey, podm: &PodmConfig, id: &str) -> Option<Definition> {
    let sealed = key.seal(id, podm.password.expose_secret());
    let sealed = sealed.inspect_err(|error| tracing::warn!(podm = %podm.name, %error, "not registered")).ok()?;
    let mut params = json!({
        "name": podm.name, "url": podm.url, "driver": podm.driver,
        "authentication": [{ "type": "basic", "auth_items": { "username": podm.username, "password": sealed } }],
    });
    if let Some(fingerprint) = &podm.fingerprint {
        params["fingerprint"] = fingerprint.as_str().into();
    }
    if podm.insecure_skip_verify {
        params["insecure_skip_verify"] = true.into();
    }
    let mut def = Definition::new("podm.create", params);
    def.podm_id = Some(id.to_owned());
    Some(def)
}
