//! Where the sessions are that processes have open at Pod Managers: noted by whoever logged in, and noted again while they are kept, so that
//! one whose process died can be ended by another. Tokens stand nowhere.

use std::collections::HashMap;

use super::gates::Gatekeeper;
use super::{Store, StoreError, keys};

/// A session that was not noted for so long is nobody's any more, ms: some looks for unused ones.
const LOST_MS: u64 = 180_000;

impl Gatekeeper {
    /// Notes the session that a process has open, by its path.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn session_kept(&self, podm_id: &str, path: &str) -> Result<(), StoreError> {
        let (key, now) = (keys::sessions(podm_id), self.0.clock().now_ms());
        Ok(redis::cmd("HSET").arg(key).arg(path).arg(now).query_async(&mut self.0.redis().shared()).await?)
    }

    /// Notes that it is no more.
    ///
    /// # Errors
    /// When Redis is away; it is then ended once more.
    pub async fn session_ended(&self, podm_id: &str, path: &str) -> Result<(), StoreError> {
        self.0.session_ended(podm_id, path).await
    }
}

impl Store {
    /// Paths of the sessions at a Pod Manager whose processes are gone.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn lost_sessions(&self, podm_id: &str) -> Result<Vec<String>, StoreError> {
        let noted: HashMap<String, u64> =
            redis::cmd("HGETALL").arg(keys::sessions(podm_id)).query_async(&mut self.redis().shared()).await?;
        let now = self.clock().now_ms();
        Ok(noted.into_iter().filter(|(_, kept)| kept + LOST_MS < now).map(|(path, _)| path).collect())
    }

    /// Notes that a session is no more.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn session_ended(&self, podm_id: &str, path: &str) -> Result<(), StoreError> {
        let key = keys::sessions(podm_id);
        Ok(redis::cmd("HDEL").arg(key).arg(path).query_async(&mut self.redis().shared()).await?)
    }

    pub(super) async fn forget_sessions(&self, podm_id: &str) -> Result<(), StoreError> {
        Ok(redis::cmd("DEL").arg(keys::sessions(podm_id)).query_async(&mut self.redis().shared()).await?)
    }
}
