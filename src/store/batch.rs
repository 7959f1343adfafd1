//! Gathering: what has piled up while the last call was out goes into the next one.
//!
//! A script call that carries a hundred tasks costs Redis a fifth of a hundred calls (measured: docs/performance.md), and an idle
//! system does not wait for company: the first item goes out at once.

use std::future::Future;
use std::sync::OnceLock;

use tokio::sync::{mpsc, oneshot};

use super::claims::Settlement;
use super::error::StoreError;
use super::tasks::{Enqueued, NewTask};
use crate::ids::{Bucket, Buckets};

/// Most items a call carries: keeps one call short, and Lua's `unpack` below its limit.
const MOST: usize = 500;

type Waiting<I, R> = (I, oneshot::Sender<Result<R, StoreError>>);

/// One gatherer: a queue in front of a call that takes many items.
pub struct Batcher<I, R>(OnceLock<mpsc::Sender<Waiting<I, R>>>);

impl<I: Send + 'static, R: Send + 'static> Batcher<I, R> {
    const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// Adds an item and waits for its answer. `call` is used by the first caller only, to start the loop.
    ///
    /// # Errors
    /// What the call answered.
    ///
    /// # Cancel safety
    /// A caller that goes away does not take its item back: it is carried out.
    pub async fn ask<C, F>(&self, item: I, call: impl FnOnce() -> C) -> Result<R, StoreError>
    where
        C: Fn(Vec<I>) -> F + Send + 'static,
        F: Future<Output = Result<Vec<R>, StoreError>> + Send + 'static,
    {
        let sender = self.0.get_or_init(|| {
            let (sender, receiver) = mpsc::channel(10_000);
            tokio::spawn(run(receiver, call()));
            sender
        });
        let (answer, wait) = oneshot::channel();
        sender.send((item, answer)).await.map_err(|_| StoreError::Stopping)?;
        wait.await.map_err(|_| StoreError::Stopping)?
    }
}

async fn run<I, R, C, F>(mut receiver: mpsc::Receiver<Waiting<I, R>>, call: C)
where
    C: Fn(Vec<I>) -> F,
    F: Future<Output = Result<Vec<R>, StoreError>>,
{
    let mut gathered = Vec::new();
    while receiver.recv_many(&mut gathered, MOST).await > 0 {
        let (items, answers): (Vec<_>, Vec<_>) = gathered.drain(..).unzip();
        // A waiter that has gone away is no error: its item was carried out all the same.
        match call(items).await {
            Ok(replies) => {
                for (answer, reply) in answers.into_iter().zip(replies) {
                    let _gone = answer.send(Ok(reply));
                }
            }
            Err(error) => {
                for answer in answers {
                    let _gone = answer.send(Err(error.clone()));
                }
            }
        }
    }
}

/// The gatherers of a process, one per bucket and purpose.
pub struct Batchers {
    enqueue: Vec<Batcher<NewTask, Enqueued>>,
    settle: Vec<Batcher<Settlement, super::claims::Settled>>,
}

impl Batchers {
    pub(super) fn new(buckets: Buckets) -> Self {
        Self {
            enqueue: buckets.iter().map(|_| Batcher::new()).collect(),
            settle: buckets.iter().map(|_| Batcher::new()).collect(),
        }
    }

    pub(super) fn enqueue(&self, bucket: Bucket) -> Option<&Batcher<NewTask, Enqueued>> {
        self.enqueue.get(usize::from(bucket.0))
    }

    pub(super) fn settle(&self, bucket: Bucket) -> Option<&Batcher<Settlement, super::claims::Settled>> {
        self.settle.get(usize::from(bucket.0))
    }
}
