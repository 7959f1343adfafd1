//! What a deployment fixes at its first start: a process configured otherwise refuses to start and says why.

use serde_json::{Value, json};

use super::{Store, StoreError, keys};

/// Why a process may not join the deployment.
#[derive(Debug, thiserror::Error)]
pub enum MetaError {
    /// Configured otherwise than the deployment was first started.
    #[error(
        "this deployment was started with {name} {recorded}, and this process is configured with {configured}: they must be the same"
    )]
    Mismatch {
        /// Which setting.
        name: &'static str,
        /// What Redis has.
        recorded: String,
        /// What this process has.
        configured: String,
    },
    /// Redis is away.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl super::connect::Redis {
    /// The bucket count that a deployment recorded here; `None` when there is no deployment. Changes nothing.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn recorded_buckets(&self) -> Result<Option<u16>, StoreError> {
        Ok(redis::cmd("HGET").arg(keys::META).arg("buckets").query_async(&mut self.shared()).await?)
    }
}

impl Store {
    /// Records buckets and lease when nobody has, else compares. Also called by upkeep, so an emptied Redis gets them again.
    ///
    /// # Errors
    /// [`MetaError::Mismatch`], or when Redis is away.
    pub async fn agree_on_meta(&self) -> Result<(), MetaError> {
        let options = self.options();
        let wanted =
            [("buckets", options.buckets.count().to_string()), ("lease_ms", options.lease.as_millis().to_string())];
        for (name, configured) in wanted {
            let (_, recorded): (bool, String) = redis::pipe()
                .hset_nx(keys::META, name, &configured)
                .hget(keys::META, name)
                .query_async(&mut self.redis().shared())
                .await
                .map_err(StoreError::from)?;
            if recorded != configured {
                return Err(MetaError::Mismatch { name, recorded, configured });
            }
        }
        Ok(())
    }

    /// What Redis promises to keep: shown in `/readyz` and by `valence doctor`.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn durability(&self) -> Result<Durability, StoreError> {
        let text: String = redis::cmd("INFO").arg("everything").query_async(&mut self.redis().shared()).await?;
        let field = |name: &str| {
            let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
            line.unwrap_or_default().trim().to_owned()
        };
        let fsync: Result<Vec<String>, _> =
            redis::cmd("CONFIG").arg("GET").arg("appendfsync").query_async(&mut self.redis().shared()).await;
        let fsync = fsync.ok().and_then(|v| v.get(1).cloned()).unwrap_or_else(|| "unknown".into());
        let aof = field("aof_enabled") == "1";
        let guarantee = match (aof, fsync.as_str()) {
            (true, "always") => "an accepted task survives the loss of the Redis process and of power",
            (true, "everysec") => "up to some seconds of accepted tasks can be lost with the Redis process",
            (true, _) => "accepted tasks can be lost with the Redis process; its fsync policy is not known",
            (false, _) => "every task is lost with the Redis process: appendonly is off",
        };
        Ok(Durability {
            role: field("role"),
            redis_version: field("redis_version"),
            appendonly: aof,
            appendfsync: fsync,
            maxmemory_policy: field("maxmemory_policy"),
            guarantee: guarantee.to_owned(),
        })
    }
}

impl Store {
    /// Whether Redis is there and takes writes, and what it promises to keep: the body of `/readyz`, as `Err` when it is not ready.
    ///
    /// # Errors
    /// The body that says why not.
    pub async fn readiness(&self) -> Result<Value, Value> {
        match self.durability().await {
            Ok(durability) => {
                let ready = durability.role == "master";
                let body = json!({ "ready": ready, "redis": durability });
                if ready { Ok(body) } else { Err(body) }
            }
            Err(error) => Err(json!({ "ready": false, "detail": error.to_string() })),
        }
    }
}

/// What Redis promises to keep.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Durability {
    /// `master` is wanted.
    pub role: String,
    /// Version of the server.
    pub redis_version: String,
    /// Whether an append-only file is kept.
    pub appendonly: bool,
    /// When it is written to disk; `always` is what the guarantees are for.
    pub appendfsync: String,
    /// `noeviction` is wanted.
    pub maxmemory_policy: String,
    /// What follows for an accepted task.
    pub guarantee: String,
}
