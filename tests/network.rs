//! Switches, interfaces and VLANs: what they leave behind at a Pod Manager, whatever happens to requests, answers and workers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use support::api::five_keys;
use support::front::Front;
use support::podm::Lab;
use support::saga::Plant;
use support::trees;
use valence::podm::Owner;
use valence::sim::{RsdVersion, SimConfig};
use valence::store::record::TaskRecord;

const PORT: &str = "/redfish/v1/EthernetSwitches/Switch1/Ports/Port1/VLANs";
const LAN: &str = "/redfish/v1/Systems/System1/EthernetInterfaces/LAN1/VLANs";

fn quick() -> SimConfig {
    SimConfig { assemble_time: Duration::from_millis(40), ..SimConfig::default() }
}

fn status_of(task: &TaskRecord) -> u16 {
    assert_eq!(task.state.as_str(), "failed", "{:?}", task.body);
    task.body.error.as_ref().unwrap().problem.status
}

fn completed(task: TaskRecord) -> Value {
    assert_eq!(task.state.as_str(), "completed", "{:?} {:?}", task.body, task.history());
    task.body.result
}

/// The VLANs of a collection: number and whether tagged.
async fn vlans(lab: &Lab, collection: &str) -> Vec<(u16, bool)> {
    let found = lab.driver().network().unwrap().vlans(collection).await.unwrap();
    found.into_iter().map(|v| (v.vlan_id.unwrap(), v.tagged.unwrap())).collect()
}

/// What the port and the interface behind it have beside the VLAN that is always there.
async fn both(lab: &Lab) -> [Vec<(u16, bool)>; 2] {
    let more = |mut all: Vec<(u16, bool)>| {
        assert_eq!(all.remove(0), (1, false));
        all
    };
    [more(vlans(lab, PORT).await), more(vlans(lab, LAN).await)]
}

fn on_port(vlan_id: u16, tagged: bool) -> Value {
    json!({"switch_id": "Switch1", "port_id": "Port1", "vlan_id": vlan_id, "tagged": tagged})
}

#[tokio::test]
async fn switches_ports_interfaces_and_vlans_are_shown() {
    for rsd_version in [RsdVersion::V1_2, RsdVersion::V2_4] {
        let plant = Plant::start(SimConfig { rsd_version, ..quick() }).await;
        let all = plant.read("switch.list", json!({})).await.unwrap();
        assert_eq!((all["items"].as_array().unwrap().len(), &all["incomplete"]), (2, &json!([])), "{all}");
        let one = plant.read("switch.get", json!({"id": "Switch2"})).await.unwrap();
        assert_eq!(
            (&one["resource_uri"], &one["podm_id"]),
            (&json!("/redfish/v1/EthernetSwitches/Switch2"), &json!(plant.lab.uuids[0]))
        );
        let ports = plant.read("port.list", json!({"switch_id": "Switch1"})).await.unwrap();
        assert_eq!(ports.as_array().unwrap().len(), 5, "{ports}");
        let up = json!({"switch_id": "Switch1", "filters": {"type": "Upstream"}});
        assert_eq!(plant.read("port.list", up).await.unwrap().as_array().unwrap().len(), 1);
        let node = completed(plant.compose(json!({"name": "n"})).await)["uuid"].clone();
        let interfaces = plant.read("interface.list", json!({ "node_id": node })).await.unwrap();
        assert_eq!(interfaces[0]["vlans"][0]["vlan_id"], 1, "{interfaces}");
        assert_eq!(interfaces[0]["mac"], ports[1]["neighbor_mac"]);
        let found = json!({"node_id": node, "interface_id": "LAN1"});
        let vlans = plant.read("vlan.list", found).await.unwrap();
        assert_eq!((&vlans[0]["vlan_id"], vlans.as_array().unwrap().len()), (&json!(1), 1), "{vlans}");
        for (kind, params, status) in [
            ("switch.get", json!({"id": "Switch9"}), 404),
            ("port.list", json!({"switch_id": "Switch9"}), 404),
            ("vlan.list", json!({"switch_id": "Switch1", "port_id": "Port9"}), 404),
            ("interface.list", json!({"system_id": "System99"}), 404),
            ("switch.list", json!({"filters": {"colour": "red"}}), 400),
        ] {
            assert_eq!(plant.read(kind, params.clone()).await.unwrap_err().status, status, "{kind} {params}");
        }
    }
}

#[tokio::test]
async fn a_vlan_is_made_once_and_another_of_its_number_is_a_conflict() {
    let plant = Plant::start(quick()).await;
    let podm = Some(plant.lab.uuids[0].as_str());
    for _twice in 0..2 {
        let made = completed(plant.run("vlan.create", on_port(100, true), podm, None).await);
        assert_eq!((&made["vlan_id"], &made["tagged"]), (&json!(100), &json!(true)), "{made}");
    }
    assert_eq!(plant.lab.posts().await, 1, "what is there is not asked for");
    assert_eq!(status_of(&plant.run("vlan.create", on_port(100, false), podm, None).await), 409);
    let on_system = json!({"system_id": "System1", "interface_id": "LAN1", "vlan_id": 7});
    completed(plant.run("vlan.create", on_system, podm, None).await);
    assert_eq!(both(&plant.lab).await, [vec![(100, true)], vec![(7, true)]]);
    let delete = json!({"switch_id": "Switch1", "port_id": "Port1", "vlan_id": 100});
    assert_eq!(completed(plant.run("vlan.delete", delete.clone(), podm, None).await)["code"], "DELETED");
    assert_eq!(status_of(&plant.run("vlan.delete", delete, podm, None).await), 404);
    let kind = valence::model::kind::Kind::find("vlan.create").unwrap();
    for bad in [
        on_port(0, true),
        on_port(4095, true),
        json!({"switch_id": "Switch1", "vlan_id": 5}),
        json!({"switch_id": "Switch1", "port_id": "Port1", "system_id": "System1", "interface_id": "LAN1", "vlan_id": 5}),
        json!({"switch_id": "Switch1", "port_id": "Port1", "vlan_id": 70_000}),
    ] {
        assert_eq!((kind.check)(&bad).unwrap_err().status, 400, "{bad}");
    }
}

#[tokio::test]
async fn a_vlan_is_assigned_to_a_node_and_the_port_behind_it_and_taken_off_both() {
    let plant = Plant::start(quick()).await;
    let node = completed(plant.compose(json!({"name": "n"})).await)["uuid"].as_str().unwrap().to_owned();
    let done = completed(plant.run("vlan.assign", json!({"vlan_id": 42}), None, Some(&node)).await);
    assert_eq!(done["assigned_to"].as_array().unwrap().len(), 2, "{done}");
    assert_eq!(both(&plant.lab).await, [vec![(42, true)], vec![(42, true)]]);
    completed(plant.run("vlan.unassign", json!({"vlan_id": 42}), None, Some(&node)).await);
    assert_eq!(both(&plant.lab).await, [vec![], vec![]]);
    assert_eq!(status_of(&plant.run("vlan.unassign", json!({"vlan_id": 42}), None, Some(&node)).await), 404);
    let none = json!({"vlan_id": 42, "interface_id": "LAN9"});
    assert_eq!(status_of(&plant.run("vlan.assign", none, None, Some(&node)).await), 404);
}

#[tokio::test]
async fn when_the_second_place_refuses_the_first_is_as_it_was() {
    let plant = Plant::start(quick()).await;
    let podm = Some(plant.lab.uuids[0].as_str());
    let node = completed(plant.compose(json!({"name": "n"})).await)["uuid"].as_str().unwrap().to_owned();
    let assign = || plant.run("vlan.assign", json!({"vlan_id": 42}), None, Some(&node));
    let refuse =
        |method: &str, path: &str, status: u16| json!([{"method": method, "path_prefix": path, "status": status}]);
    plant.lab.faults(refuse("POST", LAN, 400)).await;
    assert_eq!(status_of(&assign().await), 400);
    assert_eq!(both(&plant.lab).await, [vec![], vec![]]);
    // A VLAN that was on the port before stays there.
    completed(plant.run("vlan.create", on_port(42, true), podm, None).await);
    assert_eq!(status_of(&assign().await), 400);
    assert_eq!(both(&plant.lab).await, [vec![(42, true)], vec![]]);
    // An interface that only mirrors its port refuses with 405.
    plant.lab.faults(refuse("POST", LAN, 405)).await;
    completed(assign().await);
    plant.lab.faults(json!([])).await;
    completed(assign().await);
    plant.lab.faults(refuse("DELETE", PORT, 409)).await;
    let unassign = plant.run("vlan.unassign", json!({"vlan_id": 42}), None, Some(&node)).await;
    assert_eq!(status_of(&unassign), 409);
    assert_eq!(both(&plant.lab).await, [vec![(42, true)], vec![(42, true)]]);
}

#[tokio::test]
async fn an_assignment_survives_any_answer_that_is_lost() {
    for path in [PORT, LAN] {
        for method in ["POST", "GET"] {
            for cut in ["before", "after", "within"] {
                let plant = Plant::start(quick()).await;
                let node = completed(plant.compose(json!({"name": "n"})).await)["uuid"].as_str().unwrap().to_owned();
                plant.lab.faults(json!([{"method": method, "path_prefix": path, "cut": cut, "count": 1}])).await;
                completed(plant.run("vlan.assign", json!({"vlan_id": 42}), None, Some(&node)).await);
                assert_eq!(both(&plant.lab).await, [vec![(42, true)], vec![(42, true)]], "{path} {method} {cut}");
            }
        }
    }
}

#[tokio::test]
async fn an_assignment_whose_worker_dies_or_is_cancelled_at_any_moment_is_whole_or_nothing() {
    let plant = Plant::bare(SimConfig { latency: Duration::from_millis(3), ..quick() }, false).await;
    let create = plant.submit_def(plant.registration(0, "lab-0", &plant.lab.url)).await;
    plant.drive(create, &[]).await;
    let podm = plant.lab.uuids[0].clone();
    let compose = plant.submit("node.compose", json!({"name": "n"}), Some(&podm), None).await;
    let node = completed(plant.drive(compose, &[]).await)["uuid"].as_str().unwrap().to_owned();
    let (nothing, whole) = ([vec![], vec![]], [vec![(42, true)], vec![(42, true)]]);
    for ms in (3..130).step_by(7) {
        let limits = [Duration::from_millis(ms), Duration::from_millis(ms / 2 + 5)];
        for (kind, params, before, after) in [
            ("vlan.assign", json!({"vlan_id": 42}), &nothing, &whole),
            ("vlan.unassign", json!({"vlan_id": 42}), &whole, &nothing),
        ] {
            let task = plant.submit(kind, params.clone(), None, Some(&node)).await;
            plant.attempt(limits[0]).await;
            plant.store.cancel(task).await.unwrap();
            let ended = plant.drive(task, &limits[1..]).await;
            if ended.state.as_str() == "cancelled" {
                assert_eq!(&both(&plant.lab).await, before, "{kind} {ms} ms: {:?}", ended.history());
                let task = plant.submit(kind, params, None, Some(&node)).await;
                completed(plant.drive(task, &limits).await);
            }
            assert_eq!(&both(&plant.lab).await, after, "{kind} {ms} ms");
        }
    }
}

#[tokio::test]
async fn networks_are_served_by_the_rest_api_and_the_command_line() {
    let plant = Plant::start(quick()).await;
    let front = Front::over(&plant).await;
    let node = completed(plant.compose(json!({"name": "n"})).await)["uuid"].as_str().unwrap().to_owned();
    let vlans = "/v1/networks/switches/Switch1/ports/Port1/vlans";
    for (path, many) in [
        ("/v1/networks/switches", 2),
        ("/v1/networks/switches?name=nothing", 0),
        ("/v1/networks/switches/Switch1/ports", 5),
        (vlans, 1),
        (&format!("/v1/nodes/{node}/interfaces"), 1),
    ] {
        let (status, list) = front.get(path).await;
        assert_eq!((status.as_u16(), list.as_array().map(Vec::len)), (200, Some(many)), "{path} {list}");
    }
    assert_eq!(front.get("/v1/networks/switches/Switch1").await.1["id"], "Switch1");
    for (method, path, body, status) in [
        (Method::GET, "/v1/networks/switches?colour=red", None, 400),
        (Method::GET, "/v1/networks/switches/Switch9", None, 404),
        (Method::GET, "/v1/nodes/nobody/interfaces", None, 404),
        (Method::POST, vlans, Some(json!({"vlan_id": 0})), 400),
        (Method::POST, vlans, Some(json!({"vlan_id": 5, "colour": 1})), 400),
        (Method::DELETE, &format!("{vlans}/x"), None, 400),
        (Method::DELETE, &format!("{vlans}/77"), None, 404),
        (Method::POST, "/v1/nodes/nobody/vlans", Some(json!({"vlan_id": 5})), 404),
    ] {
        let (answered, said) = front.ask(method.clone(), path, body).await;
        assert_eq!(answered.as_u16(), status, "{method} {path} {said}");
        five_keys(answered, &said);
    }
    let (status, made) = front.ask(Method::POST, vlans, Some(json!({"vlan_id": 9}))).await;
    assert_eq!((status.as_u16(), &made["vlan_id"], &made["tagged"]), (200, &json!(9), &json!(true)), "{made}");
    assert_eq!(front.ask(Method::DELETE, &format!("{vlans}/9"), None).await.1["code"], "DELETED");
    let of_node = format!("/v1/nodes/{node}/vlans");
    let assigned = front.ask(Method::POST, &of_node, Some(json!({"vlan_id": 10}))).await;
    assert_eq!((assigned.0.as_u16(), &assigned.1["node_id"]), (200, &json!(node)), "{assigned:?}");
    assert_eq!(both(&plant.lab).await, [vec![(10, true)], vec![(10, true)]]);
    assert_eq!(front.ask(Method::DELETE, &format!("{of_node}/10"), None).await.0.as_u16(), 200);

    assert!(front.command(&["network", "switches"]).await.contains("Switch1"));
    assert!(front.command(&["network", "ports", "Switch1"]).await.contains("Upstream"));
    front.command(&["network", "vlan-create", "Switch1", "Port1", "11", "--wait"]).await;
    assert!(front.command(&["network", "vlans", "Switch1", "Port1"]).await.contains("11"));
    front.command(&["network", "vlan-delete", "Switch1", "Port1", "11", "--wait"]).await;
    front.command(&["network", "assign", &node, "12", "--wait"]).await;
    assert!(front.command(&["network", "interfaces", &node]).await.contains("1,12"));
    let off = front.command(&["network", "unassign", &node, "12", "--wait"]).await;
    assert!(off.contains("VLAN 12 is off node"), "{off}");
    assert_eq!(both(&plant.lab).await, [vec![], vec![]]);
}

/// Every recorded Rack Scale tree is read without an error, and what it has is found.
#[tokio::test]
async fn networks_of_every_recorded_tree_are_understood() {
    let (mut switches, mut ports, mut interfaces, mut found) = (0, 0, 0, Vec::new());
    for tree in trees::rack_scale() {
        let lab = Lab::start(SimConfig { tree: Some(tree.clone()), ..SimConfig::default() }).await;
        let driver = lab.driver();
        let name = tree.display();
        let network = driver.network().unwrap();
        let mut collections = Vec::new();
        for switch in network.switches().await.unwrap_or_else(|e| panic!("{name}: {e}")) {
            switches += 1;
            for port in network.ports(&switch.path).await.unwrap_or_else(|e| panic!("{name}: {e}")) {
                ports += 1;
                collections.extend(port.vlans);
            }
        }
        let systems = driver.systems(None).await.unwrap();
        let nodes = driver.nodes().await.unwrap();
        let ids: Vec<&str> = systems.iter().map(|s| s.shown["id"].as_str().unwrap()).collect();
        let machines = ids.iter().map(|id| Owner::System(id)).chain(nodes.iter().map(|n| Owner::Node(&n.path)));
        for machine in machines {
            let all = network.interfaces(machine).await.unwrap_or_else(|e| panic!("{name}: {e}"));
            for interface in all.unwrap() {
                interfaces += 1;
                collections.extend(interface.vlans);
            }
        }
        for collection in collections {
            found.extend(network.vlans(&collection).await.unwrap_or_else(|e| panic!("{name}: {e}")));
        }
    }
    println!("{switches} switches, {ports} ports, {interfaces} interfaces, {} VLANs", found.len());
    if trees::rack_scale().is_empty() {
        return;
    }
    assert!(switches >= 2 && ports >= 4 && interfaces >= 9 && found.len() >= 11, "{switches} {ports} {interfaces}");
    assert!(found.iter().any(|v| v.tagged == Some(true)) && found.iter().all(|v| v.vlan_id.is_some()));
}
