//! A simulated Pod Manager in this process, with a pool that may speak to it.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::Value;
use valence::config::RedfishConfig;
use valence::lease::Lease;
use valence::model::podm::{AuthItems, Authentication, Podm, PodmStatus};
use valence::podm::{Driver, Pool};
use valence::secret::SecretKey;
use valence::shutdown::Shutdown;
use valence::sim::{self, SimConfig, SimFlavour};

/// The password that Valence has of it.
pub const PASSWORD: &str = "canary-password";

/// Simulated Pod Managers, stopped on drop.
pub struct Lab {
    /// Of the first one.
    pub url: String,
    pub urls: Vec<String>,
    pub pool: Pool,
    pub key: Arc<SecretKey>,
    pub uuids: Vec<String>,
    /// The driver that speaks with them.
    pub driver_name: &'static str,
    same: std::sync::OnceLock<Podm>,
    /// For its control routes: to make one costs more than all that is asked.
    control: reqwest::Client,
    shutdown: Shutdown,
    dir: tempfile::TempDir,
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.shutdown.stop();
    }
}

impl Lab {
    pub async fn start(config: SimConfig) -> Self {
        Self::start_with(config, Duration::from_secs(3)).await
    }

    /// As [`Lab::start`], with another patience of the pool.
    pub async fn start_with(config: SimConfig, no_answer: Duration) -> Self {
        let shutdown = Shutdown::new();
        let driver_name = match config.flavour {
            SimFlavour::Rsd => "redfishv1",
            SimFlavour::Composition => "redfish",
            SimFlavour::Eem => "expether",
        };
        let password = if config.password == SimConfig::default().password {
            PASSWORD.to_owned()
        } else {
            config.password.clone()
        };
        let config = SimConfig { listen: "127.0.0.1:0".parse().unwrap(), password, ..config };
        let running = sim::run(config, &shutdown).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let key = Arc::new(SecretKey::create(&dir.path().join("key")).unwrap());
        let redfish = RedfishConfig {
            allow_cidrs: vec!["127.0.0.0/8".parse().unwrap()],
            request_timeout: SignedDuration::try_from(no_answer).unwrap(),
            ..RedfishConfig::default()
        };
        let pool = Pool::new(&redfish, Some(Arc::clone(&key))).unwrap();
        let urls = running.urls();
        let control = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy().build().unwrap();
        let uuids = urls.iter().map(|_| valence::ids::new_record_id()).collect();
        Self {
            url: urls[0].clone(),
            urls,
            pool,
            key,
            uuids,
            driver_name,
            same: Default::default(),
            control,
            shutdown,
            dir,
        }
    }

    /// Where the key lies that credentials are sealed with.
    pub fn key_file(&self) -> std::path::PathBuf {
        self.dir.path().join("key")
    }

    /// The record of the first one.
    pub fn record(&self) -> Podm {
        self.record_of(0)
    }

    /// The record of one of them.
    pub fn record_of(&self, podm: usize) -> Podm {
        let password = self.key.seal(&self.uuids[podm], PASSWORD).unwrap();
        let auth_items = AuthItems { username: "admin".into(), password };
        Podm {
            authentication: vec![Authentication { kind: "basic".into(), auth_items }],
            status: PodmStatus::Online,
            ..Podm::new(&self.uuids[podm], &format!("lab-{podm}"), &self.urls[podm], self.driver_name)
        }
    }

    /// With credentials that are sealed once: one session for all of them.
    pub fn driver(&self) -> Arc<dyn Driver> {
        self.driver_of_same_record()
    }

    pub fn driver_of_same_record(&self) -> Arc<dyn Driver> {
        self.pool.connect(self.same.get_or_init(|| self.record()), None).unwrap()
    }

    pub fn driver_anew(&self) -> Arc<dyn Driver> {
        self.driver_with(None)
    }

    pub fn driver_with(&self, lease: Option<Lease>) -> Arc<dyn Driver> {
        self.pool.connect(&self.record(), lease).unwrap()
    }

    pub async fn faults(&self, list: Value) {
        let put = self.control.put(format!("{}/sim/faults", self.url)).json(&list);
        assert!(put.send().await.unwrap().status().is_success());
    }

    /// For how many requests each fault switch still stands.
    pub async fn fault_counts(&self) -> Vec<u64> {
        let list = self.seen("faults").await;
        list.as_array().unwrap().iter().map(|fault| fault["count"].as_u64().unwrap()).collect()
    }

    /// Every request it got.
    pub async fn log(&self) -> Value {
        self.seen("log").await
    }

    /// What `GET /sim/…` says.
    pub async fn seen(&self, what: &str) -> Value {
        self.control.get(format!("{}/sim/{what}", self.url)).send().await.unwrap().json().await.unwrap()
    }

    /// How many POST requests it got that were no log-in.
    pub async fn posts(&self) -> usize {
        let log = self.log().await;
        let changes = |e: &&Value| e["method"] == "POST" && !e["path"].as_str().unwrap().contains("/Sessions");
        log.as_array().unwrap().iter().filter(changes).count()
    }

    /// All their nodes.
    pub async fn nodes(&self) -> Vec<Value> {
        let all = self.seen("nodes").await;
        all.as_array().unwrap().iter().flat_map(|podm| podm["nodes"].as_array().unwrap().clone()).collect()
    }
}
