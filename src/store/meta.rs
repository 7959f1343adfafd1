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

    /// What Redis promises to keep: shown in `/readyz` and by `valence doctor`. Of several primaries, the weakest promise.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn durability(&self) -> Result<Durability, StoreError> {
        let infos = self.redis().infos(&["everything"]).await?;
        let of_all = |name: &str| {
            let values: Vec<&str> = infos.iter().map(|info| field(info, name)).collect();
            let first = values.first().copied().unwrap_or_default();
            if values.iter().all(|v| *v == first) { first.to_owned() } else { values.join(", ") }
        };
        let fsync = self.redis().settings("appendfsync").await.unwrap_or_default();
        let fsync = match fsync.first() {
            Some(first) if fsync.iter().all(|f| f == first) => first.clone(),
            Some(_) => fsync.join(", "),
            None => "unknown".into(),
        };
        let aof = !infos.is_empty() && infos.iter().all(|info| field(info, "aof_enabled") == "1");
        let replicas = infos.iter().filter_map(|info| field(info, "connected_slaves").parse().ok()).min().unwrap_or(0);
        let wait_replicas = self.options().replicas.map_or(0, |(count, _)| count);
        let policy = of_all("maxmemory_policy");
        let kept = guarantee(aof, &fsync, self.redis().topology(), replicas, wait_replicas);
        Ok(Durability {
            topology: self.redis().topology().to_owned(),
            primaries: infos.len(),
            role: of_all("role"),
            redis_version: of_all("redis_version"),
            guarantee: while_there_is_room(kept, &policy),
            appendonly: aof,
            appendfsync: fsync,
            maxmemory_policy: policy,
            replicas,
            wait_replicas,
        })
    }

    /// Waits until the replicas that are asked for have what stands under some keys of one bucket, of which so many have to stand;
    /// nothing when no replica is asked for. Both are asked of the same server over the same connection: after a failover in between,
    /// the new primary's replicas have everything that it has, which may not be what was written.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when too few have it in time: what was written may stand all the same, and the request is to be
    /// repeated with its Idempotency-Key.
    pub(super) async fn until_replicated(&self, keys: &[String], stand: usize) -> Result<(), StoreError> {
        let Some((wanted, limit)) = self.options().replicas else { return Ok(()) };
        let limit = limit.as_millis().to_string();
        let mut both = redis::pipe();
        both.exists(keys).cmd("WAIT").arg(wanted).arg(limit);
        let (found, seen): (usize, u32) = both.query_async(&mut self.redis().shared()).await?;
        if found >= stand && seen >= wanted {
            return Ok(());
        }
        let text = format!("{seen} of {wanted} replicas have the {found} of {stand} that stand");
        Err(redis::RedisError::from(std::io::Error::new(std::io::ErrorKind::TimedOut, text)).into())
    }
}

pub(super) fn field<'i>(info: &'i str, name: &str) -> &'i str {
    info.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':')).unwrap_or_default().trim()
}

/// What follows for an accepted task. *Source*: measured losses, docs/operations.md.
fn guarantee(aof: bool, fsync: &str, topology: &str, replicas: u32, waits: u32) -> String {
    let alone = match (aof, fsync) {
        (true, "always") => "an accepted task survives the loss of the Redis process and of power",
        (true, "everysec") => "up to some seconds of accepted tasks can be lost with the Redis process",
        (true, _) => "accepted tasks can be lost with the Redis process; its fsync policy is not known",
        (false, _) => "every task is lost with the Redis process: appendonly is off",
    };
    match (topology, replicas, waits) {
        ("server", 0, 0) => alone.to_owned(),
        (_, _, 0) => {
            format!("{alone}; a failover can lose what its replica has not seen yet: nothing waits for replicas")
        }
        _ if waits < replicas => format!(
            "{alone}; {waits} of {replicas} replicas have it before it is accepted: a failover to another can lose it"
        ),
        _ => format!("{alone}; {waits} of {replicas} replicas have it before it is accepted"),
    }
}

/// A promise holds for what Redis does not delete by itself.
fn while_there_is_room(guarantee: String, policy: &str) -> String {
    if policy == "noeviction" {
        guarantee
    } else {
        format!("{guarantee}; a full Redis deletes tasks: maxmemory-policy is {policy}")
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
    /// `server`, `sentinel` or `cluster`.
    pub topology: String,
    /// Servers that take writes.
    pub primaries: usize,
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
    /// Replicas that are connected, of the primary with the fewest.
    pub replicas: u32,
    /// Replicas that must have a task before it is accepted.
    pub wait_replicas: u32,
    /// What follows for an accepted task.
    pub guarantee: String,
}
