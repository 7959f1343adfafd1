//! What [`super::redis_child`] asks of the server that it keeps: is it there, has it loaded, which process is it, stop.
//!
//! The administration of a process, not the store: it speaks over the child's own unix socket, before and after there is a store,
//! and touches no key.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// Longest time for an answer.
const ANSWER: Duration = Duration::from_secs(2);

/// What a server says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// Its process id.
    pub(super) pid: u32,
    /// Whether it is still reading its append-only file.
    pub(super) loading: bool,
}

/// Asks the server behind a socket; `None` when none answers.
pub(super) async fn look(socket: &Path) -> Option<Seen> {
    let text = tokio::time::timeout(ANSWER, info(socket)).await.ok()?.ok()?;
    let field = |name: &str| text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    Some(Seen { pid: field("process_id")?.parse().ok()?, loading: field("loading") != Some("0") })
}

/// Tells the server to write what it has and end; it closes the connection without an answer.
pub(super) async fn shut_down(socket: &Path) -> io::Result<()> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(b"SHUTDOWN NOSAVE\r\n").await?;
    let mut answer = String::new();
    match tokio::time::timeout(ANSWER, stream.read_to_string(&mut answer)).await {
        Ok(Ok(_)) if answer.is_empty() => Ok(()),
        Ok(Ok(_)) => Err(io::Error::other(answer)),
        // The connection broke as it ended, or it is still at it.
        Ok(Err(_)) | Err(_) => Ok(()),
    }
}

async fn info(socket: &Path) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(b"INFO everything\r\n").await?;
    let mut bytes = Vec::new();
    let mut chunk = [0; 8192];
    loop {
        let n = stream.read(&mut chunk).await?;
        bytes.extend_from_slice(&chunk[..n]);
        // A bulk string: `$<length>\r\n<text>\r\n`.
        let text = String::from_utf8_lossy(&bytes);
        if n == 0 || text.starts_with('-') {
            return Err(io::Error::other(text.into_owned()));
        }
        let Some((head, body)) = text.split_once("\r\n") else { continue };
        let length: usize = head.trim_start_matches('$').parse().map_err(io::Error::other)?;
        if body.len() >= length {
            return Ok(body.to_owned());
        }
    }
}
