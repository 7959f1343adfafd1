//! How fast tasks are taken in over HTTP, beside a bare route that does one XADD.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::json;
use warp::Filter;

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
        let bare = Bare::start(&rig)?;
        bare_rates.push(load(&format!("{}/xadd", bare.url), 200).await?.0);
        drop(bare);
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

/// POST /v1/tasks/batch with 1,000 tasks a request, two clients.
///
/// # Errors
/// When a process fails or a request is refused.
pub async fn batch(args: &BenchArgs, report: &mut Report) -> anyhow::Result<()> {
    let mut rates = Vec::new();
    for _ in 0..args.runs {
        let mut rig = Rig::start(args).await?;
        let url = format!("{}/v1/tasks/batch", rig.api().await?);
        let task = json!({ "kind": "noop", "params": { "payload": "x".repeat(187) } });
        let body = Arc::new(json!({ "tasks": vec![task; 1000] }).to_string());
        let requests = args.tasks.div_ceil(1000).max(2);
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
        rates.push(count(requests / 2 * 2 * 1000) / began.elapsed().as_secs_f64());
    }
    report.add("batch enqueue over HTTP, 1,000 a request", "tasks/s", &rates, &[]);
    Ok(())
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

/// The yardstick: warp, one route, one command, no checks.
pub(super) struct Bare {
    pub(super) url: String,
    serving: tokio::task::JoinHandle<()>,
}

impl Bare {
    pub(super) fn start(rig: &Rig) -> anyhow::Result<Self> {
        let con = rig.store.redis().shared();
        let write = con.clone();
        let xadd = warp::path("xadd").and(warp::post()).and(warp::body::bytes()).then(move |body: bytes::Bytes| {
            let mut con = write.clone();
            async move {
                let id: redis::RedisResult<String> =
                    redis::cmd("XADD").arg("bare").arg("*").arg("t").arg(&body[..]).query_async(&mut con).await;
                id.unwrap_or_else(|e| e.to_string())
            }
        });
        let get = warp::path("get").and(warp::get()).then(move || {
            let mut con = con.clone();
            async move {
                let value: redis::RedisResult<Option<String>> =
                    redis::cmd("GET").arg("bare").query_async(&mut con).await;
                value.ok().flatten().unwrap_or_default()
            }
        });
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let url = format!("http://{}", listener.local_addr()?);
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let serving = tokio::spawn(warp::serve(xadd.or(get)).incoming(listener).run());
        Ok(Self { url, serving })
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
