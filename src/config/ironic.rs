//! Settings of the provisioning service that nodes are registered with.

use std::path::PathBuf;

use jiff::SignedDuration;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

/// Ironic. Without an endpoint and a Keystone there is none.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct IronicConfig {
    /// Where Ironic is; with Keystone its catalog says it, unless it is said here.
    pub endpoint: Option<String>,
    /// Where Keystone is. Without it Ironic is asked as it stands alone: without any credentials.
    pub auth_url: Option<String>,
    /// Keystone user.
    pub username: Option<String>,
    /// Its password.
    #[serde(serialize_with = "hidden_if_given")]
    pub password: Option<SecretString>,
    /// Project that the token is for.
    pub project: Option<String>,
    /// Domain of the user.
    pub user_domain_id: String,
    /// Domain of the project.
    pub project_domain_id: String,
    /// Region whose endpoint is taken from the catalog; the first one when absent.
    pub region: Option<String>,
    /// Microversion of Ironic's API that is asked for.
    pub api_version: String,
    /// PEM file with certificate authorities that are trusted besides the system's.
    pub ca: Option<PathBuf>,
    /// Do not verify certificates.
    pub insecure: bool,
    /// Most time to connect.
    pub connect_timeout: SignedDuration,
    /// Most time one request may take.
    pub request_timeout: SignedDuration,
    /// Largest answer that is read, bytes.
    pub max_body_bytes: u64,
}

impl Default for IronicConfig {
    fn default() -> Self {
        Self {
            endpoint: None,
            auth_url: None,
            username: None,
            password: None,
            project: None,
            user_domain_id: "default".into(),
            project_domain_id: "default".into(),
            region: None,
            api_version: "1.65".into(),
            ca: None,
            insecure: false,
            connect_timeout: SignedDuration::from_secs(5),
            request_timeout: SignedDuration::from_secs(60),
            max_body_bytes: 16 * 1024 * 1024,
        }
    }
}

impl IronicConfig {
    /// What is wrong with them, one line each.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (url, name) in [(&self.endpoint, "endpoint"), (&self.auth_url, "auth_url")] {
            if url.as_ref().is_some_and(|url| !is_sound(url)) {
                wrong.push(format!("ironic.{name}: an http or https URL without user, query and fragment"));
            }
        }
        let account = [
            (self.username.is_some(), "username"),
            (self.password.is_some(), "password"),
            (self.project.is_some(), "project"),
        ];
        for (given, name) in account {
            if given != self.auth_url.is_some() {
                wrong.push(format!("ironic.{name}: it stands together with ironic.auth_url"));
            }
        }
        let version = self.api_version.split_once('.');
        if !version.is_some_and(|(major, minor)| major == "1" && minor.parse::<u16>().is_ok()) {
            wrong.push("ironic.api_version: a microversion such as 1.65 is wanted".into());
        }
        for (time, name) in [(self.connect_timeout, "connect_timeout"), (self.request_timeout, "request_timeout")] {
            if !time.is_positive() {
                wrong.push(format!("ironic.{name}: more than nothing"));
            }
        }
        wrong
    }
}

fn is_sound(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    })
}

fn hidden_if_given<S: serde::Serializer>(password: &Option<SecretString>, s: S) -> Result<S::Ok, S::Error> {
    match password {
        Some(password) => super::podms::hidden(password, s),
        None => s.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keystone_without_an_account_is_refused() {
        let config = IronicConfig { auth_url: Some("http://h:5000/v3".into()), ..IronicConfig::default() };
        assert_eq!(config.problems().len(), 3, "{:?}", config.problems());
        let config = IronicConfig { endpoint: Some("ftp://h".into()), api_version: "2".into(), ..Default::default() };
        assert_eq!(config.problems().len(), 2, "{:?}", config.problems());
        assert!(IronicConfig::default().problems().is_empty());
    }
}
