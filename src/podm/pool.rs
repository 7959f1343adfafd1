//! Connections to Pod Managers, shared by all tasks of a process.
//!
//! One HTTP client per trust policy and not per Pod Manager: a client holds the open connections. Nothing of a Pod Manager's record is
//! kept but its session, which belongs to these credentials alone: changed ones count from the next call on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use secrecy::SecretString;
use url::Url;

use super::circuit::Circuits;
use super::driver::Driver;
use super::drivers;
use super::error::{Cause, RedfishError};
use super::guard::{Resolver, Rule, check_url};
use super::http::{Account, Auth, Client};
use super::login::Door;
use super::session::Sessions;
use super::trust::Trust;
use crate::config::RedfishConfig;
use crate::lease::Lease;
use crate::model::driver::DriverInfo;
use crate::model::podm::Podm;
use crate::secret::{SecretError, SecretKey};
use crate::shutdown::Shutdown;
use crate::store::gates::Gatekeeper;

/// How long an unused connection is kept. Shorter than what servers commonly keep theirs, because a change sent into a connection that is
/// just being closed counts as unanswered and costs a quarantine.
const IDLE: Duration = Duration::from_secs(2);

/// Ways to trust that have a client at once.
const MOST_TRUSTS: usize = 4_096;

/// The HTTP clients could not be made, for example because the system has no certificate store.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up HTTP clients for Pod Managers")]
pub struct PoolError(#[source] reqwest::Error);

/// Hands out drivers. Cheap to clone.
#[derive(Clone)]
pub struct Pool(Arc<Inner>);

struct Inner {
    plain: reqwest::Client,
    verified: reqwest::Client,
    unverified: reqwest::Client,
    /// One for each trust that Pod Managers have of their own.
    own: Mutex<HashMap<Trust, reqwest::Client>>,
    config: RedfishConfig,
    allow: Arc<[IpNet]>,
    max_body_bytes: u64,
    sessions: Arc<Sessions>,
    circuits: Arc<Circuits>,
    key: Option<Arc<SecretKey>>,
}

impl Pool {
    /// A pool with these limits. Without a key, no Pod Manager can be spoken to.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(config: &RedfishConfig, key: Option<Arc<SecretKey>>) -> Result<Self, PoolError> {
        let allow: Arc<[IpNet]> = config.allow_cidrs.clone().into();
        let client = |plain: bool, verify: bool| {
            let builder = builder(config, &allow, plain);
            builder.tls_danger_accept_invalid_certs(!verify).build().map_err(PoolError)
        };
        Ok(Self(Arc::new(Inner {
            plain: client(true, true)?,
            verified: client(false, true)?,
            unverified: client(false, false)?,
            own: Mutex::default(),
            config: config.clone(),
            allow,
            max_body_bytes: config.max_body_bytes,
            sessions: Arc::new(Sessions::new(config)),
            circuits: Arc::default(),
            key,
        })))
    }

    /// Tells the circuit breakers what comes of requests from here on.
    pub fn report_to(&self, gates: Gatekeeper) {
        self.0.circuits.report_to(gates);
    }

    /// Starts what logs out of unused sessions, and of all of them once the process has drained.
    pub fn keep(&self, shutdown: &Shutdown) {
        self.0.sessions.keep(shutdown);
    }

    /// Lets go of a Pod Manager's session: its credentials have changed, or it is gone.
    pub fn forget(&self, podm_id: &str) {
        self.0.sessions.forget(podm_id);
        self.0.circuits.forget(podm_id);
    }

    /// What a Pod Manager puts into the address it sends its events to, so that nobody else can send any. `None` without a key.
    #[must_use]
    pub fn event_key(&self, podm_id: &str) -> Option<String> {
        self.0.key.as_ref().map(|key| key.event_key(podm_id))
    }

    /// A driver for a Pod Manager. No request is made. With a lease, changing requests are sent only while it is valid.
    ///
    /// # Errors
    /// An unknown driver (404); a URL that is not allowed (400); credentials that cannot be had.
    pub fn connect(&self, podm: &Podm, lease: Option<Lease>) -> Result<Arc<dyn Driver>, RedfishError> {
        let unknown = || about(podm, Cause::Driver(podm.driver.clone()));
        let make = drivers::find(&podm.driver).ok_or_else(unknown)?;
        Ok(make(self.client(podm, lease)?))
    }

    /// A client for a Pod Manager, under the same rules, for requests that are passed on as they are.
    ///
    /// # Errors
    /// As [`Pool::connect`], whatever its driver.
    pub fn client(&self, podm: &Podm, lease: Option<Lease>) -> Result<Client, RedfishError> {
        let fail = |cause| about(podm, cause);
        let url =
            Url::parse(&podm.url).map_err(|e| fail(Cause::Forbidden(format!("'{}' is no URL: {e}", podm.url))))?;
        check_url(&url, &self.0.allow).map_err(|e| fail(Cause::Forbidden(e.0)))?;
        let inner = &self.0;
        let trust = Trust { ca_pem: podm.ca_pem.clone(), fingerprint: podm.fingerprint.clone() };
        let http = match (url.scheme(), podm.insecure_skip_verify) {
            ("http", _) => inner.plain.clone(),
            (_, true) => inner.unverified.clone(),
            _ if trust.ca_pem.is_none() && trust.fingerprint.is_none() => inner.verified.clone(),
            _ => inner.trusting(trust).map_err(|why| fail(Cause::Forbidden(why)))?,
        };
        let account = self.account(podm).map_err(|e| fail(Cause::Credentials(e.to_string())))?;
        let client = |account, auth, lease| {
            Client::new(http.clone(), podm.name.clone(), &url, account, auth, lease, inner.max_body_bytes)
                .watched(inner.circuits.watch(&podm.uuid))
        };
        let has_sessions = DriverInfo::find(&podm.driver).is_none_or(|driver| driver.sessions);
        let door = || Door(client(account.clone(), Auth::Nothing, None));
        let slot = if has_sessions { inner.sessions.slot(podm, door) } else { None };
        Ok(client(account, slot.map_or(Auth::Basic, Auth::Session), lease))
    }

    /// Opens what the API has sealed for a Pod Manager.
    ///
    /// # Errors
    /// Without the key that sealed it.
    pub fn unseal(&self, podm: &Podm, sealed: &str) -> Result<SecretString, RedfishError> {
        self.unseal_for(&podm.uuid, sealed).map_err(|e| about(podm, Cause::Credentials(e.to_string())))
    }

    /// Opens what the API has sealed for whatever it is about, by its id.
    ///
    /// # Errors
    /// Without the key that sealed it.
    pub fn unseal_for(&self, owner: &str, sealed: &str) -> Result<SecretString, SecretError> {
        self.0.key.as_ref().ok_or(SecretError::NoKey)?.unseal(owner, sealed)
    }

    /// A Pod Manager's credentials, unsealed.
    ///
    /// # Errors
    /// Without the key that sealed them.
    pub fn account(&self, podm: &Podm) -> Result<Option<Account>, SecretError> {
        let Some(items) = podm.basic() else { return Ok(None) };
        let password = self.unseal_for(&podm.uuid, &items.password)?;
        Ok(Some(Account { username: items.username.clone(), password }))
    }
}

impl Inner {
    /// The client of those whose certificates are judged so. Made when it is first needed; all are forgotten when there are too many, which
    /// costs connections and nothing else.
    fn trusting(&self, trust: Trust) -> Result<reqwest::Client, String> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = own.get(&trust) {
            return Ok(client.clone());
        }
        let builder = builder(&self.config, &self.allow, false).tls_backend_preconfigured(trust.tls()?);
        let client = builder.build().map_err(|e| e.to_string())?;
        if own.len() >= MOST_TRUSTS {
            own.clear();
        }
        own.insert(trust, client.clone());
        Ok(client)
    }
}

/// What all clients have in common.
fn builder(config: &RedfishConfig, allow: &Arc<[IpNet]>, plain: bool) -> reqwest::ClientBuilder {
    let rule = Rule { allow: Arc::clone(allow), plain };
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(config.connect_timeout.unsigned_abs())
        .timeout(config.request_timeout.unsigned_abs())
        .pool_idle_timeout(IDLE)
        .dns_resolver(Resolver(rule))
        .https_only(!plain)
        .user_agent(concat!("valence/", env!("CARGO_PKG_VERSION")))
}

/// An error before any request.
fn about(podm: &Podm, cause: Cause) -> RedfishError {
    RedfishError { podm: podm.name.clone(), method: "GET", path: "/".into(), cause }
}
