//! One line of a task's history, and how the scripts write it: `at|state|worker|attempt|detail`.

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use utoipa::ToSchema;

use super::state::State;

/// What happened to a task at one moment.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HistoryItem {
    /// When (RFC 3339 UTC).
    pub at: String,
    /// The state it went to.
    pub state: State,
    /// The worker that had it.
    pub worker: Option<String>,
    /// The attempt that began or ended.
    pub attempt: Option<u32>,
    /// Why.
    pub detail: Option<String>,
}

impl HistoryItem {
    /// An item with nothing but time and state.
    #[must_use]
    pub fn new(at_ms: u64, state: State) -> Self {
        Self { at: super::v1time::rfc3339(at_ms), state, worker: None, attempt: None, detail: None }
    }

    /// Reads a line that a script wrote; `None` when it is not one.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut parts = line.splitn(5, '|');
        let at_ms = parts.next()?.parse().ok()?;
        let state = State::parse(parts.next()?)?;
        let filled = |s: Option<&str>| s.filter(|s| !s.is_empty()).map(str::to_owned);
        let worker = filled(parts.next());
        let attempt = parts.next().and_then(|n| n.parse().ok());
        let detail = filled(parts.next());
        Some(Self { worker, attempt, detail, ..Self::new(at_ms, state) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_script_is_read_back() {
        let item = HistoryItem::parse("1483228800123|retrying|w1|2|PODM said 503 | twice").unwrap();
        assert_eq!(item.state, State::Retrying);
        assert_eq!((item.worker.as_deref(), item.attempt), (Some("w1"), Some(2)));
        assert_eq!(item.detail.as_deref(), Some("PODM said 503 | twice"));
        assert_eq!(HistoryItem::parse("nonsense"), None);
    }
}
