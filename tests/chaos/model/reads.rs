//! The model's reads: they hold places in gates under names of their own, and stand in no line.

use super::Model;
use super::circuits::Lets;
use super::gates::{Room, podm_of};

impl Model {
    /// A read asks for a place, or keeps its own; `Some`: nobody is let in for so long.
    pub fn enter(&mut self, gate: &'static str, reader: &str, lasts: u64) -> Result<bool, u64> {
        let (name, now) = (format!("sync:{reader}"), self.now);
        if !self.inside(gate).any(|who| *who == name) {
            let Room { free, lets } = self.room(gate);
            match lets {
                Lets::Nobody(until) => return Err(until - now),
                _ if free == 0 => return Ok(false),
                Lets::Probe => self.begin_probe(podm_of(gate).unwrap(), &name),
                Lets::Everybody | Lets::OneAtATime => {}
            }
        }
        self.holders.entry(gate.to_owned()).or_default().insert(name, now + lasts);
        Ok(true)
    }

    pub fn leave(&mut self, gate: &'static str, reader: &str) {
        let name = format!("sync:{reader}");
        if let Some(holders) = self.holders.get_mut(gate) {
            holders.remove(&name);
        }
        self.end_probe(podm_of(gate).unwrap(), &name);
        self.wake(gate);
    }
}
