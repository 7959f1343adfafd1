//! Calls those who wait for a place at a Pod Manager: so many of each line as could be placed now, when a place is free, and every now and
//! then besides: places are freed by others too, circuits close, Pod Managers come, and who was called by a process that died is told.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::placement::{MOST, Turns, called};
use crate::shutdown::Shutdown;
use crate::store::candidates::FRESH;
use crate::store::{Store, StoreError};

/// Between two passes without being told that a place is free, as who frees it may be another process: while nobody waits, and while somebody
/// does.
const IDLE: Duration = Duration::from_secs(1);
const BUSY: Duration = FRESH;
/// Between two passes: what is freed meanwhile is one pass's.
const TOGETHER: Duration = Duration::from_millis(20);

pub(super) fn spawn(store: &Store, shutdown: &Shutdown) {
    let (store, turns) = (store.clone(), Arc::new(Mutex::new(Turns::default())));
    let is_busy = Arc::new(AtomicBool::new(false));
    let token = shutdown.token();
    super::spawn_loop("places", shutdown, move || {
        let (store, turns, token, is_busy) = (store.clone(), turns.clone(), token.clone(), is_busy.clone());
        async move {
            let pause = if is_busy.load(Ordering::Relaxed) { BUSY } else { IDLE };
            tokio::select! {
                () = store.place_freed() => {}
                () = tokio::time::sleep(pause) => {}
                () = token.cancelled() => return Ok(TOGETHER),
            }
            is_busy.store(pass(&store, &turns).await?, Ordering::Relaxed);
            Ok(TOGETHER)
        }
    });
}

/// One pass over all lines; says whether somebody waits.
///
/// # Errors
/// When Redis is away.
pub async fn pass(store: &Store, turns: &Mutex<Turns>) -> Result<bool, StoreError> {
    if store.nobody_waits().await? {
        return Ok(false);
    }
    let now = std::time::Instant::now();
    store.recent_candidates().await?;
    store.call_again().await?;
    let coming = store.called_and_coming();
    let who = store.with_scene(|scene| {
        let mut turns = turns.lock().unwrap_or_else(PoisonError::into_inner);
        called(scene, &mut turns, |line| coming.get(line).copied().unwrap_or(0))
    });
    let (mut came, began) = (0, std::time::Instant::now());
    for (line, many) in &who {
        came += store.call_line(line, *many).await?;
    }
    tracing::debug!(came, lines = who.len(), reckoned = ?began.duration_since(now), told = ?began.elapsed(), "a pass");
    // A call takes no more than so many at once: there may be room for more.
    if came >= MOST {
        store.a_place_is_free();
    }
    // While nothing else is to be done, those that have ended and that nobody calls.
    if came == 0
        && let Some(line) = store.with_scene(|scene| scene.lines.first().map(|line| line.name.clone()))
    {
        store.clear_line(&line).await?;
    }
    Ok(true)
}
