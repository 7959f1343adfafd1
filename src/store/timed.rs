//! How long Redis takes: every call is booked under the name of its script or command.
//!
//! A read that blocks until something comes says nothing of Redis and is left out.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Instant;

use redis::{Arg, Cmd, RedisResult};

use super::script;
use crate::observe::metrics;

/// Commands with a name of their own in the metric; every other one is `other`.
const COMMANDS: [&str; 16] = [
    "GET", "SET", "MGET", "DEL", "HGETALL", "HGET", "HSET", "SMEMBERS", "ZRANGE", "XADD", "XRANGE", "XPENDING",
    "XINFO", "INFO", "PING", "TIME",
];

/// Name of what many commands in one round trip are.
pub(super) const PIPELINE: &str = "pipeline";

static SCRIPTS: LazyLock<HashMap<String, &'static str>> = LazyLock::new(script::names);

/// The name of a command; `None` when it waits.
pub(super) fn name(cmd: &Cmd) -> Option<&'static str> {
    let mut args = cmd.args_iter().filter_map(|arg| match arg {
        Arg::Simple(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    });
    let word = args.next()?;
    match word {
        "EVALSHA" => Some(args.next().and_then(|hash| SCRIPTS.get(hash)).copied().unwrap_or("other")),
        "XREAD" | "XREADGROUP" => None,
        _ => Some(COMMANDS.iter().find(|known| known.eq_ignore_ascii_case(word)).copied().unwrap_or("other")),
    }
}

/// Waits for an answer and books how long it took, an error's too.
pub(super) async fn timed<T>(
    name: Option<&'static str>,
    answer: impl Future<Output = RedisResult<T>>,
) -> RedisResult<T> {
    let began = Instant::now();
    let answered = answer.await;
    if let Some(name) = name {
        let calls = &metrics::get().store.calls;
        calls.with_label_values(&[name]).observe(began.elapsed().as_secs_f64());
    }
    answered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_named_by_its_script_or_its_command_and_nothing_else() {
        let (hash, script) = SCRIPTS.iter().find(|(_, name)| **name == "claim").unwrap();
        assert_eq!(name(redis::cmd("EVALSHA").arg(hash).arg(1).arg("key")), Some(*script));
        assert_eq!(name(redis::cmd("EVALSHA").arg("unknown").arg(0)), Some("other"));
        assert_eq!(name(redis::cmd("GET").arg("vl:podm:secret")), Some("GET"));
        assert_eq!(name(redis::cmd("hgetall").arg("key")), Some("HGETALL"));
        assert_eq!(name(&redis::cmd("FLUSHALL")), Some("other"));
        assert_eq!(name(redis::cmd("XREADGROUP").arg("BLOCK").arg(5000)), None);
    }
}
