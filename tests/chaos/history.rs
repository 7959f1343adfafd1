//! The history checker: reads what happened from the events streams, the API and the simulator, and says what must not have, one line
//! each, beginning with the invariant's number. It knows nothing of how the engine works.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

/// What is checked, in the words of docs/reliability.md.
pub const INVARIANTS: [&str; 10] = ["I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I10"];

/// One state change of a task.
#[derive(Debug, Clone)]
pub struct Change {
    /// Its place among all changes of its bucket.
    pub at: usize,
    pub state: String,
    pub claim: u64,
}

impl Change {
    fn is_end(&self) -> bool {
        matches!(self.state.as_str(), "completed" | "failed" | "cancelled")
    }
}

pub type Changes = HashMap<String, Vec<Change>>;

/// Reads all state changes of a deployment.
pub async fn changes(url: &str, buckets: u16) -> Changes {
    let mut all = Changes::new();
    for bucket in 0..buckets {
        all.extend(changes_of(url, bucket).await);
    }
    all
}

/// Those of one bucket.
pub async fn changes_of(url: &str, bucket: u16) -> Changes {
    let client = redis::Client::open(url).unwrap();
    let mut con = client.get_multiplexed_async_connection().await.unwrap();
    con.set_response_timeout(std::time::Duration::from_secs(60));
    let mut all = Changes::new();
    let (key, mut from, mut at) = (format!("vl:{{b{bucket:02x}}}:events"), "-".to_owned(), 0);
    loop {
        let entries: Vec<(String, Vec<String>)> =
            redis::cmd("XRANGE").arg(&[&key, &from, "+", "COUNT", "10000"]).query_async(&mut con).await.unwrap();
        let Some((last, _)) = entries.last() else { return all };
        from = format!("({last}");
        for pair in entries.iter().flat_map(|(_, fields)| fields.chunks_exact(2)) {
            let words: Vec<&str> = pair[1].splitn(3, ' ').collect();
            if words.len() == 2 {
                at += 1;
                let change = Change { at, state: words[0].to_owned(), claim: words[1].parse().unwrap() };
                all.entry(pair[0].clone()).or_default().push(change);
            }
        }
    }
}

/// I1 to I4: what was accepted is there, has ended, once, and by the last claim.
pub fn ends(accepted: &HashSet<String>, changes: &Changes, tasks: &BTreeMap<String, Value>) -> Vec<String> {
    accepted.iter().filter_map(|id| end(id, changes.get(id), tasks.get(id)).err()).collect()
}

fn end(id: &str, changes: Option<&Vec<Change>>, task: Option<&Value>) -> Result<(), String> {
    let task = task.ok_or_else(|| format!("I1 {id}: accepted, and not there; its history is {changes:?}"))?;
    let changes = changes.ok_or_else(|| format!("I1 {id}: accepted, and no change of it on record"))?;
    let ends: Vec<&Change> = changes.iter().filter(|c| c.is_end()).collect();
    let shown = || changes.iter().map(|c| format!("{} {}", c.state, c.claim)).collect::<Vec<_>>().join(", ");
    let state = task["state"].as_str().unwrap_or_default();
    match ends.as_slice() {
        [] => Err(format!("I2 {id}: not ended: {}", shown())),
        [end] if end.state != state => Err(format!("I3 {id}: is {state} but ended as: {}", shown())),
        [_] if !changes.last().is_some_and(Change::is_end) => {
            Err(format!("I3 {id}: changed after its end: {}", shown()))
        }
        [end] => {
            let last = changes.iter().filter(|c| c.state == "running").map(|c| c.claim).max().unwrap_or(0);
            let by = task["result"]["claim"].as_u64();
            if end.state == "completed" && end.claim != last {
                return Err(format!("I4 {id}: ended under claim {}, last began {last}", end.claim));
            }
            if by.is_some_and(|by| by != last) {
                return Err(format!("I4 {id}: the result is of claim {by:?}, the last began {last}: {}", shown()));
            }
            Ok(())
        }
        _ => Err(format!("I3 {id}: ended {} times: {}", ends.len(), shown())),
    }
}

/// I5: tasks of one node run one at a time, and begin in the order of acceptance.
pub fn turns(changes: &Changes, tasks: &BTreeMap<String, Value>) -> Vec<String> {
    let mut of_node: BTreeMap<&str, Vec<(usize, usize, usize, &str)>> = BTreeMap::new();
    for (id, task) in tasks {
        let (Some(node), Some(changes)) = (task["node_id"].as_str(), changes.get(id)) else { continue };
        let Some(began) = changes.iter().find(|c| c.state == "running") else { continue };
        let ended = changes.iter().find(|c| c.is_end()).map_or(usize::MAX, |c| c.at);
        of_node.entry(node).or_default().push((began.at, ended, changes[0].at, id));
    }
    let mut wrong = Vec::new();
    for (node, mut turns) in of_node {
        turns.sort_unstable();
        for pair in turns.windows(2) {
            let ((_, ended, before, a), (began, _, after, b)) = (pair[0], pair[1]);
            if began < ended {
                wrong.push(format!("I5 node {node}: {b} began before {a} had ended"));
            }
            if after < before {
                wrong.push(format!("I5 node {node}: {a} began before {b}, which was accepted first"));
            }
        }
    }
    wrong
}

/// I7: one key, one task. `posts`: what each was answered.
pub fn keys(posts: &[(String, String)]) -> Vec<String> {
    let mut first: HashMap<&str, &str> = HashMap::new();
    let other = |(key, id): &'_ (String, String), before: &str| format!("I7 key {key}: {before} and {id}");
    let mut wrong = Vec::new();
    for post in posts {
        match first.insert(&post.0, &post.1) {
            Some(before) if before != post.1 => wrong.push(other(post, before)),
            _ => {}
        }
    }
    wrong
}

/// I8: no system is in two nodes. `nodes`: what a simulator's `/sim/nodes` says.
pub fn blocks(nodes: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    for podm in nodes.as_array().into_iter().flatten() {
        let mut used = HashSet::new();
        for node in podm["nodes"].as_array().into_iter().flatten() {
            if !node["system"].is_null() && !used.insert(node["system"].to_string()) {
                wrong.push(format!("I8 {} is in two nodes: {podm}", node["system"]));
            }
        }
    }
    wrong
}

/// I10: what a waiting client was told is what is stored. `told`: the ended tasks that answers held.
pub fn answers(told: &[Value], tasks: &BTreeMap<String, Value>) -> Vec<String> {
    let parts = |task: &Value| [&task["state"], &task["result"], &task["finished_at"]].map(Value::clone);
    let differs = |t: &&Value| tasks.get(t["id"].as_str().unwrap_or_default()).is_some_and(|s| parts(s) != parts(t));
    told.iter().filter(differs).map(|t| format!("I10 {}: its client was told {t}", t["id"])).collect()
}

/// The row of zeros: how many violations there are of each invariant that was looked at.
pub fn row(looked_at: &[&str], wrong: &[String]) -> String {
    let count = |name: &str| wrong.iter().filter(|w| w.split(' ').next() == Some(name)).count();
    let cells: Vec<String> = looked_at.iter().map(|name| format!("{name} {}", count(name))).collect();
    cells.join("  ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// States, each with its claim, in order from a place on.
    fn history(from: usize, text: &str) -> Vec<Change> {
        let words: Vec<&str> = text.split(' ').collect();
        let change = |(n, pair): (usize, &[&str])| Change {
            at: from + n,
            state: pair[0].to_owned(),
            claim: pair[1].parse().unwrap(),
        };
        words.chunks_exact(2).enumerate().map(change).collect()
    }

    /// What the checker says of one accepted task.
    fn said(text: &str, task: Value) -> String {
        let (id, accepted) = ("t".to_owned(), HashSet::from(["t".to_owned()]));
        let changes = if text.is_empty() { Changes::new() } else { Changes::from([(id.clone(), history(0, text))]) };
        let tasks = if task.is_null() { BTreeMap::new() } else { BTreeMap::from([(id, task)]) };
        ends(&accepted, &changes, &tasks).concat()
    }

    #[test]
    fn a_good_history_is_not_complained_of() {
        let text = "queued 0 running 1 queued 1 running 2 completed 2";
        assert_eq!(said(text, json!({"state": "completed", "result": {"claim": 2}})), "");
        assert_eq!(said("queued 0 cancelled 0", json!({"state": "cancelled"})), "");
    }

    #[test]
    fn a_lost_task_an_unended_one_two_ends_and_a_late_writer_are_seen() {
        let done = json!({"state": "completed"});
        assert!(said("queued 0 running 1 completed 1", Value::Null).starts_with("I1"));
        assert!(said("", done.clone()).starts_with("I1"));
        assert!(said("queued 0 running 1 retrying 1", json!({"state": "retrying"})).starts_with("I2"));
        assert!(said("queued 0 running 1 completed 1 failed 1", json!({"state": "failed"})).starts_with("I3"));
        assert!(said("queued 0 running 1 completed 1 queued 1", done.clone()).starts_with("I3"));
        assert!(said("queued 0 running 1 failed 1", done.clone()).starts_with("I3"));
        assert!(said("queued 0 running 1 queued 1 running 2 completed 1", done).starts_with("I4"));
        let late = json!({"state": "completed", "result": {"claim": 1}});
        assert!(said("queued 0 running 1 queued 1 running 2 completed 2", late).starts_with("I4"));
    }

    #[test]
    fn two_at_a_node_and_a_node_out_of_turn_are_seen() {
        let task = || json!({"node_id": "n"});
        let tasks = BTreeMap::from([("a".to_owned(), task()), ("b".to_owned(), task())]);
        let both = |a, b| turns(&Changes::from([("a".to_owned(), a), ("b".to_owned(), b)]), &tasks);
        let queued = |at| history(at, "queued 0");
        let then = |first: Vec<Change>, at, text| [first, history(at, text)].concat();
        let good = both(then(queued(0), 2, "running 1 completed 1"), then(queued(1), 4, "running 1 completed 1"));
        assert_eq!(good, Vec::<String>::new());
        let together = both(then(queued(0), 2, "running 1"), then(queued(1), 3, "running 1 completed 1"));
        assert!(together[0].contains("had ended"), "{together:?}");
        let early = both(then(queued(0), 4, "running 1 completed 1"), then(queued(1), 2, "running 1 completed 1"));
        assert!(early[0].contains("accepted first"), "{early:?}");
    }

    #[test]
    fn a_key_with_two_tasks_a_system_in_two_nodes_and_an_answer_that_is_not_stored_are_seen() {
        let post = |key: &str, id: &str| (key.to_owned(), id.to_owned());
        assert_eq!(keys(&[post("k", "1"), post("k", "1"), post("l", "2")]).len(), 0);
        assert_eq!(keys(&[post("k", "1"), post("k", "2")]).len(), 1);
        let nodes = |a, b| json!([{"podm": 0, "nodes": [{"system": a}, {"system": b}]}, {"nodes": [{"system": a}]}]);
        assert_eq!(blocks(&nodes("System1", "System2")).len(), 0);
        assert_eq!(blocks(&nodes("System1", "System1")).len(), 1);
        let task = |result| json!({"id": "t", "state": "completed", "result": result, "finished_at": "x"});
        let stored = BTreeMap::from([("t".to_owned(), task(1))]);
        assert_eq!(answers(&[task(1)], &stored).len(), 0);
        assert_eq!(answers(&[task(2)], &stored).len(), 1);
        assert_eq!(row(&["I7", "I8"], &["I7 k".to_owned()]), "I7 1  I8 0");
    }
}
