//! The examples of docs/tutorial.md and docs/api.md, run in their order against `valence up`, and compared with what stands below them.
//!
//! A block of `sh` is run, unless its fence says more than that. A block of `text` right after it is what it prints: `…` stands for anything
//! within a line (and one blank may be many), and a line of `…` alone for any lines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::path::Path;
use std::process::Command;

use support::process::free_port;
use support::up::Up;

/// One example: the line it stands at, what is typed, what is printed; `None`: whatever it is.
struct Example {
    line: usize,
    typed: String,
    printed: Option<String>,
}

fn examples(page: &str) -> Vec<Example> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page)).unwrap();
    let mut found: Vec<Example> = Vec::new();
    let mut lines = text.lines().enumerate();
    // Whether the last block was one that is run.
    let mut runs = false;
    while let Some((n, line)) = lines.next() {
        let Some(fence) = line.strip_prefix("```") else { continue };
        let body: Vec<&str> = lines.by_ref().map(|(_, l)| l).take_while(|l| *l != "```").collect();
        let body = body.join("\n");
        match fence {
            "sh" => found.push(Example { line: n + 1, typed: body, printed: None }),
            "text" if runs => found.last_mut().unwrap().printed = Some(body),
            _ => {}
        }
        runs = fence == "sh";
    }
    found
}

/// Whether a printed line is what stands in the page.
fn same(wanted: &str, printed: &str) -> bool {
    let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (wanted, printed) = (squeeze(wanted), squeeze(printed));
    let mut parts = wanted.split('…').map(str::trim);
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = printed.strip_prefix(first) else { return false };
    let mut last = None;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
        last = Some(part);
    }
    // What stands behind the last … ends the line.
    last.map_or(rest.is_empty(), |part| part.is_empty() || printed.ends_with(part))
}

fn all_same(wanted: &[&str], printed: &[&str]) -> bool {
    match (wanted.split_first(), printed.split_first()) {
        (None, None) => true,
        (Some((&"…", wanted)), _) => (0..=printed.len()).any(|n| all_same(wanted, &printed[n..])),
        (Some((first, wanted)), Some((line, printed))) => same(first, line) && all_same(wanted, printed),
        _ => false,
    }
}

/// Runs a page's examples in one shell, as a reader does, against `valence up`.
fn follow(page: &str) {
    let dir = tempfile::tempdir().unwrap();
    let up = Up::start(dir.path());
    run(page, examples(page), dir.path(), &up.url);
}

/// Runs examples in one shell, in a directory.
fn run(page: &str, examples: Vec<Example>, at: &Path, api: &str) {
    assert!(examples.len() > 3, "{page}: its examples are not found");
    let mark = |n: usize| format!("=== {page} {n} ===");
    let script: String =
        examples.iter().enumerate().map(|(n, e)| format!("{}\necho '{}'\n", e.typed, mark(n))).collect();
    let bin = Path::new(env!("CARGO_BIN_EXE_valence")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    // It ends what the page started, too, when the page does not come to its end.
    let mut command = Command::new("timeout");
    match api {
        "" => command.env_remove("VALENCE_API_URL"),
        api => command.env("VALENCE_API_URL", api),
    };
    let output = command
        .args(["110", "bash", "-c", &format!("set -u\nexec 2>&1\n{script}")])
        .current_dir(at)
        .env("PATH", path)
        .env("API", api)
        .env_remove("VALENCE_API_TOKEN")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut rest = said.as_str();
    for (n, example) in examples.iter().enumerate() {
        let place = format!("docs/{page}:{}", example.line);
        let (printed, more) = rest.split_once(&format!("{}\n", mark(n))).unwrap_or_else(|| panic!("{place}: {said}"));
        rest = more;
        let lines: Vec<&str> = printed.lines().collect();
        let wanted: Option<Vec<&str>> = example.printed.as_deref().map(|text| text.lines().collect());
        let holds = wanted.as_ref().map_or(printed.is_empty(), |wanted| all_same(wanted, &lines));
        assert!(
            holds,
            "{place}:\n{}\n--- printed:\n{printed}--- wanted:\n{}",
            example.typed,
            example.printed.as_deref().unwrap_or("")
        );
    }
}

#[test]
fn the_tutorial_is_what_happens() {
    follow("tutorial.md");
}

#[test]
fn the_api_guide_is_what_is_answered() {
    follow("api.md");
}

#[test]
fn the_steps_to_tls_tokens_and_client_certificates_are_what_happens() {
    let dir = tempfile::tempdir().unwrap();
    let mut examples = examples("security.md");
    // The page's port may be somebody's.
    let port = free_port().to_string();
    for example in &mut examples {
        example.typed = example.typed.replace("8443", &port);
        example.printed = example.printed.take().map(|text| text.replace("8443", &port));
    }
    run("security.md", examples, dir.path(), "");
}

#[test]
fn a_line_that_differs_is_seen() {
    assert!(same("a … c", "a b c") && same("…", "") && same("a  b", "a b") && same("x…", "xyz"));
    assert!(!same("a … c", "a b d") && !same("a", "a b") && !same("a … c", "a b c d") && !same("x…", "y"));
    assert!(all_same(&["…", "b"], &["a", "a", "b"]) && !all_same(&["…", "b"], &["b", "a"]) && !all_same(&["a"], &[]));
}
