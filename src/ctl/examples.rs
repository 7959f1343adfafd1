//! Examples at the end of help pages, one table for all commands: a test sees that every command has one and that each can be typed.

use clap::{Command, CommandFactory as _};

use super::cli::Cli;

/// A command, and what to type behind it; `""`: the command alone.
const EXAMPLES: &[(&str, &[&str])] = &[
    ("", &["up", "node compose --name web1 --memory-mib 4096 --wait", "doctor", "top", "task explain ID"]),
    (
        "up",
        &["", "--podms 5 --listen 127.0.0.1:0 --data-dir /tmp/valence", "--no-sim --redis redis://redis.example:6379"],
    ),
    ("top", &["", "--every 5", "--once"]),
    ("task list", &["--state failed --kind node.compose", "--podm ID --watch", "--label site:north --json"]),
    ("task show", &["ID"]),
    ("task wait", &["ID --timeout 60"]),
    ("task cancel", &["ID --wait"]),
    ("task retry", &["ID --wait"]),
    ("task delete", &["ID"]),
    ("task explain", &["ID"]),
    (
        "task create",
        &[
            "podm.probe --podm ID --wait",
            r#"node.action --node ID --params '{"Reset": {"Type": "On"}}' --priority high"#,
        ],
    ),
    ("task batch", &[r#"'[{"kind": "podm.probe", "podm_id": "ID"}]'"#, "- < tasks.json"]),
    ("task events", &["", "ID --json"]),
    ("queue list", &["--watch"]),
    ("queue pause", &["compute"]),
    ("queue resume", &["compute"]),
    ("worker list", &["--watch=5"]),
    ("node list", &["--podm ID"]),
    ("node show", &["ID"]),
    (
        "node compose",
        &[
            "--name web1 --memory-mib 4096 --cores 8 --wait",
            "--name web1 --flavor ID --spread rack --anti-affinity gen=old",
            "--name web1 --memory-mib 4096 --dry-run",
        ],
    ),
    ("node manage", &["1 --podm ID --wait"]),
    ("node delete", &["ID --wait"]),
    ("node reset", &["ID graceful-restart --wait"]),
    ("node boot", &["ID pxe", "ID hdd --continuous --wait"]),
    ("node register", &["ID --wait", r#"ID --body '{"resource_class": "gold"}'"#]),
    ("podm list", &["--watch"]),
    ("podm show", &["ID"]),
    (
        "podm add",
        &[
            "--name rack-1 --url https://podm.example:8443 --username admin --ca-pem rack-1.pem --password-stdin < password",
        ],
    ),
    (
        "podm update",
        &[
            "ID --max-changes 8 --weight 0.5 --label rack=a --label site=north",
            "ID --username admin --password-stdin < password",
        ],
    ),
    ("podm delete", &["ID"]),
    ("podm cordon", &["ID"]),
    ("podm uncordon", &["ID"]),
    ("podm drain", &["ID"]),
    ("podm inventory", &["--podm ID"]),
    ("podm refresh", &["ID --full --wait"]),
    ("podm probe", &["ID"]),
    ("podm drivers", &[""]),
    ("flavor list", &[""]),
    ("flavor show", &["ID"]),
    ("flavor create", &["--name small --memory-mib 4096 --cores 8", "--name gpu --cores 32 --pci GPU --pci NIC"]),
    ("flavor update", &["ID --memory-mib 8192 --cores 16", "ID --name medium"]),
    ("flavor delete", &["ID"]),
    ("system list", &["--podm ID"]),
    ("system show", &["1"]),
    ("rack list", &["--podm ID"]),
    ("rack show", &["1 --podm ID"]),
    ("storage list", &["", "--node ID"]),
    ("storage show", &["1 --podm ID"]),
    ("storage volume-create", &["1 --podm ID --name data --capacity 100 --wait"]),
    ("storage volume-delete", &["1 7 --podm ID --wait"]),
    ("device list", &["--type SSD --state free"]),
    ("device show", &["ID"]),
    ("device attach", &["DEVICE --node ID --wait"]),
    ("device detach", &["DEVICE --node ID --wait"]),
    ("device sync", &["--wait"]),
    ("network switches", &[""]),
    ("network switch-show", &["SWITCH --podm ID"]),
    ("network ports", &["SWITCH --podm ID"]),
    ("network vlans", &["SWITCH PORT"]),
    ("network interfaces", &["NODE"]),
    ("network vlan-create", &["SWITCH PORT 100 --untagged --wait"]),
    ("network vlan-delete", &["SWITCH PORT 100 --wait"]),
    ("network assign", &["NODE 100 --wait"]),
    ("network unassign", &["NODE 100 --interface eth0 --wait"]),
    ("telemetry readings", &["--kind temperature --watch", "--node ID"]),
    ("telemetry collect", &["PODM"]),
    ("telemetry events", &["PODM --limit 20"]),
    ("telemetry subscriptions", &[""]),
    ("telemetry subscribe", &["PODM --receiver https://valence.example:8181"]),
    ("telemetry unsubscribe", &["PODM"]),
    ("kind list", &["", "--json"]),
    ("schedule list", &[""]),
    (
        "schedule create",
        &[
            "--name devices --every-s 3600 --kind device.sync",
            r#"--name nightly --cron '0 3 * * *' --time-zone Europe/Berlin --task '{"kind": "podm.probe", "podm_id": "ID"}'"#,
        ],
    ),
    ("schedule show", &["ID"]),
    ("schedule update", &["ID --every-s 7200", "ID --cron '30 2 * * *' --time-zone Europe/Berlin"]),
    ("schedule delete", &["ID"]),
    ("schedule enable", &["ID"]),
    ("schedule disable", &["ID"]),
    ("dead-letter list", &["--limit 10"]),
    ("dead-letter redrive", &["--podm ID --dry-run", "--kind node.compose --rate-per-s 5"]),
    ("drift", &["--podm ID"]),
    ("audit", &["--since 2026-01-01T00:00:00Z --outcome denied", "--actor ops --action DELETE"]),
    ("secret list", &["--file secret.key"]),
    ("secret create", &["--file secret.key"]),
    ("secret stage", &["--file secret.key"]),
    ("secret promote", &["--file secret.key"]),
    ("secret rotate", &["--file secret.key"]),
    ("secret prune", &["--file secret.key"]),
    ("doctor", &["", "--check --redis redis://127.0.0.1:6379"]),
    ("completion", &["bash > ~/.local/share/bash-completion/completions/valence"]),
    ("man", &["~/.local/share/man/man1"]),
];

/// The whole command line, its help pages with examples.
#[must_use]
pub fn command() -> Command {
    with_examples(Cli::command(), "")
}

fn with_examples(command: Command, path: &str) -> Command {
    let command = match EXAMPLES.iter().find(|(name, _)| *name == path) {
        None => command,
        Some((_, typed)) => {
            let line = |behind: &&str| {
                ["\n  valence", path, behind].into_iter().filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ")
            };
            let lines = typed.iter().map(line);
            let title = if typed.len() == 1 { "Example:" } else { "Examples:" };
            command.after_help(format!("{title}{}", lines.collect::<String>()))
        }
    };
    command.mut_subcommands(|inner| {
        let path = format!("{path} {}", inner.get_name());
        with_examples(inner, path.trim_start())
    })
}
