//! What `valence` says of itself: every command and argument has a help text, every command an example that can be typed; manual pages and
//! completion scripts know all of them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should say so")]

use std::collections::BTreeSet;

use clap::{ArgAction, Command};

/// Flags that clap and the command line add to each command.
const OF_EVERY_COMMAND: [&str; 8] =
    ["api_url", "token", "ca_file", "client_cert", "client_key", "json", "help", "version"];

/// Every command with its path, those that only have sub-commands too.
fn all() -> Vec<(String, Command)> {
    fn below(command: &Command, path: &str, found: &mut Vec<(String, Command)>) {
        for inner in command.get_subcommands().filter(|c| c.get_name() != "help") {
            let path = format!("{path} {}", inner.get_name()).trim_start().to_owned();
            below(inner, &path, found);
            found.push((path, inner.clone()));
        }
    }
    let mut root = valence::ctl::command();
    root.build();
    let mut found = Vec::new();
    below(&root, "", &mut found);
    assert!(found.len() > 80, "{}", found.len());
    found
}

fn leaves() -> Vec<(String, Command)> {
    all()
        .into_iter()
        .filter(|(_, c)| !c.has_subcommands() || c.get_subcommands().all(|c| c.get_name() == "help"))
        .collect()
}

#[test]
fn every_command_and_every_argument_has_a_help_text() {
    let mut wrong = Vec::new();
    for (path, command) in all() {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        if about.len() < 8 || about.ends_with('.') || !about.starts_with(char::is_uppercase) {
            wrong.push(format!("valence {path}: {about:?}"));
        }
        for arg in command.get_arguments() {
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            if help.len() < 3 || help.ends_with('.') {
                wrong.push(format!("valence {path}, {}: {help:?}", arg.get_id()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_all_commands_share_stands_apart_from_what_is_a_commands_own() {
    for (path, command) in leaves() {
        for arg in command.get_arguments().filter(|a| !matches!(a.get_action(), ArgAction::Help | ArgAction::Version)) {
            let shared = OF_EVERY_COMMAND.contains(&arg.get_id().as_str());
            let heading = arg.get_help_heading();
            assert_eq!(
                heading == Some("Options of every command"),
                shared,
                "valence {path}, {}: {heading:?}",
                arg.get_id()
            );
        }
        let help = command.clone().render_help().to_string();
        assert!(help.contains("--json") && help.contains("--api-url"), "{help}");
    }
}

#[test]
fn every_command_has_an_example_that_can_be_typed() {
    for (path, command) in leaves() {
        let shown = command.get_after_help().unwrap_or_else(|| panic!("valence {path} has no example")).to_string();
        let mut lines = shown.lines();
        assert!(matches!(lines.next(), Some("Example:" | "Examples:")), "{shown}");
        for line in lines {
            let mut words = shlex::split(line).unwrap_or_else(|| panic!("{line}: no shell takes it"));
            words.truncate(words.iter().position(|w| w == "<" || w == ">").unwrap_or(words.len()));
            let read = valence::ctl::command().try_get_matches_from(&words).unwrap_or_else(|e| panic!("{line}: {e}"));
            let (mut matches, mut meant) = (&read, Vec::new());
            while let Some((name, inner)) = matches.subcommand() {
                meant.push(name);
                matches = inner;
            }
            assert_eq!(meant.join(" "), path, "{line}");
        }
    }
}

#[test]
fn every_command_has_a_manual_page_with_its_flags_and_examples() {
    let dir = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_valence")).arg("man").arg(dir.path()).output().unwrap();
    assert!(output.status.success());
    for (path, command) in all() {
        let file = dir.path().join(format!("valence-{}.1", path.replace(' ', "-")));
        let page = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let plain = page.replace("\\-", "-");
        for flag in command.get_arguments().filter_map(|a| a.get_long()) {
            assert!(plain.contains(&format!("--{flag}")), "{}: --{flag}", file.display());
        }
        assert_eq!(command.get_after_help().is_some(), plain.contains("Example"), "{}", file.display());
    }
}

#[test]
fn completion_scripts_of_all_shells_know_every_command_and_flag() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output =
            std::process::Command::new(env!("CARGO_BIN_EXE_valence")).args(["completion", shell]).output().unwrap();
        let script = String::from_utf8(output.stdout).unwrap();
        let mut missing = BTreeSet::new();
        for (path, command) in all() {
            let own = path.rsplit(' ').next().unwrap().to_owned();
            let flags = command.get_arguments().filter_map(|a| a.get_long()).map(str::to_owned);
            missing.extend(flags.chain([own]).filter(|word| !script.contains(word.as_str())));
        }
        assert!(missing.is_empty(), "{shell}: {missing:?}");
    }
}

#[test]
fn the_bash_script_is_one_that_bash_reads() {
    let script =
        std::process::Command::new(env!("CARGO_BIN_EXE_valence")).args(["completion", "bash"]).output().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("valence.bash");
    std::fs::write(&file, script.stdout).unwrap();
    let asked = format!(
        "source {} && COMP_WORDS=(valence node co) COMP_CWORD=2 && _valence valence co node && printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        file.display()
    );
    let said = std::process::Command::new("bash").args(["--norc", "-c", &asked]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stdout).trim(), "compose", "{}", String::from_utf8_lossy(&said.stderr));
}
