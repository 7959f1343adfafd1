//! `valence doctor`: what is wrong, if anything is.
//!
//! It asks the API whether it is ready, what Redis promises to keep, who works, and which Pod Manager is stuck. Given the URL of Redis it also looks, changing
//! nothing, at every live task for one that is not where its state says it is: that is why it may open the store.

use std::time::Duration;

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::client::Client;
use super::error::CtlError;
use super::output::{Output, cell};
use super::trouble::{self, Level};
use super::{queue, worker};
use crate::ids::Buckets;
use crate::model::circuit::PodmState;
use crate::store::Store;
use crate::store::connect::Redis;

/// Live tasks looked at by one call of the repair script.
const LOOK_AT: u32 = 500;
/// Longest time for one answer of Redis.
const REPLY_LIMIT: Duration = Duration::from_secs(5);
/// A task that has waited longer for a worker is worth a line, s.
const OLD_S: f64 = 300.0;
/// Dead letters that are looked at, the newest.
const LETTERS: u32 = 100;
/// Pod Managers that are named, the worst first; how many more there are is said.
const NAMED: usize = 10;

/// What to look at.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Say only what is wrong, nothing when all is well
    #[arg(long)]
    check: bool,
    /// Also look at every live task in this Redis
    #[arg(long, env = "VALENCE_REDIS_URL", hide_env_values = true, value_name = "URL")]
    redis: Option<String>,
}

/// What was seen.
#[derive(Debug, Default, Serialize)]
struct Report {
    fine: Vec<String>,
    /// Not wrong, and worth a look.
    look: Vec<String>,
    wrong: Vec<String>,
}

impl Report {
    fn see(&mut self, fine: bool, text: impl Into<String>) {
        if fine { self.fine.push(text.into()) } else { self.wrong.push(text.into()) }
    }
}

/// Looks at everything.
pub(super) async fn run(args: DoctorArgs, api: &Client, out: &mut Output<'_>) -> Result<(), CtlError> {
    let mut report = Report::default();
    let reached = look_at_api(api, &mut report).await;
    if let Some(url) = &args.redis
        && let Err(why) = look_at_tasks(url, &mut report).await
    {
        report.see(false, format!("the tasks in Redis cannot be looked at: {why}"));
    }
    if out.json() {
        out.value(&report)?;
    } else {
        if !args.check {
            for line in &report.fine {
                out.line(&format!("ok     {line}"))?;
            }
            for line in &report.look {
                out.line(&format!("look   {line}"))?;
            }
        }
        for line in &report.wrong {
            out.line(&format!("WRONG  {line}"))?;
        }
    }
    reached?;
    match report.wrong.len() {
        0 => Ok(()),
        1 => Err(CtlError::Wrong("one thing is wrong".into())),
        n => Err(CtlError::Wrong(format!("{n} things are wrong"))),
    }
}

async fn look_at_api(api: &Client, report: &mut Report) -> Result<(), CtlError> {
    let (status, ready) = match api.look(&["readyz"]).await {
        Ok(answer) => answer,
        Err(error) => {
            let first = error.to_string().lines().next().unwrap_or_default().to_owned();
            report.see(false, first);
            return if matches!(error, CtlError::Unreachable { .. }) { Err(error) } else { Ok(()) };
        }
    };
    if status.is_success() {
        report.see(true, "the API answers and is ready");
    } else {
        let why = cell(&ready, "detail");
        report.see(false, format!("the API is not ready{}{why}", if why.is_empty() { "" } else { ": " }));
    }
    durability(ready.get("redis").unwrap_or(&Value::Null), report);
    match queue::queues(api).await {
        Ok((_, queues)) => {
            for q in queues {
                let waiting = q.depth.get("queued").copied().unwrap_or(0);
                if q.paused {
                    report.see(
                        false,
                        format!("topic {} is paused with {waiting} queued: valence queue resume {}", q.topic, q.topic),
                    );
                } else if q.workers == 0 && waiting > 0 {
                    report.see(
                        false,
                        format!("topic {} has {waiting} queued and no worker: start a valence-worker", q.topic),
                    );
                } else if q.oldest_age_s > OLD_S {
                    report.see(
                        false,
                        format!("topic {}: the oldest queued task waits {:.0} s for a worker", q.topic, q.oldest_age_s),
                    );
                }
            }
        }
        Err(error) => report.see(false, format!("the queues: {error}")),
    }
    match worker::workers(api).await {
        Ok((_, workers)) if workers.is_empty() => report.see(false, "no worker is there: tasks wait until one starts"),
        Ok((_, workers)) => {
            let busy: u32 = workers.iter().map(|w| w.busy).sum();
            let slots: u32 = workers.iter().map(|w| w.slots).sum();
            report.see(true, format!("{} workers, {busy} of {slots} slots busy", workers.len()));
        }
        Err(error) => report.see(false, format!("the workers: {error}")),
    }
    match trouble::states(api).await {
        Ok((_, podms)) => look_at_podms(&podms, report),
        Err(error) => report.see(false, format!("the Pod Managers: {error}")),
    }
    let some = [("limit", LETTERS.to_string())];
    match api.get(&["v1", "dead-letters"], &some).await {
        Ok(answer) => look_at_letters(&answer, report),
        Err(error) => report.see(false, format!("the dead letters: {error}")),
    }
    Ok(())
}

/// Refusals that clients were told are nobody else's affair.
fn look_at_letters(answer: &Value, report: &mut Report) {
    let newest = answer["dead_letters"].as_array().map_or(&[][..], Vec::as_slice);
    let open = newest.iter().filter(|task| task["error"]["answered"] != true).count();
    if open > 0 {
        let more = if answer["marker"].is_string() { " or more" } else { "" };
        report.look.push(format!("{open}{more} tasks have failed for good: valence dead-letter list"));
    } else if !newest.is_empty() {
        report.see(true, format!("the newest {} dead letters are refusals that clients were told", newest.len()));
    }
}

fn look_at_podms(podms: &[PodmState], report: &mut Report) {
    let mut bad: Vec<_> =
        podms.iter().map(|p| (trouble::of(p), p)).filter(|((level, _), _)| *level != Level::Well).collect();
    bad.sort_by(|((a, _), p), ((b, _), q)| (b, &p.name).cmp(&(a, &q.name)));
    let stuck = bad.iter().filter(|((level, _), _)| *level == Level::Stuck).count();
    if podms.is_empty() {
        report.look.push("no Pod Manager is registered: valence podm add".into());
    } else if stuck == 0 {
        report.see(true, format!("{} Pod Managers, none stuck", podms.len()));
    }
    for ((level, why), podm) in bad.iter().take(NAMED) {
        let line = format!(
            "Pod Manager {} is {}: {}; valence podm show {}",
            podm.name,
            level.word(),
            why.join("; "),
            podm.podm_id
        );
        if *level == Level::Stuck { report.wrong.push(line) } else { report.look.push(line) }
    }
    if bad.len() > NAMED {
        let more =
            format!("{} of {} Pod Managers are stuck, {} slow: valence top", stuck, podms.len(), bad.len() - stuck);
        report.look.push(more);
    }
}

/// What Redis promises, as `/readyz` states it.
fn durability(stated: &Value, report: &mut Report) {
    let word = |key: &str| cell(stated, key);
    if stated.get("appendfsync").is_none() {
        return;
    }
    let full = stated.get("appendonly").and_then(Value::as_bool).unwrap_or(false) && word("appendfsync") == "always";
    report.see(full, format!("Redis {}: {}", word("redis_version"), word("guarantee")));
    let role = word("role");
    report.see(
        role == "master",
        format!("Redis is a {role}{}", if role == "master" { "" } else { ": it takes no writes" }),
    );
    let policy = word("maxmemory_policy");
    let advice = if policy == "noeviction" { "" } else { ": it must be noeviction, or a full Redis deletes tasks" };
    report.see(policy == "noeviction", format!("maxmemory-policy is {policy}{advice}"));
}

async fn look_at_tasks(url: &str, report: &mut Report) -> Result<(), String> {
    let why = |e: crate::store::StoreError| match std::error::Error::source(&e) {
        Some(cause) => format!("{e}: {cause}"),
        None => e.to_string(),
    };
    let redis = Redis::connect(url, REPLY_LIMIT).await.map_err(why)?;
    let recorded = redis.recorded_buckets().await.map_err(why)?;
    let Some(recorded) = recorded else {
        report.see(true, "this Redis has no deployment yet: no tasks to look at");
        return Ok(());
    };
    let buckets = Buckets::new(recorded).ok_or_else(|| format!("it has {recorded} buckets recorded"))?;
    let mut options = crate::config::Config::default().store_options();
    options.buckets = buckets;
    let store = Store::open(redis, options).await.map_err(why)?;
    let mut lost = 0;
    for bucket in buckets.iter() {
        let mut from = 0;
        loop {
            let seen = store.repair(bucket, from, LOOK_AT, true).await.map_err(why)?;
            for line in seen.found {
                lost += 1;
                report.see(false, format!("task {line}"));
            }
            from = seen.next;
            if from == 0 {
                break;
            }
        }
    }
    if lost == 0 {
        report.see(true, format!("every live task is where its state says it is ({recorded} buckets)"));
    }
    Ok(())
}
