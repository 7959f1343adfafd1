//! How fast tasks are taken in over HTTP, beside a bare route that does one XADD.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::json;

use super::BenchArgs;
use super::drain::count;
use super::report::Report;
use super::rig::Rig;

/// Clients that send one request at a time each.
const CONNECTIONS: usize = 64;
/// How long one run of single requests lasts.
const LASTS: Duration = Duration::from_secs(3);

/// POST /v1/tasks, one at a time, 64 connections.
///
/// # Errors
/// When a process fails or a request is refused.
pub async fn single(args: &BenchArgs, report: &mut Report) -> anyhow::Result<()> {
    let (mut rates, mut bare_rates) = (Vec::new(), Vec::new());
    let (mut redis_us, mut api_us) = (Vec::new(), Vec::new());
    for _ in 0..args.runs {
        let mut rig = Rig::start(args).await?;
        let bare = rig.bare().await?;
        bare_rates.push(load(&format!("{bare}/xadd"), 200).await?.0);
        let url = rig.api().await?;
        let before = rig.cpu()?;
        let (rate, sent) = load(&format!("{url}/v1/tasks"), 202).await?;
        let cpu = rig.cpu()?.since(before);
        rates.push(rate);
        redis_us.push(cpu.redis * 1e6 / count(sent));
        api_us.push(cpu.api * 1e6 / count(sent));
    }
    report.add("enqueue over HTTP, 64 connections", "tasks/s", &rates, &bare_rates);
    report.add("enqueue: Redis CPU per task", "µs", &redis_us, &[]);
    report.add("enqueue: API CPU per task", "µs", &api_us, &[]);
    Ok(())
}

/// POST /v1/tasks/batch with 1,000 tasks a request, two clients, beside XADD and HSET of as many tasks in pipelines of 1,000 by two clients.
///
/// # Errors
/// When a process fails or a request is refused.
pub async fn batch(args: &BenchArgs, report: &mut Report) -> anyhow::Result<()> {
    let (mut rates, mut floors) = (Vec::new(), Vec::new());
    let (mut redis_us, mut api_us) = (Vec::new(), Vec::new());
    for _ in 0..args.runs {
        let mut rig = Rig::start(args).await?;
        floors.push(pipelined(&rig, args.tasks).await?);
        let url = format!("{}/v1/tasks/batch", rig.api().await?);
        let task = json!({ "kind": "noop", "params": { "payload": "x".repeat(187) } });
        let body = Arc::new(json!({ "tasks": vec![task; 1000] }).to_string());
        let requests = args.tasks.div_ceil(1000).max(2);
        let before = rig.cpu()?;
        let began = Instant::now();
        let clients = (0..2).map(|_| {
            let (url, body) = (url.clone(), body.clone());
            tokio::spawn(async move {
                let client = client()?;
                for _ in 0..requests / 2 {
                    let sent = client.post(&url).header("content-type", "application/json").body(body.to_string());
                    let answer = sent.send().await?;
                    ensure!(answer.status() == 202, "batch answered {}", answer.status());
                    answer.bytes().await?;
                }
                anyhow::Ok(())
            })
        });
        for client in clients.collect::<Vec<_>>() {
            client.await??;
        }
        let sent = count(requests / 2 * 2 * 1000);
        rates.push(sent / began.elapsed().as_secs_f64());
        let cpu = rig.cpu()?.since(before);
        redis_us.push(cpu.redis * 1e6 / sent);
        api_us.push(cpu.api * 1e6 / sent);
    }
    report.add("batch enqueue over HTTP, 1,000 a request", "tasks/s", &rates, &floors);
    report.add("batch enqueue: Redis CPU per task", "µs", &redis_us, &[]);
    report.add("batch enqueue: API CPU per task", "µs", &api_us, &[]);
    Ok(())
}

/// The yardstick of the batch: the least that makes a task of the same size durable and findable. Tasks a second.
async fn pipelined(rig: &Rig, tasks: usize) -> anyhow::Result<f64> {
    let began = Instant::now();
    let clients = (0..2).map(|client| {
        let mut con = rig.store.redis().shared();
        tokio::spawn(async move {
            for batch in 0..tasks.div_ceil(2000) {
                let mut pipe = redis::pipe();
                for n in 0..1000 {
                    let id = format!("019abcde-0000-7000-8000-{client:02}{batch:05}{n:05}");
                    pipe.cmd("XADD").arg(&["bare:s", "*", "t", &id]).ignore();
                    let key = format!("bare:t:{id}");
                    let payload = "x".repeat(187);
                    pipe.cmd("HSET").arg(&[&key, "state", "queued", "payload", &payload]).ignore();
                }
                pipe.query_async::<()>(&mut con).await?;
            }
            anyhow::Ok(())
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await??;
    }
    Ok(count(tasks.div_ceil(2000) * 2000) / began.elapsed().as_secs_f64())
}

/// Sends the same task again and again from all connections; requests a second, and how many.
async fn load(url: &str, wanted: u16) -> anyhow::Result<(f64, usize)> {
    let body = json!({ "kind": "noop", "params": { "payload": "x".repeat(187) } }).to_string();
    let sent = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let clients = (0..CONNECTIONS).map(|_| {
        let (url, body, sent) = (url.to_owned(), body.clone(), sent.clone());
        tokio::spawn(async move {
            let client = client()?;
            while began.elapsed() < LASTS {
                let request =
                    client.post(&url).header("content-type", "application/json").header("prefer", "respond-async");
                let answer = request.body(body.clone()).send().await?;
                ensure!(answer.status() == wanted, "{url} answered {}", answer.status());
                answer.bytes().await?;
                sent.fetch_add(1, Ordering::Relaxed);
            }
            anyhow::Ok(())
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await??;
    }
    let sent = sent.load(Ordering::Relaxed);
    Ok((count(sent) / began.elapsed().as_secs_f64(), sent))
}

pub(super) fn client() -> anyhow::Result<reqwest::Client> {
    Ok(reqwest::Client::builder().no_proxy().tcp_nodelay(true).pool_max_idle_per_host(4).build()?)
}
