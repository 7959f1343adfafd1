//! Bodies of requests, made of what was given on the command line.

use std::io::Read as _;

use serde_json::{Map, Value};

use super::error::CtlError;

/// Most that is read of a body on standard input; the API takes no more.
const MOST_BYTES: u64 = 1024 * 1024;

/// What of the fields is given.
pub(super) fn given(fields: Vec<(&str, Option<Value>)>) -> Map<String, Value> {
    fields.into_iter().filter_map(|(k, v)| Some((k.to_owned(), v?))).collect()
}

/// The body of a change, which must change something.
pub(super) fn change(fields: Vec<(&str, Option<Value>)>) -> Result<Value, CtlError> {
    let given = given(fields);
    if given.is_empty() {
        return Err(CtlError::Usage("nothing is to be changed: --help lists what can be".into()));
    }
    Ok(given.into())
}

/// `NAME=VALUE`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("NAME=VALUE is wanted")?;
    if name.is_empty() { Err("NAME=VALUE is wanted".into()) } else { Ok((name.to_owned(), value.to_owned())) }
}

/// The JSON of an option, or of standard input when it is `-`.
pub(super) fn json(option: &str, text: &str) -> Result<Value, CtlError> {
    let mut read = String::new();
    if text == "-" {
        let all = std::io::stdin().take(MOST_BYTES).read_to_string(&mut read);
        all.map_err(|e| CtlError::Usage(format!("{option}: standard input cannot be read: {e}")))?;
    }
    let text = if text == "-" { &read } else { text };
    serde_json::from_str(text).map_err(|e| CtlError::Usage(format!("{option} is not JSON: {e}")))
}
