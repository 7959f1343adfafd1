//! One stop signal for a whole process, and the rule that a background loop may not die unnoticed.
//!
//! SIGTERM or SIGINT fires [`Shutdown::token`]; a second signal exits the process at once. Every loop is started with
//! [`Shutdown::spawn`]: a loop that ends with an error, or before the stop signal, stops the whole process with a failure, so that
//! no process lives on half-dead. [`Shutdown::join`] waits for all loops and reports the first failure.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Handle shared by all loops of a process.
#[derive(Clone, Default)]
pub struct Shutdown {
    token: CancellationToken,
    tracker: TaskTracker,
    work: TaskTracker,
    drained: CancellationToken,
    failure: Arc<Mutex<Option<String>>>,
}

impl Shutdown {
    /// A handle that fires only when [`Shutdown::stop`] is called.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A handle that also fires on SIGTERM and SIGINT; the second signal ends the process with code 130.
    #[must_use]
    pub fn on_signals() -> Self {
        let shutdown = Self::new();
        let token = shutdown.token.clone();
        tokio::spawn(async move {
            // Both are heard from the start, so that a second signal right behind the first is not lost.
            let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
                tracing::error!("cannot listen for signals");
                return;
            };
            either(&mut term, &mut int).await;
            tracing::info!("stop signal: draining");
            token.cancel();
            either(&mut term, &mut int).await;
            std::process::exit(130);
        });
        shutdown
    }

    /// The token that fires when the process is to stop.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Whether the stop signal was given.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Gives the stop signal.
    pub fn stop(&self) {
        self.token.cancel();
    }

    /// Starts a loop that must run until the stop signal. Its early end or its error stops the process.
    pub fn spawn<F, E>(&self, name: &'static str, run: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::fmt::Display + 'static,
    {
        self.tracker.spawn(self.clone().watch(name, run));
    }

    /// As [`Shutdown::spawn`], for a loop that brings in work: it has to end before [`Shutdown::drained`] can fire.
    pub fn spawn_source<F, E>(&self, name: &'static str, run: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::fmt::Display + 'static,
    {
        self.work.spawn(self.clone().watch(name, run));
    }

    async fn watch<F, E>(self, name: &'static str, run: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::fmt::Display + 'static,
    {
        // A task of its own, so that a panic is seen as the end of the loop.
        let outcome = tokio::spawn(async move { run.await.map_err(|e| e.to_string()) });
        match outcome.await.map_err(|e| e.to_string()).and_then(|r| r) {
            Ok(()) if self.is_stopping() => {}
            Ok(()) => self.fail(format!("loop {name} ended before it was told to")),
            Err(e) => self.fail(format!("loop {name}: {e}")),
        }
    }

    /// Starts a piece of work (one task, one request) that is awaited before [`Shutdown::drained`] fires.
    pub fn spawn_work<F>(&self, work: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.work.spawn(work);
    }

    /// Fires after the stop signal, once all work has ended: what serves the work (heartbeats, say) goes on until then.
    #[must_use]
    pub fn drained(&self) -> CancellationToken {
        self.drained.clone()
    }

    fn fail(&self, why: String) {
        tracing::error!(error = %why, "a background loop died; stopping the process");
        let mut slot = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        slot.get_or_insert(why);
        drop(slot);
        self.token.cancel();
    }

    /// Waits for the stop signal and then, at most `grace`, for every loop.
    ///
    /// # Errors
    /// The first loop's failure, or that the grace was over.
    pub async fn join(&self, grace: Duration) -> Result<(), String> {
        self.token.cancelled().await;
        self.tracker.close();
        self.work.close();
        let all = async {
            self.work.wait().await;
            self.drained.cancel();
            self.tracker.wait().await;
        };
        let in_time = tokio::time::timeout(grace, all).await;
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (failure, in_time) {
            (Some(why), _) => Err(why),
            (None, Err(_)) => Err(format!("loops still running after the grace of {grace:?}")),
            (None, Ok(())) => Ok(()),
        }
    }
}

/// Waits for the next of two signals.
async fn either(term: &mut Signal, int: &mut Signal) {
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}

/// Sleeps, but ends early when the stop signal comes. Says whether to go on.
pub async fn sleep_or_stop(token: &CancellationToken, time: Duration) -> bool {
    tokio::select! {
        () = token.cancelled() => false,
        () = tokio::time::sleep(time) => true,
    }
}
