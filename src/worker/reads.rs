//! Sync tasks: reads that a client waits for, in slots of their own, so that a read never queues behind a compose.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::Worker;
use crate::ids::Bucket;
use crate::model::kind::Kind;
use crate::model::problem::Problem;
use crate::model::trace::TraceContext;
use crate::observe::metrics;
use crate::observe::trace::{Side, Span};
use crate::service::{ReadContext, reader_of};
use crate::shutdown::{Shutdown, sleep_or_stop};
use crate::store::StoreError;
use crate::store::connect::Redis;
use crate::store::sync::{SyncReply, TakenSync};

/// Largest answer, bytes of JSON; a larger one is 502.
const MAX_REPLY_BYTES: usize = 16 * 1024 * 1024;

pub(super) fn spawn(worker: &Arc<Worker>, shutdown: &Shutdown) {
    let slots = Arc::new(Semaphore::new(worker.sync_slots.max(1)));
    let buckets = worker.store.options().buckets;
    for (from, bucket) in worker.store.all_reads().flat_map(|from| buckets.iter().map(move |b| (from.clone(), b))) {
        let (worker, slots, token, work) = (worker.clone(), slots.clone(), shutdown.token(), shutdown.clone());
        shutdown.spawn_source("reads", async move {
            while !token.is_cancelled() {
                if let Err(error) = serve(&worker, (&from, bucket), &slots, &token, &work).await {
                    tracing::warn!(%bucket, %error, "cannot take reads; trying again");
                    sleep_or_stop(&token, Duration::from_millis(100)).await;
                }
            }
            Ok::<(), StoreError>(())
        });
    }
}

async fn serve(
    worker: &Arc<Worker>,
    (from, bucket): (&Redis, Bucket),
    slots: &Arc<Semaphore>,
    stop: &CancellationToken,
    work: &Shutdown,
) -> Result<(), StoreError> {
    let mut connection = from.blocking().await?;
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _free = slots.acquire() => {}
        }
        let count = (slots.available_permits() / worker.topics.len()).max(1);
        let taken = worker.store.take_sync((from, &mut connection), bucket, &worker.id, &worker.topics, count).await?;
        for read in taken {
            let (worker, slots) = (worker.clone(), slots.clone());
            work.spawn_work(async move {
                // COUNT is per stream, so a few more than the free slots can come: they wait here.
                let _slot = slots.acquire_owned().await;
                traced(&worker, &read).await;
            });
        }
    }
    Ok(())
}

/// A read belongs to the trace of the request that waits for it.
async fn traced(worker: &Worker, taken: &TakenSync) {
    let task = taken.task.as_ref();
    let asked_in = task.and_then(|t| t.traceparent.as_deref()).and_then(TraceContext::parse);
    let (span, kind) = (Span::begin(Side::Consumer, asked_in), task.map_or("unknown", |t| t.kind.as_str()));
    let log = tracing::error_span!("read", kind, trace_id = %span.context.trace());
    span.around(answer(worker, taken)).instrument(log).await;
    span.end(|| kind.to_owned(), &[], None);
}

async fn answer(worker: &Worker, taken: &TakenSync) {
    let reply = match &taken.task {
        Some(task) => {
            let left = task.deadline_ms.saturating_sub(worker.store.clock().now_ms());
            if left == 0 {
                None
            } else {
                let deadline = Instant::now() + Duration::from_millis(left);
                let ctx = ReadContext::new(worker.store.clone(), worker.pool.clone(), task.request.clone(), deadline);
                let known = worker.knows(&task.kind);
                Some(read(ctx, known, &task.kind, task.params.clone(), deadline).await)
            }
        }
        None => None,
    };
    let outcome = match &reply {
        None => "expired",
        Some(SyncReply::Ok(_)) => "ok",
        Some(SyncReply::Err(_)) => "error",
    };
    let kind = taken.task.as_ref().and_then(|t| Kind::find(&t.kind)).map_or("unknown", |k| k.name);
    metrics::get().work.reads.with_label_values(&[kind, outcome]).inc();
    if let Err(error) = worker.store.reply_sync(taken, reply.as_ref()).await {
        tracing::warn!(%error, "a read could not be answered");
    }
}

async fn read(ctx: ReadContext, known: bool, kind: &str, params: serde_json::Value, deadline: Instant) -> SyncReply {
    let Some(reader) = reader_of(kind).filter(|_| known) else {
        return SyncReply::Err(Problem::internal(format!("this worker does not know the kind {kind}")));
    };
    let outcome = tokio::time::timeout_at(deadline.into(), reader(Arc::new(ctx), params)).await;
    match outcome {
        Err(_) => SyncReply::Err(Problem::timeout("the read did not end in time")),
        Ok(Err(problem)) => SyncReply::Err(problem),
        Ok(Ok(value)) => match serde_json::to_string(&value).map_or(0, |t| t.len()) {
            bytes if bytes > MAX_REPLY_BYTES => SyncReply::Err(Problem::bad_gateway(format!(
                "the answer is too large: {bytes} bytes of JSON, and at most {MAX_REPLY_BYTES} are handed on"
            ))),
            _ => SyncReply::Ok(value),
        },
    }
}
