//! Hosts of their own for processes: network namespaces on one bridge, whose links can be cut. All of it lies in a network of the test's
//! own, which goes with its process; nothing of the machine's network is touched.

use std::process::Command;

const INSIDE: &str = "VALENCE_TEST_IN_NETWORK_OF_ITS_OWN";

/// One host: a name, and its address on the bridge.
#[derive(Debug, Clone)]
pub struct Host {
    pub name: String,
    pub address: String,
}

fn ip(words: &str) {
    let done = Command::new("ip").args(words.split(' ')).output().unwrap();
    assert!(done.status.success(), "ip {words}: {}", String::from_utf8_lossy(&done.stderr));
}

/// Runs a test of this program again in a network of its own. `false`: this is that run, so go on. Where the machine does not allow
/// namespaces, it says so and the test is skipped.
pub fn is_outside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return false;
    }
    let as_root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
    let mut flags = vec!["--net", "--mount"];
    if !as_root {
        flags.extend(["--user", "--map-root-user"]);
    }
    let may = |program: &str| Command::new("unshare").args(&flags).args([program, "link"]).output();
    match may("ip") {
        Ok(tried) if tried.status.success() => {}
        tried => {
            println!("SKIPPED {test}: this machine allows no network namespaces: {tried:?}");
            return true;
        }
    }
    let this = std::env::current_exe().unwrap();
    let mut again = Command::new("unshare");
    again.args(&flags).arg(this).args(["--exact", test, "--include-ignored", "--nocapture"]).env(INSIDE, "1");
    assert!(again.status().unwrap().success(), "{test} failed in its network");
    true
}

/// The bridge. This process has the address 10.77.0.1 on it.
pub struct Net {
    hosts: u8,
}

impl Net {
    pub const HERE: &'static str = "10.77.0.1";
    pub const CIDR: &'static str = "10.77.0.0/24";

    pub fn new() -> Self {
        // Where names of namespaces are kept; the mount is this process's own.
        std::fs::create_dir_all("/run/netns").unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "tmpfs", "/run/netns"]).status().unwrap();
        assert!(mounted.success());
        ip("link set lo up");
        ip("link add bridge type bridge");
        ip("addr add 10.77.0.1/24 dev bridge");
        ip("link set bridge up");
        Self { hosts: 1 }
    }

    pub fn host(&mut self, role: &str) -> Host {
        self.hosts += 1;
        let host = Host { name: format!("{role}{}", self.hosts), address: format!("10.77.0.{}", self.hosts) };
        let Host { name, address } = &host;
        ip(&format!("netns add {name}"));
        ip(&format!("link add {name} type veth peer name eth0 netns {name}"));
        ip(&format!("link set {name} master bridge up"));
        ip(&format!("-n {name} addr add {address}/24 dev eth0"));
        ip(&format!("-n {name} link set lo up"));
        ip(&format!("-n {name} link set eth0 up"));
        host
    }
}

impl Host {
    /// Takes its cable out, or puts it in again.
    pub fn link(&self, up: bool) {
        ip(&format!("link set {} {}", self.name, if up { "up" } else { "down" }));
    }

    /// What it sends to an address is dropped; what comes from there arrives.
    pub fn deaf_to(&self, address: &str, on: bool) {
        ip(&format!("-n {} route {} blackhole {address}/32", self.name, if on { "add" } else { "del" }));
    }
}

/// What this process's host sends to another is dropped.
pub fn mute(host: &Host, on: bool) {
    ip(&format!("route {} blackhole {}/32", if on { "add" } else { "del" }, host.address));
}
