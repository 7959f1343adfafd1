//! A relay between one process and its Redis, at which the process dies: right before its n-th call is made, or right after it was carried
//! out and before the answer is heard.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use super::process::signal;

/// On which side of a call it dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Before,
    After,
}

/// Who dies where.
struct Plan {
    left: usize,
    side: Side,
    pid: u32,
}

#[derive(Default)]
struct Inner {
    plan: Option<Plan>,
    /// The call it died at; from then on nothing passes.
    struck: Option<String>,
    /// Whether it has waited for work since it was started.
    waited: bool,
}

pub struct Relay {
    dir: tempfile::TempDir,
    inner: Arc<Mutex<Inner>>,
}

impl Relay {
    /// Before the server at a socket.
    pub fn start(upstream: PathBuf) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("relay.sock")).unwrap();
        let inner = Arc::new(Mutex::new(Inner::default()));
        let shared = inner.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (upstream, shared) = (upstream.clone(), shared.clone());
                tokio::spawn(async move {
                    if let Ok(server) = UnixStream::connect(upstream).await {
                        let _closed = pass(client, server, &shared).await;
                    }
                });
            }
        });
        Self { dir, inner }
    }

    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.dir.path().join("relay.sock").display())
    }

    /// The process dies at its n-th call from now on.
    pub fn arm(&self, n: usize, side: Side, pid: u32) {
        self.inner.lock().unwrap().plan = Some(Plan { left: n, side, pid });
    }

    /// Whether the process has come to wait for work since it died last.
    pub fn has_waited(&self) -> bool {
        self.inner.lock().unwrap().waited
    }

    /// Whether the process was made to die.
    pub fn has_struck(&self) -> bool {
        self.inner.lock().unwrap().struck.is_some()
    }

    /// Lets everything pass; the call that the process died at, if it did.
    pub fn disarm(&self) -> Option<String> {
        let mut inner = self.inner.lock().unwrap();
        inner.plan = None;
        inner.waited &= inner.struck.is_none();
        inner.struck.take()
    }
}

/// What is no call of a task's life: greetings, reads that wait for work, and what a process tells of itself by the clock.
fn is_noise(words: &[String]) -> bool {
    let command = words[0].to_ascii_uppercase();
    let greetings = ["HELLO", "CLIENT", "PING", "AUTH", "SUBSCRIBE", "SCRIPT", "TIME", "INFO", "CONFIG"];
    let tells = words.iter().any(|w| w.starts_with("vl:worker:") || w == "vl:workers");
    greetings.contains(&command.as_str()) || waits(words) || tells
}

fn waits(words: &[String]) -> bool {
    words.iter().any(|w| w.eq_ignore_ascii_case("BLOCK"))
}

/// One connection: both directions, until one side closes or the process is dead.
async fn pass(mut client: UnixStream, mut server: UnixStream, inner: &Mutex<Inner>) -> std::io::Result<()> {
    let (mut asked, mut answered) = (Vec::new(), Vec::new());
    // For each request that is not answered: what it is, when the process is to die after it.
    let mut open: VecDeque<Option<String>> = VecDeque::new();
    let (mut from_client, mut from_server) = ([0; 65536], [0; 65536]);
    loop {
        tokio::select! {
            n = client.read(&mut from_client) => {
                let n = n?;
                if n == 0 { return Ok(()); }
                asked.extend_from_slice(&from_client[..n]);
                while let Some(end) = end_of(&asked, 0) {
                    let request: Vec<u8> = asked.drain(..end).collect();
                    let words = words(&request);
                    let doomed = {
                        let mut inner = inner.lock().unwrap();
                        if inner.struck.is_some() { return Ok(()); }
                        due(&mut inner, &words)
                    };
                    match doomed {
                        Some(Side::Before) => {
                            if strike(inner, said(&words)) { return Ok(()); }
                            open.push_back(None);
                        }
                        doomed => open.push_back(doomed.map(|_| said(&words))),
                    }
                    server.write_all(&request).await?;
                }
            }
            n = server.read(&mut from_server) => {
                let n = n?;
                if n == 0 { return Ok(()); }
                answered.extend_from_slice(&from_server[..n]);
                while let Some(end) = end_of(&answered, 0) {
                    let answer: Vec<u8> = answered.drain(..end).collect();
                    let is_news = answer[0] == b'>';
                    let doomed = if is_news { None } else { open.pop_front().flatten() };
                    if doomed.is_some_and(|call| strike(inner, call)) { return Ok(()); }
                    if inner.lock().unwrap().struck.is_some() { return Ok(()); }
                    client.write_all(&answer).await?;
                }
            }
        }
    }
}

/// Counts a call; on which side of it the process dies, if it does.
fn due(inner: &mut Inner, words: &[String]) -> Option<Side> {
    inner.waited |= waits(words);
    let plan = inner.plan.as_mut().filter(|_| !is_noise(words))?;
    plan.left = plan.left.checked_sub(1)?;
    (plan.left == 0).then_some(plan.side)
}

/// Kills the process, unless it was spared meanwhile.
fn strike(inner: &Mutex<Inner>, call: String) -> bool {
    let mut inner = inner.lock().unwrap();
    let Some(pid) = inner.plan.as_ref().filter(|plan| plan.left == 0).map(|plan| plan.pid) else { return false };
    if inner.struck.is_none() {
        inner.struck = Some(call);
        signal(pid, "-KILL");
    }
    true
}

fn said(words: &[String]) -> String {
    words.iter().take(8).map(|w| w.chars().take(40).collect::<String>()).collect::<Vec<_>>().join(" ")
}

/// Where a value of Redis's protocol that begins at `at` ends; none while it is not whole.
pub fn end_of(bytes: &[u8], at: usize) -> Option<usize> {
    let line = bytes.get(at..)?.windows(2).position(|w| w == b"\r\n")? + at + 2;
    let count = || std::str::from_utf8(&bytes[at + 1..line - 2]).unwrap().parse::<i64>().unwrap_or(0);
    let several = |n: i64| (0..n).try_fold(line, |at, _| end_of(bytes, at));
    match bytes[at] {
        b'$' | b'=' | b'!' if count() >= 0 => {
            let end = line + usize::try_from(count()).unwrap() + 2;
            (bytes.len() >= end).then_some(end)
        }
        b'*' | b'~' | b'>' => several(count()),
        b'%' => several(2 * count()),
        _ => Some(line),
    }
}

/// The words of a request.
pub fn words(request: &[u8]) -> Vec<String> {
    let (mut words, mut at) = (Vec::new(), request.windows(2).position(|w| w == b"\r\n").unwrap() + 2);
    while let Some(end) = end_of(request, at).filter(|_| at < request.len()) {
        let from = request[at..].windows(2).position(|w| w == b"\r\n").unwrap() + at + 2;
        words.push(String::from_utf8_lossy(&request[from..end - 2]).into_owned());
        at = end;
    }
    words
}
