//! Gathering: what has piled up while the last call was out goes into the next one.
//!
//! A script call that carries a hundred tasks costs Redis a fifth of a hundred calls (measured: docs/performance.md), and an idle
//! system does not wait for company: the first item goes out at once.

use std::future::Future;
use std::sync::OnceLock;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};

use super::claims::Settlement;
use super::error::StoreError;
use super::tasks::{Enqueued, Row};
use crate::ids::{Bucket, Buckets};

/// Most items a call carries: keeps one call short, and Lua's `unpack` below its limit.
const MOST: usize = 500;

/// Calls that are out at once: while Redis works on one, the process makes up the next.
const AT_ONCE: usize = 2;

/// A second call goes out at once with so many items; with fewer it waits for the first, and for company.
const MANY: usize = 100;

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
    let mut out = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some(()) = out.next(), if !out.is_empty() => {}
            count = receiver.recv_many(&mut gathered, MOST), if out.len() < AT_ONCE && gathered.len() < MANY => {
                if count == 0 {
                    break;
                }
                join(&mut receiver, &mut gathered).await;
            }
        }
        if (out.is_empty() && !gathered.is_empty()) || (out.len() < AT_ONCE && gathered.len() >= MANY) {
            let (items, answers) = gathered.drain(..).unzip();
            out.push(carry_out(call(items), answers));
        }
    }
    if !gathered.is_empty() {
        let (items, answers) = gathered.drain(..).unzip();
        out.push(carry_out(call(items), answers));
    }
    out.collect::<()>().await;
}

/// Makes one call and hands out its answers. A waiter that has gone away is no error: its item was carried out all the same.
async fn carry_out<R, F>(call: F, answers: Vec<oneshot::Sender<Result<R, StoreError>>>)
where
    F: Future<Output = Result<Vec<R>, StoreError>>,
{
    match call.await {
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

/// Lets whoever is about to ask in this very moment join in: a pass of the runtime costs a microsecond, a call of its own for each a
/// hundred times that. Ends when a pass brings nobody.
async fn join<T>(receiver: &mut mpsc::Receiver<T>, gathered: &mut Vec<T>) {
    loop {
        tokio::task::yield_now().await;
        let before = gathered.len();
        while gathered.len() < MOST
            && let Ok(item) = receiver.try_recv()
        {
            gathered.push(item);
        }
        if gathered.len() == before || gathered.len() >= MOST {
            return;
        }
    }
}

/// The gatherers of a process, one per bucket and purpose.
pub struct Batchers {
    enqueue: Vec<Batcher<Row, Enqueued>>,
    settle: Vec<Batcher<Settlement, super::claims::Settled>>,
}

impl Batchers {
    pub(super) fn new(buckets: Buckets) -> Self {
        Self {
            enqueue: buckets.iter().map(|_| Batcher::new()).collect(),
            settle: buckets.iter().map(|_| Batcher::new()).collect(),
        }
    }

    pub(super) fn enqueue(&self, bucket: Bucket) -> Option<&Batcher<Row, Enqueued>> {
        self.enqueue.get(usize::from(bucket.0))
    }

    pub(super) fn settle(&self, bucket: Bucket) -> Option<&Batcher<Settlement, super::claims::Settled>> {
        self.settle.get(usize::from(bucket.0))
    }
}
