//! For how long the client of an attempt waits for it to begin.

use std::time::Duration;

use crate::lease::Lease;
use crate::store::claims::{Claimed, Mode};

/// A read is given up so much later than its client's patience ends: the error is then surely the last word.
const AFTER: Duration = Duration::from_millis(100);

/// The attempt's lease, which knows of a client that waits while nothing has begun.
pub(super) fn told(lease: Lease, claimed: &Claimed, now_ms: u64) -> Lease {
    let begun = claimed.mode != Mode::Run || claimed.checkpoint.is_some() || claimed.generation > 1;
    match claimed.def.as_ref().filter(|_| !begun).and_then(|d| d.patience_left(claimed.id, now_ms)) {
        Some(left) => lease.begun_within(left + AFTER),
        None => lease,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use serde_json::json;

    use super::*;
    use crate::ids::{Bucket, TaskId};
    use crate::model::task::Definition;
    use crate::model::topic::Lane;

    fn patience(waited_ms: u64, of: impl FnOnce(&mut Claimed)) -> Option<Duration> {
        let mut def = Definition::new("node.compose", json!({}));
        def.podm_errors_final = true;
        let mut claimed = Claimed {
            id: TaskId::mint(1_700_000_000_000, Bucket(0)),
            token: String::new(),
            worker: String::new(),
            lane: Lane::parse("compute:normal")?,
            attempt: 1,
            claims: 1,
            crashes: 0,
            generation: 1,
            time_left: Duration::from_secs(3600),
            mode: Mode::Run,
            def: Some(def),
            checkpoint: None,
        };
        of(&mut claimed);
        told(Lease::new(Instant::now(), Duration::from_secs(60)), &claimed, 1_700_000_000_000 + waited_ms).patience()
    }

    #[test]
    fn a_client_s_time_runs_from_acceptance_and_ends_with_whatever_has_begun() {
        let whole = patience(0, |_| {}).map(|left| left.as_secs());
        assert!(matches!(whole, Some(29 | 30)), "{whole:?}");
        let rest = patience(20_000, |_| {}).map(|left| left.as_secs());
        assert!(matches!(rest, Some(9 | 10)), "{rest:?}");
        assert_eq!(patience(0, |c| c.def = Some(Definition::new("node.compose", json!({})))), None, "nobody waits");
        assert_eq!(patience(0, |c| c.checkpoint = Some(json!({}))), None);
        assert_eq!(patience(0, |c| c.mode = Mode::Cancel), None);
        assert_eq!(patience(0, |c| c.generation = 2), None, "nobody waits for a redrive");
    }
}
