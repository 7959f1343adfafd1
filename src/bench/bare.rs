//! The yardstick of the REST API, a process of its own as the API is: warp, one route, one command, no checks.

use std::net::SocketAddr;
use std::time::Duration;

use warp::Filter;

use crate::store::connect::Redis;

/// Serves `POST /xadd` and `GET /get` until the process is killed.
///
/// # Errors
/// When Redis does not answer or the address is taken.
pub async fn serve(address: SocketAddr, redis: &str) -> anyhow::Result<()> {
    let con = Redis::connect(redis, Duration::from_secs(30)).await?.shared();
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
            let value: redis::RedisResult<Option<String>> = redis::cmd("GET").arg("bare").query_async(&mut con).await;
            value.ok().flatten().unwrap_or_default()
        }
    });
    let listener = tokio::net::TcpListener::bind(address).await?;
    warp::serve(xadd.or(get)).incoming(listener).run().await;
    Ok(())
}
