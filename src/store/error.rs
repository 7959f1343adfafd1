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

/// What servers say while they change places, start, or have no room for the moment.
const TRANSIENT: [&str; 11] = [
    "NOREPLICAS",
    "MISCONF",
    "MOVED",
    "ASK",
    "LOADING",
    "READONLY",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "BUSY",
    "UNBLOCKED",
];

/// The first words of what servers refused; of a pipeline, those of each command in it.
pub(super) fn codes(error: &RedisError) -> Vec<String> {
    let refused = error.clone().into_server_errors();
    refused.iter().flat_map(|all| all.iter()).map(|(_, refusal)| refusal.code().to_owned()).collect()
}

impl From<RedisError> for StoreError {
    fn from(error: RedisError) -> Self {
        let codes = codes(&error);
        if codes.iter().any(|code| code == "OOM") {
            return Self::Full;
        }
        let transient = error.is_io_error()
            || error.is_timeout()
            || error.is_connection_dropped()
            || error.is_connection_refusal()
            || codes.iter().any(|code| TRANSIENT.contains(&code.as_str()))
            // While Sentinels agree on a new primary, they name none.
            || matches!(
                error.kind(),
                ErrorKind::Io | ErrorKind::MasterNameNotFoundBySentinel | ErrorKind::NoValidReplicasFoundBySentinel
            );
        if transient { Self::Unavailable(Arc::new(error)) } else { Self::Refused(Arc::new(error)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failover_under_way_is_no_fault_of_the_caller() {
        for kind in [ErrorKind::MasterNameNotFoundBySentinel, ErrorKind::NoValidReplicasFoundBySentinel] {
            assert!(StoreError::from(RedisError::from((kind, "no primary now"))).is_transient(), "{kind:?}");
        }
        assert!(!StoreError::from(RedisError::from((ErrorKind::InvalidClientConfig, "wrong"))).is_transient());
    }
}
