//! Gates: how many at once may change or read a Pod Manager, and one at a time for a node.
//!
//! A stored task passes its gates inside `claim` and gives them back inside `settle`; nothing here concerns those. This file serves
//! sync reads, which are no stored tasks: they hold a place under a name of their own, and wait for one in their process.

use std::time::Duration;

use super::{Store, StoreError, keys};
use crate::ids::Bucket;

/// One gate as an operator sees it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct GateView {
    /// Its name.
    pub name: String,
    /// How many may be in at once.
    pub limit: u32,
    /// Who is in.
    pub holders: Vec<String>,
    /// How many stand in line.
    pub waiting: u64,
}

impl Store {
    /// Takes a place in a gate for a sync read, at most for `lasts`. `false`: it is full.
    ///
    /// # Errors
    /// When Redis is away.
    ///
    /// # Cancel safety
    /// A dropped call may leave a place taken until `lasts` is over.
    pub async fn gate_enter(
        &self,
        bucket: Bucket,
        gate: &str,
        holder: &str,
        limit: u32,
        lasts: Duration,
    ) -> Result<bool, StoreError> {
        let holder = format!("sync:{holder}");
        let (limit, lasts) = (limit.to_string(), lasts.as_millis().to_string());
        let args = ["acquire", gate, &holder, &limit, &lasts];
        let entered: u8 = self.call(&self.scripts().gate, bucket, &args[..]).await?;
        Ok(entered == 1)
    }

    /// Gives a place back.
    ///
    /// # Errors
    /// When Redis is away; the place then lapses by itself.
    pub async fn gate_leave(&self, bucket: Bucket, gate: &str, holder: &str) -> Result<(), StoreError> {
        let holder = format!("sync:{holder}");
        let args = ["release", gate, &holder];
        let _left: u8 = self.call(&self.scripts().gate, bucket, &args[..]).await?;
        Ok(())
    }

    /// Looks at a gate.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn gate(&self, bucket: Bucket, name: &str, default_limit: u32) -> Result<GateView, StoreError> {
        let (holders, waiting, limit): (Vec<String>, u64, Option<u32>) = redis::pipe()
            .zrange(keys::of(bucket, &format!("gate:{name}")), 0, -1)
            .zcard(keys::of(bucket, &format!("gatewait:{name}")))
            .hget(keys::of(bucket, "limits"), name)
            .query_async(&mut self.redis().shared())
            .await?;
        Ok(GateView { name: name.to_owned(), limit: limit.unwrap_or(default_limit), holders, waiting })
    }
}
