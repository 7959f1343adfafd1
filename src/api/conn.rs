//! A connection that remembers when it last moved a byte and whether a request is being answered on it.
//!
//! hyper limits how long a header may take, counted from the answer before it: that ends connections that are merely idle, too. A client
//! that connects and says nothing, sends half a header, or never reads its answer would hold its place for ever. The accept loop asks
//! [`Activity::is_stale`] now and then.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// How long a client that has closed its side may still get its answer. Whether it has left or only says that it is done sending cannot be
/// told; what takes longer is not kept for one that has left.
const HALF_CLOSED: Duration = Duration::from_secs(2);
/// How long a connection may stand still between requests, or while its client does not read.
pub(crate) const IDLE: Duration = Duration::from_secs(75);

/// What a connection has done.
pub(crate) struct Activity {
    opened: Instant,
    moved_ms: AtomicU64,
    requests: AtomicU64,
    in_flight: AtomicUsize,
    /// When the first byte of a header came that is not whole yet; 0 between requests.
    header_ms: AtomicU64,
    /// Whether anything was read.
    greeted: AtomicBool,
    /// HTTP/2, whose frames come between requests, too.
    multiplexed: AtomicBool,
}

/// What an HTTP/2 client says first.
const PREFACE: &[u8] = b"PRI ";

impl Activity {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            opened: Instant::now(),
            moved_ms: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
            header_ms: AtomicU64::new(0),
            greeted: AtomicBool::new(false),
            multiplexed: AtomicBool::new(false),
        })
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn moved(&self) {
        self.moved_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    /// Bytes came: between requests they begin a header.
    fn read(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if !self.greeted.swap(true, Ordering::Relaxed) && bytes.starts_with(PREFACE) {
            self.multiplexed.store(true, Ordering::Relaxed);
        }
        if self.in_flight.load(Ordering::Relaxed) == 0 && !self.multiplexed.load(Ordering::Relaxed) {
            // Its first byte counts, so a header that drips does not last longer.
            let _begun = self.header_ms.compare_exchange(0, self.now_ms().max(1), Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// Counts a request until the guard is dropped.
    pub(crate) fn request(self: &Arc<Self>) -> Answering {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.header_ms.store(0, Ordering::Relaxed);
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Answering(self.clone())
    }

    fn is_answering(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) > 0
    }

    /// Whether the connection should be closed: no request within twice `header`, a header that takes longer than that, or nothing
    /// moving for [`IDLE`].
    pub(crate) fn is_stale(&self, header: Duration) -> bool {
        if self.is_answering() {
            return false;
        }
        let open = self.opened.elapsed();
        let still = open.saturating_sub(Duration::from_millis(self.moved_ms.load(Ordering::Relaxed)));
        let silent = self.requests.load(Ordering::Relaxed) == 0 && open > header * 2;
        let half = match self.header_ms.load(Ordering::Relaxed) {
            0 => false,
            begun => open.saturating_sub(Duration::from_millis(begun)) > header,
        };
        silent || half || still > IDLE
    }
}

/// A request being answered.
pub(crate) struct Answering(Arc<Activity>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.moved();
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A stream that notes every byte that moves, and keeps its end back for a while when a request is being answered: hyper gives an answer up
/// at once when its client's side is closed.
pub(crate) struct Watched<S> {
    inner: S,
    activity: Arc<Activity>,
    patience: Option<Pin<Box<Sleep>>>,
}

impl<S> Watched<S> {
    pub(crate) const fn new(inner: S, activity: Arc<Activity>) -> Self {
        Self { inner, activity, patience: None }
    }

    fn note<T>(&self, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if matches!(poll, Poll::Ready(Ok(_))) {
            self.activity.moved();
        }
        poll
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let poll = Pin::new(&mut self.inner).poll_read(cx, buf);
        let read = buf.filled().get(before..).unwrap_or_default();
        self.activity.read(read);
        if read.is_empty() && matches!(poll, Poll::Ready(Ok(()))) && self.activity.is_answering() {
            let patience = self.patience.get_or_insert_with(|| Box::pin(tokio::time::sleep(HALF_CLOSED)));
            ready!(patience.as_mut().poll(cx));
        }
        self.note(poll)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.inner).poll_write(cx, data);
        self.note(poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.inner).poll_write_vectored(cx, data);
        self.note(poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
