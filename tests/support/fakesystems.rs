//! The hardware of the Pod Manager behind the transcripts of the first Valence that did real work: two racks, a drawer and three systems
//! alike but for their size.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::transcripts::Step;

const ROOT: &str = "/redfish/v1";

/// Paths and resources. The systems' own ids are those that were recorded.
pub fn tree(steps: &[(String, Step)]) -> BTreeMap<String, Value> {
    let listed = steps.iter().find(|(file, _)| file == "017-systems").and_then(|(_, s)| s.response.json.as_ref());
    let mut tree = BTreeMap::new();
    let mut put = |path: &str, mut body: Value| {
        body["@odata.id"] = json!(path);
        body["Id"] = json!(path.rsplit('/').next());
        tree.insert(path.to_owned(), body);
    };
    chassis(&mut put);
    for n in 1..=3_u64 {
        let uuid = listed.map_or(Value::Null, |list| list[usize::try_from(n).unwrap() - 1]["uuid"].clone());
        system(&mut put, n, &uuid);
    }
    tree
}

fn link(path: &str) -> Value {
    json!({"@odata.id": format!("{ROOT}/{path}")})
}

fn chassis(put: &mut impl FnMut(&str, Value)) {
    let mut one = |name: &str, kind: &str, links: Value| {
        let status = json!({"State": "Enabled", "Health": "OK"});
        let body = json!({"Name": name, "ChassisType": kind, "Description": format!("{name} made up"), "Manufacturer": "Acme",
            "Model": format!("M-{kind}"), "SerialNumber": format!("SN-{name}"), "Status": status, "Links": links});
        put(&format!("{ROOT}/Chassis/{name}"), body);
    };
    let (pod, rack) = (link("Chassis/Pod1"), link("Chassis/Rack1"));
    one("Pod1", "Pod", json!({"Contains": [rack, link("Chassis/Rack2")], "ComputerSystems": []}));
    one("Rack1", "Rack", json!({"Contains": [link("Chassis/Drawer1")], "ComputerSystems": [], "ContainedBy": pod}));
    one("Rack2", "Rack", json!({"Contains": [], "ComputerSystems": [link("Systems/3")], "ContainedBy": pod}));
    let systems = [link("Systems/1"), link("Systems/2")];
    one("Drawer1", "Drawer", json!({"Contains": [], "ComputerSystems": systems, "ContainedBy": rack}));
}

fn system(put: &mut impl FnMut(&str, Value), n: u64, uuid: &Value) {
    let at = format!("Systems/{n}");
    let parts = |name: &str| link(&format!("{at}/{name}"));
    let status = json!({"State": "Enabled", "Health": "OK"});
    let body = json!({"Name": format!("system-{n}"), "Description": format!("made-up system {n}"), "UUID": uuid, "Status": status,
        "MemorySummary": {"TotalSystemMemoryGiB": 16 * n}, "Processors": parts("Processors"), "Memory": parts("Memory"),
        "EthernetInterfaces": parts("EthernetInterfaces"), "SimpleStorage": parts("SimpleStorage")});
    put(&format!("{ROOT}/{at}"), body);
    let mut collection = |path: &str, members: &[Value]| {
        let links: Vec<Value> = (1..=members.len()).map(|m| link(&format!("{path}/{m}"))).collect();
        put(&format!("{ROOT}/{path}"), json!({"Name": path, "Members@odata.count": links.len(), "Members": links}));
        for (body, m) in members.iter().zip(1..) {
            put(&format!("{ROOT}/{path}/{m}"), body.clone());
        }
    };
    let processor = json!({"InstructionSet": "x86-64", "Model": "Acme X9", "MaxSpeedMHz": 3700, "TotalCores": 4 * n, "Status": status});
    collection(&format!("{at}/Processors"), &[processor.clone(), processor]);
    let memory = json!({"DataWidthBits": 64, "OperatingSpeedMhz": 2400, "CapacityMiB": 16384 * n, "Status": status});
    collection(&format!("{at}/Memory"), &[memory]);
    let address = json!({"Address": format!("192.0.2.{n}"), "SubnetMask": "255.255.255.0", "Gateway": "192.0.2.254"});
    let interface = json!({"SpeedMbps": 10000, "MACAddress": format!("02:00:00:00:00:0{n}"), "Status": status, "IPv4Addresses": [address],
        "VLANs": parts("EthernetInterfaces/1/VLANs")});
    collection(&format!("{at}/EthernetInterfaces"), &[interface]);
    collection(&format!("{at}/EthernetInterfaces/1/VLANs"), &[json!({"VLANId": 99, "Status": status})]);
    let device = json!({"Name": "disk", "CapacityBytes": 322_122_547_200_u64});
    collection(&format!("{at}/SimpleStorage"), &[json!({"Devices": [device, device], "Status": status})]);
}
