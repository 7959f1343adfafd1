//! The scripts of `lua/`, loaded once, called by name. One call carries many tasks.
//!
//! Each is sent by its hash and loaded again when a restarted or newly promoted Redis does not know it (`redis::Script` does that),
//! so no deploy step is needed and two versions can run side by side.

use redis::{FromRedisValue, Script, ToRedisArgs};

use super::connect::Redis;
use super::error::StoreError;
use super::{Store, StoreOptions, keys};
use crate::controls;
use crate::ids::Bucket;

macro_rules! scripts {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// Every script, named as its file.
        pub struct Scripts { $($(#[$doc])* pub(super) $name: Script,)+ events_kept: u32 }

        impl Scripts {
            pub(super) fn new(options: &StoreOptions) -> Self {
                Self {
                    $($name: load(include_str!(concat!("../../lua/", stringify!($name), ".lua"))),)+
                    events_kept: options.events_kept,
                }
            }
        }

        /// Name and text of every script as it stands in its file, for tests.
        pub const SOURCES: &[(&str, &str)] = &[
            $((stringify!($name), include_str!(concat!("../../lua/", stringify!($name), ".lua"))),)+
        ];
    };
}

scripts! {
    audit, breaker, cancel, checkpoint, claim, enqueue, extend, forget, gate, index, inventory, limits, line, nudge, observe, progress, promote, rate, reclaim, record, redrive, repair, reserve, retire, settle, swap,
}

/// What the scripts share.
pub const LIB: &str = concat!(
    include_str!("../../lua/lib/base.lua"),
    include_str!("../../lua/lib/gates.lua"),
    include_str!("../../lua/lib/ends.lua")
);

/// What says that a script stands alone.
pub const ALONE: &str = "needs nothing of lib/";

/// Puts what the scripts share after the script's first line, which must stay the first (`#!lua …`).
fn load(source: &str) -> Script {
    let (shebang, body) = source.split_once('\n').unwrap_or((source, ""));
    if body.contains(ALONE) {
        return Script::new(source);
    }
    Script::new(&unprotected(format!("{shebang}\n{LIB}\n{body}")))
}

/// A script as it is; in a test build that is told to go without one of its checks, the script without it.
fn unprotected(mut text: String) -> String {
    for (check, with, without) in CHECKS {
        if controls::is_off(check) {
            text = text.replace(with, without);
        }
    }
    text
}

/// What a protection is in the scripts, and what is there without it.
const CHECKS: [(&str, &str, &str); 7] = [
    ("claim-check", "t.token ~= ARGV[i + 1]", "not t.state"),
    ("claim-check", "elseif not held(t) then", "elseif ENDED[t.state] and t.token == ARGV[i + 1] then"),
    ("entry-check", " or t.entry ~= entry", ""),
    ("burnt-token", "call('HSET', t.key, 'token', '')\n", "\n"),
    ("circuit", "if calm[podm] then return nil end", "do return nil end"),
    ("drain", "return limit_of('podm:' .. podm .. ':drain')", "return false"),
    ("retry-budget", "if slot > NOW then", "if false then"),
];

/// Name of every script, by the hash it is called with.
pub(super) fn names() -> std::collections::HashMap<String, &'static str> {
    SOURCES.iter().map(|(name, source)| (load(source).get_hash().to_owned(), *name)).collect()
}

impl Store {
    /// Calls a script on a bucket; `args` come after the events cap.
    pub(super) async fn call<A: ToRedisArgs, R: FromRedisValue>(
        &self,
        script: &Script,
        bucket: Bucket,
        args: A,
    ) -> Result<R, StoreError> {
        self.call_at(self.redis(), script, bucket, args).await
    }

    /// Calls a script on what a Redis has of a bucket.
    pub(super) async fn call_at<A: ToRedisArgs, R: FromRedisValue>(
        &self,
        redis: &Redis,
        script: &Script,
        bucket: Bucket,
        args: A,
    ) -> Result<R, StoreError> {
        let mut call = script.prepare_invoke();
        call.key(keys::prefix(bucket));
        if redis.is_cluster() {
            call.key(keys::whole(bucket));
        }
        call.arg(self.scripts().events_kept).arg(args);
        Ok(call.invoke_async(&mut redis.shared()).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_protection_that_can_be_left_out_is_in_a_script() {
        for (check, with, _) in CHECKS {
            let is_there = |text: &str| text.contains(with);
            assert!(is_there(LIB) || SOURCES.iter().any(|(_, text)| is_there(text)), "{check}: {with}");
        }
    }
}
