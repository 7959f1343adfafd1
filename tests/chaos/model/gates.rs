//! The model's gates: at a Pod Manager so many places, at a node one, which is kept until the task ends and given in the order of acceptance.

use super::circuits::Lets;
use super::{Model, created};

/// When somebody who waits looks again, if nobody calls: later the more there are in line.
const FALLBACK: u64 = 30_000;
const EACH: u64 = 5;
const LONGEST_FALLBACK: u64 = 600_000;

/// How a gate stands.
pub(super) struct Room {
    pub(super) free: usize,
    pub(super) lets: Lets,
}

/// What a task has to wait for.
pub(super) struct Block {
    line: String,
    /// Until when nobody is let in there, where that is known.
    until: Option<u64>,
    silent: bool,
}

fn is_fifo(gate: &str) -> bool {
    gate.starts_with("node:")
}

/// The Pod Manager that a gate, or a line, is of.
pub(super) fn podm_of(gate: &str) -> Option<&str> {
    Some(gate.strip_prefix("podm:")?.rsplit_once(':')?.0)
}

impl Model {
    pub(super) fn room(&self, gate: &str) -> Room {
        let of_podm = podm_of(gate).and_then(|podm| self.circuits.get(podm));
        let lets = of_podm.map_or(Lets::Everybody, |c| c.lets(self.now));
        let places = if lets == Lets::OneAtATime { 1 } else { self.limit(gate) };
        let free = places.saturating_sub(self.inside(gate).count());
        let free = match lets {
            Lets::Nobody(_) => 0,
            Lets::Probe => free.min(1),
            Lets::Everybody | Lets::OneAtATime => free,
        };
        Room { free, lets }
    }

    /// Who is in it now.
    pub fn inside(&self, gate: &str) -> impl Iterator<Item = &String> {
        let all = self.holders.get(gate).into_iter().flatten();
        all.filter(|(_, until)| **until > self.now).map(|(who, _)| who)
    }

    fn leave_line(&mut self, gate: &str, id: &str) {
        if let Some(line) = self.lines.get_mut(gate) {
            line.retain(|(_, w)| w != id);
        }
    }

    /// Takes its place in the lines that are served in the order of acceptance.
    pub(super) fn line_up(&mut self, id: &str) {
        for gate in self.tasks[id].needs.gates.iter().filter(|g| is_fifo(g)) {
            self.stand(gate, id, self.now);
        }
    }

    /// Who stands there already keeps its place.
    fn stand(&mut self, line: &str, id: &str, place: u64) {
        let line = self.lines.entry(line.to_owned()).or_default();
        if !line.iter().any(|(_, w)| w == id) {
            line.insert((place, id.to_owned()));
        }
    }

    pub(super) fn head(&self, line: &str) -> Option<String> {
        self.lines.get(line)?.first().map(|(_, id)| id.clone())
    }

    /// The first that keeps it out; else the Pod Manager that it is the one to try.
    pub(super) fn way_in(&mut self, id: &str) -> Result<Option<&'static str>, Block> {
        let mut tries = None;
        for gate in self.tasks[id].needs.gates {
            if self.holders.get(*gate).is_some_and(|h| h.contains_key(id)) {
                continue;
            }
            let block = |line: String| Block { line, until: None, silent: false };
            let podm = podm_of(gate);
            if let Some(podm) = podm.filter(|podm| self.is_kept_out(id, podm)) {
                self.meet("kept out by a drain");
                return Err(block(format!("podm:{podm}:drain")));
            }
            let Room { free, lets } = self.room(gate);
            if free == 0 {
                let until = if let Lets::Nobody(until) = lets { Some(until) } else { None };
                let silent = lets == Lets::OneAtATime;
                self.meet(if until.is_some() { "kept out by a circuit" } else { "kept out by a full gate" });
                return Err(Block { until, silent, ..block((*gate).to_owned()) });
            }
            if lets == Lets::Probe {
                tries = podm;
            }
            if is_fifo(gate) {
                while let Some(dead) = self.head(gate).filter(|w| !self.is_live(w)) {
                    self.leave_line(gate, &dead);
                }
                if self.head(gate).is_some_and(|head| head != id) {
                    return Err(block((*gate).to_owned()));
                }
            }
        }
        Ok(tries)
    }

    /// Until when its client waits for a Pod Manager that is away, unless something was begun.
    fn patience(&self, id: &str) -> Option<u64> {
        let t = &self.tasks[id];
        let has_begun = t.ckpt || t.cancel || !t.ending.is_empty();
        t.needs.patience.filter(|_| !has_begun).map(|ms| created(id) + ms)
    }

    /// Whether waiting is of no use to its client: its Pod Manager is away, and will be as long as anybody waits.
    pub(super) fn is_in_vain(&self, id: &str, block: &Block) -> bool {
        let Some(patience) = self.patience(id) else { return false };
        let is_away = block.until.is_some() || block.silent;
        block.until.is_some_and(|until| until >= patience) || is_away && self.now >= patience
    }

    pub(super) fn take_gates(&mut self, id: &str, tries: Option<&'static str>) {
        for gate in self.tasks[id].needs.gates {
            let until = if is_fifo(gate) { u64::MAX } else { self.now + super::LEASE };
            self.holders.entry((*gate).to_owned()).or_default().insert(id.to_owned(), until);
            self.leave_line(gate, id);
        }
        if let Some(podm) = tries {
            self.begin_probe(podm, id);
        }
    }

    /// Its worker is alive.
    pub(super) fn keep_gates(&mut self, id: &str) {
        for gate in self.tasks[id].needs.gates.iter().filter(|g| !is_fifo(g)) {
            let until = self.now + super::LEASE;
            self.holders.entry((*gate).to_owned()).or_default().insert(id.to_owned(), until);
        }
    }

    /// It waits in a line, and looks again when somebody may be let in if it is the first there. The line that it was called from lets the next one come.
    pub(super) fn wait_for(&mut self, block: &Block, id: &str) {
        let line = &block.line;
        self.stand(line, id, created(id));
        let ahead = u64::try_from(self.lines[line].len()).unwrap();
        let mut due = self.now + (FALLBACK + EACH * ahead).min(LONGEST_FALLBACK);
        if let Some(until) = block.until {
            let is_first = self.head(line).is_some_and(|head| head == id);
            due = if is_first { until } else { due.max(until) };
        }
        due = self.patience(id).filter(|patience| *patience > self.now).map_or(due, |patience| due.min(patience));
        let (called_from, cancelling) = (self.tasks[id].line.clone(), self.tasks[id].is_cancelling());
        self.delay(id, if cancelling { "cancelling" } else { "waiting" }, due, line);
        if called_from != *line {
            self.pass_on(id, &called_from);
        }
    }

    /// Who was put off at a Pod Manager before brings the next one, when there is room.
    pub(super) fn pass_on(&mut self, id: &str, line: &str) {
        for gate in self.tasks[id].needs.gates {
            if podm_of(gate).is_some() && podm_of(gate) == podm_of(line) {
                self.wake(gate);
            }
        }
    }

    /// Where only those stand who wait.
    pub(super) fn leave_lines(&mut self, id: &str) {
        let t = &self.tasks[id];
        let (gates, line) = (t.needs.gates, t.line.clone());
        for gate in gates.iter().filter(|g| !is_fifo(g)) {
            self.leave_line(gate, id);
        }
        if line.ends_with(":drain") {
            self.leave_line(&line, id);
        }
    }

    /// All of them at the end, else those that do not outlive a run.
    pub(super) fn free_gates(&mut self, id: &str, at_end: bool) {
        for gate in self.tasks[id].needs.gates {
            if at_end || !is_fifo(gate) {
                if let Some(holders) = self.holders.get_mut(*gate) {
                    holders.remove(id);
                }
                if at_end && is_fifo(gate) {
                    self.leave_line(gate, id);
                }
                if let Some(podm) = podm_of(gate) {
                    self.end_probe(podm, id);
                }
                self.wake(gate);
            }
        }
    }

    /// Lets in as many as there is room for; of an ordered line, the first alone.
    pub(super) fn wake(&mut self, gate: &str) {
        let Room { mut free, lets } = self.room(gate);
        if let (Lets::Nobody(until), Some(podm)) = (lets, podm_of(gate)) {
            return if gate.ends_with(":w") {
                self.hurry(podm, until)
            };
        }
        while free > 0 {
            let Some(head) = self.head(gate) else { return };
            let state = self.tasks.get(&head).map_or("", |t| t.state);
            let waits = state == "waiting" || state == "cancelling";
            if waits && self.undelay(&head) {
                self.leave_lines(&head);
                self.push(&head, if state == "waiting" { "queued" } else { "cancelling" });
                free -= 1;
            } else if is_fifo(gate) && self.is_live(&head) {
                return;
            } else {
                self.leave_line(gate, &head);
            }
            if is_fifo(gate) && waits {
                return;
            }
        }
    }
}
