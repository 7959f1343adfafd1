//! The public keys that sign JWTs: from a file, or from a URL of the identity provider.
//!
//! They are read every few minutes, and at once when a token names a key that is not known, though not more often than every ten seconds:
//! strangers could have us ask for ever. A URL is https, or lies in the networks that the settings allow; the addresses that Pod
//! Managers may not have are refused here too, and no redirect is followed.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ipnet::IpNet;
use jsonwebtoken::jwk::{JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::ApiError;
use crate::config::JwtConfig;
use crate::podm::guard::{Resolver, Rule, check_url};
use crate::shutdown::sleep_or_stop;

/// How often the keys are read in any case: a key that was withdrawn is believed no longer.
const EVERY: Duration = Duration::from_secs(300);
/// Least time between two reads for the sake of an unknown key.
const LEAST: Duration = Duration::from_secs(10);
/// Longest time for one answer.
const LIMIT: Duration = Duration::from_secs(5);
/// Largest set of keys, bytes.
const MOST_BYTES: usize = 256 * 1024;

struct Key {
    id: Option<String>,
    algorithm: Option<KeyAlgorithm>,
    family: AlgorithmFamily,
    key: Arc<DecodingKey>,
}

enum Source {
    File(PathBuf),
    Url(reqwest::Client, Url),
}

/// The keys as they were last read.
pub(crate) struct Jwks {
    source: Source,
    keys: RwLock<Vec<Key>>,
    /// When they were last read for an unknown key; held while they are read, so that many ask once.
    asked: Mutex<Option<Instant>>,
}

impl Jwks {
    /// Reads a file at once; a URL is read by [`Jwks::keep`], so that an identity provider that is away does not keep us from starting.
    ///
    /// # Errors
    /// When the file cannot be used, or the URL is not allowed.
    pub(crate) fn open(config: &JwtConfig) -> Result<Self, ApiError> {
        let place = config.jwks.as_deref().unwrap_or_default();
        let fail = |why: String| ApiError::Jwks { place: place.to_owned(), why };
        if !place.contains("://") {
            let keys = read_file(place.as_ref()).map_err(fail)?;
            return Ok(Self::of(Source::File(place.into()), keys));
        }
        let url = Url::parse(place).map_err(|e| fail(e.to_string()))?;
        let allow: Arc<[IpNet]> = config.allow_cidrs.clone().into();
        check_url(&url, &allow).map_err(|e| fail(e.0))?;
        let plain = url.scheme() == "http";
        let mut client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .timeout(LIMIT)
            .dns_resolver(Resolver(Rule { allow, plain }))
            .https_only(!plain);
        if let Some(file) = &config.ca_file {
            let pem = std::fs::read(file).map_err(|e| fail(format!("{}: {e}", file.display())))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|e| fail(e.to_string()))?;
            client = client.tls_certs_only(certificates);
        }
        let client = client.build().map_err(|e| fail(e.to_string()))?;
        Ok(Self::of(Source::Url(client, url), Vec::new()))
    }

    fn of(source: Source, keys: Vec<Key>) -> Self {
        Self { source, keys: RwLock::new(keys), asked: Mutex::new(None) }
    }

    /// Reads the keys every few minutes until the stop.
    pub(crate) async fn keep(&self, stop: &CancellationToken) {
        loop {
            // Held, so that a token that comes meanwhile waits for the answer and does not ask as well.
            let reading = self.asked.lock().await;
            let pause = if self.refresh().await { EVERY } else { LEAST };
            drop(reading);
            if !sleep_or_stop(stop, pause).await {
                return;
            }
        }
    }

    /// The key that may have signed a token. One without a key's id may be of the only key of its family.
    pub(crate) async fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<Arc<DecodingKey>> {
        if let Some(key) = self.known(id, algorithm) {
            return Some(key);
        }
        let mut asked = self.asked.lock().await;
        // Somebody else may have read them meanwhile.
        if let Some(key) = self.known(id, algorithm) {
            return Some(key);
        }
        if asked.is_some_and(|at| at.elapsed() < LEAST) {
            return None;
        }
        *asked = Some(Instant::now());
        self.refresh().await;
        drop(asked);
        self.known(id, algorithm)
    }

    fn known(&self, id: Option<&str>, algorithm: Algorithm) -> Option<Arc<DecodingKey>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let mut fitting = keys.iter().filter(|key| {
            let named = id.is_none() || key.id.as_deref() == id;
            let meant = key.algorithm.is_none_or(|a| a.to_string() == format!("{algorithm:?}"));
            named && meant && key.family == algorithm.family()
        });
        let first = fitting.next()?;
        (id.is_some() || fitting.next().is_none()).then(|| Arc::clone(&first.key))
    }

    /// Whether they could be read; what was known stays when not.
    async fn refresh(&self) -> bool {
        let read = match &self.source {
            Source::File(file) => read_file(file),
            Source::Url(client, url) => fetch(client, url).await.and_then(|bytes| parse(&bytes)),
        };
        match read {
            Ok(keys) => {
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
                true
            }
            Err(why) => {
                tracing::warn!(why, "the keys of JWTs cannot be read; those known stay");
                false
            }
        }
    }
}

fn read_file(file: &std::path::Path) -> Result<Vec<Key>, String> {
    parse(&std::fs::read(file).map_err(|e| e.to_string())?)
}

async fn fetch(client: &reqwest::Client, url: &Url) -> Result<Vec<u8>, String> {
    let told = |e: reqwest::Error| e.without_url().to_string();
    let mut response = client.get(url.clone()).send().await.map_err(told)?;
    if response.status() != reqwest::StatusCode::OK {
        return Err(format!("the answer is {}", response.status()));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(told)? {
        if bytes.len() + chunk.len() > MOST_BYTES {
            return Err(format!("the answer has more than {MOST_BYTES} bytes"));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// The keys of a set that can verify signatures; others are left out.
fn parse(bytes: &[u8]) -> Result<Vec<Key>, String> {
    let set: JwkSet = serde_json::from_slice(bytes).map_err(|e| format!("no set of keys: {e}"))?;
    let mut keys = Vec::new();
    for jwk in set.keys {
        let signs = jwk.common.public_key_use.as_ref().is_none_or(|u| *u == PublicKeyUse::Signature);
        let Ok(key) = DecodingKey::from_jwk(&jwk) else { continue };
        if !signs || key.family() == AlgorithmFamily::Hmac {
            continue;
        }
        let (id, algorithm) = (jwk.common.key_id, jwk.common.key_algorithm);
        keys.push(Key { id, algorithm, family: key.family(), key: Arc::new(key) });
    }
    if keys.is_empty() { Err("no public key that verifies signatures".into()) } else { Ok(keys) }
}
