//! All PODMs of a process and what they share; one request is carried out here.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::{Method, StatusCode};
use tokio::sync::mpsc;

use super::answer::Answer;
use super::call::{Call, Sent};
use super::config::{SimConfig, SimFlavour};
use super::counts::Count;
use super::delivery::Outgoing;
use super::events;
use super::faults::Faults;
use super::hardware::Hardware;
use super::log::Log;
use super::persist::Store;
use super::state::{State, now_ms};
use super::tree::Tree;
use super::view::View;
use super::{SimError, eem, route, sessions, tasks};

/// One PODM.
pub(super) struct Podm {
    pub(super) hardware: Hardware,
    pub(super) state: Mutex<State>,
    /// Time that every request takes.
    pub(super) latency: Duration,
    /// It never answers.
    pub(super) is_black_hole: bool,
    /// What it got.
    pub(super) count: Arc<Count>,
    store: Option<Store>,
}

/// All PODMs of a process.
pub(super) struct Fleet {
    pub(super) config: SimConfig,
    pub(super) podms: Vec<Podm>,
    pub(super) faults: Faults,
    pub(super) log: Log,
    tree: Option<Tree>,
    outbox: mpsc::Sender<Outgoing>,
}

impl Fleet {
    /// Makes the PODMs, with the nodes they had.
    ///
    /// # Errors
    /// [`SimError::Tree`] or [`SimError::Data`] for folders that cannot be used.
    pub(super) fn new(config: SimConfig, outbox: mpsc::Sender<Outgoing>) -> Result<Self, SimError> {
        let tree = config.tree.as_deref().map(Tree::load).transpose()?;
        let mut podms = Vec::with_capacity(config.podms);
        for podm in 0..config.podms {
            let (systems, latency) = measure(&config, podm);
            let mut state = State::default();
            let mut store = None;
            if let Some(dir) = &config.data_dir {
                let (opened, kept) = Store::open(dir, podm, systems)?;
                state.kept = kept;
                store = Some(opened);
            }
            let hardware = Hardware { seed: config.seed, podm, systems };
            let is_black_hole = podm + config.black_holes >= config.podms;
            podms.push(Podm {
                hardware,
                state: Mutex::new(state),
                latency,
                is_black_hole,
                count: Arc::default(),
                store,
            });
        }
        Ok(Self { config, podms, faults: Faults::default(), log: Log::default(), tree, outbox })
    }

    /// Does something with the state of a PODM, brought up to now.
    pub(super) fn with<T>(
        &self,
        podm: usize,
        call: &Call,
        fails: bool,
        f: impl FnOnce(&mut View<'_>) -> T,
    ) -> Option<T> {
        let podm = self.podms.get(podm)?;
        let mut state = podm.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now_ms = now_ms();
        let before = (!state.subscriptions.is_empty()).then(|| state.kept.clone());
        state.advance(now_ms);
        let mut view = View {
            config: &self.config,
            hardware: &podm.hardware,
            state: &mut state,
            call,
            now_ms,
            assembly_fails: fails,
        };
        let done = f(&mut view);
        if let Some(before) = before {
            for event in events::changes(&before, &mut state, now_ms) {
                // A full outbox loses events, as a real one does.
                let _lost = self.outbox.try_send(event);
            }
        }
        Some(done)
    }

    /// Refuses a request in the shape of the flavour.
    pub(super) fn refuse(&self, status: StatusCode, text: &str) -> Answer {
        match (self.config.flavour, status) {
            (SimFlavour::Eem, status) => eem::error(status, text),
            (_, StatusCode::UNAUTHORIZED) => Answer::unauthorized(),
            (_, status) => Answer::error(status, "GeneralError", text),
        }
    }

    /// Whether a request is answered without credentials.
    pub(super) fn is_open(&self, call: &Call) -> bool {
        !self.config.auth || (self.config.flavour != SimFlavour::Eem && route::is_open(call))
    }

    /// The user a request comes from.
    pub(super) fn user_of(&self, podm: usize, call: &Call) -> Option<String> {
        self.with(podm, call, false, |view| {
            sessions::user_of(call, view.config, &mut view.state.sessions, view.now_ms)
        })?
    }

    /// Carries out one request; a change is on the disk when this returns.
    pub(super) fn act(&self, podm: usize, call: &Call, fails: bool) -> Answer {
        let store = self.podms.get(podm).and_then(|p| p.store.as_ref()).filter(|_| !call.is_read());
        let answer = self.with(podm, call, fails, |view| {
            let before = store.map(|_| view.state.kept.clone());
            let answer = self.route(view);
            match (store, before) {
                (Some(store), Some(before)) if view.state.kept != before => match store.save(&view.state.kept) {
                    Ok(()) => answer,
                    Err(e) => {
                        view.state.kept = before;
                        let text = format!("The change could not be saved: {e}.");
                        Answer::error(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", &text)
                    }
                },
                _ => answer,
            }
        });
        answer.unwrap_or_else(|| Answer::not_found(&call.path))
    }

    fn route(&self, view: &mut View<'_>) -> Answer {
        if self.config.flavour == SimFlavour::Eem {
            return eem::answer(view);
        }
        if matches!(view.call.body, Sent::Garbage) {
            return Answer::bad("MalformedJSON", "The body of the request is not JSON.");
        }
        match &self.tree {
            Some(tree) => tree.answer(view),
            None => route::answer(view),
        }
    }

    /// [`Fleet::act`], where waiting for a disk does not stop other requests.
    pub(super) async fn act_off_thread(self: &Arc<Self>, podm: usize, call: Call, fails: bool) -> Answer {
        if self.config.data_dir.is_none() || call.is_read() {
            let answer = self.act(podm, &call, fails);
            self.wake(podm, &call);
            return answer;
        }
        let (this, acted) = (Arc::clone(self), call.clone());
        let acting = tokio::task::spawn_blocking(move || this.act(podm, &acted, fails));
        let answer = acting.await.unwrap_or_else(|e| {
            Answer::error(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", &format!("The handler failed: {e}."))
        });
        self.wake(podm, &call);
        answer
    }

    /// Where somebody subscribed, looks again when the next assembly ends, so that it is told in time.
    fn wake(self: &Arc<Self>, podm: usize, call: &Call) {
        if call.is_read() {
            return;
        }
        let due = self.with(podm, call, false, |view| {
            let ready = view.state.kept.nodes.values().filter_map(|n| n.ready_at_ms).min();
            ready.filter(|_| !view.state.subscriptions.is_empty()).map(|at| at.saturating_sub(view.now_ms))
        });
        if let Some(ms) = due.flatten() {
            let (this, call) = (Arc::clone(self), call.clone());
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(ms + 1)).await;
                this.with(podm, &call, false, |_| ());
            });
        }
    }

    /// Whether a request is answered 202, and how long its operation then runs.
    pub(super) fn long_operation(&self, call: &Call, takes: Duration) -> Option<Duration> {
        let segments = call.segments();
        let composes = self.config.flavour == SimFlavour::Composition;
        let on_nodes = match segments.as_slice() {
            ["redfish", "v1", "Systems", ..] | ["redfish", "v1", "CompositionService", "Actions", _] => composes,
            ["redfish", "v1", "Nodes", ..] => !composes,
            _ => false,
        };
        let on_volumes = matches!(
            segments.as_slice(),
            ["redfish", "v1", "Services" | "StorageServices", _, "LogicalDrives" | "Volumes", ..]
        );
        if call.is_read() || !(on_nodes || on_volumes) || self.tree.is_some() || matches!(call.body, Sent::Garbage) {
            return None;
        }
        let is_allocate =
            matches!(segments.as_slice(), [_, _, "Nodes" | "CompositionService", "Actions", _] | [_, _, "Systems"]);
        let by_kind = self.config.task_monitors && (is_allocate || on_volumes || call.method == Method::DELETE);
        let by_time = self.config.slow.is_some_and(|slow| takes > slow);
        match (by_time, by_kind) {
            (true, _) => Some(takes),
            (false, true) => Some(takes.max(self.config.assemble_time)),
            (false, false) => None,
        }
    }

    /// Starts an operation that goes on behind, and answers 202.
    pub(super) fn start(self: &Arc<Self>, podm: usize, call: Call, fails: bool, runs: Duration) -> Answer {
        let begun = self.with(podm, &call, fails, |view| {
            let id = view.state.tasks.begin(format!("{} {}", call.method, call.path), view.now_ms);
            (id, tasks::accepted(view, id))
        });
        let Some((id, accepted)) = begun else { return Answer::not_found(&call.path) };
        let this = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(runs).await;
            let wanted = this.with(podm, &call, fails, |view| view.state.tasks.is_wanted(id));
            if wanted == Some(true) {
                let outcome = this.act_off_thread(podm, call.clone(), fails).await;
                this.with(podm, &call, fails, |view| view.state.tasks.finish(id, outcome, view.now_ms));
            }
        });
        accepted
    }
}

/// How many systems a PODM has, and how long its requests take.
fn measure(config: &SimConfig, podm: usize) -> (usize, Duration) {
    if !config.mixed {
        return (config.systems, config.latency);
    }
    let bytes = Hardware { seed: config.seed, podm, systems: 0 }.uuid("measure").into_bytes();
    // A quarter to one and three quarters, in steps of 1/128; nothing to twice as much.
    let systems = (config.systems * (32 + usize::from(bytes[0]) * 3 / 4) / 128).max(1);
    (systems, config.latency * u32::from(bytes[1]) / 128)
}
