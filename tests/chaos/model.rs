//! What the scripts of `lua/` are to do to tasks, written down a second time and independently: plain Rust over plain maps, from
//! docs/task-states.md. Without gates, whose rules tests/gates.rs and I5 look after, and without Redis's clock: a delay is nothing, soon or far.

use std::collections::{BTreeMap, BTreeSet};

/// How long until something is due again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Delay {
    Now,
    Soon,
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
    /// Far or not, in which step it was put there, which task.
    pub delayed: BTreeSet<(bool, u64, String)>,
    pub paused: BTreeSet<&'static str>,
    pub counts: BTreeMap<String, i64>,
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

    fn moved(&mut self, id: &str, to: &'static str) {
        let t = self.tasks.get_mut(id).unwrap();
        let (lane, from, had_ended) = (t.lane, t.state, t.has_ended());
        t.state = to;
        if !had_ended && !from.is_empty() {
            self.count(lane, from, -1);
        }
        self.count(lane, to, 1);
    }

    fn push(&mut self, id: &str, state: &'static str) {
        self.entries += 1;
        let t = self.tasks.get_mut(id).unwrap();
        t.entry = self.entries;
        let entry = Entry { number: self.entries, id: id.to_owned(), reader: None };
        self.lanes.entry(t.lane).or_default().push(entry);
        self.moved(id, state);
    }

    fn delay(&mut self, id: &str, state: &'static str, by: Delay) {
        self.delayed.insert((by == Delay::Far, self.step, id.to_owned()));
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

    pub fn enqueue(&mut self, id: &str, lane: &'static str, by: Delay, idem: bool) -> &'static str {
        // Only what an Idempotency-Key stands for leaves a tombstone, and asks for one.
        if self.tasks.contains_key(id) || (idem && self.tombstones.contains(id)) {
            return "Exists";
        }
        self.tasks.insert(id.to_owned(), Task { lane, idem, generation: 1, ..Task::default() });
        self.count(lane, "enqueued", 1);
        if by == Delay::Now {
            self.push(id, "queued")
        } else {
            self.delay(id, "scheduled", by)
        }
        "New"
    }

    /// A read whose claim comes later, or never; the numbers of the entries.
    pub fn read(&mut self, worker: &'static str, lane: &str, most: usize) -> Vec<u64> {
        let entries = self.lanes.get_mut(lane).into_iter().flatten();
        let unread = entries.filter(|e| e.reader.is_none()).take(most);
        unread.map(|e| (e.reader = Some(worker), e.number).1).collect()
    }

    pub fn claim(
        &mut self,
        by: &'static str,
        token: &str,
        free: usize,
        lanes: &[&'static str],
        from: &From,
    ) -> Vec<String> {
        let mut claimed = Vec::new();
        for lane in lanes {
            let own = |m: &Self| -> Vec<u64> {
                let entries = m.lanes.get(lane).into_iter().flatten();
                entries.filter(|e| e.reader == Some(by)).map(|e| e.number).collect()
            };
            match from {
                From::Own => own(self).into_iter().for_each(|n| self.take(lane, n, by, token, free, &mut claimed)),
                From::Given(numbers) => {
                    let mine = own(self);
                    let both = numbers.iter().filter(|n| mine.contains(n));
                    both.for_each(|n| self.take(lane, *n, by, token, free, &mut claimed));
                }
                From::New => {
                    while !self.paused.contains(topic(lane)) && claimed.len() < free {
                        let got = self.read(by, lane, free - claimed.len());
                        if got.is_empty() {
                            break;
                        }
                        got.into_iter().for_each(|n| self.take(lane, n, by, token, free, &mut claimed));
                    }
                }
            }
        }
        claimed
    }

    fn take(
        &mut self,
        lane: &'static str,
        number: u64,
        _by: &str,
        token: &str,
        free: usize,
        claimed: &mut Vec<String>,
    ) {
        let id = self.lanes[lane].iter().find(|e| e.number == number).unwrap().id.clone();
        let Some(t) = self.tasks.get(&id).filter(|t| !t.has_ended() && t.entry == number) else {
            return self.drop(lane, number);
        };
        if t.is_held() {
            if t.token == token {
                claimed.push(self.answer(&id));
            }
            return;
        }
        let state = t.state;
        if claimed.len() >= free || self.paused.contains(topic(lane)) {
            self.drop(lane, number);
            return self.push(&id, state);
        }
        let t = self.tasks.get_mut(&id).unwrap();
        t.token = token.to_owned();
        t.attempt += 1;
        t.claims += 1;
        t.out = false;
        self.moved(&id, if state == "cancelling" { "cancelling" } else { "running" });
        claimed.push(self.answer(&id));
    }

    fn answer(&self, id: &str) -> String {
        let t = &self.tasks[id];
        let mode = match (t.ending, t.cancel) {
            ("failed", _) => "Fail",
            (_, true) => "Cancel",
            _ => "Run",
        };
        format!("{id} {} {} {} {} {} {mode} {}", t.lane, t.attempt, t.claims, t.crashes, t.generation, t.ckpt)
    }

    pub fn extend(&self, held: &[(String, String)]) -> Vec<&'static str> {
        let of = |(id, token): &(String, String)| match self.tasks.get(id) {
            Some(t) if t.is_held() && t.token == *token => {
                if t.cancel {
                    "Stop"
                } else {
                    "Held"
                }
            }
            _ => "Lost",
        };
        held.iter().map(of).collect()
    }

    pub fn checkpoint(&mut self, id: &str, token: &str, out: bool) -> &'static str {
        let said = self.extend(&[(id.to_owned(), token.to_owned())])[0];
        if said == "Lost" {
            let lane = self.tasks.get(id).map_or("unknown", |t| t.lane);
            self.count(lane, "fenced", 1);
        } else {
            let t = self.tasks.get_mut(id).unwrap();
            (t.ckpt, t.out) = (true, out);
        }
        said
    }

    pub fn settle(&mut self, id: &str, token: &str, end: End) -> &'static str {
        let found = self.tasks.get(id).cloned().unwrap_or_default();
        if found.token != token {
            if found.settled == token {
                return "Already";
            }
            self.count(if found.lane.is_empty() { "unknown" } else { found.lane }, "fenced", 1);
            return "Fenced";
        }
        if !found.is_held() {
            return "Already";
        }
        self.drop(found.lane, found.entry);
        let t = self.tasks.get_mut(id).unwrap();
        match end {
            End::Completed => self.moved(id, "completed"),
            End::Cancelled => self.moved(id, "cancelled"),
            End::Incomplete => self.moved(id, "failed"),
            End::Failed => {
                if t.ckpt {
                    (t.ckpt, t.out) = (false, false);
                }
                self.moved(id, "failed");
            }
            End::Retry(by) => self.again(id, "retrying", by),
            End::Park(by) => self.again(id, "parked", by),
            End::Release => self.again(id, "queued", Delay::Now),
            End::Undo(by) => {
                t.ending = "failed";
                self.again(id, "retrying", by);
            }
        }
        "Ok"
    }

    fn again(&mut self, id: &str, state: &'static str, by: Delay) {
        let t = self.tasks.get_mut(id).unwrap();
        t.settled = std::mem::take(&mut t.token);
        if state != "retrying" {
            t.attempt = t.attempt.saturating_sub(1);
        }
        // Never looked at again while a request may still be running, whatever wakes it.
        let by = match (t.out, std::mem::take(&mut t.wake) && state == "parked") {
            (true, _) => by.max(Delay::Soon),
            (false, true) => Delay::Now,
            (false, false) => by,
        };
        let undoing = t.is_cancelling() || t.cancel;
        match by {
            Delay::Now => self.push(id, if undoing { "cancelling" } else { "queued" }),
            _ if undoing => self.delay(id, "cancelling", by),
            _ => self.delay(id, if state == "queued" { "retrying" } else { state }, by),
        }
    }

    /// Takes back up to so many entries of each lane; how many were requeued, quarantined, ended.
    pub fn reclaim(&mut self, most: usize, gone: &[&str]) -> (u32, u32, u32) {
        let mut sum = (0, 0, 0);
        let idle: Vec<(&'static str, Entry)> = self
            .lanes
            .iter()
            .flat_map(|(lane, list)| list.iter().filter(|e| e.reader.is_some()).take(most).map(|e| (*lane, e.clone())))
            .collect();
        for (lane, Entry { number, id, reader }) in idle {
            self.drop(lane, number);
            let Some(t) = self.tasks.get_mut(&id).filter(|t| !t.has_ended() && t.entry == number) else { continue };
            if !t.is_held() {
                let state = t.state;
                self.push(&id, state);
                sum.0 += 1;
                continue;
            }
            t.token.clear();
            t.attempt = t.attempt.saturating_sub(1);
            if gone.contains(&reader.unwrap()) {
                t.crashes += 1;
                if t.crashes >= 3 {
                    if !t.ckpt || !t.ending.is_empty() {
                        self.moved(&id, "failed");
                        sum.2 += 1;
                        continue;
                    }
                    t.ending = "failed";
                }
            }
            let undoing = t.is_cancelling();
            if t.out {
                self.delay(&id, if undoing { "cancelling" } else { "retrying" }, Delay::Soon);
                sum.1 += 1;
            } else {
                self.push(&id, if undoing { "cancelling" } else { "queued" });
                sum.0 += 1;
            }
        }
        sum
    }

    /// Everything that is due soon is due now; how many.
    pub fn promote(&mut self, most: usize) -> usize {
        let due: Vec<_> = self.delayed.iter().filter(|(far, _, _)| !far).take(most).cloned().collect();
        for entry in &due {
            self.delayed.remove(entry);
            let undoing = self.tasks[&entry.2].is_cancelling();
            self.push(&entry.2, if undoing { "cancelling" } else { "queued" });
        }
        due.len()
    }

    pub fn cancel(&mut self, id: &str) -> &'static str {
        let Some(t) = self.tasks.get_mut(id) else { return "Missing" };
        if t.has_ended() {
            return "Ended";
        }
        if t.is_cancelling() {
            return "Cancelling";
        }
        let (held, in_stream, out) = (t.is_held(), t.state == "queued", t.out);
        if !held && !t.ckpt {
            self.undelay(id);
            self.moved(id, "cancelled");
            return "Cancelled";
        }
        t.cancel = true;
        if !held {
            t.token.clear();
        }
        if held || in_stream || out {
            self.moved(id, "cancelling");
        } else {
            self.undelay(id);
            self.push(id, "cancelling");
        }
        "Cancelling"
    }

    pub fn redrive(&mut self, id: &str) -> String {
        let Some(t) = self.tasks.get_mut(id) else { return "Missing".into() };
        if t.state != "failed" && t.state != "cancelled" {
            return format!("Refused({})", t.state);
        }
        // What was cancelled was undone: there is nothing to go on from.
        let ckpt = t.ckpt && t.state == "failed";
        let Task { lane, state, claims, out, idem, generation, .. } = *t;
        *t = Task { lane, state, claims, out, idem, ckpt, generation: generation + 1, ..Task::default() };
        self.push(id, "queued");
        "Queued".into()
    }

    pub fn forget(&mut self, id: &str) -> &'static str {
        match self.tasks.get(id) {
            None => "Missing",
            Some(t) if !t.has_ended() => "Kept",
            Some(t) => {
                if t.idem {
                    self.tombstones.insert(id.to_owned());
                }
                self.tasks.remove(id);
                "Gone"
            }
        }
    }

    pub fn nudge(&mut self, id: &str) {
        let Some(t) = self.tasks.get_mut(id) else { return };
        if t.is_held() {
            t.wake = true;
            return;
        }
        let state = t.state;
        if !t.out && (state == "parked" || state == "cancelling") && self.undelay(id) {
            self.push(id, if state == "parked" { "queued" } else { "cancelling" });
        }
    }
}
