//! A REST server over a plant's store, in this process.

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;
use valence::api;
use valence::config::Config;
use valence::shutdown::Shutdown;

use super::api::{five_keys, read};
use super::saga::Plant;

/// Stopped on drop.
pub struct Front {
    pub url: String,
    client: reqwest::Client,
    shutdown: Shutdown,
}

impl Drop for Front {
    fn drop(&mut self) {
        self.shutdown.stop();
    }
}

impl Front {
    pub async fn over(plant: &Plant) -> Self {
        Self::with(plant, Config { secret_key_file: Some(plant.lab.key_file()), ..Config::default() }).await
    }

    pub async fn with(plant: &Plant, config: Config) -> Self {
        let config = Config { grace: jiff::SignedDuration::from_secs(5), ..config };
        let shutdown = Shutdown::new();
        let listener = api::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let scheme = if config.api.tls.cert_file.is_some() { "https" } else { "http" };
        let address = api::spawn(config, plant.store.clone(), &shutdown, listener).unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { url: format!("{scheme}://{address}"), client, shutdown }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// Status and JSON body of an answer.
    pub async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        read(request.send().await.unwrap()).await
    }

    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.ask(Method::GET, path, None).await
    }

    /// Asks, and insists on 200.
    pub async fn ok(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let (status, said) = self.ask(method.clone(), path, body).await;
        assert_eq!(status, StatusCode::OK, "{method} {path}: {said}");
        said
    }

    /// Asks, and insists on an error of this status and title; its detail.
    pub async fn refused(&self, method: Method, path: &str, body: Option<Value>, status: u16, title: &str) -> String {
        let (code, said) = self.ask(method.clone(), path, body).await;
        assert_eq!((code.as_u16(), said["title"].as_str()), (status, Some(title)), "{method} {path}: {said}");
        five_keys(code, &said)["detail"].as_str().unwrap().to_owned()
    }

    /// What `valence` prints for a command; it must end well.
    pub async fn command(&self, args: &[&str]) -> String {
        use clap::Parser as _;
        let given = ["valence", "--api-url", &self.url].into_iter().chain(args.iter().copied());
        let mut bytes = Vec::new();
        let cli = valence::ctl::cli::Cli::parse_from(given);
        valence::ctl::run(cli, &mut bytes, false).await.unwrap_or_else(|e| panic!("{args:?}: {e}"));
        String::from_utf8(bytes).unwrap()
    }
}
