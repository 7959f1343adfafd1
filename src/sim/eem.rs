//! An NEC ExpEther Manager: computers (EESV) and PCIe devices (EEIO) on an Ethernet, joined by the group that they are in.
//!
//! An EEIO belongs to the EESV of its group. Nothing is guarded: whoever writes a group has it, and a device can be put from one machine's
//! group into another's. How often that happened is counted, for checkers. What is kept is the group of each, with the time it changed;
//! the rest follows from the seed.
//!
//! *Source*: shapes and field names as the first Valence's driver and its tests have them.

use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answer::Answer;
use super::call::Sent;
use super::view::View;

/// Group of an EEIO that is free, and of an EESV that never had one.
const FREE: (u64, u64) = (4093, 4094);
/// Devices for each machine.
const EEIO_PER_EESV: usize = 2;
/// When a device last changed that never did, ms since 1970.
const NEVER_CHANGED_MS: u64 = 1_518_999_910_510;
/// What the EEIOs are, in the order of their numbers: the PCI class code, vendor and device id; `None`: a 10g board, which does not say.
const PCI: [Option<(&str, &str, &str)>; 7] = [
    Some(("0x010802", "0x8086", "0x0a54")),
    Some(("0x020000", "0x8086", "0x1583")),
    Some(("0x030200", "0x10de", "0x15f8")),
    None,
    Some(("0x010802", "0x144d", "0xa808")),
    Some(("0x0c0330", "0x1912", "0x0014")),
    Some(("0x040100", "0x1102", "0x0012")),
];
/// Every so many-th EEIO is unplugged: listed, and down.
const DOWN_EVERY: usize = 8;

/// What changed of a device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Changed {
    group: u64,
    at_ms: u64,
}

/// A machine or a device, by its number from 1.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Board {
    Eesv(usize),
    Eeio(usize),
}

impl Board {
    fn all(view: &View<'_>) -> Vec<Self> {
        let systems = view.hardware.systems;
        let eesv = (1..=systems).map(Self::Eesv);
        eesv.chain((1..=systems * EEIO_PER_EESV).map(Self::Eeio)).collect()
    }

    fn find(view: &View<'_>, id: &str) -> Option<Self> {
        Self::all(view).into_iter().find(|b| b.id(view) == id)
    }

    fn status(self) -> &'static str {
        if matches!(self, Self::Eesv(_)) { "eesv" } else { "eeio" }
    }

    fn mac(self, view: &View<'_>) -> String {
        let (Self::Eesv(n) | Self::Eeio(n)) = self;
        view.hardware.mac(&format!("{}{n}", self.status())).to_lowercase()
    }

    fn id(self, view: &View<'_>) -> String {
        format!("0x{}", self.mac(view).replace(':', ""))
    }

    fn free_group(self) -> u64 {
        if matches!(self, Self::Eeio(_)) { FREE.0 } else { FREE.1 }
    }

    fn group(self, view: &View<'_>) -> u64 {
        view.state.kept.eem.get(&self.id(view)).map_or_else(|| self.free_group(), |c| c.group)
    }

    fn is_down(self) -> bool {
        matches!(self, Self::Eeio(n) if n % DOWN_EVERY == 0)
    }

    fn detail(self, view: &View<'_>) -> Value {
        let id = self.id(view);
        let pci = if let Self::Eeio(n) = self { PCI[(n - 1) % PCI.len()] } else { None };
        let is_40g = match self {
            Self::Eesv(n) => n % 4 != 0,
            Self::Eeio(_) => pci.is_some(),
        };
        let at_ms = view.state.kept.eem.get(&id).map_or(NEVER_CHANGED_MS, |c| c.at_ms);
        let link = if self.is_down() { "down" } else { "up" };
        let mut all = json!({
            "id": id,
            "status": self.status(),
            "type": if is_40g { "40g" } else { "10g" },
            "mac_address": self.mac(view),
            "group_id": self.group(view).to_string(),
            "update_time": at_ms.to_string(),
            "notification_status0": [link, link],
            "notification_status1": ["down", "down"],
            "power_status": "on",
            "serial_number": view.hardware.serial(&id),
            "model": format!("ExpEther Board ({})", if is_40g { "40G" } else { "10G" }),
            "ee_version": "v1.0",
            "admin_status": "enabled",
            "monitoring_status": "enabled",
        });
        if matches!(self, Self::Eesv(_)) {
            all["max_eeio_count"] = json!(if is_40g { "16" } else { "8" });
            all["host_model"] = json!("Express5800");
            all["host_serial_number"] = json!(view.hardware.serial(&format!("host of {id}")));
        }
        if let Some((class, vendor, device)) = pci {
            all["pcie_class_code"] = json!(class);
            all["pcie_vendor_id"] = json!(vendor);
            all["pcie_device_id"] = json!(device);
        }
        all
    }
}

/// A refusal in the manager's shape.
pub(super) fn error(status: StatusCode, message: &str) -> Answer {
    Answer::json(status, json!({ "code": format!("{}00", status.as_u16()), "message": message }))
}

/// Answers one request.
pub(super) fn answer(view: &mut View<'_>) -> Answer {
    let call = view.call;
    if matches!(call.body, Sent::Garbage) {
        return error(StatusCode::BAD_REQUEST, "The body of the request is not JSON.");
    }
    match (call.is_read(), call.segments().as_slice()) {
        (true, ["api_version"]) => ok(json!({ "api_version": "v1.0" })),
        (true, ["devices"]) => list(view, false),
        (true, ["devices", "detail"]) => list(view, true),
        (true, ["devices", id]) => match Board::find(view, id) {
            Some(board) => ok(json!({ "device": board.detail(view) })),
            None => missing(id),
        },
        (false, ["devices", id, "group_id"]) => match Board::find(view, id) {
            Some(board) => change(view, board),
            None => missing(id),
        },
        (false, ["api_version" | "devices", ..]) => {
            error(StatusCode::METHOD_NOT_ALLOWED, "The method is not supported here.")
        }
        _ => error(StatusCode::NOT_FOUND, "There is no such resource."),
    }
}

/// The machines that have devices, and how often a device was taken from a machine that had it.
pub(super) fn nodes(view: &View<'_>) -> (Vec<Value>, usize) {
    let all = Board::all(view);
    let (eesv, eeio): (Vec<Board>, Vec<Board>) = all.into_iter().partition(|b| matches!(b, Board::Eesv(_)));
    let of = |machine: &Board| {
        let own = |b: &&Board| b.group(view) == machine.group(view);
        let devices: Vec<String> = eeio.iter().filter(own).map(|b| b.id(view)).collect();
        (!devices.is_empty()).then(|| json!({ "index": machine.id(view), "devices": devices }))
    };
    (eesv.iter().filter_map(of).collect(), view.state.kept.eem_stolen)
}

fn ok(body: Value) -> Answer {
    Answer::json(StatusCode::OK, body)
}

fn missing(id: &str) -> Answer {
    error(StatusCode::NOT_FOUND, &format!("There is no device {id}."))
}

fn list(view: &View<'_>, detail: bool) -> Answer {
    let (status, group) = (view.call.param("status"), view.call.param("group_id"));
    let wanted = |b: &Board| {
        status.as_deref().is_none_or(|s| s == b.status())
            && group.as_ref().is_none_or(|g| *g == b.group(view).to_string())
    };
    let shown = |b: Board| if detail { b.detail(view) } else { json!({ "id": b.id(view) }) };
    let devices: Vec<Value> = Board::all(view).into_iter().filter(wanted).map(shown).collect();
    ok(json!({ "devices": devices, "timestamp": view.now_ms.to_string() }))
}

fn change(view: &mut View<'_>, board: Board) -> Answer {
    let group = match wanted(view, board) {
        Ok(group) => group,
        Err(refusal) => return refusal,
    };
    let before = board.group(view);
    if matches!(board, Board::Eeio(_)) && before != FREE.0 && group != FREE.0 && group != before {
        view.state.kept.eem_stolen += 1;
    }
    let id = board.id(view);
    if group != before {
        let at_ms = view.now_ms;
        view.state.kept.eem.insert(id, Changed { group, at_ms });
    }
    ok(json!({ "group_id": group.to_string() }))
}

/// The group that a board is to have.
fn wanted(view: &View<'_>, board: Board) -> Result<u64, Answer> {
    match view.call.method {
        Method::DELETE => return Ok(board.free_group()),
        Method::PUT => {}
        _ => return Err(error(StatusCode::METHOD_NOT_ALLOWED, "The method is not supported here.")),
    }
    let bad = || error(StatusCode::BAD_REQUEST, "group_id must be null or a number from 1 to 4092, as a string.");
    let Sent::Json(body) = &view.call.body else { return Err(bad()) };
    match body.get("group_id") {
        Some(Value::Null) => {
            let used: Vec<u64> = Board::all(view).into_iter().map(|b| b.group(view)).collect();
            let full = || error(StatusCode::CONFLICT, "There is no free group.");
            (1..FREE.0).find(|g| !used.contains(g)).ok_or_else(full)
        }
        Some(Value::String(text)) => text.parse().ok().filter(|g| (1..FREE.0).contains(g)).ok_or_else(bad),
        _ => Err(bad()),
    }
}
