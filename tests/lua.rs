//! Every script of `lua/`: its header tells the truth, it stays within its bucket, somebody calls it, and Redis takes it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::fs;
use std::path::PathBuf;

use support::redis::TestRedis;
use valence::store::script::{ALONE, LIB};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Name and text of every script, in order; what they share lies in a folder.
fn scripts() -> Vec<(String, String)> {
    let mut found: Vec<_> = fs::read_dir(root().join("lua"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "lua"))
        .map(|p| (p.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&p).unwrap()))
        .collect();
    found.sort();
    assert!(found.len() > 10, "the scripts are not where they were");
    found
}

/// The script as the store sends it.
fn whole(text: &str) -> String {
    let (shebang, body) = text.split_once('\n').unwrap();
    if body.contains(ALONE) {
        return text.to_owned();
    }
    format!("{shebang}\n{LIB}\n{body}")
}

fn code(text: &str) -> String {
    text.lines().skip(1).filter(|l| !l.trim_start().starts_with("--")).map(|l| format!("{l}\n")).collect()
}

#[test]
fn every_script_says_what_it_does_takes_returns_and_costs() {
    for (name, text) in scripts() {
        let first = text.lines().next().unwrap();
        assert!(first == "#!lua" || first == "#!lua flags=allow-oom", "{name}: begins with {first}");
        assert!(text.lines().nth(1).unwrap().starts_with(&format!("-- {name}: ")), "{name}: its header names it");
        let header: Vec<&str> = text.lines().skip(1).take_while(|l| l.starts_with("--")).collect();
        let header = header.join("\n");
        for part in ["KEYS[1]", "ARGV[", "Returns", "Cost", "Callers"] {
            assert!(header.contains(part), "{name}: its header has no {part}");
        }
    }
}

#[test]
fn every_argument_a_script_reads_by_number_is_in_its_header() {
    for (name, text) in scripts() {
        let header: String = text.lines().skip(1).take_while(|l| l.starts_with("--")).collect();
        for (at, _) in code(&text).match_indices("ARGV[") {
            let code = code(&text);
            let index: String = code[at + 5..].chars().take_while(char::is_ascii_digit).collect();
            if index.is_empty() || !code[at + 5 + index.len()..].starts_with(']') {
                continue;
            }
            let told = [format!("ARGV[{index}]"), format!("ARGV[{index}…]")].iter().any(|t| header.contains(t));
            assert!(told, "{name}: ARGV[{index}] is read and not in the header");
        }
    }
}

#[test]
fn only_scripts_that_bring_new_work_stop_at_a_full_redis() {
    for (name, text) in scripts() {
        let stops = text.lines().next() == Some("#!lua");
        let brings_work = ["enqueue", "redrive"].contains(&name.as_str());
        assert_eq!(stops, brings_work, "{name}: allow-oom");
    }
}

#[test]
fn scripts_touch_only_keys_of_their_bucket() {
    // What a key may be: the prefix and a suffix, a task's key, a key made by lib/base.lua, or the one key of a script that stands alone.
    let keys = [
        "P ..",
        "t.key",
        "w.key",
        "stream_of(",
        "key,",
        "key)",
        "gate_key(",
        "wait_key(",
        "breaker_key(",
        "gate,",
        "gate)",
        "wait,",
        "KEYS[1]",
        // Lists of tasks' keys.
        "unpack(definitions)",
        "unpack(bodies)",
    ];
    for (name, text) in scripts().into_iter().chain([("lib".to_owned(), format!("\n{LIB}"))]) {
        let code = code(&text);
        assert!(!code.contains("vl:"), "{name}: spells a whole key");
        for (at, _) in code.match_indices("call(") {
            // redis.call, redis.pcall, or the name that lib/base.lua gives redis.call; with_group calls what it is handed, `call()`.
            let before: String =
                code[..at].chars().rev().take_while(|c| c.is_alphanumeric() || "._".contains(*c)).collect();
            let line = code[at + "call(".len()..].lines().next().unwrap();
            if line.starts_with(')') {
                continue;
            }
            assert!(["", ".sider", "p.sider"].contains(&before.as_str()), "{name}: {before} of {line}");
            let command = line.split('\'').nth(1).unwrap_or_default();
            if command == "TIME" {
                continue;
            }
            let args = line.split_once(',').map(|(_, rest)| rest.trim()).unwrap_or_default();
            // XGROUP CREATE, XINFO GROUPS: the key comes second.
            let args = match command {
                "XGROUP" | "XINFO" => args.split_once(',').map(|(_, rest)| rest.trim()).unwrap_or_default(),
                _ => args,
            };
            let fine =
                keys.iter().any(|k| args.starts_with(k)) || (command == "XREADGROUP" && code.contains("stream_of("));
            assert!(fine, "{name}: {line}");
        }
        let raw: Vec<_> = code
            .match_indices("redis.")
            .filter(|(at, _)| {
                let rest = &code[*at..];
                !["redis.call", "redis.pcall", "redis.error_reply("].iter().any(|c| rest.starts_with(c))
            })
            .collect();
        assert!(raw.is_empty(), "{name}: uses more of redis than call and pcall");
    }
}

#[test]
fn every_script_is_called_by_the_store_and_by_whom_its_header_says() {
    let mut store = String::new();
    for entry in fs::read_dir(root().join("src/store")).unwrap() {
        store.push_str(&fs::read_to_string(entry.unwrap().path()).unwrap());
    }
    for (name, _) in scripts() {
        assert!(store.contains(&format!("scripts().{name}")), "{name}: nobody calls it");
        assert!(valence::store::script::SOURCES.iter().any(|(n, _)| *n == name), "{name}: is not loaded");
    }
    assert_eq!(valence::store::script::SOURCES.len(), scripts().len());
}

#[tokio::test]
async fn a_real_redis_takes_every_script() {
    let redis = TestRedis::start().await;
    for (name, text) in scripts() {
        let sha: String = redis.command(&["SCRIPT", "LOAD", &whole(&text)]).await;
        assert_eq!(sha.len(), 40, "{name}");
    }
}

#[test]
fn the_first_line_stays_first_when_the_shared_part_goes_in() {
    for (name, text) in scripts() {
        assert!(whole(&text).starts_with("#!lua"), "{name}");
    }
}
