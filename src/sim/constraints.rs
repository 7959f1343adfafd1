//! Constrained composition: which free blocks of one zone have what a request asks for.
//!
//! A member of a request asks for so many (`@Redfish.RequestedCount`) of a size, exactly, or at least where
//! `@Redfish.AllowOverprovisioning` says so. What a client has reserved is not taken for another.

use serde_json::{Map, Value};

use super::answer::Answer;
use super::blocks::{self, Block, Item, Sort};
use super::compose::is_free;
use super::hardware::numbered;
use super::view::View;

/// So many of something.
#[derive(Debug, Clone, Copy)]
struct Need {
    item: Item,
    count: usize,
    /// Larger ones, and more of them, will do.
    or_more: bool,
}

impl Item {
    fn amount(self) -> u64 {
        match self {
            Self::Cpu(n) | Self::Mib(n) | Self::DriveBytes(n) | Self::Mbps(n) => n,
            Self::Gpu => 1,
        }
    }

    fn is_like(self, other: Self) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }
}

impl Need {
    fn takes(&self, item: Item) -> bool {
        let fits = if self.or_more { item.amount() >= self.item.amount() } else { item.amount() == self.item.amount() };
        self.item.is_like(item) && fits
    }
}

/// The smallest blocks that have all.
pub(super) fn choose(view: &View<'_>, body: &Map<String, Value>) -> Result<Vec<Block>, Answer> {
    let needs = needs(body)?;
    let all = blocks::zones(view.hardware);
    let zones = match body.get("@Redfish.ZoneAffinity") {
        None => (1..=all).collect(),
        Some(zone) => match zone.as_str().and_then(|id| numbered(id, "", all)) {
            Some(n) => vec![n],
            None => return Err(Answer::bad("PropertyValueNotInList", "ZoneAffinity names no zone.")),
        },
    };
    let size = |b: &Block| b.items(view.hardware).into_iter().map(Item::amount).sum::<u64>();
    let is_open = |b: &Block| is_free(view, *b) && !view.state.kept.reserved.contains(&b.id());
    let mut best: Option<Vec<Block>> = None;
    for zone in zones {
        let mut free: Vec<Block> = blocks::all(view.hardware);
        free.retain(|b| b.is_in_zone(zone) && is_open(b));
        free.sort_by_key(size);
        for base in free.iter().filter(|b| b.sort == Sort::Compute) {
            let found = filled(view, *base, &free, &needs);
            let cost = |blocks: &[Block]| (blocks.len(), blocks.iter().map(size).sum::<u64>());
            if let Some(found) = found.filter(|f| best.as_ref().is_none_or(|b| cost(f) < cost(b))) {
                best = Some(found);
            }
        }
    }
    best.ok_or_else(|| Answer::conflict("There are no free blocks in one zone that have what is asked for."))
}

/// A base with the blocks that are needed beside it.
fn filled(view: &View<'_>, base: Block, free: &[Block], needs: &[Need]) -> Option<Vec<Block>> {
    let mut chosen = vec![base];
    loop {
        let items: Vec<Item> = chosen.iter().flat_map(|b| b.items(view.hardware)).collect();
        let Some(missing) = unmet(items.clone(), needs) else {
            let is_over =
                |n: &Need| !n.or_more && items.iter().filter(|i| n.item.is_like(**i)).count() > wanted(needs, n);
            return (!needs.iter().any(is_over)).then_some(chosen);
        };
        let helps = |b: &&Block| !chosen.contains(b) && b.items(view.hardware).into_iter().any(|i| missing.takes(i));
        chosen.push(*free.iter().find(helps)?);
    }
}

/// How many of a need's sort are asked for in all.
fn wanted(needs: &[Need], like: &Need) -> usize {
    needs.iter().filter(|n| n.item.is_like(like.item)).map(|n| n.count).sum()
}

/// The first need that is not met; the most demanding take first.
fn unmet(mut items: Vec<Item>, needs: &[Need]) -> Option<Need> {
    items.sort_by_key(|i| i.amount());
    let mut needs = needs.to_vec();
    needs.sort_by_key(|n| std::cmp::Reverse(n.item.amount()));
    needs.into_iter().find(|need| {
        (0..need.count).any(|_| {
            let found = items.iter().position(|i| need.takes(*i));
            found.map(|at| items.remove(at)).is_none()
        })
    })
}

fn needs(body: &Map<String, Value>) -> Result<Vec<Need>, Answer> {
    let mut needs = Vec::new();
    for family in ["Processors", "Memory", "Storage", "EthernetInterfaces"] {
        let members = &body.get(family).unwrap_or(&Value::Null)["Members"];
        if body.contains_key(family) && !members.is_array() {
            return Err(Answer::bad("PropertyMissing", &format!("{family} has no Members.")));
        }
        for member in members.as_array().into_iter().flatten() {
            match (family, &member["Drives"]) {
                ("Storage", Value::Array(drives)) => {
                    for drive in drives {
                        needs.push(need(drive, Item::DriveBytes(amount(drive, "CapacityBytes")?))?);
                    }
                }
                ("Storage", _) => return Err(Answer::bad("PropertyMissing", "Storage has no Drives.")),
                ("Processors", _) if member["ProcessorType"] == "GPU" => needs.push(need(member, Item::Gpu)?),
                ("Processors", _) => needs.push(need(member, Item::Cpu(amount(member, "TotalCores")?))?),
                ("Memory", _) => needs.push(need(member, Item::Mib(amount(member, "CapacityMiB")?))?),
                _ => needs.push(need(member, Item::Mbps(amount(member, "SpeedMbps")?))?),
            }
        }
    }
    for (family, item) in [("Processors", Item::Cpu(0)), ("Memory", Item::Mib(0))] {
        if !needs.iter().any(|n| n.item.is_like(item)) {
            return Err(Answer::bad("PropertyMissing", &format!("The request needs {family} with Members.")));
        }
    }
    Ok(needs)
}

fn amount(of: &Value, key: &str) -> Result<u64, Answer> {
    of[key].as_u64().ok_or_else(|| Answer::bad("PropertyMissing", &format!("{key} is missing or not a number.")))
}

fn need(of: &Value, item: Item) -> Result<Need, Answer> {
    let count =
        of["@Redfish.RequestedCount"].as_u64().and_then(|n| usize::try_from(n).ok()).filter(|n| (1..=1024).contains(n));
    let count =
        count.ok_or_else(|| Answer::bad("PropertyMissing", "RequestedCount is missing or not from 1 to 1024."))?;
    Ok(Need { item, count, or_more: of["@Redfish.AllowOverprovisioning"] == true })
}
