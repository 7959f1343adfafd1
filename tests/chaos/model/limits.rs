//! The model's operators: how many a Pod Manager takes at once, and that it takes no more.

use super::Model;

impl Model {
    /// Places in a gate: its own number, or what it has by default.
    pub fn limit(&self, gate: &str) -> usize {
        let by_default = match gate.rsplit(':').next() {
            Some("w") => 4,
            Some("r") => 8,
            _ => 1,
        };
        self.limits.get(gate).copied().unwrap_or(by_default)
    }

    pub fn set_limits(&mut self, podm: &'static str, changes: Option<usize>, reads: Option<usize>, drain: bool) {
        for (part, limit) in [("w", changes), ("r", reads)] {
            let gate = format!("podm:{podm}:{part}");
            match limit {
                Some(limit) => self.limits.insert(gate, limit),
                None => self.limits.remove(&gate),
            };
        }
        let (gate, kept_out) = (format!("podm:{podm}:w"), format!("podm:{podm}:drain"));
        if drain {
            self.draining.insert(podm);
        } else {
            self.draining.remove(podm);
            // They stand in line as if nothing had been.
            let back = self.lines.remove(&kept_out).unwrap_or_default();
            self.lines.entry(gate.clone()).or_default().extend(back);
        }
        self.wake(&gate);
    }

    /// It is gone: what is known of it with it.
    pub fn forget_podm(&mut self, podm: &'static str) {
        self.circuits.remove(podm);
        self.set_limits(podm, None, None, false);
    }

    /// Whether a drain keeps the task out: what has begun ends, and what gives hardware back goes on.
    pub(super) fn is_kept_out(&self, id: &str, podm: &str) -> bool {
        let t = &self.tasks[id];
        let has_begun = t.begun || t.ckpt || t.cancel || !t.ending.is_empty();
        self.draining.contains(podm) && !has_begun && !t.needs.out
    }
}
