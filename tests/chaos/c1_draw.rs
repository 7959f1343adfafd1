//! Which call C1 makes next, by its seed: the more there is to go wrong, the oftener.

use rand::Rng;
use rand::seq::IndexedRandom as _;
use valence::model::topic::Topic;

use super::c1_calls::Op;
use super::c1_model::{B, Episode, LANES, PODMS, WORKERS};
use super::model::{End, From, Needs, New};

const CALLERS: [&str; 2] = ["ann", "bob"];
/// Gates that tasks need, in the order in which kinds name them.
const GATES: [&[&str]; 6] = [
    &["podm:p1:w"],
    &["podm:p2:w"],
    &["podm:p1:w"],
    &["node:n1"],
    &["node:n1", "podm:p1:w"],
    &["node:n2", "podm:p2:w"],
];
/// Gates that reads ask for places in.
const PLACES: [&str; 3] = ["podm:p1:w", "podm:p1:r", "podm:p2:r"];
const READERS: [&str; 2] = ["r1", "r2"];
const HOUR_S: u64 = 3600;

/// What an episode is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    Plain,
    /// A few callers and Pod Managers have more than their share queued.
    Crowded,
    /// Attempts fail, every third request, and little time goes by: more retries than a Pod Manager is to be burdened with.
    Failing,
}

impl Flavour {
    pub fn of(seed: u64) -> Self {
        match seed % 10 {
            0 => Self::Crowded,
            3 | 7 => Self::Failing,
            _ => Self::Plain,
        }
    }
}

impl Episode {
    fn token(&mut self) -> String {
        format!("{:016x}", self.rng.random::<u64>())
    }

    fn id(&mut self) -> String {
        let known = self.ids.choose(&mut self.rng).cloned();
        known.unwrap_or_else(|| self.minted())
    }

    /// A new id, of now: a UUIDv7 whose last byte is its bucket. Of the seed, so that an episode can be had again.
    fn minted(&mut self) -> String {
        let (ms, r) = (self.model.now, self.rng.random::<u128>());
        let (a, b, c) = (r & 0xfff, r >> 12 & 0x3fff | 0x8000, r >> 26 & 0xff_ffff_ffff);
        format!("{:08x}-{:04x}-7{a:03x}-{b:04x}-{c:010x}{:02x}", ms >> 16, ms & 0xffff, B.0)
    }

    fn delay(&mut self) -> u64 {
        [0, 0, 1, 1_000, 30_000, 1_800_000][self.rng.random_range(0..6)]
    }

    /// Most of the time in an episode of failures.
    fn is_failing(&mut self) -> bool {
        self.flavour == Flavour::Failing && self.rng.random_bool(0.9)
    }

    fn needs(&mut self) -> Needs {
        if self.rng.random_bool(0.4) {
            return Needs::default();
        }
        let gates = if self.is_failing() { GATES[0] } else { GATES.choose(&mut self.rng).unwrap() };
        let (patience, out) = (self.rng.random_bool(0.2).then_some(30_000), self.rng.random_bool(0.1));
        Needs { gates, patience, out }
    }

    /// Some time goes by: a little, or until something changes by itself, or right before it, or right after.
    fn pass(&mut self) -> Op {
        let times = self.model.times();
        if self.is_failing() {
            return Op::Pass(self.rng.random_range(0..100));
        }
        if times.is_empty() || self.rng.random_bool(0.5) {
            let most = [3, 300, 3_000][self.rng.random_range(0..3)];
            return Op::Pass(self.rng.random_range(0..most));
        }
        let near = times.len().min(if self.rng.random_bool(0.8) { 4 } else { usize::MAX });
        let at = times[self.rng.random_range(0..near)] + self.rng.random_range(0..3);
        Op::Pass((at - 1).saturating_sub(self.model.now))
    }

    /// What is told of a Pod Manager, or decided about it.
    fn of_podm(&mut self) -> Op {
        let podm = *PODMS.choose(&mut self.rng).unwrap();
        if self.is_failing() {
            return if self.rng.random_bool(0.8) {
                Op::Report("p1", 2, 1, None)
            } else {
                Op::Limits("p1", Some(12), None, false)
            };
        }
        let few = |rng: &mut rand::rngs::StdRng| rng.random_range(0..3);
        match self.rng.random_range(0..100) {
            0..35 => Op::Report(podm, few(&mut self.rng), 0, None),
            35..75 => {
                let asked = [None, None, None, Some(700), Some(40_000), Some(2_000_000)];
                let asked = asked[self.rng.random_range(0..asked.len())];
                let bad = [0, 1, 1, 2, 3, 5][self.rng.random_range(0..6)];
                Op::Report(podm, few(&mut self.rng), bad, asked)
            }
            75..83 => Op::Silent(podm),
            83..98 => {
                let most = [Some(1), Some(2), None, Some(12)][self.rng.random_range(0..4)];
                let reads = [Some(1), None][self.rng.random_range(0..2)];
                Op::Limits(podm, most, reads, self.rng.random_bool(0.4))
            }
            _ => Op::Gone(podm),
        }
    }

    fn place(&mut self) -> Op {
        let (gate, reader) = (*PLACES.choose(&mut self.rng).unwrap(), *READERS.choose(&mut self.rng).unwrap());
        let lasts = [5_000, 60_000][self.rng.random_range(0..2)];
        if self.rng.random_bool(0.5) { Op::Enter(gate, reader, lasts) } else { Op::Leave(gate, reader) }
    }

    /// A claim: one of the latest, or any, however stale.
    fn claimed(&mut self) -> (&'static str, String, String) {
        let all = self.claims.len();
        let from = if self.rng.random_bool(0.75) { all.saturating_sub(8) } else { 0 };
        let one = self.claims[from..].choose(&mut self.rng).cloned();
        one.unwrap_or_else(|| ("here", self.minted(), "none".to_owned()))
    }

    fn enqueue(&mut self) -> Op {
        let known = self.rng.random_bool(0.05);
        let id = if known { self.id() } else { self.minted() };
        self.ids.push(id.clone());
        let delay = if self.rng.random_bool(0.8) { 0 } else { self.delay() };
        let timeout_s = [HOUR_S, HOUR_S, HOUR_S, 60, 5][self.rng.random_range(0..5)];
        let (idem, lane) = (self.rng.random_bool(0.3), *LANES.choose(&mut self.rng).unwrap());
        let caller = CALLERS.choose(&mut self.rng).copied().filter(|_| self.rng.random_bool(0.3));
        Op::Enqueue(New { id, lane, delay, timeout_s, idem, caller, needs: self.needs() })
    }

    fn end(&mut self) -> End {
        let after = self.delay();
        if self.is_failing() {
            return End::Retry(0);
        }
        let ends = [
            End::Completed,
            End::Completed,
            End::Failed,
            End::Incomplete,
            End::Cancelled,
            End::Retry(after),
            End::Park(after),
            End::Release,
            End::Undo(after),
        ];
        *ends.choose(&mut self.rng).unwrap()
    }

    pub fn next(&mut self) -> Op {
        let worker = *WORKERS.choose(&mut self.rng).unwrap();
        match self.rng.random_range(0..125) {
            0..16 => self.enqueue(),
            16..20 => Op::Read(worker, LANES.choose(&mut self.rng).unwrap()),
            20..40 => {
                let free = if self.is_failing() { 12 } else { self.rng.random_range(0..4) };
                Op::Claim(worker, self.token(), free, From::New)
            }
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
                let ((_, id, token), end) = (self.claimed(), self.end());
                let held = self.model.held();
                let at_work = held.choose(&mut self.rng).cloned().filter(|_| self.flavour == Flavour::Failing);
                let (id, token) = at_work.unwrap_or((id, token));
                Op::Settle(id, token, end)
            }
            78..81 => Op::Reclaim(self.rng.random_range(1..4)),
            81..84 => Op::Promote(self.rng.random_range(1..6)),
            84..86 => self.place(),
            86..90 => Op::Cancel(self.id()),
            90..93 => Op::Redrive(self.id()),
            93..94 => Op::Forget(self.id()),
            94..97 => Op::Nudge(self.id()),
            97 if self.flavour == Flavour::Crowded => self.crowd(),
            97 => self.place(),
            98 => {
                let pause = self.model.paused.is_empty() && self.rng.random_bool(0.4);
                Op::Pause([Topic::Compute, Topic::Network][self.rng.random_range(0..2)], pause)
            }
            99 => Op::Repair,
            100..113 => self.pass(),
            _ => self.of_podm(),
        }
    }

    /// Many at once of one caller, or for one Pod Manager.
    fn crowd(&mut self) -> Op {
        let lane = *LANES.choose(&mut self.rng).unwrap();
        let caller = CALLERS.choose(&mut self.rng).copied().filter(|_| self.rng.random_bool(0.6));
        let gates: &[_] = if caller.is_none() { &["podm:p2:w"] } else { &[] };
        let needs = Needs { gates, ..Needs::default() };
        let ids: Vec<String> = (0..90).map(|_| self.minted()).collect();
        let new = |id: String| New { id, lane, delay: 0, timeout_s: HOUR_S, idem: false, caller, needs };
        self.ids.extend(ids.iter().step_by(10).cloned());
        Op::Crowd(ids.into_iter().map(new).collect())
    }
}
