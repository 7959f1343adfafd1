//! Sending one request: who proves it, while the lease lasts, told to metrics and to the circuit.

use reqwest::header::{HeaderValue, IF_MATCH, IF_NONE_MATCH};
use reqwest::{Method, Response};
use secrecy::ExposeSecret;
use serde_json::Value;

use super::{Auth, Client, TOKEN, wait_of};
use crate::lease::Lease;
use crate::podm::circuit::CUT;
use crate::podm::error::{Cause, RedfishError};
use crate::podm::session::Proof;
use crate::podm::told::{TRACEPARENT, Told};

/// Why a request failed that nothing was heard of.
const UNHEARD: &str = "no answer in time";

/// One request, before anybody proves who asks.
#[derive(Clone)]
pub(in crate::podm) struct Request<'a> {
    pub method: Method,
    /// The method as errors and metrics name it.
    pub name: &'static str,
    pub path: &'a str,
    pub body: Option<&'a Value>,
    /// The version it is about: `If-None-Match` of a read, `If-Match` of a change.
    pub version: Option<&'a str>,
}

impl<'a> Request<'a> {
    /// A read.
    pub const fn get(path: &'a str) -> Self {
        Self { method: Method::GET, name: "GET", path, body: None, version: None }
    }
}

impl Client {
    /// Sends a request; whoever waits long for its answer lends its slot to others.
    pub(in crate::podm) async fn send(&self, request: Request<'_>) -> Result<Response, RedfishError> {
        let sent = self.send_proven(&request);
        match &self.lease {
            Some(lease) => lease.lending(sent).await,
            None => sent.await,
        }
    }

    /// Sends a request. A token that is not known any more is answered 401, which proves that nothing was done: then a new login, and
    /// the request once again.
    async fn send_proven(&self, request: &Request<'_>) -> Result<Response, RedfishError> {
        let Auth::Session(slot) = &self.auth else {
            let proof = matches!(self.auth, Auth::Basic).then_some(Proof::Basic);
            return self.send_once(request, proof.as_ref()).await;
        };
        // An error of the login is this request's, which was not sent.
        let refused = |e: RedfishError| self.error(request.name, request.path, e.cause);
        let proof = slot.proof(None).await.map_err(refused)?;
        let response = self.send_once(request, Some(&proof)).await?;
        let (Proof::Token(token), 401) = (&proof, response.status().as_u16()) else { return Ok(response) };
        drop(response);
        let proof = slot.proof(Some(token)).await.map_err(refused)?;
        self.send_once(request, Some(&proof)).await
    }

    /// Sends a request once, with a proof of who asks or, for a login, without any.
    pub(super) async fn send_once(
        &self,
        request: &Request<'_>,
        proof: Option<&Proof>,
    ) -> Result<Response, RedfishError> {
        let Request { method, name, path, body, version } = request.clone();
        // Here and not earlier: a login may have taken its time.
        if method != Method::GET && self.lease.as_ref().is_some_and(|l| !l.is_valid()) {
            return Err(self.error(name, path, Cause::LeaseOver));
        }
        if let Some(left) = self.watch.asked_to_wait() {
            return Err(self.error(name, path, Cause::NotNow(left)));
        }
        let bad = |e: url::ParseError| self.error(name, path, Cause::Malformed(e.to_string()));
        let url = self.origin.join(path).map_err(bad)?;
        let condition = if method == Method::GET { IF_NONE_MATCH } else { IF_MATCH };
        let told = Told::begin(&self.podm, name, path);
        let mut asking = self.http.request(method, url).header("OData-Version", "4.0");
        asking = asking.header(TRACEPARENT, told.traceparent());
        match (proof, &self.account) {
            (Some(Proof::Token(token)), _) => {
                let mut value = HeaderValue::from_str(token.expose_secret())
                    .map_err(|_| self.error(name, path, Cause::Malformed("the session's token is no header".into())))?;
                value.set_sensitive(true);
                asking = asking.header(TOKEN, value);
            }
            (Some(Proof::Basic), Some(account)) => {
                asking = asking.basic_auth(&account.username, Some(account.password.expose_secret()));
            }
            _ => {}
        }
        if let Some(version) = version {
            asking = asking.header(condition, version);
        }
        if let Some(body) = body {
            asking = asking.json(body);
        }
        if let Some(lease) = self.lease.as_ref().filter(|_| request.method != Method::GET) {
            lease.begin();
        }
        let asked = self.watch.asking();
        let outcome = asked.awaiting(self.while_waited_for(self.unless_cut(asking.send()))).await;
        match outcome {
            Ok(response) => {
                let status = response.status().as_u16();
                told.answered(status);
                // A full table of sessions refuses a log-in, and nothing else.
                let is_login = name == "POST" && proof.is_none();
                if is_login {
                    asked.answered(200, None).await;
                } else {
                    asked.answered(status, wait_of(response.headers())).await;
                }
                Ok(response)
            }
            Err(cause) => {
                told.failed(&cause);
                asked.failed(&cause).await;
                Err(self.error(name, path, cause))
            }
        }
    }

    /// Waits for an answer, at most as long as a client does whose task has begun nothing: it could not begin in time any more.
    async fn while_waited_for<T>(&self, answer: impl Future<Output = Result<T, Cause>>) -> Result<T, Cause> {
        let Some(patience) = self.lease.as_ref().and_then(Lease::patience) else { return answer.await };
        let given_up = |_| Err(Cause::Unanswered(UNHEARD.into()));
        tokio::time::timeout(patience, answer).await.unwrap_or_else(given_up)
    }

    /// Waits for something of a request, unless the attempt should have ended by now.
    pub(super) async fn unless_cut<T>(
        &self,
        some: impl Future<Output = Result<T, reqwest::Error>>,
    ) -> Result<T, Cause> {
        let Some(lease) = &self.lease else { return some.await.map_err(cause_of) };
        tokio::select! {
            biased;
            got = some => got.map_err(cause_of),
            () = lease.is_cut() => Err(Cause::Unanswered(CUT.into())),
        }
    }
}

/// What a transport error means: not sent, not allowed, or nobody knows. The URL is left out; the call names it.
fn cause_of(error: reqwest::Error) -> Cause {
    let error = error.without_url();
    let (mut text, mut garbled) = (error.to_string(), false);
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        if let Some(refusal) = inner.downcast_ref::<crate::podm::guard::NotAllowed>() {
            return Cause::Forbidden(refusal.0.clone());
        }
        garbled |= is_garbled(inner);
        text = inner.to_string();
        source = inner.source();
    }
    match (error.is_connect(), error.is_timeout()) {
        (true, _) => Cause::Unreachable(text),
        (false, true) => Cause::Unanswered(UNHEARD.into()),
        (false, false) if garbled => Cause::Garbled(text),
        (false, false) => Cause::Unanswered(text),
    }
}

/// Whether something came that breaks HTTP: its head, or the length of a chunk.
fn is_garbled(error: &(dyn std::error::Error + 'static)) -> bool {
    use std::io::ErrorKind::{InvalidData, InvalidInput};
    error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse)
        || error.downcast_ref::<std::io::Error>().is_some_and(|e| matches!(e.kind(), InvalidData | InvalidInput))
}
