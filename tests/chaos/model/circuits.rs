//! The model's circuits: whether a Pod Manager may be asked, by what came of asking it, and how many retries it is spared.

use super::Model;

/// So many failures open it: in a row, or as half of what was asked within the window.
const ENOUGH: u32 = 5;
/// How long failures count, from the first of them on; and how long a Pod Manager that answers nothing lets in one at a time.
const WINDOW: u64 = 120_000;
/// How long it stays open, at first and at most.
const FIRST: u64 = 5_000;
const LONGEST: u64 = 60_000;
/// So long a Pod Manager may ask to be left alone.
const LONGEST_ASKED: u64 = 600_000;
/// So long the one who tries it keeps others out without news.
const PROBE: u64 = 30_000;
/// Retries that go at once, and how often another does.
const AT_ONCE: u64 = 10;
const EVERY: u64 = 500;

/// Whom a circuit lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lets {
    Everybody,
    /// One at a time.
    OneAtATime,
    /// One, to see whether it answers.
    Probe,
    /// Nobody until then.
    Nobody(u64),
}

/// Answers and failures since the first failure.
#[derive(Debug, Clone, Copy)]
struct Window {
    since: u64,
    calls: u32,
    fails: u32,
    row: u32,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    until: u64,
    length: u64,
    fails: u32,
}

#[derive(Debug, Clone, Default)]
pub struct Circuit {
    /// Not closed: until when nobody tries it; from then on half-open.
    open: Option<Open>,
    /// Who tries it, until when.
    probe: Option<(String, u64)>,
    window: Option<Window>,
    /// It asked to be left alone until then.
    later: u64,
    /// Since when it has answered nothing.
    silent: Option<u64>,
    /// Retries that have gone or have their turns, as time that they take together, and when that was reckoned.
    booked: (u64, u64),
}

impl Circuit {
    pub(super) fn lets(&self, now: u64) -> Lets {
        let until = self.open.map_or(0, |open| open.until);
        let tried = self.probe.as_ref().map_or(0, |(_, until)| *until);
        match self.open {
            _ if self.later > now => Lets::Nobody(self.later.max(until)),
            Some(_) if until > now => Lets::Nobody(until),
            Some(_) if tried > now => Lets::Nobody(tried),
            Some(_) => Lets::Probe,
            None if self.is_silent(now) => Lets::OneAtATime,
            None => Lets::Everybody,
        }
    }

    fn is_silent(&self, now: u64) -> bool {
        self.silent.is_some_and(|since| now < since + WINDOW)
    }

    fn window_at(&self, now: u64) -> Option<Window> {
        self.window.filter(|window| now - window.since <= WINDOW)
    }

    /// What an operator is shown: how it stands, failures that count, until when nobody is let in, whether it is silent.
    pub fn shown(&self, now: u64) -> (&'static str, u32, Option<u64>, bool) {
        let until = self.later.max(self.open.map_or(0, |open| open.until));
        let state = if until > now {
            "Open"
        } else if self.open.is_some() {
            "HalfOpen"
        } else {
            "Closed"
        };
        let fails = self.open.map(|open| open.fails).or(self.window_at(now).map(|w| w.fails));
        (state, fails.unwrap_or(0), Some(until).filter(|at| *at > now), state == "Closed" && self.is_silent(now))
    }

    /// Times at which something changes by itself.
    pub(super) fn times(&self) -> impl Iterator<Item = u64> {
        let open = self.open.map(|open| open.until);
        let probe = self.probe.as_ref().map(|(_, until)| *until);
        let (window, silent) = (self.window.map(|w| w.since + WINDOW + 1), self.silent.map(|since| since + WINDOW));
        let booked = self.booked.1 + self.booked.0;
        let turn = booked.saturating_sub((AT_ONCE - 1) * EVERY);
        [open, probe, window, silent, Some(self.later), Some(booked), Some(turn)].into_iter().flatten()
    }
}

impl Model {
    /// What came of requests to a Pod Manager; whether its circuit is not closed.
    pub fn report(&mut self, podm: &'static str, good: u32, bad: u32, asked: Option<u64>) -> bool {
        let now = self.now;
        let c = self.circuits.entry(podm).or_default();
        let was_silent = good > 0 && c.silent.take().is_some();
        let (mut wake, mut next_try) = (was_silent, Vec::new());
        if let Some(at) = asked.map(|ms| now + ms.min(LONGEST_ASKED)).filter(|at| *at > c.later) {
            c.later = at;
            next_try.push(at);
        }
        let mut met = None;
        let mut reopen = |c: &mut Circuit, length, fails| {
            (c.open, c.probe) = (Some(Open { until: now + length, length, fails }), None);
            next_try.push(now + length);
        };
        match c.open {
            // News of requests sent before it opened.
            Some(open) if open.until > now => c.open = Some(Open { fails: open.fails + bad, ..open }),
            Some(Open { length, fails, .. }) if bad > 0 => {
                reopen(c, (2 * length).min(LONGEST), fails + bad);
                met = Some("probes that failed");
            }
            Some(_) if good > 0 => {
                (c.open, c.probe, c.window, wake) = (None, None, None, true);
                met = Some("circuits closed");
            }
            Some(_) => {}
            None => {
                c.window = c.window_at(now);
                if bad > 0 {
                    let w = c.window.unwrap_or(Window { since: now, calls: 0, fails: 0, row: 0 });
                    c.window = Some(w);
                }
                if let Some(w) = &mut c.window {
                    // The answers came before the failures.
                    w.row = if good > 0 { bad } else { w.row + bad };
                    (w.calls, w.fails) = (w.calls + good + bad, w.fails + bad);
                    let w = *w;
                    if bad > 0 && (w.row >= ENOUGH || w.fails >= ENOUGH && 2 * w.fails >= w.calls) {
                        reopen(c, FIRST, w.fails);
                        met = Some("circuits opened");
                    }
                }
            }
        }
        let is_open = c.open.is_some();
        for at in next_try {
            self.hurry(podm, at);
        }
        if let Some(rule) = met {
            self.meet(rule);
        }
        if wake {
            self.wake(&format!("podm:{podm}:w"));
        }
        is_open
    }

    /// It was asked, and has answered nothing for a while.
    pub fn silent(&mut self, podm: &'static str) {
        self.circuits.entry(podm).or_default().silent = Some(self.now);
        // A window that is over is so for all.
        self.report(podm, 0, 0, None);
    }

    pub(super) fn begin_probe(&mut self, podm: &'static str, holder: &str) {
        let until = self.now + PROBE;
        self.circuits.entry(podm).or_default().probe = Some((holder.to_owned(), until));
        self.meet("probes");
    }

    /// Without news, its place is the next one's, in whatever line that stands.
    pub(super) fn end_probe(&mut self, podm: &'static str, holder: &str) {
        let Some(c) = self.circuits.get_mut(podm) else { return };
        if c.probe.take_if(|(who, _)| who == holder).is_some() {
            self.hurry(podm, self.now);
            self.meet("probes without news");
        }
    }

    /// Somebody must find out whether it is back: the first in line comes then, if not sooner.
    pub(super) fn hurry(&mut self, podm: &str, at: u64) {
        let head = self.head(&format!("podm:{podm}:w"));
        if let Some(due) = head.and_then(|head| self.delayed.get_mut(&head)) {
            *due = at.min(*due);
        }
    }

    /// When a retry may go: while others that failed have used the budget up, at a turn of its own. Where nothing has failed there is nothing to be spared.
    pub(super) fn turn(&mut self, podm: &'static str) -> u64 {
        let now = self.now;
        let Some(c) = self.circuits.get_mut(podm).filter(|c| c.window_at(now).is_some()) else { return now };
        let booked = c.booked.0.saturating_sub(now - c.booked.1);
        c.booked = (booked + EVERY, now);
        now + booked.saturating_sub((AT_ONCE - 1) * EVERY)
    }
}
