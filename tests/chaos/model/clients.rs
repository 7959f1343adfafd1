//! The model's clients: they enqueue, cancel, redrive and delete.

use super::{HOUR, Model, Needs, New, QUARANTINE, Task, created};

/// So many tasks queued of a topic are one caller's, or one Pod Manager's, fair share.
const FAIR_SHARE: i64 = 200;

impl Model {
    pub fn enqueue(&mut self, new: &New) -> &'static str {
        let New { id, lane, delay, timeout_s, idem, caller, needs } = new;
        // Only what an Idempotency-Key stands for leaves a tombstone, and asks for one.
        if self.tasks.contains_key(id) || (*idem && self.tombstones.contains(id)) {
            return "Exists";
        }
        let (now, timeout) = (self.now, timeout_s * 1000);
        // Its time begins when it was accepted; that of an id which was booked a while ago, now.
        let begins =
            if *delay == 0 && timeout == HOUR && now - created(id) <= 1000 { created(id) } else { now + delay };
        let task = Task { lane, idem: *idem, generation: 1, caller: *caller, needs: *needs, ..Task::default() };
        let lane = self.lane_of(&task);
        self.tasks.insert(id.clone(), Task { lane, timeout, deadline: begins + timeout, ..task });
        self.count(lane, "enqueued", 1);
        if *delay == 0 {
            self.line_up(id);
            self.push(id, "queued");
        } else {
            self.delay(id, "scheduled", now + delay, "");
        }
        "New"
    }

    /// The lane that it queues in: whoever has many there takes nobody's turn.
    fn lane_of(&self, task: &Task) -> &'static str {
        const LOWER: [(&str, &str); 2] = [("compute:high", "compute:normal"), ("compute:normal", "compute:low")];
        const LOWER_NETWORK: [(&str, &str); 1] = [("network:normal", "network:low")];
        let (stand, mut task) = (self.shares(), task.clone());
        while task.shares().any(|field| stand.get(&field).is_some_and(|n| *n >= FAIR_SHARE)) {
            let below = LOWER.iter().chain(&LOWER_NETWORK).find(|(lane, _)| *lane == task.lane);
            let Some((_, below)) = below else { break };
            task.lane = below;
        }
        task.lane
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
            self.finish(id, "cancelled");
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
        let now = self.now;
        let Some(t) = self.tasks.get_mut(id) else { return "Missing".into() };
        if t.state != "failed" && t.state != "cancelled" {
            return format!("Refused({})", t.state);
        }
        // What was cancelled was undone: there is nothing to go on from. And nobody waits for its end any more.
        let ckpt = t.ckpt && t.state == "failed";
        let (needs, deadline) = (Needs { patience: None, ..t.needs }, now + t.timeout);
        let quiet_at = t.finished + QUARANTINE;
        let Task { lane, state, claims, out, idem, generation, caller, timeout, .. } = *t;
        let life = Task { lane, state, claims, out, idem, ckpt, caller, needs, timeout, deadline, ..Task::default() };
        *t = Task { generation: generation + 1, line: std::mem::take(&mut t.line), ..life };
        self.line_up(id);
        if out && quiet_at > now {
            self.delay(id, "retrying", quiet_at, "");
        } else {
            self.push(id, "queued");
        }
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
