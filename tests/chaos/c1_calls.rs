//! C1's calls of the scripts.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::json;
use valence::ids::TaskId;
use valence::model::podm::Policy;
use valence::model::topic::{Lane, Topic};
use valence::store::claims::{Claimed, Mode, Outcome, Settlement, Source};
use valence::store::gates::Gatekeeper;
use valence::store::tasks::NewTask;

use super::c1_model::{B, Episode, LANES};
use super::model::{End, From, Needs, New};

#[derive(Debug, Clone)]
pub enum Op {
    Enqueue(New),
    /// Many alike, in one call.
    Crowd(Vec<New>),
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
    /// A read asks for a place in a gate for so long, or gives it back.
    Enter(&'static str, &'static str, u64),
    Leave(&'static str, &'static str),
    /// What came of requests to a Pod Manager: answers, failures, ms that it asked for.
    Report(&'static str, u32, u32, Option<u64>),
    Silent(&'static str),
    /// Changes and reads at once, and whether it is drained.
    Limits(&'static str, Option<usize>, Option<usize>, bool),
    Gone(&'static str),
    /// So many ms later.
    Pass(u64),
}

fn lane(name: &str) -> Lane {
    Lane::parse(name).unwrap()
}

/// A task's gates as `Kind::gates_of` writes them.
fn gates_of(needs: &Needs) -> String {
    let limit = |gate: &&str| format!("{gate}={}", if gate.starts_with("podm:") { 4 } else { 1 });
    let mut words: Vec<String> = needs.gates.iter().map(limit).collect();
    words.extend(needs.patience.map(|ms| format!("within:{ms}")));
    words.extend(needs.out.then(|| "out".to_owned()));
    words.join(" ")
}

fn policy_of(changes: Option<usize>, reads: Option<usize>, draining: bool) -> Policy {
    let number = |n: Option<usize>| n.map(|n| u32::try_from(n).unwrap());
    Policy { max_changes: number(changes), max_reads: number(reads), draining, ..Policy::default() }
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
                    let (crashes, life, left) = (c.crashes, c.generation, c.time_left.as_millis());
                    format!("{} {l} {} {} {crashes} {life} {mode:?} {ckpt} {left}", c.id, c.attempt, c.claims)
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
                    End::Retry(after) => (Outcome::Retry(Duration::from_millis(*after)), None),
                    End::Park(after) => (Outcome::Park(Duration::from_millis(*after)), None),
                    End::Release => (Outcome::Release, None),
                    End::Undo(after) => (Outcome::Retry(Duration::from_millis(*after)), Some(Mode::Fail)),
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
            Op::Enter(gate, reader, lasts) => {
                let limit = if gate.ends_with(":w") { 4 } else { 8 };
                let lasts = Duration::from_millis(*lasts);
                format!("{:?}", store.gate_enter(B, gate, reader, limit, lasts).await.unwrap())
            }
            Op::Leave(gate, reader) => {
                store.gate_leave(B, gate, reader).await.unwrap();
                String::new()
            }
            Op::Report(podm, good, bad, asked) => {
                let asked = asked.map(Duration::from_millis);
                let why = if *bad > 0 { "answered 503" } else { "" };
                let is_open = Gatekeeper::new(store).report(podm, *good, *bad, asked, why).await.unwrap();
                is_open.to_string()
            }
            Op::Silent(podm) => {
                Gatekeeper::new(store).silent(podm).await.unwrap();
                String::new()
            }
            Op::Limits(podm, changes, reads, drain) => {
                store.set_limits(podm, &policy_of(*changes, *reads, *drain)).await.unwrap();
                String::new()
            }
            Op::Gone(podm) => {
                store.forget_gates(podm).await.unwrap();
                String::new()
            }
            Op::Read(..) | Op::Pass(_) => String::new(),
        }
    }

    fn task_of(&self, new: &New) -> NewTask {
        let mut task = self.engine.task_in("noop", B);
        task = NewTask { id: new.id.parse().unwrap(), lane: lane(new.lane), idempotent: new.idem, ..task };
        task.delay_ms = Some(new.delay).filter(|ms| *ms > 0);
        task.def.timeout_s = new.timeout_s;
        task.def.caller = new.caller.map(str::to_owned);
        task.gates = gates_of(&new.needs);
        task
    }
}
