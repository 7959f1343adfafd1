//! Deals faults to a deployment by a seeded schedule, and keeps the log of them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::support::deployment::{Deployment, signal};
use super::support::netns::{self, Net};

/// What can go wrong, and how often beside the others.
pub type Weights = &'static [(Fault, u32)];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// kill -9 and a new process at once.
    Kill(&'static str),
    /// SIGSTOP, and SIGCONT up to so many ms later: longer than a lease makes a late writer.
    Pause(&'static str, u64),
    /// SIGTERM; a new process when it has drained.
    Drain(&'static str),
    /// The host's clock is an hour off from now on, or right again.
    ClockJump,
    /// Its host's cable is out.
    Cut(&'static str),
    /// What it sends to Redis is lost.
    Deaf(&'static str),
    /// What Redis sends to it is lost.
    Mute(&'static str),
    /// It and a Pod Manager do not hear each other.
    Apart(&'static str),
    /// kill -9, and a new Redis on the same files.
    RedisKill,
    /// Redis is stopped up to so many ms.
    RedisPause(u64),
    /// Redis answers nobody up to so many ms.
    RedisHold(u64),
}

/// Processes without redis faults.
pub const PROCESSES: Weights = &[
    (Fault::Kill("worker"), 26),
    (Fault::Pause("worker", 5000), 38),
    (Fault::Drain("worker"), 6),
    (Fault::ClockJump, 4),
    (Fault::Kill("api"), 7),
    (Fault::Kill("scheduler"), 6),
    (Fault::Pause("scheduler", 3000), 6),
    (Fault::Kill("podm-sim"), 4),
    (Fault::Pause("podm-sim", 4000), 4),
];

/// Nothing but workers that come back late, and nobody is killed before: what a missing fence lets through.
pub const LATE_WRITERS: Weights = &[(Fault::Pause("worker", 5000), 1)];

/// Those of `PROCESSES`, and Redis killed, stopped and held.
pub const WITH_REDIS: Weights = &[
    (Fault::Kill("worker"), 33),
    (Fault::Pause("worker", 5000), 30),
    (Fault::Kill("api"), 8),
    (Fault::Kill("scheduler"), 7),
    (Fault::Pause("scheduler", 3000), 6),
    (Fault::RedisKill, 12),
    (Fault::RedisPause(2000), 2),
    (Fault::RedisHold(2000), 2),
];

/// Links that are cut for one to thirty seconds, most of them shortly.
pub const PARTITIONS: Weights = &[
    (Fault::Cut("worker"), 25),
    (Fault::Deaf("worker"), 20),
    (Fault::Mute("worker"), 20),
    (Fault::Apart("worker"), 20),
    (Fault::Cut("scheduler"), 15),
];

/// How a cut is mended.
type Mend = Box<dyn Fn() + Send>;

pub struct Schedule<'a> {
    pub d: &'a mut Deployment,
    pub rng: StdRng,
    begun: Instant,
    /// Until when, whom.
    paused: Vec<(Instant, usize)>,
    draining: Vec<usize>,
    /// Until when, who is cut off how, and what mends it.
    cuts: Vec<(Instant, (Fault, usize), Mend)>,
    pub log: Vec<String>,
    pub dealt: BTreeMap<String, u32>,
    pub wrong: Vec<String>,
}

impl<'a> Schedule<'a> {
    pub fn new(d: &'a mut Deployment, rng: StdRng) -> Self {
        let (paused, draining, cuts, dealt) = (Vec::new(), Vec::new(), Vec::new(), BTreeMap::new());
        Self { d, rng, begun: Instant::now(), paused, draining, cuts, log: Vec::new(), dealt, wrong: Vec::new() }
    }

    /// Deals so many, one every `pace` or so; then everybody runs again.
    pub async fn deal(&mut self, weights: Weights, count: usize, pace: Duration) {
        while self.log.len() < count {
            let next = Instant::now() + pace.mul_f64(self.rng.random_range(0.5..1.5));
            while Instant::now() < next {
                self.heal();
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            // One that cannot be dealt now, such as a pause of who is paused, makes room for another.
            for _ in 0..20 {
                let fault = weights.choose_weighted(&mut self.rng, |w| w.1).unwrap().0;
                if self.one(fault).await {
                    break;
                }
            }
        }
        for (until, _) in &mut self.paused {
            *until = Instant::now();
        }
        for (until, ..) in &mut self.cuts {
            *until = Instant::now();
        }
        self.heal();
        super::support::wait::until("those told to stop have drained", async || {
            self.heal();
            self.draining.is_empty()
        })
        .await;
    }

    /// Wakes whose pause is over, and starts again who has drained.
    fn heal(&mut self) {
        let now = Instant::now();
        for (_, i) in self.paused.extract_if(.., |(until, _)| now >= *until) {
            signal(self.d.pid(i), "-CONT");
        }
        for (_, _, mend) in self.cuts.extract_if(.., |(until, ..)| now >= *until) {
            mend();
        }
        let mut left = std::mem::take(&mut self.draining);
        left.retain(|i| {
            let Some(status) = self.d.ended(*i) else { return true };
            if status.code() != Some(0) {
                self.wrong.push(format!("drain: process {i} ended with {status}"));
            }
            self.d.restart(*i);
            false
        });
        self.draining = left;
    }

    async fn one(&mut self, fault: Fault) -> bool {
        let whom = match fault {
            Fault::Kill(role) | Fault::Pause(role, _) | Fault::Drain(role) => Some(self.any(role)),
            Fault::Cut(role) | Fault::Deaf(role) | Fault::Mute(role) | Fault::Apart(role) => Some(self.any(role)),
            Fault::ClockJump => Some(self.any("worker")),
            _ => None,
        };
        let busy = whom.is_some_and(|i| self.draining.contains(&i) || self.is_paused(i));
        let done = match (fault, whom) {
            // Who is paused is to come back late, not to be replaced.
            (Fault::Kill(_), Some(i)) if !busy => {
                self.d.kill_and_restart(i);
                true
            }
            (Fault::Pause(_, most), Some(i)) if !busy => {
                signal(self.d.pid(i), "-STOP");
                let lasts = Duration::from_millis(self.rng.random_range(most / 5..most));
                self.paused.push((Instant::now() + lasts, i));
                true
            }
            (Fault::Drain(_), Some(i)) if !busy => {
                self.d.signal(i, "-TERM");
                self.draining.push(i);
                true
            }
            (Fault::ClockJump, Some(i)) if !busy => {
                let hours = ["+1h", "-1h", "+0"].choose(&mut self.rng).copied().unwrap_or("+0");
                self.d.processes[i].set_clock(hours)
            }
            (Fault::Cut(_) | Fault::Deaf(_) | Fault::Mute(_) | Fault::Apart(_), Some(i)) => self.cut(fault, i),
            (Fault::RedisKill, _) => {
                self.d.redis.kill();
                self.d.redis.restart().await;
                true
            }
            (Fault::RedisPause(most), _) => {
                signal(self.d.redis.pid(), "-STOP");
                tokio::time::sleep(Duration::from_millis(self.rng.random_range(most / 5..most))).await;
                signal(self.d.redis.pid(), "-CONT");
                true
            }
            (Fault::RedisHold(most), _) => {
                let ms = self.rng.random_range(most / 5..most).to_string();
                let _: String = self.d.redis.command(&["CLIENT", "PAUSE", &ms, "ALL"]).await;
                true
            }
            _ => false,
        };
        if done {
            self.log.push(format!("{:9.3} {fault:?} {whom:?}", self.begun.elapsed().as_secs_f64()));
            *self.dealt.entry(format!("{fault:?}")).or_default() += 1;
        }
        done
    }

    fn cut(&mut self, fault: Fault, i: usize) -> bool {
        let Some(host) = self.d.processes[i].host.clone() else { return false };
        if self.cuts.iter().any(|(_, of, _)| *of == (fault, i)) {
            return false;
        }
        let podm = self.any("podm-sim");
        let podm = self.d.processes[podm].host.clone().unwrap();
        let set = move |on: bool| match fault {
            Fault::Cut(_) => host.link(!on),
            Fault::Deaf(_) => host.deaf_to(Net::HERE, on),
            Fault::Mute(_) => netns::mute(&host, on),
            _ => host.deaf_to(&podm.address, on),
        };
        set(true);
        let long = self.rng.random_range(0.0..1.0f64).powi(2);
        let lasts = Duration::from_secs(1) + Duration::from_secs(29).mul_f64(long);
        self.cuts.push((Instant::now() + lasts, (fault, i), Box::new(move || set(false))));
        true
    }

    fn any(&mut self, role: &str) -> usize {
        *self.d.of_role(role).choose(&mut self.rng).unwrap()
    }

    fn is_paused(&self, i: usize) -> bool {
        self.paused.iter().any(|(_, p)| *p == i)
    }
}
