//! What Pod Managers that misbehave cost the others: composes at a fixed rate at healthy ones, beside the same without the bad ones.
//!
//! Bad are, from the moment the load begins: black holes, which accept connections and never answer; slow ones, 2 s an answer; and ones
//! that answer 503 and ask for 5 s of peace. At the end they are mended, and all that was accepted must come to its end.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::BenchArgs;
use super::drain::count;
use super::enqueue::client;
use super::fleet::Fleet;
use super::report::Report;
use super::rig::Rig;
use crate::ids::TaskId;
use crate::model::kind::{PODM_CHANGES, PODM_READS};
use crate::model::state::State;

/// What a slow one takes for an answer, ms.
const SLOW_MS: u64 = 2_000;
/// How long one that answers 503 wants to be left alone, s.
const PEACE_S: u64 = 5;
/// Between two questions of the scheduler whether a Pod Manager is there, s; as in the default configuration.
const PROBE_S: f64 = 15.0;
/// First and longest time that a circuit stays open, s; as in lua/breaker.lua.
const OPEN_S: (f64, f64) = (5.0, 60.0);
/// Most time for what waits at bad ones to end once they are mended.
const MENDED: Duration = Duration::from_secs(240);
/// Most time for what is at healthy ones to end before the bad ones are mended.
const AFTER_LOAD: Duration = Duration::from_secs(30);
/// Requests that one task sends at once at most.
const TOGETHER: u32 = 4;
/// Worker processes.
const WORKERS: usize = 2;
/// A bad Pod Manager is asked for so many times as much as a healthy one.
const GREED: usize = 4;

/// How many there are of each sort; the bad ones are the last of them, in this order.
#[derive(Debug, Clone, Copy)]
struct Crowd {
    podms: usize,
    refusing: usize,
    slow: usize,
    black: usize,
}

impl Crowd {
    fn of(podms: usize) -> Self {
        Self { podms, refusing: (podms / 50).max(3), slow: (podms / 50).max(3), black: (podms / 20).max(5) }
    }

    fn healthy(self) -> usize {
        self.podms.saturating_sub(self.refusing + self.slow + self.black)
    }

    /// The fault switches of the bad ones.
    fn faults(self) -> Value {
        let (refusing, slow) = (self.healthy(), self.healthy() + self.refusing);
        let black = slow + self.slow;
        let of = |n: usize| match n {
            n if n >= black => json!({ "podm": n, "hang": true }),
            n if n >= slow => json!({ "podm": n, "latency_ms": SLOW_MS }),
            n => json!({ "podm": n, "status": 503, "retry_after_s": PEACE_S }),
        };
        (refusing..self.podms).map(of).collect()
    }
}

/// What one run found.
#[derive(Default)]
struct Found {
    /// From POST to the end of each compose at a healthy one, ms, sorted.
    healthy: Vec<f64>,
    /// Most requests to one that answers 503, and what they may be.
    refusing: (f64, f64),
    /// Most requests open at once at a slow one, and what they may be.
    slow: (f64, f64),
    /// Most requests to a black hole, and what they may be.
    black: (f64, f64),
    accepted: usize,
    failed: usize,
    lost: usize,
    /// Memory of the workers, MiB, after a third of the load and at its end.
    memory: (f64, f64),
}

impl Found {
    fn quantile(&self, per_cent: usize) -> f64 {
        let at = (self.healthy.len() * per_cent / 100).min(self.healthy.len().saturating_sub(1));
        self.healthy.get(at).copied().unwrap_or(f64::NAN)
    }

    /// What was promised and does not hold.
    fn broken(&self, without: &Self, most: f64) -> Vec<String> {
        let p99 = (self.quantile(99), without.quantile(99));
        let grown = (self.memory.0, self.memory.1);
        let over =
            |what: &str, (seen, budget): (f64, f64)| (seen > budget, format!("{what}: {seen}, budget {budget:.0}"));
        let all = [
            (
                p99.0 > most * p99.1,
                format!("p99 at healthy ones: {:.0} ms, without the bad ones {:.0} ms", p99.0, p99.1),
            ),
            over("requests to a black hole", self.black),
            over("open at once at a slow one", self.slow),
            over("requests to one that answers 503", self.refusing),
            (self.lost > 0, format!("{} of {} tasks lost", self.lost, self.accepted)),
            (grown.1 > grown.0 * 1.2, format!("worker memory grew from {:.0} to {:.0} MiB", grown.0, grown.1)),
        ];
        all.into_iter().filter(|(is, _)| *is).map(|(_, what)| what).collect()
    }
}

/// The scenario.
///
/// # Errors
/// When a process fails, or a request is refused.
pub async fn bulkhead(args: &BenchArgs, report: &mut Report) -> anyhow::Result<()> {
    let crowd = Crowd::of(args.podms);
    ensure!(crowd.healthy() > 0, "--podms {} leaves none that is healthy", args.podms);
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..args.runs {
        without.push(one(args, crowd, false).await?);
        with.push(one(args, crowd, true).await?);
    }
    for (with, without) in with.iter().zip(&without) {
        report.broken.extend(with.broken(without, args.p99_ratio));
    }
    let of = |all: &[Found], what: fn(&Found) -> f64| all.iter().map(what).collect::<Vec<f64>>();
    for (figure, unit, what) in [
        ("compose at a healthy one, p50", "ms", (|f| f.quantile(50)) as fn(&Found) -> f64),
        ("compose at a healthy one, p99", "ms", |f| f.quantile(99)),
        ("worker memory at the end", "MiB", |f| f.memory.1),
    ] {
        let figure = format!("bulkhead: {figure}, {} Pod Managers beside the same without the bad", crowd.podms);
        report.add(&figure, unit, &of(&with, what), &of(&without, what));
    }
    report.add(
        "bulkhead: worker memory at the end beside a third",
        "MiB",
        &of(&with, |f| f.memory.1),
        &of(&with, |f| f.memory.0),
    );
    for (figure, what, budget) in [
        ("most requests to a black hole", (|f| f.black.0) as fn(&Found) -> f64, (|f| f.black.1) as fn(&Found) -> f64),
        ("most open at once at a slow one", |f| f.slow.0, |f| f.slow.1),
        ("most requests to one that answers 503", |f| f.refusing.0, |f| f.refusing.1),
    ] {
        report.add(&format!("bulkhead: {figure}, beside its budget"), "", &of(&with, what), &of(&with, budget));
    }
    for (figure, what) in [
        ("tasks accepted", (|f| count(f.accepted)) as fn(&Found) -> f64),
        ("tasks failed in the end", |f| count(f.failed)),
        ("tasks lost", |f| count(f.lost)),
    ] {
        report.add(&format!("bulkhead: {figure}"), "", &of(&with, what), &[]);
    }
    Ok(())
}

async fn one(args: &BenchArgs, crowd: Crowd, bad: bool) -> anyhow::Result<Found> {
    let mut rig = Rig::start(args).await?;
    // Enough for all that is asked for: that a Pod Manager is full is none of its faults.
    let asked = args.rate * Duration::from_secs(args.seconds).as_secs_f64() / count(crowd.healthy());
    let systems = format!("{:.0}", (asked.ceil() + 1.0) * count(GREED));
    let sim = ["--systems", &systems, "--latency", "5ms", "--assemble-time", "50ms"];
    let fleet = Fleet::start(&mut rig, crowd.podms, &sim).await?;
    let flags = fleet.flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let slots = args.concurrency.to_string();
    let url = rig.api().await?;
    for _ in 0..WORKERS {
        rig.spawn("valence-worker", &[&["--concurrency", &slots], &flags[..]].concat())?;
    }
    rig.until_workers(WORKERS).await?;
    if bad {
        fleet.faults(&crowd.faults()).await?;
    }
    let began = Instant::now();
    rig.spawn("valence-scheduler", &flags)?;
    let (good, others, early) = load(args, &rig, &fleet, &url, crowd, bad).await?;
    let mut found = Found { accepted: good.len() + others.len(), ..Found::default() };
    ended(&rig, &good, AFTER_LOAD).await?;
    found.memory = (early, rig.memory("valence-worker"));
    if bad {
        budgets(&mut found, &fleet.look("counts").await?, crowd, began.elapsed());
        fleet.faults(&json!([])).await?;
    }
    let other_states = ended(&rig, &others, MENDED).await?;
    let good_states = ended(&rig, &good, MENDED).await?;
    for (state, took) in &good_states {
        if *state == State::Completed {
            found.healthy.push(*took);
        }
    }
    found.healthy.sort_by(f64::total_cmp);
    if let Some((id, (_, took))) = good.iter().zip(&good_states).max_by(|(_, (_, a)), (_, (_, b))| a.total_cmp(b))
        && let Some(task) = rig.store.task(*id).await?
    {
        tracing::info!(%id, bad, took, history = ?task.history(), "the slowest at a healthy one");
    }
    let states = || good_states.iter().chain(&other_states).map(|(state, _)| *state);
    let completed = states().filter(|s| *s == State::Completed).count();
    found.failed = states().filter(|s| *s == State::Failed).count();
    let nodes = nodes(&fleet.look("nodes").await?)?;
    // Lost: neither completed nor failed; or said to be there and is not.
    found.lost = (found.accepted - completed - found.failed) + completed.saturating_sub(nodes);
    ensure!(found.failed == 0 || nodes <= completed + found.failed, "{nodes} nodes of {completed} composes");
    Ok(found)
}

/// Composes at a fixed rate, at each Pod Manager in its turn; returns the tasks of healthy ones and of bad ones, and the workers' memory
/// after a third of the time.
async fn load(
    args: &BenchArgs,
    rig: &Rig,
    fleet: &Fleet,
    url: &str,
    crowd: Crowd,
    bad: bool,
) -> anyhow::Result<(Vec<TaskId>, Vec<TaskId>, f64)> {
    let client = client()?;
    let (healthy, sick) = fleet.ids.split_at(crowd.healthy());
    let mut posts = JoinSet::new();
    let mut turns = tokio::time::interval(Duration::from_secs_f64(1.0 / args.rate));
    let (began, third) = (Instant::now(), Duration::from_secs(args.seconds) / 3);
    let (mut early, mut turn, mut sick_turn) = (f64::NAN, 0, 0);
    let mut post = |podm: &str, is_good: bool| {
        let body = json!({ "kind": "node.compose", "params": { "name": "n" }, "podm_id": podm });
        let sent = client.post(format!("{url}/v1/tasks")).header("prefer", "respond-async").json(&body).send();
        posts.spawn(async move {
            let task: Value = sent.await?.error_for_status()?.json().await?;
            let id = task["id"].as_str().context("no id")?.parse::<TaskId>()?;
            anyhow::Ok((id, is_good))
        });
    };
    while began.elapsed() < 3 * third {
        turns.tick().await;
        if early.is_nan() && began.elapsed() >= third {
            early = rig.memory("valence-worker");
        }
        if let Some(podm) = healthy.get(turn % healthy.len()) {
            post(podm, true);
        }
        turn += 1;
        // As often as the turns say: each sick one `GREED` times as often as a healthy one.
        while bad && sick_turn * healthy.len() < turn * sick.len() * GREED {
            if let Some(podm) = sick.get(sick_turn % sick.len()) {
                post(podm, false);
            }
            sick_turn += 1;
        }
    }
    let (mut good, mut others) = (Vec::new(), Vec::new());
    while let Some(posted) = posts.join_next().await {
        let (id, is_good) = posted??;
        if is_good { good.push(id) } else { others.push(id) }
    }
    Ok((good, others, early))
}

/// The state of each, and how long it took, ms; waits for those that have not ended, all in all for so long.
async fn ended(rig: &Rig, ids: &[TaskId], longest: Duration) -> anyhow::Result<Vec<(State, f64)>> {
    let deadline = Instant::now() + longest;
    let mut all = Vec::with_capacity(ids.len());
    for id in ids {
        loop {
            let task = rig.store.task(*id).await?.with_context(|| format!("the task {id} is gone"))?;
            if task.state.is_terminal() || Instant::now() > deadline {
                let finished = task.field("finished").and_then(|ms| ms.parse::<u64>().ok()).unwrap_or(0);
                if task.state != State::Completed {
                    tracing::debug!(%id, state = ?task.state, error = ?task.body.error, "not completed");
                }
                all.push((task.state, count(usize::try_from(finished.saturating_sub(id.created_ms()))?)));
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    Ok(all)
}

/// What the bad ones had to bear, beside what they may have to: what may be under way at once when it begins; then one request at each end
/// of an open circuit, or of the peace that was asked for; and the scheduler's probes all the time.
fn budgets(found: &mut Found, counts: &Value, crowd: Crowd, time: Duration) {
    let (slow, black) = (crowd.healthy() + crowd.refusing, crowd.podms - crowd.black);
    let most = |from: usize, to: usize, what: &str| {
        let of = |n: usize| counts.get(n).and_then(|c| c[what].as_u64()).unwrap_or(u64::MAX);
        (from..to).map(of).max().and_then(|n| u32::try_from(n).ok()).map_or(f64::INFINITY, f64::from)
    };
    let seconds = time.as_secs_f64();
    let at_once = f64::from(PODM_CHANGES + PODM_READS);
    let probes = (seconds / PROBE_S).ceil() + 1.0;
    let (mut open, mut tries, mut at) = (OPEN_S.0, 0.0, OPEN_S.0);
    while at < seconds {
        tries += 1.0;
        open = (2.0 * open).min(OPEN_S.1);
        at += open;
    }
    found.black = (most(black, crowd.podms, "requests"), at_once + probes + tries);
    // Each change, the refresh that follows changes, and the collection of readings ask for some things at once.
    found.slow = (most(slow, black, "most_open"), f64::from((PODM_CHANGES + 2) * TOGETHER) + 1.0);
    let peace = (seconds / f64::from(u32::try_from(PEACE_S).unwrap_or(1))).ceil();
    found.refusing = (most(crowd.healthy(), slow, "requests"), at_once + probes + peace);
}

/// The nodes there are; each system has at most one.
pub(super) fn nodes(podms: &Value) -> anyhow::Result<usize> {
    let mut nodes = 0;
    for podm in podms.as_array().context("no list of Pod Managers")? {
        ensure!(podm["max_nodes_per_system_ever"].as_u64() <= Some(1), "a system was in two nodes: {podm}");
        nodes += podm["nodes"].as_array().map_or(0, Vec::len);
    }
    Ok(nodes)
}
