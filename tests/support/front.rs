//! A REST server over a plant's store, in this process.

use reqwest::{Method, StatusCode};
use serde_json::Value;
use valence::api;
use valence::config::Config;
use valence::shutdown::Shutdown;

use super::api::read;
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
        let address = api::spawn(config, plant.store.clone(), &shutdown, listener).unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { url: format!("http://{address}"), client, shutdown }
    }

    /// Status and JSON body of an answer.
    pub async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if let Some(body) = body {
            request = request.json(&body);
        }
        read(request.send().await.unwrap()).await
    }

    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.ask(Method::GET, path, None).await
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
