//! Certificates of a test's own: an authority, and what it has signed.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// An authority with a directory for what it issues.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: tempfile::TempDir,
}

/// A certificate and its key, as files.
#[derive(Clone)]
pub struct Issued {
    pub cert: PathBuf,
    pub key: PathBuf,
    /// SHA-256 of the certificate, hexadecimal.
    pub fingerprint: String,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer, dir: tempfile::tempdir().unwrap() }
    }

    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Its own certificate, as a file.
    pub fn file(&self) -> PathBuf {
        let file = self.dir.path().join("ca.pem");
        std::fs::write(&file, self.pem()).unwrap();
        file
    }

    /// A server's certificate for some names.
    pub fn server(&self, names: &[&str]) -> Issued {
        self.issue(params(names, "server"))
    }

    /// A client's certificate: `O=Test,CN=<name>`.
    pub fn client(&self, name: &str) -> Issued {
        self.issue(params(&[], name))
    }

    /// One that was over years ago.
    pub fn expired(&self, names: &[&str]) -> Issued {
        let mut params = params(names, "server");
        params.not_before = rcgen::date_time_ymd(2019, 1, 1);
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        self.issue(params)
    }

    fn issue(&self, params: CertificateParams) -> Issued {
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        write(self.dir.path(), &cert, &key)
    }
}

/// A certificate that has signed itself.
pub fn self_signed(dir: &Path, names: &[&str]) -> Issued {
    let key = KeyPair::generate().unwrap();
    let cert = params(names, "server").self_signed(&key).unwrap();
    write(dir, &cert, &key)
}

fn params(names: &[&str], common: &str) -> CertificateParams {
    let mut params = CertificateParams::new(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Test");
    params.distinguished_name.push(DnType::CommonName, common);
    params
}

fn write(dir: &Path, cert: &rcgen::Certificate, key: &KeyPair) -> Issued {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, cert.der());
    let fingerprint: String = hash.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    let (cert_file, key_file) = (dir.join(format!("{fingerprint}.pem")), dir.join(format!("{fingerprint}.key")));
    std::fs::write(&cert_file, cert.pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    Issued { cert: cert_file, key: key_file, fingerprint }
}

/// A tokens file of tokens, each named as its role, and certificates `(subject, role)`.
pub fn tokens_file(dir: &Path, tokens: &[&str], certificates: &[(&str, &str)]) -> PathBuf {
    let token = |name: &&str| {
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, name.as_bytes());
        let hex: String = hash.as_ref().iter().map(|b| format!("{b:02x}")).collect();
        serde_json::json!({"name": name, "role": name, "sha256": hex})
    };
    let certificate = |(subject, role): &(&str, &str)| serde_json::json!({"name": format!("cert-{role}"), "role": role, "subject": subject});
    let file = serde_json::json!({
        "tokens": tokens.iter().map(token).collect::<Vec<_>>(),
        "certificates": certificates.iter().map(certificate).collect::<Vec<_>>(),
    });
    let path = dir.join("tokens.json");
    std::fs::write(&path, file.to_string()).unwrap();
    path
}
