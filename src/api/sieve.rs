//! A stream that passes on to hyper only requests whose framing is sound.
//!
//! A head that is not is replaced by a harmless one, and the connection's service is told which request that is: so the requests before it
//! are answered in their order, the answer to it is one like all others, in five keys, and the connection closes behind it. What comes after
//! is read and thrown away, so that closing does not reset the connection before the answer has arrived.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::framing::{Framing, Refused};
use crate::model::problem::Problem;

/// What hyper gets in the place of a head that was refused.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
/// Bytes read at once while a head is not whole.
const READ: usize = 4096;

/// Which of a connection's requests was refused before hyper saw it, and why.
#[derive(Clone, Default)]
pub(crate) struct Refusals(Arc<OnceLock<(usize, Problem)>>);

impl Refusals {
    /// What to answer the n-th request instead of serving it.
    pub(crate) fn on(&self, nth: usize) -> Option<Problem> {
        self.0.get().filter(|(refused, _)| *refused == nth).map(|(_, problem)| problem.clone())
    }
}

/// Whether bytes are still passed on.
enum State {
    Open,
    /// A head was refused: nothing more is passed on.
    Closed,
    /// A body was refused: reading it ends with an error.
    Broken(&'static str),
}

/// The stream. Bytes are inspected where hyper wants them; only what cannot be passed on yet is copied.
pub(crate) struct Sieve<S> {
    inner: S,
    framing: Framing,
    refusals: Refusals,
    state: State,
    /// Bytes that are not passed on yet.
    held: BytesMut,
    /// How many of them may be.
    passable: usize,
}

impl<S> Sieve<S> {
    pub(crate) fn new(inner: S, refusals: Refusals) -> Self {
        let (framing, held) = (Framing::new(), BytesMut::new());
        Self { inner, framing, refusals, state: State::Open, held, passable: 0 }
    }

    /// Looks at bytes; how many of them may be passed on.
    fn judge(&mut self, bytes: &[u8]) -> usize {
        match self.framing.sound(bytes) {
            Ok(sound) => sound,
            Err(Refused::Head(sound, problem)) => {
                self.state = State::Closed;
                // There is one at most: nothing is judged behind it.
                let _first = self.refusals.0.set((self.framing.heads(), problem));
                sound
            }
            Err(Refused::Body(sound, why)) => {
                self.state = State::Broken(why);
                sound
            }
        }
    }

    /// After a look: keeps what may not be passed on yet, and puts the stand-in behind what may.
    fn keep(&mut self, rest: &[u8]) {
        match self.state {
            State::Open => self.held.extend_from_slice(rest),
            State::Closed => {
                self.held.extend_from_slice(STAND_IN);
                self.passable = self.held.len();
            }
            State::Broken(_) => {}
        }
    }
}

impl<S: AsyncRead + Unpin> Sieve<S> {
    /// Reads straight to where hyper wants it; whether that ended in bytes for it, or in the end of the stream.
    fn read_through(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<bool>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let read = buf.filled().get(before..).unwrap_or_default();
        if read.is_empty() {
            return Poll::Ready(Ok(true));
        }
        let sound = self.judge(read);
        self.keep(read.get(sound..).unwrap_or_default());
        buf.set_filled(before + sound);
        Poll::Ready(Ok(sound > 0))
    }

    /// Reads more of a head that is not whole; whether that ended in the end of the stream.
    fn read_on(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut space = [0; READ];
        let mut part = ReadBuf::new(&mut space);
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut part))?;
        if part.filled().is_empty() {
            return Poll::Ready(Ok(true));
        }
        let mut held = std::mem::take(&mut self.held);
        held.extend_from_slice(part.filled());
        let sound = self.judge(&held);
        let rest = held.split_off(sound);
        (self.held, self.passable) = (held, sound);
        self.keep(&rest);
        Poll::Ready(Ok(false))
    }

    /// Reads and throws away. The end of the stream is not told: hyper would not answer any more.
    fn drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut space = [0; READ];
        loop {
            let mut part = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut self.inner).poll_read(cx, &mut part))?;
            if part.filled().is_empty() {
                return Poll::Pending;
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Sieve<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if this.passable > 0 {
                let passed = this.passable.min(buf.remaining());
                buf.put_slice(this.held.get(..passed).unwrap_or_default());
                this.held.advance(passed);
                this.passable -= passed;
                return Poll::Ready(Ok(()));
            }
            match this.state {
                State::Closed => return this.drain(cx),
                State::Broken(why) => return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, why))),
                State::Open if this.held.is_empty() => {
                    if ready!(this.read_through(cx, buf))? {
                        return Poll::Ready(Ok(()));
                    }
                }
                State::Open => {
                    if ready!(this.read_on(cx))? {
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Sieve<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, data)
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
