//! What a reader may touch: records, and Pod Managers under their gate for reads.

use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::model::drift::Finding;
use crate::model::event::PodmEvent;
use crate::model::inventory::Inventory;
use crate::model::kind;
use crate::model::placement::{Decision, Scene};
use crate::model::podm::Podm;
use crate::model::problem::Problem;
use crate::podm::Pool;
use crate::store::gates::Entry;
use crate::store::inventory::Rows;
use crate::store::readings::Latest;
use crate::store::records::Collection;
use crate::store::{Store, StoreError};

/// Most of a read's time that is kept for the answer that a Pod Manager gave none.
const TO_ANSWER: Duration = Duration::from_secs(1);

/// What a sync read works with.
pub struct ReadContext {
    store: Store,
    pool: Pool,
    request: String,
    deadline: std::time::Instant,
    /// Ends every wait for a Pod Manager before that.
    cut: CancellationToken,
}

impl ReadContext {
    /// Made by the worker for each read.
    #[must_use]
    pub fn new(store: Store, pool: Pool, request: String, deadline: std::time::Instant) -> Self {
        Self { store, pool, request, deadline, cut: CancellationToken::new() }
    }

    /// Pod Manager connections.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The same read, whose waits for Pod Managers end with `cut`.
    #[must_use]
    pub fn until(&self, cut: &CancellationToken) -> Self {
        Self {
            store: self.store.clone(),
            pool: self.pool.clone(),
            request: self.request.clone(),
            deadline: self.deadline,
            cut: cut.clone(),
        }
    }

    /// Time until nobody waits any more.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(std::time::Instant::now())
    }

    /// Reads a record.
    ///
    /// # Errors
    /// 503 when Redis is away.
    pub async fn record<T: DeserializeOwned>(&self, of: Collection, id: &str) -> Result<Option<T>, Problem> {
        self.store.record(of, id).await.map_err(|e| unavailable(&e))
    }

    /// Reads all records of a collection.
    ///
    /// # Errors
    /// 503 when Redis is away.
    pub async fn records<T: DeserializeOwned>(&self, of: Collection) -> Result<Vec<T>, Problem> {
        self.store.records(of).await.map_err(|e| unavailable(&e))
    }

    /// Chooses a Pod Manager without reserving anything.
    ///
    /// # Errors
    /// 503 when Redis is away.
    pub async fn preview(&self, decide: impl Fn(&Scene) -> Decision) -> Result<Decision, Problem> {
        self.store.preview(decide).await.map_err(|e| unavailable(&e))
    }

    /// This deployment's name.
    #[must_use]
    pub fn deployment(&self) -> &str {
        &self.store.options().deployment
    }

    /// Redis's time, ms since 1970.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.store.clock().now_ms()
    }

    /// The latest readings of a Pod Manager.
    ///
    /// # Errors
    /// 503 when Redis is away.
    pub async fn readings(&self, podm_id: &str) -> Result<Option<Latest>, Problem> {
        self.store.readings(podm_id).await.map_err(|e| unavailable(&e))
    }

    /// What the last refreshes of some Pod Managers found, in their order.
    ///
    /// # Errors
    /// 503 when Redis is away.
    pub async fn inventories(&self, podm_ids: &[String]) -> Result<Vec<Option<Inventory>>, Problem> {
        self.store.inventories(podm_ids).await.map_err(|e| unavailable(&e))
    }

    /// The rows behind one.
    ///
    /// # Errors
    /// 503 when Redis is away.
    pub async fn inventory_rows(&self, podm_id: &str) -> Result<Rows, Problem> {
        self.store.inventory_rows(podm_id).await.map_err(|e| unavailable(&e))
    }

    /// Where hardware and records of some Pod Managers disagree, in their order.
    ///
    /// # Errors
    /// 503 when Redis is away.
    pub async fn drifts(&self, podm_ids: &[String]) -> Result<Vec<Vec<Finding>>, Problem> {
        self.store.drifts(podm_ids).await.map_err(|e| unavailable(&e))
    }

    /// The newest events of a Pod Manager, each with the time it came (ms since 1970).
    ///
    /// # Errors
    /// 503 when Redis is away.
    pub async fn podm_events(&self, podm_id: &str, count: usize) -> Result<Vec<(u64, PodmEvent)>, Problem> {
        self.store.podm_events(podm_id, count).await.map_err(|e| unavailable(&e))
    }

    /// Time for a Pod Manager's answer, so that there is some left to say which one did not give any.
    fn left_to_wait(&self) -> Duration {
        let left = self.left();
        left.saturating_sub((left / 10).min(TO_ANSWER))
    }

    /// Runs a read of a Pod Manager under a place in its gate for reads, waiting for one until shortly before the deadline. Errors name it.
    ///
    /// # Errors
    /// 503 at once while its circuit is open, and when there was no place in time, or Redis is away; else what `read` answers; 504 when it took too long.
    pub async fn at_podm<T>(
        &self,
        podm: &Podm,
        read: impl Future<Output = Result<T, Problem>> + Send,
    ) -> Result<T, Problem> {
        self.under_gate(&podm.uuid, read).await.map_err(|mut problem| {
            if !problem.detail.contains(&podm.name) {
                problem.detail = format!("Pod Manager {}: {}", podm.name, problem.detail);
            }
            problem
        })
    }

    async fn under_gate<T>(
        &self,
        podm_id: &str,
        read: impl Future<Output = Result<T, Problem>> + Send,
    ) -> Result<T, Problem> {
        let began = std::time::Instant::now();
        let most = self.left_to_wait();
        let left = || most.saturating_sub(began.elapsed());
        let bucket = self.store.options().buckets.of_name(podm_id);
        let gate = kind::podm_gate(podm_id, false);
        let holder = format!("{}:{podm_id}", self.request);
        let mut pause = Duration::from_millis(5);
        loop {
            let entered = self.store.gate_enter(bucket, &gate, &holder, kind::PODM_READS, self.left()).await;
            match entered.map_err(|e| unavailable(&e))? {
                Entry::In => break,
                Entry::Full => {}
                Entry::Shut(time) => {
                    let detail = "it does not answer, or asked to be left alone; it is not asked now";
                    return Err(Problem::unavailable(detail).again_after(time));
                }
            }
            if left() < pause || self.cut.is_cancelled() {
                return Err(Problem::unavailable("it is busy: no place for a read in time"));
            }
            tokio::select! {
                () = self.cut.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(Duration::from_millis(200));
        }
        let limited = self.cut.run_until_cancelled(tokio::time::timeout(left(), read)).await;
        if let Err(error) = self.store.gate_leave(bucket, &gate, &holder).await {
            tracing::debug!(%error, gate, "place not given back; it lapses");
        }
        match limited {
            Some(Ok(outcome)) => outcome,
            _ => Err(Problem::timeout(format!("it did not answer within {} s", began.elapsed().as_secs()))),
        }
    }
}

fn unavailable(error: &StoreError) -> Problem {
    Problem::unavailable(error.to_string())
}
