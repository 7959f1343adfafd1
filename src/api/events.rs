//! State changes as server-sent events: of all tasks (`/v1/events`), of one (`/v1/tasks/{id}/events`).
//!
//! The id of an event is the position after it in the events stream of every bucket followed, joined by commas, so `Last-Event-ID`
//! resumes exactly there. What lies before the capped stream's start is gone: the client then gets an event `reset` and should read the
//! tasks anew.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use warp::http::StatusCode;
use warp::reply::Reply;
use warp::sse;

use super::answer::{Answer, Failure, bad_field};
use super::app::App;
use super::call::{Call, no_such_task};
use super::limits::Share;
use super::resource::Resource;
use crate::ids::{Bucket, TaskId};
use crate::model::v1time::rfc3339;
use crate::store::events::{Event, Position};
use crate::store::record::TaskRecord;

/// Entries of the events stream that one look takes.
const BATCH: usize = 200;
/// How often the streams are looked at when no change is heard of.
const FALLBACK: Duration = Duration::from_secs(5);
/// Events that a slow reader may be behind before the stream waits for it.
const BUFFER: usize = 64;
/// How often a silent stream says that it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The route of all tasks.
pub(crate) fn resource() -> Resource {
    Resource::at("/v1/events", "tasks")
        .get("", "Changes of all tasks as server-sent events", of_all)
        .media("text/event-stream")
}

/// What one client follows.
struct Follower {
    app: Arc<App>,
    changes: watch::Receiver<u64>,
    /// Where it is in each bucket.
    at: Vec<(Bucket, Position)>,
    /// Only this task's, and only until it has ended.
    only: Option<TaskId>,
    ready: VecDeque<sse::Event>,
    over: bool,
}

async fn of_all(call: Call) -> Answer {
    call.only_query(&[])?;
    let buckets: Vec<Bucket> = call.app.store.options().buckets.iter().collect();
    let follower = Follower::new(&call, &buckets, None).await?;
    Ok(reply(follower, call.share))
}

/// The route of one task: its present state first, then each change until it has ended.
pub(crate) async fn of_task(call: Call) -> Answer {
    call.only_query(&[])?;
    let id = call.task_id()?;
    let missing = || Failure::from(no_such_task(call.param(0)));
    if !call.app.store.options().buckets.contains(id.bucket()) {
        return Err(missing());
    }
    // The position is taken before the task is read: a change in between is told, not lost.
    let mut follower = Follower::new(&call, &[id.bucket()], Some(id)).await?;
    let record = call.app.store.task(id).await?.ok_or_else(missing)?;
    if call.header("last-event-id").is_none() {
        follower.greet(&record);
    } else if record.state.is_terminal() {
        follower.fill().await;
        if follower.ready.is_empty() {
            // Nothing more will come: 204 tells an EventSource not to connect again.
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
    }
    Ok(reply(follower, call.share))
}

/// The stream counts as a request under way for as long as it is read.
fn reply(follower: Follower, share: Share<String>) -> warp::reply::Response {
    let (sender, mut receiver) = mpsc::channel(BUFFER);
    tokio::spawn(async move {
        follower.run(sender).await;
        drop(share);
    });
    let events = futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx).map(|e| e.map(Ok::<_, Infallible>)));
    let stream = sse::keep_alive().interval(KEEP_ALIVE).stream(events);
    let mut response = sse::reply(stream).into_response();
    super::answer::set_header(&mut response, warp::http::header::CACHE_CONTROL, "no-cache");
    response
}

impl Follower {
    async fn new(call: &Call, buckets: &[Bucket], only: Option<TaskId>) -> Result<Self, Failure> {
        // Subscribed before the positions are taken.
        let changes = call.app.hub.changes();
        let mut at = Vec::with_capacity(buckets.len());
        if let Some(last) = call.header("last-event-id").filter(|l| !l.is_empty()) {
            let positions: Option<Vec<Position>> = last.split(',').map(|p| p.parse().ok()).collect();
            let positions = positions.filter(|p| p.len() == buckets.len());
            let wrong = || bad_field("Last-Event-ID", last, "it is no id of this stream's events");
            at.extend(buckets.iter().copied().zip(positions.ok_or_else(wrong)?));
        } else {
            for bucket in buckets {
                at.push((*bucket, call.app.store.events_end(*bucket).await?));
            }
        }
        Ok(Self { app: call.app.clone(), changes, at, only, ready: VecDeque::new(), over: false })
    }

    fn id(&self) -> String {
        self.at.iter().map(|(_, p)| p.to_string()).collect::<Vec<_>>().join(",")
    }

    /// The present state as the first event.
    fn greet(&mut self, record: &TaskRecord) {
        let state = record.state;
        let ended = record.field("finished").and_then(|at| at.parse().ok()).filter(|_| state.is_terminal());
        let at = rfc3339(ended.unwrap_or_else(|| self.app.store.clock().now_ms()));
        let mut data = json!({
            "id": record.id, "state": state, "status": state.status(), "claim": record.claims(),
            "at": at,
        });
        if let (Some(progress), Some(map)) = (&record.progress, data.as_object_mut()) {
            map.insert("progress".into(), json!(progress));
        }
        self.push("task", &data);
        self.over = state.is_terminal();
    }

    fn push(&mut self, name: &str, data: &Value) {
        self.ready.push_back(sse::Event::default().event(name).id(self.id()).data(data.to_string()));
    }

    /// Takes what has happened since the last look.
    async fn fill(&mut self) {
        for n in 0..self.at.len() {
            let (bucket, after) = self.at[n];
            let found = match self.app.store.events(bucket, after, BATCH).await {
                Ok(found) => found,
                Err(error) => {
                    tracing::debug!(%error, %bucket, "events not readable; looking again later");
                    continue;
                }
            };
            if found.gap {
                // From the start of what is kept; an empty stream is no gap twice.
                self.at[n].1 = Position::default();
                self.push("reset", &json!({"detail": "some changes are not kept any more: read the tasks anew"}));
            }
            for event in found.events {
                self.take(n, &event);
            }
        }
    }

    fn take(&mut self, n: usize, event: &Event) {
        self.at[n].1 = event.position;
        if self.only.is_some_and(|id| id != event.id) || self.over {
            return;
        }
        self.push("task", &event.to_json());
        self.over = self.only.is_some() && event.state.is_terminal();
    }

    /// Sends what happens until the task has ended, the client has gone or the process stops.
    async fn run(mut self, out: mpsc::Sender<sse::Event>) {
        loop {
            while let Some(event) = self.ready.pop_front() {
                if out.send(event).await.is_err() {
                    return;
                }
            }
            if self.over || self.app.stop.is_cancelled() {
                return;
            }
            self.changes.mark_unchanged();
            self.fill().await;
            if !self.ready.is_empty() {
                continue;
            }
            tokio::select! {
                _ = self.changes.changed() => {}
                () = tokio::time::sleep(FALLBACK) => {}
                () = self.app.stop.cancelled() => return,
                () = out.closed() => return,
            }
        }
    }
}
