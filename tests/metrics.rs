//! What Prometheus is given: a sound configuration, and metrics that promtool likes.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;
use support::saga::Plant;
use valence::model::task::Definition;
use valence::model::topic::Topic;
use valence::sim::SimConfig;

fn promtool(args: &[&str], input: &str) -> (bool, String) {
    let mut child = Command::new("promtool")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool must be installed: make setup-test");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap();
    (out.status.success(), format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr)))
}

#[test]
fn the_scrape_configuration_is_sound() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("grafana/prometheus.yml");
    let (sound, said) = promtool(&["check", "config", file.to_str().unwrap()], "");
    assert!(sound, "{said}");
}

#[test]
fn every_family_of_every_process_pleases_promtool() {
    let m = valence::observe::metrics::get();
    // A family without children prints nothing: give each one.
    m.http.requests.with_label_values(&["GET", "/", "2xx"]).inc();
    m.http.duration.with_label_values(&["GET", "/"]).observe(0.1);
    m.http.refused.with_label_values(&["full"]).inc();
    m.http.enqueued.with_label_values(&["compute", "noop"]).inc();
    for family in [&m.work.settled, &m.work.completed, &m.work.retried] {
        family.with_label_values(&["compute", "noop", "completed"]).inc();
    }
    for family in [&m.work.dead_lettered, &m.work.fenced] {
        family.with_label_values(&["compute", "noop"]).inc();
    }
    m.work.queue_wait.with_label_values(&["compute"]).observe(0.1);
    m.work.run_time.with_label_values(&["compute", "noop"]).observe(0.1);
    m.work.slots.with_label_values(&["busy"]).set(1);
    m.work.reads.with_label_values(&["echo", "ok"]).inc();
    m.upkeep.reclaimed.with_label_values(&["requeued"]).inc();
    m.upkeep.depth.with_label_values(&["compute", "queued"]).set(1);
    m.upkeep.oldest_age.with_label_values(&["compute"]).set(1.0);
    for family in [&m.upkeep.lag, &m.upkeep.pending, &m.upkeep.workers, &m.upkeep.paused] {
        family.with_label_values(&["compute"]).set(1);
    }
    m.redfish.logins.with_label_values(&["session"]).inc();
    m.redfish.requests.with_label_values(&["GET", "2xx"]).observe(0.1);
    m.podms.standings.with_label_values(&["well"]).set(1);
    for family in [&m.podms.up, &m.podms.circuit] {
        family.with_label_values(&["lab"]).set(1);
    }
    for family in [&m.podms.in_flight, &m.podms.limit, &m.podms.waiting] {
        family.with_label_values(&["lab", "changes"]).set(1);
    }
    let t = &m.telemetry;
    for family in [&t.temperature, &t.power, &t.voltage, &t.energy, &t.fan_speed, &t.fan_ratio, &t.utilisation] {
        family.with_label_values(&["lab", "max"]).set(1.0);
    }
    t.readings.with_label_values(&["lab", "power"]).set(1.0);
    t.age.with_label_values(&["lab"]).set(1.0);
    t.events.with_label_values(&["Alert", "kept"]).inc();
    m.placement.results.with_label_values(&["placed"]).inc();
    m.placement.duration.with_label_values::<&str>(&[]).observe(0.1);
    m.store.calls.with_label_values(&["claim"]).observe(0.001);
    let (pleased, said) = promtool(&["check", "metrics"], &m.page());
    assert!(pleased && said.trim().is_empty(), "{said}");
}

/// How often, and how long in all, tasks of the topic `compute` have waited, s.
fn waited() -> (u64, f64) {
    let wait = valence::observe::metrics::get().work.queue_wait.with_label_values(&["compute"]);
    (wait.get_sample_count(), wait.get_sample_sum())
}

/// An alert on this family once rang for tasks that were meant to run an hour later.
#[tokio::test(flavor = "multi_thread")]
async fn the_time_in_the_queue_counts_waiting_for_a_worker_and_not_a_delay() {
    let plant = Plant::bare(SimConfig::default(), true).await;
    let noop = || Definition::new("noop", json!({}));
    let (_, before) = waited();
    let delayed = plant.store.submit(noop(), Some(2_000), None).await.unwrap().id;
    plant.done(delayed).await;
    let (count, after) = waited();
    assert!(count >= 1 && after - before < 1.5, "a delay of two seconds counts as {} s", after - before);

    plant.store.pause(Topic::Compute, true).await.unwrap();
    let kept = plant.store.submit(noop(), None, None).await.unwrap().id;
    tokio::time::sleep(Duration::from_secs(2)).await;
    plant.store.pause(Topic::Compute, false).await.unwrap();
    plant.done(kept).await;
    let waited = waited().1 - after;
    assert!(waited >= 1.9, "two seconds in the queue count as {waited} s");
}
