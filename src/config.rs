//! Settings: defaults, then a TOML file, then `VALENCE_…` environment variables, then flags; checked once, all problems together.
//!
//! docs/valence.example.toml shows every key with its unit, default and reason; a test reads it back.

mod api;
mod args;
mod engine;
mod ironic;
mod podms;
mod tracing;

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::ids::Buckets;
pub use api::{ApiConfig, JwtAlgorithm, JwtConfig, TlsConfig};
pub use args::CommonArgs;
pub use engine::{LogConfig, RedisConfig, SchedulerConfig, TaskConfig, WorkerConfig};
pub use ironic::IronicConfig;
pub use podms::{AuthMode, InventoryConfig, PodmConfig, RedfishConfig, TelemetryConfig};
pub use tracing::TracingConfig;

/// All settings of a process.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Part of every tag on hardware; two deployments that share PODMs must differ in it.
    pub deployment: String,
    /// Buckets: 1 for a single Redis, 16 for a Cluster; fixed at the deployment's first start.
    pub buckets: u16,
    /// File with the 32-byte key, in base64, that seals PODM credentials.
    pub secret_key_file: Option<PathBuf>,
    /// Kinds that only tests need (`noop`, `sleep`, `echo`).
    pub enable_test_kinds: bool,
    /// Most time a stop may take.
    pub grace: SignedDuration,
    /// Redis.
    pub redis: RedisConfig,
    /// Tasks.
    pub task: TaskConfig,
    /// REST server.
    pub api: ApiConfig,
    /// Workers.
    pub worker: WorkerConfig,
    /// Scheduler.
    pub scheduler: SchedulerConfig,
    /// How Pod Managers are spoken to.
    pub redfish: RedfishConfig,
    /// Readings and events of Pod Managers.
    pub telemetry: TelemetryConfig,
    /// The provisioning service that nodes are registered with.
    pub ironic: IronicConfig,
    /// What is known of Pod Managers' hardware.
    pub inventory: InventoryConfig,
    /// Logs.
    pub log: LogConfig,
    /// Traces.
    pub tracing: TracingConfig,
    /// Pod Managers that are registered when missing.
    pub podm: Vec<PodmConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            deployment: "valence".into(),
            buckets: 1,
            secret_key_file: None,
            enable_test_kinds: false,
            grace: SignedDuration::from_secs(25),
            redis: RedisConfig::default(),
            task: TaskConfig::default(),
            api: ApiConfig::default(),
            worker: WorkerConfig::default(),
            scheduler: SchedulerConfig::default(),
            redfish: RedfishConfig::default(),
            telemetry: TelemetryConfig::default(),
            ironic: IronicConfig::default(),
            inventory: InventoryConfig::default(),
            log: LogConfig::default(),
            tracing: TracingConfig::default(),
            podm: Vec::new(),
        }
    }
}

/// What is wrong with the settings: every problem, one a line.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ConfigError(pub Vec<String>);

impl Config {
    /// Reads the file, when there is one, and lays the common flags and variables over it. Call [`Config::check`] once the process's
    /// own flags are in.
    ///
    /// # Errors
    /// When the file cannot be read or has an unknown key.
    pub fn load(args: &CommonArgs) -> Result<Self, ConfigError> {
        let mut config = match &args.config {
            Some(file) => Self::read(file)?,
            None => Self::default(),
        };
        fn lay<T: Clone>(over: &mut T, value: Option<&T>) {
            if let Some(value) = value {
                over.clone_from(value);
            }
        }
        lay(&mut config.redis.url, args.redis_url.as_ref());
        config.redis.sync_url = args.sync_redis_url.clone().or(config.redis.sync_url);
        lay(&mut config.redis.wait_replicas, args.wait_replicas.as_ref());
        lay(&mut config.deployment, args.deployment.as_ref());
        lay(&mut config.buckets, args.buckets.as_ref());
        lay(&mut config.task.lease, args.lease.as_ref());
        lay(&mut config.task.quarantine, args.quarantine.as_ref());
        lay(&mut config.redfish.allow_cidrs, args.podm_allow_cidrs.as_ref());
        lay(&mut config.grace, args.grace.as_ref());
        lay(&mut config.log.format, args.log_format.as_ref());
        config.tracing.otlp_endpoint = args.otlp_endpoint.clone().or(config.tracing.otlp_endpoint);
        config.task.extend = args.extend.or(config.task.extend);
        config.secret_key_file = args.secret_key_file.clone().or(config.secret_key_file);
        config.enable_test_kinds |= args.enable_test_kinds;
        Ok(config)
    }

    fn read(file: &Path) -> Result<Self, ConfigError> {
        let fail = |why: String| ConfigError(vec![format!("{}: {why}", file.display())]);
        let text = std::fs::read_to_string(file).map_err(|e| fail(e.to_string()))?;
        toml::from_str(&text).map_err(|e| fail(e.to_string()))
    }

    /// Checks everything.
    ///
    /// # Errors
    /// Every problem found.
    pub fn check(&self) -> Result<(), ConfigError> {
        let mut wrong = Vec::new();
        let mut need = |ok: bool, what: &str| {
            if !ok {
                wrong.push(what.to_owned());
            }
        };
        need(Buckets::new(self.buckets).is_some(), "buckets: 1 to 256 are possible");
        need(
            (1..=64).contains(&self.deployment.len())
                && self.deployment.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'),
            "deployment: 1 to 64 letters, digits, dashes and underscores",
        );
        need(self.task.lease >= SignedDuration::from_millis(100), "task.lease: at least 100ms");
        let extend = self.extend();
        need(!extend.is_zero(), "task.extend: more than nothing");
        need(
            extend <= self.lease() / 2,
            "task.extend: at most half of task.lease, or a claim is lost by one late call",
        );
        for (value, name) in [
            (self.redis.wait_timeout, "redis.wait_timeout"),
            (self.task.quarantine, "task.quarantine"),
            (self.grace, "grace"),
            (self.api.v1_wait, "api.v1_wait"),
            (self.api.sync_timeout, "api.sync_timeout"),
            (self.api.header_timeout, "api.header_timeout"),
            (self.api.tls.handshake_timeout, "api.tls.handshake_timeout"),
            (self.redfish.connect_timeout, "redfish.connect_timeout"),
            (self.redfish.request_timeout, "redfish.request_timeout"),
            (self.redfish.session_idle, "redfish.session_idle"),
            (self.telemetry.collect_interval, "telemetry.collect_interval"),
            (self.inventory.interval, "inventory.interval"),
            (self.inventory.orphan_grace, "inventory.orphan_grace"),
        ] {
            need(!value.is_negative(), &format!("{name}: not below nothing"));
        }
        let often = self.telemetry.collect_interval;
        need(
            often.is_zero() || often >= SignedDuration::from_millis(100),
            "telemetry.collect_interval: at least 100ms, or 0s for never",
        );
        let often = self.inventory.interval;
        need(
            often.is_zero() || often >= SignedDuration::from_millis(100),
            "inventory.interval: at least 100ms, or 0s for never",
        );
        need(
            self.inventory.probe_interval >= SignedDuration::from_millis(100),
            "inventory.probe_interval: at least 100ms",
        );
        if let Some(url) = &self.telemetry.event_receiver_url {
            let sound = crate::model::podm::check_url(url).is_ok();
            need(sound, "telemetry.event_receiver_url: an http or https URL without user, query and fragment");
        }
        need(self.worker.concurrency > 0, "worker.concurrency: at least 1");
        need(!self.worker.topics.is_empty(), "worker.topics: at least one");
        let (tls, jwt) = (&self.api.tls, &self.api.jwt);
        need(tls.cert_file.is_some() == tls.key_file.is_some(), "api.tls: cert_file and key_file are needed together");
        need(
            tls.client_ca_file.is_none() || (tls.cert_file.is_some() && self.api.tokens_file.is_some()),
            "api.tls.client_ca_file: cert_file is needed, and api.tokens_file to say whose the certificates are",
        );
        let told = |text: &Option<String>| text.as_ref().is_some_and(|t| !t.is_empty());
        need(
            jwt.jwks.is_none() || (told(&jwt.issuer) && told(&jwt.audience)),
            "api.jwt: issuer and audience are needed beside jwks, or tokens made for others would be taken",
        );
        need(jwt.jwks.is_none() || !jwt.algorithms.is_empty(), "api.jwt.algorithms: at least one");
        need(self.api.max_connections_per_address > 0, "api.max_connections_per_address: at least 1");
        need(self.api.max_requests_under_way > 0, "api.max_requests_under_way: at least 1");
        let open = self.api.tokens_file.is_none() && jwt.jwks.is_none() && !self.api.insecure_no_auth;
        need(
            !open || self.api.listen.ip().is_loopback(),
            "api.listen: without api.tokens_file or api.jwt only a loopback address is served; --insecure-no-auth serves everybody",
        );
        wrong.extend(self.ironic.problems());
        wrong.extend(self.tracing.problems());
        if wrong.is_empty() { Ok(()) } else { Err(ConfigError(wrong)) }
    }

    /// The settings as TOML, secrets hidden.
    #[must_use]
    pub fn shown(&self) -> String {
        let mut shown = self.clone();
        shown.redis.url = crate::store::without_password(&shown.redis.url);
        shown.redis.sync_url = shown.redis.sync_url.as_deref().map(crate::store::without_password);
        toml::to_string_pretty(&shown).unwrap_or_else(|e| e.to_string())
    }

    /// Root URL of the REST server for programs on this machine.
    #[must_use]
    pub fn api_url(&self) -> String {
        let scheme = if self.api.tls.cert_file.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.api.listen)
    }

    /// The lease.
    #[must_use]
    pub fn lease(&self) -> Duration {
        self.task.lease.unsigned_abs()
    }

    /// How often claims are extended.
    #[must_use]
    pub fn extend(&self) -> Duration {
        self.task.extend.map_or_else(|| self.lease() / 3, SignedDuration::unsigned_abs)
    }

    /// What the store needs of it.
    #[must_use]
    pub fn store_options(&self) -> crate::store::StoreOptions {
        crate::store::StoreOptions {
            buckets: Buckets::new(self.buckets).unwrap_or(Buckets::ONE),
            lease: self.lease(),
            quarantine: self.task.quarantine.unsigned_abs(),
            events_kept: self.task.events_kept,
            deployment: self.deployment.clone(),
            replicas: (self.redis.wait_replicas > 0)
                .then(|| (self.redis.wait_replicas, self.redis.wait_timeout.unsigned_abs())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[test]
    fn all_problems_are_told_at_once() {
        let mut config = Config { buckets: 0, ..Config::default() };
        config.task.extend = Some(SignedDuration::from_secs(10));
        config.api.listen = SocketAddr::from(([0, 0, 0, 0], 80));
        let error = config.check().unwrap_err();
        assert_eq!(error.0.len(), 3, "{error}");
    }

    #[test]
    fn passwords_do_not_show() {
        let mut config: Config = toml::from_str(
            "[[podm]]\nname = 'a'\nurl = 'https://h'\nusername = 'u'\npassword = 'canary'\n[ironic]\npassword = 'canary'\n[redis]\nurl = 'redis://u:canary@h'",
        )
        .unwrap();
        for url in [
            "redis://u:canary@h:1",
            "redis-cluster://u:canary@a:1,b:2",
            "redis-sentinel://a,b/m?sentinel_password=canary",
        ] {
            config.redis.url = url.into();
            assert!(!config.shown().contains("canary"), "{}", config.shown());
        }
        assert!(!format!("{config:?}").contains("password: \"canary"), "{config:?}");
    }

    #[test]
    fn an_unknown_key_is_refused() {
        assert!(toml::from_str::<Config>("bukkets = 3").is_err());
    }
}
