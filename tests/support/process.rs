//! One process of a deployment: killed, paused, started again, on a host or with a clock of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use super::netns::Host;

/// Where Debian's package `faketime` puts it.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

/// A process, and how to start it again.
pub struct Process {
    pub role: &'static str,
    args: Vec<String>,
    clock: Option<PathBuf>,
    pub host: Option<Host>,
    child: Child,
}

/// Whether processes can have clocks of their own here.
pub fn has_clocks() -> bool {
    Path::new(FAKETIME).exists()
}

fn program(role: &str) -> &'static str {
    match role {
        "api" => env!("CARGO_BIN_EXE_valence-api"),
        "worker" => env!("CARGO_BIN_EXE_valence-worker"),
        "scheduler" => env!("CARGO_BIN_EXE_valence-scheduler"),
        _ => env!("CARGO_BIN_EXE_podm-sim"),
    }
}

/// A loopback port that is free now, and that no outgoing connection is given while its process is away: below the ephemeral ones.
pub fn free_port() -> u16 {
    let free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(|| rand::random_range(12_000..32_000)).find(free).unwrap()
}

impl Process {
    /// `clock`: the file that its clock follows.
    pub fn start(role: &'static str, args: Vec<String>, clock: Option<PathBuf>, host: Option<Host>) -> Self {
        if let Some(file) = &clock {
            std::fs::write(file, "+0\n").unwrap();
        }
        let child = spawn(role, &args, clock.as_deref(), host.as_ref());
        Self { role, args, clock, host, child }
    }

    /// Kills -9.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// As it ended, or not.
    pub fn end(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped_already = self.child.wait();
    }

    /// Starts it again when it has ended.
    pub fn restart(&mut self) {
        self.child = spawn(self.role, &self.args, self.clock.as_deref(), self.host.as_ref());
    }

    /// Sets its wall clock off by so much, such as `+1h`, from now on; `false` where that cannot be done.
    pub fn set_clock(&self, off: &str) -> bool {
        let Some(file) = &self.clock else { return false };
        std::fs::write(file, format!("{off}\n")).unwrap();
        true
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

fn spawn(role: &str, args: &[String], clock: Option<&Path>, host: Option<&Host>) -> Child {
    let mut command = Command::new(if host.is_some() { "ip" } else { program(role) });
    if let Some(host) = host {
        command.args(["netns", "exec", &host.name, program(role)]);
    }
    if let Some(file) = clock {
        command.env("LD_PRELOAD", FAKETIME).env("FAKETIME_TIMESTAMP_FILE", file);
        // What measures leases is the monotonic clock, which does not jump.
        command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("FAKETIME_CACHE_DURATION", "1");
    }
    command
        .args(args)
        .env("VALENCE_LOG", std::env::var("VALENCE_LOG").unwrap_or_else(|_| "error".into()))
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// SIGSTOP, SIGCONT and SIGTERM by pid, with the system's own `kill`.
pub fn signal(pid: u32, signal: &str) {
    let sent = Command::new("kill").args([signal, &pid.to_string()]).status().unwrap();
    assert!(sent.success(), "kill {signal} {pid}");
}
