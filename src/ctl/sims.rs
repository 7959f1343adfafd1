//! The simulated Pod Managers of `valence up`: on the same ports at every start, registered when they are missing.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::client::Client;
use super::error::CtlError;
use super::output::Output;
use super::podm;
use crate::shutdown::Shutdown;
use crate::sim::{self, SimConfig, SimError};

/// The first port that is tried at the first start.
const FIRST_PORT: u16 = 9000;
/// How far the next block of ports lies when one is taken.
const STEP: u16 = 100;
/// How many are registered at once.
const AT_ONCE: usize = 16;
/// How many blocks are tried.
const BLOCKS: u16 = 20;

/// Starts them and gives their URLs. Their nodes, and the first port, are kept in `dir`.
pub(super) async fn start(dir: &Path, podms: usize, shutdown: &Shutdown) -> Result<Vec<String>, CtlError> {
    std::fs::create_dir_all(dir).map_err(|e| CtlError::Up(format!("cannot make {}: {e}", dir.display())))?;
    let note = dir.join("first-port");
    let kept = std::fs::read_to_string(&note).ok().and_then(|t| t.trim().parse::<u16>().ok());
    let blocks = (0..BLOCKS).filter_map(|n| FIRST_PORT.checked_add(n * STEP));
    for first in kept.into_iter().chain(blocks) {
        let config = SimConfig {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, first)),
            podms,
            data_dir: Some(dir.to_owned()),
            ..SimConfig::default()
        };
        match sim::run(config, shutdown).await {
            Ok(running) => {
                if kept.is_some_and(|kept| kept != first) {
                    tracing::warn!(
                        first,
                        "the simulated Pod Managers' ports are taken; they are new Pod Managers elsewhere"
                    );
                }
                std::fs::write(&note, first.to_string())
                    .map_err(|e| CtlError::Up(format!("{}: {e}", note.display())))?;
                return Ok(running.urls());
            }
            Err(SimError::Bind { source, .. }) if source.kind() == std::io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(CtlError::Up(format!("the simulated Pod Managers do not start: {error}"))),
        }
    }
    Err(CtlError::Up(format!("no {podms} free ports in a row for the simulated Pod Managers; --no-sim does without")))
}

/// Registers those that the API does not know yet.
pub(super) async fn register(api: &Client, urls: &[String]) -> Result<(), CtlError> {
    let known = podm::podms(api).await?;
    let known: HashSet<&str> = known.iter().map(|p| p.url.trim_end_matches('/')).collect();
    let account = SimConfig::default();
    let one = async |url: &String| {
        let name = format!("sim-{}", url.rsplit(':').next().unwrap_or(url));
        let body = podm::create(&name, url, "redfishv1", &account.user, &account.password);
        let mut silent = std::io::sink();
        podm::register(api, &name, url, body, &mut Output::new(&mut silent, true, false)).await.map(drop)
    };
    let new = urls.iter().filter(|url| !known.contains(url.as_str()));
    stream::iter(new).map(Ok).try_for_each_concurrent(AT_ONCE, one).await
}
