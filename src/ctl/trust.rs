//! Whom the command believes to be the API, how it proves who it is, and what to do when that fails.

use std::error::Error;
use std::path::Path;

use super::cli::Global;
use super::error::CtlError;

/// A client that trusts, and shows, what the command line says.
///
/// # Errors
/// Files that cannot be read, or hold something else.
pub(super) fn builder(global: &Global) -> Result<reqwest::ClientBuilder, CtlError> {
    let read = |flag: &str, file: &Path| {
        std::fs::read(file).map_err(|e| CtlError::Usage(format!("--{flag} {}: {e}", file.display())))
    };
    let wrong = |flag: &'static str| move |e: reqwest::Error| CtlError::Usage(format!("--{flag}: {}", cause(&e)));
    let mut http = reqwest::Client::builder();
    if let Some(file) = &global.ca_file {
        let authorities = reqwest::Certificate::from_pem_bundle(&read("ca", file)?).map_err(wrong("ca"))?;
        if authorities.is_empty() {
            return Err(CtlError::Usage(format!("--ca {}: there is no certificate in it", file.display())));
        }
        http = http.tls_certs_only(authorities);
    }
    if let (Some(cert), Some(key)) = (&global.client_cert, &global.client_key) {
        let pem = [read("client-cert", cert)?, b"\n".to_vec(), read("client-key", key)?].concat();
        http = http.identity(reqwest::Identity::from_pem(&pem).map_err(wrong("client-cert"))?);
    }
    Ok(http)
}

/// The innermost cause: those above it only say that something failed.
pub(super) fn cause(error: &reqwest::Error) -> String {
    let (mut why, mut inner) = (error.to_string(), error.source());
    while let Some(error) = inner {
        (why, inner) = (error.to_string(), error.source());
    }
    why
}

/// What to do about an API that cannot be reached for that reason.
pub(super) fn advice(why: &str, scheme: &str) -> &'static str {
    match why {
        _ if why.contains("UnknownIssuer") => {
            "It answers, and its certificate is of an authority that is not known here: --ca FILE or VALENCE_CA_FILE names the authority."
        }
        _ if why.contains("not valid for name") => {
            "It answers under another name than its certificate has: --api-url must name it as the certificate does."
        }
        _ if why.contains("Expired") => "It answers, and its certificate has ended: it needs a new one.",
        // TLS 1.3 has no better word for it: the server hears of the certificate when the client believes that all is well.
        _ if why.contains("channel closed") && scheme == "https" => {
            "It closed the connection. If --client-cert is given: is it of an authority in the API's api.tls.client_ca_file?"
        }
        _ if why.contains("HTTP version") && scheme == "http" => "It may speak TLS: try an --api-url with https.",
        _ if why.contains("InvalidContentType") => "It may not speak TLS: try an --api-url with http.",
        _ => {
            "Is it running? `valence up` starts everything on this machine; --api-url or VALENCE_API_URL says where it is."
        }
    }
}
