//! C1: random calls of the store's scripts beside a model of them, in episodes. A fifth of the calls is made twice, as if the first
//! reply was lost; stale claims go on settling. After every call the replies agree, and now and then all that Redis holds.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng, SeedableRng};
use serde_json::json;
use valence::ids::{Bucket, TaskId};
use valence::model::topic::{Lane, Topic};
use valence::store::Store;
use valence::store::claims::{Mode, Outcome, Settlement, Source};
use valence::store::tasks::NewTask;

use super::model::{Delay, End, From, Model};
use super::run::{amount, setting};
use super::support::engine::{Engine, options};
use super::support::redis::TestRedis;

const LANES: [&str; 4] = ["compute:high", "compute:normal", "network:normal", "network:low"];
const WORKERS: [&str; 3] = ["here", "gone", "gone-too"];
const B: Bucket = Bucket(0);
/// Calls of one episode: it is over long before anything far is due.
const EPISODE: usize = 500;

#[derive(Debug, Clone)]
enum Op {
    Enqueue(String, &'static str, Delay, bool),
    Read(&'static str, &'static str),
    Claim(&'static str, String, usize, From),
    Extend(&'static str, Vec<(String, String)>),
    Checkpoint(String, String, bool),
    Settle(String, String, End),
    Reclaim(usize),
    Promote(usize),
    Cancel(String),
    Redrive(String),
    Forget(String),
    Nudge(String),
    Pause(Topic, bool),
    Repair,
}

struct Episode {
    engine: Engine,
    /// Everybody's lease is over for it.
    reaper: Store,
    model: Model,
    rng: StdRng,
    ids: Vec<String>,
    /// Every claim there ever was: worker, task, token.
    claims: Vec<(&'static str, String, String)>,
    /// Entries that were read and not claimed: worker, lane, number, entry id, task.
    reads: Vec<(&'static str, &'static str, u64, String, String)>,
    done: Vec<Op>,
}

fn lane(name: &str) -> Lane {
    Lane::parse(name).unwrap()
}

fn wait_of(by: Delay) -> Duration {
    Duration::from_millis(match by {
        Delay::Now => 0,
        Delay::Soon => 1,
        Delay::Far => 1_800_000,
    })
}

impl Episode {
    async fn start(seed: u64) -> Self {
        let server = TestRedis::start().await;
        let mut options = options(1);
        (options.lease, options.quarantine) = (Duration::from_secs(600), Duration::from_millis(1));
        let store = server.open(options.clone()).await;
        options.lease = Duration::ZERO;
        let reaper = server.open(options).await;
        let _: u32 = server.command(&["HSET", "vl:worker:here", "worker", "{}"]).await;
        for lane in LANES {
            let stream = format!("vl:{{b00}}:s:{lane}");
            let _: String = server.command(&["XGROUP", "CREATE", &stream, "workers", "0", "MKSTREAM"]).await;
        }
        let rng = StdRng::seed_from_u64(seed);
        let (ids, claims, reads, done) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { engine: Engine { store, server }, reaper, model: Model::default(), rng, ids, claims, reads, done }
    }

    fn token(&mut self) -> String {
        format!("{:016x}", self.rng.random::<u64>())
    }

    fn id(&mut self) -> String {
        self.ids.choose(&mut self.rng).cloned().unwrap_or_else(|| TaskId::mint(1, B).to_string())
    }

    fn delay(&mut self) -> Delay {
        [Delay::Now, Delay::Soon, Delay::Soon, Delay::Far][self.rng.random_range(0..4)]
    }

    /// A claim: one of the latest, or any, however stale.
    fn claimed(&mut self) -> (&'static str, String, String) {
        let all = self.claims.len();
        let from = if self.rng.random_bool(0.75) { all.saturating_sub(8) } else { 0 };
        let none = || ("here", TaskId::mint(1, B).to_string(), "none".to_owned());
        self.claims[from..].choose(&mut self.rng).cloned().unwrap_or_else(none)
    }

    fn next(&mut self) -> Op {
        let worker = *WORKERS.choose(&mut self.rng).unwrap();
        match self.rng.random_range(0..100) {
            0..16 => {
                let known = self.rng.random_bool(0.05);
                let id =
                    if known { self.id() } else { TaskId::mint(self.engine.store.clock().now_ms(), B).to_string() };
                self.ids.push(id.clone());
                let by = if self.rng.random_bool(0.8) { Delay::Now } else { self.delay() };
                Op::Enqueue(id, LANES.choose(&mut self.rng).unwrap(), by, self.rng.random_bool(0.3))
            }
            16..20 => Op::Read(worker, LANES.choose(&mut self.rng).unwrap()),
            20..40 => Op::Claim(worker, self.token(), self.rng.random_range(0..4), From::New),
            40..43 => Op::Claim(worker, self.token(), self.rng.random_range(0..4), From::Own),
            43..47 => match self.reads.pop() {
                Some((worker, _, number, _, _)) => {
                    Op::Claim(worker, self.token(), self.rng.random_range(0..3), From::Given(vec![number]))
                }
                None => Op::Repair,
            },
            47..52 => {
                let (worker, id, token) = self.claimed();
                Op::Extend(worker, vec![(id, token)])
            }
            52..58 => {
                let (_, id, token) = self.claimed();
                Op::Checkpoint(id, token, self.rng.random_bool(0.4))
            }
            58..78 => {
                let ((_, id, token), by) = (self.claimed(), self.delay());
                let ends = [
                    End::Completed,
                    End::Completed,
                    End::Failed,
                    End::Incomplete,
                    End::Cancelled,
                    End::Retry(by),
                    End::Park(by),
                    End::Release,
                    End::Undo(by),
                ];
                Op::Settle(id, token, *ends.choose(&mut self.rng).unwrap())
            }
            78..81 => Op::Reclaim(self.rng.random_range(1..4)),
            81..85 => Op::Promote(self.rng.random_range(1..6)),
            85..90 => Op::Cancel(self.id()),
            90..93 => Op::Redrive(self.id()),
            93..94 => Op::Forget(self.id()),
            94..97 => Op::Nudge(self.id()),
            97..99 => {
                let pause = self.model.paused.is_empty() && self.rng.random_bool(0.4);
                Op::Pause([Topic::Compute, Topic::Network][self.rng.random_range(0..2)], pause)
            }
            _ => Op::Repair,
        }
    }

    /// One call; what Redis answered.
    async fn call(&mut self, op: &Op, numbers: &HashMap<u64, (String, String, &'static str)>) -> String {
        let store = &self.engine.store;
        let id_of = |id: &String| id.parse::<TaskId>().unwrap();
        match op {
            Op::Enqueue(id, at, by, idempotent) => {
                let mut task = self.engine.task_in("noop", B);
                task = NewTask { id: id_of(id), lane: lane(at), idempotent: *idempotent, ..task };
                task.delay_ms = (*by != Delay::Now).then(|| u64::try_from(wait_of(*by).as_millis()).unwrap());
                format!("{:?}", store.enqueue(task).await.unwrap())
            }
            Op::Claim(worker, token, free, from) => {
                let source = match from {
                    From::New => Source::New,
                    From::Own => Source::Own,
                    From::Given(given) => {
                        let entry = |n: &u64| (lane(numbers[n].2), numbers[n].0.clone(), numbers[n].1.clone());
                        Source::Given(given.iter().map(entry).collect())
                    }
                };
                let lanes = LANES.map(lane);
                let reply = store.claim(B, worker, token, *free, &lanes, &source).await.unwrap();
                let one = |c: &valence::store::claims::Claimed| {
                    let mode = c.mode;
                    let (l, ckpt) = (c.lane, c.checkpoint.is_some());
                    format!("{} {l} {} {} {} {} {mode:?} {ckpt}", c.id, c.attempt, c.claims, c.crashes, c.generation)
                };
                format!("{:?}", reply.claimed.iter().map(one).collect::<Vec<_>>())
            }
            Op::Extend(worker, held) => {
                let held: Vec<_> = held.iter().map(|(id, token)| (id_of(id), token.clone())).collect();
                format!("{:?}", store.extend(B, worker, &held).await.unwrap()).replace('"', "")
            }
            Op::Checkpoint(id, token, out) => {
                format!("{:?}", store.checkpoint(id_of(id), token, &json!({"step": 1}), *out).await.unwrap())
            }
            Op::Settle(id, token, end) => {
                let (outcome, ending) = match end {
                    End::Completed => (Outcome::Completed, None),
                    End::Failed => (Outcome::Failed, None),
                    End::Incomplete => (Outcome::Failed, Some(Mode::Fail)),
                    End::Cancelled => (Outcome::Cancelled, None),
                    End::Retry(by) => (Outcome::Retry(wait_of(*by)), None),
                    End::Park(by) => (Outcome::Park(wait_of(*by)), None),
                    End::Release => (Outcome::Release, None),
                    End::Undo(by) => (Outcome::Retry(wait_of(*by)), Some(Mode::Fail)),
                };
                let (id, token, detail) = (id_of(id), token.clone(), String::new());
                let settlement = Settlement { id, token, outcome, ending, body: None, detail };
                format!("{:?}", store.settle(settlement).await.unwrap())
            }
            Op::Reclaim(most) => {
                let r = self.reaper.reclaim(B, *most).await.unwrap();
                format!("{:?}", (r.requeued, r.quarantined, r.dead))
            }
            Op::Promote(most) => {
                format!("{}", store.promote(B, u32::try_from(*most).unwrap()).await.unwrap().0)
            }
            Op::Cancel(id) => format!("{:?}", store.cancel(id_of(id)).await.unwrap()),
            Op::Redrive(id) => {
                format!("{:?}", store.redrive(id_of(id)).await.unwrap()).to_lowercase()
            }
            Op::Forget(id) => format!("{:?}", store.forget(B, &[id_of(id)], None).await.unwrap()[0]),
            Op::Nudge(id) => {
                store.nudge(id_of(id)).await.unwrap();
                String::new()
            }
            Op::Pause(topic, on) => {
                store.pause(*topic, *on).await.unwrap();
                String::new()
            }
            Op::Repair => {
                let looked = store.repair(B, 0, 10_000, true).await.unwrap().found;
                store.repair(B, 0, 10_000, false).await.unwrap();
                format!("{looked:?}")
            }
            Op::Read(..) => String::new(),
        }
    }

    /// The same in the model.
    fn say(&mut self, op: &Op) -> String {
        self.model.step += 1;
        let m = &mut self.model;
        match op {
            Op::Enqueue(id, at, by, idem) => m.enqueue(id, at, *by, *idem).into(),
            Op::Claim(worker, token, free, from) => format!("{:?}", m.claim(worker, token, *free, &LANES, from)),
            Op::Extend(_, held) => format!("{:?}", m.extend(held)).replace('"', ""),
            Op::Checkpoint(id, token, out) => m.checkpoint(id, token, *out).into(),
            Op::Settle(id, token, end) => m.settle(id, token, *end).into(),
            Op::Reclaim(most) => format!("{:?}", m.reclaim(*most, &["gone", "gone-too"])),
            Op::Promote(most) => m.promote(*most).to_string(),
            Op::Cancel(id) => m.cancel(id).into(),
            Op::Redrive(id) => m.redrive(id).to_lowercase(),
            Op::Forget(id) => m.forget(id).into(),
            Op::Nudge(id) => (m.nudge(id), String::new()).1,
            Op::Pause(topic, on) => {
                let topic = if *topic == Topic::Compute { "compute" } else { "network" };
                let _changed = if *on { m.paused.insert(topic) } else { m.paused.remove(topic) };
                String::new()
            }
            Op::Repair => "[]".into(),
            Op::Read(..) => String::new(),
        }
    }

    /// A blocking read of one entry, whose claim may come later; as bare commands, since the store's own waits.
    async fn read(&mut self, worker: &'static str, at: &'static str) -> Result<(), String> {
        let stream = format!("vl:{{b00}}:s:{at}");
        let words = ["XREADGROUP", "GROUP", "workers", worker, "COUNT", "1", "STREAMS", &stream, ">"];
        let reply: Option<redis::streams::StreamReadReply> = self.engine.server.command(&words).await;
        let seen: Vec<(String, String)> = reply
            .into_iter()
            .flat_map(|r| r.keys)
            .flat_map(|k| k.ids)
            .map(|e| (e.id.clone(), e.get::<String>("t").unwrap_or_default()))
            .collect();
        let numbers = self.model.read(worker, at, 1);
        if numbers.len() != seen.len() {
            return Err(format!("read {seen:?}, the model {numbers:?}"));
        }
        for (number, (entry, id)) in numbers.into_iter().zip(seen) {
            self.reads.push((worker, at, number, entry, id));
        }
        Ok(())
    }

    async fn step(&mut self) -> Result<(), String> {
        let known: HashMap<u64, (String, String, &'static str)> =
            self.reads.iter().map(|(_, at, n, entry, id)| (*n, (entry.clone(), id.clone(), *at))).collect();
        let op = self.next();
        self.done.push(op.clone());
        if let Op::Read(worker, at) = op {
            return self.read(worker, at).await;
        }
        let mut ops = vec![op.clone()];
        if self.rng.random_bool(0.2) {
            // What a worker asks whose claim was not answered.
            ops.push(match op.clone() {
                Op::Claim(worker, token, free, From::New) => Op::Claim(worker, token, free, From::Own),
                other => other,
            });
        }
        for op in ops {
            // What was due soon is due, and no two steps put anything at the same time.
            if matches!(op, Op::Promote(_) | Op::Redrive(_)) {
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
            let before = self.model.delayed.len();
            let (said, expected) = (self.call(&op, &known).await, self.say(&op));
            if said != expected {
                return Err(format!("{op:?}: Redis says {said}, the model {expected}"));
            }
            if let Op::Claim(worker, token, ..) = &op {
                let ids: Vec<String> =
                    said.split('"').filter_map(|s| Some(s.split(' ').next()?.to_owned())).collect();
                let ids = ids.into_iter().filter(|id| id.len() == 36);
                self.claims.extend(ids.map(|id| (*worker, id, token.clone())));
            }
            if self.model.delayed.len() > before {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        if self.done.len() % 25 == 0 { self.compare().await } else { Ok(()) }
    }

    /// All that Redis holds of tasks, and all that the model does.
    async fn compare(&self) -> Result<(), String> {
        let (m, server) = (&self.model, &self.engine.server);
        let same = |what: String, real: String, model: String| {
            if real == model { Ok(()) } else { Err(format!("{what}: Redis has {real}, the model {model}")) }
        };
        for (id, t) in &m.tasks {
            let hash: BTreeMap<String, String> = server.command(&["HGETALL", &format!("vl:{{b00}}:t:{id}")]).await;
            let text = |name: &str| hash.get(name).cloned().unwrap_or_default();
            let number = |name: &str, none: u32| hash.get(name).map_or(none, |v| v.parse().unwrap());
            let real = format!(
                "{} {} {} {} {} {} {:?} {} {} {} {}",
                text("state"),
                text("lane"),
                number("attempt", 0),
                number("claims", 0),
                number("crashes", 0),
                number("gen", 1),
                text("token"),
                text("cancel") == "1",
                text("ending"),
                text("ckpt") == "1",
                text("out") == "1"
            );
            let ckpt = t.ckpt || (["completed", "cancelled"].contains(&t.state) && text("ckpt") == "1");
            let model = format!(
                "{} {} {} {} {} {} {:?} {} {} {ckpt} {}",
                t.state, t.lane, t.attempt, t.claims, t.crashes, t.generation, t.token, t.cancel, t.ending, t.out
            );
            same(format!("task {id}"), real, model)?;
        }
        for at in LANES {
            let stream = format!("vl:{{b00}}:s:{at}");
            let all: Vec<(String, Vec<String>)> = server.command(&["XRANGE", &stream, "-", "+"]).await;
            let pending: Vec<(String, String, u64, u64)> =
                server.command(&["XPENDING", &stream, "workers", "-", "+", "10000"]).await;
            let readers: HashMap<String, String> = pending.into_iter().map(|(e, c, _, _)| (e, c)).collect();
            let one = |(e, fields): &(String, Vec<String>)| (fields[1].clone(), readers.get(e).cloned());
            let real: Vec<_> = all.iter().map(one).collect();
            let entries = m.lanes.get(at).into_iter().flatten();
            let model: Vec<_> = entries.map(|e| (e.id.clone(), e.reader.map(str::to_owned))).collect();
            same(at.to_owned(), format!("{real:?}"), format!("{model:?}"))?;
        }
        let ended = |word: fn(&str) -> bool| {
            let mut ids: Vec<&String> = m.tasks.iter().filter(|(_, t)| word(t.state)).map(|(id, _)| id).collect();
            ids.sort();
            format!("{ids:?}")
        };
        let indexes: [(&str, fn(&str) -> bool); 3] = [
            ("live", |s| !["completed", "cancelled", "failed"].contains(&s)),
            ("done", |s| ["completed", "cancelled"].contains(&s)),
            ("dead", |s| s == "failed"),
        ];
        for (index, belongs) in indexes {
            let mut real: Vec<String> = server.command(&["ZRANGE", &format!("vl:{{b00}}:{index}"), "0", "-1"]).await;
            real.sort();
            same(index.to_owned(), format!("{real:?}"), ended(belongs))?;
        }
        let real: Vec<String> = server.command(&["ZRANGE", "vl:{b00}:delayed", "0", "-1"]).await;
        let model: Vec<&String> = m.delayed.iter().map(|(_, _, id)| id).collect();
        same("delayed".into(), format!("{real:?}"), format!("{model:?}"))?;
        let real: BTreeMap<String, i64> = server.command(&["HGETALL", "vl:{b00}:count"]).await;
        let zeroless = |map: &BTreeMap<String, i64>| format!("{:?}", map.iter().filter(|(_, n)| **n != 0).collect::<Vec<_>>());
        same("counters".into(), zeroless(&real), zeroless(&m.counts))
    }
}

/// The first divergence, if there is one, and how many calls were made.
async fn first_divergence() -> (usize, Option<String>) {
    let (seed, calls) = (setting("SEED", 1), amount("OPS", 200_000, 20_000));
    let only = setting("EPISODE", u64::MAX);
    let mut made = 0;
    for n in 0..u64::try_from(calls.div_ceil(EPISODE)).unwrap() {
        if only != u64::MAX && only != n {
            continue;
        }
        let mut episode = Episode::start(seed * 1_000_000 + n).await;
        for _ in 0..EPISODE {
            made += 1;
            if let Err(what) = episode.step().await {
                let from = episode.done.len().saturating_sub(30);
                let last: Vec<String> = episode.done[from..].iter().map(|op| format!("{op:?}")).collect();
                return (made, Some(format!("SEED={seed} EPISODE={n}: {what}\nafter\n{}", last.join("\n"))));
            }
        }
        if let Err(what) = episode.compare().await {
            return (made, Some(format!("SEED={seed} EPISODE={n}, at its end: {what}")));
        }
    }
    println!("c1 SEED={seed}: {made} calls, a fifth of them twice, 0 divergences");
    (made, None)
}

#[cfg(not(feature = "unsafe-controls"))]
#[tokio::test(flavor = "multi_thread")]
async fn c1_the_scripts_do_what_the_model_does() {
    let (made, diverged) = first_divergence().await;
    assert_eq!(diverged, None, "after {made} calls");
}

#[cfg(feature = "unsafe-controls")]
#[tokio::test(flavor = "multi_thread")]
async fn control_c1_without_a_check_of_a_script_the_model_diverges() {
    let (made, diverged) = first_divergence().await;
    println!("as it must be, after {made} calls: {}", diverged.expect("the model does not notice that the check is gone"));
}
