//! How soon a Pod Manager would have another node: from what runs and waits there, since when, how much it does at once, and how long a
//! compose takes there of late.
//!
//! What has taken longer than expected is taken to last as long again as it is late: a compose that hangs is waited for less and less.

use super::Fit;
use super::capacity::Room;

/// No line is reckoned to last longer, ms.
const LONGEST_MS: f64 = 1e10;
/// How exactly it is reckoned how long a line lasts.
const EXACT: f64 = 1.01;

/// How soon at one Pod Manager.
pub(super) struct Pace {
    /// How long a compose takes, ms.
    takes: f64,
    /// How much it does at once.
    at_once: usize,
    /// What runs, waits or is about to begin there.
    standing: usize,
    /// In how many ms each place that is taken is free.
    taken: Vec<f64>,
    /// How many more it has hardware for.
    room: f64,
}

impl Pace {
    /// `average`: how long a compose takes where nobody knows, ms.
    pub(super) fn of(fit: &Fit<'_>, average: f64, now_ms: u64) -> Self {
        let candidate = fit.candidate;
        let takes = candidate.compose_ms.map_or(average, ms).max(1.0);
        let at_once = usize::try_from(candidate.places()).unwrap_or(usize::MAX);
        let begun = candidate.begun(now_ms);
        let mut taken: Vec<f64> = begun.map(|r| (takes - ms(now_ms.saturating_sub(r.begun_ms))).abs()).collect();
        let standing = usize::try_from(candidate.in_flight).unwrap_or(usize::MAX).max(taken.len());
        // When other changes have begun nobody knows.
        taken.resize(standing.min(at_once).max(taken.len()), takes);
        if taken.len() > at_once {
            taken.sort_unstable_by(f64::total_cmp);
            taken.truncate(at_once);
        }
        let room = match fit.room {
            Room::Shape { left, .. } => f64::from(left),
            Room::Unknown => f64::MAX,
        };
        Self { takes, at_once, standing, taken, room }
    }

    /// Whether another one could begin now.
    pub(super) fn has_place(&self) -> bool {
        self.standing < self.at_once
    }

    /// In how many ms a node that is asked for now would be there.
    pub(super) fn there_in(&self) -> f64 {
        if self.has_place() {
            return self.takes;
        }
        let next = self.taken.iter().copied().fold(f64::MAX, f64::min);
        let rounds_before = (self.standing - self.at_once) / self.at_once;
        next + self.takes * (1.0 + whole(rounds_before))
    }

    /// How many more could be there in so many ms.
    fn there_by(&self, time: f64) -> f64 {
        let rounds = |left: f64| (left / self.takes).floor().max(0.0);
        let idle = whole(self.at_once - self.taken.len()) * rounds(time);
        let busy: f64 = self.taken.iter().map(|free_in| rounds(time - free_in)).sum();
        let before = whole(self.standing.saturating_sub(self.at_once));
        (idle + busy - before).clamp(0.0, self.room)
    }
}

/// In how many ms so many nodes could be there, wherever, or as many as there is hardware for; 0: there is none.
pub(super) fn all_there_in<'a, P: Iterator<Item = &'a Pace>>(nodes: u64, paces: impl Fn() -> P) -> f64 {
    let possible = ms(nodes).min(paces().map(|pace| pace.room).sum());
    if possible < 1.0 {
        return 0.0;
    }
    let enough = |time: f64| {
        let mut missing = possible;
        paces().any(|pace| {
            missing -= pace.there_by(time);
            missing <= 0.0
        })
    };
    let mut late = paces().map(Pace::there_in).fold(f64::MAX, f64::min).min(LONGEST_MS);
    let mut early = late / EXACT;
    while late < LONGEST_MS && !enough(late) {
        early = late;
        late *= 2.0;
    }
    while late / early > EXACT {
        let middle = f64::midpoint(early, late);
        if enough(middle) { late = middle } else { early = middle }
    }
    late
}

#[expect(clippy::cast_precision_loss, reason = "ms and counts are far below 2^52")]
pub(super) fn ms(n: u64) -> f64 {
    n as f64
}

fn whole(n: usize) -> f64 {
    ms(u64::try_from(n).unwrap_or(u64::MAX))
}
