//! Certificates that are judged by a Pod Manager's own authority, by its fingerprint, or by both.
//!
//! A fingerprint is the whole proof: the certificate may be self-signed, of another name or expired, since nobody else has its key. With
//! an authority beside it, chain, name and dates must hold as well. The key must be proven in the handshake in any case.

use std::sync::Arc;

use ::aws_lc_rs::digest::{SHA256, digest};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

/// What makes certificates trusted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Trust {
    /// Authorities, PEM.
    pub(super) ca_pem: Option<String>,
    /// SHA-256 of the certificate, 64 hexadecimal digits.
    pub(super) fingerprint: Option<String>,
}

impl Trust {
    /// TLS settings that trust so.
    ///
    /// # Errors
    /// What is wrong with the authorities.
    pub(super) fn tls(&self) -> Result<ClientConfig, String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let chain = self.ca_pem.as_deref().map(|pem| chain(pem, &provider)).transpose()?;
        let verifier = Verifier { fingerprint: self.fingerprint.clone(), chain, provider: Arc::clone(&provider) };
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().map_err(|e| e.to_string())?;
        let mut config = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn chain(pem: &str, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|e| format!("ca_pem: {e}"))?;
        roots.add(certificate).map_err(|e| format!("ca_pem: {e}"))?;
    }
    let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    builder.build().map_err(|e| format!("ca_pem: {e}"))
}

#[derive(Debug)]
struct Verifier {
    fingerprint: Option<String>,
    chain: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(wanted) = &self.fingerprint {
            let shown: String = digest(&SHA256, end_entity).as_ref().iter().map(|b| format!("{b:02x}")).collect();
            if shown != *wanted {
                return Err(Error::General(format!(
                    "its certificate has the fingerprint {shown}, and not the pinned one"
                )));
            }
        }
        match &self.chain {
            Some(chain) => chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now),
            None if self.fingerprint.is_some() => Ok(ServerCertVerified::assertion()),
            None => Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
