//! Makes anew, now and then, the sets that say which records are of which Pod Manager: what a process of an older build has written is found
//! then, and what one that died has left out. Schedulers share the work.

use std::time::{Duration, Instant};

use crate::shutdown::Shutdown;
use crate::store::homes::HOMED;
use crate::store::{Store, StoreError};

/// Between two times. Shorter than what is found wrong is left alone by default (`inventory.orphan_grace`): what was only not found is found by then.
const PAUSE: Duration = Duration::from_secs(300);

pub(super) fn spawn(store: &Store, shutdown: &Shutdown) {
    let store = store.clone();
    super::spawn_loop("homes", shutdown, move || {
        let store = store.clone();
        async move {
            let length_ms = u64::try_from(PAUSE.as_millis()).unwrap_or(u64::MAX);
            if store.book_slot("homes", "all", store.clock().now_ms() / length_ms, 2 * length_ms).await? {
                pass(&store).await?;
            }
            Ok(PAUSE)
        }
    });
}

/// All of them once.
///
/// # Errors
/// When Redis is away.
pub async fn pass(store: &Store) -> Result<(), StoreError> {
    for of in HOMED {
        store.make_homes(of, Instant::now()).await?;
    }
    Ok(())
}
