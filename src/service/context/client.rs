//! Whether somebody waits for the end of the task, and for how long where nothing can be begun.

use std::time::Duration;

use super::Context;
use crate::store::claims::Mode;

impl Context {
    /// Whether a client waits for the end, and has waited long enough for a Pod Manager that is away, or will have after `wait`.
    #[must_use]
    pub fn is_client_out_of_patience(&self, wait: Duration) -> bool {
        let left = self.def.patience_left(self.id(), self.now_ms());
        self.answers_client() && self.mode() == Mode::Run && left.is_some_and(|left| left <= wait)
    }

    /// Whether a client waits for the end; nobody does after a redrive.
    #[must_use]
    pub fn answers_client(&self) -> bool {
        self.def.podm_errors_final && self.claimed.generation == 1
    }
}
