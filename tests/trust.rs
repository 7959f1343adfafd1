//! Certificates of Pod Managers, and the keys that seal their credentials, over HTTP against simulated Pod Managers that speak https.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use reqwest::Method;
use serde_json::{Value, json};
use support::certs::{Authority, Issued, self_signed};
use support::front::Front;
use support::podm::PASSWORD;
use support::saga::Plant;
use valence::model::podm::Podm;
use valence::secret::{KeyFile, SecretKey};
use valence::sim::SimConfig;
use valence::store::records::Collection;

async fn plant(issued: &Issued) -> (Plant, Front) {
    let tls = Some((issued.cert.clone(), issued.key.clone()));
    let plant = Plant::bare(SimConfig { tls, ..SimConfig::default() }, true).await;
    let front = Front::over(&plant).await;
    (plant, front)
}

/// Registers the Pod Manager anew; its row, or the error.
async fn register(plant: &Plant, front: &Front, trust: Value) -> (u16, Value) {
    let mut body = json!({"name": "p", "url": plant.lab.url,
        "authentication": [{"type": "basic", "auth_items": {"username": "admin", "password": PASSWORD}}]});
    body.as_object_mut().unwrap().extend(trust.as_object().unwrap().clone());
    for row in front.get("/v1/pod_managers").await.1.as_array().unwrap() {
        let path = format!("/v1/pod_managers/{}", row["uuid"].as_str().unwrap());
        let (status, body) = front.ask(Method::DELETE, &path, None).await;
        assert!(status.is_success(), "{body}");
    }
    let (status, row) = front.ask(Method::POST, "/v1/pod_managers", Some(body)).await;
    (status.as_u16(), row)
}

async fn requests(plant: &Plant) -> usize {
    let client = reqwest::Client::builder().no_proxy().tls_danger_accept_invalid_certs(true).build().unwrap();
    let log: Value = client.get(format!("{}/sim/log", plant.lab.url)).send().await.unwrap().json().await.unwrap();
    log.as_array().unwrap().len()
}

#[tokio::test]
async fn a_certificate_is_believed_for_its_authority_its_fingerprint_or_an_explicit_flag_and_for_nothing_else() {
    let (ca, other) = (Authority::new(), Authority::new());
    let issued = ca.server(&["127.0.0.1"]);
    let (plant, front) = plant(&issued).await;
    let offline = async |trust: Value| {
        let (status, row) = register(&plant, &front, trust.clone()).await;
        assert_eq!((status, &row["status"]), (200, &json!("Offline")), "{trust}: {row}");
    };
    let online = async |trust: Value| {
        let (status, row) = register(&plant, &front, trust.clone()).await;
        assert_eq!((status, &row["status"]), (200, &json!("Online")), "{trust}: {row}");
        row
    };
    offline(json!({})).await;
    offline(json!({"ca_pem": other.pem()})).await;
    offline(json!({"fingerprint": "ab".repeat(32)})).await;
    offline(json!({"fingerprint": "ab".repeat(32), "ca_pem": ca.pem()})).await;
    offline(json!({"fingerprint": issued.fingerprint, "ca_pem": other.pem()})).await;
    assert_eq!(requests(&plant).await, 0, "a request with credentials reached who is not believed");

    assert_eq!(online(json!({"insecure_skip_verify": true})).await["insecure_skip_verify"], true);
    let row = online(json!({"ca_pem": ca.pem()})).await;
    assert_eq!(row["ca_pem"], ca.pem());
    online(json!({"fingerprint": issued.fingerprint, "ca_pem": ca.pem()})).await;
    let spelt: Vec<String> =
        issued.fingerprint.as_bytes().chunks(2).map(|b| String::from_utf8_lossy(b).to_uppercase()).collect();
    let row = online(json!({"fingerprint": spelt.join(":")})).await;
    assert_eq!(row["fingerprint"], issued.fingerprint);

    // The pin is changed: the next look does not believe the certificate any more, and taken away again neither.
    let path = format!("/v1/pod_managers/{}", row["uuid"].as_str().unwrap());
    let patch = async |body: Value| {
        let (status, row) = front.ask(Method::PATCH, &path, Some(body)).await;
        assert_eq!(status, 200, "{row}");
        let probe = plant.run("podm.probe", json!({}), row["uuid"].as_str(), None).await;
        assert_eq!(probe.state.as_str(), "completed");
        front.get(&path).await.1
    };
    let row = patch(json!({"fingerprint": "cd".repeat(32)})).await;
    assert_eq!((&row["status"], &row["fingerprint"]), (&json!("Offline"), &json!("cd".repeat(32))));
    let row = patch(json!({"fingerprint": ""})).await;
    assert_eq!((&row["status"], row.get("fingerprint")), (&json!("Offline"), None));
    assert_eq!(patch(json!({"ca_pem": ca.pem()})).await["status"], "Online");
}

#[tokio::test]
async fn a_wrong_name_and_a_date_that_is_over_are_refused_and_a_fingerprint_is_the_whole_proof() {
    let ca = Authority::new();
    let dir = tempfile::tempdir().unwrap();
    let cases = [ca.server(&["other.example"]), ca.expired(&["127.0.0.1"]), self_signed(dir.path(), &["127.0.0.1"])];
    for issued in cases {
        let (plant, front) = plant(&issued).await;
        let (_, row) = register(&plant, &front, json!({"ca_pem": ca.pem()})).await;
        assert_eq!(row["status"], "Offline", "{row}");
        assert_eq!(requests(&plant).await, 0);
        let (_, row) = register(&plant, &front, json!({"fingerprint": issued.fingerprint})).await;
        assert_eq!(row["status"], "Online", "{row}");
    }
}

#[tokio::test]
async fn what_cannot_be_trusted_by_is_told_and_nothing_is_stored() {
    let ca = Authority::new();
    let (plant, front) = plant(&ca.server(&["127.0.0.1"])).await;
    for bad in [
        json!({"ca_pem": "no PEM"}),
        json!({"ca_pem": 5}),
        json!({"ca_pem": format!("{}-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n", ca.pem())}),
        json!({"fingerprint": "abc"}),
        json!({"fingerprint": ["ab".repeat(32)]}),
        json!({"insecure_skip_verify": true, "fingerprint": "ab".repeat(32)}),
        json!({"insecure_skip_verify": true, "ca_pem": ca.pem()}),
        json!({"insecure_skip_verify": "yes"}),
        json!({"url": "http://127.0.0.1:1", "fingerprint": "ab".repeat(32)}),
    ] {
        let (status, body) = register(&plant, &front, bad.clone()).await;
        assert_eq!(status, 400, "{bad}: {body}");
        assert_eq!(front.get("/v1/pod_managers").await.1, json!([]));
    }
}

#[tokio::test]
async fn a_rotated_key_takes_over_every_record_while_everything_runs_and_the_old_one_may_go() {
    let plant = Plant::start(SimConfig { podms: 2, ..SimConfig::default() }).await;
    let front = Front::over(&plant).await;
    let file = plant.lab.key_file();
    let old = KeyFile::read(&file).unwrap().ids()[0].clone();
    // The command an operator types.
    let said = front.command(&["secret", "rotate", "--file", file.to_str().unwrap()]).await;
    let new = KeyFile::read(&file).unwrap().ids()[0].clone();
    assert!(said.contains(&new) && said.contains(&old) && old != new, "{said}");
    let scheduler = SecretKey::read(&file).unwrap();
    // The plant's own scheduler may have been first.
    valence::upkeep::reseal::pass(&plant.store, &scheduler).await.unwrap();
    assert_eq!(valence::upkeep::reseal::pass(&plant.store, &scheduler).await.unwrap(), 0, "once is enough");
    for podm in plant.store.records::<Podm>(Collection::Podm).await.unwrap() {
        let sealed = &podm.basic().unwrap().password;
        assert!(sealed.starts_with(&format!("v1.{new}.")), "{sealed}");
    }
    front.command(&["secret", "prune", "--file", file.to_str().unwrap()]).await;
    assert_eq!(KeyFile::read(&file).unwrap().ids(), [new]);
    // A worker that was started with the old key still reaches the Pod Managers.
    assert_eq!(plant.compose(json!({"name": "n"})).await.state.as_str(), "completed");
    assert_eq!(old.len(), 8);
    let (_, page) = front.get("/v1/audit?action=secret.reseal").await;
    assert_eq!(page["audit"].as_array().unwrap().len(), 2, "{page}");
}

#[tokio::test]
async fn a_change_made_while_records_are_sealed_anew_is_not_lost() {
    let plant = Plant::start(SimConfig::default()).await;
    let rows = plant.store.raw_rows(Collection::Podm).await.unwrap();
    let (id, row) = &rows[0];
    let renamed = plant.run("podm.update", json!({"description": "changed"}), Some(id), None).await;
    assert_eq!(renamed.state.as_str(), "completed");
    assert!(!plant.store.swap_row(Collection::Podm, id, row, "{}").await.unwrap());
    let podm: Podm = plant.store.record(Collection::Podm, id).await.unwrap().unwrap();
    assert_eq!(podm.description.as_deref(), Some("changed"));
}
