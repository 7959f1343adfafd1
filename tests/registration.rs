//! What the list of Pod Managers in the configuration promises: each is registered once, whoever has the list and however often.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::time::Duration;

use support::deployment::{Deployment, Shape};
use support::podm::PASSWORD;
use support::saga::Plant;
use valence::config::{Config, PodmConfig};
use valence::model::podm::Podm;
use valence::model::state::State;
use valence::sim::SimConfig;
use valence::store::Store;
use valence::store::listing::Filter;
use valence::store::record::TaskRecord;
use valence::store::records::Collection;
use valence::upkeep::podms::register;

fn listed(name: &str, url: &str, password: &str) -> PodmConfig {
    PodmConfig {
        name: name.into(),
        url: url.into(),
        driver: "redfishv1".into(),
        username: "admin".into(),
        password: password.to_owned().into(),
        fingerprint: None,
        insecure_skip_verify: false,
    }
}

async fn registrations(store: &Store) -> Vec<TaskRecord> {
    let kind = Filter { kind: Some("podm.create".into()), ..Filter::default() };
    store.list(&kind, 1_000, None).await.unwrap().tasks
}

/// Lets time go by, as far as this store knows.
fn pass_by(store: &Store, time: Duration) {
    store.clock().sync(store.clock().now_ms() + u64::try_from(time.as_millis()).unwrap());
}

#[tokio::test]
async fn two_with_the_same_list_make_one_task_of_each_however_long_it_waits() {
    let plant = Plant::bare(SimConfig::default(), false).await;
    let other = plant.redis.open(Config::default().store_options()).await;
    let list: Vec<PodmConfig> =
        (0..20).map(|n| listed(&format!("p{n}"), &format!("http://127.0.0.1:{}", 20_000 + n), "x")).collect();
    let key = Some(&*plant.lab.key);
    for _ in 0..3 {
        let (one, two) = tokio::join!(register(&plant.store, key, &list), register(&other, key, &list));
        one.and(two).unwrap();
        pass_by(&other, Duration::from_secs(61));
    }
    assert_eq!(registrations(&plant.store).await.len(), list.len());
}

#[tokio::test]
async fn two_schedulers_that_start_at_once_with_the_same_list_leave_no_trace_of_errors() {
    let d = Deployment::start(Shape { schedulers: 2, apis: 2, podms: 6, ..Shape::default() }).await;
    d.podm_ids().await;
    let store = d.redis.open(Config::default().store_options()).await;
    let tasks = registrations(&store).await;
    for task in &tasks {
        assert_eq!(d.done(&task.id.to_string()).await["state"], "completed");
    }
    assert_eq!(tasks.len(), d.sims.len());
}

#[tokio::test]
async fn a_registration_that_was_refused_is_tried_again_a_minute_later_and_not_before() {
    let plant = Plant::bare(SimConfig::default(), true).await;
    let key = Some(&*plant.lab.key);
    // The worker sets the clock of its own store right every few seconds.
    let store = plant.redis.open(Config::default().store_options()).await;
    let list = [listed("lab", &plant.lab.url, "wrong")];
    register(&store, key, &list).await.unwrap();
    let refused = plant.done(registrations(&store).await[0].id).await;
    assert_eq!(refused.body.error.unwrap().problem.status, 401);
    register(&store, key, &list).await.unwrap();
    assert_eq!(registrations(&store).await.len(), 1);

    pass_by(&store, Duration::from_secs(61));
    register(&store, key, &[listed("lab", &plant.lab.url, PASSWORD)]).await.unwrap();
    let tasks = registrations(&plant.store).await;
    assert_eq!(tasks.len(), 2);
    for task in tasks.iter().filter(|task| task.id != refused.id) {
        assert_eq!(plant.done(task.id).await.state, State::Completed);
    }
}

#[tokio::test]
async fn one_that_is_there_under_another_name_is_left_as_it_is_and_one_that_was_deleted_comes_back() {
    let plant = Plant::start(SimConfig::default()).await;
    let key = Some(&*plant.lab.key);
    let list = [listed("another", &plant.lab.url, PASSWORD)];
    register(&plant.store, key, &list).await.unwrap();
    assert_eq!(registrations(&plant.store).await.len(), 1);

    let deleted = plant.run("podm.delete", serde_json::Value::Null, Some(&plant.lab.uuids[0]), None).await;
    assert_eq!(deleted.state, State::Completed, "{:?}", deleted.body);
    register(&plant.store, key, &list).await.unwrap();
    for task in registrations(&plant.store).await {
        assert_eq!(plant.done(task.id).await.state, State::Completed);
    }
    let podms: Vec<Podm> = plant.store.records(Collection::Podm).await.unwrap();
    assert_eq!(podms.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["another"]);
}
