//! A redis-server of a test's own: on a Unix socket in a temporary directory, so there is no port to race for; killed on drop.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use valence::config::Config;
use valence::store::Store;
use valence::store::connect::Redis;

use super::wait;

pub struct TestRedis {
    server: Child,
    dir: tempfile::TempDir,
}

impl TestRedis {
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With more arguments, such as `["--maxmemory", "3mb"]`.
    pub async fn start_with(args: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--unixsocket", "r.sock", "--loglevel", "warning"])
            .args(args)
            .current_dir(dir.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        let this = Self { server, dir };
        wait::until("redis-server answers", || async { Redis::connect(&this.url(), LIMIT).await.ok() }).await;
        this
    }

    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.dir.path().join("r.sock").display())
    }

    /// A directory that lives as long as the server.
    pub fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    pub fn pid(&self) -> u32 {
        self.server.id()
    }

    /// Stops the server; what it held is gone, its socket stays.
    pub fn kill(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }

    /// Starts it again, empty.
    pub async fn restart(&mut self) {
        self.server = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--unixsocket", "r.sock", "--loglevel", "warning"])
            .current_dir(self.dir.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        wait::until("redis-server answers again", || async { Redis::connect(&self.url(), LIMIT).await.ok() }).await;
    }

    /// A store as the API opens it.
    pub async fn store(&self, config: &Config) -> Store {
        let redis = Redis::connect(&self.url(), LIMIT).await.unwrap();
        let store = Store::open(redis, config.store_options()).await.unwrap();
        store.agree_on_meta().await.unwrap();
        store
    }

    /// Every key there is, sorted: for tests that promise that nothing is stored.
    pub async fn keys(&self, store: &Store) -> Vec<String> {
        let mut keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut store.redis().shared()).await.unwrap();
        keys.sort();
        keys
    }
}

const LIMIT: Duration = Duration::from_millis(800);

impl Drop for TestRedis {
    fn drop(&mut self) {
        // It may have been killed by the test already.
        let _gone = self.server.kill();
        let _reaped = self.server.wait();
    }
}
