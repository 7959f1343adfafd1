//! Which call C1 makes next, by its seed: the more there is to go wrong, the oftener.

use rand::Rng;
use rand::seq::IndexedRandom as _;
use valence::ids::TaskId;
use valence::model::topic::Topic;

use super::c1_model::{B, Episode, LANES, Op, WORKERS};
use super::model::{Delay, End, From, New};

const CALLERS: [&str; 2] = ["ann", "bob"];
/// Gates that tasks need, in the order in which kinds name them.
const GATES: [&[&str]; 4] = [&["podm:p1:w"], &["podm:p2:w"], &["podm:p1:w", "node:n1"], &["podm:p2:w", "node:n2"]];
/// Gates that reads ask for places in, too.
const PLACES: [&str; 2] = ["podm:p1:w", "podm:p2:w"];
const READERS: [&str; 2] = ["r1", "r2"];

impl Episode {
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

    pub fn next(&mut self) -> Op {
        let worker = *WORKERS.choose(&mut self.rng).unwrap();
        match self.rng.random_range(0..100) {
            0..16 => {
                let known = self.rng.random_bool(0.05);
                let id =
                    if known { self.id() } else { TaskId::mint(self.engine.store.clock().now_ms(), B).to_string() };
                self.ids.push(id.clone());
                let by = if self.rng.random_bool(0.8) { Delay::Now } else { self.delay() };
                let (idem, lane) = (self.rng.random_bool(0.3), *LANES.choose(&mut self.rng).unwrap());
                let caller = CALLERS.choose(&mut self.rng).copied().filter(|_| self.rng.random_bool(0.3));
                let gates = if self.rng.random_bool(0.5) { GATES.choose(&mut self.rng).unwrap() } else { &[][..] };
                Op::Enqueue(New { id, lane, by, idem, caller, gates })
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
            81..84 => Op::Promote(self.rng.random_range(1..6)),
            84..86 => Op::Expire(self.id()),
            86..90 => Op::Cancel(self.id()),
            90..93 => Op::Redrive(self.id()),
            93..94 => Op::Forget(self.id()),
            94..97 => Op::Nudge(self.id()),
            97 if self.crowded => self.crowd(),
            97 => {
                let (gate, reader) = (*PLACES.choose(&mut self.rng).unwrap(), *READERS.choose(&mut self.rng).unwrap());
                if self.rng.random_bool(0.4) { Op::Enter(gate, reader) } else { Op::Leave(gate, reader) }
            }
            98 => {
                let pause = self.model.paused.is_empty() && self.rng.random_bool(0.4);
                Op::Pause([Topic::Compute, Topic::Network][self.rng.random_range(0..2)], pause)
            }
            _ => Op::Repair,
        }
    }

    /// Many at once of one caller, or for one Pod Manager.
    fn crowd(&mut self) -> Op {
        let lane = *LANES.choose(&mut self.rng).unwrap();
        let caller = CALLERS.choose(&mut self.rng).copied().filter(|_| self.rng.random_bool(0.6));
        let gates: &[_] = if caller.is_none() { &["podm:p2:w"] } else { &[] };
        let ids: Vec<String> =
            (0..90).map(|_| TaskId::mint(self.engine.store.clock().now_ms(), B).to_string()).collect();
        let new = |id: String| New { id, lane, by: Delay::Now, idem: false, caller, gates };
        self.ids.extend(ids.iter().step_by(10).cloned());
        Op::Crowd(ids.into_iter().map(new).collect())
    }
}
