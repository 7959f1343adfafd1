//! The network side: listeners, connections, bodies. HTTP/1.1, plain.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full, LengthLimitError, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answer::{Answer, Payload};
use super::call::{Call, Sent};
use super::control;
use super::exchange::{self, Reply};
use super::fleet::Fleet;

/// Larger bodies are refused.
const MAX_BODY_BYTES: usize = 1 << 20;

/// How long a client may take to send the head of a request, or stay idle between two.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// How long connections may go on after the stop signal.
const DRAIN: Duration = Duration::from_millis(500);

/// How long the first half of a torn answer has to leave.
const TORN_AFTER: Duration = Duration::from_millis(20);

/// Filler is made in pieces of this size.
const PIECE: &[u8] = &[b' '; 16 * 1024];

const ODATA_VERSION: HeaderName = HeaderName::from_static("odata-version");

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Serves one PODM on its listener until the stop signal, and then drains its connections.
pub(super) async fn serve(
    fleet: Arc<Fleet>,
    podm: usize,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    stop: CancellationToken,
) -> Result<(), Infallible> {
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(welcome(Arc::clone(&fleet), podm, stream, tls.clone(), stop.clone()));
            }
            Err(error) => {
                // Out of file descriptors, or a client that left at once: neither ends the simulator.
                tracing::warn!(%error, podm, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
    Ok(())
}

/// Serves a connection, behind a handshake where the PODM speaks https.
async fn welcome(fleet: Arc<Fleet>, podm: usize, stream: TcpStream, tls: Option<TlsAcceptor>, stop: CancellationToken) {
    let _delay_is_harmless = stream.set_nodelay(true);
    let Some(tls) = tls else { return connection(fleet, podm, stream, stop).await };
    match tokio::time::timeout(HEAD_TIMEOUT, tls.accept(stream)).await {
        Ok(Ok(stream)) => connection(fleet, podm, stream, stop).await,
        Ok(Err(error)) => tracing::debug!(%error, podm, "no TLS connection"),
        Err(_) => tracing::debug!(podm, "the TLS handshake took too long"),
    }
}

async fn connection<S>(fleet: Arc<Fleet>, podm: usize, stream: S, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let service = service_fn(move |request| request_in(Arc::clone(&fleet), podm, request));
    let serving = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    tokio::select! {
        _cut_or_done = serving.as_mut() => return,
        () = stop.cancelled() => serving.as_mut().graceful_shutdown(),
    }
    let _in_time = tokio::time::timeout(DRAIN, serving).await;
}

/// Answers one request. An error closes the connection without an answer.
async fn request_in(fleet: Arc<Fleet>, podm: usize, request: Request<Incoming>) -> io::Result<Response<Body>> {
    let (head, body) = request.into_parts();
    let bytes = match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(e) if e.is::<LengthLimitError>() => {
            let text = "The body of the request is too large.";
            return response(Answer::error(StatusCode::PAYLOAD_TOO_LARGE, "GeneralError", text), false);
        }
        Err(e) => return Err(io::Error::other(e)),
    };
    let call = Call {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        headers: head.headers,
        body: Sent::parse(&bytes),
    };
    if call.segments().first() == Some(&"sim") {
        return response(control::answer(&fleet, &call), false);
    }
    let _open = fleet.podms.get(podm).map(|p| p.count.begin());
    // A task of its own, so that what was accepted is done even when the client leaves now.
    let reply = tokio::spawn(exchange::run(fleet, podm, call)).await.map_err(io::Error::other)?;
    match reply {
        Reply::Answer(answer) => response(answer, false),
        Reply::Torn(answer) => response(answer, true),
        Reply::Cut => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "cut by a fault switch")),
        Reply::Hang => std::future::pending().await,
    }
}

/// Turns an answer into HTTP, whole or torn in the middle of its body.
fn response(answer: Answer, torn: bool) -> io::Result<Response<Body>> {
    let (kind, body, length) = match answer.payload {
        Payload::Empty => (None, whole(Bytes::new()), 0),
        Payload::Json(value) => {
            let bytes = Bytes::from(serde_json::to_vec(&value)?);
            let length = bytes.len() as u64;
            (Some("application/json; charset=utf-8"), if torn { half(bytes) } else { whole(bytes) }, length)
        }
        Payload::Raw(kind, bytes) => {
            let length = bytes.len() as u64;
            (Some(kind), if torn { half(bytes) } else { whole(bytes) }, length)
        }
        Payload::Filler(length) => (Some("application/json; charset=utf-8"), filler(length), length),
    };
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.insert(ODATA_VERSION, HeaderValue::from_static("4.0"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Some(kind) = kind {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    for (name, value) in answer.headers {
        headers.insert(name, HeaderValue::from_str(&value).map_err(io::Error::other)?);
    }
    Ok(response)
}

fn whole(bytes: Bytes) -> Body {
    if bytes.is_empty() {
        return Empty::new().map_err(|never: Infallible| match never {}).boxed_unsync();
    }
    Full::new(bytes).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// The first half of a body, then an error, which closes the connection. The pause lets hyper send what it has: it throws away
/// what it still holds when the error comes.
fn half(bytes: Bytes) -> Body {
    let first = stream::iter([Ok(Frame::data(bytes.slice(..bytes.len() / 2)))]);
    let torn = stream::once(async {
        tokio::time::sleep(TORN_AFTER).await;
        Err(io::Error::new(io::ErrorKind::ConnectionAborted, "cut by a fault switch"))
    });
    StreamBody::new(first.chain(torn)).boxed_unsync()
}

/// So many bytes, none of them held in memory.
fn filler(length: u64) -> Body {
    let pieces = stream::unfold(length, |left| async move {
        let size = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE.len());
        (size > 0).then(|| (Bytes::from_static(&PIECE[..size]), left - size as u64))
    });
    StreamBody::new(pieces.map(|piece| Ok(Frame::data(piece)))).boxed_unsync()
}
