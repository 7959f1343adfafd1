//! Composing a system of resource blocks: named ones, or such as have what is asked for.
//!
//! Named blocks must lie in one zone and be free, and one of them must have processors. A block is in no more systems than it allows,
//! except where a deviation permits it; `Reserved` is not asked for, as on every service met.

use hyper::StatusCode;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::answer::Answer;
use super::blocks::{self, Block, Sort};
use super::boot::{self, not_writable};
use super::config::{ComposeBy, Deviation};
use super::state::{Boot, Node, NodeState, SystemState};
use super::view::View;
use super::{composed, constraints};

/// What a system is to be made of.
pub(super) struct Plan {
    name: Option<String>,
    description: Option<String>,
    boot: Boot,
    pub(super) blocks: Vec<Block>,
}

/// Answers a POST to the collection of systems.
pub(super) fn post(view: &mut View<'_>) -> Answer {
    let planned = view.call.object().and_then(|body| {
        let by = if is_specific(body) { ComposeBy::Specific } else { ComposeBy::Constrained };
        if !view.composes_by(by) {
            return Err(Answer::bad("ActionNotSupported", "Systems are not composed in this way here."));
        }
        plan(view, body, &[])
    });
    match planned {
        Ok(plan) => {
            let id = place(view, plan);
            composed::made(view, id)
        }
        Err(refusal) => refusal,
    }
}

fn is_specific(body: &Map<String, Value>) -> bool {
    body.get("Links").is_some_and(|l| !l["ResourceBlocks"].is_null())
}

/// Reads a request for a system. `held` are blocks that a reservation keeps for it.
pub(super) fn plan(view: &View<'_>, body: &Map<String, Value>, held: &[String]) -> Result<Plan, Answer> {
    let mut plan = Plan { name: None, description: None, boot: SystemState::default().boot, blocks: Vec::new() };
    for (key, value) in body {
        match (key.as_str(), value) {
            ("Name", Value::String(text)) => plan.name = Some(text.clone()),
            ("Description", Value::String(text)) => plan.description = Some(text.clone()),
            ("Boot", value) => boot::apply(&mut plan.boot, value)?,
            ("Links", Value::Object(links)) if links.keys().all(|k| k == "ResourceBlocks") => {}
            ("Processors" | "Memory" | "Storage" | "EthernetInterfaces" | "@Redfish.ZoneAffinity", _) => {}
            _ => return Err(not_writable(key)),
        }
    }
    plan.blocks = match held {
        [] if is_specific(body) => named(view, &body["Links"]["ResourceBlocks"])?,
        [] => constraints::choose(view, body)?,
        held => held.iter().filter_map(|id| blocks::find(view.hardware, id)).collect(),
    };
    Ok(plan)
}

/// Whether a block may go into one more system.
pub(super) fn is_free(view: &View<'_>, block: Block) -> bool {
    let id = block.id();
    let mut held = view.state.kept.reservations.values().flat_map(|r| r.stanzas.iter().flatten());
    let has_room = view.deviates(Deviation::Unused) || blocks::owners(view, block).len() < block.most();
    has_room && !held.any(|h| *h == id)
}

/// The block that a link names.
pub(super) fn linked(view: &View<'_>, value: &Value) -> Result<Block, Answer> {
    let path = value["@odata.id"].as_str().unwrap_or_default();
    let id = path.trim_end_matches('/').strip_prefix(blocks::PATH).and_then(|rest| rest.strip_prefix('/'));
    id.and_then(|id| blocks::find(view.hardware, id)).ok_or_else(|| {
        Answer::bad("ResourceMissingAtURI", &format!("The request names the block '{path}', which is not there."))
    })
}

fn named(view: &View<'_>, list: &Value) -> Result<Vec<Block>, Answer> {
    let list = list.as_array().filter(|l| !l.is_empty());
    let list = list.ok_or_else(|| Answer::bad("PropertyValueTypeError", "ResourceBlocks is not a list of blocks."))?;
    let mut chosen = Vec::with_capacity(list.len());
    for value in list {
        let block = linked(view, value)?;
        if chosen.contains(&block) {
            return Err(Answer::bad("PropertyDuplicate", &format!("Block {} is named twice.", block.id())));
        }
        if !is_free(view, block) {
            return Err(Answer::conflict(&format!("Block {} is in use.", block.id())));
        }
        chosen.push(block);
    }
    if !chosen.iter().any(|b| b.sort == Sort::Compute) {
        return Err(Answer::bad("PropertyMissing", "None of the blocks has processors."));
    }
    let share_zone = (1..=blocks::zones(view.hardware)).any(|zone| chosen.iter().all(|b| b.is_in_zone(zone)));
    if !share_zone {
        return Err(Answer::bad("ResourceBlockCombinationInvalid", "The blocks lie in no common zone."));
    }
    Ok(chosen)
}

/// Makes the system and returns its number. It starts for as long as an assembly takes.
pub(super) fn place(view: &mut View<'_>, plan: Plan) -> u64 {
    let base = plan.blocks.iter().find(|b| b.sort == Sort::Compute).map_or(0, |b| b.number);
    let id = view.state.kept.last_node + 1;
    let forgetful = view.config.forgetful;
    let mut node = Node {
        name: plan.name.filter(|_| !forgetful).unwrap_or_else(|| format!("Composed{id}")),
        description: plan.description.filter(|_| !forgetful).unwrap_or_default(),
        uuid: Uuid::new_v4(),
        system: base,
        state: NodeState::Allocated,
        ready_at_ms: None,
        looks_left: 0,
        will_fail: view.assembly_fails,
        remote_gib: 0,
        vlans: Vec::new(),
        blocks: plan.blocks.iter().map(|b| b.id()).collect(),
    };
    node.begin(view.config, view.now_ms);
    view.state.system_mut(base).boot = plan.boot;
    view.state.kept.last_node = id;
    view.state.kept.nodes.insert(id, node);
    count_twice(view);
    id
}

/// Remembers when a block is in more systems than it allows.
pub(super) fn count_twice(view: &mut View<'_>) {
    let beyond = |b: Block| blocks::owners(view, b).len().saturating_sub(b.most());
    let worst = blocks::all(view.hardware).into_iter().map(beyond).max().unwrap_or_default();
    let kept = &mut view.state.kept;
    kept.blocks_composed_twice_ever = kept.blocks_composed_twice_ever.max(worst);
}

/// 201 for what was made.
pub(super) fn created(view: &View<'_>, path: &str, body: Value) -> Answer {
    let located = |answer: Answer| answer.located(view.location(path));
    match () {
        () if view.deviates(Deviation::Create204) => located(Answer::no_content()),
        () if view.deviates(Deviation::Create200) => Answer::json(StatusCode::OK, body),
        () => located(Answer::json(StatusCode::CREATED, body)),
    }
}
