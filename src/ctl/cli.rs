//! The command line: what may be typed. What it means stands in the resource's own file.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use secrecy::SecretString;

use super::{
    audit, completion, dead_letter, device, doctor, flavor, inventory, kind, live, man, network, node, podm, queue,
    schedule, secret, storage, task, telemetry, top, up, worker,
};

/// Composes bare-metal hardware over Redfish.
///
/// Exit codes: 0 done, 1 the task failed or something is wrong, 2 usage, 3 the API cannot be reached, 4 the API refused, 130 Ctrl-C.
#[derive(Debug, Parser)]
#[command(name = "valence", version)]
pub struct Cli {
    /// What all commands share.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// Where the API is
    #[arg(long, global = true, env = "VALENCE_API_URL", default_value = "http://127.0.0.1:8181", value_name = "URL")]
    pub api_url: String,
    /// Bearer token; better in the environment than on a command line that others can see
    #[arg(long, global = true, env = "VALENCE_API_TOKEN", hide_env_values = true, value_name = "TOKEN", value_parser = hidden)]
    pub token: Option<SecretString>,
    /// Authorities that the API's certificate is checked against, PEM; the system's unless given
    #[arg(long = "ca", global = true, env = "VALENCE_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Client certificate, PEM
    #[arg(long, global = true, env = "VALENCE_CLIENT_CERT_FILE", value_name = "FILE", requires = "client_key")]
    pub client_cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, global = true, env = "VALENCE_CLIENT_KEY_FILE", value_name = "FILE", requires = "client_cert")]
    pub client_key: Option<PathBuf>,
    /// Answer in JSON, as the API gave it
    #[arg(long, global = true)]
    pub json: bool,
}

/// Takes a secret off the command line or the environment.
#[expect(clippy::unnecessary_wraps, reason = "clap wants a Result of a value parser")]
pub(super) fn hidden(text: &str) -> Result<SecretString, std::convert::Infallible> {
    Ok(SecretString::from(text.to_owned()))
}

/// Everything the command can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run everything on this machine: Redis, simulated Pod Managers, API, workers, scheduler
    Up(Box<up::UpArgs>),
    /// Watch queues, workers, Pod Managers and failures on one screen
    Top(top::TopArgs),
    /// Look at tasks, wait for them, cancel and retry them
    #[command(subcommand)]
    Task(task::TaskCommand),
    /// Look at queues, pause and resume them
    #[command(subcommand)]
    Queue(queue::QueueCommand),
    /// Look at worker processes
    #[command(subcommand)]
    Worker(worker::WorkerCommand),
    /// Compose, look at, reset and delete nodes
    #[command(subcommand)]
    Node(node::NodeCommand),
    /// Register, look at, change, probe and forget Pod Managers
    #[command(subcommand)]
    Podm(podm::PodmCommand),
    /// Named requirements for a compose
    #[command(subcommand)]
    Flavor(flavor::FlavorCommand),
    /// Systems, live from the Pod Managers
    #[command(subcommand)]
    System(live::LiveCommand),
    /// Racks, live from the Pod Managers
    #[command(subcommand)]
    Rack(live::LiveCommand),
    /// Storages and their volumes, live from the Pod Managers
    #[command(subcommand)]
    Storage(storage::StorageCommand),
    /// Pooled devices on record
    #[command(subcommand)]
    Device(device::DeviceCommand),
    /// Switches, ports, interfaces and VLANs, live from the Pod Managers
    #[command(subcommand)]
    Network(network::NetworkCommand),
    /// What Pod Managers measure and tell
    #[command(subcommand)]
    Telemetry(telemetry::TelemetryCommand),
    /// Every kind of task there is
    #[command(subcommand)]
    Kind(kind::KindCommand),
    /// Periodic tasks
    #[command(subcommand)]
    Schedule(schedule::ScheduleCommand),
    /// Tasks that failed for good
    #[command(subcommand)]
    DeadLetter(dead_letter::DeadLetterCommand),
    /// Where hardware and records disagree
    Drift(inventory::OfPodm),
    /// Who changed what
    Audit(audit::AuditArgs),
    /// The file of keys that seal credentials: list, stage, promote, rotate, prune
    #[command(subcommand)]
    Secret(secret::SecretCommand),
    /// Say what is wrong, if anything is
    Doctor(doctor::DoctorArgs),
    /// Print the completion script of a shell
    Completion(completion::CompletionArgs),
    /// Write the manual pages into a directory
    Man(man::ManArgs),
}
