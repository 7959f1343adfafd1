//! The tasks API: what a client does with a task from its enqueue to its end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use futures_util::StreamExt;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use support::api::{TestApi, five_keys, read};
use support::redis::TestRedis;
use support::wait;
use support::worker::FakeWorker;
use valence::model::problem::Problem;
use valence::model::topic::Topic;
use valence::store::claims::Outcome;
use valence::store::record::Body;
use valence::store::sync::SyncReply;

fn id(task: &Value) -> String {
    task["id"].as_str().unwrap_or_else(|| panic!("{task}")).to_owned()
}

fn noop() -> Value {
    json!({"kind": "noop"})
}

#[tokio::test]
async fn a_task_is_accepted_seen_waited_for_and_forgotten() {
    let api = TestApi::start().await;
    let worker = FakeWorker::start(&api.store).await;
    let body = json!({"kind": "noop", "params": {"payload": 5}, "priority": "high", "labels": {"rack": "7"},
        "max_attempts": 2, "timeout_s": 60, "podm_id": "p-1"});
    let response = api.request(Method::POST, "/v1/tasks/").json(&body).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    let place = response.headers()["location"].to_str().unwrap().to_owned();
    let task: Value = response.json().await.unwrap();
    assert_eq!(place, format!("/v1/tasks/{}", id(&task)));
    assert_eq!((&task["state"], &task["status"]), (&json!("queued"), &json!("In progress")));
    assert_eq!((&task["priority"], &task["labels"]["rack"]), (&json!("high"), &json!("7")));
    assert_eq!(task["links"][0], json!({"href": place, "rel": "self"}));

    let waiting = tokio::spawn({
        let request = api.request(Method::GET, &format!("{place}?wait=30"));
        async move { read(request.send().await.unwrap()).await }
    });
    worker.complete(Topic::Compute, json!({"done": true})).await;
    let (status, ended) = waiting.await.unwrap();
    assert_eq!((status, &ended["status"]), (StatusCode::OK, &json!("Completed")));
    assert_eq!(ended["result"], json!({"done": true}));
    assert_eq!(ended["history"].as_array().unwrap().len(), 3, "{ended}");

    let (_, explained) = api.get(&format!("{place}/explain")).await;
    assert_eq!(explained["reasons"][0]["code"], "ended");
    let etag = api.request(Method::GET, &place).send().await.unwrap().headers()["etag"].clone();
    let again = api.request(Method::GET, &place).header("If-None-Match", etag).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(api.request(Method::HEAD, &place).send().await.unwrap().status(), StatusCode::OK);

    assert_eq!(api.delete(&place).await.0, StatusCode::NO_CONTENT);
    assert_eq!(api.get(&place).await.0, StatusCode::NOT_FOUND);
    assert_eq!(api.delete(&place).await.0, StatusCode::NOT_FOUND);
}

/// How often this test's Redis was asked for a task's history.
async fn reads(api: &TestApi) -> u64 {
    let stats: String =
        redis::cmd("INFO").arg("commandstats").query_async(&mut api.store.redis().shared()).await.unwrap();
    let line = stats.lines().find_map(|l| l.strip_prefix("cmdstat_lrange:calls=")).unwrap_or("0");
    line.split(',').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_long_poll_ends_with_the_present_state_when_the_server_stops() {
    let api = TestApi::start().await;
    let (_, task) = api.post("/v1/tasks", &noop()).await;
    let path = format!("/v1/tasks/{}?wait=300", id(&task));
    let before = reads(&api).await;
    let asked = tokio::spawn({
        let request = api.request(Method::GET, &path);
        async move { read(request.send().await.unwrap()).await }
    });
    wait::until("the long poll has read the task", || async { (reads(&api).await > before).then_some(()) }).await;
    api.shutdown.stop();
    let (status, body) = asked.await.unwrap();
    assert_eq!((status, &body["state"]), (StatusCode::OK, &json!("queued")));
    api.shutdown.join(std::time::Duration::from_secs(10)).await.unwrap();
}

#[tokio::test]
async fn lists_are_filtered_paged_and_newest_first() {
    let api = TestApi::start().await;
    let tasks: Vec<Value> = (0..7)
        .map(|n| json!({"kind": "noop", "labels": {"even": (n % 2 == 0).to_string()}, "podm_id": format!("p-{n}")}))
        .collect();
    let (status, made) = api.post("/v1/tasks/batch", &json!({"tasks": tasks})).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let made: Vec<String> = made["tasks"].as_array().unwrap().iter().map(id).collect();
    let mut seen = Vec::new();
    let mut path = "/v1/tasks?limit=3".to_owned();
    loop {
        let (_, page) = api.get(&path).await;
        seen.extend(page["tasks"].as_array().unwrap().iter().map(id));
        let Some(marker) = page["marker"].as_str() else { break };
        path = format!("/v1/tasks?limit=3&marker={marker}");
    }
    let mut newest_first = made.clone();
    newest_first.sort();
    newest_first.reverse();
    assert_eq!(seen, newest_first);
    let count = |body: Value| body["tasks"].as_array().unwrap().len();
    assert_eq!(count(api.get("/v1/tasks?label=even:true&status=In%20progress&kind=noop&topic=compute").await.1), 4);
    assert_eq!(count(api.get("/v1/tasks?podm_id=p-3&state=queued").await.1), 1);
    assert_eq!(count(api.get("/v1/tasks?state=failed").await.1), 0);
    assert_eq!(count(api.get("/v1/tasks?created_before=2000-01-01T00:00:00Z").await.1), 0);
}

#[tokio::test]
async fn each_task_of_a_batch_stands_or_falls_alone() {
    let api = TestApi::start().await;
    let tasks = json!({"tasks": [noop(), {"kind": "nope"}, 5, {"kind": "sleep", "params": {"ms": "x"}}, noop()]});
    let (status, answer) = api.post("/v1/tasks/batch", &tasks).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let items = answer["tasks"].as_array().unwrap();
    assert!(items[0]["id"].is_string() && items[4]["id"].is_string());
    for n in [1, 2, 3] {
        assert_eq!(items[n]["error"]["status"], 400, "{}", items[n]);
    }
    assert_eq!(api.get("/v1/tasks").await.1["tasks"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn cancel_retry_and_redrive_move_a_task_as_its_state_allows() {
    let api = TestApi::start().await;
    let worker = FakeWorker::start(&api.store).await;
    let (_, task) = api.post("/v1/tasks", &noop()).await;
    let path = format!("/v1/tasks/{}", id(&task));
    assert_eq!(api.post(&format!("{path}/retry"), &json!({})).await.0, StatusCode::CONFLICT);
    assert_eq!(api.delete(&path).await.0, StatusCode::CONFLICT);
    let (status, cancelled) = api.post(&format!("{path}/cancel"), &json!({})).await;
    assert_eq!((status, &cancelled["status"]), (StatusCode::ACCEPTED, &json!("Cancelled")));
    let (status, again) = api.post(&format!("{path}/retry"), &json!({})).await;
    assert_eq!((status, &again["state"]), (StatusCode::ACCEPTED, &json!("queued")));

    let claimed = worker.claim(Topic::Compute).await;
    let error = Some(Problem::podm(409, "Base.1.0", "No room", "no system left").into());
    worker.settle(&claimed, Outcome::Failed, Some(Body { result: Value::Null, error })).await;
    let (_, failed) = api.get(&path).await;
    assert_eq!((&failed["status"], &failed["error"]["status"]), (&json!("Failed"), &json!(409)), "{failed}");
    let (_, letters) = api.get("/v1/dead-letters?kind=noop").await;
    assert_eq!(letters["dead_letters"][0]["id"], failed["id"]);
    let order = |dry: bool| json!({"filter": {"kind": "noop"}, "dry_run": dry});
    let (_, counted) = api.post("/v1/dead-letters/redrive", &order(true)).await;
    assert_eq!((&counted["matched"], &counted["redriven"]), (&json!(1), &json!(0)));
    let (_, none) = api.post("/v1/dead-letters/redrive", &json!({"filter": {"kind": "sleep"}})).await;
    assert_eq!(none["matched"], 0);
    let (_, redriven) = api.post("/v1/dead-letters/redrive", &order(false)).await;
    assert_eq!((&redriven["matched"], &redriven["redriven"]), (&json!(1), &json!(1)));
    assert_eq!(api.get(&path).await.1["state"], "queued");
}

#[tokio::test]
async fn a_redrive_at_a_rate_is_answered_first_and_done_afterwards() {
    let api = TestApi::start().await;
    let worker = FakeWorker::start(&api.store).await;
    for _ in 0..3 {
        api.post("/v1/tasks", &noop()).await;
        let claimed = worker.claim(Topic::Compute).await;
        worker.settle(&claimed, Outcome::Failed, None).await;
    }
    let (status, answer) = api.post("/v1/dead-letters/redrive", &json!({"filter": {}, "rate_per_s": 100})).await;
    assert_eq!((status, &answer["running"]), (StatusCode::ACCEPTED, &json!(true)));
    wait::until("all are queued again", || async {
        let (_, list) = api.get("/v1/tasks?state=queued").await;
        (list["tasks"].as_array().unwrap().len() == 3).then_some(())
    })
    .await;
}

#[tokio::test]
async fn one_key_is_one_task_however_often_it_is_sent() {
    let api = TestApi::start().await;
    let send = async |path: &str, key: &str, body: Value| {
        let request = api.request(Method::POST, path).header("Idempotency-Key", key).json(&body);
        read(request.send().await.unwrap()).await
    };
    let (_, first) = send("/v1/tasks", "k", json!({"kind": "noop", "priority": "low"})).await;
    let (status, same) = send("/v1/tasks", "k", json!({"priority": "low", "kind": "noop"})).await;
    assert_eq!((status, id(&same)), (StatusCode::ACCEPTED, id(&first)));
    let (status, body) = send("/v1/tasks", "k", noop()).await;
    assert_eq!(five_keys(status, &body)["status"], 422);
    let batch = json!({"tasks": [noop(), noop()]});
    let (_, one) = send("/v1/tasks/batch", "k", batch.clone()).await;
    assert_ne!(one["tasks"][0], one["tasks"][1]);
    assert_eq!(send("/v1/tasks/batch", "k", batch).await.1, one);
    assert_eq!(api.get("/v1/tasks").await.1["tasks"].as_array().unwrap().len(), 3);

    let cancel = format!("/v1/tasks/{}/cancel", id(&first));
    assert_eq!(send(&cancel, "c", json!({})).await.0, StatusCode::ACCEPTED);
    assert_eq!(send(&cancel, "c", json!({})).await.0, StatusCode::ACCEPTED);
    assert_eq!(send(&cancel, "d", json!({})).await.0, StatusCode::CONFLICT);
}

#[tokio::test]
async fn events_tell_every_change_and_resume_where_they_were_left() {
    let api = TestApi::start().await;
    let worker = FakeWorker::start(&api.store).await;
    let (_, task) = api.post("/v1/tasks", &noop()).await;
    let response = api.request(Method::GET, &format!("/v1/tasks/{}/events", id(&task))).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    worker.complete(Topic::Compute, Value::Null).await;
    let text = response.text().await.unwrap();
    let states: Vec<String> = data(&text).iter().map(|d| d["state"].as_str().unwrap().to_owned()).collect();
    assert_eq!(states.first().map(String::as_str), Some("queued"), "{text}");
    assert_eq!(states.last().map(String::as_str), Some("completed"), "{text}");

    let first_id = text.lines().find_map(|l| l.strip_prefix("id:")).unwrap().trim().to_owned();
    let resumed = api.request(Method::GET, "/v1/events").header("Last-Event-ID", &first_id).send().await.unwrap();
    let mut parts = resumed.bytes_stream();
    let mut heard = String::new();
    while !heard.contains("completed") {
        heard.push_str(std::str::from_utf8(&parts.next().await.unwrap().unwrap()).unwrap());
    }
    assert_eq!(data(&heard).last().unwrap()["status"], "Completed");

    let before_all = "5-0.1";
    let lost = api.request(Method::GET, "/v1/events").header("Last-Event-ID", before_all).send().await.unwrap();
    let first = lost.bytes_stream().next().await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&first).contains("event:reset"), "{first:?}");
    let wrong = api.request(Method::GET, "/v1/events").header("Last-Event-ID", "x").send().await.unwrap();
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
}

fn data(text: &str) -> Vec<Value> {
    text.lines().filter_map(|l| l.strip_prefix("data:")).map(|d| serde_json::from_str(d).unwrap()).collect()
}

#[tokio::test]
async fn event_streams_end_when_the_server_stops() {
    let api = TestApi::start().await;
    let stream = api.request(Method::GET, "/v1/events").send().await.unwrap();
    api.shutdown.stop();
    api.shutdown.join(std::time::Duration::from_secs(10)).await.unwrap();
    assert!(stream.text().await.is_ok(), "the stream ends, it does not break");
}

#[tokio::test]
async fn queues_workers_and_kinds_are_shown_and_a_topic_can_be_paused() {
    let api = TestApi::start().await;
    let queue = async || {
        let (_, body) = api.get("/v1/queues").await;
        body["queues"].as_array().unwrap().iter().find(|q| q["topic"] == "compute").unwrap().clone()
    };
    api.post("/v1/tasks", &noop()).await;
    let before = queue().await;
    assert_eq!((&before["depth"]["queued"], &before["lag"], &before["workers"]), (&json!(1), &json!(1), &json!(0)));
    let worker = FakeWorker::start(&api.store).await;
    assert_eq!(api.get("/v1/workers").await.1["workers"][0]["id"], json!(worker.id));
    let (status, paused) = api.post("/v1/queues/compute/pause", &json!({})).await;
    assert_eq!((status, &paused["paused"]), (StatusCode::OK, &json!(true)));
    assert_eq!(api.post("/v1/queues/compute/resume", &json!({})).await.1["paused"], json!(false));
    assert_eq!(api.post("/v1/queues/nope/pause", &json!({})).await.0, StatusCode::NOT_FOUND);
    let (_, kinds) = api.get("/v1/kinds").await;
    let compose = kinds["kinds"].as_array().unwrap().iter().find(|k| k["name"] == "node.compose").unwrap().clone();
    assert_eq!(compose["mode"], "async");
    assert!(compose["params"]["properties"]["name"].is_object(), "{compose}");
}

#[tokio::test]
async fn schedules_are_kept_changed_and_deleted() {
    let api = TestApi::start().await;
    let body = json!({"name": "nightly", "cron": "0 3 * * *", "time_zone": "Europe/Berlin", "task": noop()});
    let (status, made) = api.post("/v1/schedules", &body).await;
    assert_eq!((status, &made["enabled"]), (StatusCode::CREATED, &json!(true)), "{made}");
    assert!(made["next_at"].is_string());
    let path = format!("/v1/schedules/{}", id(&made));
    let change = json!({"every_s": 60, "enabled": false});
    let (_, changed) = read(api.request(Method::PATCH, &path).json(&change).send().await.unwrap()).await;
    assert_eq!((&changed["every_s"], &changed["cron"], &changed["next_at"]), (&json!(60), &Value::Null, &Value::Null));
    assert_eq!(api.get("/v1/schedules").await.1["schedules"].as_array().unwrap().len(), 1);
    assert_eq!(api.delete(&path).await.0, StatusCode::NO_CONTENT);
    assert_eq!(api.get(&path).await.0, StatusCode::NOT_FOUND);
    for bad in [
        json!({"name": "a", "task": noop()}),
        json!({"name": "a", "cron": "0 3 * * *", "every_s": 5, "task": noop()}),
        json!({"name": "a", "cron": "99 3 * * *", "task": noop()}),
        json!({"name": "a", "every_s": 5, "time_zone": "Mars", "task": noop()}),
        json!({"name": "a", "every_s": 5, "task": {"kind": "echo"}}),
        json!({"name": "a", "every_s": 5, "task": {"kind": "noop", "delay_s": 5}}),
    ] {
        let (status, body) = api.post("/v1/schedules", &bad).await;
        assert_eq!(five_keys(status, &body)["status"], 400, "{bad}");
    }
}

#[tokio::test]
async fn a_v1_call_waits_for_its_task_and_answers_as_v1_did() {
    let api = TestApi::start().await;
    let worker = FakeWorker::start(&api.store).await;
    let flavor = json!({"name": "small", "properties": {"memory": {"capacity_mib": "1000"}}});
    let post = |prefer: Option<&'static str>| {
        let request = api.request(Method::POST, "/v1/flavors").json(&flavor);
        let request = if let Some(prefer) = prefer { request.header("Prefer", prefer) } else { request };
        tokio::spawn(async move { request.send().await.unwrap() })
    };
    let row = json!({"uuid": "u", "name": "small"});
    let asked = post(None);
    let claimed = worker.complete(Topic::Compute, row.clone()).await;
    assert!(claimed.def.unwrap().podm_errors_final);
    assert_eq!(read(asked.await.unwrap()).await, (StatusCode::OK, row));

    let asked = post(None);
    let claimed = worker.claim(Topic::Compute).await;
    let error = Some(Problem::exists("there is one").into());
    worker.settle(&claimed, Outcome::Failed, Some(Body { result: Value::Null, error })).await;
    let (status, body) = read(asked.await.unwrap()).await;
    assert_eq!(five_keys(status, &body)["title"], "Resource Already Exists");

    let response = post(Some("respond-async")).await.unwrap();
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    assert_eq!(response.headers()["preference-applied"], "respond-async");
    let place = response.headers()["location"].to_str().unwrap().to_owned();
    let claimed = worker.claim(Topic::Compute).await;
    assert!(place.ends_with(&claimed.id.to_string()));
    assert!(!claimed.def.unwrap().podm_errors_final);

    let response = post(Some("wait=0")).await.unwrap();
    assert_eq!(
        (response.status(), response.headers()["preference-applied"].to_str().unwrap()),
        (StatusCode::ACCEPTED, "wait=0")
    );
}

#[tokio::test]
async fn a_v1_call_that_has_waited_long_enough_says_where_its_task_is() {
    let api = TestApi::start_with(|c| c.api.v1_wait = jiff::SignedDuration::from_millis(50)).await;
    let flavor = json!({"name": "small", "properties": {}});
    let response = api.request(Method::POST, "/v1/flavors").json(&flavor).send().await.unwrap();
    let place = response.headers()["location"].to_str().unwrap().to_owned();
    let (status, body) = read(response).await;
    assert_eq!(five_keys(status, &body)["status"], 504);
    assert_eq!(api.get(&place).await.1["state"], "queued");
}

#[tokio::test]
async fn reads_go_to_a_worker_and_say_at_once_when_there_is_none() {
    let api = TestApi::start().await;
    let response = api.request(Method::GET, "/v1/nodes").send().await.unwrap();
    assert!(response.headers().contains_key("retry-after"));
    let (status, body) = read(response).await;
    assert_eq!(five_keys(status, &body)["status"], 503);

    let worker = FakeWorker::start(&api.store).await;
    let asked = tokio::spawn({
        let request = api.request(Method::GET, "/v1/nodes?name=a&name=b");
        async move { read(request.send().await.unwrap()).await }
    });
    let task = worker.answer(Topic::Compute, SyncReply::Ok(json!([{"name": "a"}]))).await;
    assert_eq!((task.kind.as_str(), task.params), ("node.list", json!({"filters": {"name": "a"}})));
    assert_eq!(asked.await.unwrap(), (StatusCode::OK, json!([{"name": "a"}])));

    let asked = tokio::spawn({
        let request = api.request(Method::GET, "/v1/flavors/f").json(&json!({}));
        async move { read(request.send().await.unwrap()).await }
    });
    worker.answer(Topic::Compute, SyncReply::Err(Problem::not_found("Flavor f not found in database."))).await;
    assert_eq!(asked.await.unwrap().0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_password_is_sealed_before_it_reaches_redis_and_never_shown() {
    let api = TestApi::start().await;
    let worker = FakeWorker::start(&api.store).await;
    let podm = json!({"name": "p", "url": "https://podm", "authentication":
        [{"type": "basic", "auth_items": {"username": "u", "password": "canary"}}]});
    let request = api.request(Method::POST, "/v1/pod_managers").header("Idempotency-Key", "k").json(&podm);
    let response = request.header("Prefer", "respond-async").send().await.unwrap();
    let text = response.text().await.unwrap();
    assert!(text.contains("***") && !text.contains("canary") && !text.contains("v1."), "{text}");
    let def = worker.claim(Topic::Scheduler).await.def.unwrap();
    let sealed = def.params["authentication"][0]["auth_items"]["password"].as_str().unwrap().to_owned();
    let key = valence::secret::SecretKey::read(api.config.secret_key_file.as_deref().unwrap()).unwrap();
    let opened = key.unseal(def.podm_id.as_deref().unwrap(), &sealed).unwrap();
    assert_eq!(secrecy::ExposeSecret::expose_secret(&opened), "canary");

    let api = TestApi::start_with(|c| c.secret_key_file = None).await;
    let (status, body) = api.post("/v1/pod_managers", &podm).await;
    assert_eq!(five_keys(status, &body)["status"], 503);
}

#[tokio::test]
async fn an_absent_or_full_redis_is_503_within_a_second_and_forgotten_when_it_is_over() {
    let mut api = TestApi::start().await;
    api.redis.kill();
    for (method, path) in [(Method::GET, "/v1/tasks"), (Method::POST, "/v1/tasks"), (Method::GET, "/readyz")] {
        let began = std::time::Instant::now();
        let response = api.request(method, path).json(&noop()).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert!(response.headers().contains_key("retry-after"), "{path}");
        assert!(began.elapsed() < std::time::Duration::from_millis(1500), "{path}: {:?}", began.elapsed());
    }
    assert_eq!(api.get("/healthz").await.0, StatusCode::OK);
    api.redis.restart().await;
    wait::until("it serves again", || async {
        (api.post("/v1/tasks", &noop()).await.0 == StatusCode::ACCEPTED).then_some(())
    })
    .await;

    let redis = TestRedis::start_with(&["--maxmemory", "1mb", "--maxmemory-policy", "noeviction"]).await;
    let api = TestApi::start_on(redis, |_| {}).await;
    let response = api.request(Method::POST, "/v1/tasks").json(&noop()).send().await.unwrap();
    assert!(response.headers().contains_key("retry-after"));
    let (status, body) = read(response).await;
    assert_eq!(five_keys(status, &body)["status"], 503, "{body}");
}

#[tokio::test]
async fn readiness_says_what_redis_promises_and_metrics_count_requests() {
    let api = TestApi::start().await;
    let (status, ready) = api.get("/readyz").await;
    assert_eq!((status, &ready["redis"]["role"]), (StatusCode::OK, &json!("master")));
    let promise = ready["redis"]["guarantee"].as_str().unwrap().to_owned();
    assert!(!promise.contains("deletes"), "{promise}");
    let () = api.redis.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    let (_, evicting) = api.get("/readyz").await;
    let told = format!("{promise}; a full Redis deletes tasks: maxmemory-policy is allkeys-lru");
    assert_eq!(evicting["redis"]["guarantee"], told);
    let () = api.redis.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    api.post("/v1/tasks", &noop()).await;
    let page = api.client.get(api.url("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(
        page.contains(r#"valence_http_requests_total{code_class="2xx",method="POST",route="/v1/tasks"}"#),
        "{page}"
    );
    assert!(page.contains(r#"valence_tasks_enqueued_total{kind="noop",topic="compute"}"#), "{page}");
    assert!(page.contains("process_resident_memory_bytes"), "{page}");
}
