//! What can go wrong between Valence and Ironic, or the Keystone in front of it.

use crate::model::problem::Problem;

/// A call that did not do what it should. Holds no credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IronicError {
    /// There is none.
    #[error("no Ironic is configured ([ironic] in the settings)")]
    NotConfigured,
    /// The settings cannot be used.
    #[error("{0}")]
    Setup(String),
    /// Keystone or Ironic does not take the credentials.
    #[error("the credentials are refused: {0}")]
    Unauthorized(String),
    /// It answered with a status that is no success.
    #[error("{detail} (HTTP {status})")]
    Refused {
        /// The status.
        status: u16,
        /// Its words.
        detail: String,
    },
    /// No connection: nothing was sent.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// It may have been sent, and no answer was seen.
    #[error("did not answer: {0}")]
    Unanswered(String),
    /// The answer cannot be used.
    #[error("{0}")]
    Malformed(String),
}

impl IronicError {
    /// As v1 told it.
    #[must_use]
    pub fn problem(&self) -> Problem {
        match self {
            Self::NotConfigured | Self::Setup(_) => Problem::internal(format!("Failed to load ironic driver: {self}")),
            Self::Unauthorized(_) => Problem::unauthorized(format!("Ironic: {self}")),
            _ => Problem::internal(format!("Unexpected error while registering node with Ironic: {self}")),
        }
    }

    /// The status of a refusal.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        if let Self::Refused { status, .. } = self { Some(*status) } else { None }
    }

    /// Whether a change that ended so may have had its effect, now or later. A gateway answers 502 and 504 for what may have gone through.
    #[must_use]
    pub fn answer_unseen(&self) -> bool {
        matches!(self, Self::Unanswered(_)) || matches!(self.status(), Some(502 | 504))
    }

    /// Whether the same may work a little later.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        self.answer_unseen() || matches!(self, Self::Unreachable(_)) || matches!(self.status(), Some(429 | 503))
    }
}
