//! What can go wrong between Valence and a Pod Manager, by what it means for the attempt.

use std::time::Duration;

use super::extended::Refusal;
use crate::model::problem::Problem;

/// A call that did not do what it should. Says which Pod Manager and which call; holds no credential.
#[derive(Debug, Clone, thiserror::Error)]
#[error("Pod Manager {podm}: {method} {path}: {cause}")]
pub struct RedfishError {
    /// Name of the Pod Manager.
    pub podm: String,
    /// HTTP method.
    pub method: &'static str,
    /// Path at the Pod Manager.
    pub path: String,
    /// What happened.
    pub cause: Cause,
}

/// What happened to a call.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Cause {
    /// It answered with a status that is no success.
    #[error("answered {}: {}", .0.status, .0.detail)]
    Refused(Box<Refusal>),
    /// It cannot do what is asked of it, as was found before anything was sent: the error as a client sees it.
    #[error("{}", .0.detail)]
    Impossible(Box<Problem>),
    /// No connection: nothing was sent.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// It may have been sent, and no answer was seen.
    #[error("did not answer: {0}")]
    Unanswered(String),
    /// It may have been sent, and what came back is no HTTP.
    #[error("answered what is no HTTP: {0}")]
    Garbled(String),
    /// The answer is larger than what is read, bytes.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(u64),
    /// The address is none that Valence may speak to.
    #[error("{0}")]
    Forbidden(String),
    /// The answer cannot be used.
    #[error("{0}")]
    Malformed(String),
    /// The claim may be somebody else's by now: nothing was sent.
    #[error("not sent: the lease is over")]
    LeaseOver,
    /// It asked to be left alone, and the time is not over: nothing was sent.
    #[error("not asked now: it wants to be left alone for another {} s", .0.as_secs() + 1)]
    NotNow(Duration),
    /// The credentials cannot be had: nothing was sent.
    #[error("{0}")]
    Credentials(String),
    /// There is no driver of that name.
    #[error("there is no driver '{0}'")]
    Driver(String),
}

/// What an error means for the attempt that met it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// The same may work later; not before `after` when the Pod Manager said so.
    Retry {
        /// What `Retry-After` asked for.
        after: Option<Duration>,
    },
    /// A change whose answer was not seen: it may be under way, done, or never have arrived. Look before doing it again.
    Look,
    /// A server error: final for a client that waits for the answer, else worth another attempt.
    ServerError,
    /// Trying again does not help.
    Final,
    /// The attempt must end: its claim may be lost.
    Stop,
}

impl RedfishError {
    /// Whether this was a changing request that may have had its effect without its answer being seen.
    #[must_use]
    pub fn answer_unseen(&self) -> bool {
        // A gateway in front of the Pod Manager answers 502 and 504 for a request that may have gone through.
        let is_unseen = matches!(&self.cause, Cause::Unanswered(_) | Cause::Garbled(_))
            || matches!(&self.cause, Cause::Refused(r) if matches!(r.status, 502 | 504));
        self.method != "GET" && is_unseen
    }

    /// The status it answered with, if it did.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        if let Cause::Refused(r) = &self.cause { Some(r.status) } else { None }
    }

    /// Whether nothing is to be had of this Pod Manager now: no connection, no answer, or one that says "not now".
    #[must_use]
    pub fn is_away(&self) -> bool {
        matches!(self.verdict(), Advice::Retry { .. })
    }

    /// What it means for the attempt.
    #[must_use]
    pub fn verdict(&self) -> Advice {
        match &self.cause {
            _ if self.answer_unseen() => Advice::Look,
            Cause::Refused(r) => match r.status {
                // 412: it was changed since it was read; the next attempt reads it anew.
                412 => Advice::Retry { after: None },
                429 | 502..=504 => Advice::Retry { after: r.retry_after },
                500.. => Advice::ServerError,
                _ => Advice::Final,
            },
            Cause::Unreachable(_) | Cause::Unanswered(_) | Cause::Garbled(_) => Advice::Retry { after: None },
            Cause::NotNow(left) => Advice::Retry { after: Some(*left) },
            Cause::LeaseOver => Advice::Stop,
            Cause::Impossible(_)
            | Cause::TooLarge(_)
            | Cause::Forbidden(_)
            | Cause::Malformed(_)
            | Cause::Credentials(_)
            | Cause::Driver(_) => Advice::Final,
        }
    }

    /// The error as a client sees it: a refusal in the Pod Manager's own words, the rest in ours.
    ///
    /// *Source*: v1 rules (status of the Pod Manager's answer, title = its message, code = its code, detail = its extended messages).
    #[must_use]
    pub fn problem(&self) -> Problem {
        let text = self.to_string();
        match &self.cause {
            Cause::Refused(r) if r.status == 401 => {
                Problem::unauthorized(format!("Pod Manager {} refuses its credentials: {}", self.podm, r.detail))
            }
            Cause::Refused(r) if r.status < 400 => Problem::bad_gateway(text),
            // What is no Redfish error does not say what it is about.
            Cause::Refused(r) => {
                Problem::podm(r.status, &r.code, &r.title, if r.said { r.detail.clone() } else { text })
            }
            Cause::Impossible(problem) => (**problem).clone(),
            Cause::NotNow(left) => Problem::unavailable(text).again_after(*left),
            Cause::Unreachable(_) | Cause::LeaseOver => Problem::unavailable(text),
            Cause::Unanswered(_) => Problem::timeout(text),
            Cause::Garbled(_) | Cause::TooLarge(_) | Cause::Malformed(_) => Problem::bad_gateway(text),
            Cause::Forbidden(why) => Problem::bad_request(why.clone()),
            Cause::Credentials(_) => Problem::unavailable(text),
            Cause::Driver(name) => {
                Problem::unknown_driver(format!("podmanager could not be loaded with specified driver {name}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(method: &'static str, cause: Cause) -> RedfishError {
        RedfishError { podm: "p".into(), method, path: "/redfish/v1/Nodes".into(), cause }
    }

    fn refused(status: u16) -> RedfishError {
        let refusal = Refusal { status, retry_after: Some(Duration::from_secs(7)), ..Refusal::default() };
        error("POST", Cause::Refused(Box::new(refusal)))
    }

    #[test]
    fn only_a_change_without_an_answer_must_be_looked_for() {
        assert_eq!(error("POST", Cause::Unanswered("cut".into())).verdict(), Advice::Look);
        assert_eq!(error("GET", Cause::Unanswered("cut".into())).verdict(), Advice::Retry { after: None });
        assert_eq!(error("POST", Cause::Garbled("SSH".into())).verdict(), Advice::Look);
        assert_eq!(error("POST", Cause::Unreachable("refused".into())).verdict(), Advice::Retry { after: None });
    }

    #[test]
    fn a_gateways_word_says_nothing_about_a_change() {
        for status in [502, 504] {
            assert_eq!(refused(status).verdict(), Advice::Look);
            let read = RedfishError { method: "GET", ..refused(status) };
            assert_eq!(read.verdict(), Advice::Retry { after: Some(Duration::from_secs(7)) });
        }
    }

    #[test]
    fn a_busy_pod_manager_is_asked_again_when_it_says() {
        assert_eq!(refused(503).verdict(), Advice::Retry { after: Some(Duration::from_secs(7)) });
        assert_eq!(refused(500).verdict(), Advice::ServerError);
        assert_eq!(refused(409).verdict(), Advice::Final);
        assert_eq!(refused(412).verdict(), Advice::Retry { after: None });
    }

    #[test]
    fn a_redirect_is_never_shown_as_success() {
        assert_eq!(refused(302).problem().status, 502);
    }
}
