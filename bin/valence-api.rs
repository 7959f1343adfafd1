//! The REST server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use valence::config::{CommonArgs, Config};
use valence::shutdown::Shutdown;
use valence::{api, observe};

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
async fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let mut config = Config::load(&args.common)?;
    config.api.listen = args.listen.unwrap_or(config.api.listen);
    config.api.tokens_file = args.tokens_file.or(config.api.tokens_file);
    config.api.insecure_no_auth |= args.insecure_no_auth;
    config.check()?;
    if args.common.print_config {
        std::io::Write::write_all(&mut std::io::stdout(), config.shown().as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    observe::log::init(config.log.format, "info");
    let shutdown = Shutdown::on_signals();
    let listener = api::bind(config.api.listen).await?;
    let store = api::open_store(&config, &shutdown).await?;
    let grace = config.grace.unsigned_abs();
    api::spawn(config, store, &shutdown, listener)?;
    shutdown.join(grace).await.map_err(anyhow::Error::msg)?;
    Ok(ExitCode::SUCCESS)
}
