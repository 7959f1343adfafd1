//! The accept loop: warp's routes behind the limits that warp's own server lacks.
//!
//! Header time, number of headers, number of connections, idle connections and the time a stop may take are all bounded here (warp 0.4
//! bounds none of them), and so is a TLS handshake. A connection too many is answered 503 and closed, not queued.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use warp::filters::BoxedFilter;
use warp::http::HeaderValue;
use warp::http::header::HOST;
use warp::reply::Response;

use super::answer;
use super::call::Remote;
use super::conn::{Activity, Watched};
use super::dispatch;
use super::framing::{MAX_HEAD_BYTES, MAX_HEADERS};
use super::limits::{Share, Shares, network};
use super::sieve::{Refusals, Sieve};
use super::tls::{self, Tls};
use crate::config::Config;
use crate::model::problem::Problem;
use crate::observe::metrics;

/// How often a connection is looked at for standing still.
const LOOK: Duration = Duration::from_secs(1);
/// What a connection too many hears.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 2\r\n\
Connection: close\r\nContent-Length: 163\r\n\r\n{\"request_id\": \"00000000-0000-0000-0000-000000000000\", \"code\": \"Service Unavailable\", \
\"status\": 503, \"title\": \"Connection Error\", \"detail\": \"too many connections\"}";

/// What the loop works with.
struct Server {
    routes: BoxedFilter<(Response,)>,
    builder: Builder<TokioExecutor>,
    tls: Option<Tls>,
    handshake: Duration,
    header: Duration,
    stop: CancellationToken,
    /// Fires when a stop has taken long enough.
    abort: CancellationToken,
}

/// Serves until `stop` fires, then lets requests end, at most for the configured grace less a second.
pub(crate) async fn run(
    listener: TcpListener,
    routes: BoxedFilter<(Response,)>,
    tls: Option<Tls>,
    config: Config,
    stop: CancellationToken,
) -> Result<(), Infallible> {
    let header_timeout = config.api.header_timeout.unsigned_abs();
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).max_headers(MAX_HEADERS).max_buf_size(MAX_HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(MAX_HEAD_BYTES).unwrap_or(u32::MAX))
        .max_concurrent_streams(256)
        .keep_alive_interval(Duration::from_secs(20));
    let abort = CancellationToken::new();
    let handshake = config.api.tls.handshake_timeout.unsigned_abs();
    let server =
        Arc::new(Server { routes, builder, tls, handshake, header: header_timeout, stop: stop.clone(), abort });
    let places = Arc::new(Semaphore::new(config.api.max_connections));
    let addresses = Shares::new(config.api.max_connections_per_address);
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, from)) => {
                let share = addresses.take(network(from.ip()));
                match (places.clone().try_acquire_owned(), share) {
                    (Ok(place), Some(share)) => {
                        connections.spawn(server.clone().accept(stream, from, (place, share)));
                    }
                    (Ok(_), None) => server.turn_away(stream, "too_many_of_address"),
                    (Err(_), _) => server.turn_away(stream, "too_many"),
                }
            }
            Err(error) => {
                // Out of file descriptors, most likely: give those in use time to end.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    connections.close();
    let grace = config.grace.unsigned_abs().saturating_sub(Duration::from_secs(1)).max(Duration::from_millis(500));
    if tokio::time::timeout(grace, connections.wait()).await.is_err() {
        tracing::warn!(open = connections.len(), "connections are still open after the grace; closing them");
        server.abort.cancel();
        connections.wait().await;
    }
    Ok(())
}

/// A place among all connections and one among those of its address.
type Place = (OwnedSemaphorePermit, Share<IpAddr>);

impl Server {
    /// Tells a connection too many so, without waiting for it. Under TLS it is closed: telling would take a handshake.
    fn turn_away(&self, stream: TcpStream, reason: &str) {
        metrics::get().http.refused.with_label_values(&[reason]).inc();
        if self.tls.is_some() {
            return;
        }
        tokio::spawn(async move {
            let mut stream = stream;
            let say = async {
                stream.write_all(FULL).await?;
                stream.shutdown().await
            };
            // Whether it hears that is its own affair.
            let _heard = tokio::time::timeout(Duration::from_secs(1), say).await;
        });
    }

    /// Serves a connection, behind a handshake where TLS is configured.
    async fn accept(self: Arc<Self>, stream: TcpStream, address: SocketAddr, _place: Place) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        let Some(tls) = &self.tls else {
            return self.connection(stream, Remote { address, subject: None, tls: false }).await;
        };
        match tokio::time::timeout(self.handshake, tls.accept(stream)).await {
            Ok(Ok(stream)) => {
                let subject = tls::subject(&stream);
                self.connection(stream, Remote { address, subject, tls: true }).await;
            }
            Ok(Err(error)) => tracing::debug!(%error, %address, "no TLS connection"),
            Err(_) => tracing::debug!(%address, "the TLS handshake took too long"),
        }
    }

    async fn connection<S>(&self, stream: S, remote: Remote)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        metrics::get().http.connections.inc();
        let (activity, refusals) = (Activity::new(), Refusals::default());
        let routes = TowerToHyperService::new(warp::service(self.routes.clone()));
        let service = {
            let (activity, refusals, requests) = (activity.clone(), refusals.clone(), AtomicUsize::new(0));
            hyper::service::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
                let (answering, tls) = (activity.request(), remote.tls);
                let refused = refusals.on(requests.fetch_add(1, Ordering::Relaxed));
                let answer = match refused.map_or_else(|| addressed(&mut request), Err) {
                    Err(problem) => Err(problem),
                    Ok(()) => {
                        request.extensions_mut().insert(remote.clone());
                        Ok(hyper::service::Service::call(&routes, request))
                    }
                };
                async move {
                    let answer = match answer {
                        Ok(answer) => answer.await,
                        Err(problem) => Ok(dispatch::refused(problem, tls)),
                    };
                    drop(answering);
                    answer
                }
            })
        };
        let io = TokioIo::new(Sieve::new(Watched::new(stream, activity.clone()), refusals));
        let mut connection = std::pin::pin!(self.builder.serve_connection(io, service));
        let mut stopping = false;
        let mut look = tokio::time::interval(LOOK.min(self.header.max(Duration::from_millis(10))));
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::trace!(%error, "a connection ended early");
                    }
                    break;
                }
                () = self.stop.cancelled(), if !stopping => {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = self.abort.cancelled() => break,
                _ = look.tick() => {
                    if activity.is_stale(self.header) {
                        break;
                    }
                }
            }
        }
        metrics::get().http.connections.dec();
    }
}

/// Makes `Host` what the request is addressed to: HTTP/2, and HTTP/1 towards a proxy, say it in another place, which is the one that counts.
///
/// # Errors
/// 400 for an address without a path, such as CONNECT has: no route can be looked up for it.
fn addressed<B>(request: &mut hyper::Request<B>) -> Result<(), Problem> {
    if request.uri().path_and_query().is_none() {
        return Err(answer::framework(400, "BadRequest", "the address that is asked for has no path"));
    }
    let authority = request.uri().authority().and_then(|a| HeaderValue::from_str(a.as_str()).ok());
    if let Some(authority) = authority {
        request.headers_mut().insert(HOST, authority);
    }
    Ok(())
}
