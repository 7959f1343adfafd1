//! The API as clients of the first Valence know it, case by case: documents, rows, confirmations, errors, over HTTP against simulated Pod
//! Managers. What went wrong in the first one stands in v1_bugs.rs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use support::api::{TestApi, five_keys, keys};
use support::front::Front;
use support::saga::Plant;
use valence::sim::SimConfig;

const NOBODY: &str = "11111111-2222-4333-8444-555555555555";

async fn one() -> (Plant, Front) {
    let sim = SimConfig { podms: 1, assemble_time: std::time::Duration::ZERO, ..SimConfig::default() };
    let plant = Plant::start(sim).await;
    let front = Front::over(&plant).await;
    (plant, front)
}

/// `YYYY-MM-DD HH:MM:SS UTC`.
fn is_time(text: &Value) -> bool {
    let text = text.as_str().unwrap();
    text.len() == 23 && text.strip_suffix(" UTC").is_some_and(|t| t.parse::<jiff::civil::DateTime>().is_ok())
}

#[tokio::test]
async fn the_root_and_v1_say_what_they_said_by_the_name_that_the_client_used() {
    let api = TestApi::start().await;
    let ask = async |path: &str| {
        let answer = api.request(Method::GET, path).header("Host", "h:8181").send().await.unwrap();
        assert_eq!(
            (answer.status(), &answer.headers()["content-type"]),
            (StatusCode::OK, &"application/json".parse().unwrap())
        );
        answer.json::<Value>().await.unwrap()
    };
    let own = json!({"href": "http://h:8181/v1/", "rel": "self"});
    let root = json!({
        "name": "OpenStack Valence API",
        "description": "Valence is an OpenStack project",
        "versions": [{"id": "v1", "status": "CURRENT", "min_version": "", "links": [own]}],
    });
    assert_eq!(ask("/").await, root);
    let v1 = ask("/v1").await;
    assert_eq!(ask("/v1/").await, v1);
    let described = json!({
        "href": "https://docs.openstack.org/developer/valence/dev/api-spec-v1.html", "rel": "describedby", "type": "text/html",
    });
    assert_eq!((&v1["id"], &v1["links"]), (&json!("v1"), &json!([own, described])));
    let media = json!([{"base": "application/json", "type": "application/vnd.openstack.valence.v1+json"}]);
    assert_eq!(v1["media_types"], media);
    for name in ["nodes", "storages", "flavors", "systems", "pod_managers"] {
        let links = json!([
            {"href": format!("http://h:8181/v1/{name}/"), "rel": "self"},
            {"href": format!("http://h:8181/{name}/"), "rel": "bookmark"},
        ]);
        assert_eq!(v1[name], links, "{name}");
    }
    assert!(keys(&v1).len() == 8, "neither racks nor devices: {v1}");
}

/// Every path of the first Valence and the methods that it has there.
const ROUTES: [(&str, &str); 24] = [
    ("/", "GET"),
    ("/v1", "GET"),
    ("/v1/racks", "GET"),
    ("/v1/racks/1", "GET"),
    ("/v1/nodes", "GET POST"),
    ("/v1/nodes/x", "GET DELETE"),
    ("/v1/nodes/x/action", "POST"),
    ("/v1/nodes/manage", "POST"),
    ("/v1/nodes/x/storages", "GET"),
    ("/v1/nodes/x/register", "POST"),
    ("/v1/systems", "GET"),
    ("/v1/systems/1", "GET"),
    ("/v1/flavors", "GET POST"),
    ("/v1/flavors/x", "GET DELETE PATCH"),
    ("/v1/storages", "GET"),
    ("/v1/storages/1", "GET"),
    ("/v1/pod_managers", "GET POST"),
    ("/v1/pod_managers/x", "GET PATCH DELETE"),
    ("/v1/devices", "GET"),
    ("/v1/devices/x", "GET"),
    ("/v1/devices/sync", "POST"),
    ("/Nodes", "GET POST PATCH DELETE"),
    ("/Chassis/1", "GET POST PATCH DELETE"),
    ("/EventService/a/b", "GET POST PATCH DELETE"),
];

#[tokio::test]
async fn every_path_has_its_methods_with_and_without_a_slash_and_tells_them() {
    let (_plant, front) = one().await;
    for (path, methods) in ROUTES {
        let both = [path.to_owned(), format!("{path}/")];
        for path in both.iter().take(if path == "/" { 1 } else { 2 }) {
            let answer = front.request(Method::OPTIONS, path).header("Origin", "https://ui").send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK, "{path}");
            let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
            let allowed = header("allow");
            assert!(methods.split(' ').all(|m| allowed.contains(m)), "{path}: {allowed}");
            assert_eq!(header("access-control-allow-origin"), "https://ui");
            assert_eq!(header("access-control-allow-methods"), "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT");
            assert_eq!(answer.text().await.unwrap(), "");
            // What is passed on is the Pod Manager's to refuse.
            let is_ours = path == "/" || path.starts_with("/v1");
            let tried = if is_ours { ["GET", "POST", "PATCH", "DELETE", "PUT"].as_slice() } else { &["GET", "PUT"] };
            for method in tried.iter().copied() {
                let answer = front.request(method.parse().unwrap(), path).send().await.unwrap();
                let (status, is_there) = (answer.status(), methods.contains(method));
                assert_eq!(answer.headers()["access-control-allow-origin"], "*");
                // A path of a longer resource may be one of a shorter one, too: then it is an unknown id, as it was.
                let is_id =
                    path.trim_end_matches('/').ends_with("/manage") || path.trim_end_matches('/').ends_with("/sync");
                let wanted = is_there || (is_id && method != "PUT" && status == 404);
                assert_eq!(wanted, status != 405, "{method} {path}: {status}");
                if method == "GET" && is_there {
                    let head = front.request(Method::HEAD, path).send().await.unwrap();
                    assert_eq!(head.status(), status, "HEAD {path}");
                    assert_eq!(head.headers()["content-type"], answer.headers()["content-type"], "HEAD {path}");
                    assert_eq!(head.bytes().await.unwrap().len(), 0);
                }
                if status.as_u16() == 405 {
                    assert_eq!(answer.headers()["allow"].to_str().unwrap(), allowed, "{method} {path}");
                    five_keys(status, &answer.json().await.unwrap());
                }
            }
        }
    }
    for path in ["/v2", "/v1/nothing", "/v1/pooled", "/v1/nodes/x/assets", "/v1/systems/1/inventory", "/v1/pod_manager"]
    {
        front.refused(Method::GET, path, None, 404, "NotFound").await;
    }
}

#[tokio::test]
async fn an_empty_object_with_a_get_or_a_delete_is_no_body_worth_a_word() {
    let (plant, front) = one().await;
    let flavor = front.ok(Method::POST, "/v1/flavors", Some(json!({"name": "f", "properties": {}}))).await;
    let node = front.ok(Method::POST, "/v1/nodes", Some(json!({"name": "n"}))).await;
    let path = |of: &str, row: &Value| format!("/v1/{of}/{}", row["uuid"].as_str().unwrap());
    let (flavor, node) = (path("flavors", &flavor), path("nodes", &node));
    let podm = format!("/v1/pod_managers/{}", plant.lab.uuids[0]);
    let lists = [
        "/",
        "/v1",
        "/v1/racks",
        "/v1/nodes",
        "/v1/systems",
        "/v1/flavors",
        "/v1/storages",
        "/v1/pod_managers",
        "/v1/devices",
    ];
    for path in lists.into_iter().chain([flavor.as_str(), &node, &podm, "/v1/racks/Rack1", "/v1/systems/1", "/Nodes"]) {
        let with = front.ok(Method::GET, path, Some(json!({}))).await;
        assert_eq!(front.ok(Method::GET, path, None).await, with, "{path}");
        // A body of another kind is none, either.
        let text = front.request(Method::GET, path).header("Content-Type", "text/plain").body("{nonsense").send().await;
        assert_eq!(text.unwrap().status(), StatusCode::OK, "{path}");
    }
    for path in [flavor, node, podm] {
        front.ok(Method::DELETE, &path, Some(json!({}))).await;
    }
}

#[tokio::test]
async fn a_flavor_is_made_shown_changed_and_deleted() {
    let (_plant, front) = one().await;
    let properties = json!({
        "memory": {"capacity_mib": "1024", "type": "DDR3"}, "processor": {"total_cores": "2", "model": "Intel"},
        "pci_device": {"type": ["SSD", "NIC"]},
    });
    let asked = json!({"name": "f", "description": "is not kept", "properties": properties});
    let row = front.ok(Method::POST, "/v1/flavors", Some(asked)).await;
    assert_eq!(keys(&row), ["created_at", "name", "properties", "updated_at", "uuid"]);
    assert_eq!((&row["name"], &row["properties"]), (&json!("f"), &properties));
    assert!(is_time(&row["created_at"]) && is_time(&row["updated_at"]), "{row}");
    let id = row["uuid"].as_str().unwrap();
    assert!(uuid::Uuid::parse_str(id).unwrap().get_version_num() == 4 && id == id.to_lowercase(), "{id}");
    let path = format!("/v1/flavors/{id}");
    assert_eq!(front.ok(Method::GET, &path, None).await, row);
    assert_eq!(front.ok(Method::GET, "/v1/flavors?name=another", None).await, json!([row]), "no filters");
    let changed = front.ok(Method::PATCH, &path, Some(json!({"name": "g"}))).await;
    assert_eq!((&changed["name"], &changed["properties"]), (&json!("g"), &properties));
    let small = json!({"memory": {"capacity_mib": "1"}});
    let changed = front.ok(Method::PATCH, &path, Some(json!({"properties": small}))).await;
    assert_eq!((&changed["name"], &changed["properties"]), (&json!("g"), &small), "replaced whole");
    for (body, field) in [
        (json!({"properties": {}}), "name"),
        (json!({"name": "f"}), "properties"),
        (json!({"name": "f", "properties": {"memory": {"capacity_mib": 10}}}), "capacity_mib"),
        (json!({"name": "f", "properties": {"invalid_key": {}}}), "invalid_key"),
        (json!({"name": "f", "properties": {}, "uuid": "u"}), "uuid"),
        (json!([]), "object"),
    ] {
        let detail = front.refused(Method::POST, "/v1/flavors", Some(body), 400, "Validation Error").await;
        assert!(detail.contains(field), "{detail}");
    }
    let said = front.ok(Method::DELETE, &path, None).await;
    assert_eq!(keys(&said), ["code", "detail", "request_id"]);
    let detail = format!("This flavor {id} has been deleted successfully");
    assert_eq!((&said["code"], &said["detail"]), (&json!("DELETED"), &json!(detail)));
    for method in [Method::GET, Method::DELETE] {
        let detail = front.refused(method, &path, None, 404, "Resource could not be found").await;
        assert_eq!(detail, format!("Flavor {id} not found in database."));
    }
}

#[tokio::test]
async fn a_pod_manager_is_registered_shown_changed_and_forgotten() {
    let plant = Plant::bare(SimConfig { podms: 2, ..SimConfig::default() }, true).await;
    let front = Front::over(&plant).await;
    let basic = json!([{"type": "basic", "auth_items": {"username": "admin", "password": support::podm::PASSWORD}}]);
    let asked = |name: &str, n: usize| json!({"name": name, "url": plant.lab.urls[n], "authentication": basic});
    let list = "/v1/pod_managers";
    let row = front.ok(Method::POST, list, Some(asked("a", 0))).await;
    let all = ["authentication", "created_at", "driver", "name", "status", "updated_at", "url", "uuid"];
    assert_eq!(keys(&row), all);
    assert_eq!(
        (&row["driver"], &row["status"], &row["url"]),
        (&json!("redfishv1"), &json!("Online"), &json!(plant.lab.url))
    );
    assert!(is_time(&row["created_at"]) && is_time(&row["updated_at"]), "{row}");
    for again in [asked("a", 1), asked("b", 0)] {
        let detail = front.refused(Method::POST, list, Some(again), 400, "Bad Request").await;
        assert_eq!(detail, "duplicated name or url !");
    }
    let mut unknown = asked("b", 1);
    unknown["driver"] = json!("telepathy");
    front.refused(Method::POST, list, Some(unknown), 404, "Unsupported Driver Specified").await;
    let incomplete = json!({"name": "b", "url": plant.lab.urls[1]});
    front.refused(Method::POST, list, Some(incomplete), 400, "Validation Error").await;
    let mut object = asked("b", 1);
    object["authentication"] = json!({"username": "a", "password": "b"});
    front.refused(Method::POST, list, Some(object), 400, "Validation Error").await;
    let path = format!("{list}/{}", row["uuid"].as_str().unwrap());
    assert_eq!(front.ok(Method::GET, &path, None).await, row);
    assert_eq!(front.ok(Method::GET, list, None).await, json!([row]));
    let change = json!({"uuid": NOBODY, "url": "http://elsewhere", "name": "renamed"});
    let changed = front.ok(Method::PATCH, &path, Some(change)).await;
    assert_eq!((&changed["name"], &changed["url"], &changed["uuid"]), (&json!("renamed"), &row["url"], &row["uuid"]));
    let said = front.ok(Method::DELETE, &path, None).await;
    assert_eq!(keys(&said), ["code", "detail", "request_id"]);
    assert_eq!((&said["code"], &said["detail"]), (&json!(""), &json!("DELETED")));
    let detail = front.refused(Method::GET, &path, None, 404, "Resource could not be found").await;
    assert_eq!(detail, format!("Pod Manager {} not found in database.", row["uuid"].as_str().unwrap()));
}
