//! Who may import whom: read from the `use crate::` lines (and paths) of `src/`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules that anybody may use and that use at most what stands here.
const LEAVES: [&str; 8] = ["ids", "clock", "controls", "lease", "secret", "config", "shutdown", "observe"];

/// What a module may use besides itself and the leaves. A path such as `store::gates` allows that part alone.
fn allowed(module: &str) -> &'static [&'static str] {
    match module {
        "api" => &["store", "model"],
        // The pool, and Ironic, are handed through to the handlers; a worker makes no request itself.
        "worker" => &["service", "store", "model", "podm::Pool", "ironic::Ironic"],
        "upkeep" => &["store", "podm", "placement", "model"],
        "service" => &["podm", "ironic", "placement", "model", "store"],
        "placement" => &["model"],
        "podm" => &["model", "store::gates", "store::StoreError"],
        // Another service, and no Pod Manager: it uses nothing of podm.
        "ironic" => &["model"],
        "store" => &["model"],
        "sim" => &[],
        // The serde structs that the API answers with, no calls.
        "ctl" => &["model", "api::view", "store::explain", "store::queues", "store::workers", "store::schedules"],
        // What the daemons' executables have in common.
        "daemon" => &["api", "worker", "upkeep", "podm", "store", "model"],
        // It measures the store beside the bare commands.
        "bench" => &["store", "placement", "model"],
        // Leaves may use plain data; settings know what the store is told, and show its address as the store says.
        "config" => &["model", "store::StoreOptions", "store::without_password"],
        _ => &["model"],
    }
}

/// Files with more rights than their module, and why.
fn exceptions(file: &str) -> &'static [&'static str] {
    match file {
        // `valence up` starts every other part.
        "ctl/up.rs" | "ctl/parts.rs" | "ctl/sims.rs" => &["api", "worker", "upkeep", "sim", "store", "podm::Pool"],
        // It asks a URL of the settings, under the rule that holds for URLs of Pod Managers.
        "api/jwks.rs" => &["podm::guard"],
        // It looks for what the API cannot see.
        "ctl/doctor.rs" => &["store"],
        _ => &[],
    }
}

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Every `crate::a::b` in the code of a file, comments and tests left out.
fn imports(text: &str) -> BTreeSet<String> {
    let code: String = text
        .lines()
        .take_while(|l| !l.starts_with("#[cfg(test)]"))
        .filter(|l| !l.trim_start().starts_with("//"))
        .map(|l| format!("{l}\n"))
        .collect();
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            for item in group.split('}').next().unwrap_or_default().split(',') {
                found.insert(item.trim().to_owned());
            }
            continue;
        }
        let path: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_' || *c == ':').collect();
        found.insert(path.trim_end_matches(':').to_owned());
    }
    found
}

#[test]
fn nobody_imports_against_the_layers() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    files(&src, &mut all);
    let mut wrong = Vec::new();
    for path in all {
        let name = path.strip_prefix(&src).unwrap().display().to_string();
        let module = name.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
        if module == "lib" {
            continue;
        }
        for import in imports(&fs::read_to_string(&path).unwrap()) {
            let top = import.split("::").next().unwrap();
            let leaf = LEAVES.contains(&top);
            let under = |rule: &&str| import == **rule || import.starts_with(&format!("{rule}::"));
            let fine = import.is_empty()
                || top == module
                || (leaf && (module != "sim" || matches!(top, "config" | "shutdown" | "observe")))
                || (module == "sim" && top == "model")
                || allowed(&module).iter().any(&under)
                || exceptions(&name).iter().any(&under);
            if !fine {
                wrong.push(format!("src/{name} uses crate::{import}"));
            }
        }
    }
    assert!(wrong.is_empty(), "against the layers:\n{}", wrong.join("\n"));
}

#[test]
fn only_the_store_names_redis_and_only_podm_speaks_to_hardware() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    files(&src, &mut all);
    let mut wrong = Vec::new();
    for path in all {
        let name = path.strip_prefix(&src).unwrap().display().to_string();
        let text = fs::read_to_string(&path).unwrap();
        let uses = |krate: &str| {
            let code = text.lines().filter(|l| !l.trim_start().starts_with("//"));
            code.into_iter().any(|l| {
                l.match_indices(krate).any(|(at, _)| {
                    !l[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
                })
            })
        };
        // `valence-bench` compares with bare commands; its yardsticks are those commands.
        if uses("redis::") && !["store/", "bench/"].iter().any(|m| name.starts_with(m)) {
            wrong.push(format!("src/{name} names redis"));
        }
        let http = ["podm/", "ironic/", "ctl/", "sim/", "bench/", "api/jwks.rs"].iter().any(|m| name.starts_with(m));
        if uses("reqwest::") && !http {
            wrong.push(format!("src/{name} names reqwest"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_imports_sees_groups_and_paths() {
    let text =
        "use crate::store::{Store, keys};\nlet x = crate::model::kind::Kind;\n// crate::podm\nuse crate::{ids, clock};";
    let found = imports(text);
    for import in ["store", "model::kind::Kind", "ids", "clock"] {
        assert!(found.contains(import), "{import} in {found:?}");
    }
    assert!(!found.contains("podm"));
}
