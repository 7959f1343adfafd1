//! How a Pod Manager's certificate is judged: by the system's authorities, by its own authority, by its fingerprint, or not at all.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::podm::Podm;
use super::problem::Problem;

/// Longest bundle of authorities, bytes.
const MOST_PEM: usize = 64 * 1024;

/// Checks a bundle of authorities by its form; an empty text takes it away.
///
/// # Errors
/// 400.
pub fn check_ca(pem: &str) -> Result<(), Problem> {
    let bad = |why: &str| Err(Problem::validation(format!("Invalid input for field/attribute 'ca_pem'. {why}")));
    if pem.is_empty() {
        return Ok(());
    }
    if pem.len() > MOST_PEM {
        return bad("at most 65536 bytes are wanted");
    }
    if pem.contains("PRIVATE KEY") {
        return bad("it holds a private key, which nobody but its owner should have");
    }
    match CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>() {
        Ok(found) if !found.is_empty() => Ok(()),
        _ => bad("certificates in PEM are wanted"),
    }
}

/// The SHA-256 fingerprint of a certificate in one form: 64 small hexadecimal digits; colons may stand between bytes. An empty text takes
/// it away.
///
/// # Errors
/// 400.
pub fn canonical_fingerprint(text: &str) -> Result<String, Problem> {
    let plain = text.strip_prefix("sha256:").unwrap_or(text).replace(':', "").to_ascii_lowercase();
    if plain.is_empty() || (plain.len() == 64 && plain.bytes().all(|b| b.is_ascii_hexdigit())) {
        return Ok(plain);
    }
    let why = "the SHA-256 fingerprint of the certificate is wanted: 64 hexadecimal digits";
    Err(Problem::validation(format!("Invalid input for field/attribute 'fingerprint'. {why}")))
}

/// Checks that what a record says of trust goes together.
///
/// # Errors
/// 400.
pub fn check(url: &str, skip: bool, ca_pem: Option<&str>, fingerprint: Option<&str>) -> Result<(), Problem> {
    let some = |text: Option<&str>| text.is_some_and(|t| !t.is_empty());
    let told = some(ca_pem) || some(fingerprint);
    if skip && told {
        return Err(Problem::validation(
            "'insecure_skip_verify' cannot be true beside 'ca_pem' or 'fingerprint': the certificate is judged by them, or not at all",
        ));
    }
    if told && !url.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:")) {
        return Err(Problem::validation(
            "'ca_pem' and 'fingerprint' need an https URL: without TLS there is no certificate",
        ));
    }
    Ok(())
}

/// What a change says of trust; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct TrustChange {
    /// Certificates are not verified.
    pub insecure_skip_verify: Option<bool>,
    /// Authorities, PEM; empty: the system's.
    pub ca_pem: Option<String>,
    /// SHA-256 of the certificate; empty: any certificate.
    pub fingerprint: Option<String>,
}

impl TrustChange {
    /// Lays it over a record.
    ///
    /// # Errors
    /// 400 when the whole does not go together; the record may then be half changed.
    pub fn apply(self, podm: &mut Podm) -> Result<(), Problem> {
        let some = |text: String| Some(text).filter(|t| !t.is_empty());
        podm.insecure_skip_verify = self.insecure_skip_verify.unwrap_or(podm.insecure_skip_verify);
        if let Some(pem) = self.ca_pem {
            check_ca(&pem)?;
            podm.ca_pem = some(pem);
        }
        if let Some(fingerprint) = self.fingerprint {
            podm.fingerprint = some(canonical_fingerprint(&fingerprint)?);
        }
        check(&podm.url, podm.insecure_skip_verify, podm.ca_pem.as_deref(), podm.fingerprint.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_one_however_it_is_spelt() {
        let plain = "ab".repeat(32);
        let colons = vec!["AB"; 32].join(":");
        assert_eq!(canonical_fingerprint(&colons).unwrap(), plain);
        assert_eq!(canonical_fingerprint(&format!("sha256:{plain}")).unwrap(), plain);
        for bad in ["ab", &"g".repeat(64), &"ab".repeat(20)] {
            assert!(canonical_fingerprint(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_would_judge_nothing_is_refused() {
        let (pem, print) = (Some("x"), Some("y"));
        assert!(check("https://h", true, None, None).is_ok());
        assert!(check("HTTPS://h", false, pem, print).is_ok());
        assert!(check("https://h", true, pem, None).is_err());
        assert!(check("https://h", true, None, print).is_err());
        assert!(check("http://h", false, None, print).is_err());
        assert!(check_ca("no PEM").is_err());
        assert!(check_ca("-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----").is_err());
    }
}
