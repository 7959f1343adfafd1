//! The simulated Pod Managers of `valence up`: on the same ports at every start, registered when they are missing.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use super::error::CtlError;
use super::parts;
use crate::config::{Config, PodmConfig};
use crate::model::podm::Podm;
use crate::shutdown::Shutdown;
use crate::sim::{self, SimConfig, SimError};
use crate::store::records::Collection;
use crate::store::{Store, StoreError};
use crate::upkeep::podms;

/// The first port that is tried at the first start.
const FIRST_PORT: u16 = 9000;
/// How far the next block of ports lies when one is taken.
const STEP: u16 = 100;
/// Longest time until all are registered.
const REGISTERED: Duration = Duration::from_secs(60);
/// Pause between two looks at which are.
const LOOK: Duration = Duration::from_millis(50);
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

/// Registers those that are not on record yet, and waits until they are. Not by the API: nobody has told us a token.
pub(super) async fn register(config: &Config, store: &Store, urls: &[String]) -> Result<(), CtlError> {
    let key = parts::secret_key(config)?;
    let begun = Instant::now();
    let mut asked = false;
    loop {
        let known: Vec<Podm> = store.records(Collection::Podm).await.map_err(failed)?;
        let known: HashSet<&str> = known.iter().map(|p| p.url.trim_end_matches('/')).collect();
        let missing: Vec<&String> = urls.iter().filter(|url| !known.contains(url.as_str())).collect();
        if missing.is_empty() {
            return Ok(());
        }
        if begun.elapsed() > REGISTERED {
            let detail =
                format!("{} of {} are not; `valence task list --kind podm.create` says why", missing.len(), urls.len());
            return Err(CtlError::Up(detail));
        }
        if !asked {
            let missing: Vec<PodmConfig> = missing.into_iter().map(|url| simulated(url)).collect();
            podms::register(store, key.as_deref(), &missing).await.map_err(failed)?;
        }
        asked = true;
        tokio::time::sleep(LOOK).await;
    }
}

fn simulated(url: &str) -> PodmConfig {
    let account = SimConfig::default();
    PodmConfig {
        name: format!("sim-{}", url.rsplit(':').next().unwrap_or(url)),
        url: url.to_owned(),
        driver: "redfishv1".into(),
        username: account.user,
        password: account.password.into(),
        fingerprint: None,
        insecure_skip_verify: false,
    }
}

fn failed(error: StoreError) -> CtlError {
    CtlError::Up(error.to_string())
}
