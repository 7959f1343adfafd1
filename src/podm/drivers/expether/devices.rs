//! Devices: what they are, who has them, and how a machine gets and loses them.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use super::ExpEther;
use super::boards::{EEIO_FREE, EESV_FREE, id_of, path_of, shown, text};
use crate::model::problem::Problem;
use crate::podm::driver::storage::{DeviceView, StorageDriver, first_free};
use crate::podm::driver::{Begun, Call};
use crate::podm::error::RedfishError;
use crate::podm::resource::Resource;

impl StorageDriver for ExpEther {
    fn devices(&self) -> Call<'_, Vec<DeviceView>> {
        Box::pin(self.list_devices())
    }
    fn choose<'a>(&'a self, kinds: &'a [String], taken: &'a HashSet<String>) -> Call<'a, Vec<String>> {
        Box::pin(async move {
            let none = |_kind: &str| self.not_available("Requested device not available");
            first_free(&self.list_devices().await?, kinds, taken).map_err(none)
        })
    }
    fn device<'a>(&'a self, device: &'a str) -> Call<'a, Option<DeviceView>> {
        Box::pin(self.read_device(device))
    }
    fn attach<'a>(&'a self, node: &'a str, device: &'a str) -> Call<'a, Begun<()>> {
        Box::pin(self.attach_device(node, device))
    }
    fn detach<'a>(&'a self, _node: &'a str, device: &'a str) -> Call<'a, Begun<()>> {
        Box::pin(async move {
            match self.board(device).await? {
                Some(board) if text(&board, "group_id")? != EEIO_FREE => self.delete_group(device).await?,
                _ => {}
            }
            Ok(Begun::Done(()))
        })
    }
}

impl ExpEther {
    /// Every device that is plugged in.
    async fn list_devices(&self) -> Result<Vec<DeviceView>, RedfishError> {
        let mut machines: HashMap<String, Option<String>> = HashMap::new();
        let mut all = Vec::new();
        for board in self.boards("devices/detail?status=eeio").await? {
            if board.raw("notification_status0")[0] == "down" {
                continue;
            }
            let group = text(&board, "group_id")?;
            if !machines.contains_key(&group) {
                let machine = self.machine_of(&group).await?;
                machines.insert(group.clone(), machine);
            }
            let node = machines.get(&group).cloned().flatten();
            all.push(view(&board, group, node)?);
        }
        Ok(all)
    }

    async fn read_device(&self, path: &str) -> Result<Option<DeviceView>, RedfishError> {
        let Some(board) = self.board(path).await? else { return Ok(None) };
        let group = text(&board, "group_id")?;
        let node = self.machine_of(&group).await?;
        view(&board, group, node).map(Some)
    }

    /// Id of the machine whose devices are those of a group: its first one.
    async fn machine_of(&self, group: &str) -> Result<Option<String>, RedfishError> {
        if group == EEIO_FREE {
            return Ok(None);
        }
        Ok(self.ids(&in_group("eesv", group)).await?.into_iter().next())
    }

    /// Paths of the devices that a machine has; none when it is not there.
    pub(super) async fn attached_to(&self, node: &str) -> Result<Vec<String>, RedfishError> {
        let Some(machine) = self.board(node).await? else { return Ok(Vec::new()) };
        let group = text(&machine, "group_id")?;
        if group == EESV_FREE || self.machine_of(&group).await? != Some(id_of(node)) {
            return Ok(Vec::new());
        }
        Ok(self.ids(&in_group("eeio", &group)).await?.iter().map(|id| path_of(id)).collect())
    }

    /// Puts a device into the group of a machine, which gets one of its own first where it has none.
    async fn attach_device(&self, node: &str, device: &str) -> Result<Begun<()>, RedfishError> {
        let machine = self.machine(node).await?;
        let mut group = text(&machine, "group_id")?;
        let current = text(&self.needed_board(device).await?, "group_id")?;
        if current == group {
            return Ok(Begun::Done(()));
        }
        if current != EEIO_FREE {
            let detail = format!("Device {} is in the group {current} of another node.", id_of(device));
            return Err(self.impossible(Problem::bad_request(detail)));
        }
        if group == EESV_FREE {
            let answer = self.put_group(node, None).await?;
            group = match answer.body["group_id"].as_str() {
                Some(picked) => picked.to_owned(),
                None => text(&self.machine(node).await?, "group_id")?,
            };
        }
        let most = machine.number("max_eeio_count")?.ok_or_else(|| machine.wrong("max_eeio_count", "there"))?;
        let count = self.ids(&in_group("eeio", &group)).await?.len();
        if count as f64 >= most {
            let detail = format!("Node {} has as many devices as it can have: {most}", id_of(node));
            let full = Problem::podm(500, "Internal Server Error", "Internal server error", detail);
            return Err(self.impossible(full));
        }
        self.put_group(device, Some(&group)).await?;
        Ok(Begun::Done(()))
    }

    /// Takes every device from a machine.
    pub(super) async fn detach_all(&self, node: &str) -> Result<Begun<()>, RedfishError> {
        for device in self.attached_to(node).await? {
            self.delete_group(&device).await.map_err(|e| self.not_deleted(node, e))?;
        }
        Ok(Begun::Done(()))
    }
}

fn in_group(status: &str, group: &str) -> String {
    format!("devices?status={status}&group_id={group}")
}

fn view(board: &Resource, group: String, node: Option<String>) -> Result<DeviceView, RedfishError> {
    let id = text(board, "id")?;
    // Only 40g boards say what is plugged into them.
    let is_40g = board.text("type")?.as_deref() == Some("40g");
    Ok(DeviceView {
        path: path_of(&id),
        kind: if is_40g { Some(kind(board)?.to_owned()) } else { None },
        allocated: group != EEIO_FREE,
        group: Some(group),
        node,
        properties: json!({
            "device_id": id,
            "mac_address": shown(board, "mac_address")?,
            "model": shown(board, "type")?,
        }),
        // v1 filled them from a table of PCI ids where one was installed.
        extra: if is_40g { json!({ "vendor_name": "", "device_name": "" }) } else { Value::Object(Default::default()) },
    })
}

/// What a device is by its PCI base class, the first byte of three.
fn kind(board: &Resource) -> Result<&'static str, RedfishError> {
    const FIELD: &str = "pcie_class_code";
    let Some(code) = board.text(FIELD)? else { return Ok("Unknown") };
    let digits = code.trim().to_ascii_lowercase();
    let number = match digits.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => digits.parse(),
    };
    Ok(match number.map_err(|_| board.wrong(FIELD, "a number"))? >> 16 {
        0x01 => "SSD",
        0x02 => "NIC",
        0x03 => "GPU",
        0x04 => "Multi",
        0x06 => "SWITCH",
        0x0c => "USB",
        0x12 => "ACS",
        _ => "Unknown",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board(code: Value) -> Resource {
        let body = json!({"pcie_class_code": code});
        Resource { podm: "lab".into(), path: "/devices/1".into(), etag: None, body }
    }

    #[test]
    fn a_device_is_what_its_class_code_says() {
        for (code, expected) in [
            (json!("0x20000"), "NIC"),
            (json!("0x010802"), "SSD"),
            (json!("0x030200"), "GPU"),
            (json!("0x40100"), "Multi"),
            (json!("0x060400"), "SWITCH"),
            (json!("0x0C0330"), "USB"),
            (json!("0x120000"), "ACS"),
            (json!(131_072), "NIC"),
            (json!("0xff0000"), "Unknown"),
            (Value::Null, "Unknown"),
        ] {
            assert_eq!(kind(&board(code)).unwrap(), expected);
        }
        assert!(kind(&board(json!("many"))).is_err());
    }
}
