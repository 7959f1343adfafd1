//! A redis-server of a test's own: on a Unix socket in a temporary directory, so there is no port to race for; killed on drop.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use valence::config::Config;
use valence::store::connect::Redis;
use valence::store::{Store, StoreOptions};

use super::wait;

const LIMIT: Duration = Duration::from_secs(2);

pub struct TestRedis {
    server: Child,
    dir: tempfile::TempDir,
    args: Vec<String>,
}

impl TestRedis {
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With more arguments, such as `["--maxmemory", "3mb"]`.
    pub async fn start_with(args: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
        let mut this = Self { server: spawn(dir.path(), &args), dir, args };
        this.until_it_answers().await;
        this
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("r.sock")
    }

    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    /// A directory that lives as long as the server.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn pid(&self) -> u32 {
        self.server.id()
    }

    /// kill -9. Its files and its socket stay.
    pub fn kill(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }

    /// Starts it again on the same directory: with what it kept, which is nothing unless it was told to append.
    pub async fn restart(&mut self) {
        self.server = spawn(self.dir.path(), &self.args);
        self.until_it_answers().await;
    }

    async fn until_it_answers(&mut self) {
        let url = self.url();
        let server = &mut self.server;
        wait::until("redis-server answers", async || {
            assert!(server.try_wait().unwrap().is_none(), "redis-server ended at once");
            let client = redis::Client::open(url.as_str()).unwrap();
            let mut connection = client.get_multiplexed_async_connection().await?;
            redis::cmd("PING").query_async::<String>(&mut connection).await
        })
        .await;
    }

    /// Sends one command.
    pub async fn command<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let client = redis::Client::open(self.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        connection.set_response_timeout(Duration::from_secs(60));
        redis::cmd(words[0]).arg(&words[1..]).query_async(&mut connection).await.unwrap()
    }

    /// A store as the API opens it.
    pub async fn store(&self, config: &Config) -> Store {
        let store = self.open(config.store_options()).await;
        store.agree_on_meta().await.unwrap();
        store
    }

    /// A store that agrees with nobody on settings.
    pub async fn open(&self, options: StoreOptions) -> Store {
        Store::open(Redis::connect(&self.url(), LIMIT).await.unwrap(), options).await.unwrap()
    }

    /// Every key but the audit log, sorted: for tests that promise that nothing is stored. That somebody tried is told there.
    pub async fn keys(&self) -> Vec<String> {
        let mut keys = self.all_keys().await;
        keys.retain(|key| key != "vl:audit");
        keys
    }

    /// Every key there is, sorted.
    pub async fn all_keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.command(&["KEYS", "*"]).await;
        keys.sort();
        keys
    }
}

fn spawn(dir: &Path, args: &[String]) -> Child {
    Command::new("redis-server")
        // A DUMP that is not compressed can be searched for what must not be in it.
        .args([
            "--port",
            "0",
            "--save",
            "",
            "--unixsocket",
            "r.sock",
            "--loglevel",
            "warning",
            "--rdbcompression",
            "no",
        ])
        .args(args)
        .current_dir(dir)
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server is installed (make setup)")
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        // It may have been killed by the test already.
        let _gone = self.server.kill();
        let _reaped = self.server.wait();
    }
}
