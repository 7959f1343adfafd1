//! A worker of a few lines, for tests of what stands around workers: it claims through the store and ends tasks as told.

use std::time::Duration;

use serde_json::Value;
use valence::model::topic::{Lane, Priority, Topic};
use valence::store::Store;
use valence::store::claims::{Claimed, Outcome, Settled, Settlement, Source};
use valence::store::record::Body;
use valence::store::sync::{SyncReply, SyncTask};
use valence::store::workers::Worker;

use super::wait;

pub struct FakeWorker {
    pub store: Store,
    pub id: String,
}

impl FakeWorker {
    /// Present for every topic.
    pub async fn start(store: &Store) -> Self {
        let id = valence::ids::new_record_id();
        let worker = Worker {
            id: id.clone(),
            topics: Topic::ALL.to_vec(),
            slots: 1,
            busy: 0,
            sync_slots: 1,
            version: "test".into(),
            host: "test".into(),
            started_at: "2026-01-01T00:00:00.000Z".into(),
            draining: false,
        };
        store.announce(&worker).await.unwrap();
        Self { store: store.clone(), id }
    }

    /// Claims the next task of a topic.
    pub async fn claim(&self, topic: Topic) -> Claimed {
        let lanes = Priority::ALL.map(|priority| Lane { topic, priority });
        let token = valence::ids::new_record_id();
        wait::until("a task to claim", || async {
            for bucket in self.store.options().buckets.iter() {
                let reply = self.store.claim(bucket, &self.id, &token, 1, &lanes, &Source::New).await.unwrap();
                if let Some(task) = reply.claimed.into_iter().next() {
                    return Some(task);
                }
            }
            None
        })
        .await
    }

    /// Ends an attempt.
    pub async fn settle(&self, task: &Claimed, outcome: Outcome, body: Option<Body>) {
        let settlement =
            Settlement { id: task.id, token: task.token.clone(), outcome, ending: None, body, detail: String::new() };
        assert_eq!(self.store.settle(settlement).await.unwrap(), Settled::Ok);
    }

    /// Claims the next task of a topic and completes it.
    pub async fn complete(&self, topic: Topic, result: Value) -> Claimed {
        let task = self.claim(topic).await;
        self.settle(&task, Outcome::Completed, Some(Body { result, error: None })).await;
        task
    }

    /// Answers the next read of a topic.
    pub async fn answer(&self, topic: Topic, reply: SyncReply) -> SyncTask {
        let mut connection = self.store.redis().blocking().await.unwrap();
        let end = tokio::time::Instant::now() + wait::DEADLINE;
        while tokio::time::Instant::now() < end {
            for bucket in self.store.options().buckets.iter() {
                let taken = self
                    .store
                    .take_sync((self.store.reads(), &mut connection), bucket, &self.id, &[topic], 1)
                    .await
                    .unwrap();
                if let Some(taken) = taken.into_iter().next() {
                    self.store.reply_sync(&taken, Some(&reply)).await.unwrap();
                    return taken.task.unwrap();
                }
            }
        }
        panic!("waited {:?} in vain for a read", Duration::from_secs(20));
    }
}
