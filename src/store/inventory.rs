//! Inventories of Pod Managers, one hash each: what the last refresh came to, the rows behind it, and where it disagrees with the records.
//!
//! Only what has changed is written. Rows and summary need not agree to the moment: a refresh that is overtaken leaves rows that the next
//! one reads again, since their versions differ; the summary is that of the refresh which began last.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::each::{each, readable, value};
use super::{Store, StoreError, keys};
use crate::ids::TaskId;
use crate::model::drift::Finding;
use crate::model::inventory::{Inventory, Rack, Unit};
use crate::model::state::State;
use crate::model::task::Definition;
use crate::store::submit::SubmitError;

/// Rows kept of one Pod Manager.
const MOST_ROWS: usize = 5_000;
/// Rows written in one call.
const CHUNK: usize = 500;
/// How long an inventory is kept without another refresh, ms.
const KEPT_MS: u64 = 30 * 24 * 3_600_000;
/// Most refreshes that changes cause: one in so long, made at the end of it so that it sees everything before, ms.
const SOON_MS: u64 = 10_000;

/// What is kept of a Pod Manager beside its summary.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    /// Units by their path.
    pub units: BTreeMap<String, Unit>,
    /// Racks by their id.
    pub racks: BTreeMap<String, Rack>,
    /// When everything was read, changed or not, ms since 1970; 0: never.
    pub full_ms: u64,
}

/// When a Pod Manager is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Looks {
    /// When it was, ms since 1970.
    pub at_ms: Option<u64>,
    /// When the next look is worth while, because something was found; 0: whenever it comes.
    pub again_ms: Option<u64>,
}

impl Store {
    /// Keeps what a refresh found. `false`: one that began later was there first.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn put_inventory(&self, inventory: &Inventory) -> Result<bool, StoreError> {
        let mut call = self.scripts().inventory.prepare_invoke();
        call.key(keys::inventory(&inventory.podm_id)).arg(inventory.at_ms).arg(json(inventory)?).arg(KEPT_MS);
        let kept: u8 = call.invoke_async(&mut self.redis().shared()).await?;
        Ok(kept == 1)
    }

    /// What the last refreshes of some Pod Managers found, in their order; `None` for one that was never read, or whose inventory this build
    /// cannot read: the next refresh writes it anew.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn inventories(&self, podm_ids: &[String]) -> Result<Vec<Option<Inventory>>, StoreError> {
        if podm_ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        for id in podm_ids {
            pipe.hget(keys::inventory(id), "summary");
        }
        let texts = each(&mut pipe, self.redis()).await?;
        Ok(podm_ids.iter().zip(texts).map(|(id, text)| known("an inventory", id, text)).collect())
    }

    /// When some Pod Managers were read, and are to be read again, in their order.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn looks(&self, podm_ids: &[String]) -> Result<Vec<Looks>, StoreError> {
        if podm_ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        for id in podm_ids {
            pipe.cmd("HMGET").arg(keys::inventory(id)).arg(&["at", "again"]);
        }
        let found = each::<redis::Value>(&mut pipe, self.redis()).await?;
        let look = |(id, answer): (&String, _)| {
            let fields: Vec<redis::Value> = value("an inventory", id, answer).unwrap_or_default();
            let mut numbers = fields.into_iter().map(|field| value("an inventory", id, Ok(field)));
            Looks { at_ms: numbers.next().flatten(), again_ms: numbers.next().flatten() }
        };
        Ok(podm_ids.iter().zip(found).map(look).collect())
    }

    /// The rows of a Pod Manager.
    ///
    /// # Errors
    /// When Redis is away, or what it has cannot be read.
    pub async fn inventory_rows(&self, podm_id: &str) -> Result<Rows, StoreError> {
        let all: HashMap<String, String> =
            redis::cmd("HGETALL").arg(keys::inventory(podm_id)).query_async(&mut self.redis().shared()).await?;
        let mut rows = Rows::default();
        for (field, text) in all {
            match field.split_once(' ') {
                Some(("unit", path)) => drop(rows.units.insert(path.to_owned(), read("a unit", &text)?)),
                Some(("rack", id)) => drop(rows.racks.insert(id.to_owned(), read("a rack", &text)?)),
                _ if field == "full" => rows.full_ms = text.parse().unwrap_or(0),
                _ => {}
            }
        }
        Ok(rows)
    }

    /// Makes the rows of a Pod Manager what they are now, where they differ from what they were; says how many were written.
    ///
    /// # Errors
    /// When Redis is away or full.
    pub async fn put_inventory_rows(&self, podm_id: &str, before: &Rows, now: &Rows) -> Result<usize, StoreError> {
        let mut changed: Vec<(String, String)> = Vec::new();
        for (path, unit) in
            now.units.iter().take(MOST_ROWS).filter(|(path, unit)| before.units.get(*path) != Some(unit))
        {
            changed.push((format!("unit {path}"), json(unit)?));
        }
        for (id, rack) in now.racks.iter().take(MOST_ROWS).filter(|(id, rack)| before.racks.get(*id) != Some(rack)) {
            changed.push((format!("rack {id}"), json(rack)?));
        }
        if before.full_ms != now.full_ms {
            changed.push(("full".into(), now.full_ms.to_string()));
        }
        let gone_units = before.units.keys().filter(|path| !now.units.contains_key(*path)).map(|p| format!("unit {p}"));
        let gone_racks = before.racks.keys().filter(|id| !now.racks.contains_key(*id)).map(|id| format!("rack {id}"));
        let gone: Vec<String> = gone_units.chain(gone_racks).collect();
        let (key, mut shared) = (keys::inventory(podm_id), self.redis().shared());
        for some in changed.chunks(CHUNK) {
            let () = redis::pipe().hset_multiple(&key, some).ignore().query_async(&mut shared).await?;
        }
        for some in gone.chunks(CHUNK) {
            let () = redis::pipe().hdel(&key, some).ignore().query_async(&mut shared).await?;
        }
        Ok(changed.len() + gone.len())
    }

    /// Where hardware and records of some Pod Managers disagree, in their order; what cannot be read counts as not seen yet.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn drifts(&self, podm_ids: &[String]) -> Result<Vec<Vec<Finding>>, StoreError> {
        if podm_ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        for id in podm_ids {
            pipe.hget(keys::inventory(id), "drift");
        }
        let texts = each(&mut pipe, self.redis()).await?;
        Ok(podm_ids.iter().zip(texts).map(|(id, text)| known("drift", id, text).unwrap_or_default()).collect())
    }

    /// Keeps what a look has seen, and when the next look is worth while, ms since 1970; 0: whenever it comes.
    ///
    /// # Errors
    /// When Redis is away or full.
    pub async fn put_drift(&self, podm_id: &str, findings: &[Finding], again_ms: u64) -> Result<(), StoreError> {
        let (key, mut pipe) = (keys::inventory(podm_id), redis::pipe());
        if findings.is_empty() {
            pipe.hdel(&key, &["drift", "again"]).ignore();
        } else {
            pipe.hset_multiple(&key, &[("drift", json(&findings)?), ("again", again_ms.to_string())]).ignore();
        }
        let () = pipe.query_async(&mut self.redis().shared()).await?;
        Ok(())
    }

    /// Forgets the inventory of a Pod Manager.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn forget_inventory(&self, podm_id: &str) -> Result<(), StoreError> {
        let mut pipe = redis::pipe();
        pipe.cmd("DEL").arg(keys::inventory(podm_id)).ignore();
        for what in ["probed", "refresh", "refresh-task", "refresh-soon", "refresh-soon-task", "look"] {
            pipe.cmd("DEL").arg(keys::slot(what, podm_id)).ignore();
        }
        let () = pipe.query_async(&mut self.redis().shared()).await?;
        Ok(())
    }

    /// Has a Pod Manager refreshed soon, because something there has changed: one refresh for all changes of some seconds.
    ///
    /// # Errors
    /// When Redis is away or full.
    pub async fn refresh_soon(&self, podm_id: &str) -> Result<(), StoreError> {
        let now = self.clock().now_ms();
        if !self.book_slot("refresh-soon", podm_id, now / SOON_MS, 2 * SOON_MS).await? {
            return Ok(());
        }
        let mut def = Definition::new("inventory.refresh", serde_json::json!({ "brief": true }));
        def.podm_id = Some(podm_id.to_owned());
        (def.timeout_s, def.max_attempts) = (600, 1);
        def.labels.insert("cause".into(), "change".into());
        match self.submit_in_turn("refresh-soon-task", def, Some(SOON_MS - now % SOON_MS)).await {
            Ok(_) | Err(SubmitError::Refused(_)) => Ok(()),
            Err(SubmitError::Store(error)) => Err(error),
        }
    }

    /// Makes one of a row of tasks at a Pod Manager that follow each other: none while the last one has not begun or still runs; the one
    /// before is forgotten, so that however many come, few lie about. `None`: not made.
    ///
    /// # Errors
    /// As [`Store::submit`].
    pub async fn submit_in_turn(
        &self,
        what: &str,
        def: Definition,
        delay_ms: Option<u64>,
    ) -> Result<Option<TaskId>, SubmitError> {
        let Some(podm_id) = def.podm_id.clone() else { return Ok(None) };
        let key = keys::slot(what, &podm_id);
        let last: Option<String> =
            redis::cmd("GET").arg(&key).query_async(&mut self.redis().shared()).await.map_err(StoreError::from)?;
        if let Some(id) = last.and_then(|id| id.parse::<TaskId>().ok())
            && let Some(task) = self.task(id).await?
        {
            // One that runs may have looked before the change that the next one is for.
            let may_follow = task.state.is_terminal() || (delay_ms.is_some() && task.state == State::Running);
            if !may_follow {
                return Ok(None);
            }
            if task.state.is_terminal() {
                self.forget(id.bucket(), &[id], None).await?;
            }
        }
        let made = self.submit(def, delay_ms, None).await?.id;
        let () = redis::cmd("SET")
            .arg(&key)
            .arg(made.to_string())
            .arg("PX")
            .arg(KEPT_MS)
            .query_async(&mut self.redis().shared())
            .await
            .map_err(StoreError::from)?;
        Ok(Some(made))
    }
}

fn json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::corrupt("an inventory", e))
}

/// What is kept of a Pod Manager, where it can be read.
fn known<T: DeserializeOwned>(what: &str, podm_id: &str, text: Result<Option<String>, StoreError>) -> Option<T> {
    readable("an inventory", podm_id, text.and_then(|text| text.map(|text| read(what, &text)).transpose()))
}

fn read<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|e| StoreError::corrupt(what, e))
}
