//! How many requests a caller may still make: a bucket of tokens each, the same for all API processes.

use std::time::Duration;

use super::idempotency::fingerprint;
use super::{Store, StoreError, keys};

/// What came of asking for tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// So many, at least one.
    Tokens(u32),
    /// None; there will be one after so long.
    Wait(Duration),
}

impl Store {
    /// Takes up to `want` tokens out of the bucket `name`, which holds `most` and gets `rate` of them a second.
    ///
    /// # Errors
    /// When Redis is away or full.
    pub async fn take_tokens(&self, name: &str, rate: u32, most: u32, want: u32) -> Result<Taken, StoreError> {
        let mut call = self.scripts().rate.prepare_invoke();
        // By its digest: a name is anybody's text.
        call.key(keys::rate(&fingerprint(&[name]))).arg(rate).arg(most).arg(want);
        let (given, wait_ms): (u32, u64) = call.invoke_async(&mut self.redis().shared()).await?;
        Ok(if given > 0 { Taken::Tokens(given) } else { Taken::Wait(Duration::from_millis(wait_ms)) })
    }
}
