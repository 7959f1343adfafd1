//! What the scripts of `lua/` are to do to tasks, written down a second time and independently: plain Rust over plain maps, from
//! docs/task-states.md. Without circuit breakers, whose rules tests/gates.rs has, and without Redis's clock: a delay is nothing, soon, a
//! gate's or far, and a task's time is over when somebody says so.

mod claims;
mod clients;
mod gates;
mod upkeep;

use std::collections::{BTreeMap, BTreeSet};

/// How long until something is due again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Delay {
    Now,
    Soon,
    /// Until a gate has room: half a minute, and more for whoever is far behind.
    Gate,
    Far,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Completed,
    Failed,
    /// Failed, its undo given up.
    Incomplete,
    Cancelled,
    Retry(Delay),
    Park(Delay),
    Release,
    /// Retry of an undo that leads to failed.
    Undo(Delay),
}

/// Where a claim takes its entries from: `Given` names them by number.
#[derive(Debug, Clone)]
pub enum From {
    New,
    Own,
    Given(Vec<u64>),
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct New {
    pub id: String,
    pub lane: &'static str,
    pub by: Delay,
    pub idem: bool,
    pub caller: Option<&'static str>,
    /// Names of the gates it needs, in their order.
    pub gates: &'static [&'static str],
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
    gates: &'static [&'static str],
    /// The gate that it was last put off for, and for nothing else since.
    line: &'static str,
    /// Its time is over.
    overdue: bool,
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

    /// Whom it counts for in its queue. The high lane counts by itself.
    fn shares(&self) -> impl Iterator<Item = String> {
        let topic = self.lane.strip_suffix("high").unwrap_or_else(|| topic(self.lane));
        let caller = self.caller.map(|c| format!("{topic}|c:{c}"));
        let podm = self.gates.iter().find_map(|g| g.strip_prefix("podm:")?.strip_suffix(":w"));
        caller.into_iter().chain(podm.map(|p| format!("{topic}|p:{p}")))
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
    pub tasks: BTreeMap<String, Task>,
    pub lanes: BTreeMap<&'static str, Vec<Entry>>,
    /// When it is due, in which step it was put there, which task.
    pub delayed: BTreeSet<(Delay, u64, String)>,
    pub paused: BTreeSet<&'static str>,
    pub counts: BTreeMap<String, i64>,
    /// Who is in each gate: tasks, and reads by their names.
    pub holders: BTreeMap<&'static str, BTreeSet<String>>,
    /// Who waits for it, the first in line first: in an ordered line by the step that it came in, else by age, which is what ids are sorted by.
    pub lines: BTreeMap<&'static str, BTreeSet<(u64, String)>>,
    tombstones: BTreeSet<String>,
    entries: u64,
    pub step: u64,
}

fn topic(lane: &str) -> &str {
    lane.split(':').next().unwrap()
}

impl Model {
    fn count(&mut self, lane: &str, what: &str, n: i64) {
        *self.counts.entry(format!("{}:{what}", topic(lane))).or_default() += n;
    }

    /// How many of each share are queued.
    pub fn shares(&self) -> BTreeMap<String, i64> {
        let mut all = BTreeMap::new();
        for field in self.tasks.values().filter(|t| t.state == "queued").flat_map(Task::shares) {
            *all.entry(field).or_default() += 1;
        }
        all
    }

    fn moved(&mut self, id: &str, to: &'static str) {
        let t = self.tasks.get_mut(id).unwrap();
        let (lane, from, had_ended) = (t.lane, t.state, t.has_ended());
        t.state = to;
        if !had_ended && !from.is_empty() {
            self.count(lane, from, -1);
        }
        self.count(lane, to, 1);
    }

    /// The task's end, which frees what it holds.
    fn finish(&mut self, id: &str, to: &'static str) {
        self.moved(id, to);
        self.leave_lines(id);
        self.free_gates(id, true);
    }

    fn push(&mut self, id: &str, state: &'static str) {
        self.entries += 1;
        let t = self.tasks.get_mut(id).unwrap();
        t.entry = self.entries;
        let entry = Entry { number: self.entries, id: id.to_owned(), reader: None };
        self.lanes.entry(t.lane).or_default().push(entry);
        self.moved(id, state);
    }

    /// `gate`: what it is put off for, if it is a gate. Never beyond its time, unless something has to be waited out or undone.
    fn delay(&mut self, id: &str, state: &'static str, by: Delay, gate: &'static str) {
        let t = self.tasks.get_mut(id).unwrap();
        t.line = gate;
        let undoing = !t.ending.is_empty() || t.cancel || state == "cancelling";
        let by = if t.overdue && !t.out && !undoing { Delay::Soon } else { by };
        self.delayed.insert((by, self.step, id.to_owned()));
        self.moved(id, state);
    }

    fn undelay(&mut self, id: &str) -> bool {
        let before = self.delayed.len();
        self.delayed.retain(|(_, _, d)| d != id);
        self.delayed.len() < before
    }

    fn drop(&mut self, lane: &str, number: u64) {
        self.lanes.get_mut(lane).unwrap().retain(|e| e.number != number);
    }
}
