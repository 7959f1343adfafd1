//! A redis-server of a group: on loopback, or on a host of its own; in a private directory. Killed when dropped.

use std::process::{Child, Command, Stdio};

use super::netns::Host;

pub struct Server {
    pub port: u16,
    pub host: Option<Host>,
    child: Child,
    dir: tempfile::TempDir,
    args: Vec<String>,
}

impl Server {
    pub fn start(port: u16, host: Option<Host>, settings: &[&str]) -> Self {
        let (port_text, address) = (port.to_string(), address(host.as_ref()));
        let own = ["--port", &port_text, "--bind", &address, "--protected-mode", "no", "--save", ""];
        Self::start_with(port, host, tempfile::tempdir().unwrap(), &[&own[..], settings].concat())
    }

    /// With a configuration file of its own directory as the first argument, or none.
    pub fn start_with(port: u16, host: Option<Host>, dir: tempfile::TempDir, args: &[&str]) -> Self {
        let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
        let child = spawn(host.as_ref(), &dir, &args);
        Self { port, host, child, dir, args }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn address(&self) -> String {
        address(self.host.as_ref())
    }

    /// `redis-cli` on it; what it prints.
    pub fn cli(&self, args: &[&str]) -> String {
        let mut cli = Command::new("timeout");
        cli.args(["5", "redis-cli", "-h", &self.address(), "-p", &self.port.to_string()]).args(args);
        String::from_utf8_lossy(&cli.output().unwrap().stdout).into_owned()
    }

    /// The value after a name in what `redis-cli` prints.
    pub fn field(&self, args: &[&str], name: &str) -> String {
        let said = self.cli(args);
        let mut lines = said.lines();
        let found = lines.by_ref().find(|l| l.trim() == name || l.starts_with(&format!("{name}:")));
        match found {
            Some(line) if line.contains(':') => line.split_once(':').unwrap().1.trim().to_owned(),
            Some(_) => lines.next().unwrap_or_default().trim().to_owned(),
            None => String::new(),
        }
    }

    pub fn is_primary(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none() && self.field(&["INFO", "replication"], "role") == "master"
    }

    /// Whether it is a primary, or a replica that has what its primary has.
    pub fn is_in_step(&self) -> bool {
        let said = self.cli(&["INFO", "replication"]);
        said.contains("role:master") || said.contains("master_link_status:up")
    }

    /// Kills -9.
    pub fn kill(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped_already = self.child.wait();
    }

    /// Starts it again on its files, with more settings.
    pub fn restart(&mut self, more: &[&str]) {
        let mut args = self.args.clone();
        args.extend(more.iter().map(|a| (*a).to_owned()));
        self.child = spawn(self.host.as_ref(), &self.dir, &args);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn address(host: Option<&Host>) -> String {
    host.map_or_else(|| "127.0.0.1".to_owned(), |h| h.address.clone())
}

fn spawn(host: Option<&Host>, dir: &tempfile::TempDir, args: &[String]) -> Child {
    let mut start = match host {
        Some(host) => {
            let mut inside = Command::new("ip");
            inside.args(["netns", "exec", &host.name, "redis-server"]);
            inside
        }
        None => Command::new("redis-server"),
    };
    start.args(args).current_dir(dir.path()).stdout(Stdio::null()).spawn().unwrap()
}
