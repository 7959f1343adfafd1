//! Calls those who wait for a place at a Pod Manager: so many of each line as could be placed now, when a place is free, and every now and
//! then besides: places are freed by others too, circuits close, Pod Managers come.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::placement::{MOST, Turns, called};
use crate::shutdown::Shutdown;
use crate::store::candidates::FRESH;
use crate::store::{Store, StoreError};

/// Longest sleep without being told that a place is free.
const LONGEST: Duration = Duration::from_secs(1);
/// Between two passes: what is freed meanwhile is one pass's.
const TOGETHER: Duration = Duration::from_millis(20);

pub(super) fn spawn(store: &Store, shutdown: &Shutdown) {
    let (store, turns) = (store.clone(), Arc::new(Mutex::new(Turns::default())));
    let token = shutdown.token();
    super::spawn_loop("places", shutdown, move || {
        let (store, turns, token) = (store.clone(), turns.clone(), token.clone());
        async move {
            tokio::select! {
                () = store.place_freed() => {}
                () = tokio::time::sleep(LONGEST) => {}
                () = token.cancelled() => return Ok(TOGETHER),
            }
            pass(&store, &turns).await?;
            Ok(TOGETHER)
        }
    });
}

/// One pass over all lines; says how many were called.
///
/// # Errors
/// When Redis is away.
pub async fn pass(store: &Store, turns: &Mutex<Turns>) -> Result<u64, StoreError> {
    if store.nobody_waits().await? {
        return Ok(0);
    }
    let now = std::time::Instant::now();
    store.read_candidates(now.checked_sub(FRESH).unwrap_or(now)).await?;
    let coming = store.called_and_coming();
    let who = store.with_scene(|scene| {
        let mut turns = turns.lock().unwrap_or_else(PoisonError::into_inner);
        called(scene, &mut turns, |line| coming.get(line).copied().unwrap_or(0))
    });
    let mut came = 0;
    for (line, many) in &who {
        came += store.call_line(line, *many).await?;
    }
    // A call takes no more than so many at once: there may be room for more.
    if came >= MOST {
        store.a_place_is_free();
    }
    // Now and then, one that has ended and that nobody calls.
    if let Some(line) = store.with_scene(|scene| scene.lines.first().map(|line| line.name.clone())) {
        store.clear_line(&line).await?;
    }
    Ok(came)
}
