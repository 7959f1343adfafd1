//! Extends all claims of this worker, hears which are lost and which should stop; and listens for cancels in between.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::join_all;

use super::Worker;
use crate::ids::{Bucket, TaskId};
use crate::shutdown::{Shutdown, sleep_or_stop};
use crate::store::claims::Hold;
use crate::store::{StoreError, keys};

pub(super) fn spawn(worker: &Arc<Worker>, shutdown: &Shutdown) {
    let beat = worker.clone();
    let drained = shutdown.drained();
    shutdown.spawn("heartbeat", async move {
        // It goes on while the last tasks drain.
        loop {
            beat.extend_all().await;
            if !sleep_or_stop(&drained, beat.extend).await {
                return Ok::<(), StoreError>(());
            }
        }
    });
    let listener = worker.clone();
    let token = shutdown.token();
    shutdown.spawn("cancel hints", async move {
        while !token.is_cancelled() {
            tokio::select! {
                () = token.cancelled() => {}
                lost = listener.hear_cancels() => {
                    if let Err(error) = lost {
                        tracing::debug!(%error, "cancel hints lost; the next heartbeat hears of cancels");
                    }
                    sleep_or_stop(&token, Duration::from_millis(200)).await;
                }
            }
        }
        Ok::<(), StoreError>(())
    });
}

impl Worker {
    async fn extend_all(&self) {
        join_all(self.store.options().buckets.iter().map(|bucket| self.extend_bucket(bucket))).await;
    }

    async fn extend_bucket(&self, bucket: Bucket) {
        let running = self.running.of_bucket(bucket);
        for some in running.chunks(500) {
            let held: Vec<(TaskId, String)> = some.iter().map(|(id, e)| (*id, e.token.clone())).collect();
            let asked = Instant::now();
            let answers = match self.store.extend(bucket, &self.id, &held).await {
                Ok(answers) => answers,
                Err(error) => {
                    tracing::warn!(%bucket, %error, "cannot extend claims");
                    return;
                }
            };
            for ((_, entry), hold) in some.iter().zip(answers) {
                match hold {
                    Hold::Held => entry.lease.extend(asked, self.lease),
                    Hold::Stop => {
                        entry.lease.extend(asked, self.lease);
                        entry.cancel.cancel();
                        entry.stop.cancel();
                    }
                    Hold::Lost => {
                        entry.lease.lose();
                        entry.stop.cancel();
                    }
                }
            }
        }
    }

    async fn hear_cancels(&self) -> Result<(), StoreError> {
        let mut pubsub = self.store.redis().pubsub().await?;
        pubsub.subscribe(keys::worker_channel(&self.id)).await?;
        let mut messages = pubsub.on_message();
        while let Some(message) = messages.next().await {
            let id: Option<TaskId> = message.get_payload::<String>().ok().and_then(|t| t.parse().ok());
            if let Some(id) = id.filter(|id| self.running.get(*id).is_some()) {
                // The message is a hint; what counts is what Redis says of this claim.
                self.extend_bucket(id.bucket()).await;
            }
        }
        Ok(())
    }
}
