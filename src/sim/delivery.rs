//! Sending events to subscribers: what changed is told in the order of the changes, each event tried a few times.

use std::convert::Infallible;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Tries of one event, and the pause between two.
const TRIES: u32 = 3;
const AGAIN: Duration = Duration::from_millis(200);
/// Most time for one try.
const LIMIT: Duration = Duration::from_secs(5);
/// Events that may wait; more are lost, as on real services.
const WAITING: usize = 1000;

/// One event on its way.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) destination: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Value,
}

/// Where events are put, and where they are taken from.
pub(super) fn channel() -> (mpsc::Sender<Outgoing>, mpsc::Receiver<Outgoing>) {
    mpsc::channel(WAITING)
}

/// Sends until the stop signal.
pub(super) async fn run(mut events: mpsc::Receiver<Outgoing>, stop: CancellationToken) -> Result<(), Infallible> {
    let http = match reqwest::Client::builder().no_proxy().timeout(LIMIT).build() {
        Ok(http) => http,
        Err(error) => {
            tracing::warn!(%error, "events are not sent");
            stop.cancelled().await;
            return Ok(());
        }
    };
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            event = events.recv() => event,
        };
        let Some(event) = event else {
            stop.cancelled().await;
            return Ok(());
        };
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = send(&http, &event) => {}
        }
    }
}

async fn send(http: &reqwest::Client, event: &Outgoing) {
    for left in (0..TRIES).rev() {
        let mut request = http.post(&event.destination).json(&event.body);
        for (name, value) in &event.headers {
            request = request.header(name, value);
        }
        match request.send().await {
            Ok(answer) if answer.status().is_success() => return,
            Ok(answer) => tracing::debug!(status = answer.status().as_u16(), "an event was refused"),
            Err(error) => tracing::debug!(error = %error.without_url(), "an event did not arrive"),
        }
        if left > 0 {
            tokio::time::sleep(AGAIN).await;
        }
    }
}
