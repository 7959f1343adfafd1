//! Lists of tasks, newest first, over the indexes `live`, `done` and `dead` of every bucket.
//!
//! A call examines at most [`MOST_EXAMINED`] ids, so it costs the same at ten million tasks; a filtered page may come back short, with
//! a marker to go on from.

use std::collections::BTreeMap;

use super::record::{TaskRecord, to_ms};
use super::{Store, StoreError, keys};
use crate::ids::{Bucket, TaskId};
use crate::model::state::{State, Status};
use crate::model::topic::Topic;

/// Most ids one call looks at.
pub const MOST_EXAMINED: usize = 10_000;

/// Which tasks are wanted.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// In this state.
    pub state: Option<State>,
    /// With this status.
    pub status: Option<Status>,
    /// Of this topic.
    pub topic: Option<Topic>,
    /// Of this kind.
    pub kind: Option<String>,
    /// Concerning this Pod Manager.
    pub podm_id: Option<String>,
    /// Concerning this node.
    pub node_id: Option<String>,
    /// With all these labels.
    pub labels: BTreeMap<String, String>,
    /// Accepted after this time, ms.
    pub created_after: Option<u64>,
    /// Accepted before this time, ms.
    pub created_before: Option<u64>,
}

impl Filter {
    fn fits(&self, r: &TaskRecord) -> bool {
        let is = |want: &Option<String>, have: &Option<String>| want.is_none() || want == have;
        self.state.is_none_or(|s| s == r.state)
            && self.status.is_none_or(|s| s == r.state.status())
            && self.topic.is_none_or(|t| t == r.lane.topic)
            && self.kind.as_ref().is_none_or(|k| *k == r.def.kind)
            && is(&self.podm_id, &r.def.podm_id)
            && is(&self.node_id, &r.def.node_id)
            && self.labels.iter().all(|(k, v)| r.def.labels.get(k) == Some(v))
    }

    fn indexes(&self) -> &'static [&'static str] {
        match (self.state, self.status) {
            (Some(State::Failed), _) | (None, Some(Status::Failed)) => &["dead"],
            (Some(State::Completed | State::Cancelled), _) | (None, Some(Status::Completed | Status::Cancelled)) => {
                &["done"]
            }
            (Some(_), _) | (None, Some(Status::InProgress)) => &["live"],
            (None, None) => &["live", "done", "dead"],
        }
    }

    const fn is_open(&self) -> bool {
        self.state.is_none()
            && self.status.is_none()
            && self.topic.is_none()
            && self.kind.is_none()
            && self.podm_id.is_none()
            && self.node_id.is_none()
    }
}

/// A page of tasks.
#[derive(Debug, Default)]
pub struct Page {
    /// Newest first.
    pub tasks: Vec<TaskRecord>,
    /// Give it back for the next page; `None` at the end.
    pub marker: Option<TaskId>,
}

impl Store {
    /// A page of at most `limit` tasks older than `marker`.
    ///
    /// # Errors
    /// When Redis is away, or what it holds cannot be read.
    pub async fn list(&self, filter: &Filter, limit: usize, marker: Option<TaskId>) -> Result<Page, StoreError> {
        let mut page = Page::default();
        let (mut examined, mut at) = (0, marker);
        let step = if filter.is_open() && filter.labels.is_empty() { limit + 1 } else { 1000 };
        while page.tasks.len() < limit && examined < MOST_EXAMINED {
            let ids = self.newest_before(filter, at, step.min(MOST_EXAMINED - examined)).await?;
            let end = ids.is_empty();
            for chunk in ids.chunks(200) {
                for record in TaskRecord::read_many(self, chunk).await? {
                    if filter.fits(&record) {
                        page.tasks.push(record);
                    }
                    if page.tasks.len() == limit {
                        break;
                    }
                }
                at = chunk.last().copied().or(at);
                if page.tasks.len() == limit {
                    at = page.tasks.last().map(|t| t.id).or(at);
                    break;
                }
            }
            examined += ids.len();
            page.marker = at;
            if end {
                page.marker = None;
                break;
            }
        }
        if page.tasks.len() == limit && self.newest_before(filter, page.marker, 1).await?.is_empty() {
            page.marker = None;
        }
        Ok(page)
    }

    /// Up to `count` ids older than `before`, newest first.
    async fn newest_before(
        &self,
        filter: &Filter,
        before: Option<TaskId>,
        count: usize,
    ) -> Result<Vec<TaskId>, StoreError> {
        let newest = match (before.map(TaskId::created_ms), filter.created_before) {
            (Some(a), Some(b)) => a.min(b.saturating_sub(1)).to_string(),
            (Some(a), None) => a.to_string(),
            (None, Some(b)) => format!("({b}"),
            (None, None) => "+inf".to_owned(),
        };
        let oldest = filter.created_after.map_or_else(|| "-inf".to_owned(), |ms| format!("({ms}"));
        // Ids of one millisecond share a score: enough of them are read to get past those already seen.
        let mut slack = 64;
        loop {
            let want = count + slack;
            let (ids, cut) = self.by_score(filter, &newest, &oldest, want).await?;
            let mut ids: Vec<TaskId> = ids.into_iter().filter(|id| before.is_none_or(|b| *id < b)).collect();
            ids.sort_unstable_by(|a, b| b.cmp(a));
            if !ids.is_empty() || !cut || slack > 1_000_000 {
                ids.truncate(count);
                return Ok(ids);
            }
            slack *= 8;
        }
    }

    async fn by_score(
        &self,
        filter: &Filter,
        newest: &str,
        oldest: &str,
        count: usize,
    ) -> Result<(Vec<TaskId>, bool), StoreError> {
        let mut pipe = redis::pipe();
        for bucket in self.options().buckets.iter() {
            for index in filter.indexes() {
                pipe.cmd("ZREVRANGEBYSCORE").arg(keys::of(bucket, index)).arg(newest).arg(oldest);
                pipe.arg("LIMIT").arg(0).arg(count);
            }
        }
        let lists: Vec<Vec<String>> = pipe.query_async(&mut self.redis().shared()).await?;
        // Each list is cut at `count`: below the youngest cut, ids of other lists would be skipped over.
        let mut ids = Vec::new();
        let mut floor: Option<TaskId> = None;
        for list in lists {
            let list: Vec<TaskId> = list.iter().filter_map(|id| id.parse().ok()).collect();
            if list.len() == count {
                floor = floor.max(list.last().copied());
            }
            ids.extend(list);
        }
        if let Some(floor) = floor {
            ids.retain(|id| *id >= floor);
        }
        Ok((ids, floor.is_some()))
    }

    /// Ids of dead letters of one bucket, oldest first, from a rank on.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn dead_letters(&self, bucket: Bucket, from: u64, count: u32) -> Result<Vec<TaskRecord>, StoreError> {
        let to = from + u64::from(count) - 1;
        let ids: Vec<String> = redis::cmd("ZRANGE")
            .arg(keys::of(bucket, "dead"))
            .arg(from)
            .arg(to)
            .query_async(&mut self.redis().shared())
            .await?;
        let ids: Vec<TaskId> = ids.iter().filter_map(|id| id.parse().ok()).collect();
        TaskRecord::read_many(self, &ids).await
    }

    /// Whether a record fits a filter; for bulk redrives.
    #[must_use]
    pub fn fits(filter: &Filter, record: &TaskRecord) -> bool {
        let created = record.id.created_ms();
        filter.fits(record)
            && filter.created_after.is_none_or(|ms| created > ms)
            && filter.created_before.is_none_or(|ms| created < ms)
    }

    /// When a delayed task is due, ms.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn due(&self, id: TaskId) -> Result<Option<u64>, StoreError> {
        let score: Option<f64> = redis::cmd("ZSCORE")
            .arg(keys::of(id.bucket(), "delayed"))
            .arg(id.to_string())
            .query_async(&mut self.redis().shared())
            .await?;
        Ok(score.map(to_ms))
    }
}
