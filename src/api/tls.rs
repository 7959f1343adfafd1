//! TLS of the accept loop: certificate and key from files, client certificates when an authority for them is configured.
//!
//! Files are read again when they change; connections that are open keep what they were opened with. A client certificate is asked for
//! and not demanded: who has none needs a bearer token.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{ApiError, reload};
use crate::config::TlsConfig;
use crate::shutdown::Shutdown;

/// What connections are accepted with.
pub(crate) struct Tls(Arc<RwLock<Arc<ServerConfig>>>);

impl Tls {
    /// Reads the files, and again when they change; `None` when TLS is not configured.
    ///
    /// # Errors
    /// When they cannot be used.
    pub(crate) fn keep(config: &TlsConfig, shutdown: &Shutdown) -> Result<Option<Self>, ApiError> {
        let (Some(cert), Some(key)) = (&config.cert_file, &config.key_file) else { return Ok(None) };
        let client_ca = config.client_ca_file.as_deref();
        let fail = |why: String| ApiError::Tls { file: cert.display().to_string(), why };
        let now = Arc::new(RwLock::new(Arc::new(read(cert, key, client_ca).map_err(fail)?)));
        let files = [Some(cert), Some(key), config.client_ca_file.as_ref()].into_iter().flatten().cloned().collect();
        let (kept, config) = (Arc::clone(&now), config.clone());
        reload::on_change("certificate", files, shutdown, move || {
            let (Some(cert), Some(key)) = (&config.cert_file, &config.key_file) else { return Ok(()) };
            let fresh = read(cert, key, config.client_ca_file.as_deref())?;
            *kept.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
            Ok(())
        });
        Ok(Some(Self(now)))
    }

    /// The handshake. How long it may take is the caller's concern.
    ///
    /// # Errors
    /// What went wrong with it.
    pub(crate) async fn accept(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        let config = Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner));
        TlsAcceptor::from(config).accept(stream).await
    }
}

/// The subject of the certificate that the client has proven to have, as RFC 4514 writes it.
pub(crate) fn subject(stream: &TlsStream<TcpStream>) -> Option<Arc<str>> {
    let certificate = stream.get_ref().1.peer_certificates()?.first()?;
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    // The encoding has the least specific part first; written, the most specific stands first.
    let parts: Option<Vec<String>> = parsed.subject().iter_rdn().map(part).collect();
    let mut parts = parts?;
    parts.reverse();
    Some(parts.join(",").into())
}

/// One part, such as `CN=name`. What is no plain text names nobody.
fn part(rdn: &x509_parser::x509::RelativeDistinguishedName<'_>) -> Option<String> {
    let one = |a: &x509_parser::x509::AttributeTypeAndValue<'_>| {
        let name = x509_parser::objects::oid2abbrev(a.attr_type(), x509_parser::objects::oid_registry()).ok()?;
        Some(format!("{name}={}", escaped(a.as_str().ok()?)))
    };
    rdn.iter().map(one).collect::<Option<Vec<_>>>().map(|all| all.join("+"))
}

/// A value cannot look like two parts.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=') {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

fn read(cert: &Path, key: &Path, client_ca: Option<&Path>) -> Result<ServerConfig, String> {
    let chain = certificates(cert)?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|e| format!("{}: {e}", key.display()))?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(file)? {
                roots.add(certificate).map_err(|e| format!("{}: {e}", file.display()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .allow_unauthenticated()
                .build()
                .map_err(|e| format!("{}: {e}", file.display()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_single_cert(chain, private).map_err(|e| e.to_string())?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let fail = |e: rustls_pki_types::pem::Error| format!("{}: {e}", file.display());
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).map_err(fail)?.collect();
    let found = found.map_err(fail)?;
    if found.is_empty() { Err(format!("{}: no certificate in it", file.display())) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_in_a_subject_cannot_look_like_two_parts() {
        assert_eq!(escaped("plain name"), "plain name");
        assert_eq!(escaped(r"rack,O=Test+x\"), r"rack\,O\=Test\+x\\");
    }
}
