//! The command line of `podm-sim`: what was typed, and the [`SimConfig`] it means.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::config::{ComposeBy, Deviation, RsdVersion, SimConfig, SimFlavour};

/// Simulated Redfish Pod Managers, one or thousands in a process.
///
/// Faults are switched at run time with `PUT /sim/faults` on any of the ports; `GET /sim/log` lists the requests that came.
#[derive(Debug, clap::Parser)]
#[command(name = "podm-sim", version)]
pub struct SimArgs {
    /// Address of the first PODM; the others take the ports after it (port 0: free ports)
    #[arg(long, default_value = "127.0.0.1:9000")]
    listen: SocketAddr,
    /// How many PODMs
    #[arg(long, default_value_t = 1)]
    podms: usize,
    /// Give each PODM a loopback address of its own, counting up from the first, and all the same port
    #[arg(long)]
    addresses: bool,
    /// Make PODMs unlike each other, by the seed: a quarter to one and three quarters of the systems, nothing to twice the latency
    #[arg(long)]
    mixed: bool,
    /// So many PODMs, the last ones, accept connections and never answer
    #[arg(long, value_name = "N", default_value_t = 0)]
    black_holes: usize,
    /// What the PODMs speak
    #[arg(long, value_enum, default_value = "rsd")]
    flavour: SimFlavour,
    /// Generation of the Intel API that is advertised
    #[arg(long, value_enum, default_value = "2.4")]
    rsd_version: RsdVersion,
    /// Serve this recorded mockup tree, read-only: /redfish/v1/A is DIR/A/index.json
    #[arg(long, value_name = "DIR")]
    tree: Option<PathBuf>,
    /// User name
    #[arg(long, default_value = "admin")]
    user: String,
    /// Password
    #[arg(long, default_value = "admin")]
    password: String,
    /// Answer without authentication
    #[arg(long)]
    no_auth: bool,
    /// New volumes and composed systems keep neither name nor description
    #[arg(long)]
    forgetful: bool,
    /// Sessions that may be open at once, per PODM
    #[arg(long, default_value_t = 32)]
    max_sessions: usize,
    /// A session ends after so long without use
    #[arg(long, value_parser = duration, default_value = "30m")]
    session_timeout: Duration,
    /// Computer systems per PODM
    #[arg(long, default_value_t = 8)]
    systems: usize,
    /// Time that every request takes, such as 20ms
    #[arg(long, value_parser = duration, default_value = "0s")]
    latency: Duration,
    /// Time a node stays in Assembling
    #[arg(long, value_parser = duration, default_value = "200ms")]
    assemble_time: Duration,
    /// A node stays in Assembling until it was read so often, and not for its time
    #[arg(long, default_value_t = 0)]
    assemble_looks: u64,
    /// Changes that take longer than this answer 202 and a task monitor
    #[arg(long, value_parser = duration)]
    slow: Option<Duration>,
    /// Allocate and DELETE of a node answer 202 and a task monitor
    #[arg(long)]
    task_monitors: bool,
    /// How long a task monitor keeps its final answer once it was read
    #[arg(long, value_parser = duration, default_value = "5s")]
    monitor_keep: Duration,
    /// Keep nodes here, also over a kill -9
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Location headers are paths and not full URLs
    #[arg(long)]
    path_location: bool,
    /// PATCH of a node answers 204 and not 200 with a body
    #[arg(long = "boot-204")]
    boot_204: bool,
    /// Shape resources exactly as the published Intel schemas do, where real PODMs differ
    #[arg(long)]
    strict_schema: bool,
    /// Annotate allowed values in the old way, @DMTF.AllowableValues
    #[arg(long)]
    dmtf_annotations: bool,
    /// How systems can be composed, in the composition flavour
    #[arg(long, value_enum, value_delimiter = ',', default_value = "specific,constrained,action")]
    compose_by: Vec<ComposeBy>,
    /// How the composition flavour differs from the specification
    #[arg(long, value_enum, value_delimiter = ',')]
    deviations: Vec<Deviation>,
    /// UUIDs, serial numbers and MAC addresses follow from it
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Certificate, PEM: the PODMs speak https
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

impl From<SimArgs> for SimConfig {
    fn from(args: SimArgs) -> Self {
        Self {
            listen: args.listen,
            podms: args.podms,
            addresses: args.addresses,
            mixed: args.mixed,
            black_holes: args.black_holes,
            flavour: args.flavour,
            rsd_version: args.rsd_version,
            tree: args.tree,
            user: args.user,
            password: args.password,
            forgetful: args.forgetful,
            auth: !args.no_auth,
            max_sessions: args.max_sessions,
            session_timeout: args.session_timeout,
            systems: args.systems,
            latency: args.latency,
            assemble_time: args.assemble_time,
            assemble_looks: args.assemble_looks,
            slow: args.slow,
            task_monitors: args.task_monitors,
            monitor_keep: args.monitor_keep,
            data_dir: args.data_dir,
            path_location: args.path_location,
            boot_204: args.boot_204,
            strict_schema: args.strict_schema,
            dmtf_annotations: args.dmtf_annotations,
            compose_by: args.compose_by,
            deviations: args.deviations,
            seed: args.seed,
            tls: args.tls_cert.zip(args.tls_key),
        }
    }
}

/// Reads a duration with a unit, such as `200ms` or `1m 30s`; negative ones are refused.
fn duration(text: &str) -> Result<Duration, String> {
    let signed: jiff::SignedDuration = text.parse().map_err(|e| format!("{e}"))?;
    signed.try_into().map_err(|_| "a duration may not be negative".to_owned())
}
