//! C6: the primary is killed or stopped under Sentinels, again and again; what was accepted and is gone afterwards is counted for each setting.
//! With `WAIT` none may be. What the others lose is told, not judged: replication is asynchronous (docs/reliability.md).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use serde_json::{Value, json};

use super::run::amount;
use super::support::deployment::{Deployment, Shape, signal};
use super::support::replicated::Sentinels;
use super::support::wait;

/// What is lost when nobody repeats its post: ids accepted, those that are gone, and how long nothing was accepted.
struct Lost {
    accepted: usize,
    lost: usize,
    dark: Duration,
}

async fn trial(fsync: &str, flags: &[&str], stop: bool) -> Lost {
    let redis = Sentinels::start_with(fsync).await;
    let url = redis.url();
    let d = Deployment::start(Shape { redis: Some(&url), flags, ..Shape::default() }).await;
    let (begun, mut longest, mut last, mut struck) = (Instant::now(), Duration::ZERO, Instant::now(), None);
    let mut ids = Vec::new();
    let pid = redis.servers[0].pid();
    // Until two seconds after the new primary takes work.
    loop {
        if struck.is_none() && begun.elapsed() > Duration::from_secs(2) {
            struck = Some(ids.len());
            signal(pid, if stop { "-STOP" } else { "-KILL" });
        }
        let posts = (0..4).map(|_| {
            let task = json!({"kind": "noop", "params": {}});
            d.http.post(format!("{}/v1/tasks", d.apis[0])).json(&task).timeout(Duration::from_secs(5)).send()
        });
        let mut heard = 0;
        for answer in futures_util::future::join_all(posts).await.into_iter().flatten() {
            if answer.status().is_success() {
                let task: Value = answer.json().await.unwrap_or_default();
                ids.extend(task["id"].as_str().map(str::to_owned));
                heard += 1;
            } else {
                assert_eq!(answer.status().as_u16(), 503, "a failover is a reason to come again: {answer:?}");
            }
        }
        if heard == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        }
        longest = longest.max(last.elapsed());
        last = Instant::now();
        let back = struck.is_some_and(|at| ids.len() > at + 40) && longest > Duration::from_millis(900);
        if back || begun.elapsed() > Duration::from_secs(60) {
            break;
        }
    }
    if stop {
        signal(pid, "-CONT");
    }
    assert!(longest > Duration::from_millis(500), "there was no failover: nothing was ever refused");
    let gone = async |id: &String| {
        wait::within(Duration::from_secs(30), "the API says whether a task is there", async || {
            let asked = d.http.get(format!("{}/v1/tasks/{id}", d.apis[0])).send().await;
            asked.ok().map(|a| a.status().as_u16()).filter(|s| [200, 404].contains(s))
        })
        .await
            == 404
    };
    let looks = futures_util::stream::iter(ids.iter().map(gone)).buffer_unordered(8);
    let lost = looks.filter(|gone| std::future::ready(*gone)).count().await;
    Lost { accepted: ids.len(), lost, dark: longest }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make chaos CAMPAIGN=c6"]
async fn c6_what_a_failover_loses_is_counted_and_nothing_is_lost_with_wait() {
    let trials = amount("TRIALS", 4, 1);
    let settings: [(&str, &str, &[&str]); 3] = [
        ("everysec", "everysec", &[]),
        ("always", "always", &[]),
        ("always, WAIT 1", "always", &["--wait-replicas", "1"]),
    ];
    let mut table = BTreeMap::new();
    for (name, fsync, flags) in settings {
        for n in 0..trials * 2 {
            let stop = n % 2 == 1;
            let found = trial(fsync, flags, stop).await;
            println!(
                "c6 {name}, {}: {} accepted, {} lost, dark for {:.1?}",
                if stop { "SIGSTOP" } else { "kill -9" },
                found.accepted,
                found.lost,
                found.dark
            );
            let sum: &mut (usize, usize, usize) = table.entry(name).or_default();
            (sum.0, sum.1, sum.2) = (sum.0 + 1, sum.1 + found.accepted, sum.2 + found.lost);
        }
    }
    for (name, (failovers, accepted, lost)) in &table {
        println!("c6 {name}: {failovers} failovers, {accepted} accepted, {lost} lost");
    }
    assert_eq!(table["always, WAIT 1"].2, 0, "with WAIT nothing may be lost");
}
