//! How many requests each PODM got, and how many of them were open at once: for checkers of what a PODM has to bear. Black holes count too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

/// What one PODM got.
#[derive(Debug, Default)]
pub(super) struct Count {
    requests: AtomicU64,
    open: AtomicU64,
    most_open: AtomicU64,
}

impl Count {
    /// Counts a request, which is open until what this returns is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Open {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let open = self.open.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_open.fetch_max(open, Ordering::Relaxed);
        Open(Arc::clone(self))
    }

    /// As JSON.
    pub(super) fn shown(&self) -> Value {
        let of = |n: &AtomicU64| n.load(Ordering::Relaxed);
        json!({ "requests": of(&self.requests), "open": of(&self.open), "most_open": of(&self.most_open) })
    }
}

/// A request that is open.
#[derive(Debug)]
pub(super) struct Open(Arc<Count>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
