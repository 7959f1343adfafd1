//! Pod Managers that hang, are slow or answer 503 cost the others nothing, and nothing is lost: the bench's own scenario on a small fleet
//! of real processes, with the bench's own checks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

use std::process::Command;

use serde_json::Value;

/// Fewer slots than the bad Pod Managers would take: 2 workers with 8 each, 11 bad Pod Managers with 4 changes each.
const FLEET: [&str; 9] = [
    "bulkhead",
    "--runs=1",
    "--podms=60",
    "--seconds=20",
    "--rate=10",
    "--concurrency=8",
    "--p99-ratio=4",
    "--fsync=no",
    "--json",
];

fn figure(report: &Value, name: &str) -> f64 {
    let rows = report["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["figure"].as_str().unwrap().contains(name));
    row.unwrap_or_else(|| panic!("no figure '{name}' in {report}"))["median"].as_f64().unwrap()
}

#[test]
fn bad_pod_managers_stay_within_their_budgets_and_hold_up_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let json = dir.path().join("report.json");
    let ran = Command::new(env!("CARGO_BIN_EXE_valence-bench")).args(FLEET).arg(&json).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    let report: Value = serde_json::from_slice(&std::fs::read(&json).unwrap_or_else(|_| panic!("{said}"))).unwrap();
    assert_eq!(report["broken"], Value::Array(Vec::new()), "{said}");
    assert!(ran.status.success(), "{said}");
    assert!(figure(&report, "tasks accepted") >= 200.0, "there was a load: {said}");
    for sort in ["black hole", "slow one", "answers 503"] {
        assert!(figure(&report, sort) > 0.0, "somebody asked at a {sort}: {said}");
    }
}
