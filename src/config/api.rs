//! Settings of the REST server.

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// REST server.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Most time a v1 call without `Prefer` waits for its task.
    pub v1_wait: SignedDuration,
    /// Most time a read waits for its answer.
    pub sync_timeout: SignedDuration,
    /// Name of the Pod Manager that is meant when a request names none and there are several.
    pub default_podm: Option<String>,
    /// Largest request body, bytes.
    pub max_body_bytes: u64,
    /// Most connections at once.
    pub max_connections: usize,
    /// Most connections of one address at once.
    pub max_connections_per_address: usize,
    /// Requests of one caller a second, over all API processes; 0: any number.
    pub requests_per_second: u32,
    /// Requests of one caller at once after a pause.
    pub requests_burst: u32,
    /// Requests of one caller under way at once in one process, waits and event streams included.
    pub max_requests_under_way: usize,
    /// Longest time a client may take to send its header.
    pub header_timeout: SignedDuration,
    /// File with bearer tokens (SHA-256) and roles; without it the API binds loopback only.
    pub tokens_file: Option<PathBuf>,
    /// Serve without authentication on other than loopback addresses.
    pub insecure_no_auth: bool,
    /// TLS.
    pub tls: TlsConfig,
    /// JSON Web Tokens.
    pub jwt: JwtConfig,
}

/// TLS of the REST server.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// Longest time a handshake may take.
    pub handshake_timeout: SignedDuration,
    /// Certificate and its chain, PEM; read again when it changes.
    pub cert_file: Option<PathBuf>,
    /// Private key, PEM; read again when it changes.
    pub key_file: Option<PathBuf>,
    /// Authorities whose client certificates are believed, PEM; `[[certificate]]` in the tokens file says who they are.
    pub client_ca_file: Option<PathBuf>,
}

/// JSON Web Tokens of an identity provider.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct JwtConfig {
    /// Algorithms of signatures that are believed.
    pub algorithms: Vec<JwtAlgorithm>,
    /// The claim that gives the role: a text or a list of them; dots lead into objects.
    pub role_claim: String,
    /// What stands before `reader`, `operator` or `admin` in that claim.
    pub role_prefix: String,
    /// Networks in which the URL of the keys may be plain http, on loopback or link-local addresses.
    pub allow_cidrs: Vec<IpNet>,
    /// The public keys: a file, or a URL.
    pub jwks: Option<String>,
    /// What a token's `iss` must be.
    pub issuer: Option<String>,
    /// What a token's `aud` must contain.
    pub audience: Option<String>,
    /// Authorities that the URL's certificate is checked against, PEM; the system's unless given.
    pub ca_file: Option<PathBuf>,
}

/// An algorithm of signatures, by its name in RFC 7518 and 8037. None is symmetric: whoever can check could sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[expect(missing_docs, reason = "they are the registered names")]
pub enum JwtAlgorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    ES256,
    ES384,
    EdDSA,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8181)),
            v1_wait: SignedDuration::from_secs(1000),
            sync_timeout: SignedDuration::from_secs(30),
            default_podm: None,
            max_body_bytes: 1024 * 1024,
            max_connections: 4096,
            max_connections_per_address: 1024,
            requests_per_second: 0,
            requests_burst: 0,
            max_requests_under_way: 1024,
            header_timeout: SignedDuration::from_secs(5),
            tokens_file: None,
            insecure_no_auth: false,
            tls: TlsConfig::default(),
            jwt: JwtConfig::default(),
        }
    }
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self { handshake_timeout: SignedDuration::from_secs(5), cert_file: None, key_file: None, client_ca_file: None }
    }
}

impl Default for JwtConfig {
    fn default() -> Self {
        Self {
            algorithms: vec![JwtAlgorithm::RS256, JwtAlgorithm::ES256, JwtAlgorithm::EdDSA],
            role_claim: "role".into(),
            role_prefix: String::new(),
            allow_cidrs: Vec::new(),
            jwks: None,
            issuer: None,
            audience: None,
            ca_file: None,
        }
    }
}
