//! Every route of the first Valence, row by row, in the order in which they are asked: what each answers when all is well and when it is not.
//! What a row does beyond its shape is promised elsewhere, as its line says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use support::api::{five_keys, keys};
use support::front::Front;
use support::podm::PASSWORD;
use support::saga::Plant;
use valence::sim::SimConfig;

/// Row of the route table, request, its JSON, status, keys of the answer (a list's: of its first row) or title of the error, and the name
/// that the answer's `uuid` has from here on.
type Row = (u8, &'static str, &'static str, u16, &'static str, &'static str);

const BRIEF: &str = "index name podm_id resource_uri uuid";
const FLAVOR: &str = "created_at name properties updated_at uuid";
const PODM: &str = "authentication created_at driver name status updated_at url uuid";
const DEVICE: &str = "node_id podm_id pooled_group_id resource_uri state type uuid";
const STORAGE: &str = "capacity_gib description drives health id name podm_id resource_uri type volumes";
const SYSTEM: &str = "Description Name cpu health id location network podm_id ram storage uuid";
const RACK: &str = "description id manufacturer model name podm_id serial_number systems";
const SAID: &str = "code detail request_id";
const MISSING: &str = "Resource could not be found";
const INVALID: &str = "Validation Error";

const ROWS: &[Row] = &[
    // Whole in v1_acceptance.rs.
    (1, "GET /", "", 200, "description name versions", ""),
    (2, "GET /v1", "{}", 200, "flavors id links media_types nodes pod_managers storages systems", ""),
    // Pod Managers: v1_acceptance.rs, trust.rs; PATCH in v1_bugs.rs (24); what becomes of nodes in sweep.rs.
    (22, "GET /v1/pod_managers", "", 200, "", ""),
    (23, "POST /v1/pod_managers", "{podm}", 200, PODM, "p"),
    (23, "POST /v1/pod_managers", "{podm}", 400, "Bad Request", ""),
    (23, "POST /v1/pod_managers", r#"{"name": "q"}"#, 400, INVALID, ""),
    (23, "POST /v1/pod_managers", "{masked}", 400, INVALID, ""),
    (24, "GET /v1/pod_managers/{p}", "{}", 200, PODM, ""),
    (24, "GET /v1/pod_managers/nobody", "", 404, MISSING, ""),
    (25, "PATCH /v1/pod_managers/{p}", r#"{"name": "r", "url": "http://elsewhere", "uuid": "u"}"#, 200, PODM, ""),
    (25, "PATCH /v1/pod_managers/nobody", r#"{"name": "r"}"#, 404, MISSING, ""),
    // Devices: devices.rs, storage.rs, expether.rs.
    (29, "POST /v1/devices/sync", r#"{"podm_id": "{p}"}"#, 200, "podm_id status", ""),
    (29, "POST /v1/devices/sync", "", 200, "podm_id status", ""),
    (29, "POST /v1/devices/sync", r#"{"podm_id": "nobody", "colour": "red"}"#, 200, "podm_id status", ""),
    (27, "GET /v1/devices", "", 200, DEVICE, "d"),
    (27, "GET /v1/devices?state=free&podm_id={p}&uuid={d}", "", 200, DEVICE, ""),
    (27, "GET /v1/devices?created_at=then&properties=x&extra=x&updated_at=then", "", 200, "", ""),
    (27, "GET /v1/devices?colour=red", "", 400, INVALID, ""),
    (
        28,
        "GET /v1/devices/{d}",
        "",
        200,
        "created_at extra node_id podm_id pooled_group_id properties resource_uri state type updated_at uuid",
        "",
    ),
    (28, "GET /v1/devices/sync", "", 404, MISSING, ""),
    // Racks: v1_live.rs. Systems: v1_bugs.rs (5), drivers.rs. An id may be written with escapes.
    (3, "GET /v1/racks", r#"{"podm_id": "{p}", "show_detail": false}"#, 200, "id name podm_id systems", ""),
    (3, "GET /v1/racks?colour=red", "", 400, "Bad Request", ""),
    (4, "GET /v1/racks/Rack1", r#"{"podm_id": "{p}"}"#, 200, RACK, ""),
    (4, "GET /v1/racks/%52ack1/", "", 200, RACK, ""),
    (4, "GET /v1/racks/nowhere", "", 200, "", ""),
    (13, "GET /v1/systems", r#"{"podm_id": "{p}"}"#, 200, SYSTEM, ""),
    (13, "GET /v1/systems?Id=system1&Status/Health=ok", "", 200, SYSTEM, ""),
    (13, "GET /v1/systems", r#"{"podm_id": "nobody"}"#, 404, MISSING, ""),
    (14, "GET /v1/systems/System%31?colour=red", "{}", 200, SYSTEM, ""),
    (14, "GET /v1/systems/nothing", "", 200, "", ""),
    // Flavors: v1_acceptance.rs.
    (15, "GET /v1/flavors?colour=red", "", 200, "", ""),
    (
        16,
        "POST /v1/flavors",
        r#"{"name": "f", "description": "d", "properties": {"memory": {"capacity_mib": "1024"}}}"#,
        200,
        FLAVOR,
        "f",
    ),
    (16, "POST /v1/flavors", r#"{"name": "f", "properties": {"memory": {"capacity_mib": 10}}}"#, 400, INVALID, ""),
    (16, "POST /v1/flavors", "{", 400, "BadRequest", ""),
    (17, "GET /v1/flavors/{f}", "", 200, FLAVOR, ""),
    (17, "GET /v1/flavors/nobody", "", 404, MISSING, ""),
    (19, "PATCH /v1/flavors/{f}", r#"{"name": "g"}"#, 200, FLAVOR, ""),
    (19, "PATCH /v1/flavors/{f}", "", 400, INVALID, ""),
    (19, "PATCH /v1/flavors/nobody", r#"{"name": "g"}"#, 404, MISSING, ""),
    // Nodes: v1_nodes.rs, sagas.rs; registration in ironic.rs.
    (5, "GET /v1/nodes", "", 200, "", ""),
    (6, "POST /v1/nodes", r#"{"name": "n", "flavor_id": "{f}", "podm_id": "{p}"}"#, 200, BRIEF, "n"),
    (6, "POST /v1/nodes", r#"{"name": "n", "flavor_id": "{f}", "properties": {}}"#, 400, INVALID, ""),
    (6, "POST /v1/nodes", r#"{"name": "n", "podm_id": "nobody"}"#, 404, MISSING, ""),
    (5, "GET /v1/nodes?name=n&podm_id={p}", "", 200, BRIEF, ""),
    (5, "GET /v1/nodes?created_at=then&updated_at=then&managed_by=ironic", "", 200, "", ""),
    (5, "GET /v1/nodes?colour=red", "", 400, INVALID, ""),
    (
        7,
        "GET /v1/nodes/{n}",
        "{}",
        200,
        "boot_source computer_system created_at description health_status index metadata name node_power_state \
      node_state podm_id pooled_group_id resource_uri target_boot_source updated_at uuid",
        "",
    ),
    (7, "GET /v1/nodes/nobody", "", 404, MISSING, ""),
    (9, "POST /v1/nodes/{n}/action", r#"{"Reset": {"Type": "On"}}"#, 204, "", ""),
    (9, "POST /v1/nodes/{n}/action", r#"{"Boot": {"Enabled": "Once", "Target": "Pxe"}}"#, 204, "", ""),
    (9, "POST /v1/nodes/{n}/action", r#"{"attach": {"resource_id": "{d}"}}"#, 204, "", ""),
    (9, "POST /v1/nodes/{n}/action", r#"{"detach": {"resource_id": "{d}"}}"#, 204, "", ""),
    (9, "POST /v1/nodes/{n}/action", r#"{"Reset": {}, "Boot": {}}"#, 400, INVALID, ""),
    (9, "POST /v1/nodes/nobody/action", r#"{"Reset": {"Type": "On"}}"#, 404, MISSING, ""),
    (10, "POST /v1/nodes/manage", r#"{"node_index": "1", "podm_id": "{p}"}"#, 409, "Resource Already Exists", ""),
    (10, "POST /v1/nodes/manage", r#"{"node_id": "1"}"#, 400, INVALID, ""),
    (12, "POST /v1/nodes/nobody/register", "{}", 404, MISSING, ""),
    (12, "POST /v1/nodes/{n}/register", "[]", 400, INVALID, ""),
    (12, "POST /v1/nodes/{n}/register", "{}", 500, "An unknown exception occured", ""),
    // Storages, which once were not there: storage.rs.
    (11, "GET /v1/nodes/{n}/storages", "", 200, STORAGE, ""),
    (20, "GET /v1/storages", "", 200, STORAGE, ""),
    (21, "GET /v1/storages/RSS1", "", 200, STORAGE, ""),
    (8, "DELETE /v1/nodes/{n}", "{}", 200, SAID, ""),
    (8, "DELETE /v1/nodes/{n}", "", 404, MISSING, ""),
    (18, "DELETE /v1/flavors/{f}", "{}", 200, SAID, ""),
    (18, "DELETE /v1/flavors/{f}", "", 404, MISSING, ""),
    (26, "DELETE /v1/pod_managers/{p}", "{}", 200, SAID, ""),
    (26, "DELETE /v1/pod_managers/{p}", "", 404, MISSING, ""),
];

#[tokio::test]
async fn every_row_of_the_route_table_answers_as_it_did() {
    let sim = SimConfig { podms: 1, assemble_time: std::time::Duration::ZERO, ..SimConfig::default() };
    let plant = Plant::bare(sim, true).await;
    let front = Front::over(&plant).await;
    let basic = json!([{"type": "basic", "auth_items": {"username": "admin", "password": PASSWORD}}]);
    let podm = json!({"name": "p", "url": plant.lab.url, "authentication": basic}).to_string();
    let masked = podm.replace(PASSWORD, "***");
    let mut names = BTreeMap::from([("podm".to_owned(), podm), ("masked".to_owned(), masked)]);
    for (row, asked, body, status, wanted, name) in ROWS {
        let meant = |text: &str| {
            names.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
        };
        let asked = meant(asked);
        let (method, path) = asked.split_once(' ').unwrap();
        let mut request = front.request(method.parse().unwrap(), path);
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json").body(meant(body));
        }
        let answer = request.send().await.unwrap();
        let (code, sort) = (answer.status(), answer.headers()[CONTENT_TYPE].to_str().unwrap().to_owned());
        let text = answer.text().await.unwrap();
        assert_eq!((code.as_u16(), sort.as_str()), (*status, "application/json"), "{row}: {asked} {body}: {text}");
        if *status == 204 {
            assert_eq!(text, "", "{row}: {asked}");
            continue;
        }
        let said: Value = serde_json::from_str(&text).unwrap();
        if *status >= 400 {
            assert_eq!(five_keys(code, &said)["title"], *wanted, "{row}: {asked} {body}: {said}");
            continue;
        }
        let first = if let Value::Array(rows) = &said { rows.first() } else { Some(&said) };
        assert_eq!(first.map(keys).unwrap_or_default().join(" "), *wanted, "{row}: {asked}: {said}");
        if let Some(uuid) = first.and_then(|f| f["uuid"].as_str()).filter(|_| !name.is_empty()) {
            names.insert((*name).to_owned(), uuid.to_owned());
        }
    }
    let rows: BTreeSet<u8> = ROWS.iter().map(|row| row.0).collect();
    assert_eq!(rows, (1..=29).collect(), "every row is here");
}
