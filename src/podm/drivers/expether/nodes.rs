//! Machines: as nodes, as systems, and which of them are free.

use std::collections::HashSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::ExpEther;
use super::boards::{EESV_FREE, TITLE, id_of, path_of, shown, text};
use crate::model::problem::Problem;
use crate::podm::driver::{NodeView, Offer, Probe, SystemView};
use crate::podm::error::{Cause, RedfishError};
use crate::podm::resource::Resource;

impl ExpEther {
    pub(super) async fn look(&self) -> Result<Probe, RedfishError> {
        let version = self.version().await?;
        Ok(Probe { api_version: version.text("api_version")?, nodes: 0 })
    }

    /// Every machine that is none of `taken`, in the EEM's order.
    pub(super) async fn free_machines(&self, taken: &HashSet<String>) -> Result<Vec<Offer>, RedfishError> {
        let paths = self.ids("devices?status=eesv").await?.into_iter().map(|id| path_of(&id));
        let offers: Vec<Offer> =
            paths.filter(|path| !taken.contains(path)).map(|path| Offer { parts: vec![path] }).collect();
        if offers.is_empty() { Err(self.not_available("Node not available")) } else { Ok(offers) }
    }

    pub(super) async fn read_node(&self, path: &str) -> Result<Option<NodeView>, RedfishError> {
        self.board(path).await?.map(|board| view(&board)).transpose()
    }

    pub(super) async fn read_index(&self, index: &str) -> Result<NodeView, RedfishError> {
        view(&self.machine(&path_of(index)).await?)
    }

    /// Machines that have, or had, devices.
    pub(super) async fn list_nodes(&self) -> Result<Vec<NodeView>, RedfishError> {
        let mut nodes = Vec::new();
        for machine in self.boards("devices/detail?status=eesv").await? {
            if text(&machine, "group_id")? != EESV_FREE {
                nodes.push(view(&machine)?);
            }
        }
        Ok(nodes)
    }

    pub(super) async fn show_node(&self, path: &str) -> Result<Value, RedfishError> {
        let machine = self.machine(path).await?;
        let id = text(&machine, "id")?;
        Ok(json!({
            "name": id,
            "index": id,
            "resource_uri": path_of(&id),
            "serial_number": shown(&machine, "serial_number")?,
            "power_state": shown(&machine, "power_status")?,
            "host_model": shown(&machine, "host_model")?,
            "host_serial_number": shown(&machine, "host_serial_number")?,
            "description": shown(&machine, "model")?,
            "type": shown(&machine, "type")?,
            "mac_address": shown(&machine, "mac_address")?,
            "pooled_group_id": shown(&machine, "group_id")?,
        }))
    }

    pub(super) async fn list_systems(&self, id: Option<&str>) -> Result<Vec<SystemView>, RedfishError> {
        let mut systems = Vec::new();
        for machine in self.boards("devices/detail?status=eesv").await? {
            let own = text(&machine, "id")?;
            if id.is_some_and(|id| id != own) {
                continue;
            }
            let shown = json!({
                "id": own,
                "resource_uri": path_of(&own),
                "pooled_group_id": shown(&machine, "group_id")?,
                "type": shown(&machine, "type")?,
                "mac_address": shown(&machine, "mac_address")?,
                "host_serial_num": shown(&machine, "host_serial_number")?,
                "host_model": shown(&machine, "host_model")?,
            });
            systems.push(SystemView { shown, raw: machine.body });
        }
        Ok(systems)
    }

    pub(super) async fn show_system(&self, id: &str) -> Result<Value, RedfishError> {
        let machine = self.machine(&path_of(id)).await?;
        Ok(json!({
            "id": shown(&machine, "id")?,
            "type": shown(&machine, "type")?,
            "pooled_group_id": shown(&machine, "group_id")?,
            "mac_address": shown(&machine, "mac_address")?,
            "serial_number": shown(&machine, "serial_number")?,
            "name": shown(&machine, "status")?,
            "power_state": shown(&machine, "power_status")?,
            "host_model": shown(&machine, "host_model")?,
            "host_serial_number": shown(&machine, "host_serial_number")?,
            "description": shown(&machine, "model")?,
            "ee_version": shown(&machine, "ee_version")?,
            "update_time": machine.number("update_time")?.map(updated),
        }))
    }

    /// A board that must be a machine.
    pub(super) async fn machine(&self, path: &str) -> Result<Resource, RedfishError> {
        let board = self.needed_board(path).await?;
        if board.text("status")?.as_deref() == Some("eesv") {
            return Ok(board);
        }
        let detail = format!("Not a valid EESV node {}", id_of(path));
        Err(self.impossible(Problem::podm(500, "Internal Server Error", TITLE, detail)))
    }

    /// The error of a deletion, in v1's words, when the EEM refused a part of it.
    pub(super) fn not_deleted(&self, path: &str, mut error: RedfishError) -> RedfishError {
        let asks_to_wait = error.is_away() || error.answer_unseen();
        if let Cause::Refused(refusal) = &mut error.cause
            && refusal.status != 401
            && !asks_to_wait
        {
            let said = std::mem::take(&mut refusal.detail);
            refusal.detail = format!("Composed node {} deletion failed with error : {said}", id_of(path));
            (refusal.status, refusal.code) = (500, "Internal Server Error".into());
        }
        error
    }
}

/// An EEM has no states of nodes: a machine that is there is assembled. Power and boot cannot be set, so they are not looked at.
fn view(board: &Resource) -> Result<NodeView, RedfishError> {
    let id = text(board, "id")?;
    Ok(NodeView {
        composed: board.text("status")?.as_deref() == Some("eesv"),
        path: path_of(&id),
        parts: vec![path_of(&id)],
        index: id.clone(),
        name: id,
        description: board.text("model")?.unwrap_or_default(),
        tag: None,
        state: Some("Assembled".into()),
        power: None,
        boot_target: None,
        boot_enabled: None,
    })
}

/// Milliseconds since 1970 as v1 shows them.
#[expect(clippy::cast_possible_truncation, reason = "far beyond any time when it would be cut")]
fn updated(ms: f64) -> Option<String> {
    let at = Timestamp::from_millisecond(ms as i64).ok()?;
    Some(at.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_whole_seconds_of_utc() {
        assert_eq!(updated(1_518_999_910_510.0).as_deref(), Some("2018-02-19 00:25:10"));
    }
}
