//! TLS of a simulated PODM: one certificate and its key, from files, the same for all PODMs of the process.

use std::path::Path;
use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;

/// What connections are accepted with.
pub(super) fn acceptor(cert: &Path, key: &Path) -> Result<TlsAcceptor, String> {
    let told = |file: &Path, e: &dyn std::fmt::Display| format!("{}: {e}", file.display());
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(cert).map_err(|e| told(cert, &e))?.collect();
    let chain = chain.map_err(|e| told(cert, &e))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|e| told(key, &e))?;
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|e| e.to_string())?;
    let config = builder.with_no_client_auth().with_single_cert(chain, key).map_err(|e| told(cert, &e))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
