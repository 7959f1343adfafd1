//! Measures Valence against its yardsticks.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use valence::bench::{self, BenchArgs};

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let args = BenchArgs::parse();
    valence::observe::log::init(valence::observe::log::LogFormat::Text, "info");
    if let Some(redis) = &args.placers {
        return bench::placement::placer(redis).await.map(|()| ExitCode::SUCCESS);
    }
    if let (Some(address), Some(redis)) = (args.bare, &args.redis) {
        return bench::bare::serve(address, redis).await;
    }
    let report = bench::run(&args).await?;
    std::io::stdout().lock().write_all(report.table().as_bytes())?;
    if let Some(file) = &args.json {
        std::fs::write(file, serde_json::to_vec_pretty(&report)?)?;
    }
    for broken in &report.broken {
        tracing::error!("does not hold: {broken}");
    }
    Ok(if report.broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
