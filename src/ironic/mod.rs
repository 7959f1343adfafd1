//! Ironic, the provisioning service: another service of the data centre and no Pod Manager, so nothing of `podm` is used here. Where it is
//! comes from the settings alone, never from a request.
//!
//! Invariants: no redirect is followed; answers are read with a counter; no credential leaves this module, in no error and no log line.

mod client;
mod error;
mod http;
mod keystone;

use std::sync::Arc;

use url::Url;

pub use client::Client;
pub use error::IronicError;

use crate::config::IronicConfig;
use http::Http;

/// Ironic as the settings say it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Ironic(Arc<IronicConfig>);

impl Ironic {
    /// From settings that were checked. No request is made.
    #[must_use]
    pub fn new(config: &IronicConfig) -> Self {
        Self(Arc::new(config.clone()))
    }

    /// A client for one attempt, logged in where there is a Keystone.
    ///
    /// # Errors
    /// When there is no Ironic, when a certificate authority cannot be read, and whatever keeps a token from coming.
    pub async fn connect(&self) -> Result<Client, IronicError> {
        let config = &*self.0;
        if config.endpoint.is_none() && config.auth_url.is_none() {
            return Err(IronicError::NotConfigured);
        }
        let http = Http::new(config)?;
        let given = config.endpoint.as_deref().map(parse).transpose()?;
        let Some(auth_url) = &config.auth_url else {
            let endpoint = given.ok_or(IronicError::NotConfigured)?;
            return Ok(Client::new(http, endpoint, None, &config.api_version));
        };
        let token = keystone::log_in(&http, &parse(auth_url)?, config).await?;
        let found = || token.endpoint(config.region.as_deref());
        let endpoint = given.map_or_else(found, Ok)?;
        Ok(Client::new(http, endpoint, Some(token.secret), &config.api_version))
    }
}

fn parse(url: &str) -> Result<Url, IronicError> {
    Url::parse(url).map_err(|e| IronicError::Setup(format!("'{url}' is no URL: {e}")))
}
