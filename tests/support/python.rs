//! Python programs of others that tests run, each in an environment of its own, `target/venv/NAME`, made by `make setup-test`.

use std::path::PathBuf;
use std::process::Command;

/// Where the environment of that name is.
pub fn home(name: &str) -> PathBuf {
    let home = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/venv").join(name);
    assert!(home.join("bin/python").exists(), "{} is missing: `make setup-test` makes it", home.display());
    home
}

/// The interpreter of that environment.
pub fn of(name: &str) -> Command {
    Command::new(home(name).join("bin/python"))
}
