//! A token of Keystone (API v3, password, scoped to a project), and where its catalog says that Ironic is.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use url::Url;

use super::error::IronicError;
use super::http::Http;
use crate::config::IronicConfig;

/// What Ironic's entry in the catalog is called.
const SERVICE: &str = "baremetal";

/// A token and the catalog that came with it.
pub(super) struct Token {
    pub(super) secret: SecretString,
    catalog: Value,
}

/// Logs in.
pub(super) async fn log_in(http: &Http, auth_url: &Url, config: &IronicConfig) -> Result<Token, IronicError> {
    let password = config.password.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
    let asked = json!({"auth": {
        "identity": {"methods": ["password"], "password": {"user": {
            "name": config.username, "domain": {"id": config.user_domain_id}, "password": password}}},
        "scope": {"project": {"name": config.project, "domain": {"id": config.project_domain_id}}},
    }});
    let base = auth_url.as_str().trim_end_matches('/');
    let base = if base.ends_with("/v3") { base.to_owned() } else { format!("{base}/v3") };
    let hide = |error| match error {
        IronicError::Unauthorized(words) if !password.is_empty() => {
            IronicError::Unauthorized(words.replace(password, crate::model::podm::MASK))
        }
        IronicError::Refused { status, .. } => {
            IronicError::Refused { status, detail: "Keystone gives no token".into() }
        }
        other => other,
    };
    // A token that nobody saw does no harm: its request counts as not sent.
    let unsent = |error| if let IronicError::Unanswered(why) = error { IronicError::Unreachable(why) } else { error };
    let sent = http.send(http.client.post(format!("{base}/auth/tokens")).json(&asked)).await;
    let reply = sent.map_err(hide).map_err(unsent)?;
    let token = reply.headers.get("x-subject-token").and_then(|t| t.to_str().ok());
    let missing = || IronicError::Malformed("Keystone's answer has no token".into());
    let secret = SecretString::from(token.ok_or_else(missing)?.to_owned());
    Ok(Token { secret, catalog: reply.body["token"]["catalog"].clone() })
}

impl Token {
    /// Ironic's public endpoint, of a region when one is named.
    pub(super) fn endpoint(&self, region: Option<&str>) -> Result<Url, IronicError> {
        let services = self.catalog.as_array().into_iter().flatten().filter(|s| s["type"] == SERVICE);
        let endpoints = services.flat_map(|s| s["endpoints"].as_array().into_iter().flatten());
        let fits = |e: &&Value| {
            let here = e["region_id"].as_str().or_else(|| e["region"].as_str());
            e["interface"] == "public" && region.is_none_or(|wanted| here == Some(wanted))
        };
        let url = endpoints.into_iter().find(fits).and_then(|e| e["url"].as_str());
        let missing = || IronicError::Setup(format!("Keystone's catalog has no public endpoint of type {SERVICE}"));
        super::parse(url.ok_or_else(missing)?)
    }
}
