//! One stop signal for a whole process, and the rule that a background loop may not die unnoticed.
//!
//! SIGTERM or SIGINT fires [`Shutdown::token`]; a second signal exits the process at once. Every loop is started with
//! [`Shutdown::spawn`]: a loop that ends with an error, or before the stop signal, stops the whole process with a failure, so that
//! no process lives on half-dead. [`Shutdown::join`] waits for all loops and reports the first failure.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Handle shared by all loops of a process.
#[derive(Clone, Default)]
pub struct Shutdown {
    token: CancellationToken,
    tracker: TaskTracker,
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
            signal().await;
            tracing::info!("stop signal: draining");
            token.cancel();
            signal().await;
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
        E: std::fmt::Display,
    {
        let this = self.clone();
        self.tracker.spawn(async move {
            let outcome = tokio::spawn(async move { run.await.map_err(|e| e.to_string()) });
            let outcome = outcome.await.map_err(|e| e.to_string()).and_then(|r| r);
            match outcome {
                Ok(()) if this.is_stopping() => {}
                Ok(()) => this.fail(format!("loop {name} ended before it was told to")),
                Err(e) => this.fail(format!("loop {name}: {e}")),
            }
        });
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
        let in_time = tokio::time::timeout(grace, self.tracker.wait()).await;
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (failure, in_time) {
            (Some(why), _) => Err(why),
            (None, Err(_)) => Err(format!("loops still running after the grace of {grace:?}")),
            (None, Ok(())) => Ok(()),
        }
    }
}

/// Waits for one SIGTERM or SIGINT.
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        tracing::error!("cannot listen for signals");
        return std::future::pending().await;
    };
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
