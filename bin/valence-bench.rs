//! Measures Valence against its yardsticks.

use std::io::Write;

use clap::Parser;
use valence::bench::{self, BenchArgs};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = BenchArgs::parse();
    valence::observe::log::init(valence::observe::log::LogFormat::Text, "info");
    if let Some(redis) = &args.placers {
        return bench::placement::placer(redis).await;
    }
    if let (Some(address), Some(redis)) = (args.bare, &args.redis) {
        return bench::bare::serve(address, redis).await;
    }
    let report = bench::run(&args).await?;
    std::io::stdout().lock().write_all(report.table().as_bytes())?;
    if let Some(file) = &args.json {
        std::fs::write(file, serde_json::to_vec_pretty(&report)?)?;
    }
    Ok(())
}
