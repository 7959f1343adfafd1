//! One attempt: run the handler, or its undo, and settle what came of it.
//!
//! A verdict that ends the task for bad goes through the handler's undo first. An undo that must be tried again keeps the end it leads
//! to (`ending`, or the cancel flag), so a later attempt goes straight on with it. Where a changing request's answer was not seen, the
//! undo waits out the quarantine in Redis before it looks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{Worker, backoff, count, patience, running};
use crate::lease::Lease;
use crate::model::kind::Kind;
use crate::model::problem::Problem;
use crate::model::task::{Definition, PAYLOAD_VERSION, TaskError};
use crate::model::trace::TraceContext;
use crate::observe::trace::{Side, Span};
use crate::service::{Context, Handler, Verdict, handler_of};
use crate::shutdown::Shutdown;
use crate::store::claims::{Claimed, Mode, Outcome, Settled, Settlement, UNKNOWN};
use crate::store::record::Body;

/// How long a task of an unknown kind or payload version waits for a worker that knows it.
const UNKNOWN_AGAIN: Duration = Duration::from_secs(5);
/// Tries of an undo, beyond the task's attempts, before it is given up and left to the sweeper.
const UNDO_TRIES: u32 = 10;
/// How long a request under way may still be answered once a cancel was asked for. One that is cut off costs a quarantine.
const ANSWER_GRACE: Duration = Duration::from_secs(5);
/// How long a handler may take to end after its task's time is over.
const OVERDUE_GRACE: Duration = Duration::from_secs(60);

pub(super) fn spawn(
    worker: Arc<Worker>,
    claimed: Claimed,
    asked: Instant,
    slot: Option<OwnedSemaphorePermit>,
    shutdown: &Shutdown,
) {
    let slot = worker.running.occupied(slot, claimed.id.bucket());
    let lease = Lease::new(asked, worker.lease).in_slot(&slot);
    let lease = patience::told(lease, &claimed, worker.store.clock().now_ms());
    let (stop, cancel) = (CancellationToken::new(), CancellationToken::new());
    let entry = running::Entry {
        token: claimed.token.clone(),
        lease: lease.clone(),
        stop: stop.clone(),
        cancel: cancel.clone(),
    };
    worker.running.add(claimed.id, entry);
    let draining = shutdown.token();
    shutdown.spawn_work(async move {
        let attempt =
            Attempt { worker: &worker, claimed: &claimed, lease, stop, cancel, draining, began: Instant::now() };
        attempt.traced().await;
        worker.running.remove(claimed.id, &claimed.token);
        slot.leave();
    });
}

struct Attempt<'a> {
    worker: &'a Arc<Worker>,
    claimed: &'a Claimed,
    lease: Lease,
    stop: CancellationToken,
    cancel: CancellationToken,
    draining: CancellationToken,
    began: Instant,
}

/// Why a handler's future ended.
enum End<T> {
    Returned(T),
    /// The claim is lost, as far as this process can tell.
    Lost,
    /// The process stops and the handler did not end in time.
    Drained,
    /// The task's time is over and the handler did not end in time.
    Overdue,
}

impl Attempt<'_> {
    /// The first attempt belongs to the trace of whoever asked; each later one is a trace of its own that follows it.
    async fn traced(&self) {
        let claimed = self.claimed;
        let def = claimed.def.as_ref();
        let asked_in = def.and_then(|d| d.traceparent.as_deref()).and_then(TraceContext::parse);
        let span = match asked_in.filter(|_| claimed.attempt > 1) {
            Some(first) => Span::following(Side::Consumer, first),
            None => Span::begin(Side::Consumer, asked_in),
        };
        let (id, kind) = (claimed.id.to_string(), def.map_or("unknown", |d| d.kind.as_str()));
        let trace_id = span.context.trace();
        let log = tracing::error_span!("task", task_id = %id, kind, attempt = claimed.attempt, %trace_id, follows = tracing::field::Empty);
        if let Some(first) = span.follows {
            log.record("follows", first.trace());
        }
        span.around(self.run()).instrument(log).await;
        span.end(
            || kind.to_owned(),
            &[("valence.task_id", &id), ("valence.attempt", &claimed.attempt.to_string())],
            None,
        );
    }

    async fn run(&self) {
        let claimed = self.claimed;
        let known =
            claimed.def.clone().filter(|d| d.pv <= PAYLOAD_VERSION).and_then(|d| Some((handler_of(&d.kind)?, d)));
        let Some((handler, def)) = known else {
            return self.settle(Outcome::Park(UNKNOWN_AGAIN), None, UNKNOWN.into()).await;
        };
        let max_attempts = def.max_attempts;
        let ctx = Context::new(
            self.worker.store.clone(),
            self.worker.pool.clone(),
            claimed.clone(),
            def.clone(),
            self.lease.clone(),
            self.stop.clone(),
        );
        let ctx = Arc::new(ctx.with_ironic(self.worker.ironic.clone()).telling_of_cancels(self.cancel.clone()));
        if claimed.mode != Mode::Run {
            return self.undo(&ctx, handler, claimed.mode, None, max_attempts, &def).await;
        }
        let overdue = tokio::time::Instant::now() + claimed.time_left;
        match self.watch((handler.run)(ctx.clone()), &self.stop, overdue).await {
            End::Lost => self.give_up(),
            End::Drained => self.settle(Outcome::Release, None, "released at shutdown".into()).await,
            End::Overdue => self.undo(&ctx, handler, Mode::Timeout, Some(timeout()), max_attempts, &def).await,
            End::Returned(Ok(result)) => {
                let most = Kind::find(&def.kind).map_or(0, |k| k.result_bytes);
                let body = Body { result: cap(result, most), error: None };
                let stored = (!body.result.is_null()).then_some(body);
                self.finish(Outcome::Completed, stored, String::new(), &def).await;
            }
            End::Returned(Err(verdict)) => self.carry_out(&ctx, handler, verdict, overdue, &def).await,
        }
    }

    /// Carries out what the handler returned in place of a result.
    async fn carry_out(
        &self,
        ctx: &Arc<Context>,
        handler: Handler,
        verdict: Verdict,
        overdue: tokio::time::Instant,
        def: &Definition,
    ) {
        let max = def.max_attempts;
        if self.cancel.is_cancelled() {
            return self.undo(ctx, handler, Mode::Cancel, None, max, def).await;
        }
        if tokio::time::Instant::now() >= overdue {
            return self.undo(ctx, handler, Mode::Timeout, Some(timeout()), max, def).await;
        }
        match verdict {
            Verdict::Fail(error) => self.undo(ctx, handler, Mode::Fail, Some(error), max, def).await,
            Verdict::Retry { error, .. } if self.claimed.attempt >= max => {
                self.undo(ctx, handler, Mode::Fail, Some(error), max, def).await;
            }
            Verdict::Retry { after, error } => {
                let detail = error.problem.detail.clone();
                let delay = backoff::delay(self.claimed.attempt, after);
                self.settle(Outcome::Retry(delay), body(Some(self.dated(error))), detail).await;
            }
            Verdict::Park { after, why } => self.settle(Outcome::Park(after), None, why).await,
            Verdict::Stop if self.draining.is_cancelled() => {
                self.settle(Outcome::Release, None, "released at shutdown".into()).await;
            }
            Verdict::Stop if !self.lease.is_valid() => self.give_up(),
            // Nobody stopped it: a handler's mistake, which must not go round for ever.
            Verdict::Stop => {
                let error = Problem::internal("the handler stopped without a reason");
                self.undo(ctx, handler, Mode::Fail, Some(error.into()), max, def).await;
            }
        }
    }

    /// Undoes what was done, then ends the task; or has the undo tried again.
    async fn undo(
        &self,
        ctx: &Arc<Context>,
        handler: Handler,
        mode: Mode,
        error: Option<TaskError>,
        max_attempts: u32,
        def: &Definition,
    ) {
        let error = error.map(|e| self.dated(e));
        if ctx.is_outstanding() {
            let detail = "a request to the Pod Manager may still be running".to_owned();
            return self.later(Outcome::Park(Duration::ZERO), mode, body(error), detail, def).await;
        }
        let overdue = tokio::time::Instant::now() + Duration::from_secs(600);
        let stop = CancellationToken::new();
        let turned = Arc::new(ctx.undoing(mode, stop.clone()));
        let undone = match self.watch((handler.undo)(turned.clone()), &stop, overdue).await {
            End::Returned(undone) => undone,
            End::Lost => return self.give_up(),
            End::Drained => {
                return self.later(Outcome::Release, mode, body(error), "released at shutdown".into(), def).await;
            }
            End::Overdue => Err(Verdict::retry(Problem::timeout("the undo did not end in time"))),
        };
        let end = if mode == Mode::Cancel { Outcome::Cancelled } else { Outcome::Failed };
        match undone {
            Ok(()) => {
                let error = error.or_else(|| (mode == Mode::Timeout).then(|| self.dated(timeout())));
                self.finish(end, body(error), String::new(), def).await;
            }
            Err(Verdict::Park { after, why }) => {
                self.later(Outcome::Park(after), mode, body(error), why, def).await;
            }
            Err(Verdict::Stop) if !self.lease.is_valid() => self.give_up(),
            Err(Verdict::Stop) => {
                self.later(Outcome::Release, mode, body(error), "undo interrupted".into(), def).await;
            }
            Err(Verdict::Retry { after, error: cause }) if self.claimed.attempt < max_attempts + UNDO_TRIES => {
                let delay = backoff::delay(self.claimed.attempt.min(6), after);
                let detail = format!("undo: {}", cause.problem.detail);
                self.later(Outcome::Retry(delay), mode, body(error), detail, def).await;
            }
            Err(Verdict::Retry { error: cause, .. } | Verdict::Fail(cause)) => {
                let mut problem = Problem::internal(format!("its undo failed: {}", cause.problem.detail));
                problem.code = "UndoIncomplete".into();
                let incomplete = TaskError { podm_id: cause.podm_id, ..TaskError::from(problem) };
                let stored = body(Some(self.dated(incomplete)));
                if self.settle_for_sure(Outcome::Failed, Some(mode), stored, String::new()).await == Some(Settled::Ok) {
                    self.tell_parent(def).await;
                }
            }
        }
    }

    /// Runs a handler's future until it returns, or there is no point in waiting any longer.
    async fn watch<T>(
        &self,
        handler: impl Future<Output = T>,
        stop: &CancellationToken,
        overdue: tokio::time::Instant,
    ) -> End<T> {
        let drained = async {
            self.draining.cancelled().await;
            stop.cancel();
            tokio::time::sleep(self.worker.drain).await;
        };
        let given_up = async {
            self.cancel.cancelled().await;
            tokio::time::sleep(ANSWER_GRACE).await;
            self.lease.cut();
            std::future::pending::<()>().await;
        };
        let too_late = async {
            tokio::time::sleep_until(overdue).await;
            stop.cancel();
            self.lease.cut();
            tokio::time::sleep(OVERDUE_GRACE).await;
        };
        tokio::select! {
            biased;
            returned = handler => End::Returned(returned),
            () = self.lease.lost() => End::Lost,
            () = drained => End::Drained,
            () = given_up => End::Overdue,
            () = too_late => End::Overdue,
        }
    }

    fn give_up(&self) {
        tracing::warn!(task_id = %self.claimed.id, attempt = self.claimed.attempt, "claim lost; its next holder goes on");
    }

    fn dated(&self, mut error: TaskError) -> TaskError {
        let now = crate::model::v1time::rfc3339(self.worker.store.clock().now_ms());
        error.at.get_or_insert(now);
        error
    }

    /// The end of a failed task, which says whether it is a refusal that its client waits for. Nobody waits for a redrive.
    fn told(&self, mut body: Body) -> Body {
        let waited = self.claimed.generation == 1 && self.claimed.def.as_ref().is_some_and(|d| d.podm_errors_final);
        if let Some(error) = &mut body.error {
            error.answered = waited && !error.retryable && (400..500).contains(&error.problem.status);
        }
        body
    }

    async fn finish(&self, outcome: Outcome, body: Option<Body>, detail: String, def: &Definition) {
        if self.settle_for_sure(outcome, None, body, detail).await == Some(Settled::Ok) {
            self.tell_parent(def).await;
        }
    }

    async fn tell_parent(&self, def: &Definition) {
        if let Some(parent) = def.parent_id
            && let Err(error) = self.lease.writing(self.worker.store.nudge(parent)).await
        {
            tracing::debug!(task_id = %parent, %error, "parent not nudged; it wakes by its fallback");
        }
    }

    async fn settle(&self, outcome: Outcome, body: Option<Body>, detail: String) {
        self.settle_for_sure(outcome, None, body, detail).await;
    }

    /// The undo goes on later. That the task has given up is news: its parent need not wait for what is left to undo.
    async fn later(&self, outcome: Outcome, mode: Mode, body: Option<Body>, detail: String, def: &Definition) {
        if self.settle_for_sure(outcome, Some(mode), body, detail).await == Some(Settled::Ok) {
            self.tell_parent(def).await;
        }
    }

    /// Settles; while Redis is away others get the slot, where they have another server.
    async fn settle_for_sure(
        &self,
        outcome: Outcome,
        ending: Option<Mode>,
        body: Option<Body>,
        detail: String,
    ) -> Option<Settled> {
        let (id, token) = (self.claimed.id, self.claimed.token.clone());
        let body = if outcome == Outcome::Failed { body.map(|body| self.told(body)) } else { body };
        let settlement = Settlement { id, token, outcome, ending, body, detail };
        self.lease.writing(self.write(settlement)).await
    }

    /// Writes a settlement, again and again while Redis is away: the claim token makes a repeat safe, and a late one harmless.
    async fn write(&self, settlement: Settlement) -> Option<Settled> {
        let error = settlement.body.as_ref().and_then(|body| body.error.as_ref());
        let answered = error.is_some_and(|error| error.answered);
        let mut pause = Duration::from_millis(20);
        loop {
            match self.worker.store.settle(settlement.clone()).await {
                Ok(settled) => {
                    count::settled(self.claimed, (&settlement.outcome, answered), settled, self.began.elapsed());
                    if settled == Settled::Fenced {
                        tracing::warn!(task_id = %self.claimed.id, worker = %self.worker.id, "fenced: a late settle was refused");
                    }
                    return Some(settled);
                }
                Err(error) if error.is_transient() || self.lease.is_valid() => {
                    tracing::debug!(task_id = %self.claimed.id, %error, "cannot settle; trying again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
                Err(error) => {
                    tracing::error!(task_id = %self.claimed.id, %error, "cannot settle; the lease will run out");
                    return None;
                }
            }
        }
    }
}

fn body(error: Option<TaskError>) -> Option<Body> {
    error.map(|error| Body { error: Some(error), ..Body::default() })
}

fn timeout() -> TaskError {
    let mut problem = Problem::timeout("the task did not end within its timeout");
    problem.code = "Timeout".into();
    TaskError { retryable: true, ..problem.into() }
}

/// Replaces a result that is too large to keep by a note of its size.
fn cap(result: serde_json::Value, most: usize) -> serde_json::Value {
    let bytes = serde_json::to_string(&result).map_or(0, |t| t.len());
    if bytes <= most { result } else { serde_json::json!({ "truncated": true, "bytes": bytes }) }
}
