//! What comes of requests to each Pod Manager, told to the circuit breakers in Redis, and the wait that a Pod Manager asked for.
//!
//! A failure is told at once, with the successes since the last word; successes alone every few seconds, and at once while the circuit is
//! not closed, since one of them closes it. That nothing is answered for some seconds is told before it counts as a failure: until then one
//! at a time is let in, so that a Pod Manager that falls silent does not take the slots of all workers. A healthy Pod Manager thus costs next to nothing. The breaker itself is lua/breaker.lua: it
//! keeps tasks and reads out where they take their place, so nothing here refuses a request but one that this process knows to be unwanted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::error::Cause;
use crate::ids::new_token;
use crate::store::gates::Gatekeeper;

/// Between two words about successes alone.
const QUIET: Duration = Duration::from_secs(5);
/// A request that its caller gave up counts as unanswered once it took so long: as long as a connection may take.
const GIVEN_UP: Duration = Duration::from_secs(5);
/// A Pod Manager that has answered nothing for so long while it was asked is silent.
const SILENT: Duration = Duration::from_secs(3);
/// Longest that a Pod Manager may ask to be left alone for, as in lua/breaker.lua.
const LONGEST_ASKED: Duration = Duration::from_secs(600);

/// Why a request was cut off whose task is to end.
pub(super) const CUT: &str = "given up: the task is to end";

/// How long a process's place among the sessions at a Pod Manager lasts without being kept: some looks for unused ones.
const SESSION_PLACE: Duration = Duration::from_secs(180);

/// What a process knows of its Pod Managers.
pub struct Circuits {
    gates: OnceLock<Gatekeeper>,
    /// A name for this process, where it holds places.
    process: String,
    known: Mutex<HashMap<String, Known>>,
}

#[derive(Default)]
struct Known {
    /// Answers not told yet.
    good: u32,
    told: Option<Instant>,
    /// The circuit was not closed at the last word, or the Pod Manager silent.
    trouble: bool,
    /// The last answer.
    heard: Option<Instant>,
    /// It asked to be left alone until then.
    later: Option<Instant>,
}

impl Default for Circuits {
    fn default() -> Self {
        Self { gates: OnceLock::new(), process: new_token(), known: Mutex::default() }
    }
}

impl Circuits {
    /// Where to tell it; the first time counts.
    pub fn report_to(&self, gates: Gatekeeper) {
        let _known_already = self.gates.set(gates);
    }

    /// Lets go of what is known of a Pod Manager.
    pub fn forget(&self, podm_id: &str) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(podm_id);
    }

    pub(super) fn watch(self: &Arc<Self>, podm_id: &str) -> Watch {
        Watch { circuits: Arc::clone(self), podm: podm_id.to_owned() }
    }

    fn with<T>(&self, podm: &str, look: impl FnOnce(&mut Known) -> T) -> T {
        look(self.known.lock().unwrap_or_else(PoisonError::into_inner).entry(podm.to_owned()).or_default())
    }

    async fn tell_silent(&self, podm: &str) {
        let Some(gates) = self.gates.get() else { return };
        match gates.silent(podm).await {
            Ok(()) => self.with(podm, |k| k.trouble = true),
            Err(error) => tracing::debug!(podm, %error, "the circuit breaker was not told"),
        }
    }

    async fn tell(&self, podm: &str, bad: u32, later: Option<Duration>, why: &str) {
        let good = self.with(podm, |k| {
            k.told = Some(Instant::now());
            k.later = later.map(|l| Instant::now() + l.min(LONGEST_ASKED)).or(k.later);
            std::mem::take(&mut k.good)
        });
        let Some(gates) = self.gates.get() else { return };
        match gates.report(podm, good, bad, later, why).await {
            Ok(open) => self.with(podm, |k| k.trouble = open),
            Err(error) => tracing::debug!(podm, %error, "the circuit breaker was not told"),
        }
    }
}

/// One Pod Manager's part of it.
#[derive(Clone, Default)]
pub(super) struct Watch {
    circuits: Arc<Circuits>,
    podm: String,
}

impl Watch {
    /// How long the Pod Manager wants to be left alone yet.
    pub(super) fn asked_to_wait(&self) -> Option<Duration> {
        self.circuits.with(&self.podm, |k| {
            k.later = k.later.filter(|at| *at > Instant::now());
            k.later.map(|at| at.saturating_duration_since(Instant::now()))
        })
    }

    /// Takes, or keeps, this process's place among the sessions there. Without Redis, nobody is kept from logging in.
    pub(super) async fn session_place(&self) -> bool {
        let Some(gates) = self.circuits.gates.get() else { return true };
        gates.session_enter(&self.podm, &self.circuits.process, SESSION_PLACE).await.unwrap_or(true)
    }

    /// Gives that place back.
    pub(super) async fn leave_session(&self) {
        if let Some(gates) = self.circuits.gates.get()
            && let Err(error) = gates.session_leave(&self.podm, &self.circuits.process).await
        {
            tracing::debug!(podm = self.podm, %error, "place of a session not given back; it lapses");
        }
    }

    /// Notes where this process's session is, so that another can end it when this one dies.
    pub(super) async fn session_kept(&self, path: &str) {
        if let Some(gates) = self.circuits.gates.get()
            && let Err(error) = gates.session_kept(&self.podm, path).await
        {
            tracing::debug!(podm = self.podm, %error, "a session is not noted");
        }
    }

    /// Notes that it is no more.
    pub(super) async fn session_ended(&self, path: &str) {
        if let Some(gates) = self.circuits.gates.get()
            && let Err(error) = gates.session_ended(&self.podm, path).await
        {
            tracing::debug!(podm = self.podm, %error, "the end of a session is not noted");
        }
    }

    /// A request is about to be sent.
    pub(super) fn asking(&self) -> Asking {
        Asking { watch: self.clone(), began: Instant::now(), done: false }
    }
}

/// A request under way. Dropped without a word, it was given up.
pub(super) struct Asking {
    watch: Watch,
    began: Instant,
    done: bool,
}

impl Asking {
    /// It ended, and that says nothing about the Pod Manager.
    pub(super) fn done(mut self) {
        self.done = true;
    }

    /// Waits for what comes of it, and tells when the Pod Manager is silent meanwhile: another answer of it, to whomever, is a sign of life.
    pub(super) async fn awaiting<T>(&self, coming: impl Future<Output = T>) -> T {
        let mut coming = std::pin::pin!(coming);
        if let Ok(come) = tokio::time::timeout(SILENT, &mut coming).await {
            return come;
        }
        let (circuits, podm) = (&self.watch.circuits, &self.watch.podm);
        let told = async {
            if circuits.with(podm, |k| k.heard.is_none_or(|at| at < self.began)) {
                circuits.tell_silent(podm).await;
            }
        };
        tokio::join!(coming, told).0
    }

    /// It was answered. `later`: the Pod Manager wants to be left alone so long.
    pub(super) async fn answered(mut self, status: u16, later: Option<Duration>) {
        self.done = true;
        let (circuits, podm) = (&self.watch.circuits, &self.watch.podm);
        circuits.with(podm, |k| k.heard = Some(Instant::now()));
        if matches!(status, 429 | 502..=504) {
            let later = later.filter(|l| !l.is_zero());
            return circuits.tell(podm, 1, later, &format!("answered {status}")).await;
        }
        let due = circuits.with(podm, |k| {
            k.good = k.good.saturating_add(1);
            k.trouble || k.told.is_none_or(|t| t.elapsed() >= QUIET)
        });
        if due {
            circuits.tell(podm, 0, None, "").await;
        }
    }

    /// Nothing came of it. What was never sent, or given up soon, says nothing about the Pod Manager.
    pub(super) async fn failed(mut self, cause: &Cause) {
        self.done = true;
        let cut = matches!(cause, Cause::Unanswered(why) if why == CUT);
        let given_up_soon = cut && self.began.elapsed() < GIVEN_UP;
        if matches!(cause, Cause::Unreachable(_) | Cause::Unanswered(_) | Cause::Garbled(_)) && !given_up_soon {
            self.watch.circuits.tell(&self.watch.podm, 1, None, &cause.to_string()).await;
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if self.done || self.began.elapsed() < GIVEN_UP {
            return;
        }
        let watch = self.watch.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // Nobody is left to wait for it.
            drop(runtime.spawn(async move {
                watch.circuits.tell(&watch.podm, 1, None, "did not answer before its caller gave up").await;
            }));
        }
    }
}
