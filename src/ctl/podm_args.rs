//! What is typed of a Pod Manager when it is registered or changed, and the v1 bodies made of it.

use std::io::Read as _;
use std::path::PathBuf;

use clap::Args;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};

use super::body::{change, given};
use super::error::CtlError;

/// More than any password has.
const MOST_PASSWORD_BYTES: u64 = 4096;

/// How its certificate is judged, and what people say of it.
#[derive(Debug, Args)]
pub struct About {
    /// Free text
    #[arg(long)]
    description: Option<String>,
    /// Do not verify its certificate; `=false` verifies it again
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    insecure_skip_verify: Option<bool>,
    /// Authorities that its certificate must come from, PEM
    #[arg(long, value_name = "FILE")]
    ca_pem: Option<PathBuf>,
    /// SHA-256 fingerprint that its certificate must have
    #[arg(long, value_name = "HEX")]
    fingerprint: Option<String>,
}

impl About {
    fn fields(&self) -> Result<Vec<(&'static str, Option<Value>)>, CtlError> {
        let (ca, pinned) = (self.ca_pem.is_some(), self.fingerprint.is_some());
        if self.insecure_skip_verify == Some(true) && (ca || pinned) {
            let other = if ca { "--ca-pem" } else { "--fingerprint" };
            return Err(CtlError::Usage(format!("--insecure-skip-verify and {other} cannot both be meant")));
        }
        let pem = self.ca_pem.as_ref().map(|file| {
            std::fs::read_to_string(file).map_err(|e| CtlError::Usage(format!("--ca-pem {}: {e}", file.display())))
        });
        Ok(vec![
            ("description", self.description.clone().map(Value::from)),
            ("insecure_skip_verify", self.insecure_skip_verify.map(Value::from)),
            ("ca_pem", pem.transpose()?.map(Value::from)),
            ("fingerprint", self.fingerprint.clone().map(Value::from)),
        ])
    }
}

/// The Pod Manager and its account.
#[derive(Debug, Args)]
pub struct Add {
    /// Unique name
    #[arg(long)]
    pub(super) name: String,
    /// Root URL, such as https://podm.example:8443
    #[arg(long)]
    pub(super) url: String,
    /// Driver, see `valence podm drivers`
    #[arg(long, default_value = "redfishv1")]
    driver: String,
    /// Account
    #[arg(long, value_name = "USER")]
    username: String,
    /// Read the password from standard input
    #[arg(long, conflicts_with = "password")]
    password_stdin: bool,
    /// Password; others can see a command line: VALENCE_PODM_PASSWORD or --password-stdin hide it
    #[arg(long, env = "VALENCE_PODM_PASSWORD", hide_env_values = true, value_parser = super::cli::hidden)]
    password: Option<SecretString>,
    /// The rest.
    #[command(flatten)]
    about: About,
}

impl Add {
    /// The body that registers it.
    pub(super) fn body(&self) -> Result<Value, CtlError> {
        let password = if self.password_stdin { Some(password_from_stdin()?) } else { self.password.clone() };
        let password = password.ok_or_else(|| {
            CtlError::Usage(
                "a password is needed: --password-stdin reads it from standard input, VALENCE_PODM_PASSWORD holds it, --password shows it"
                    .into(),
            )
        })?;
        let mut fields = self.about.fields()?;
        fields.extend([
            ("name", Some(self.name.clone().into())),
            ("url", Some(self.url.clone().into())),
            ("driver", Some(self.driver.clone().into())),
            ("authentication", Some(account(&self.username, &password))),
        ]);
        Ok(given(fields).into())
    }
}

/// What is to be different; what is not given stays.
#[derive(Debug, Args)]
pub struct Update {
    /// Pod Manager uuid
    pub(super) id: String,
    /// Unique name
    #[arg(long)]
    name: Option<String>,
    /// Driver; only while it has no nodes
    #[arg(long)]
    driver: Option<String>,
    /// Account, with its password
    #[arg(long, value_name = "USER", requires = "password_stdin")]
    username: Option<String>,
    /// Read the account's password from standard input
    #[arg(long, requires = "username")]
    password_stdin: bool,
    /// Where it stands; free text
    #[arg(long, value_name = "TEXT")]
    location: Option<String>,
    /// Changes at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    max_changes: Option<u32>,
    /// Reads at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    max_reads: Option<u32>,
    /// How gladly placement takes it, beside others with 1
    #[arg(long, value_name = "X")]
    weight: Option<f64>,
    /// A label that placement may ask for; all of them must be given, once each
    #[arg(long, value_name = "NAME=VALUE", value_parser = super::body::pair)]
    label: Vec<(String, String)>,
    /// Take all labels off
    #[arg(long, conflicts_with = "label")]
    no_labels: bool,
    /// The rest.
    #[command(flatten)]
    about: About,
}

impl Update {
    /// The body that changes it.
    pub(super) fn body(&self) -> Result<Value, CtlError> {
        let account = match &self.username {
            Some(user) => Some(account(user, &password_from_stdin()?)),
            None => None,
        };
        let labels: Map<String, Value> = self.label.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect();
        let mut fields = self.about.fields()?;
        fields.extend([
            ("name", self.name.clone().map(Value::from)),
            ("driver", self.driver.clone().map(Value::from)),
            ("authentication", account),
            ("location", self.location.clone().map(Value::from)),
            ("max_changes", self.max_changes.map(Value::from)),
            ("max_reads", self.max_reads.map(Value::from)),
            ("weight", self.weight.map(Value::from)),
            ("labels", (self.no_labels || !labels.is_empty()).then(|| labels.into())),
        ]);
        change(fields)
    }
}

fn account(username: &str, password: &SecretString) -> Value {
    json!([{"type": "basic", "auth_items": {"username": username, "password": password.expose_secret()}}])
}

fn password_from_stdin() -> Result<SecretString, CtlError> {
    let mut text = String::new();
    let read = std::io::stdin().take(MOST_PASSWORD_BYTES).read_to_string(&mut text);
    read.map_err(|e| CtlError::Usage(format!("--password-stdin: standard input cannot be read: {e}")))?;
    Ok(SecretString::from(text.trim_end_matches(['\r', '\n']).to_owned()))
}
