//! What can go wrong between Valence and Redis, by who must act.

use std::sync::Arc;

use redis::{ErrorKind, RedisError};

/// An error of the store. Cheap to clone: one failed call may answer many callers.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Redis cannot be reached, is loading, or lost its role: try again.
    #[error("Redis is not reachable")]
    Unavailable(#[source] Arc<RedisError>),
    /// Redis is full and takes no new work; running work still ends.
    #[error("Redis is full and takes no new work")]
    Full,
    /// Redis answered what this build does not understand, or refused a command.
    #[error("Redis refused a call")]
    Refused(#[source] Arc<RedisError>),
    /// A stored value cannot be read.
    #[error("{what} in Redis cannot be read: {why}")]
    Corrupt {
        /// Which value.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// The process is stopping.
    #[error("the process is stopping")]
    Stopping,
}

impl StoreError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Full | Self::Stopping)
    }

    /// A value that cannot be read.
    pub fn corrupt(what: impl Into<String>, why: impl ToString) -> Self {
        Self::Corrupt { what: what.into(), why: why.to_string() }
    }
}

impl From<RedisError> for StoreError {
    fn from(error: RedisError) -> Self {
        let code = error.code().unwrap_or_default();
        if code == "OOM" {
            return Self::Full;
        }
        let transient = error.is_io_error()
            || error.is_timeout()
            || error.is_connection_dropped()
            || error.is_connection_refusal()
            || matches!(
                code,
                "NOREPLICAS"
                    | "MISCONF"
                    | "MOVED"
                    | "ASK"
                    | "LOADING"
                    | "READONLY"
                    | "MASTERDOWN"
                    | "CLUSTERDOWN"
                    | "TRYAGAIN"
                    | "BUSY"
                    | "UNBLOCKED"
            )
            // Sentinels that are about to choose a new primary, or do not know each other yet, say so.
            || matches!(error.kind(), ErrorKind::Io | ErrorKind::MasterNameNotFoundBySentinel);
        if transient { Self::Unavailable(Arc::new(error)) } else { Self::Refused(Arc::new(error)) }
    }
}
