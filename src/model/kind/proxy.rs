//! Kinds of the raw proxy: requests of old clients that are passed on to a Pod Manager as they are.

use serde_json::Value;

use super::read::read;
use super::schema::schema;
use super::{Gates, Kind, kind, sync};
use crate::model::params::{self, RawMethod};
use crate::model::problem::Problem;
use crate::model::topic::Topic;

/// First segments of paths that are passed on, as the first Valence had them.
pub const SEGMENTS: [&str; 7] =
    ["Chassis", "Services", "Managers", "Systems", "EventService", "Nodes", "EthernetSwitches"];
/// Codes that hide a slash, a backslash, a code or a control character: no id of a resource has them.
const NOT_IN_A_SEGMENT: [&str; 6] = ["%2f", "%5c", "%25", "%00", "%0a", "%0d"];
/// Longest path with its query that is passed on, bytes.
const MOST_PATH: usize = 4096;
/// Largest answer that is kept, bytes of JSON.
pub const ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// The kinds.
pub(super) const KINDS: &[Kind] = &[
    Kind {
        gates: Gates::Podm,
        needs_podm: true,
        result_bytes: ANSWER_BYTES,
        check: check_write,
        schema: schema::<params::Proxy>,
        ..kind("proxy.write", Topic::Compute, "Passes a change on to a Pod Manager as it is")
    },
    Kind {
        check: check_read,
        schema: schema::<params::Proxy>,
        ..sync("proxy.read", Topic::Compute, "Passes a read on to a Pod Manager as it is")
    },
];

fn check_write(value: &Value) -> Result<(), Problem> {
    let proxy = checked(value)?;
    if proxy.method == RawMethod::Get {
        return Err(Problem::validation("'GET' is no change"));
    }
    if proxy.podm_id.is_some() {
        return Err(Problem::validation("'podm_id' stands beside the parameters"));
    }
    Ok(())
}

fn check_read(value: &Value) -> Result<(), Problem> {
    if checked(value)?.method == RawMethod::Get { Ok(()) } else { Err(Problem::validation("only 'GET' is a read")) }
}

/// A path that stays below its first segment, however it is written.
fn checked(value: &Value) -> Result<params::Proxy, Problem> {
    let proxy: params::Proxy = read(value)?;
    let path = proxy.path.split('?').next().unwrap_or_default();
    let mut segments = path.split('/');
    let known = segments.next().is_some_and(|first| SEGMENTS.contains(&first));
    let odd = |s: &str| {
        let plain = s.to_ascii_lowercase().replace("%2e", ".");
        s.is_empty()
            || plain == "."
            || plain == ".."
            || NOT_IN_A_SEGMENT.iter().any(|code| plain.contains(code))
            || plain.contains('\\')
    };
    let bad = |c: char| c.is_control() || c.is_whitespace() || c == '#';
    if proxy.path.len() > MOST_PATH {
        return Err(Problem::validation(format!(
            "Invalid input for field/attribute 'path': path and query have at most {MOST_PATH} bytes together"
        )));
    }
    if !known || segments.any(odd) || proxy.path.contains(bad) {
        return Err(Problem::validation("Invalid input for field/attribute 'path': a path below a resource is wanted"));
    }
    Ok(proxy)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_proxied_path_cannot_lead_out_of_its_resource() {
        let fine = |path: &str| check_read(&json!({"method": "GET", "path": path})).is_ok();
        for good in ["Chassis", "Nodes/1", "Systems/1/Processors?$skip=1&a=../b", "Nodes/1/Actions/ComposedNode.Reset"]
        {
            assert!(fine(good), "{good}");
        }
        for bad in [
            "",
            "/Chassis",
            "chassis",
            "Accounts",
            "Nodes/../AccountService",
            "Nodes//1",
            "Nodes/",
            "Nodes/%2e%2E/x",
            "Nodes/.%2e/x",
            "Nodes/a%2fb",
            "Nodes/a%5cb",
            "Nodes/%252e%252e/x",
            "Nodes/a%00",
            "Nodes/a%0d%0ab",
            "Nodes/a\\b",
            "Nodes/a b",
            "Nodes/1#x",
            "http://h/Nodes",
        ] {
            assert!(!fine(bad), "{bad}");
        }
    }
}
