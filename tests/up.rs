//! `valence up`: the data directory belongs to one, its key is made once, its Redis never outlives us and never stays dead.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use support::up::Up;
use support::wait::blocking as until;
use valence::ctl::data_dir::DataDir;
use valence::ctl::redis_child::{Lasting, RedisChild};

/// Tells a run of this very test binary that it is to hold a server on that directory until it is killed.
const HOLD: &str = "VALENCE_TEST_HOLD_REDIS";

/// Sends an inline command over the child's socket.
fn ask(dir: &Path, command: &str) -> Option<String> {
    let mut stream = UnixStream::connect(dir.join("redis.sock")).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(format!("{command}\r\n").as_bytes()).ok()?;
    let mut answer = vec![0; 65536];
    let n = stream.read(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer[..n]).into_owned()).filter(|a| !a.is_empty())
}

fn pid(dir: &Path) -> Option<u32> {
    let info = ask(dir, "INFO server")?;
    info.lines().find_map(|l| l.strip_prefix("process_id:"))?.trim().parse().ok()
}

fn alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

fn kill(pid: u32) {
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
}

/// Not a test of its own: the process that the kill tests kill.
#[tokio::test]
async fn holds_a_server_when_told_to() {
    let Some(dir) = std::env::var_os(HOLD) else { return };
    let _child = RedisChild::start(Path::new(&dir), Lasting::Yes).await.unwrap();
    std::future::pending::<()>().await;
}

fn holder(dir: &Path) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "holds_a_server_when_told_to"])
        .env(HOLD, dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn the_private_redis_keeps_every_accepted_write_and_evicts_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let child = RedisChild::start(dir.path(), Lasting::Yes).await.unwrap();
    for (name, value) in [
        ("appendonly", "yes"),
        ("appendfsync", "always"),
        ("maxmemory-policy", "noeviction"),
        ("save", ""),
        ("bind", "127.0.0.1"),
    ] {
        let answer = ask(dir.path(), &format!("CONFIG GET {name}")).unwrap();
        assert!(answer.trim_end().ends_with(value), "{name}: {answer}");
    }
    assert!(std::net::TcpStream::connect(("127.0.0.1", child.port())).is_ok());
    assert!(child.url().starts_with("redis+unix://"));
    let server = pid(dir.path()).unwrap();
    child.stop().await;
    assert!(!alive(server), "stop waits for the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_private_redis_stays_the_same_while_we_live() {
    let dir = tempfile::tempdir().unwrap();
    let child = RedisChild::start(dir.path(), Lasting::Yes).await.unwrap();
    let first = pid(dir.path());
    assert!(first.is_some());
    // Many looks: a server that was told to end does so at its next cron, up to 100 ms later.
    for look in 0..5000 {
        assert_eq!(pid(dir.path()), first, "at look {look}");
        tokio::task::yield_now().await;
    }
    child.stop().await;
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let child = RedisChild::start(dir.path(), Lasting::Yes).await.unwrap();
    assert_eq!(ask(dir.path(), "SET a 1").as_deref(), Some("+OK\r\n"));
    child.stop().await;
    let child = RedisChild::start(dir.path(), Lasting::Yes).await.unwrap();
    assert_eq!(ask(dir.path(), "GET a").as_deref(), Some("$1\r\n1\r\n"));
    child.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_dies_by_itself_comes_back_with_its_data() {
    let dir = tempfile::tempdir().unwrap();
    let child = RedisChild::start(dir.path(), Lasting::Yes).await.unwrap();
    assert_eq!(ask(dir.path(), "SET a 1").as_deref(), Some("+OK\r\n"));
    let first = pid(dir.path()).unwrap();
    kill(first);
    let second = until("a new server", || pid(dir.path()).filter(|p| *p != first));
    until("its data", || ask(dir.path(), "GET a").filter(|a| a == "$1\r\n1\r\n"));
    child.stop().await;
    assert!(!alive(second));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_dies_again_and_again_is_given_up_with_a_reason() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = RedisChild::start(dir.path(), Lasting::Yes).await.unwrap();
    let mut failed = child.failure().unwrap();
    assert!(child.failure().is_none(), "the reason is given once");
    let mut last = 0;
    let why = until("giving up", || {
        if let Ok(why) = failed.try_recv() {
            return Some(why);
        }
        if let Some(now) = pid(dir.path()).filter(|p| *p != last) {
            last = now;
            kill(now);
        }
        None
    });
    assert!(why.contains("died 5 times"), "{why}");
    child.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_that_is_killed_is_replaced_with_its_server() {
    let dir = tempfile::tempdir().unwrap();
    let child = RedisChild::start(dir.path(), Lasting::Yes).await.unwrap();
    assert_eq!(ask(dir.path(), "SET a 1").as_deref(), Some("+OK\r\n"));
    let first = pid(dir.path()).unwrap();
    let stat = fs::read_to_string(format!("/proc/{first}/stat")).unwrap();
    let supervisor = stat.rsplit(')').next().unwrap().split_whitespace().nth(1).unwrap().parse().unwrap();
    assert_ne!(supervisor, std::process::id());
    kill(supervisor);
    let second = until("a new server", || pid(dir.path()).filter(|p| *p != first));
    until("its data", || ask(dir.path(), "GET a").filter(|a| a == "$1\r\n1\r\n"));
    assert!(!alive(first), "never two servers on the same files");
    child.stop().await;
    assert!(!alive(second));
}

#[test]
fn no_redis_stays_behind_when_we_are_killed() {
    let dir = tempfile::tempdir().unwrap();
    let mut holder = holder(dir.path());
    let server = until("a server", || pid(dir.path()));
    holder.kill().unwrap();
    holder.wait().unwrap();
    until("the end of the server", || (!alive(server)).then_some(()));
}

#[tokio::test]
async fn a_server_left_behind_is_ended_before_ours_starts() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap();
    // As if our supervisor had been killed too: a server on the same files that nobody holds.
    let mut left = Command::new("redis-server")
        .args(["--port", "0", "--appendonly", "yes", "--save", "", "--unixsocket"])
        .arg(path.join("redis.sock"))
        .arg("--dir")
        .arg(&path)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until("the left server", || ask(&path, "SET a 1").filter(|a| a.starts_with("+OK")));
    let reaper = std::thread::spawn(move || left.wait());
    let child = RedisChild::start(&path, Lasting::Yes).await.unwrap();
    assert!(reaper.join().unwrap().is_ok(), "the left one has ended");
    assert_eq!(ask(&path, "GET a").as_deref(), Some("$1\r\n1\r\n"), "its data was taken over");
    child.stop().await;
}

#[test]
fn a_second_up_on_the_same_directory_is_refused_and_told_who_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let _held = DataDir::take(dir.path()).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_valence"))
        .args(["up", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(dir.path())
        .env_remove("VALENCE_REDIS_URL")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("process {}", std::process::id())) && said.contains("--data-dir"), "{said}");
}

#[test]
fn without_redis_server_the_error_names_the_package() {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_valence"))
        .args(["up", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(dir.path())
        .env_remove("VALENCE_REDIS_URL")
        .env("PATH", dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("apt-get install redis-server"), "{said}");
}

#[test]
fn a_taken_address_is_told_with_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_valence"))
        .args(["up", "--listen", &taken.local_addr().unwrap().to_string(), "--data-dir"])
        .arg(dir.path())
        .env_remove("VALENCE_REDIS_URL")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot listen on") && said.contains("--listen"), "{said}");
}

#[test]
fn the_key_is_made_once_and_is_its_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let data = DataDir::take(&state).unwrap();
    let file = data.secret_key().unwrap();
    let key = fs::read(&file).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(&state).unwrap().permissions().mode() & 0o777, 0o700);
    drop(data);
    let data = DataDir::take(&state).unwrap();
    assert_eq!(fs::read(data.secret_key().unwrap()).unwrap(), key);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_composed_on_a_laptop_is_there_after_a_restart_and_can_be_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let up = Up::start(dir.path());
    assert_eq!(up.sims.len(), 2);
    assert!(up.says(&["node", "compose", "--name", "web1", "--wait"]).contains("web1"));
    assert!(up.says(&["task", "list"]).contains("node.compose"));
    assert!(up.says(&["node", "list"]).contains("web1"));
    let nodes = up.node_uuids();
    assert_eq!((nodes.len(), up.nodes_there().await), (1, 1));
    assert_eq!(up.interrupt(), Some(0));

    let up = Up::start(dir.path());
    assert_eq!(up.node_uuids(), nodes);
    assert!(up.says(&["node", "show", &nodes[0]]).contains("web1"), "it is read from its Pod Manager");
    assert_eq!(up.nodes_there().await, 1);
    up.says(&["node", "delete", &nodes[0], "--wait"]);
    assert_eq!((up.node_uuids(), up.nodes_there().await), (Vec::new(), 0));
    assert_eq!(up.interrupt(), Some(0));
}
