//! C1's calls of the scripts, and all that Redis holds beside the model.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use serde_json::json;
use valence::ids::TaskId;
use valence::model::topic::Lane;
use valence::store::claims::{Claimed, Mode, Outcome, Settlement, Source};
use valence::store::tasks::NewTask;

use super::c1_model::{B, Episode, LANES, Op};
use super::model::{Delay, End, From, New};

fn lane(name: &str) -> Lane {
    Lane::parse(name).unwrap()
}

/// What a caller's share is booked under.
fn short(caller: &str) -> String {
    let digest = valence::store::idempotency::fingerprint(&[caller]);
    digest[..12].to_owned()
}

fn wait_of(by: Delay) -> Duration {
    Duration::from_millis(match by {
        Delay::Now => 0,
        Delay::Soon => 1,
        Delay::Gate => 30_000,
        Delay::Far => 1_800_000,
    })
}

impl Episode {
    /// One call; what Redis answered.
    pub async fn call(&mut self, op: &Op, numbers: &HashMap<u64, (String, String, &'static str)>) -> String {
        let store = &self.engine.store;
        let id_of = |id: &String| id.parse::<TaskId>().unwrap();
        match op {
            Op::Enqueue(new) => format!("{:?}", store.enqueue(self.task_of(new)).await.unwrap()),
            Op::Crowd(all) => {
                let tasks: Vec<NewTask> = all.iter().map(|new| self.task_of(new)).collect();
                format!("{:?}", store.enqueue_many(B, &tasks).await.unwrap())
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
                let one = |c: &Claimed| {
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
                store.settle(settlement).await.map_or_else(|e| format!("{e:?}"), |settled| format!("{settled:?}"))
            }
            Op::Reclaim(most) => {
                let r = self.reaper.reclaim(B, *most).await.unwrap();
                format!("{:?}", (r.requeued, r.quarantined, r.dead))
            }
            Op::Promote(most) => {
                format!("{}", store.promote(B, u32::try_from(*most).unwrap()).await.unwrap().0)
            }
            Op::Cancel(id) => format!("{:?}", store.cancel(id_of(id)).await.unwrap()),
            Op::Redrive(id) => format!("{:?}", store.redrive(id_of(id)).await.unwrap()).to_lowercase(),
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
            Op::Expire(id) => {
                self.expire(id).await;
                String::new()
            }
            Op::Enter(gate, reader) => {
                let lasts = Duration::from_secs(600);
                format!("{:?}", store.gate_enter(B, gate, reader, 9, lasts).await.unwrap())
            }
            Op::Leave(gate, reader) => {
                store.gate_leave(B, gate, reader).await.unwrap();
                String::new()
            }
            Op::Read(..) => String::new(),
        }
    }

    fn task_of(&self, new: &New) -> NewTask {
        let mut task = self.engine.task_in("noop", B);
        task = NewTask { id: new.id.parse().unwrap(), lane: lane(new.lane), idempotent: new.idem, ..task };
        task.delay_ms = (new.by != Delay::Now).then(|| u64::try_from(wait_of(new.by).as_millis()).unwrap());
        task.def.caller = new.caller.map(str::to_owned);
        // What the gate's own limit says counts, not the kind's.
        task.gates =
            new.gates.iter().map(|gate| format!("{gate}={} ", if gate.starts_with("node:") { 1 } else { 9 })).collect();
        task.gates.truncate(task.gates.trim_end().len());
        task
    }

    /// As if the clock had gone on for this task alone: its deadline is over, and so is what it waits for, at most until then.
    async fn expire(&self, id: &str) {
        let server = &self.engine.server;
        let (seconds, micros): (u64, u64) = server.command(&["TIME"]).await;
        let over = (seconds * 1000 + micros / 1000).to_string();
        if self.model.is_live(id) {
            let _set: u32 = server.command(&["HSET", &format!("vl:{{b00}}:t:{id}"), "deadline", &over]).await;
        }
        if self.model.is_capped(id) {
            let _moved: u32 = server.command(&["ZADD", "vl:{b00}:delayed", "XX", &over, id]).await;
        }
    }

    /// All that Redis holds of tasks, and all that the model does.
    pub async fn compare(&self) -> Result<(), String> {
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
                number("claims", number("attempt", 0)),
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
        type Belongs = fn(&str) -> bool;
        let indexes: [(&str, Belongs); 3] = [
            ("live", |s| !["completed", "cancelled", "failed"].contains(&s)),
            ("done", |s| ["completed", "cancelled"].contains(&s)),
            ("dead", |s| s == "failed"),
        ];
        for (index, belongs) in indexes {
            let mut real: Vec<String> = server.command(&["ZRANGE", &format!("vl:{{b00}}:{index}"), "0", "-1"]).await;
            real.sort();
            same(index.to_owned(), format!("{real:?}"), ended(belongs))?;
        }
        // Those far behind in a line come later: how much later depends on the line.
        let gated: HashSet<&String> =
            m.delayed.iter().filter(|(by, ..)| *by == Delay::Gate).map(|(.., id)| id).collect();
        let by_id = |mut ids: Vec<String>| {
            let mut apart: Vec<String> = ids.extract_if(.., |id| gated.contains(id)).collect();
            apart.sort();
            format!("{ids:?}, for gates {apart:?}")
        };
        let real: Vec<String> = server.command(&["ZRANGE", "vl:{b00}:delayed", "0", "-1"]).await;
        let model: Vec<String> = m.delayed.iter().map(|(_, _, id)| id.clone()).collect();
        same("delayed".into(), by_id(real), by_id(model))?;
        let real: BTreeMap<String, i64> = server.command(&["HGETALL", "vl:{b00}:count"]).await;
        let zeroless =
            |map: &BTreeMap<String, i64>| format!("{:?}", map.iter().filter(|(_, n)| **n != 0).collect::<Vec<_>>());
        same("counters".into(), zeroless(&real), zeroless(&m.counts))?;
        self.compare_gates().await
    }

    /// Who is in each gate and who waits there, and how many of each share are queued.
    async fn compare_gates(&self) -> Result<(), String> {
        let (m, server) = (&self.model, &self.engine.server);
        let same = |what: String, real: String, model: String| {
            if real == model { Ok(()) } else { Err(format!("{what}: Redis has {real}, the model {model}")) }
        };
        for gate in ["podm:p1:w", "podm:p2:w", "node:n1", "node:n2"] {
            let real: BTreeSet<String> =
                server.command(&["ZRANGE", &format!("vl:{{b00}}:gate:{gate}"), "0", "-1"]).await;
            let model = m.holders.get(gate).cloned().unwrap_or_default();
            same(format!("in {gate}"), format!("{real:?}"), format!("{model:?}"))?;
            let real: Vec<String> =
                server.command(&["ZRANGE", &format!("vl:{{b00}}:gatewait:{gate}"), "0", "-1"]).await;
            let model: Vec<&String> = m.lines.get(gate).into_iter().flatten().map(|(_, id)| id).collect();
            same(format!("in the line of {gate}"), format!("{real:?}"), format!("{model:?}"))?;
        }
        let real: BTreeMap<String, i64> = server.command(&["HGETALL", "vl:{b00}:share"]).await;
        let name = |(field, n): (String, i64)| match field.split_once("|c:") {
            Some((topic, caller)) => (format!("{topic}|c:{}", short(caller)), n),
            None => (field, n),
        };
        let model: BTreeMap<String, i64> = m.shares().into_iter().map(name).collect();
        same("shares".into(), format!("{real:?}"), format!("{model:?}"))
    }
}
