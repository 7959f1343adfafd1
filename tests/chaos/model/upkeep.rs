//! The model's upkeep: what is taken back, what is due, what is overdue.

use super::{Delay, Entry, Model, Task};

impl Model {
    /// Takes back up to so many entries of each lane; how many were requeued, quarantined, ended.
    pub fn reclaim(&mut self, most: usize, gone: &[&str], lanes: &[&'static str]) -> (u32, u32, u32) {
        let mut sum = (0, 0, 0);
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
                if t.crashes >= 3 {
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
                self.delay(&id, if undoing { "cancelling" } else { "retrying" }, Delay::Soon, "");
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
        let due: Vec<_> = self.delayed.iter().filter(|(by, _, _)| *by <= Delay::Soon).take(most).cloned().collect();
        for entry in &due {
            self.delayed.remove(entry);
            if self.tasks[&entry.2].state == "scheduled" {
                self.line_up(&entry.2);
            }
            self.leave_lines(&entry.2);
            let undoing = self.tasks[&entry.2].is_cancelling();
            self.push(&entry.2, if undoing { "cancelling" } else { "queued" });
        }
        due.len()
    }

    /// The task's time is over.
    pub fn expire(&mut self, id: &str) {
        let capped = self.is_capped(id);
        let Some(t) = self.tasks.get_mut(id).filter(|t| !t.has_ended()) else { return };
        t.overdue = true;
        if capped && self.undelay(id) {
            self.delayed.insert((Delay::Soon, self.step, id.to_owned()));
        }
    }

    /// Whether it waits no longer than its time: nothing has to be waited out or undone first.
    pub fn is_capped(&self, id: &str) -> bool {
        let ends = |t: &Task| !t.out && !t.cancel && t.ending.is_empty() && !t.is_cancelling();
        self.tasks.get(id).is_some_and(ends)
    }

    /// Whether it is there and has not ended.
    pub fn is_live(&self, id: &str) -> bool {
        self.tasks.get(id).is_some_and(|t| !t.has_ended())
    }

    /// Ends what is overdue where nothing is to be undone and nobody is at work.
    pub fn repair(&mut self) {
        let late = |t: &Task| t.overdue && !t.has_ended() && !t.is_held() && !t.ckpt;
        let late: Vec<String> = self.tasks.iter().filter(|(_, t)| late(t)).map(|(id, _)| id.clone()).collect();
        for id in late {
            self.undelay(&id);
            let cancelled = self.tasks[&id].cancel;
            self.finish(&id, if cancelled { "cancelled" } else { "failed" });
        }
    }
}
