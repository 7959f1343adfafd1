//! The model's gates: at a Pod Manager so many places, at a node one, which is kept until the task ends and given in the order of acceptance.

use super::Model;

/// Places in each gate.
pub fn places(gate: &str) -> usize {
    if gate == "podm:p2:w" { 2 } else { 1 }
}

fn is_fifo(gate: &str) -> bool {
    gate.starts_with("node:")
}

impl Model {
    fn room(&self, gate: &str) -> usize {
        places(gate).saturating_sub(self.holders.get(gate).map_or(0, |h| h.len()))
    }

    fn leave_line(&mut self, gate: &str, id: &str) {
        if let Some(line) = self.lines.get_mut(gate) {
            line.retain(|(_, w)| w != id);
        }
    }

    /// Takes its place in the lines that are served in the order of acceptance.
    pub(super) fn line_up(&mut self, id: &str) {
        for gate in self.tasks[id].gates.iter().filter(|g| is_fifo(g)) {
            self.stand(gate, id);
        }
    }

    /// Who stands there already keeps its place.
    fn stand(&mut self, gate: &'static str, id: &str) {
        let place = if is_fifo(gate) { self.step } else { 0 };
        let line = self.lines.entry(gate).or_default();
        if !line.iter().any(|(_, w)| w == id) {
            line.insert((place, id.to_owned()));
        }
    }

    fn head(&self, gate: &str) -> Option<String> {
        self.lines.get(gate)?.first().map(|(_, id)| id.clone())
    }

    /// The first gate that keeps it out.
    pub(super) fn blocked_by(&mut self, id: &str) -> Option<&'static str> {
        for gate in self.tasks[id].gates {
            if self.holders.get(gate).is_some_and(|h| h.contains(id)) {
                continue;
            }
            if self.room(gate) == 0 {
                return Some(gate);
            }
            if is_fifo(gate) {
                while let Some(dead) = self.head(gate).filter(|w| !self.is_live(w)) {
                    self.leave_line(gate, &dead);
                }
                if self.head(gate).is_some_and(|head| head != id) {
                    return Some(gate);
                }
            }
        }
        None
    }

    pub(super) fn take_gates(&mut self, id: &str) {
        for gate in self.tasks[id].gates {
            self.holders.entry(gate).or_default().insert(id.to_owned());
            self.leave_line(gate, id);
        }
    }

    /// It waits for a gate. The line that it was called from lets the next one come.
    pub(super) fn wait_for(&mut self, gate: &'static str, id: &str) {
        self.stand(gate, id);
        let (line, cancelling) = (self.tasks[id].line, self.tasks[id].is_cancelling());
        self.delay(id, if cancelling { "cancelling" } else { "waiting" }, super::Delay::Gate, gate);
        if line != gate {
            self.pass_on(id, line);
        }
    }

    /// Who was put off for a place at a Pod Manager before brings the next one, when there is room.
    pub(super) fn pass_on(&mut self, id: &str, line: &str) {
        for gate in self.tasks[id].gates {
            if !is_fifo(gate) && *gate == line {
                self.wake(gate);
            }
        }
    }

    pub(super) fn leave_lines(&mut self, id: &str) {
        for gate in self.tasks[id].gates.iter().filter(|g| !is_fifo(g)) {
            self.leave_line(gate, id);
        }
    }

    /// All of them at the end, else those that do not outlive a run.
    pub(super) fn free_gates(&mut self, id: &str, at_end: bool) {
        for gate in self.tasks[id].gates {
            if at_end || !is_fifo(gate) {
                if let Some(holders) = self.holders.get_mut(gate) {
                    holders.remove(id);
                }
                if at_end && is_fifo(gate) {
                    self.leave_line(gate, id);
                }
                self.wake(gate);
            }
        }
    }

    /// Lets in as many as there is room for; of an ordered line, the first alone.
    fn wake(&mut self, gate: &'static str) {
        let mut free = self.room(gate);
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

    /// A read asks for a place.
    pub fn enter(&mut self, gate: &'static str, reader: &str) -> &'static str {
        let name = format!("sync:{reader}");
        if self.room(gate) == 0 && !self.holders[gate].contains(&name) {
            return "Full";
        }
        self.holders.entry(gate).or_default().insert(name);
        "In"
    }

    pub fn leave(&mut self, gate: &'static str, reader: &str) {
        if self.holders.get_mut(gate).is_some_and(|h| h.remove(&format!("sync:{reader}"))) {
            self.wake(gate);
        }
    }
}
