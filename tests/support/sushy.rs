//! sushy-emulator with its fake machine: a Redfish service that is not ours. `make setup-test` installs it under `target/`.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::deployment::free_port;
use super::wait;

pub struct Sushy {
    pub url: String,
    child: Child,
    _dir: tempfile::TempDir,
}

impl Drop for Sushy {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Sushy {
    /// `None` where it is not installed; a test that needs it says so.
    pub async fn start() -> Option<Self> {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/venv/sushy/bin/sushy-emulator");
        if !program.is_file() {
            println!("skipped: no sushy-emulator (make setup-test)");
            return None;
        }
        // It keeps its machine's state where temporary files go.
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let mut command = Command::new(program);
        command.args(["--fake", "-i", "127.0.0.1", "-p", &port.to_string()]).env("TMPDIR", dir.path());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let url = format!("http://127.0.0.1:{port}");
        wait::until("sushy-emulator answers", async || match reqwest::get(format!("{url}/redfish/v1")).await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
        Some(Self { url, child, _dir: dir })
    }
}
