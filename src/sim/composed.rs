//! `/redfish/v1/Systems` of the composition flavour: composed systems, their parts and actions.
//!
//! A system's parts are those of its blocks. It starts for as long as an assembly takes; deleting it frees its blocks.

use hyper::Method;
use serde_json::{Value, json};

use super::answer::{Answer, etag};
use super::blocks::{self, Block, Sort};
use super::capabilities;
use super::compose;
use super::config::Deviation;
use super::hardware::numbered;
use super::state::{Node, NodeState};
use super::view::{View, collection, healthy, link, links, resource, with};
use super::{boot, systems};

const PATH: &str = "/redfish/v1/Systems";
/// A system's collections of parts, and what they are called.
const FAMILIES: [&str; 5] = ["Processors", "Memory", "EthernetInterfaces", "Storage", "SimpleStorage"];

/// Answers below `Systems`.
pub(super) fn answer(view: &mut View<'_>, rest: &[&str]) -> Answer {
    let [id, rest @ ..] = rest else {
        return match view.call.method {
            Method::POST => compose::post(view),
            Method::GET | Method::HEAD => view.entity(all(view)),
            _ => Answer::not_allowed("GET, HEAD, POST"),
        };
    };
    let capabilities = match rest {
        [] => capabilities::find(view, id),
        [family] => capabilities::collection_of(view, id, family),
        _ => None,
    };
    if let Some(capabilities) = capabilities {
        return view.read(capabilities);
    }
    let Some((number, node)) = found(view, id) else { return view.missing() };
    match rest {
        [] => one(view, number, &node),
        ["Actions", "ComputerSystem.Reset"] => match node.state {
            NodeState::Assembled | NodeState::Failed => boot::reset(view, node.system),
            _ => Answer::conflict("The system is still being composed."),
        },
        ["Actions", action @ ("ComputerSystem.AddResourceBlock" | "ComputerSystem.RemoveResourceBlock")]
            if !view.deviates(Deviation::PatchBlocks) =>
        {
            let adds = action.ends_with("AddResourceBlock");
            change_blocks(view, number, &node, adds).unwrap_or_else(|refusal| refusal)
        }
        [family] if FAMILIES.contains(family) => {
            let paths = parts(view, &node, family);
            let path = format!("{}/{family}", node.path(number));
            let kind = format!("{}Collection", family.trim_end_matches('s'));
            view.read(collection(&path, &kind, family, paths))
        }
        _ => view.missing(),
    }
}

fn found(view: &View<'_>, id: &str) -> Option<(u64, Node)> {
    let number = numbered(id, "Composed", usize::MAX)? as u64;
    view.state.kept.nodes.get(&number).map(|node| (number, node.clone()))
}

/// The system that a link names.
pub(super) fn named(view: &View<'_>, value: &Value) -> Result<(u64, Node), Answer> {
    let path = value["@odata.id"].as_str().unwrap_or_default();
    let id = path.strip_prefix(PATH).and_then(|rest| rest.strip_prefix('/'));
    id.and_then(|id| found(view, id)).ok_or_else(|| Answer::not_found(path))
}

fn all(view: &View<'_>) -> Value {
    let paths = view.state.kept.nodes.iter().map(|(id, node)| node.path(*id));
    let mut body = collection(PATH, "ComputerSystemCollection", "Computer System Collection", paths);
    if view.deviates(Deviation::LinksMembers) {
        let members = std::mem::take(&mut body["Members"]);
        body["Links"] = json!({ "Members": members });
        if let Some(object) = body.as_object_mut() {
            object.remove("Members");
        }
    }
    if let Some(offered) = capabilities::offered(view) {
        body["@Redfish.CollectionCapabilities"] = offered;
    }
    body
}

/// The answer to a request that made a system.
pub(super) fn made(view: &View<'_>, id: u64) -> Answer {
    let Some(node) = view.state.kept.nodes.get(&id) else { return view.missing() };
    compose::created(view, &node.path(id), render(view, id, node))
}

fn one(view: &mut View<'_>, id: u64, node: &Node) -> Answer {
    let current = render(view, id, node);
    if view.call.is_read() {
        view.looked_at(id);
        return view.entity(current);
    }
    let changed = view.match_or_refuse(&current).and_then(|()| match view.call.method {
        Method::PATCH if view.deviates(Deviation::PatchBlocks) && wants_blocks(view) => set_blocks(view, id, node),
        Method::PATCH => {
            let next = systems::patched(view, node.system)?;
            *view.state.system_mut(node.system) = next;
            let is_silent = view.config.boot_204;
            Ok(if is_silent { Answer::no_content() } else { view.entity(render(view, id, node)) })
        }
        Method::DELETE => {
            free(view, id, node);
            Ok(Answer::no_content())
        }
        _ => Err(Answer::not_allowed("GET, HEAD, PATCH, DELETE")),
    });
    changed.unwrap_or_else(|refusal| refusal)
}

/// Decomposes a system.
pub(super) fn free(view: &mut View<'_>, id: u64, node: &Node) {
    view.state.kept.nodes.remove(&id);
    view.state.kept.systems.remove(&node.system);
}

/// Adds a block or takes one away.
fn change_blocks(view: &mut View<'_>, id: u64, node: &Node, adds: bool) -> Result<Answer, Answer> {
    view.post_only()?;
    let body = view.call.object()?;
    let block = compose::linked(view, body.get("ResourceBlock").unwrap_or(&Value::Null))?;
    let versions = [("ResourceBlockETag", blocks::render(view, block)), ("ComputerSystemETag", render(view, id, node))];
    for (key, current) in versions {
        if body.get(key).is_some_and(|tag| tag.as_str() != Some(etag(&current).as_str())) {
            return Err(Answer::precondition());
        }
    }
    change(view, id, node, block, adds)?;
    Ok(Answer::no_content())
}

fn wants_blocks(view: &View<'_>) -> bool {
    view.call.object().is_ok_and(|body| body.get("Links").is_some_and(|l| !l["ResourceBlocks"].is_null()))
}

/// Makes the blocks of a system those that are named, all or none.
fn set_blocks(view: &mut View<'_>, id: u64, node: &Node) -> Result<Answer, Answer> {
    let named = view.call.object()?.get("Links").map_or(&Value::Null, |l| &l["ResourceBlocks"]);
    let named: Vec<Block> =
        named.as_array().into_iter().flatten().map(|link| compose::linked(view, link)).collect::<Result<_, _>>()?;
    let has = blocks_of(view, node);
    let gone = has.iter().filter(|b| !named.contains(b)).map(|b| (*b, false));
    let new = named.iter().filter(|b| !has.contains(b)).map(|b| (*b, true));
    for (block, adds) in gone.chain(new).collect::<Vec<_>>() {
        if let Err(refusal) = change(view, id, node, block, adds) {
            if let Some(kept) = view.state.kept.nodes.get_mut(&id) {
                kept.blocks.clone_from(&node.blocks);
            }
            return Err(refusal);
        }
    }
    Ok(Answer::no_content())
}

/// Adds a block, or takes it away, where that is possible.
fn change(view: &mut View<'_>, id: u64, node: &Node, block: Block, adds: bool) -> Result<(), Answer> {
    let has = node.blocks.contains(&block.id());
    let base = Block { sort: Sort::Compute, number: node.system };
    match adds {
        true if has || !compose::is_free(view, block) => {
            return Err(Answer::conflict(&format!("Block {} is in use.", block.id())));
        }
        false if !has || block == base => {
            return Err(Answer::conflict(&format!("Block {} cannot be taken away.", block.id())));
        }
        _ => {}
    }
    let zones = 1..=blocks::zones(view.hardware);
    let reaches = zones.into_iter().any(|zone| block.is_in_zone(zone) && base.is_in_zone(zone));
    if !reaches {
        return Err(Answer::bad("ResourceBlockCombinationInvalid", "The blocks lie in no common zone."));
    }
    if let Some(node) = view.state.kept.nodes.get_mut(&id) {
        if adds {
            node.blocks.push(block.id());
        } else {
            node.blocks.retain(|b| *b != block.id());
        }
    }
    compose::count_twice(view);
    Ok(())
}

fn blocks_of(view: &View<'_>, node: &Node) -> Vec<Block> {
    node.blocks.iter().filter_map(|id| blocks::find(view.hardware, id)).collect()
}

fn parts(view: &View<'_>, node: &Node, family: &str) -> Vec<String> {
    let of = |block: Block| match family {
        "Processors" => block.processors(view.hardware),
        "Memory" => block.memory(view.hardware),
        "EthernetInterfaces" => block.interfaces(view.hardware),
        family => block.storage(family).into_iter().collect(),
    };
    blocks_of(view, node).into_iter().flat_map(of).collect()
}

/// One composed system.
pub(super) fn render(view: &View<'_>, id: u64, node: &Node) -> Value {
    let path = node.path(id);
    let profile = view.hardware.profile(node.system);
    let state = view.state.system(node.system);
    let items: Vec<_> = blocks_of(view, node).into_iter().flat_map(|b| b.items(view.hardware)).collect();
    let sum = |f: fn(&blocks::Item) -> u64| items.iter().map(f).sum::<u64>();
    let mib = sum(|i| if let blocks::Item::Mib(n) = i { *n } else { 0 });
    let cores = sum(|i| if let blocks::Item::Cpu(n) = i { *n } else { 0 });
    let mut reset = json!({ "target": format!("{path}/Actions/ComputerSystem.Reset") });
    reset[view.allowable("ResetType")] = json!(boot::RESET_TYPES);
    let status = match node.state {
        NodeState::Assembled => healthy(),
        NodeState::Failed => json!({ "State": "UnavailableOffline", "Health": "Critical" }),
        NodeState::Allocated | NodeState::Assembling => json!({ "State": "Starting", "Health": "OK" }),
    };
    let action = |name: &str| json!({ "target": format!("{path}/Actions/ComputerSystem.{name}") });
    let mut body = with(
        resource(&path, "ComputerSystem.v1_27_0.ComputerSystem", &format!("Composed{id}"), &node.name),
        json!({
            "SystemType": "Composed",
            "AssetTag": state.asset_tag,
            "Manufacturer": "Valence",
            "Model": profile.model,
            "UUID": node.uuid,
            "Status": status,
            "PowerState": boot::power(&state),
            "Boot": boot::render(view, &state.boot),
            "ProcessorSummary": { "Count": profile.sockets, "CoreCount": cores, "Model": profile.cpu_model },
            "MemorySummary": { "TotalSystemMemoryGiB": mib / 1024 },
            "Links": {
                "ResourceBlocks": links(blocks_of(view, node).into_iter().map(Block::path)),
                "Chassis": links([format!("/redfish/v1/Chassis/Sled{}", node.system)]),
                "ManagedBy": links([format!("/redfish/v1/Managers/BMC{}", node.system)]),
            },
            "Actions": {
                "#ComputerSystem.Reset": reset,
                "#ComputerSystem.AddResourceBlock": action("AddResourceBlock"),
                "#ComputerSystem.RemoveResourceBlock": action("RemoveResourceBlock"),
            },
        }),
    );
    if view.deviates(Deviation::PatchBlocks)
        && let Some(actions) = body["Actions"].as_object_mut()
    {
        actions.retain(|name, _| !name.ends_with("ResourceBlock"));
    }
    for family in FAMILIES {
        body[family] = link(format!("{path}/{family}"));
    }
    if !node.description.is_empty() {
        body["Description"] = Value::from(node.description.as_str());
    }
    body
}
