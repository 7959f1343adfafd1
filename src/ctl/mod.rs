//! `valence`, the operator's command: tables for people, JSON for programs, exit codes for scripts.
//!
//! One file per resource, each with the same parts: the sub-commands as clap reads them, and `run`, which carries one out. All of
//! them speak HTTP through [`client`] and write through [`output`]; none knows Redis. Two commands are exceptions: [`doctor`] may
//! open the store to look for what the API cannot see, and [`up`] starts every other part in this process.
//!
//! Exit codes: 0 done, 1 the task failed (or something is wrong), 2 usage, 3 the API cannot be reached, 4 the API refused, 130 Ctrl-C while
//! waiting.

mod audit;
mod body;
pub mod cli;
mod client;
mod completion;
pub mod data_dir;
mod dead_letter;
mod device;
mod doctor;
mod error;
mod examples;
mod flavor;
mod follow;
mod inventory;
mod kind;
mod live;
mod man;
mod network;
mod node;
mod output;
mod parts;
mod podm;
mod podm_args;
mod queue;
pub mod redis_child;
mod redis_link;
mod schedule;
mod secret;
mod sims;
mod storage;
mod task;
mod telemetry;
mod top;
mod trouble;
mod trust;
pub mod up;
mod watch;
mod worker;

use std::io::Write;

use cli::{Cli, Command};
use client::Client;
pub use error::CtlError;
pub use examples::command;
use output::Output;

/// Carries out a command and writes its answer.
///
/// # Errors
/// [`CtlError`], whose [`CtlError::exit_code`] is the process's.
pub async fn run(cli: Cli, writer: &mut dyn Write, tty: bool) -> Result<(), CtlError> {
    let Cli { global, command } = cli;
    let mut out = Output::new(writer, global.json, tty);
    let out = &mut out;
    if let Command::Completion(args) = command {
        return completion::run(&args, out);
    }
    if let Command::Man(args) = command {
        return man::run(&args, out);
    }
    if let Command::Secret(command) = command {
        return secret::run(command, out);
    }
    if let Command::Up(args) = command {
        return up::run(*args, out).await;
    }
    let api = Client::of(&global)?;
    match command {
        Command::Task(command) => task::run(command, &api, out).await,
        Command::Queue(command) => queue::run(command, &api, out).await,
        Command::Worker(command) => worker::run(command, &api, out).await,
        Command::Node(command) => node::run(command, &api, out).await,
        Command::Podm(command) => podm::run(command, &api, out).await,
        Command::Flavor(command) => flavor::run(command, &api, out).await,
        Command::System(command) => live::run(command, ("systems", "system"), &api, out).await,
        Command::Device(command) => device::run(command, &api, out).await,
        Command::Rack(command) => live::run(command, ("racks", "rack"), &api, out).await,
        Command::Storage(command) => storage::run(command, &api, out).await,
        Command::Network(command) => network::run(command, &api, out).await,
        Command::Telemetry(command) => telemetry::run(command, &api, out).await,
        Command::Kind(command) => kind::run(command, &api, out).await,
        Command::Schedule(command) => schedule::run(command, &api, out).await,
        Command::DeadLetter(command) => dead_letter::run(command, &api, out).await,
        Command::Drift(of) => inventory::drift(of, &api, out).await,
        Command::Doctor(args) => doctor::run(args, &api, out).await,
        Command::Top(args) => top::run(&args, &api, out).await,
        Command::Audit(args) => audit::run(args, &api, out).await,
        Command::Up(_) | Command::Completion(_) | Command::Man(_) | Command::Secret(_) => Ok(()),
    }
}
