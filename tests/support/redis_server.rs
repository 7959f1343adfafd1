//! A redis-server of the test's own: unix socket in a private directory, killed and removed when dropped.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub struct RedisServer {
    child: Child,
    dir: tempfile::TempDir,
    args: Vec<String>,
}

impl RedisServer {
    pub async fn start(args: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
        let child = spawn(&dir.path().to_path_buf(), &args);
        let mut server = Self { child, dir, args };
        server.until_ready().await;
        server
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("redis.sock")
    }

    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts again on the same directory.
    pub async fn restart(&mut self) {
        self.child = spawn(&self.dir.path().to_path_buf(), &self.args);
        self.until_ready().await;
    }

    async fn until_ready(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Ok(client) = redis::Client::open(self.url())
                && let Ok(mut con) = client.get_multiplexed_async_connection().await
            {
                let pong: Result<String, _> = redis::cmd("PING").query_async(&mut con).await;
                if pong.is_ok() {
                    return;
                }
            }
            assert!(self.child.try_wait().unwrap().is_none(), "redis-server ended at once; is it installed?");
            assert!(Instant::now() < deadline, "redis-server does not answer");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn spawn(dir: &PathBuf, args: &[String]) -> Child {
    let mut cmd = Command::new("redis-server");
    cmd.current_dir(dir).args(["--unixsocket", "redis.sock", "--dir", "."]);
    if !args.iter().any(|a| a == "--port") {
        cmd.args(["--port", "0"]);
    }
    cmd.args(["--save", ""]).args(args).stdout(Stdio::null()).stderr(Stdio::null());
    cmd.spawn().expect("redis-server must be installed: make setup")
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped_already = self.child.wait();
    }
}
