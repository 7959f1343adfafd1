//! Reservations of hardware at Pod Managers, from the choice of one until its inventory counts the node: `lua/reserve.lua`.
//!
//! A reservation is checked and made in one call in the Pod Manager's bucket, so placers that choose at once never promise more than
//! there is. The candidates that they choose from are kept for a moment ([`super::candidates`]); what a call learns goes into them.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::{Store, StoreError};
use crate::ids::TaskId;
use crate::model::placement::{CLOCKS_MS, Candidate, Choice, Decision, OWN_MS, Placement, Reservation, Scene};

/// How long a node that is there counts without an inventory that knows it.
const UNCOUNTED: Duration = Duration::from_secs(3600);
/// Choices that are tried before it is said that there is none: others were quicker each time.
const TRIES: usize = 64;

/// What a call said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserved {
    /// It is the task's.
    Ok,
    /// Others have all there is.
    Full,
    /// It does as much at once as it may: others were quicker.
    Busy,
    /// A newer inventory was used by somebody: it must be read again.
    Stale,
}

impl Store {
    /// Chooses among the candidates and reserves, until both agree. That there is none to choose is said of candidates that were read
    /// after the call began; that the node has to wait, of such as were read a moment ago.
    ///
    /// # Errors
    /// When Redis is away.
    ///
    /// # Cancel safety
    /// A dropped call may leave a reservation behind, which the same task finds again, and which lapses.
    pub async fn place(
        &self,
        task: TaskId,
        lasts: Duration,
        decide: impl Fn(&Scene) -> Decision,
    ) -> Result<Decision, StoreError> {
        let began = Instant::now();
        let mut is_exact = false;
        let mut last = Decision::default();
        for _ in 0..TRIES {
            match is_exact {
                true => self.read_candidates(began).await?,
                false => self.recent_candidates().await?,
            }
            let decision = self.with_scene(|scene| {
                let decision = decide(scene);
                self.has_come(task);
                if let Some(choice) = &decision.choice
                    && let Some(candidate) = scene.candidates.get_mut(choice.at)
                {
                    // Who chooses next in this process sees it already.
                    let (shape, begun_ms, until_ms) = (choice.shape.clone(), scene.now_ms, scene.now_ms + OWN_MS);
                    let promise =
                        Reservation { task: task.to_string(), shape, begun_ms, until_ms, done_ms: 0, own: true };
                    candidate.reservations.push(promise);
                }
                decision
            });
            let Some(choice) = &decision.choice else {
                // Who waits for a place is called when there is one.
                if is_exact || decision.placement.waits.is_some() {
                    return Ok(decision);
                }
                is_exact = true;
                continue;
            };
            match self.reserve(task, choice, lasts).await? {
                Reserved::Ok => return Ok(decision),
                Reserved::Full | Reserved::Busy => {}
                Reserved::Stale => self.learn_inventory(choice).await?,
            }
            last = decision;
        }
        // It stands in line then, and is called.
        let waits = Some("others were quicker wherever there was a place".to_owned());
        Ok(Decision { choice: None, placement: Placement { waits, ..last.placement } })
    }

    /// Chooses without reserving anything.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn preview(&self, decide: impl Fn(&Scene) -> Decision) -> Result<Decision, StoreError> {
        self.read_candidates(Instant::now()).await?;
        Ok(self.with_scene(|scene| decide(scene)))
    }

    /// Reserves what was chosen.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn reserve(&self, task: TaskId, choice: &Choice, lasts: Duration) -> Result<Reserved, StoreError> {
        let most = choice.most.map(|n| n.to_string()).unwrap_or_default();
        let (at, lasts) = (choice.inventory_ms.to_string(), lasts.as_millis().to_string());
        let (task, clocks) = (task.to_string(), CLOCKS_MS.to_string());
        let places = choice.places.to_string();
        let args = ["take", &choice.podm_id, &task, &choice.shape, &most, &at, &lasts, &clocks, &places];
        let (said, fields, in_flight): (String, HashMap<String, String>, u64) =
            self.call(&self.scripts().reserve, self.bucket_of(&choice.podm_id), &args[..]).await?;
        let mut reservations = parse(&fields);
        reservations.iter_mut().filter(|r| r.task == task).for_each(|r| r.own = true);
        self.with_scene(|scene| {
            let known = scene.candidates.get_mut(choice.at).filter(|c| c.site.uuid == choice.podm_id);
            if let Some(candidate) = known {
                let mut before = std::mem::replace(&mut candidate.reservations, reservations);
                before.retain(|r| r.task != task);
                candidate.in_flight = in_flight;
                candidate.keep_own(&before, scene.now_ms);
            }
        });
        Ok(match said.as_str() {
            "ok" => Reserved::Ok,
            "stale" => Reserved::Stale,
            "busy" => Reserved::Busy,
            _ => Reserved::Full,
        })
    }

    /// Notes that a reservation's node is there, and how long it took: it counts until an inventory knows the node.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn reservation_done(&self, podm_id: &str, task: TaskId, took: Duration) -> Result<(), StoreError> {
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.note_end(podm_id, task, &took_ms.to_string()).await?;
        self.place_is_free(podm_id, task, |candidate| {
            let before = candidate.compose_ms.unwrap_or(took_ms);
            candidate.compose_ms = Some((before * 7 + took_ms * 3) / 10);
        });
        Ok(())
    }

    /// Notes that a reservation's compose has given up and may have left something there: that counts until an inventory tells.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn reservation_left(&self, podm_id: &str, task: TaskId) -> Result<(), StoreError> {
        self.note_end(podm_id, task, "").await?;
        self.place_is_free(podm_id, task, |_| {});
        Ok(())
    }

    async fn note_end(&self, podm_id: &str, task: TaskId, took: &str) -> Result<(), StoreError> {
        let kept = UNCOUNTED.as_millis().to_string();
        self.note_reservation(&["done", podm_id, &task.to_string(), took, "", "", &kept]).await
    }

    /// What was read last learns at once that a compose has ended, and who waits is called.
    fn place_is_free(&self, podm_id: &str, task: TaskId, learn: impl FnOnce(&mut Candidate)) {
        let id = task.to_string();
        self.with_scene(|scene| {
            let now_ms = scene.now_ms;
            let Some(candidate) = scene.candidates.iter_mut().find(|c| c.site.uuid == podm_id) else { return };
            if let Some(known) = candidate.reservations.iter_mut().find(|r| r.task == id && r.done_ms == 0) {
                known.done_ms = now_ms;
                candidate.in_flight = candidate.in_flight.saturating_sub(1);
                learn(candidate);
            }
        });
        self.a_place_is_free();
    }

    /// Gives a reservation back whose node will not be there.
    ///
    /// # Errors
    /// When Redis is away; it then lapses.
    pub async fn drop_reservation(&self, podm_id: &str, task: TaskId) -> Result<(), StoreError> {
        self.note_reservation(&["drop", podm_id, &task.to_string()]).await?;
        self.place_is_free(podm_id, task, |_| {});
        self.with_candidates(|all| {
            let id = task.to_string();
            let here = all.iter_mut().find(|c| c.site.uuid == podm_id);
            here.into_iter().for_each(|c| c.reservations.retain(|r| r.task != id));
        });
        Ok(())
    }

    /// Gives back every reservation that a task has and whose node is not there.
    ///
    /// # Errors
    /// When Redis is away; they then lapse.
    pub async fn drop_reservations_of(&self, task: TaskId) -> Result<(), StoreError> {
        self.read_candidates(Instant::now()).await?;
        let id = task.to_string();
        let has_one = |c: &&mut Candidate| c.reservations.iter().any(|r| r.task == id && r.done_ms == 0);
        let at: Vec<String> =
            self.with_candidates(|all| all.iter_mut().filter(has_one).map(|c| c.site.uuid.clone()).collect());
        for podm_id in at {
            self.drop_reservation(&podm_id, task).await?;
        }
        Ok(())
    }

    /// Notes that hardware was given back at a Pod Manager: an inventory from before is no proof that there is none.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn hardware_freed(&self, podm_id: &str) -> Result<(), StoreError> {
        self.note_reservation(&["freed", podm_id]).await
    }

    async fn note_reservation(&self, args: &[&str]) -> Result<(), StoreError> {
        let bucket = self.bucket_of(args.get(1).copied().unwrap_or_default());
        let _said: Vec<String> = self.call(&self.scripts().reserve, bucket, args).await?;
        Ok(())
    }

    pub(super) fn bucket_of(&self, podm_id: &str) -> crate::ids::Bucket {
        self.options().buckets.of_name(podm_id)
    }
}

/// The reservations among the fields of a hash.
pub(super) fn parse(fields: &HashMap<String, String>) -> Vec<Reservation> {
    let one = |(task, value): (&String, &String)| {
        let mut parts = value.splitn(4, ' ');
        let mut number = || parts.next()?.parse().ok();
        let (done_ms, until_ms, begun_ms) = (number()?, number()?, number()?);
        Some(Reservation {
            task: task.clone(),
            shape: parts.next()?.to_owned(),
            begun_ms,
            until_ms,
            done_ms,
            own: false,
        })
    };
    fields.iter().filter(|(task, _)| !task.starts_with('!')).filter_map(one).collect()
}
