//! The pages that lead through the code are followed to the letter: what they add can be added, compiles, and does what they say.
//!
//! In a block ```` ```rust FILE ```` stands a whole new file, in ```` ```diff ```` a change of one, in ```` ```sh ```` what is typed then. That the blocks still
//! fit the sources is looked at every time; `make walks` also runs what is typed, which builds the crate anew for each page.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

const PAGES: [&str; 2] = ["adding-a-kind", "adding-a-driver"];

/// What is no source: nothing of it is copied.
const LEFT_OUT: [&str; 4] = ["target", ".git", ".venv", "run"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// One step of a page.
enum Step {
    New { file: String, text: String },
    Change(String),
    Typed(String),
}

fn steps(page: &str) -> Vec<Step> {
    let text = fs::read_to_string(root().join(format!("docs/{page}.md"))).unwrap();
    let mut lines = text.lines();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        let Some(fence) = line.strip_prefix("```") else { continue };
        let body: String = lines.by_ref().take_while(|l| *l != "```").flat_map(|l| [l, "\n"]).collect();
        match fence.split_once(' ').unwrap_or((fence, "")) {
            ("rust", "") => panic!("{page}: a block of Rust names no file"),
            ("rust", file) => found.push(Step::New { file: file.to_owned(), text: body }),
            ("diff", "") => found.push(Step::Change(body)),
            ("sh", "") => found.push(Step::Typed(body)),
            other => panic!("{page}: nobody knows what to do with {other:?}"),
        }
    }
    assert!(found.len() > 5, "{page}: its blocks are not found");
    found
}

/// Copies a directory's sources. The console's packages are none.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (name, target) = (entry.file_name(), to.join(entry.file_name()));
        if name == "node_modules" || (from == root() && LEFT_OUT.iter().any(|left_out| name == *left_out)) {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}

/// Applies a change to the copy, exactly where it says.
fn patch(at: &Path, page: &str, change: &str) {
    let args = ["-p1", "--fuzz=0", "--no-backup-if-mismatch", "--reject-file=-", "-d"];
    let mut child = Command::new("patch").args(args).arg(at).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let child = child.as_mut().expect("patch must be installed: make setup-test");
    child.stdin.take().unwrap().write_all(change.as_bytes()).unwrap();
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut said).unwrap();
    assert!(child.wait().unwrap().success(), "docs/{page}.md does not fit the sources any more:\n{said}\n{change}");
}

#[test]
fn the_changes_that_the_pages_show_fit_the_sources() {
    for page in PAGES {
        let dir = tempfile::tempdir().unwrap();
        copy(&root().join("src"), &dir.path().join("src"));
        for step in steps(page) {
            match step {
                Step::Change(change) => patch(dir.path(), page, &change),
                Step::New { file, .. } => assert!(!root().join(&file).exists(), "{page}: {file} is there already"),
                Step::Typed(_) => {}
            }
        }
    }
}

/// A place for the copy and what it is built into, away with the test. What the packages that Valence uses were built into is shared, file
/// by file, and nothing is written there.
fn scratch() -> tempfile::TempDir {
    let dir = tempfile::tempdir_in(root().join("target")).unwrap();
    fs::create_dir_all(dir.path().join("target/debug")).unwrap();
    for part in ["deps", "build", ".fingerprint"] {
        let mut link = Command::new("cp");
        link.arg("-al").arg(root().join("target/debug").join(part)).arg(dir.path().join("target/debug"));
        assert!(link.status().unwrap().success());
    }
    dir
}

fn walk(page: &str) {
    let scratch = scratch();
    let at = scratch.path().join(page);
    copy(root(), &at);
    for step in steps(page) {
        match step {
            Step::New { file, text } => {
                let file = at.join(file);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, text).unwrap();
            }
            Step::Change(change) => patch(&at, page, &change),
            Step::Typed(typed) => {
                let mut bash = Command::new("bash");
                bash.args(["-euxc", &typed]).current_dir(&at).env("CARGO_INCREMENTAL", "0");
                bash.env("CARGO_TARGET_DIR", scratch.path().join("target"));
                assert!(bash.status().unwrap().success(), "docs/{page}.md: {typed}");
            }
        }
    }
}

#[test]
#[ignore = "builds the crate anew: make walks"]
fn a_kind_is_added_by_its_page() {
    walk("adding-a-kind");
}

#[test]
#[ignore = "builds the crate anew: make walks"]
fn a_driver_is_added_by_its_page() {
    walk("adding-a-driver");
}
