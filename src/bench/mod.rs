//! Load and scale measurement: each scenario drives real processes and prints its figure beside its yardstick, measured in turn
//! with it in the same run, so that a noisy machine disturbs both alike. Quote medians and ratios.

pub mod bare;
pub mod bulkhead;
pub mod cluster;
pub mod crowd;
pub mod depth;
pub mod drain;
pub mod enqueue;
pub mod fleet;
pub mod inventory;
pub mod io;
pub mod latency;
pub mod makespan;
pub mod parked;
pub mod placement;
pub mod report;
pub mod rig;

use std::path::PathBuf;

use report::Report;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Scenario {
    /// Claim to settle of no-op tasks, beside the same commands pipelined without logic.
    Drain,
    /// Redis memory of a queued task with a payload of 200 bytes.
    Memory,
    /// POST /v1/tasks over 64 connections, beside a bare route that does one XADD.
    Enqueue,
    /// POST /v1/tasks/batch, beside pipelined XADD and HSET.
    Batch,
    /// A read through the queue on an idle system, beside a bare route that does one GET.
    Read,
    /// POST to `Completed` seen by long-poll on an idle system.
    Latency,
    /// Placement among 1,000 Pod Managers: decisions a second, what two processes promise beyond what there is, and the makespan.
    Placement,
    /// Tasks that wait 50 ms for somebody else, with 1, 2, 4 and 8 worker processes; only when it is named.
    Io,
    /// What a task costs with ever more of them queued, up to 200,000, or 2 million with --full; only when it is named.
    Depth,
    /// 20,000 tasks that wait for a long operation, and one worker; only when it is named.
    Parked,
    /// What 100 simulated Pod Managers with 10,000 systems have, read whole and again; only when it is named.
    Inventory,
    /// Composes at healthy Pod Managers while others hang, are slow or answer 503, beside the same without those; only when it is named.
    Bulkhead,
    /// Nodes that are asked for at once (--tasks), many more than 1,000 Pod Managers let begin; only when it is named.
    Crowd,
    /// Claim to settle of no-op tasks on three primaries of a Redis Cluster, beside one; only when it is named.
    Cluster,
}

/// How it is measured.
#[derive(Debug, Clone, clap::Parser)]
#[command(
    name = "valence-bench",
    version,
    about = "Measures Valence against its yardsticks, with processes of its own"
)]
pub struct BenchArgs {
    /// Scenarios; all of them but inventory, io, depth, parked, bulkhead, crowd and cluster when none is given
    #[arg(value_enum)]
    pub scenarios: Vec<Scenario>,
    /// Runs of each, of which the median counts
    #[arg(long, default_value_t = 5)]
    pub runs: usize,
    /// Tasks in a run of drain, memory and batch, nodes in one of crowd: 12,000 at most with 1,000 Pod Managers
    #[arg(long, default_value_t = 20_000)]
    pub tasks: usize,
    /// appendfsync of the private redis-server: always, everysec, or no for none at all
    #[arg(long, default_value = "everysec")]
    pub fsync: String,
    /// Slots of the worker
    #[arg(long, default_value_t = 64)]
    pub concurrency: usize,
    /// Worker processes
    #[arg(long, default_value_t = 1)]
    pub workers: usize,
    /// Pod Managers of bulkhead and crowd; of bulkhead one in 20 hangs, one in 50 is slow, one in 50 answers 503
    #[arg(long, default_value_t = 1_000)]
    pub podms: usize,
    /// Seconds that the load of bulkhead lasts
    #[arg(long, default_value_t = 90)]
    pub seconds: u64,
    /// Composes a second at the healthy Pod Managers of bulkhead
    #[arg(long, default_value_t = 20.0)]
    pub rate: f64,
    /// How many times the p99 without the bad Pod Managers the p99 with them may be
    #[arg(long, default_value_t = 1.2)]
    pub p99_ratio: f64,
    /// To 2 million queued tasks in the scenario `depth`
    #[arg(long)]
    pub full: bool,
    /// Serve the bare routes here: the yardstick's process of the scenarios `enqueue` and `read`
    #[arg(long, hide = true, requires = "redis")]
    pub bare: Option<std::net::SocketAddr>,
    /// Redis of the yardstick's process
    #[arg(long, hide = true)]
    pub redis: Option<String>,
    /// Place nodes in this Redis and say how many: the other process of the scenario `placement`
    #[arg(long, hide = true)]
    pub placers: Option<String>,
    /// Write the figures as JSON here
    #[arg(long)]
    pub json: Option<PathBuf>,
}

/// Runs the scenarios in order and returns what they measured.
///
/// # Errors
/// When a process cannot be started or answers with an error.
pub async fn run(args: &BenchArgs) -> anyhow::Result<Report> {
    let all = [
        Scenario::Drain,
        Scenario::Memory,
        Scenario::Enqueue,
        Scenario::Batch,
        Scenario::Read,
        Scenario::Latency,
        Scenario::Placement,
    ];
    let chosen = if args.scenarios.is_empty() { &all[..] } else { &args.scenarios[..] };
    let mut report = Report::new(args);
    for scenario in chosen {
        tracing::info!(?scenario, "measuring");
        match scenario {
            Scenario::Drain => drain::drain(args, &mut report).await?,
            Scenario::Memory => drain::memory(args, &mut report).await?,
            Scenario::Enqueue => enqueue::single(args, &mut report).await?,
            Scenario::Batch => enqueue::batch(args, &mut report).await?,
            Scenario::Read => latency::read(args, &mut report).await?,
            Scenario::Latency => latency::task(args, &mut report).await?,
            Scenario::Placement => placement::placement(args, &mut report).await?,
            Scenario::Io => io::replicas(args, &mut report).await?,
            Scenario::Depth => depth::depth(args, &mut report).await?,
            Scenario::Parked => parked::parked(args, &mut report).await?,
            Scenario::Inventory => inventory::sweep(args, &mut report).await?,
            Scenario::Bulkhead => bulkhead::bulkhead(args, &mut report).await?,
            Scenario::Crowd => crowd::crowd(args, &mut report).await?,
            Scenario::Cluster => cluster::cluster(args, &mut report).await?,
        }
    }
    Ok(report)
}
