//! What the scripts of `lua/` are to do to tasks, written down a second time and independently: plain Rust over plain maps, from DESIGN.md,
//! docs/task-states.md, docs/keys.md and what the scripts' headers promise. Its time is the campaign's, exact to the ms.

mod circuits;
mod claims;
mod clients;
mod gates;
mod limits;
mod reads;
mod upkeep;

use std::collections::{BTreeMap, BTreeSet};

pub use circuits::Circuit;

const HOUR: u64 = 3_600_000;
/// How long a place in a Pod Manager's gate lasts without news of its holder's.
pub const LEASE: u64 = 15_000;
/// How long a request whose answer was not seen may still be running.
pub const QUARANTINE: u64 = 20_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Completed,
    Failed,
    /// Failed, its undo given up.
    Incomplete,
    Cancelled,
    /// Again in so many ms.
    Retry(u64),
    Park(u64),
    Release,
    /// Retry of an undo that leads to failed.
    Undo(u64),
}

/// Where a claim takes its entries from: `Given` names them by number.
#[derive(Debug, Clone)]
pub enum From {
    New,
    Own,
    Given(Vec<u64>),
}

/// What keeps a task out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// Names of the gates it needs, in their order.
    pub gates: &'static [&'static str],
    /// So long its client waits for a Pod Manager that is away, from its acceptance on.
    pub patience: Option<u64>,
    /// It gives hardware back: a drain does not keep it out.
    pub out: bool,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct New {
    pub id: String,
    pub lane: &'static str,
    /// Not before so many ms from now.
    pub delay: u64,
    pub timeout_s: u64,
    pub idem: bool,
    pub caller: Option<&'static str>,
    pub needs: Needs,
}

/// Whether the next attempt is a retry, which its Pod Manager's budget has to let go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Retry {
    #[default]
    No,
    Yes,
    /// It has its turn then.
    At(u64),
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Task {
    pub lane: &'static str,
    pub state: &'static str,
    pub token: String,
    pub attempt: u32,
    pub claims: u32,
    pub crashes: u32,
    pub generation: u32,
    pub cancel: bool,
    pub ending: &'static str,
    pub ckpt: bool,
    pub out: bool,
    caller: Option<&'static str>,
    needs: Needs,
    /// The line that it was last put off to, and for nothing else since.
    line: String,
    /// Its time is over then; how long it has in each life.
    deadline: u64,
    timeout: u64,
    /// It was claimed in this life.
    begun: bool,
    retry: Retry,
    /// When its workers died.
    crashed: Vec<u64>,
    finished: u64,
    entry: u64,
    settled: String,
    wake: bool,
    idem: bool,
}

impl Task {
    fn has_ended(&self) -> bool {
        ["completed", "failed", "cancelled"].contains(&self.state)
    }

    fn is_held(&self) -> bool {
        !self.token.is_empty() && ["running", "cancelling"].contains(&self.state)
    }

    fn is_cancelling(&self) -> bool {
        self.state == "cancelling"
    }

    /// The Pod Manager that it changes.
    fn podm(&self) -> Option<&'static str> {
        self.needs.gates.iter().find_map(|g| g.strip_prefix("podm:")?.strip_suffix(":w"))
    }

    /// Whom it counts for in its queue. The high lane counts by itself.
    fn shares(&self) -> impl Iterator<Item = String> {
        let topic = self.lane.strip_suffix("high").unwrap_or_else(|| topic(self.lane));
        let caller = self.caller.map(|c| format!("{topic}|c:{c}"));
        caller.into_iter().chain(self.podm().map(|p| format!("{topic}|p:{p}")))
    }
}

#[derive(Debug, Clone)]
pub struct Entry {
    pub number: u64,
    pub id: String,
    /// Whose pending list it is in, once it was read.
    pub reader: Option<&'static str>,
}

#[derive(Default)]
pub struct Model {
    pub now: u64,
    pub tasks: BTreeMap<String, Task>,
    pub lanes: BTreeMap<&'static str, Vec<Entry>>,
    /// When each that waits is due.
    pub delayed: BTreeMap<String, u64>,
    pub paused: BTreeSet<&'static str>,
    pub counts: BTreeMap<String, i64>,
    /// Who is in each gate, tasks and reads by their names, and until when without news.
    pub holders: BTreeMap<String, BTreeMap<String, u64>>,
    /// Who waits for it, the first in line first: in a node's line by when it came in, else by age.
    pub lines: BTreeMap<String, BTreeSet<(u64, String)>>,
    /// How each Pod Manager stands.
    pub circuits: BTreeMap<&'static str, Circuit>,
    /// Gates with a limit of their own.
    pub limits: BTreeMap<String, usize>,
    pub draining: BTreeSet<&'static str>,
    tombstones: BTreeSet<String>,
    entries: u64,
    /// How often each rule came to bear.
    pub met: BTreeMap<&'static str, u64>,
}

fn topic(lane: &str) -> &str {
    lane.split(':').next().unwrap()
}

/// When the id was made.
fn created(id: &str) -> u64 {
    u64::from_str_radix(&format!("{}{}", &id[..8], &id[9..13]), 16).unwrap()
}

impl Model {
    pub fn at(now: u64) -> Self {
        Self { now, ..Self::default() }
    }

    fn count(&mut self, lane: &str, what: &str, n: i64) {
        *self.counts.entry(format!("{}:{what}", topic(lane))).or_default() += n;
    }

    fn meet(&mut self, rule: &'static str) {
        *self.met.entry(rule).or_default() += 1;
    }

    /// How many of each share are queued.
    pub fn shares(&self) -> BTreeMap<String, i64> {
        let mut all = BTreeMap::new();
        for field in self.tasks.values().filter(|t| t.state == "queued").flat_map(Task::shares) {
            *all.entry(field).or_default() += 1;
        }
        all
    }

    fn task(&mut self, id: &str) -> &mut Task {
        self.tasks.get_mut(id).unwrap()
    }

    fn moved(&mut self, id: &str, to: &'static str) {
        let t = self.task(id);
        let (lane, from, had_ended) = (t.lane, t.state, t.has_ended());
        t.state = to;
        if !had_ended && !from.is_empty() {
            self.count(lane, from, -1);
        }
        self.count(lane, to, 1);
    }

    /// The task's end, which frees what it holds.
    fn finish(&mut self, id: &str, to: &'static str) {
        self.task(id).finished = self.now;
        self.moved(id, to);
        self.leave_lines(id);
        self.free_gates(id, true);
    }

    fn push(&mut self, id: &str, state: &'static str) {
        self.entries += 1;
        let number = self.entries;
        let t = self.task(id);
        t.entry = number;
        let (lane, entry) = (t.lane, Entry { number, id: id.to_owned(), reader: None });
        self.lanes.entry(lane).or_default().push(entry);
        self.moved(id, state);
    }

    /// `line`: the line it is put off to, if it is one. Never beyond its time, unless something has to be waited out or undone.
    fn delay(&mut self, id: &str, state: &'static str, due: u64, line: &str) {
        let now = self.now;
        let t = self.task(id);
        line.clone_into(&mut t.line);
        let unbound = t.out || !t.ending.is_empty() || t.cancel || state == "cancelling";
        let due = if unbound { due } else { due.min(t.deadline.max(now)) };
        self.delayed.insert(id.to_owned(), due);
        self.moved(id, state);
    }

    fn undelay(&mut self, id: &str) -> bool {
        self.delayed.remove(id).is_some()
    }

    fn drop(&mut self, lane: &str, number: u64) {
        self.lanes.get_mut(lane).unwrap().retain(|e| e.number != number);
    }
}
