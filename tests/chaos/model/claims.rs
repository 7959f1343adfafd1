//! The model's workers: they read, claim, extend, save and settle.

use super::{Delay, End, From, Model, topic};

impl Model {
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
        let (state, line) = (t.state, t.line);
        if claimed.len() >= free || self.paused.contains(topic(lane)) {
            self.drop(lane, number);
            return self.push(&id, state);
        }
        if t.overdue && t.ending.is_empty() && !t.cancel {
            if !t.ckpt {
                self.drop(lane, number);
                return self.finish(&id, "failed");
            }
            self.tasks.get_mut(&id).unwrap().ending = "timeout";
        }
        if let Some(gate) = self.blocked_by(&id) {
            self.drop(lane, number);
            return self.wait_for(gate, &id);
        }
        self.take_gates(&id);
        self.pass_on(&id, line);
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
            ("timeout", _) => "Timeout",
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
            End::Completed => self.finish(id, "completed"),
            End::Cancelled => self.finish(id, "cancelled"),
            End::Incomplete => self.finish(id, "failed"),
            End::Failed => {
                if t.ckpt {
                    (t.ckpt, t.out) = (false, false);
                }
                self.finish(id, "failed");
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
        self.free_gates(id, false);
        let t = self.tasks.get_mut(id).unwrap();
        // Never looked at again while a request may still be running, whatever wakes it.
        let by = match (t.out, std::mem::take(&mut t.wake) && state == "parked") {
            (true, _) => by.max(Delay::Soon),
            (false, true) => Delay::Now,
            (false, false) => by,
        };
        let undoing = t.is_cancelling() || t.cancel;
        match by {
            Delay::Now => self.push(id, if undoing { "cancelling" } else { "queued" }),
            _ if undoing => self.delay(id, "cancelling", by, ""),
            _ => self.delay(id, if state == "queued" { "retrying" } else { state }, by, ""),
        }
    }
}
