//! The history checker: reads what happened from the events streams, the API and the simulator, and says what must not have.
//! It knows nothing of how the engine works.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

/// One state change of a task, in the order of the stream.
#[derive(Debug, Clone)]
pub struct Change {
    pub state: String,
    pub claim: u64,
}

/// Reads all state changes of a deployment.
pub async fn changes(url: &str, buckets: u16) -> HashMap<String, Vec<Change>> {
    let client = redis::Client::open(url).unwrap();
    let mut con = client.get_multiplexed_async_connection().await.unwrap();
    con.set_response_timeout(std::time::Duration::from_secs(60));
    let mut all: HashMap<String, Vec<Change>> = HashMap::new();
    for bucket in 0..buckets {
        let key = format!("vl:{{b{bucket:02x}}}:events");
        let entries: Vec<(String, Vec<String>)> =
            redis::cmd("XRANGE").arg(&[&key, "-", "+"]).query_async(&mut con).await.unwrap();
        for (_, fields) in entries {
            for pair in fields.chunks_exact(2) {
                let words: Vec<&str> = pair[1].splitn(3, ' ').collect();
                if words.len() == 2 {
                    let change = Change { state: words[0].to_owned(), claim: words[1].parse().unwrap() };
                    all.entry(pair[0].clone()).or_default().push(change);
                }
            }
        }
    }
    all
}

/// What must not have happened: one line each.
pub fn violations(
    accepted: &HashSet<String>,
    changes: &HashMap<String, Vec<Change>>,
    tasks: &BTreeMap<String, Value>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for id in accepted {
        let Some(task) = tasks.get(id) else {
            wrong.push(format!("I1 {id}: accepted, and not there"));
            continue;
        };
        let Some(changes) = changes.get(id) else {
            wrong.push(format!("I1 {id}: accepted, and no change of it on record"));
            continue;
        };
        let is_end = |c: &&Change| matches!(c.state.as_str(), "completed" | "failed" | "cancelled");
        let ends: Vec<&Change> = changes.iter().filter(is_end).collect();
        let shown = || changes.iter().map(|c| format!("{} {}", c.state, c.claim)).collect::<Vec<_>>().join(", ");
        let state = task["state"].as_str().unwrap_or_default();
        match ends.as_slice() {
            [] => wrong.push(format!("I2 {id}: not ended: {}", shown())),
            [end] if end.state != state => wrong.push(format!("I3 {id}: is {state} but ended as: {}", shown())),
            [_] if !changes.last().is_some_and(|c| is_end(&c)) => {
                wrong.push(format!("I3 {id}: changed after its end: {}", shown()));
            }
            [end] => {
                let last = changes.iter().filter(|c| c.state == "running").map(|c| c.claim).max().unwrap_or(0);
                if end.state == "completed" && end.claim != last {
                    wrong.push(format!("I4 {id}: ended under claim {}, last began {last}", end.claim));
                }
                let by = task["result"]["claim"].as_u64();
                if by.is_some_and(|by| by != last) {
                    wrong.push(format!("I4 {id}: the result is of claim {by:?}, the last began {last}: {}", shown()));
                }
            }
            _ => wrong.push(format!("I3 {id}: ended {} times: {}", ends.len(), shown())),
        }
    }
    wrong
}
