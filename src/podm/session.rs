//! Sessions at Pod Managers: one per Pod Manager and process, logged in by the first request, logged out when unused and at the drain.
//!
//! A [`Slot`] belongs to one Pod Manager and one set of credentials; changed credentials make another, and the old one is logged out. A
//! Pod Manager that offers no sessions, refuses one or answers without a token is spoken to with Basic auth for a while: a full table
//! is no failure. Only credentials that are refused at the login are. All processes together open only so many sessions at one Pod Manager:
//! each holds a place in Redis while it has one.
//!
//! Invariants: one login at a time, carried to its end whoever waits for it, so that no session is made and forgotten; the token is never
//! logged and stands in no error.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Notify;

use super::error::RedfishError;
use super::login::{self, Door};
use crate::config::{AuthMode, RedfishConfig};
use crate::model::podm::Podm;
use crate::observe::{metrics, trace};
use crate::shutdown::Shutdown;

/// How long Basic auth is used after a session was not to be had.
const BASIC_FOR: Duration = Duration::from_secs(300);
/// Most time for one logout.
const LOGOUT_LIMIT: Duration = Duration::from_secs(2);
/// Longest and shortest pause between two looks for unused sessions.
const LOOK: (Duration, Duration) = (Duration::from_secs(30), Duration::from_millis(20));

/// How a request proves who sends it.
#[derive(Debug, Clone)]
pub enum Proof {
    /// User and password.
    Basic,
    /// A session's token.
    Token(SecretString),
}

/// A login under way.
type LoggingIn = Pin<Box<dyn Future<Output = Result<Proof, RedfishError>> + Send>>;

/// An open session.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) token: SecretString,
    /// Where it is deleted; `None` when the Pod Manager did not say.
    pub(super) location: Option<String>,
}

/// What a login came to.
pub(super) enum Login {
    Open(Session),
    /// None to be had, and why.
    Without(String),
    /// Nothing is known: the Pod Manager did not answer the question whether it has sessions.
    Unknown,
}

enum State {
    New,
    Open { session: Session, used: Instant },
    Basic { until: Instant },
    Closed,
}

/// The session of one Pod Manager under one set of credentials.
pub struct Slot {
    door: Door,
    mode: AuthMode,
    state: Mutex<State>,
    /// Held during a login, so that requests that come meanwhile share it; when the last one ended that was not answered.
    turn: tokio::sync::Mutex<Option<Instant>>,
    /// Where the session was that the Pod Manager knows no more.
    ended: Mutex<Option<String>>,
}

impl Slot {
    /// How the next request proves who sends it; logs in when that has to be done first. `refused` is the token of a request that was
    /// answered 401.
    ///
    /// # Errors
    /// Credentials that the login refuses; no session where only sessions are allowed.
    ///
    /// # Cancel safety
    /// A login goes on when its caller is dropped.
    pub async fn proof(self: &Arc<Self>, refused: Option<&SecretString>) -> Result<Proof, RedfishError> {
        if let Some(known) = self.known(refused) {
            return Ok(known);
        }
        let (slot, refused) = (Arc::clone(self), refused.cloned());
        let login = tokio::spawn(trace::carried(slot.logging_in(refused)));
        match login.await {
            Ok(proof) => proof,
            Err(_) => Ok(Proof::Basic),
        }
    }

    /// What is known without asking anybody.
    fn known(&self, refused: Option<&SecretString>) -> Option<Proof> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *state {
            State::Open { session, .. }
                if refused.is_some_and(|r| r.expose_secret() == session.token.expose_secret()) =>
            {
                *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = session.location.clone();
                *state = State::New;
                metrics::get().redfish.sessions.dec();
                None
            }
            State::Open { session, used } => {
                *used = Instant::now();
                Some(Proof::Token(session.token.clone()))
            }
            State::Basic { until } if *until > Instant::now() => Some(Proof::Basic),
            State::Closed => Some(Proof::Basic),
            State::New | State::Basic { .. } => None,
        }
    }

    /// The token in use, to keep it out of texts.
    pub(super) fn token(&self) -> Option<SecretString> {
        match &*self.state.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Open { session, .. } => Some(session.token.clone()),
            _ => None,
        }
    }

    /// Where the session in use is.
    fn location(&self) -> Option<String> {
        match &*self.state.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Open { session, .. } => session.location.clone(),
            _ => None,
        }
    }

    /// Boxed, since a login is itself made of requests.
    fn logging_in(self: Arc<Self>, refused: Option<SecretString>) -> LoggingIn {
        Box::pin(async move { self.log_in(refused.as_ref()).await })
    }

    async fn log_in(&self, refused: Option<&SecretString>) -> Result<Proof, RedfishError> {
        let came = Instant::now();
        let mut unanswered = self.turn.lock().await;
        if let Some(known) = self.known(refused) {
            return Ok(known);
        }
        // Whoever stood in line behind a login that hung does not hang for another one.
        if self.mode != AuthMode::Session && unanswered.is_some_and(|at| at > came) {
            return Ok(Proof::Basic);
        }
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ended) = ended {
            self.door.watch().session_ended(&ended).await;
        }
        // Where only sessions are allowed, it is the Pod Manager's to refuse one.
        let outcome = if self.door.watch().session_place().await || self.mode == AuthMode::Session {
            login::log_in(&self.door).await
        } else {
            Ok(Login::Without("other processes have all sessions that it is given".into()))
        };
        if !matches!(outcome, Ok(Login::Open(_))) {
            self.door.watch().leave_session().await;
        }
        let word = match &outcome {
            Ok(Login::Open(_)) => "session",
            Ok(Login::Without(_)) => "basic",
            Ok(Login::Unknown) => "unknown",
            Err(_) => "refused",
        };
        metrics::get().redfish.logins.with_label_values(&[word]).inc();
        match outcome? {
            Login::Open(session) => {
                let token = session.token.clone();
                if let Some(path) = &session.location {
                    self.door.watch().session_kept(path).await;
                }
                let late = {
                    let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                    // Closed while it logged in: it logs out again at once.
                    let late = matches!(*state, State::Closed);
                    if !late {
                        *state = State::Open { session: session.clone(), used: Instant::now() };
                        metrics::get().redfish.sessions.inc();
                    }
                    late
                };
                if late {
                    login::log_out(&self.door, &session, LOGOUT_LIMIT).await;
                    self.door.watch().leave_session().await;
                    return Ok(Proof::Basic);
                }
                tracing::debug!(podm = self.door.podm(), "logged in");
                Ok(Proof::Token(token))
            }
            Login::Without(why) if self.mode == AuthMode::Session => Err(self.door.without_session(&why)),
            Login::Without(why) => {
                tracing::debug!(podm = self.door.podm(), why, "no session; Basic auth for a while");
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                if !matches!(*state, State::Closed) {
                    *state = State::Basic { until: Instant::now() + BASIC_FOR };
                }
                Ok(Proof::Basic)
            }
            Login::Unknown if self.mode == AuthMode::Session => Err(self.door.without_session("it did not answer")),
            Login::Unknown => {
                *unanswered = Some(Instant::now());
                Ok(Proof::Basic)
            }
        }
    }

    /// Takes the session out when it was not used for so long; `None` for whatever it was used.
    fn take(&self, idle: Option<Duration>) -> Option<Session> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let session = match &*state {
            State::Open { session, used } if idle.is_none_or(|idle| used.elapsed() >= idle) => Some(session.clone()),
            _ => None,
        };
        if session.is_some() {
            metrics::get().redfish.sessions.dec();
        }
        match idle {
            None => *state = State::Closed,
            Some(_) if session.is_some() => *state = State::New,
            Some(_) => {}
        }
        session
    }

    async fn close(&self, idle: Option<Duration>) {
        // Not in the middle of a login: what it brings must be seen.
        let _turn = self.turn.lock().await;
        if let Some(session) = self.take(idle) {
            login::log_out(&self.door, &session, LOGOUT_LIMIT).await;
            self.door.watch().leave_session().await;
            tracing::debug!(podm = self.door.podm(), "logged out");
        } else if idle.is_some() && self.token().is_some() {
            if !self.door.watch().session_place().await {
                tracing::debug!(podm = self.door.podm(), "its place was lost, the session is used on");
            }
            if let Some(path) = self.location() {
                self.door.watch().session_kept(&path).await;
            }
        }
    }
}

/// All sessions of a process.
pub struct Sessions {
    mode: AuthMode,
    idle: Duration,
    slots: Mutex<Slots>,
    retired: Notify,
}

#[derive(Default)]
struct Slots {
    /// By the Pod Manager's id.
    live: HashMap<String, ([u8; 32], Arc<Slot>)>,
    /// Of changed credentials and of Pod Managers that are gone.
    retired: Vec<Arc<Slot>>,
    /// The process stops: no session is begun any more.
    closed: bool,
}

impl Sessions {
    /// None yet.
    #[must_use]
    pub fn new(config: &RedfishConfig) -> Self {
        let slots = Mutex::default();
        Self { mode: config.auth, idle: config.session_idle.unsigned_abs(), slots, retired: Notify::new() }
    }

    /// The slot of a Pod Manager; `None` where Basic auth is to be used. Other credentials than last time retire what they left.
    pub(super) fn slot(&self, podm: &Podm, door: impl FnOnce() -> Door) -> Option<Arc<Slot>> {
        if self.mode == AuthMode::Basic {
            return None;
        }
        let print = fingerprint(podm)?;
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.closed {
            return None;
        }
        if let Some((known, slot)) = slots.live.get(&podm.uuid)
            && *known == print
        {
            return Some(Arc::clone(slot));
        }
        let (state, turn) = (Mutex::new(State::New), tokio::sync::Mutex::new(None));
        let slot = Arc::new(Slot { door: door(), mode: self.mode, state, turn, ended: Mutex::default() });
        if let Some((_, old)) = slots.live.insert(podm.uuid.clone(), (print, Arc::clone(&slot))) {
            slots.retired.push(old);
            self.retired.notify_one();
        }
        Some(slot)
    }

    /// Lets go of a Pod Manager's session: its credentials have changed, or it is gone.
    pub fn forget(&self, podm_id: &str) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, old)) = slots.live.remove(podm_id) {
            slots.retired.push(old);
            self.retired.notify_one();
        }
    }

    /// Logs out what is unused or retired until the process stops, and then, once its work has ended, everything.
    pub fn keep(self: &Arc<Self>, shutdown: &Shutdown) {
        let (this, stop, drained) = (Arc::clone(self), shutdown.token(), shutdown.drained());
        shutdown.spawn("sessions", async move {
            let pause = (this.idle / 4).clamp(LOOK.1, LOOK.0);
            while !stop.is_cancelled() {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = this.retired.notified() => {}
                    () = tokio::time::sleep(pause) => {}
                }
                this.sweep().await;
            }
            drained.cancelled().await;
            this.close_all().await;
            Ok::<(), std::convert::Infallible>(())
        });
    }

    async fn sweep(&self) {
        let (unused, retired) = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            let live: Vec<_> = slots.live.values().map(|(_, slot)| Arc::clone(slot)).collect();
            (live, std::mem::take(&mut slots.retired))
        };
        let unused = unused.iter().map(|slot| slot.close(Some(self.idle)));
        let retired = retired.iter().map(|slot| slot.close(None));
        futures_util::future::join(futures_util::future::join_all(unused), futures_util::future::join_all(retired))
            .await;
    }

    /// Logs out everywhere; requests that still come use Basic auth.
    pub async fn close_all(&self) {
        let all: Vec<Arc<Slot>> = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            slots.closed = true;
            let live: Vec<_> = slots.live.drain().map(|(_, (_, slot))| slot).collect();
            live.into_iter().chain(std::mem::take(&mut slots.retired)).collect()
        };
        futures_util::future::join_all(all.iter().map(|slot| slot.close(None))).await;
    }
}

/// What tells one set of credentials from another: the sealed text differs with every change. `None` without credentials.
fn fingerprint(podm: &Podm) -> Option<[u8; 32]> {
    let items = podm.basic()?;
    let text = [&podm.url, &items.username, &items.password].map(String::as_str).join("\u{1f}");
    let mut print = [0; 32];
    print.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    Some(print)
}
