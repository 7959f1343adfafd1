//! What Valence promises on a Redis that survives the loss of a server: it follows the new primary by itself, and so do its tasks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::SignedDuration;
use serde_json::{Value, json};
use support::cluster::Cluster;
use support::deployment::{Deployment, Shape, free_port, signal};
use support::redis::TestRedis;
use support::sentinels::Sentinels;
use support::wait::{until, within};
use valence::config::Config;
use valence::ids::{Bucket, TaskId};
use valence::model::task::Definition;
use valence::model::topic::{Lane, Topic};
use valence::podm::Pool;
use valence::shutdown::Shutdown;
use valence::store::Store;
use valence::store::tasks::NewTask;
use valence::worker::Worker;

/// A failover takes seconds, and a lease before what a lost answer left behind is taken up.
const AFTER: Duration = Duration::from_secs(60);

/// Accepts tasks, one request each, repeating with the same key what is refused or cut off; their ids.
async fn accepted(d: &Deployment, name: &str, count: usize) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for n in 0..count {
        let id = within(AFTER, "the task is accepted", async || {
            let task = json!({"kind": "sleep", "params": {"ms": 20, "steps": 1}});
            let sent = d.http.post(format!("{}/v1/tasks", d.apis[0])).header("idempotency-key", format!("{name}-{n}"));
            let answer = sent.json(&task).send().await.map_err(|e| e.to_string())?;
            let status = answer.status().as_u16();
            let task: Value = answer.json().await.map_err(|e| e.to_string())?;
            if matches!(status, 200 | 202) {
                Ok(task["id"].as_str().unwrap().to_owned())
            } else {
                assert_eq!(status, 503, "a client is told to come again: {task}");
                Err(task.to_string())
            }
        })
        .await;
        ids.insert(id);
    }
    assert_eq!(ids.len(), count);
    ids
}

async fn all_completed(d: &Deployment, ids: &BTreeSet<String>) {
    for id in ids {
        within(AFTER, "every accepted task has completed", async || {
            let answer = d.http.get(format!("{}/v1/tasks/{id}", d.apis[0])).send().await.map_err(|e| e.to_string())?;
            let task: Value = answer.json().await.map_err(|e| e.to_string())?;
            if task["state"] == "completed" { Ok(()) } else { Err(task.to_string()) }
        })
        .await;
    }
}

fn shape<'a>(url: &'a str, flags: &'a [&'a str]) -> Shape<'a> {
    Shape { redis: Some(url), workers: 2, podms: 1, flags, ..Shape::default() }
}

/// The main job, from end to end: what records, sync reads, sagas and placement need of Redis.
async fn a_node_is_composed(d: &Deployment, name: &str) {
    // A replica that is slow to have it is a reason to be asked again: with the same key, it is composed once.
    within(AFTER, "the node is composed", async || {
        let sent = d.http.post(format!("{}/v1/nodes", d.apis[0])).header("idempotency-key", format!("node-{name}"));
        let answer = sent.json(&json!({"name": name})).send().await.map_err(|e| e.to_string())?;
        let status = answer.status().as_u16();
        if status == 200 { Ok(()) } else { Err(format!("{status} {:?}", answer.text().await)) }
    })
    .await;
    let nodes = d.get("/v1/nodes").await;
    assert_eq!(nodes.as_array().unwrap().iter().filter(|n| n["name"] == name).count(), 1, "{nodes}");
}

async fn podm_is_online(d: &Deployment) {
    until("the Pod Manager is registered", async || {
        let podms = d.get("/v1/pod_managers").await;
        if podms[0]["status"] == "Online" { Ok(()) } else { Err(podms) }
    })
    .await;
}

#[tokio::test]
async fn on_a_cluster_of_three_primaries_tasks_of_every_bucket_and_the_main_job_are_done() {
    let cluster = Cluster::start().await;
    let url = cluster.url();
    let d = Deployment::start(shape(&url, &["--buckets", "16", "--lease", "3s"])).await;
    let ready = d.get("/readyz").await;
    assert_eq!((&ready["redis"]["topology"], &ready["redis"]["primaries"]), (&json!("cluster"), &json!(3)), "{ready}");
    assert_eq!(ready["redis"]["role"], "master", "{ready}");
    podm_is_online(&d).await;
    a_node_is_composed(&d, "web").await;
    let ids = accepted(&d, "first", 100).await;
    let buckets: BTreeSet<&str> = ids.iter().map(|id| &id[34..]).collect();
    assert!(buckets.len() > 8, "{buckets:?}");
    all_completed(&d, &ids).await;
}

#[tokio::test]
async fn on_a_cluster_nodes_that_find_no_place_wait_in_line_and_are_called_wherever_their_bucket_is() {
    let cluster = Cluster::start().await;
    let url = cluster.url();
    let d = Deployment::start(Shape { podms: 2, schedulers: 2, ..shape(&url, &["--buckets", "16"]) }).await;
    until("the Pod Managers are registered", async || {
        let podms = d.get("/v1/pod_managers").await;
        if podms.as_array().unwrap().iter().filter(|p| p["status"] == "Online").count() == 2 {
            Ok(())
        } else {
            Err(podms)
        }
    })
    .await;
    // Nothing that was placed begins, so its place stays taken: four at each.
    assert_eq!(d.post("/v1/queues/compute/pause", &Value::Null).await.0, 200);
    let mut ids = BTreeSet::new();
    for n in 0..20 {
        ids.insert(d.submit("node.place", json!({"name": format!("n{n}")})).await);
    }
    let buckets: BTreeSet<&str> = ids.iter().map(|id| &id[34..]).collect();
    assert!(buckets.len() > 4, "{buckets:?}");
    let in_line = within(AFTER, "eight have a place, and the others wait in line", async || {
        let mut waiting = Vec::new();
        for id in &ids {
            let explained = d.get(&format!("/v1/tasks/{id}/explain")).await;
            if explained["reasons"][0]["code"] == "no_place" {
                waiting.push(id.clone());
            }
        }
        if waiting.len() == 12 { Ok(waiting) } else { Err(waiting) }
    })
    .await;
    let given_up = in_line[0].clone();
    assert_eq!(d.post(&format!("/v1/tasks/{given_up}/cancel"), &Value::Null).await.0, 202);
    assert_eq!(d.post("/v1/queues/compute/resume", &Value::Null).await.0, 200);
    // On a machine that is very busy a Pod Manager may seem silent for a while, and lets in one at a time then.
    within(Duration::from_secs(90), "each is placed but the one that was cancelled", async || {
        for id in &ids {
            let wanted = if *id == given_up { "cancelled" } else { "completed" };
            if d.task(id).await["state"] != wanted {
                return Err(d.get(&format!("/v1/tasks/{id}/explain")).await);
            }
        }
        Ok(())
    })
    .await;
    assert_eq!(d.sim_nodes().await.len(), 19);
}

#[tokio::test]
async fn on_a_cluster_tasks_survive_the_loss_of_a_primary() {
    let mut cluster = Cluster::start().await;
    let url = cluster.url();
    let d = Deployment::start(shape(&url, &["--buckets", "16", "--lease", "3s"])).await;
    podm_is_online(&d).await;
    a_node_is_composed(&d, "before").await;
    let mut ids = accepted(&d, "first", 60).await;
    let gone = cluster.primary_of("vl:{b00}:live");
    cluster.servers[gone].kill();
    ids.extend(accepted(&d, "failover", 60).await);
    all_completed(&d, &ids).await;
    a_node_is_composed(&d, "after").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_cluster_a_bucket_moves_to_another_primary_under_load_and_is_never_in_two_places() {
    let mut cluster = Cluster::start().await;
    let url = cluster.url();
    let d = Deployment::start(shape(&url, &["--buckets", "4", "--lease", "3s"])).await;
    podm_is_online(&d).await;
    let mut ids = accepted(&d, "first", 40).await;
    let (more, moved) = tokio::join!(accepted(&d, "moving", 200), async {
        tokio::task::block_in_place(|| {
            let bucket = |n: usize| format!("vl:{{b0{n}}}:live");
            let other = |cluster: &mut Cluster, n| {
                let at = cluster.primary_of(&bucket(n));
                (0..4).map(|n| cluster.primary_of(&bucket(n))).find(|p| *p != at)
            };
            (0..4).map(|n| other(&mut cluster, n).map_or(0, |to| cluster.move_slot_of(&bucket(n), to))).sum::<usize>()
        })
    });
    assert!(moved > 20, "only {moved} keys were moved");
    ids.extend(more);
    all_completed(&d, &ids).await;
    a_node_is_composed(&d, "after").await;
}

/// A worker's store on a Cluster whose primaries are not given up when they hang.
struct Spread {
    redis: Cluster,
    config: Config,
    store: Store,
    /// The primary that is to hang, its buckets, and all others.
    hung: usize,
    of_hung: Vec<Bucket>,
    of_others: Vec<Bucket>,
}

impl Spread {
    async fn start(slots: usize, lease_s: i64) -> Self {
        let mut redis = Cluster::start().await;
        for server in &redis.servers {
            assert_eq!(server.cli(&["CONFIG", "SET", "cluster-node-timeout", "300000"]).trim(), "OK");
        }
        let mut config = Config::default();
        (config.buckets, config.worker.concurrency, config.enable_test_kinds) = (16, slots, true);
        (config.worker.topics, config.task.lease) = (Topic::ALL.to_vec(), SignedDuration::from_secs(lease_s));
        let limit = Duration::from_millis(900);
        let store = Store::connect(&redis.url(), None, limit, config.store_options()).await.unwrap();
        let hung = redis.primary_of("vl:{b00}:live");
        let is_hung = |b: &Bucket| redis.primary_of(&format!("vl:{{{b}}}:live")) == hung;
        let (of_hung, of_others) = store.options().buckets.iter().partition::<Vec<_>, _>(is_hung);
        assert!(!of_others.is_empty(), "the buckets are on several primaries");
        Self { redis, config, store, hung, of_hung, of_others }
    }

    /// Queues so many tasks in each of some buckets; their ids, bucket by bucket.
    async fn queued(&self, buckets: &[Bucket], in_each: usize, kind: &str, params: Value) -> Vec<Vec<TaskId>> {
        let mut def = Definition::new(kind, params);
        def.timeout_s = 600;
        let mut all = Vec::new();
        for bucket in buckets {
            let one = |_| NewTask {
                id: TaskId::mint(self.store.clock().now_ms(), *bucket),
                lane: Lane::parse("compute:normal").unwrap(),
                def: def.clone(),
                delay_ms: None,
                gates: String::new(),
                idempotent: false,
            };
            let tasks: Vec<_> = (0..in_each).map(one).collect();
            self.store.enqueue_many(*bucket, &tasks).await.unwrap();
            all.push(tasks.iter().map(|t| t.id).collect());
        }
        all
    }

    async fn worker(&self) -> (Arc<Worker>, Shutdown) {
        let (pool, shutdown) = (Pool::new(&self.config.redfish, None).unwrap(), Shutdown::new());
        (valence::worker::run(&self.config, self.store.clone(), pool, &shutdown).await.unwrap(), shutdown)
    }

    fn hang(&self) {
        signal(self.redis.servers[self.hung].pid(), "-STOP");
    }

    /// Those that have not ended.
    async fn live(&self, ids: &[TaskId]) -> Vec<TaskId> {
        let is_live = async |id: &TaskId| !matches!(self.store.task(*id).await, Ok(Some(t)) if t.state.is_terminal());
        let live = join_all(ids.iter().map(async |id| is_live(id).await.then_some(*id))).await;
        live.into_iter().flatten().collect()
    }

    async fn all_end(&self, mut live: Vec<TaskId>) {
        within(AFTER, "all tasks of the other primaries end", async || {
            live = self.live(&live).await;
            if live.is_empty() { Ok(()) } else { Err(live.len()) }
        })
        .await;
    }
}

/// With a backlog in every bucket, one primary hangs when each is a quarter through.
async fn one_hangs_in_the_middle(slots: usize, in_each: usize, kind: &str, params: Value) {
    let s = Spread::start(slots, 3).await;
    let of_others = s.queued(&s.of_others, in_each, kind, params.clone()).await;
    let of_hung = s.queued(&s.of_hung, in_each, kind, params).await;
    let quarter: Vec<TaskId> = of_others.iter().chain(&of_hung).map(|ids| ids[in_each / 4]).collect();
    let (_worker, shutdown) = s.worker().await;
    within(AFTER, "every bucket is a quarter through", async || {
        let waiting = s.live(&quarter).await;
        if waiting.is_empty() { Ok(()) } else { Err(waiting) }
    })
    .await;
    s.hang();
    let all = of_others.concat();
    let live = s.live(&all).await;
    assert!(live.len() > all.len() / 4, "it hangs while there is a backlog: {} are left", live.len());
    s.all_end(live).await;
    shutdown.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_cluster_a_primary_that_hangs_holds_up_tasks_of_no_bucket_but_its_own() {
    one_hangs_in_the_middle(32, 100, "sleep", json!({"ms": 100, "steps": 1})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_cluster_a_primary_that_hangs_in_the_middle_of_a_drain_holds_up_tasks_of_no_bucket_but_its_own() {
    one_hangs_in_the_middle(64, 600, "noop", json!({})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_cluster_tasks_whose_end_a_primary_that_hangs_does_not_write_hold_no_slots() {
    let s = Spread::start(16, 15).await;
    s.queued(&s.of_hung, 16, "sleep", json!({"ms": 4000})).await;
    let (worker, shutdown) = s.worker().await;
    until("every slot is in use", async || worker.slots() == (16, 16)).await;
    s.hang();
    s.all_end(s.queued(&s.of_others, 4, "noop", json!({})).await.concat()).await;
    shutdown.stop();
}

#[tokio::test]
async fn under_sentinels_tasks_survive_the_loss_of_the_primary() {
    let mut redis = Sentinels::start().await;
    let url = redis.url();
    let d = Deployment::start(shape(&url, &["--lease", "3s", "--wait-replicas", "1"])).await;
    let ready = d.get("/readyz").await;
    assert_eq!(
        (&ready["redis"]["topology"], &ready["redis"]["wait_replicas"]),
        (&json!("sentinel"), &json!(1)),
        "{ready}"
    );
    podm_is_online(&d).await;
    a_node_is_composed(&d, "before").await;
    let mut ids = accepted(&d, "first", 60).await;
    redis.servers[0].kill();
    ids.extend(accepted(&d, "failover", 60).await);
    all_completed(&d, &ids).await;
    a_node_is_composed(&d, "after").await;
    let primaries = redis.servers.iter_mut().map(|s| s.is_primary()).filter(|p| *p).count();
    assert_eq!(primaries, 1);
}

#[tokio::test]
async fn without_the_replicas_that_must_have_it_no_task_is_accepted() {
    let d = Deployment::start(Shape { flags: &["--wait-replicas", "1"], ..Shape::default() }).await;
    // Nor when it is asked for again: it stands by then, but where it can be lost.
    for _ in 0..2 {
        let post = d.http.post(format!("{}/v1/tasks", d.apis[0])).header("idempotency-key", "once");
        let answer = post.json(&json!({"kind": "noop", "params": {}})).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 503, "{:?}", answer.text().await);
    }
}

#[tokio::test]
async fn on_a_cluster_what_a_killed_worker_held_is_done_by_another() {
    let cluster = Cluster::start().await;
    let url = cluster.url();
    let mut d = Deployment::start(shape(&url, &["--buckets", "4", "--lease", "2s"])).await;
    let mut ids = BTreeSet::new();
    for _ in 0..8 {
        ids.insert(d.submit("sleep", json!({"ms": 1000, "steps": 1})).await);
    }
    for id in &ids {
        d.until_task(id, "it runs", |t| t["state"] != "queued").await;
    }
    d.of_role("worker").into_iter().for_each(|i| d.kill_and_restart(i));
    all_completed(&d, &ids).await;
    let crashed = futures_util::future::join_all(ids.iter().map(|id| d.task(id))).await;
    assert!(crashed.iter().any(|t| t["crashes"] == 1), "{crashed:?}");
}

#[tokio::test]
async fn what_a_server_refuses_that_is_no_primary_any_more_is_a_reason_to_come_again_in_a_pipeline_too() {
    let replica = TestRedis::start_with(&["--replicaof", "127.0.0.1", "1"]).await;
    let mut connection = valence::store::connect::Redis::connect(&replica.url(), AFTER).await.unwrap().shared();
    let refused = redis::pipe().set("a", 1).set("b", 2).query_async::<()>(&mut connection).await.unwrap_err();
    assert!(valence::store::StoreError::from(refused).is_transient());
}

/// How many entries ever stood in a stream of a Redis; 0 when there is no such stream.
async fn ever_added(redis: &TestRedis, stream: &str) -> u64 {
    if redis.command::<u8>(&["EXISTS", stream]).await == 0 {
        return 0;
    }
    let info: Vec<redis::Value> = redis.command(&["XINFO", "STREAM", stream]).await;
    let is_name = |v: &redis::Value| *v == redis::Value::BulkString(b"entries-added".to_vec());
    let at = info.iter().position(is_name).unwrap();
    redis::from_redis_value(info[at + 1].clone()).unwrap()
}

const READS: &str = "vl:{b00}:s:compute:sync";

async fn until_read(d: &Deployment, api: &str) {
    within(AFTER, "a read is answered", async || {
        let answer = d.http.get(format!("{api}/v1/nodes")).send().await.map_err(|e| e.to_string())?;
        if answer.status().as_u16() == 200 { Ok(()) } else { Err(answer.status().to_string()) }
    })
    .await;
}

#[tokio::test]
async fn reads_go_through_a_redis_of_their_own_when_there_is_one_and_survive_its_loss() {
    let mut reads = TestRedis::start().await;
    let url = reads.url();
    let d = Deployment::start(Shape { flags: &["--sync-redis", &url], podms: 1, ..Shape::default() }).await;
    podm_is_online(&d).await;
    a_node_is_composed(&d, "web").await;
    assert!(ever_added(&reads, READS).await > 0);
    assert_eq!(ever_added(&d.redis, READS).await, 0, "no read is written to the Redis that lasts");

    reads.kill();
    let refused = d.http.get(format!("{}/v1/nodes", d.apis[0])).send().await.unwrap();
    assert_eq!(refused.status().as_u16(), 503);
    let id = d.submit("noop", json!({})).await;
    assert_eq!(d.done(&id).await["state"], "completed", "tasks do not need it");
    reads.restart().await;
    until_read(&d, &d.apis[0]).await;
}

#[tokio::test]
async fn workers_with_a_redis_for_reads_also_answer_processes_that_know_nothing_of_it() {
    let reads = TestRedis::start().await;
    let url = reads.url();
    let mut d = Deployment::start(Shape { workers: 0, ..Shape::default() }).await;
    let at = format!("127.0.0.1:{}", free_port());
    d.add("worker", &["--sync-redis", &url, "--listen", "127.0.0.1:0"]);
    d.add("api", &["--sync-redis", &url, "--listen", &at]);
    until_read(&d, &d.apis[0]).await;
    until_read(&d, &format!("http://{at}")).await;
    assert!(ever_added(&reads, READS).await > 0 && ever_added(&d.redis, READS).await > 0);
}
