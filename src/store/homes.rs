//! Records of one Pod Manager, without those of the others: beside the set of all ids of a collection, one for each Pod Manager. With thousands
//! of them each reads its own now and then, and the ids of all each time would be their square.
//!
//! Which Pod Manager a node or a device is of never changes. An id is put into its Pod Manager's set after its record, and taken out by whoever
//! finds it there without one. The sets are made when there are none yet, and every few minutes anew (`upkeep::homes`): what a process of an
//! older build has written is found then at the latest. Who destroys what it does not find looks at all records
//! ([`Store::all_records_of`]).

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::records::Collection;
use super::{Store, StoreError, keys};

/// Collections whose records are each of one Pod Manager.
pub const HOMED: [Collection; 2] = [Collection::Node, Collection::Device];
/// Ids in one call.
const CHUNK: usize = 500;

/// Sets that are changed at once.
const AT_ONCE: usize = 16;

/// When this process began to make the sets last, by collection. Held while they are made: who waits may not need to make them again.
#[derive(Default)]
pub(super) struct Homes(tokio::sync::Mutex<HashMap<&'static str, Instant>>);

/// What of a record says whose it is.
#[derive(Deserialize)]
struct Home {
    uuid: String,
    podm_id: String,
}

impl Store {
    /// Reads the records of a collection that are of one Pod Manager.
    ///
    /// # Errors
    /// When Redis is away. A row that cannot be read is left out and logged.
    pub async fn records_of<T: DeserializeOwned>(&self, podm_id: &str, of: Collection) -> Result<Vec<T>, StoreError> {
        let asked = Instant::now();
        let (are_made, mut ids) = self.home(of, podm_id).await?;
        if !are_made {
            self.make_homes(of, asked).await?;
            (_, ids) = self.home(of, podm_id).await?;
        }
        ids.sort_unstable();
        let (mut own, mut found) = (Vec::with_capacity(ids.len()), HashSet::new());
        for row in self.records_with::<Value>(of, &ids).await? {
            let uuid = match Home::deserialize(&row) {
                Ok(home) if home.podm_id == podm_id => home.uuid,
                Ok(_) => continue,
                Err(error) => {
                    tracing::error!(collection = of.as_str(), %error, "a record does not say whose it is");
                    continue;
                }
            };
            match serde_json::from_value(row) {
                Ok(row) => own.push(row),
                Err(error) => {
                    tracing::error!(collection = of.as_str(), id = uuid, %error, "a record cannot be read");
                }
            }
            found.insert(uuid);
        }
        ids.retain(|id| !found.contains(id));
        self.leave_home(of, podm_id, &ids).await?;
        Ok(own)
    }

    /// As [`Store::records_of`], by a look at all records of the collection: for the few who would destroy what an older build, running
    /// beside this one, has put nowhere but there.
    ///
    /// # Errors
    /// As there.
    pub async fn all_records_of<T: DeserializeOwned>(
        &self,
        podm_id: &str,
        of: Collection,
    ) -> Result<Vec<T>, StoreError> {
        self.make_homes(of, Instant::now()).await?;
        self.records_of(podm_id, of).await
    }

    /// Puts every record of a collection into the set of its Pod Manager, unless that was begun at or after `not_before`.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn make_homes(&self, of: Collection, not_before: Instant) -> Result<(), StoreError> {
        let mut made = self.homes().0.lock().await;
        if made.get(of.as_str()).is_some_and(|began| *began >= not_before) {
            return Ok(());
        }
        let began = Instant::now();
        let mut homes: HashMap<String, Vec<String>> = HashMap::new();
        for chunk in self.record_ids(of).await?.chunks(CHUNK) {
            for Home { uuid, podm_id } in self.records_with(of, chunk).await? {
                homes.entry(podm_id).or_default().push(uuid);
            }
        }
        let add = async |(podm_id, ids): (String, Vec<String>)| match self.change_home(of, &podm_id, "add", &ids).await
        {
            Err(error) if !error.is_transient() => {
                tracing::error!(collection = of.as_str(), podm = podm_id, %error, "its records are not found");
                Ok(())
            }
            done => done,
        };
        stream::iter(homes).map(Ok).try_for_each_concurrent(AT_ONCE, add).await?;
        self.index(keys::homes(of.as_str()), &["stamp", "made"]).await?;
        made.insert(of.as_str(), began);
        Ok(())
    }

    /// Forgets which records were a Pod Manager's that is itself forgotten.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn forget_home(&self, podm_id: &str) -> Result<(), StoreError> {
        let mut pipe = redis::pipe();
        for of in HOMED {
            pipe.cmd("DEL").arg(keys::home(of.as_str(), podm_id)).ignore();
        }
        Ok(pipe.query_async(&mut self.redis().shared()).await?)
    }

    /// Puts a record that was written into the set of its Pod Manager; one that was deleted stays there until it is looked for.
    pub(super) async fn note_home(&self, of: Collection, id: &str, row: &str) -> Result<(), StoreError> {
        if row.is_empty() || !HOMED.contains(&of) {
            return Ok(());
        }
        match serde_json::from_str::<Home>(row) {
            Ok(home) => self.change_home(of, &home.podm_id, "add", &[id.to_owned()]).await,
            Err(error) => {
                tracing::error!(collection = of.as_str(), id, %error, "a record does not say whose it is");
                Ok(())
            }
        }
    }

    /// Takes ids out that have no record of this Pod Manager.
    async fn leave_home(&self, of: Collection, podm_id: &str, strays: &[String]) -> Result<(), StoreError> {
        if strays.is_empty() {
            return Ok(());
        }
        self.change_home(of, podm_id, "remove", strays).await?;
        // Who has written one of them meanwhile may have put it in before it was taken out.
        let come: Vec<Home> = self.records_with(of, strays).await?;
        let back: Vec<String> = come.into_iter().filter(|h| h.podm_id == podm_id).map(|h| h.uuid).collect();
        self.change_home(of, podm_id, "add", &back).await
    }

    async fn change_home(&self, of: Collection, podm_id: &str, how: &str, ids: &[String]) -> Result<(), StoreError> {
        for some in ids.chunks(CHUNK) {
            let args: Vec<&str> = std::iter::once(how).chain(some.iter().map(String::as_str)).collect();
            self.index(keys::home(of.as_str(), podm_id), &args).await?;
        }
        Ok(())
    }

    /// Whether the sets of a collection were made, and that of a Pod Manager.
    async fn home(&self, of: Collection, podm_id: &str) -> Result<(bool, Vec<String>), StoreError> {
        let mut pipe = redis::pipe();
        pipe.exists(keys::homes(of.as_str())).smembers(keys::home(of.as_str(), podm_id));
        Ok(pipe.query_async(&mut self.redis().shared()).await?)
    }
}
