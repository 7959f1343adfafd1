//! Seals anew, under the key that seals now, what an older key of the file has sealed in Pod Managers' records and in schedules.
//!
//! Tasks are left as they are: they end, and are forgotten after their retention; until then their key must stay in the file.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::model::audit::AuditEntry;
use crate::secret::{SecretError, SecretKey};
use crate::shutdown::Shutdown;
use crate::store::records::Collection;
use crate::store::{Store, StoreError};

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(10);

pub(super) fn spawn(store: &Store, key: Option<Arc<SecretKey>>, shutdown: &Shutdown) {
    let Some(key) = key else { return };
    let store = store.clone();
    super::spawn_loop("reseal", shutdown, move || {
        let (store, key) = (store.clone(), key.clone());
        async move {
            pass(&store, &key).await?;
            Ok(PAUSE)
        }
    });
}

/// Looks at all records once; says how many were sealed anew. The file of keys is read again first when it has changed.
///
/// # Errors
/// When Redis is away.
pub async fn pass(store: &Store, key: &SecretKey) -> Result<usize, StoreError> {
    if let Err(error) = key.refresh() {
        tracing::error!(%error, "the secret keys cannot be read again; those from before stay");
    }
    let mut count = 0;
    for of in [Collection::Podm, Collection::Schedule] {
        for (id, row) in store.raw_rows(of).await? {
            let Ok(mut value) = serde_json::from_str::<Value>(&row) else { continue };
            match anew(key, owner(of, &id, &value).as_str(), &mut value) {
                Ok(false) => {}
                Ok(true) => {
                    // Whoever changed it meanwhile has sealed it with the first key, or comes up at the next look.
                    if store.swap_row(of, &id, &row, &value.to_string()).await? {
                        count += 1;
                        told(store, of, &id).await?;
                    }
                }
                Err(error) => tracing::error!(collection = of.as_str(), id, %error, "cannot be sealed anew"),
            }
        }
    }
    Ok(count)
}

/// Whose secrets a record holds: a Pod Manager's its own, a schedule's those of the Pod Manager that its tasks concern.
fn owner(of: Collection, id: &str, row: &Value) -> String {
    if of == Collection::Podm {
        return id.to_owned();
    }
    row.pointer("/task/podm_id").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Seals every sealed text in a value anew; says whether there was one.
fn anew(key: &SecretKey, owner: &str, value: &mut Value) -> Result<bool, SecretError> {
    match value {
        Value::String(text) if SecretKey::is_sealed(text) => {
            let sealed = key.reseal(owner, text)?;
            let changed = sealed.is_some();
            if let Some(sealed) = sealed {
                *text = sealed;
            }
            Ok(changed)
        }
        Value::Object(map) => map.values_mut().try_fold(false, |any, v| Ok(anew(key, owner, v)? | any)),
        Value::Array(items) => items.iter_mut().try_fold(false, |any, v| Ok(anew(key, owner, v)? | any)),
        _ => Ok(false),
    }
}

async fn told(store: &Store, of: Collection, id: &str) -> Result<(), StoreError> {
    let entry = AuditEntry {
        at_ms: store.clock().now_ms(),
        actor: "scheduler".into(),
        action: "secret.reseal".into(),
        target: format!("{} {id}", of.as_str()),
        outcome: "done".into(),
        ..AuditEntry::default()
    };
    store.audit(&entry).await
}
