//! One exchange: what the fault switches make of a request and its answer.
//!
//! An exchange runs as a task of its own: once a request was read, it is carried out even when the client leaves.

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::RETRY_AFTER;
use serde_json::Value;

use super::answer::{Answer, Payload};
use super::call::Call;
use super::faults::{Cut, Fault};
use super::fleet::Fleet;
use super::state::now_ms;

/// What a 401 says.
const REFUSED: &str = "Invalid credentials.";

/// How an exchange ends.
#[derive(Debug)]
pub(super) enum Reply {
    /// With this answer.
    Answer(Answer),
    /// With this answer, cut off in the middle of its body.
    Torn(Answer),
    /// The connection is closed without an answer.
    Cut,
    /// There is never an answer.
    Hang,
}

/// Carries out one Redfish request.
pub(super) async fn run(fleet: Arc<Fleet>, podm: usize, call: Call) -> Reply {
    if fleet.podms.get(podm).is_some_and(|p| p.is_black_hole) {
        return Reply::Hang;
    }
    let user = fleet.user_of(podm, &call);
    let seq = fleet.log.arrived(podm, &call, user.clone(), now_ms());
    let fault = fleet.faults.take(podm, &call);
    let known = user.is_some() || fleet.is_open(&call);
    let reply = with_fault(&fleet, podm, call, known, fault).await;
    if let Reply::Answer(answer) | Reply::Torn(answer) = &reply {
        fleet.log.answered(seq, answer.status.as_u16());
    }
    reply
}

async fn with_fault(fleet: &Arc<Fleet>, podm: usize, call: Call, known: bool, fault: Fault) -> Reply {
    let takes = fleet.podms.get(podm).map_or(Duration::ZERO, |p| p.latency) + fault.latency();
    let long = fleet.long_operation(&call, takes).filter(|_| known && !fault.is_refusal());
    if long.is_none() && !takes.is_zero() {
        tokio::time::sleep(takes).await;
    }
    if fault.is_refusal() {
        return match fault.status.and_then(|s| StatusCode::from_u16(s).ok()) {
            _ if fault.hang => Reply::Hang,
            Some(status) if fault.cut != Some(Cut::Before) => {
                let text = "A fault switch of the simulator refused the request.";
                lie(fleet.refuse(status, text), &fault)
            }
            _ => Reply::Cut,
        };
    }
    let answer = match long {
        _ if !known => fleet.refuse(StatusCode::UNAUTHORIZED, REFUSED),
        Some(runs) => fleet.start(podm, call, fault.assembly_fails, runs),
        None => fleet.act_off_thread(podm, call, fault.assembly_fails).await,
    };
    match fault.cut {
        Some(Cut::After) if fault.hang => Reply::Hang,
        Some(Cut::After) => Reply::Cut,
        _ => lie(answer, &fault),
    }
}

/// Changes an answer as the switch says.
fn lie(mut answer: Answer, fault: &Fault) -> Reply {
    if let Some(seconds) = fault.retry_after_s {
        answer.headers.retain(|(name, _)| name != RETRY_AFTER);
        answer = answer.with(RETRY_AFTER, seconds.to_string());
    }
    match (&fault.body, fault.body_bytes) {
        (Some(Value::String(text)), _) => {
            answer.payload = Payload::Raw("application/json; charset=utf-8", text.clone().into());
        }
        (Some(body), _) => answer.payload = Payload::Json(body.clone()),
        (None, Some(bytes)) => answer.payload = Payload::Filler(bytes),
        (None, None) => {}
    }
    if fault.cut == Some(Cut::Within) { Reply::Torn(answer) } else { Reply::Answer(answer) }
}
