//! What the first Valence answered, this one answers too, but for what is meant to differ.
//!
//! Replayed: `head-generic`, `head-redfishv1-fakepodm` and `legacy-fakepodm`, every step.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use reqwest::Method;
use serde_json::json;
use support::fakepodm::FakePodm;
use support::front::Front;
use support::saga::Plant;
use support::transcripts::{Meant, Replay, differences, steps};
use valence::config::Config;
use valence::sim::SimConfig;

const fn meant(step: &'static str, status: u16, title: &'static str, why: &'static str) -> Meant {
    Meant { step, status, title, key: "", why }
}

/// Answered well, and only one key differs.
const fn key(step: &'static str, key: &'static str, why: &'static str) -> Meant {
    Meant { step, status: 200, title: "", key, why }
}

const BUG_1: &str = "bug 1: what the framework refuses has its own status, not 500";
const BUG_7: &str = "bug 7: podm_id may be left out; every Pod Manager, or the only one, is meant";
const BUG_24: &str = "bug 24: bodies of PATCH are validated";
const OFFLINE: &str = "decided: an unreachable Pod Manager is stored, as Offline";
const STORAGES: &str = "decided: storages are served";
const TWO_FAULTS: &str = "the body has two faults, and the unknown key is told before the missing one";

const GENERIC: &[Meant] = &[
    meant("004-unknown-v1", 404, "NotFound", BUG_1),
    meant("005-unknown-top", 404, "NotFound", BUG_1),
    meant("006-method-not-allowed", 405, "MethodNotAllowed", BUG_1),
    meant("007-method-not-allowed-patch-node", 405, "MethodNotAllowed", BUG_1),
    meant("010-storages", 200, "", STORAGES),
    meant("011-storage", 400, "Validation Error", STORAGES),
    meant("012-node-storages", 404, "Resource could not be found", STORAGES),
    meant("026-flavor-create-bad-json", 400, "BadRequest", BUG_1),
    meant("034-flavor-patch-unknown-field", 400, "Validation Error", BUG_24),
    meant("035-flavor-patch-wrong-type", 400, "Validation Error", BUG_24),
    meant("036-flavor-patch-empty-body", 400, "Validation Error", BUG_24),
    meant("037-flavor-patch-uuid", 200, "", BUG_24),
    meant("047-podm-create-extra-field", 200, "", "a description may be given at once, and need not be patched in"),
    meant(
        "049-podm-create-auth-type-token",
        400,
        "Validation Error",
        "a request that cannot be met is the client's fault, not ours",
    ),
    meant(
        "050-podm-create-url-not-uri",
        400,
        "Validation Error",
        "a request that cannot be met is the client's fault, not ours",
    ),
    meant("051-podm-create-unreachable", 200, "", OFFLINE),
    meant("052-podm-create-unreachable-expether", 200, "", OFFLINE),
    meant(
        "060-node-register-missing",
        404,
        "Resource could not be found",
        "an unknown node is told before an Ironic that is not configured",
    ),
    meant("061-node-compose-no-podm-id", 503, "Connection Error", BUG_7),
    meant("067-node-manage-bad-key", 400, "Validation Error", TWO_FAULTS),
    meant("068-node-manage-no-podm-id", 400, "Validation Error", BUG_7),
    meant("073-node-action-boot-bad", 400, "Validation Error", TWO_FAULTS),
    meant("078-node-action-attach-uuid", 400, "Validation Error", TWO_FAULTS),
    meant(
        "081-devices-filter-unknown-key-empty",
        400,
        "Validation Error",
        "bug 6: an unknown filter key is refused, on an empty store too",
    ),
    meant("086-racks-no-body", 200, "", BUG_7),
    meant("087-racks-no-podm-id", 200, "", BUG_7),
    meant("089-rack-no-body", 200, "", BUG_7),
    meant("090-systems-no-body", 200, "", BUG_7),
    meant("092-system-no-body", 200, "", BUG_7),
];

async fn front(plant: &Plant) -> Front {
    Front::with(plant, Config { secret_key_file: Some(plant.lab.key_file()), ..Config::default() }).await
}

#[tokio::test]
async fn every_request_that_needs_no_pod_manager_is_answered_as_before() {
    let plant = Plant::bare(SimConfig::default(), true).await;
    let front = front(&plant).await;
    let wrong = differences(&steps("head-generic"), &mut Replay::new(&front.url), GENERIC).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const PASSWORD: &str = "Passw0rd";

const SHELL: &str = "the first version's driver was an empty shell here";

const BUG_26: &str = "bug 26: the status is what was found, not null";

const REDFISH: &[Meant] = &[
    key("001-podm-create", "status", BUG_26),
    meant("004-podm-create-wrong-password", 401, "Authorization Error", "decided: refused credentials are 401"),
    key("005-podm-get", "status", BUG_26),
    key("006-podms-list", "status", BUG_26),
    key("007-podm-patch-name", "status", BUG_26),
    key("008-podm-patch-url-uuid-ignored", "status", BUG_26),
    key("009-podm-patch-status", "status", BUG_24),
    meant("010-podm-patch-wrong-type", 400, "Validation Error", BUG_24),
    meant("011-sync-one", 200, "", SHELL),
    meant("012-sync-all", 200, "", SHELL),
    meant("013-racks", 200, "", SHELL),
    meant("014-racks-no-show-detail", 200, "", BUG_7),
    meant("015-rack", 200, "", SHELL),
    meant("016-systems", 200, "", SHELL),
    meant("017-system", 200, "", SHELL),
    meant("018-compose", 200, "", SHELL),
    // The node that was composed is taken away again.
    meant("019-manage", 404, "The resource is missing", SHELL),
];

const PROXY: &[Meant] = &[
    meant("032-proxy-redfish-prefix", 404, "NotFound", BUG_1),
    meant("033-proxy-lower-case", 404, "NotFound", BUG_1),
    meant("040-proxy-put", 405, "MethodNotAllowed", BUG_1),
];

#[tokio::test]
async fn pod_managers_and_the_raw_proxy_are_answered_as_before() {
    let plant = Plant::bare(SimConfig::default(), true).await;
    let front = front(&plant).await;
    let steps = steps("head-redfishv1-fakepodm");
    if steps.is_empty() {
        return;
    }
    let podm = FakePodm::start(&steps, PASSWORD).await;
    let mut replay = Replay::new(&front.url);
    replay.name("podm_url", "http://127.0.0.1:18501", &podm.url);
    let (managed, proxied) = steps.split_at(22);
    let mut wrong = differences(managed, &mut replay, REDFISH).await;
    // The first version's proxy took its Pod Manager from its configuration.
    let basic = json!({"type": "basic", "auth_items": {"username": "admin", "password": PASSWORD}});
    let asked = json!({"name": "proxied", "url": podm.url, "authentication": [basic]});
    let (status, said) = front.ask(Method::POST, "/v1/pod_managers", Some(asked)).await;
    assert_eq!(status.as_u16(), 200, "{said}");
    wrong.extend(differences(proxied, &mut replay, PROXY).await);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const PODM_ID: &str = "decided: rows say which Pod Manager has it";
const BUG_5: &str = "bug 5: filters by amounts match";
const BUG_22: &str = "bug 22: links that lead nowhere are left out; decided: brief nodes carry podm_id";

const LEGACY: &[Meant] = &[
    key("001-podm-create", "status", BUG_26),
    meant("004-podm-create-wrong-password", 401, "Authorization Error", "decided: refused credentials are 401"),
    key("005-podm-get", "status", BUG_26),
    meant("006-podms-list", 200, "", "decided: a Pod Manager that refuses the credentials is not stored"),
    key("007-podm-patch-name", "status", BUG_26),
    key("008-podm-patch-url-uuid-ignored", "status", BUG_26),
    key("009-podm-patch-status", "status", BUG_24),
    meant("010-podm-patch-wrong-type", 400, "Validation Error", BUG_24),
    meant("011-racks", 200, "", BUG_7),
    meant("012-racks-empty-body", 200, "", "bug 3: a rack has its own systems only"),
    meant("013-racks-body-filter", 200, "", "as of the last version, filters stand in the query and not in a body"),
    key("014-rack", "podm_id", PODM_ID),
    key("015-rack-2", "podm_id", PODM_ID),
    key("017-systems", "podm_id", PODM_ID),
    key("018-systems-filter-id", "podm_id", PODM_ID),
    key("019-systems-filter-path", "podm_id", PODM_ID),
    meant("020-systems-filter-ram", 200, "", BUG_5),
    meant("022-systems-filter-nw", 200, "", BUG_5),
    meant("023-systems-filter-unknown", 400, "Bad Request", "decided: unknown filters are refused"),
    key("024-system", "podm_id", PODM_ID),
    meant("027-compose-plain", 200, "", BUG_22),
    meant("028-compose-properties", 200, "", BUG_22),
    meant("029-compose-flavor", 200, "", BUG_22),
    meant("030-compose-conflict", 409, "Conflict", "every Pod Manager was tried, and the answer has the words of each"),
    meant("032-nodes", 200, "", BUG_22),
    meant("033-node", 200, "", BUG_22),
    meant(
        "043-attach-unsupported",
        404,
        "Resource could not be found",
        "devices can be attached, and there is no such one",
    ),
    meant("044-register-no-ironic", 500, "An unknown exception occured", "the same class in other words"),
    meant("047-compose-fail-assemble", 400, "Assembly failed", "bug 2: a failed assembly is no success"),
    meant("049-compose-fail-delete", 200, "", BUG_22),
    meant("054-manage", 200, "", BUG_22),
    meant("065-proxy-redfish-prefix", 404, "NotFound", BUG_1),
    meant("066-proxy-lower-case", 404, "NotFound", BUG_1),
    meant("073-proxy-put", 405, "MethodNotAllowed", BUG_1),
    meant(
        "055-podm-delete",
        500,
        "Node cannot be disassembled",
        "decided: its nodes are decomposed first, and one of them cannot be",
    ),
];

#[tokio::test]
async fn what_the_last_version_with_a_whole_driver_did_is_answered_as_before() {
    let plant = Plant::bare(SimConfig::default(), true).await;
    let front = front(&plant).await;
    let mut steps = steps("legacy-fakepodm");
    let Some(at) = steps.iter().position(|(file, _)| file == "055-podm-delete") else { return };
    // The first version's proxy needed no Pod Manager on record: here it is forgotten last.
    let forgotten = steps.remove(at);
    steps.push(forgotten);
    let podm = FakePodm::with_systems(&steps, PASSWORD).await;
    let mut replay = Replay::new(&front.url);
    replay.name("podm_url", "http://127.0.0.1:18501", &podm.url);
    let wrong = differences(&steps, &mut replay, LEGACY).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
