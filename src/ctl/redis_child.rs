//! The private redis-server of `valence up`.
//!
//! It must never outlive us, or the next start would meet a second server on the same files, and never die alone. A small `sh`
//! stands between: it starts the server in a process group of its own (so that Ctrl-C reaches us first and Redis last), and ends it when the pipe
//! from us closes, which happens even when we are killed. Here, a loop starts it again when it dies by itself.
//!
//! Invariant: one server at a time on the files. A predecessor's server that still answers, or whose process still lives, is ended
//! and waited for before ours starts.

use std::ffi::OsString;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::error::CtlError;
use super::redis_link::{look, shut_down};
use crate::shutdown::sleep_or_stop;

/// The supervisor: `$@` is the server's command line. It ends with the server, or ends the server when its input ends.
const SUPERVISOR: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
( read -r _ <&3; kill -TERM "$server" 2>/dev/null ) &
watch=$!
exec 3<&-
wait "$server"
code=$?
kill "$watch" 2>/dev/null
exit "$code"
"#;

/// Longest time from the start until a server answers and has read its files; a large append-only file takes a while.
const READY: Duration = Duration::from_secs(120);
/// Longest time a server gets to end.
const END: Duration = Duration::from_secs(15);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(20);
/// So many deaths within [`DEATHS_WITHIN`] are no accident.
const DEATHS: usize = 5;
/// Pause after a start that failed.
const AGAIN: Duration = Duration::from_millis(300);
/// See [`DEATHS`].
const DEATHS_WITHIN: Duration = Duration::from_secs(60);
/// What a unix socket's path may have, bytes, on Linux.
const SOCKET_PATH: usize = 107;

/// A running private server.
#[derive(Debug)]
pub struct RedisChild {
    socket: PathBuf,
    port: u16,
    stop: CancellationToken,
    keeper: JoinHandle<()>,
    failed: Option<oneshot::Receiver<String>>,
}

/// A started server: its supervisor, and the pipe whose end is the server's end. Waiting for a child closes the standard input
/// that it holds, so the pipe is kept apart from it.
struct Started {
    supervisor: Child,
    pipe: Option<ChildStdin>,
}

/// What every start of the server needs.
struct Server {
    program: PathBuf,
    dir: PathBuf,
    socket: PathBuf,
    lasting: Lasting,
}

/// Whether what a server holds must outlive it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasting {
    /// Every write is on disk before it is answered.
    Yes,
    /// Nothing is written to disk.
    No,
}

impl Lasting {
    /// Settings of redis-server.
    const fn settings(self) -> &'static [&'static str] {
        match self {
            Self::Yes => &["--appendonly", "yes", "--appendfsync", "always"],
            Self::No => &["--appendonly", "no"],
        }
    }
}

impl RedisChild {
    /// Starts the server on `dir` and waits until it answers and has loaded.
    ///
    /// # Errors
    /// When there is no redis-server, a predecessor's does not end, or ours does not start; the message says what to do.
    pub async fn start(dir: &Path, lasting: Lasting) -> Result<Self, CtlError> {
        let server = Server::new(dir, lasting)?;
        server.end_predecessor().await?;
        let port = free_port()?;
        let started = server.ready(server.launch(port)?).await?;
        let stop = CancellationToken::new();
        let (tell, failed) = oneshot::channel();
        let socket = server.socket.clone();
        let keeper = tokio::spawn(keep(server, started, port, stop.clone(), tell));
        Ok(Self { socket, port, stop, keeper, failed: Some(failed) })
    }

    /// How the other parts reach it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket.display())
    }

    /// Its loopback port, for redis-cli and other tools.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Resolves with the reason when the server is given up; a second call gives nothing.
    pub fn failure(&mut self) -> Option<oneshot::Receiver<String>> {
        self.failed.take()
    }

    /// Ends the server and waits for it.
    pub async fn stop(self) {
        self.stop.cancel();
        if let Err(error) = self.keeper.await {
            tracing::error!(%error, "the keeper of redis-server died");
        }
    }
}

impl Server {
    fn new(dir: &Path, lasting: Lasting) -> Result<Self, CtlError> {
        let program = on_path("redis-server").ok_or_else(|| {
            CtlError::Up(
                "redis-server is not on the PATH, and `valence up` starts one of its own\nInstall it (apt-get install redis-server), or \
                 use a running one with --redis URL."
                    .into(),
            )
        })?;
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(|e| CtlError::Up(format!("cannot make {}: {e}", dir.display())))?;
        let dir = dir.canonicalize().map_err(|e| CtlError::Up(format!("{}: {e}", dir.display())))?;
        let socket = dir.join("redis.sock");
        let length = socket.as_os_str().len();
        if length > SOCKET_PATH {
            return Err(CtlError::Up(format!(
                "{} is {length} bytes long, and a unix socket's path may have {SOCKET_PATH}\nChoose a shorter --data-dir DIR.",
                socket.display()
            )));
        }
        Ok(Self { program, dir, socket, lasting })
    }

    /// Ends a server that a killed predecessor left behind on our files.
    async fn end_predecessor(&self) -> Result<(), CtlError> {
        let pid = match look(&self.socket).await {
            Some(seen) => {
                tracing::warn!(pid = seen.pid, "a redis-server of an earlier run is still there; ending it");
                if let Err(error) = shut_down(&self.socket).await {
                    tracing::warn!(%error, "it refused to shut down");
                }
                Some(seen.pid)
            }
            None => self.recorded_pid().filter(|pid| self.is_ours(*pid)),
        };
        let Some(pid) = pid else { return Ok(()) };
        let begun = Instant::now();
        while self.is_ours(pid) {
            if begun.elapsed() > END {
                return Err(CtlError::Up(format!(
                    "a redis-server of an earlier run (process {pid}) uses {} and does not end\nEnd it with: kill {pid}",
                    self.dir.display()
                )));
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    fn recorded_pid(&self) -> Option<u32> {
        std::fs::read_to_string(self.dir.join("redis.pid")).ok()?.trim().parse().ok()
    }

    /// Whether that process is a redis-server that works in our directory.
    fn is_ours(&self, pid: u32) -> bool {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let cwd = std::fs::read_link(format!("/proc/{pid}/cwd"));
        name.starts_with("redis-server") && cwd.is_ok_and(|cwd| cwd == self.dir)
    }

    fn launch(&self, port: u16) -> Result<Started, CtlError> {
        let text = |s: &str| OsString::from(s);
        let at = |name: &str| self.dir.join(name).into_os_string();
        let arguments: Vec<OsString> = vec![
            text("--dir"),
            self.dir.clone().into(),
            text("--bind"),
            text("127.0.0.1"),
            text("--port"),
            text(&port.to_string()),
            text("--unixsocket"),
            self.socket.clone().into(),
            text("--unixsocketperm"),
            text("700"),
            text("--maxmemory-policy"),
            text("noeviction"),
            text("--save"),
            text(""),
            text("--daemonize"),
            text("no"),
            text("--logfile"),
            at("redis.log"),
            text("--pidfile"),
            at("redis.pid"),
        ];
        let mut supervisor = Command::new("/bin/sh")
            .args(["-c", SUPERVISOR, "valence-redis"])
            .arg(&self.program)
            .args(arguments)
            .args(self.lasting.settings())
            .current_dir(&self.dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|e| CtlError::Up(format!("cannot start redis-server: {e}")))?;
        let pipe = supervisor.stdin.take();
        Ok(Started { supervisor, pipe })
    }

    /// Waits until a started server answers and has loaded.
    async fn ready(&self, mut started: Started) -> Result<Started, CtlError> {
        let begun = Instant::now();
        loop {
            if let Ok(Some(status)) = started.supervisor.try_wait() {
                return Err(CtlError::Up(format!("redis-server ended at its start ({status}){}", self.last_words())));
            }
            if look(&self.socket).await.is_some_and(|seen| !seen.loading) {
                return Ok(started);
            }
            if begun.elapsed() > READY {
                return Err(CtlError::Up(format!(
                    "redis-server is not ready after {} s{}",
                    READY.as_secs(),
                    self.last_words()
                )));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The end of its log, for a message.
    fn last_words(&self) -> String {
        let file = self.dir.join("redis.log");
        let log = std::fs::read_to_string(&file).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(3).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        format!("\nIts log {} ends with:\n{}", file.display(), last.join("\n"))
    }
}

/// Starts the server again whenever it dies by itself; ends it when told to. A start that fails counts as a death.
async fn keep(server: Server, mut started: Started, port: u16, stop: CancellationToken, tell: oneshot::Sender<String>) {
    let mut deaths: Vec<Instant> = Vec::new();
    loop {
        let status = tokio::select! {
            status = started.supervisor.wait() => status,
            () = stop.cancelled() => return end(&server, started).await,
        };
        tracing::error!(?status, "redis-server died; starting it again");
        started = loop {
            deaths.retain(|at| at.elapsed() < DEATHS_WITHIN);
            deaths.push(Instant::now());
            if deaths.len() >= DEATHS {
                let within = DEATHS_WITHIN.as_secs();
                let why = format!("redis-server died {DEATHS} times within {within} s{}", server.last_words());
                let _nobody_listens = tell.send(why);
                return;
            }
            match again(&server, port).await {
                Ok(started) => break started,
                Err(error) => tracing::error!(%error, "redis-server does not come back; trying once more"),
            }
            if !sleep_or_stop(&stop, AGAIN).await {
                return;
            }
        };
        tracing::info!("redis-server is back");
    }
}

/// Starts the server after a death. When only its supervisor died, it is itself still there: then it is ended first.
async fn again(server: &Server, port: u16) -> Result<Started, CtlError> {
    server.end_predecessor().await?;
    server.ready(server.launch(port)?).await
}

/// Ends the server: asked first, then by the closing pipe.
async fn end(server: &Server, mut started: Started) {
    if let Err(error) = shut_down(&server.socket).await {
        tracing::warn!(%error, "redis-server does not take SHUTDOWN; ending it by signal");
    }
    if tokio::time::timeout(END, started.supervisor.wait()).await.is_err() {
        drop(started.pipe.take());
        if tokio::time::timeout(END, started.supervisor.wait()).await.is_err() {
            tracing::error!("redis-server does not end");
        }
    }
}

fn on_path(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// A loopback port that is free now. Another process may take it first: then the server says so and its start fails.
fn free_port() -> Result<u16, CtlError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|l| l.local_addr())
        .map(|a| a.port())
        .map_err(|e| CtlError::Up(format!("no free loopback port: {e}")))
}
