//! Registers the configured Pod Managers when they are missing (also after Redis was emptied).

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::json;

use crate::config::PodmConfig;
use crate::ids::new_record_id;
use crate::model::task::Definition;
use crate::secret::SecretKey;
use crate::shutdown::Shutdown;
use crate::store::records::Collection;
use crate::store::submit::{IdempotencyKey, SubmitError};
use crate::store::{Store, StoreError};

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(5);

pub(super) fn spawn(store: &Store, key: Option<Arc<SecretKey>>, configured: Vec<PodmConfig>, shutdown: &Shutdown) {
    let store = store.clone();
    super::spawn_loop("podms", shutdown, move || {
        let (store, key, configured) = (store.clone(), key.clone(), configured.clone());
        async move {
            for podm in &configured {
                register(&store, key.as_deref(), podm).await?;
            }
            Ok(PAUSE)
        }
    });
}

/// Registers one Pod Manager by a task, unless its name is taken.
///
/// # Errors
/// When Redis is away.
pub async fn register(store: &Store, key: Option<&SecretKey>, podm: &PodmConfig) -> Result<(), StoreError> {
    if store.name_owner(Collection::Podm, "name", &podm.name).await?.is_some() {
        return Ok(());
    }
    let Some(key) = key else {
        tracing::warn!(podm = %podm.name, "not registered: no secret key is configured");
        return Ok(());
    };
    let id = new_record_id();
    let sealed = match key.seal(&id, podm.password.expose_secret()) {
        Ok(sealed) => sealed,
        Err(error) => {
            tracing::warn!(podm = %podm.name, %error, "not registered");
            return Ok(());
        }
    };
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
    def.podm_id = Some(id);
    // Two schedulers, or two looks within a minute, make one task.
    let minute = store.clock().now_ms() / 60_000;
    let key = IdempotencyKey {
        caller: "config".into(),
        key: format!("podm:{}:{minute}", podm.name),
        fingerprint: "config".into(),
    };
    match store.submit(def, None, Some(key)).await {
        Ok(_) => Ok(()),
        Err(SubmitError::Store(error)) => Err(error),
        Err(SubmitError::Refused(problem)) => {
            tracing::warn!(podm = %podm.name, error = %problem.detail, "not registered");
            Ok(())
        }
    }
}
