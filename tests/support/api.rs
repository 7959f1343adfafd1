//! The REST server in this process, on a free port, over a Redis of its own.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use valence::api;
use valence::config::Config;
use valence::shutdown::Shutdown;
use valence::store::Store;

use super::redis::TestRedis;

pub struct TestApi {
    pub redis: TestRedis,
    pub store: Store,
    pub config: Config,
    pub address: SocketAddr,
    pub client: reqwest::Client,
    pub shutdown: Shutdown,
}

impl TestApi {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// With settings changed; a key to seal credentials with stands in `redis.dir()/key`.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        Self::start_on(TestRedis::start().await, change).await
    }

    pub async fn start_on(redis: TestRedis, change: impl FnOnce(&mut Config)) -> Self {
        let key = redis.dir().join("key");
        valence::secret::SecretKey::create(&key).unwrap();
        let mut config = Config { enable_test_kinds: true, secret_key_file: Some(key), ..Config::default() };
        config.redis.url = redis.url();
        config.grace = jiff::SignedDuration::from_secs(5);
        change(&mut config);
        let store = redis.store(&config).await;
        let shutdown = Shutdown::new();
        let listener = api::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = api::spawn(config.clone(), store.clone(), &shutdown, listener).unwrap();
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().unwrap();
        Self { redis, store, config, address, client, shutdown }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path))
    }

    /// What the server says to these bytes; ends when it closes the connection.
    pub async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut text = Vec::new();
        // A reset after the answer is an end like any other.
        let _end = stream.read_to_end(&mut text).await;
        String::from_utf8_lossy(&text).into_owned()
    }

    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        read(self.request(Method::GET, path).send().await.unwrap()).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        read(self.request(Method::POST, path).json(body).send().await.unwrap()).await
    }

    pub async fn delete(&self, path: &str) -> (StatusCode, Value) {
        read(self.request(Method::DELETE, path).send().await.unwrap()).await
    }
}

impl Drop for TestApi {
    fn drop(&mut self) {
        self.shutdown.stop();
    }
}

/// Status and JSON body; null when there is none.
pub async fn read(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

/// The keys of an object, in order.
pub fn keys(row: &Value) -> Vec<&str> {
    row.as_object().unwrap_or_else(|| panic!("{row}")).keys().map(String::as_str).collect()
}

/// Asserts the five keys, and gives the body back.
pub fn five_keys(status: StatusCode, body: &Value) -> &Value {
    let mut keys: Vec<&str> = body.as_object().map(|m| m.keys().map(String::as_str).collect()).unwrap_or_default();
    keys.sort_unstable();
    assert_eq!(keys, ["code", "detail", "request_id", "status", "title"], "{status} {body}");
    assert_eq!(body["status"], status.as_u16(), "{body}");
    assert!(uuid::Uuid::parse_str(body["request_id"].as_str().unwrap()).is_ok_and(|id| !id.is_nil()), "{body}");
    body
}
