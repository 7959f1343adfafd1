//! What a simulator is told once, at its start.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Which kind of Pod Manager is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum SimFlavour {
    /// Intel Rack Scale Design: `/redfish/v1/Nodes`, Allocate, Assemble.
    #[default]
    Rsd,
    /// DMTF CompositionService: resource blocks, zones, composed systems.
    Composition,
    /// NEC ExpEther Manager: `devices`, `devices/<id>/group_id`.
    Eem,
}

/// Which generation of the Intel API is advertised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum RsdVersion {
    /// 1.2: Nodes, Services and EthernetSwitches stand in the service root itself.
    #[value(name = "1.2")]
    V1_2,
    /// 2.1: `Services` with logical drives, and `AttachEndpoint` with what it takes beside it.
    #[value(name = "2.1")]
    V2_1,
    /// 2.4: they stand under `Oem.Intel_RackScale`.
    #[default]
    #[value(name = "2.4")]
    V2_4,
}

/// A way of composing systems that a CompositionService offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ComposeBy {
    /// POST of a system with the blocks it is to have.
    Specific,
    /// POST of a system with what it is to have.
    Constrained,
    /// The Compose action with a manifest.
    Action,
}

/// How a CompositionService differs from its specification, as real ones do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Deviation {
    /// Blocks stay Unused while systems are made of them, and can be composed twice.
    Unused,
    /// A system that was made is answered 200 with it, and no Location.
    Create200,
    /// A system that was made is answered 204 with a Location.
    Create204,
    /// An error to a change is answered 200 with the body `500`.
    HiddenErrors,
    /// `Reserved` is a text.
    ReservedText,
    /// Members of Systems stand under Links.
    LinksMembers,
    /// The target of the Compose action is misspelt.
    MisspeltTarget,
    /// Systems offer no actions to add and remove blocks: their list of blocks is set.
    PatchBlocks,
}

/// All settings of one simulator process. [`Default`] is what `podm-sim` does without a switch.
#[derive(Clone)]
pub struct SimConfig {
    /// Address of the first PODM; port 0 lets the system pick a port for each.
    pub listen: SocketAddr,
    /// How many PODMs, on consecutive ports.
    pub podms: usize,
    /// Each PODM has a loopback address of its own, and all have the same port.
    pub addresses: bool,
    /// PODMs are unlike each other, by the seed: a quarter to one and three quarters of the systems, nothing to twice the latency.
    pub mixed: bool,
    /// So many of them, the last ones, accept connections and never answer.
    pub black_holes: usize,
    /// What they speak.
    pub flavour: SimFlavour,
    /// The generation of the Intel API they advertise.
    pub rsd_version: RsdVersion,
    /// Serve this recorded tree, read-only, in place of the simulated hardware.
    pub tree: Option<PathBuf>,
    /// The one account.
    pub user: String,
    /// Its password.
    pub password: String,
    /// New volumes and composed systems keep neither name nor description, as with some services.
    pub forgetful: bool,
    /// Whether requests must be authenticated.
    pub auth: bool,
    /// Sessions that may be open at once, per PODM.
    pub max_sessions: usize,
    /// A session ends after so long without use.
    pub session_timeout: Duration,
    /// Computer systems per PODM.
    pub systems: usize,
    /// Time that every Redfish request takes.
    pub latency: Duration,
    /// Time a node stays in `Assembling`.
    pub assemble_time: Duration,
    /// A node stays in `Assembling` until it was read so often, however long that takes; 0: for its time.
    pub assemble_looks: u64,
    /// A change that takes longer than this answers 202 and a task monitor.
    pub slow: Option<Duration>,
    /// Allocate and DELETE of a node always answer 202 and a task monitor.
    pub task_monitors: bool,
    /// How long a task monitor keeps the final answer once it was read.
    pub monitor_keep: Duration,
    /// Where nodes survive the process.
    pub data_dir: Option<PathBuf>,
    /// `Location` is a path and not a full URL.
    pub path_location: bool,
    /// A PATCH of a node answers 204 and not 200 with the node.
    pub boot_204: bool,
    /// Resources are exactly as the published Intel schemas have them, where real PODMs (and so the default) differ.
    pub strict_schema: bool,
    /// Allowed values are annotated `@DMTF.AllowableValues`, as before Redfish 1.0.
    pub dmtf_annotations: bool,
    /// How systems can be composed, in the composition flavour.
    pub compose_by: Vec<ComposeBy>,
    /// How the composition flavour differs from the specification.
    pub deviations: Vec<Deviation>,
    /// UUIDs, serial numbers and MAC addresses follow from it.
    pub seed: u64,
    /// Certificate and private key, PEM files: then the PODMs speak https.
    pub tls: Option<(PathBuf, PathBuf)>,
}

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9000)),
            podms: 1,
            addresses: false,
            mixed: false,
            black_holes: 0,
            flavour: SimFlavour::Rsd,
            rsd_version: RsdVersion::V2_4,
            tree: None,
            user: "admin".to_owned(),
            password: "admin".to_owned(),
            forgetful: false,
            auth: true,
            max_sessions: 32,
            session_timeout: Duration::from_secs(1800),
            systems: 8,
            latency: Duration::ZERO,
            assemble_time: Duration::from_millis(200),
            assemble_looks: 0,
            slow: None,
            task_monitors: false,
            monitor_keep: Duration::from_secs(5),
            data_dir: None,
            path_location: false,
            boot_204: false,
            strict_schema: false,
            dmtf_annotations: false,
            compose_by: vec![ComposeBy::Specific, ComposeBy::Constrained, ComposeBy::Action],
            deviations: Vec::new(),
            seed: 1,
            tls: None,
        }
    }
}
