//! The REST server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use valence::api;
use valence::config::{CommonArgs, Config};
use valence::daemon::{self, StartError};

/// Serves the REST API of Valence
#[derive(Parser)]
#[command(name = "valence-api", version)]
struct Args {
    #[command(flatten)]
    common: CommonArgs,
    /// Address to listen on
    #[arg(long, env = "VALENCE_API_LISTEN", value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// File with bearer tokens (SHA-256) and their roles
    #[arg(long, env = "VALENCE_API_TOKENS_FILE", value_name = "FILE")]
    tokens_file: Option<PathBuf>,
    /// Serve everybody, without authentication, on whatever address
    #[arg(long)]
    insecure_no_auth: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let common = args.common.clone();
    let adjust = |config: &mut Config| {
        let api = &mut config.api;
        api.listen = args.listen.unwrap_or(api.listen);
        api.tokens_file = args.tokens_file.or(api.tokens_file.take());
        api.insecure_no_auth |= args.insecure_no_auth;
    };
    daemon::run(&common, adjust, async |d| {
        d.store.agree_on_meta().await.map_err(|e| StartError::Part(e.to_string()))?;
        let listener = api::bind(d.config.api.listen).await;
        let listener = listener.map_err(|e| StartError::Part(e.to_string()))?;
        let served = api::spawn(d.config.clone(), d.store.clone(), &d.shutdown, listener);
        served.map(drop).map_err(|e| StartError::Part(e.to_string()))
    })
    .await
}
