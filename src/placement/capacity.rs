//! Room at a Pod Manager: which of its shapes fits, and how many of that are left once reservations are taken off.
//!
//! A reservation counts from when it is made until its lease is over, or until an inventory was read after its node was there: that
//! inventory counts the node itself. A node that is being composed when an inventory is read may be counted twice for a while, never not at
//! all. Where an old inventory says "none left", one may be asked for; where hardware was given back that an inventory may not know of, as
//! much as was given back, and nodes that were there before may be those which gave it back: the Pod Manager itself has the last word.

use super::request::Request;
use crate::model::inventory::{Inventory, Shape};
use crate::model::placement::{CLOCKS_MS, Candidate, Reservation};

/// From this age on an inventory that says "none left" is a suspicion, ms.
const OLD_MS: u64 = 600_000;

/// What a request finds at a candidate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Room {
    /// Nobody has counted.
    Unknown,
    /// A shape that fits.
    Shape {
        /// Which, by its place in the inventory.
        n: usize,
        /// How many of it may be reserved at once.
        most: u32,
        /// How many of those are left.
        left: u32,
        /// Whether none is left as far as is known, and that may be wrong.
        doubtful: bool,
        /// How large it is.
        size: f64,
    },
}

/// The smallest shape that fits and has one left.
///
/// # Errors
/// Why there is none: `too_small`, nothing there ever fits; `full`, what fits is taken.
pub(super) fn room(request: &Request, candidate: &Candidate, blocks: bool, now_ms: u64) -> Result<Room, &'static str> {
    let Some(inventory) = &candidate.inventory else { return Ok(Room::Unknown) };
    let together = blocks && is_met_together(request, inventory);
    let unsure = Unsure::of(candidate, inventory, now_ms);
    let (mut best, mut why): (Option<Room>, _) = (None, "too_small");
    for (n, shape) in inventory.shapes.iter().enumerate() {
        if shape.total == 0 || !(fits(request, shape) || together) {
            continue;
        }
        why = "full";
        let reserved = reserved(candidate, n, inventory.at_ms, now_ms);
        let sure = shape.free.saturating_sub(count(reserved.clone()));
        let left = if sure > 0 { sure } else { unsure.left(shape, reserved.clone()) };
        let doubtful = sure == 0;
        let most = if doubtful { left + count(reserved) } else { shape.free };
        let this = Room::Shape { n, most, left, doubtful, size: size(shape) };
        if left > 0 && best.is_none_or(|best| rank(&this) < rank(&best)) {
            best = Some(this);
        }
    }
    best.ok_or(why)
}

/// What is sure comes first, then what is small.
fn rank(room: &Room) -> (bool, f64) {
    match room {
        Room::Unknown => (true, f64::MAX),
        Room::Shape { doubtful, size, .. } => (*doubtful, *size),
    }
}

/// Whether one of a shape is enough. What nobody knows of it is no reason against it.
fn fits(request: &Request, shape: &Shape) -> bool {
    let enough = |has: f64, wanted: f64| has == 0.0 || has >= wanted;
    enough(f64::from(shape.cores), request.cores)
        && enough(mib(shape), request.memory_mib)
        && (request.model.is_empty() || shape.model.as_ref().is_none_or(|m| m.to_lowercase().contains(&request.model)))
}

/// Whether several together are enough, where nodes are put together of blocks. Memory may be in blocks that are not counted.
fn is_met_together(request: &Request, inventory: &Inventory) -> bool {
    let cores: f64 = inventory.shapes.iter().map(|s| f64::from(s.cores) * f64::from(s.free)).sum();
    let memory: f64 = inventory.shapes.iter().map(|s| mib(s) * f64::from(s.free)).sum();
    cores >= request.cores && (memory == 0.0 || memory >= request.memory_mib)
}

/// Those of a shape that are reserved and not yet in the inventory.
fn reserved(
    candidate: &Candidate,
    n: usize,
    inventory_ms: u64,
    now_ms: u64,
) -> impl Iterator<Item = &Reservation> + Clone {
    let key = candidate.keys.get(n);
    candidate.reservations.iter().filter(move |r| Some(&r.shape) == key && counts(r, inventory_ms, now_ms))
}

fn count<'a>(reservations: impl Iterator<Item = &'a Reservation>) -> u32 {
    u32::try_from(reservations.count()).unwrap_or(u32::MAX)
}

/// What there may be beyond what is known.
struct Unsure {
    /// The inventory is old.
    old: bool,
    /// How much was given back that it may not know of, and when the last of it.
    back: u32,
    freed_ms: u64,
}

impl Unsure {
    fn of(candidate: &Candidate, inventory: &Inventory, now_ms: u64) -> Self {
        let news = candidate.freed_ms > 0 && candidate.freed_ms + CLOCKS_MS > inventory.at_ms;
        let (back, freed_ms) = if news { (candidate.freed.max(1), candidate.freed_ms) } else { (0, 0) };
        Self { old: now_ms.saturating_sub(inventory.at_ms) > OLD_MS, back, freed_ms }
    }

    /// How many of a shape may be left where none is for sure.
    fn left<'a>(&self, shape: &Shape, reserved: impl Iterator<Item = &'a Reservation>) -> u32 {
        let back = if self.old && shape.free == 0 { self.back.max(1) } else { self.back };
        let gone = |r: &&Reservation| r.done_ms > 0 && r.done_ms <= self.freed_ms;
        (shape.free + back).saturating_sub(count(reserved.filter(|r| !gone(r))))
    }
}

/// Whether a reservation stands beside an inventory.
#[must_use]
pub fn counts(reservation: &Reservation, inventory_ms: u64, now_ms: u64) -> bool {
    let accounted = reservation.done_ms > 0 && reservation.done_ms + CLOCKS_MS <= inventory_ms;
    reservation.until_ms > now_ms && !accounted
}

/// One number for how large a system is: the geometric mean of its cores and its memory in GiB.
fn size(shape: &Shape) -> f64 {
    (f64::from(shape.cores.max(1)) * (mib(shape) / 1024.0).max(1.0)).sqrt()
}

#[expect(clippy::cast_precision_loss, reason = "MiB of a system are far below 2^52")]
fn mib(shape: &Shape) -> f64 {
    shape.memory_mib as f64
}
