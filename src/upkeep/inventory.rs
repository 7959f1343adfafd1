//! Has the hardware of every Pod Manager read once an interval, spread over it; sooner where something was found wrong that a second look
//! must confirm, or whose grace is over. Shows how old what is known is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::Mutex;

use super::named::{OTHER, named};
use super::slots::Slots;
use crate::config::InventoryConfig;
use crate::model::podm::{Podm, PodmStatus};
use crate::model::task::Definition;
use crate::model::topic::Priority;
use crate::observe::metrics;
use crate::shutdown::Shutdown;
use crate::store::inventory::Looks;
use crate::store::submit::SubmitError;
use crate::store::{Store, StoreError};

/// Longest a refresh may take, s: a large and slow Pod Manager.
const MOST_S: u64 = 600;
/// Most looks that findings cause at one Pod Manager: one in so long, ms.
const LOOK_MS: u64 = 5_000;

pub(super) fn spawn(store: &Store, config: &InventoryConfig, shutdown: &Shutdown) {
    let every = config.interval.unsigned_abs();
    if every.is_zero() {
        return;
    }
    let inventory = Arc::new(Inventory::new(store.clone(), config));
    super::spawn_loop("inventory", shutdown, move || {
        let inventory = inventory.clone();
        async move {
            inventory.pass().await?;
            Ok(Slots::pause(every))
        }
    });
}

/// The pass, with its memory of which slots were dealt with and which labels were shown.
pub struct Inventory {
    store: Store,
    grace_s: u64,
    /// What is known counts as old after so long.
    old: Duration,
    memory: Mutex<(Slots, BTreeSet<String>)>,
}

impl Inventory {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(store: Store, config: &InventoryConfig) -> Self {
        let every = config.interval.unsigned_abs();
        let slots = Slots::new("refresh", every);
        Self {
            store,
            // One was missed.
            old: 2 * every + Duration::from_secs(MOST_S),
            grace_s: config.orphan_grace.unsigned_abs().as_secs(),
            memory: Mutex::new((slots, BTreeSet::new())),
        }
    }

    /// Looks at all Pod Managers once; says how many refreshes were made. One that is known to be away is not asked, and keeps what is
    /// known of it.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn pass(&self) -> Result<u32, StoreError> {
        let podms = self.store.podms().await?;
        let ids: Vec<String> = podms.iter().map(|p| p.uuid.clone()).collect();
        let looks = self.store.looks(&ids).await?;
        let mut memory = self.memory.lock().await;
        let (slots, shown) = &mut *memory;
        slots.keep(&podms);
        let (mut made, now) = (0, self.store.clock().now_ms());
        for (podm, look) in podms.iter().zip(&looks).filter(|(p, _)| p.status != PodmStatus::Offline) {
            if slots.book(&self.store, &podm.uuid).await? {
                made += u32::from(self.refresh(podm, Priority::Low).await?);
            } else if look.again_ms.is_some_and(|at| (1..=now).contains(&at))
                && self.store.book_slot("look", &podm.uuid, now / LOOK_MS, 2 * LOOK_MS).await?
            {
                made += u32::from(self.refresh(podm, Priority::Normal).await?);
            }
        }
        self.show(&podms, &looks, shown);
        Ok(made)
    }

    async fn refresh(&self, podm: &Podm, priority: Priority) -> Result<bool, StoreError> {
        let mut def = Definition::new("inventory.refresh", json!({ "sweep": { "grace_s": self.grace_s } }));
        def.podm_id = Some(podm.uuid.clone());
        (def.timeout_s, def.max_attempts, def.priority) = (MOST_S, 1, priority);
        match self.store.submit_in_turn("refresh-task", def, None).await {
            Ok(made) => Ok(made.is_some()),
            Err(SubmitError::Store(error)) => Err(error),
            Err(SubmitError::Refused(problem)) => {
                tracing::warn!(podm = %podm.name, error = %problem.detail, "no refresh made");
                Ok(false)
            }
        }
    }

    /// The age of what is known, of the oldest behind each label; and of how many it is old.
    fn show(&self, podms: &[Podm], looks: &[Looks], shown: &mut BTreeSet<String>) {
        let now_ms = self.store.clock().now_ms();
        let read = podms.iter().zip(looks).filter_map(|(podm, look)| {
            Some((podm.name.as_str(), Duration::from_millis(now_ms.saturating_sub(look.at_ms?))))
        });
        let trouble = |age: Duration| if age > self.old { age.as_secs() } else { 0 };
        let own = named(read.clone().map(|(name, age)| (name, trouble(age))));
        let old = read.clone().filter(|(_, age)| trouble(*age) > 0).count();
        metrics::get().podms.old.with_label_values(&["inventory"]).set(i64::try_from(old).unwrap_or(i64::MAX));
        let mut ages: BTreeMap<&str, Duration> = BTreeMap::new();
        for (name, age) in read {
            let label = own.get(name).copied().unwrap_or(OTHER);
            ages.entry(label).and_modify(|a| *a = age.max(*a)).or_insert(age);
        }
        let family = &metrics::get().upkeep.inventory_age;
        for (label, age) in &ages {
            family.with_label_values(&[label]).set(age.as_secs_f64());
        }
        for gone in shown.iter().filter(|label| !ages.contains_key(label.as_str())) {
            // It was shown, so it is there; if not, that is what is wanted.
            let _gone = family.remove_label_values(&[gone]);
        }
        *shown = ages.keys().map(|label| (*label).to_owned()).collect();
    }
}
