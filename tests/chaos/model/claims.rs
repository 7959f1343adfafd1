//! The model's workers: they read, claim, extend, save and settle.

use super::{End, From, Model, QUARANTINE, Retry, Task, topic};

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
        let (state, line) = (t.state, t.line.clone());
        if claimed.len() >= free || self.paused.contains(topic(lane)) {
            self.drop(lane, number);
            return self.push(&id, state);
        }
        if self.now >= t.deadline && t.ending.is_empty() && !t.cancel {
            if !t.ckpt {
                self.drop(lane, number);
                self.meet("overdue");
                return self.finish(&id, "failed");
            }
            self.task(&id).ending = "timeout";
        }
        let tries = match self.way_in(&id) {
            Ok(tries) => tries,
            Err(block) => {
                self.drop(lane, number);
                if self.is_in_vain(&id, &block) {
                    self.meet("waited for in vain");
                    return self.finish(&id, "failed");
                }
                return self.wait_for(&block, &id);
            }
        };
        if let Some(at) = self.later_turn(&id) {
            self.drop(lane, number);
            self.task(&id).retry = Retry::At(at);
            self.meet("retries put off");
            self.delay(&id, if state == "cancelling" { "cancelling" } else { "waiting" }, at, "");
            return self.pass_on(&id, &line);
        }
        self.take_gates(&id, tries);
        self.pass_on(&id, &line);
        let t = self.task(&id);
        t.token = token.to_owned();
        t.attempt += 1;
        t.claims += 1;
        (t.out, t.begun, t.retry) = (false, true, Retry::No);
        self.moved(&id, if state == "cancelling" { "cancelling" } else { "running" });
        claimed.push(self.answer(&id));
    }

    /// When it has its turn, if it is a retry that may not go yet.
    fn later_turn(&mut self, id: &str) -> Option<u64> {
        let t = &self.tasks[id];
        let turn = match (t.retry, t.podm()) {
            (Retry::At(turn), _) => turn,
            (Retry::Yes, Some(podm)) => self.turn(podm),
            _ => return None,
        };
        Some(turn).filter(|turn| *turn > self.now)
    }

    fn answer(&self, id: &str) -> String {
        let t = &self.tasks[id];
        let mode = match (t.ending, t.cancel) {
            ("failed", _) => "Fail",
            ("timeout", _) => "Timeout",
            (_, true) => "Cancel",
            _ => "Run",
        };
        let Task { lane, attempt, claims, crashes, generation, ckpt, .. } = t;
        let left = t.deadline.saturating_sub(self.now);
        format!("{id} {lane} {attempt} {claims} {crashes} {generation} {mode} {ckpt} {left}")
    }

    pub fn extend(&mut self, held: &[(String, String)]) -> Vec<&'static str> {
        held.iter().map(|(id, token)| self.hold(id, token, true)).collect()
    }

    /// Whether the claim is still the caller's; a heartbeat keeps its places.
    fn hold(&mut self, id: &str, token: &str, keep: bool) -> &'static str {
        let Some(t) = self.tasks.get(id).filter(|t| t.is_held() && t.token == token) else { return "Lost" };
        let said = if t.cancel { "Stop" } else { "Held" };
        if keep {
            self.keep_gates(id);
        }
        said
    }

    pub fn checkpoint(&mut self, id: &str, token: &str, out: bool) -> &'static str {
        let said = self.hold(id, token, false);
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
            End::Retry(after) => self.again(id, "retrying", after),
            End::Park(after) => self.again(id, "parked", after),
            End::Release => self.again(id, "queued", 0),
            End::Undo(after) => {
                t.ending = "failed";
                self.again(id, "retrying", after);
            }
        }
        "Ok"
    }

    fn again(&mut self, id: &str, state: &'static str, after: u64) {
        let t = self.task(id);
        t.settled = std::mem::take(&mut t.token);
        if state == "retrying" {
            t.retry = Retry::Yes;
        } else {
            t.attempt = t.attempt.saturating_sub(1);
        }
        self.free_gates(id, false);
        let now = self.now;
        let t = self.task(id);
        // Never looked at again while a request may still be running, whatever wakes it.
        let after = match (t.out, std::mem::take(&mut t.wake) && state == "parked") {
            (true, _) => after.max(QUARANTINE),
            (false, true) => 0,
            (false, false) => after,
        };
        let undoing = t.is_cancelling() || t.cancel;
        match after {
            0 => self.push(id, if undoing { "cancelling" } else { "queued" }),
            _ if undoing => self.delay(id, "cancelling", now + after, ""),
            _ => self.delay(id, if state == "queued" { "retrying" } else { state }, now + after, ""),
        }
    }
}
