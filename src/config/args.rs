//! Flags and environment variables that all daemons share.

use std::path::PathBuf;

use ipnet::IpNet;
use jiff::SignedDuration;

use crate::observe::log::LogFormat;

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
