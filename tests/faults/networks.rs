//! VLANs of switch ports and interfaces.

use serde_json::{Value, json};
use valence::ids::TaskId;

use super::support::matrix::{BASE, Case};
use super::support::saga::Plant;
use super::{assert_done, composed, is_done, quick, registered};

const PORT: &str = "/redfish/v1/EthernetSwitches/Switch1/Ports/Port1/VLANs";
const LAN: &str = "/redfish/v1/Systems/System1/EthernetInterfaces/LAN1/VLANs";
/// What is put on and taken off.
const VLAN: u16 = 42;

/// How often the VLAN is on the port, and on the interface behind it.
async fn seen(plant: &Plant) -> [usize; 2] {
    let driver = plant.lab.driver();
    let network = driver.network().unwrap();
    let mut found = [0; 2];
    for (n, place) in [PORT, LAN].into_iter().enumerate() {
        found[n] = network.vlans(place).await.unwrap().iter().filter(|v| v.vlan_id == Some(VLAN)).count();
    }
    found
}

async fn at_port(plant: &Plant, kind: &str) -> TaskId {
    let params = json!({"switch_id": "Switch1", "port_id": "Port1", "vlan_id": VLAN});
    plant.submit(kind, params, Some(&plant.lab.uuids[0]), None).await
}

async fn of_node(plant: &Plant, kind: &str, node: &str) -> TaskId {
    plant.submit(kind, json!({ "vlan_id": VLAN }), None, Some(node)).await
}

pub fn create() -> Case {
    Case {
        name: "vlan.create",
        undoes: true,
        sim: quick,
        prepare: |plant| Box::pin(registered(plant)),
        submit: |plant, _| Box::pin(at_port(plant, "vlan.create")),
        invariant: |plant, _, task| Box::pin(async { assert_eq!(seen(plant).await, [usize::from(is_done(task)), 0]) }),
        ..BASE
    }
}

pub fn delete() -> Case {
    Case {
        name: "vlan.delete",
        undoes: false,
        prepare: |plant| {
            Box::pin(async {
                registered(plant).await;
                let id = at_port(plant, "vlan.create").await;
                assert_done(&plant.drive(id, &[]).await);
                String::new()
            })
        },
        submit: |plant, _| Box::pin(at_port(plant, "vlan.delete")),
        invariant: |plant, _, task| {
            Box::pin(async {
                assert_done(task);
                assert_eq!(seen(plant).await, [0, 0]);
            })
        },
        ..create()
    }
}

pub fn assign() -> Case {
    Case {
        name: "vlan.assign",
        undoes: true,
        sim: quick,
        prepare: |plant| Box::pin(composed(plant)),
        submit: |plant, node| Box::pin(of_node(plant, "vlan.assign", node)),
        invariant: |plant, _, task| Box::pin(async { assert_eq!(seen(plant).await, [usize::from(is_done(task)); 2]) }),
        ..BASE
    }
}

pub fn unassign() -> Case {
    Case {
        name: "vlan.unassign",
        prepare: |plant| {
            Box::pin(async {
                let node = composed(plant).await;
                let id = of_node(plant, "vlan.assign", &node).await;
                assert_ne!(plant.drive(id, &[]).await.body.result, Value::Null);
                node
            })
        },
        submit: |plant, node| Box::pin(of_node(plant, "vlan.unassign", node)),
        invariant: |plant, _, task| Box::pin(async { assert_eq!(seen(plant).await, [usize::from(!is_done(task)); 2]) }),
        ..assign()
    }
}
