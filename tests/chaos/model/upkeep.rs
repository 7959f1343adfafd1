//! The model's upkeep: what is taken back, what is due, what is overdue.

use super::{Entry, HOUR, Model, QUARANTINE, Task};

impl Model {
    /// Takes back up to so many entries of each lane; how many were requeued, quarantined, ended.
    pub fn reclaim(&mut self, most: usize, gone: &[&str], lanes: &[&'static str]) -> (u32, u32, u32) {
        let (mut sum, now) = ((0, 0, 0), self.now);
        let read = |lane: &&'static str| {
            let read = self.lanes.get(*lane).into_iter().flatten().filter(|e| e.reader.is_some()).take(most);
            read.map(|e| (*lane, e.clone())).collect::<Vec<_>>()
        };
        let idle: Vec<(&'static str, Entry)> = lanes.iter().flat_map(read).collect();
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
                t.crashed.push(now);
                // The third within an hour.
                if t.crashed.iter().rev().nth(2).is_some_and(|at| now - at <= HOUR) {
                    if !t.ckpt || !t.ending.is_empty() {
                        self.finish(&id, "failed");
                        sum.2 += 1;
                        continue;
                    }
                    t.ending = "failed";
                }
            }
            self.free_gates(&id, false);
            let t = &self.tasks[&id];
            let undoing = t.is_cancelling();
            if t.out {
                self.delay(&id, if undoing { "cancelling" } else { "retrying" }, now + QUARANTINE, "");
                sum.1 += 1;
            } else {
                self.push(&id, if undoing { "cancelling" } else { "queued" });
                sum.0 += 1;
            }
        }
        sum
    }

    /// What is due, the longest first; how many.
    pub fn promote(&mut self, most: usize) -> usize {
        let mut due: Vec<(u64, String)> = self.delayed.iter().map(|(id, at)| (*at, id.clone())).collect();
        due.retain(|(at, _)| *at <= self.now);
        due.sort();
        due.truncate(most);
        for (_, id) in &due {
            self.undelay(id);
        }
        for (_, id) in &due {
            if self.tasks[id].state == "scheduled" {
                self.line_up(id);
            }
            self.leave_lines(id);
            let undoing = self.tasks[id].is_cancelling();
            self.push(id, if undoing { "cancelling" } else { "queued" });
        }
        due.len()
    }

    /// Who is at work: task and token.
    pub fn held(&self) -> Vec<(String, String)> {
        let held = self.tasks.iter().filter(|(_, t)| t.is_held());
        held.map(|(id, t)| (id.clone(), t.token.clone())).collect()
    }

    /// Whether it is there and has not ended.
    pub fn is_live(&self, id: &str) -> bool {
        self.tasks.get(id).is_some_and(|t| !t.has_ended())
    }

    /// Ends what is overdue where nothing is to be undone and nobody is at work.
    pub fn repair(&mut self) {
        let now = self.now;
        let late = |t: &Task| now > t.deadline && !t.has_ended() && !t.is_held() && !t.ckpt;
        let late: Vec<String> = self.tasks.iter().filter(|(_, t)| late(t)).map(|(id, _)| id.clone()).collect();
        for id in late {
            self.undelay(&id);
            let cancelled = self.tasks[&id].cancel;
            self.finish(&id, if cancelled { "cancelled" } else { "failed" });
        }
    }

    /// Times to come at which something changes by itself.
    pub fn times(&self) -> Vec<u64> {
        let live = self.tasks.values().filter(|t| !t.has_ended());
        let own = live.flat_map(|t| [t.deadline, t.crashed.iter().rev().nth(1).map_or(0, |at| at + HOUR)]);
        let places = self.holders.values().flat_map(|h| h.values().copied());
        let circuits = self.circuits.values().flat_map(|c| c.times());
        let mut all: Vec<u64> = self.delayed.values().copied().chain(own).chain(places).chain(circuits).collect();
        all.retain(|at| *at > self.now && *at < u64::MAX);
        all.sort_unstable();
        all.dedup();
        all
    }
}
