//! What is asked of Ironic: nodes by id, and their ports.

use reqwest::Method;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};
use url::Url;

use super::error::IronicError;
use super::http::Http;
use crate::model::podm::MASK;

/// Ironic, for one attempt.
pub struct Client {
    http: Http,
    endpoint: Url,
    token: Option<SecretString>,
    api_version: String,
}

/// A port of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Ironic's id of it.
    pub uuid: String,
    /// MAC address.
    pub address: String,
}

impl Client {
    pub(super) fn new(http: Http, mut endpoint: Url, token: Option<SecretString>, api_version: &str) -> Self {
        let path = endpoint.path().trim_end_matches('/');
        let path = path.strip_suffix("/v1").unwrap_or(path).to_owned();
        endpoint.set_path(&path);
        Self { http, endpoint, token, api_version: api_version.to_owned() }
    }

    /// Whether there is a node of that id.
    ///
    /// # Errors
    /// Whatever keeps an answer from coming.
    pub async fn has_node(&self, uuid: &str) -> Result<bool, IronicError> {
        let answer = self.ask(Method::GET, &["nodes", uuid], None).await;
        found(answer.and_then(|node| is_node(&node, uuid)))
    }

    /// Makes a node; its arguments have its id, `uuid`.
    ///
    /// # Errors
    /// Its refusal: 409 when there is one of that id or name; and whatever keeps an answer from coming.
    ///
    /// # Cancel safety
    /// Dropped, the node may have been made.
    pub async fn create_node(&self, arguments: &Map<String, Value>) -> Result<(), IronicError> {
        let body = Value::Object(arguments.clone());
        let answer = self.ask(Method::POST, &["nodes"], Some(&body)).await.map_err(|e| without(e, &body))?;
        is_node(&answer, body["uuid"].as_str().unwrap_or_default())
    }

    /// Deletes a node with its ports; one that is gone is a success.
    ///
    /// # Errors
    /// Its refusal, and whatever keeps an answer from coming.
    ///
    /// # Cancel safety
    /// Dropped, the node may be gone.
    pub async fn delete_node(&self, uuid: &str) -> Result<(), IronicError> {
        found(self.ask(Method::DELETE, &["nodes", uuid], None).await).map(drop)
    }

    /// Lists a node's ports.
    ///
    /// # Errors
    /// Whatever keeps an answer from coming.
    pub async fn ports(&self, node: &str) -> Result<Vec<Port>, IronicError> {
        let answer = self.ask(Method::GET, &["nodes", node, "ports"], None).await?;
        let bad = || IronicError::Malformed("a list of ports is wanted".into());
        let ports = answer["ports"].as_array().ok_or_else(bad)?;
        let port = |p: &Value| Some(Port { uuid: p["uuid"].as_str()?.into(), address: p["address"].as_str()?.into() });
        ports.iter().map(|p| port(p).ok_or_else(bad)).collect()
    }

    /// Makes a port of a node.
    ///
    /// # Errors
    /// Its refusal: 409 when some port has that address; and whatever keeps an answer from coming.
    ///
    /// # Cancel safety
    /// Dropped, the port may have been made.
    pub async fn create_port(&self, node: &str, address: &str) -> Result<(), IronicError> {
        let body = json!({"node_uuid": node, "address": address});
        self.ask(Method::POST, &["ports"], Some(&body)).await.map(drop)
    }

    /// Deletes a port; one that is gone is a success.
    ///
    /// # Errors
    /// Its refusal, and whatever keeps an answer from coming.
    ///
    /// # Cancel safety
    /// Dropped, the port may be gone.
    pub async fn delete_port(&self, uuid: &str) -> Result<(), IronicError> {
        found(self.ask(Method::DELETE, &["ports", uuid], None).await).map(drop)
    }

    async fn ask(&self, method: Method, path: &[&str], body: Option<&Value>) -> Result<Value, IronicError> {
        let mut url = self.endpoint.clone();
        let base = || IronicError::Setup("the endpoint cannot be a base".into());
        url.path_segments_mut().map_err(|()| base())?.pop_if_empty().push("v1").extend(path);
        let mut request = self.http.client.request(method, url);
        request = request.header("X-OpenStack-Ironic-API-Version", &self.api_version);
        if let Some(token) = &self.token {
            let mut value = HeaderValue::from_str(token.expose_secret())
                .map_err(|_| IronicError::Malformed("Keystone's token is no header".into()))?;
            value.set_sensitive(true);
            request = request.header("X-Auth-Token", value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        Ok(self.http.send(request).await?.body)
    }
}

/// Whatever answers must be an Ironic.
fn is_node(answer: &Value, uuid: &str) -> Result<(), IronicError> {
    let bad = || IronicError::Malformed("the answer is no node: does ironic.endpoint lead to Ironic's API?".into());
    if answer["uuid"] == uuid { Ok(()) } else { Err(bad()) }
}

fn found<T>(answer: Result<T, IronicError>) -> Result<bool, IronicError> {
    match answer {
        Ok(_) => Ok(true),
        Err(error) if error.status() == Some(404) => Ok(false),
        Err(error) => Err(error),
    }
}

/// An error that repeats nothing secret of what was sent.
fn without(error: IronicError, sent: &Value) -> IronicError {
    let hide = |text: String| secrets(sent).iter().fold(text, |text, secret| text.replace(secret, MASK));
    match error {
        IronicError::Refused { status, detail } => IronicError::Refused { status, detail: hide(detail) },
        IronicError::Unauthorized(detail) => IronicError::Unauthorized(hide(detail)),
        other => other,
    }
}

/// What stands under a name that says that it is secret.
fn secrets(sent: &Value) -> Vec<&str> {
    let secret = |name: &str| ["password", "secret", "token", "key"].iter().any(|word| name.contains(word));
    match sent {
        Value::Object(map) => map
            .iter()
            .flat_map(|(name, value)| match value {
                Value::String(text) if secret(&name.to_ascii_lowercase()) && !text.is_empty() => vec![text.as_str()],
                other => secrets(other),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(secrets).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_that_comes_back_is_masked() {
        let sent = json!({"name": "n", "driver_info": {"redfish_password": "canary", "redfish_username": "u"}});
        let said = IronicError::Refused { status: 400, detail: "bad u:canary".into() };
        assert_eq!(without(said, &sent).to_string(), "bad u:*** (HTTP 400)");
    }
}
