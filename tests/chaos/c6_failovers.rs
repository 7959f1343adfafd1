//! C6: the primary is killed or stopped, under Sentinels and in a Cluster, again and again under load; or it is cut off from all other
//! servers, while those who write to it are not. What was accepted and is gone afterwards is counted for each setting. When every replica is
//! waited for, none may be. What is lost otherwise is told, not judged: replication is asynchronous, and Sentinels may promote the replica
//! that was not waited for (docs/reliability.md). What stands has to end, once, with each.

use std::time::Duration;

use super::group::Group;
use super::load::{Load, Outcome};
use super::run::amount;
use super::support::deployment::{Deployment, Shape, signal};
use super::support::netns::{Net, is_outside};

/// How long a primary is cut off after another was elected.
const SPLIT: Duration = Duration::from_secs(3);
/// Name and flags; the last waits for all replicas that a primary has.
type Setting = (&'static str, &'static [&'static str]);
const OF_A_CLUSTER: [Setting; 2] = [("no WAIT", &[]), ("WAIT 1", &["--wait-replicas", "1"])];
const UNDER_SENTINELS: [Setting; 3] =
    [("no WAIT", &[]), ("WAIT 1 of 2", &["--wait-replicas", "1"]), ("WAIT 2", &["--wait-replicas", "2"])];

fn settings(cluster: bool) -> &'static [Setting] {
    if cluster { &OF_A_CLUSTER } else { &UNDER_SENTINELS }
}

async fn deployment(group: &Group, flags: &[&str]) -> Deployment {
    let (url, buckets) = (group.url(), group.buckets().to_string());
    let flags = [&["--buckets", &buckets, "--lease", "3s"], flags].concat();
    Deployment::start(Shape { redis: Some(&url), apis: 2, workers: 2, flags: &flags, ..Shape::default() }).await
}

/// Kills the primary of one bucket after another, or stops it until it has a successor.
async fn failovers(group: &mut Group, flags: &[&str], count: usize) -> Outcome {
    let d = deployment(group, flags).await;
    let load = Load::start(&d);
    for n in 0..count {
        load.until_more(50).await;
        let (bucket, stop) = (n % usize::from(group.buckets()), n % 2 == 1);
        let old = group.primary(bucket, None).await;
        if stop {
            signal(group.server(old).pid(), "-STOP");
        } else {
            group.server(old).kill();
        }
        let new = group.primary(bucket, Some(old)).await;
        // Where all replicas are waited for, nothing is accepted while one is away.
        if !flags.contains(&"2") {
            load.until_more(50).await;
        }
        if stop {
            signal(group.server(old).pid(), "-CONT");
        } else {
            group.rejoin(old, new);
        }
        group.until_whole().await;
    }
    load.outcome(&d, async || group.changes().await).await
}

/// Cuts the primary off. One API and one worker stay with it; the others are started anew, and so write to its successor.
async fn partitions(group: &mut Group, flags: &[&str], count: usize) -> Outcome {
    let mut d = deployment(group, flags).await;
    let load = Load::start(&d);
    for n in 0..count {
        load.until_more(50).await;
        let bucket = n % usize::from(group.buckets());
        let old = group.primary(bucket, None).await;
        group.cut_off(old, true);
        group.primary(bucket, Some(old)).await;
        for role in ["api", "worker"] {
            let second = d.of_role(role)[1];
            d.kill_and_restart(second);
        }
        tokio::time::sleep(SPLIT).await;
        group.cut_off(old, false);
        group.until_whole().await;
        load.until_more(50).await;
    }
    load.outcome(&d, async || group.changes().await).await
}

/// The row of each setting; nothing wrong, and with the last nothing lost.
fn judge(what: &str, count: usize, rows: &[(&str, Outcome)]) {
    for (setting, Outcome { accepted, lost, dark, wrong }) in rows {
        println!(
            "c6 {count} {what}, {setting}: {accepted} accepted, {lost} lost, dark for {dark:.1?} at most, {} wrong",
            wrong.len()
        );
    }
    for (setting, outcome) in rows {
        assert!(outcome.wrong.is_empty(), "{what}, {setting}:\n{}", outcome.wrong.join("\n"));
    }
    let lost = rows.last().map(|(_, outcome)| outcome.lost);
    assert_eq!(lost, Some(0), "{what}: nothing may be lost that all replicas had");
}

async fn all_failovers(cluster: bool) {
    let (count, mut rows, mut what) = (amount("TRIALS", 20, 2), Vec::new(), String::new());
    for (setting, flags) in settings(cluster) {
        let mut group = Group::start(cluster, None).await;
        what = format!("{} failovers", group.name());
        rows.push((*setting, failovers(&mut group, flags, count).await));
    }
    judge(&what, count, &rows);
    let dark = rows.iter().map(|(_, outcome)| outcome.dark).min().unwrap();
    assert!(
        dark > Duration::from_millis(500),
        "there was no failover: nothing was ever refused for longer than {dark:?}"
    );
}

async fn all_partitions(cluster: bool) {
    let (count, mut rows, mut what) = (amount("CUTS", 4, 1), Vec::new(), String::new());
    let mut net = Net::new();
    for (setting, flags) in settings(cluster) {
        let mut group = Group::start(cluster, Some(&mut net)).await;
        what = format!("{} partitions", group.name());
        rows.push((*setting, partitions(&mut group, flags, count).await));
    }
    judge(&what, count, &rows);
    assert!(rows[0].1.lost > 0, "nothing was lost without WAIT either: nobody wrote to who was cut off");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make chaos CAMPAIGN=c6"]
async fn c6_failovers_under_sentinels_lose_nothing_that_all_replicas_had() {
    all_failovers(false).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make chaos CAMPAIGN=c6"]
async fn c6_failovers_of_a_cluster_lose_nothing_that_all_replicas_had() {
    all_failovers(true).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make chaos CAMPAIGN=c6"]
async fn c6_a_primary_cut_off_from_its_sentinels_loses_nothing_that_all_replicas_had() {
    if !is_outside("c6_failovers::c6_a_primary_cut_off_from_its_sentinels_loses_nothing_that_all_replicas_had") {
        all_partitions(false).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make chaos CAMPAIGN=c6"]
async fn c6_a_primary_cut_off_from_its_cluster_loses_nothing_that_all_replicas_had() {
    if !is_outside("c6_failovers::c6_a_primary_cut_off_from_its_cluster_loses_nothing_that_all_replicas_had") {
        all_partitions(true).await;
    }
}
