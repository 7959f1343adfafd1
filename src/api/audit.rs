//! The audit log: every change that somebody asked for, and `GET /v1/audit`, which shows it.
//!
//! A line is handed to a loop of its own, which writes many in one call: no request waits for it and none fails by it. While Redis is away
//! lines wait, up to some thousands; what is more is counted and stands in the process's own log, as every line does. Requests that are
//! denied (401, 403) can be made by anybody, so only some of them a second become lines; the next line says how many did not.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::answer::{self, Answer, bad_field};
use super::auth::Role;
use super::call::Call;
use super::resource::{Resource, number, text};
use crate::model::audit::{AuditEntry, AuditFilter};
use crate::model::v1time::{parse_ms, rfc3339};
use crate::observe::metrics;
use crate::shutdown::Shutdown;
use crate::store::Store;

/// Lines that wait to be written.
const WAITING: usize = 8_192;
/// Lines written in one call.
const BATCH: usize = 256;
/// Between two attempts to write.
const AGAIN: Duration = Duration::from_millis(500);
/// Lines about denied requests a second, and at once.
const DENIED_A_SECOND: f64 = 10.0;
const DENIED_AT_ONCE: f64 = 50.0;
/// Lines of a page unless `limit` says otherwise, and at most.
const PAGE: u64 = 100;
const MOST_PAGE: u64 = 1_000;

/// Takes lines for the audit log.
pub(crate) struct Auditor {
    lines: mpsc::Sender<AuditEntry>,
    denied: Mutex<Denied>,
}

/// How many lines about denied requests there may be now.
struct Denied {
    tokens: f64,
    at: Instant,
    untold: u64,
}

impl Auditor {
    /// Starts the loop that writes; after the stop it writes what is there for as long as the grace lasts.
    pub(crate) fn start(store: &Store, grace: Duration, shutdown: &Shutdown) -> Self {
        let (lines, waiting) = mpsc::channel(WAITING);
        let (store, stop) = (store.clone(), shutdown.token());
        shutdown.spawn("audit", async move {
            let enough = async {
                stop.cancelled().await;
                tokio::time::sleep(grace.saturating_sub(Duration::from_millis(700))).await;
            };
            tokio::select! {
                () = write(store, waiting) => {}
                () = enough => {}
            }
            Ok::<(), std::convert::Infallible>(())
        });
        let denied = Denied { tokens: DENIED_AT_ONCE, at: Instant::now(), untold: 0 };
        Self { lines, denied: Mutex::new(denied) }
    }

    /// Takes a line.
    pub(crate) fn note(&self, mut entry: AuditEntry) {
        tracing::info!(
            target: "valence::audit", caller = entry.actor, remote = entry.from, action = entry.action, path = entry.target,
            outcome = entry.outcome, detail = entry.detail, task = entry.task_id, "change asked for"
        );
        if entry.outcome == "denied" {
            let Some(untold) = self.may_tell_of_denied() else { return };
            if untold > 0 {
                let detail = entry.detail.take().unwrap_or_default();
                entry.detail = Some(format!("{detail}; {untold} denied requests before it are not told"));
            }
        }
        if self.lines.try_send(entry).is_err() {
            metrics::get().http.audit_lost.inc();
        }
    }

    /// How many were not told before this one; `None`: this one is not told either.
    fn may_tell_of_denied(&self) -> Option<u64> {
        let mut denied = self.denied.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let came = now.duration_since(denied.at).as_secs_f64() * DENIED_A_SECOND;
        (denied.tokens, denied.at) = ((denied.tokens + came).min(DENIED_AT_ONCE), now);
        if denied.tokens < 1.0 {
            denied.untold += 1;
            return None;
        }
        denied.tokens -= 1.0;
        Some(std::mem::take(&mut denied.untold))
    }
}

async fn write(store: Store, mut waiting: mpsc::Receiver<AuditEntry>) {
    let mut batch = Vec::with_capacity(BATCH);
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        while let Err(error) = store.audit_all(&batch).await {
            if !error.is_transient() {
                tracing::error!(%error, lines = batch.len(), "the audit log cannot be written");
                metrics::get().http.audit_lost.inc_by(batch.len() as u64);
                break;
            }
            tracing::debug!(%error, "the audit log cannot be written now");
            tokio::time::sleep(AGAIN).await;
        }
        batch.clear();
    }
}

/// The word for what came of a request.
pub(crate) const fn outcome(status: u16) -> &'static str {
    match status {
        ..400 => "done",
        401 | 403 => "denied",
        400..500 => "refused",
        _ => "failed",
    }
}

/// A line as it is shown.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditLine {
    /// Its id, for `marker`.
    id: String,
    /// RFC 3339 UTC.
    at: String,
    #[serde(flatten)]
    entry: AuditEntry,
}

/// A page of the audit log.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditPage {
    /// Newest first.
    audit: Vec<AuditLine>,
    /// Give it back for the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
}

/// The route.
pub(crate) fn resource() -> Resource {
    Resource::at("/v1/audit", "operation")
        .get("", "Lists who changed what, newest first", list)
        .role(Role::Admin)
        .query(&[
            text("actor", "by this caller"),
            text("action", "method and route, or its first word"),
            text("target", "of this path or id"),
            text("task_id", "about this task"),
            text("outcome", "`done`, `denied`, `refused` or `failed`"),
            text("since", "RFC 3339"),
            text("until", "RFC 3339"),
            number("limit", "at most so many, 1 to 1000"),
            text("marker", "go on after this one"),
        ])
        .answers::<AuditPage>(200)
}

async fn list(call: Call) -> Answer {
    let known = ["actor", "action", "target", "task_id", "outcome", "since", "until", "limit", "marker"];
    call.only_query(&known)?;
    let given = |name: &str| call.query(name).map(str::to_owned);
    let time = |name: &str| {
        let text = call.query(name);
        text.map(|text| parse_ms(text).map_err(|why| bad_field(name, text, &why))).transpose()
    };
    let filter = AuditFilter {
        actor: given("actor"),
        action: given("action"),
        target: given("target"),
        task_id: given("task_id"),
        outcome: given("outcome"),
        since_ms: time("since")?,
        until_ms: time("until")?,
    };
    let words = ["done", "denied", "refused", "failed"];
    if let Some(odd) = filter.outcome.as_deref().filter(|o| !words.contains(o)) {
        return Err(bad_field("outcome", odd, "done, denied, refused or failed is wanted").into());
    }
    let limit = call.query_number("limit", 1, MOST_PAGE)?.unwrap_or(PAGE);
    let marker = call.query("marker");
    if let Some(odd) = marker.filter(|m| !is_marker(m)) {
        return Err(bad_field("marker", odd, "the marker of an earlier page is wanted").into());
    }
    let page = call.app.store.audits(&filter, usize::try_from(limit).unwrap_or(usize::MAX), marker).await?;
    let line = |(id, entry): (String, AuditEntry)| AuditLine { id, at: rfc3339(entry.at_ms), entry };
    Ok(answer::ok(&AuditPage { audit: page.entries.into_iter().map(line).collect(), marker: page.marker }))
}

/// Whether a text is the id of a stream's entry.
fn is_marker(text: &str) -> bool {
    let number =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) && part.parse::<u64>().is_ok();
    text.split_once('-').is_some_and(|(ms, n)| number(ms) && number(n))
}
