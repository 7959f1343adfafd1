//! What Pod Managers cost to which nothing happens: little each, and no more when there are many.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::time::Duration;

use support::redis::TestRedis;
use support::saga::Plant;
use support::wait;
use valence::sim::SimConfig;
use valence::store::records::{Collection, Writer};

/// Commands by name since the last reset, those of scripts among them.
async fn commands(redis: &TestRedis) -> Vec<(String, u64)> {
    let stats: String = redis.command(&["INFO", "commandstats"]).await;
    let line = |l: &str| {
        let (name, stats) = l.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((name.to_owned(), stats.split(',').next()?.parse().ok()?))
    };
    stats.lines().filter_map(line).collect()
}

#[tokio::test]
async fn what_two_hundred_idle_pod_managers_ask_of_redis_is_bounded() {
    const PODMS: usize = 200;
    const LOOKED_AT: Duration = Duration::from_secs(15);
    let plant = Plant::bare(SimConfig { podms: PODMS, systems: 2, ..SimConfig::default() }, true).await;
    let by = Writer { task: valence::ids::TaskId::mint(1, valence::ids::Bucket(0)), claims: 1 };
    for n in 0..PODMS {
        let podm = plant.lab.record_of(n);
        assert!(plant.store.put_record(Collection::Podm, &podm.uuid, &podm, by).await.unwrap());
    }
    wait::within(Duration::from_secs(90), "each was read once", async || {
        let inventories = plant.store.inventories(&plant.lab.uuids).await.unwrap();
        let readings = plant.store.overviews(&plant.lab.uuids).await.unwrap();
        let under_way: u64 = plant.redis.command(&["ZCARD", "vl:{b00}:live"]).await;
        let (known, measured) = (inventories.iter().flatten().count(), readings.iter().flatten().count());
        if (known, measured, under_way) == (PODMS, PODMS, 0) { Ok(()) } else { Err((known, measured, under_way)) }
    })
    .await;
    let _reset: String = plant.redis.command(&["CONFIG", "RESETSTAT"]).await;
    let began_ms = plant.store.clock().now_ms();
    let passed = || Duration::from_millis(plant.store.clock().now_ms() - began_ms);
    wait::until("it has been looked at for a while", async || passed() >= LOOKED_AT).await;
    let asked = commands(&plant.redis).await;
    let minutes = passed().as_secs_f64() / 60.0;
    let each = |n: u64| f64::from(u32::try_from(n).unwrap()) / minutes / f64::from(u32::try_from(PODMS).unwrap());
    let mut shown: Vec<_> = asked.iter().map(|(name, n)| (each(*n), name)).collect();
    shown.sort_by(|a, b| b.0.total_cmp(&a.0));
    let all: f64 = shown.iter().map(|(n, _)| n).sum();
    assert!(all < 200.0, "{all:.0} commands for a Pod Manager and minute: {shown:.1?}");
}
