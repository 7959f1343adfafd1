//! Settings: defaults, then a TOML file, then `VALENCE_…` environment variables, then flags; checked once, all problems together.
//!
//! docs/valence.example.toml shows every key with its unit, default and reason; a test reads it back.

mod ironic;
mod tracing;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use jiff::SignedDuration;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::ids::Buckets;
use crate::model::topic::Topic;
use crate::observe::log::LogFormat;
pub use ironic::IronicConfig;
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

/// Where Redis is.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedisConfig {
    /// `redis://`, `rediss://`, `redis+unix://`, `redis-sentinel://` or `redis-cluster://`.
    pub url: String,
    /// A Redis for sync tasks alone, with nothing to keep: reads then do not wait for the durable one's fsync.
    pub sync_url: Option<String>,
    /// Replicas that must have an accepted task before its client hears of it; 0: none.
    pub wait_replicas: u32,
    /// Most time they may take.
    pub wait_timeout: SignedDuration,
}

/// How tasks are treated.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TaskConfig {
    /// How long a claim is believed without news; recorded in Redis, the same everywhere.
    pub lease: SignedDuration,
    /// How often a worker extends its claims; a third of the lease unless given, at most half of it.
    pub extend: Option<SignedDuration>,
    /// How long a changing PODM request whose answer was not seen may still be running.
    pub quarantine: SignedDuration,
    /// How long completed and cancelled tasks are kept.
    pub retention: SignedDuration,
    /// How long failed tasks are kept.
    pub dead_letter_retention: SignedDuration,
    /// State changes kept for SSE, per bucket.
    pub events_kept: u32,
}

/// REST server.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Most time a v1 call without `Prefer` waits for its task.
    pub v1_wait: SignedDuration,
    /// Most time a read waits for its answer.
    pub sync_timeout: SignedDuration,
    /// Name of the Pod Manager that is meant when a request names none and there are several.
    pub default_podm: Option<String>,
    /// Largest request body, bytes.
    pub max_body_bytes: u64,
    /// Most connections at once.
    pub max_connections: usize,
    /// Most connections of one address at once.
    pub max_connections_per_address: usize,
    /// Requests of one caller a second, over all API processes; 0: any number.
    pub requests_per_second: u32,
    /// Requests of one caller at once after a pause.
    pub requests_burst: u32,
    /// Requests of one caller under way at once in one process, waits and event streams included.
    pub max_requests_under_way: usize,
    /// Longest time a client may take to send its header.
    pub header_timeout: SignedDuration,
    /// File with bearer tokens (SHA-256) and roles; without it the API binds loopback only.
    pub tokens_file: Option<PathBuf>,
    /// Serve without authentication on other than loopback addresses.
    pub insecure_no_auth: bool,
    /// TLS.
    pub tls: TlsConfig,
    /// JSON Web Tokens.
    pub jwt: JwtConfig,
}

/// TLS of the REST server.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// Longest time a handshake may take.
    pub handshake_timeout: SignedDuration,
    /// Certificate and its chain, PEM; read again when it changes.
    pub cert_file: Option<PathBuf>,
    /// Private key, PEM; read again when it changes.
    pub key_file: Option<PathBuf>,
    /// Authorities whose client certificates are believed, PEM; `[[certificate]]` in the tokens file says who they are.
    pub client_ca_file: Option<PathBuf>,
}

/// JSON Web Tokens of an identity provider.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct JwtConfig {
    /// Algorithms of signatures that are believed.
    pub algorithms: Vec<JwtAlgorithm>,
    /// The claim that gives the role: a text or a list of them; dots lead into objects.
    pub role_claim: String,
    /// What stands before `reader`, `operator` or `admin` in that claim.
    pub role_prefix: String,
    /// Networks in which the URL of the keys may be plain http, on loopback or link-local addresses.
    pub allow_cidrs: Vec<IpNet>,
    /// The public keys: a file, or a URL.
    pub jwks: Option<String>,
    /// What a token's `iss` must be.
    pub issuer: Option<String>,
    /// What a token's `aud` must contain.
    pub audience: Option<String>,
    /// Authorities that the URL's certificate is checked against, PEM; the system's unless given.
    pub ca_file: Option<PathBuf>,
}

/// An algorithm of signatures, by its name in RFC 7518 and 8037. None is symmetric: whoever can check could sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[expect(missing_docs, reason = "they are the registered names")]
pub enum JwtAlgorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    ES256,
    ES384,
    EdDSA,
}

/// Worker processes.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerConfig {
    /// Topics it serves.
    pub topics: Vec<Topic>,
    /// Slots for stored tasks.
    pub concurrency: usize,
    /// Slots for sync tasks.
    pub sync_slots: usize,
    /// Metrics and health; a default port that is taken becomes a free one.
    pub listen: Option<SocketAddr>,
}

/// Scheduler processes.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SchedulerConfig {
    /// Metrics and health; a default port that is taken becomes a free one.
    pub listen: Option<SocketAddr>,
}

/// How Pod Managers are spoken to.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedfishConfig {
    /// Networks whose addresses may be plain http, loopback or link-local; elsewhere only https to public or private addresses.
    pub allow_cidrs: Vec<IpNet>,
    /// Most time to connect.
    pub connect_timeout: SignedDuration,
    /// Most time one request may take, headers and body.
    pub request_timeout: SignedDuration,
    /// Largest answer that is read, bytes.
    pub max_body_bytes: u64,
    /// How Valence says who it is.
    pub auth: AuthMode,
    /// How long a session may be unused before it is logged out.
    pub session_idle: SignedDuration,
}

/// How Valence says who it is at a Pod Manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthMode {
    /// By a session where there are any, else by Basic auth.
    #[default]
    Auto,
    /// By Basic auth.
    Basic,
    /// By a session and in no other way.
    Session,
}

/// Readings and events of Pod Managers.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// How often the readings of each Pod Manager are collected; nothing: never.
    pub collect_interval: SignedDuration,
    /// How Pod Managers reach this deployment's API with their events; without it none is asked to send any.
    pub event_receiver_url: Option<String>,
}

/// What is known of Pod Managers' hardware.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct InventoryConfig {
    /// How often each Pod Manager is read; nothing: never, and nothing is swept.
    pub interval: SignedDuration,
    /// How long something must have been left behind before it is taken away.
    pub orphan_grace: SignedDuration,
    /// How often each Pod Manager is asked whether it is there.
    pub probe_interval: SignedDuration,
}

/// Logs.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// `text` or `json`.
    pub format: LogFormat,
}

/// A Pod Manager in the configuration.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PodmConfig {
    /// Unique name.
    pub name: String,
    /// Root URL.
    pub url: String,
    /// Driver.
    #[serde(default = "default_driver")]
    pub driver: String,
    /// Account.
    pub username: String,
    /// Password.
    #[serde(serialize_with = "hidden")]
    pub password: SecretString,
    /// SHA-256 fingerprint that its certificate must have.
    #[serde(default)]
    pub fingerprint: Option<String>,
    /// Do not verify its certificate.
    #[serde(default)]
    pub insecure_skip_verify: bool,
}

fn default_driver() -> String {
    "redfishv1".into()
}

fn hidden<S: serde::Serializer>(_: &SecretString, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str("***")
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

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            url: "redis://127.0.0.1:6379".into(),
            sync_url: None,
            wait_replicas: 0,
            wait_timeout: SignedDuration::from_millis(500),
        }
    }
}

impl Default for TaskConfig {
    fn default() -> Self {
        Self {
            lease: SignedDuration::from_secs(15),
            extend: None,
            quarantine: SignedDuration::from_secs(120),
            retention: SignedDuration::from_hours(7 * 24),
            dead_letter_retention: SignedDuration::from_hours(30 * 24),
            events_kept: 10_000,
        }
    }
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8181)),
            v1_wait: SignedDuration::from_secs(1000),
            sync_timeout: SignedDuration::from_secs(30),
            default_podm: None,
            max_body_bytes: 1024 * 1024,
            max_connections: 4096,
            max_connections_per_address: 1024,
            requests_per_second: 0,
            requests_burst: 0,
            max_requests_under_way: 1024,
            header_timeout: SignedDuration::from_secs(5),
            tokens_file: None,
            insecure_no_auth: false,
            tls: TlsConfig::default(),
            jwt: JwtConfig::default(),
        }
    }
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self { handshake_timeout: SignedDuration::from_secs(5), cert_file: None, key_file: None, client_ca_file: None }
    }
}

impl Default for JwtConfig {
    fn default() -> Self {
        Self {
            algorithms: vec![JwtAlgorithm::RS256, JwtAlgorithm::ES256, JwtAlgorithm::EdDSA],
            role_claim: "role".into(),
            role_prefix: String::new(),
            allow_cidrs: Vec::new(),
            jwks: None,
            issuer: None,
            audience: None,
            ca_file: None,
        }
    }
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self { topics: Topic::ALL.to_vec(), concurrency: 64, sync_slots: 16, listen: None }
    }
}

impl Default for RedfishConfig {
    fn default() -> Self {
        Self {
            allow_cidrs: Vec::new(),
            connect_timeout: SignedDuration::from_secs(5),
            request_timeout: SignedDuration::from_secs(60),
            max_body_bytes: 16 * 1024 * 1024,
            auth: AuthMode::Auto,
            session_idle: SignedDuration::from_secs(300),
        }
    }
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self { collect_interval: SignedDuration::from_secs(60), event_receiver_url: None }
    }
}

impl Default for InventoryConfig {
    fn default() -> Self {
        Self {
            interval: SignedDuration::from_mins(5),
            orphan_grace: SignedDuration::from_mins(10),
            probe_interval: SignedDuration::from_secs(15),
        }
    }
}

/// What is wrong with the settings: every problem, one a line.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ConfigError(pub Vec<String>);

/// Flags and environment variables that all daemons share. A flag wins over its variable, both over the file.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct CommonArgs {
    /// TOML file with settings
    #[arg(long, env = "VALENCE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the settings in force, secrets hidden, and exit
    #[arg(long)]
    pub print_config: bool,
    /// Redis URL: redis://, rediss://, redis+unix://, redis-sentinel:// or redis-cluster://
    #[arg(long = "redis", env = "VALENCE_REDIS_URL", value_name = "URL", hide_env_values = true)]
    pub redis_url: Option<String>,
    /// Redis URL for sync tasks alone; the same as --redis unless given
    #[arg(long = "sync-redis", env = "VALENCE_REDIS_SYNC_URL", value_name = "URL", hide_env_values = true)]
    pub sync_redis_url: Option<String>,
    /// Replicas that must have an accepted task before its client hears of it
    #[arg(long, env = "VALENCE_REDIS_WAIT_REPLICAS", value_name = "N")]
    pub wait_replicas: Option<u32>,
    /// Name of the deployment, part of every tag on hardware
    #[arg(long, env = "VALENCE_DEPLOYMENT", value_name = "NAME")]
    pub deployment: Option<String>,
    /// Number of buckets, 1-256, fixed at the deployment's first start
    #[arg(long, env = "VALENCE_BUCKETS", value_name = "N")]
    pub buckets: Option<u16>,
    /// How long a claim is believed without news, such as 15s or 1500ms
    #[arg(long, env = "VALENCE_TASK_LEASE", value_name = "DURATION")]
    pub lease: Option<SignedDuration>,
    /// How often claims are extended; a third of the lease unless given
    #[arg(long, env = "VALENCE_TASK_EXTEND", value_name = "DURATION")]
    pub extend: Option<SignedDuration>,
    /// How long an unanswered change at a PODM may still be running
    #[arg(long, env = "VALENCE_TASK_QUARANTINE", value_name = "DURATION")]
    pub quarantine: Option<SignedDuration>,
    /// Networks where PODMs may be plain http, loopback or link-local
    #[arg(long, env = "VALENCE_PODM_ALLOW_CIDRS", value_name = "CIDR,…", value_delimiter = ',')]
    pub podm_allow_cidrs: Option<Vec<IpNet>>,
    /// File with the base64 key that seals PODM credentials
    #[arg(long, env = "VALENCE_SECRET_KEY_FILE", value_name = "FILE")]
    pub secret_key_file: Option<PathBuf>,
    /// Most time a stop may take
    #[arg(long, env = "VALENCE_GRACE", value_name = "DURATION")]
    pub grace: Option<SignedDuration>,
    /// Log format
    #[arg(long, env = "VALENCE_LOG_FORMAT", value_enum)]
    pub log_format: Option<LogFormat>,
    /// Root URL of a collector of traces
    #[arg(long, env = "VALENCE_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,
    /// Offer the kinds that only tests need: noop, sleep, echo
    #[arg(long, env = "VALENCE_ENABLE_TEST_KINDS")]
    pub enable_test_kinds: bool,
}

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
