//! A real Ironic of a test's own: API and conductor in one process, standing alone on loopback with an SQLite file; killed on drop.
//!
//! `make setup-test` installs it below `target/`. It sees no hardware: nodes stay in the state `enroll`.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use reqwest::Method;
use serde_json::Value;
use valence::config::IronicConfig;

use super::deployment::free_port;
use super::wait;

pub struct Ironic {
    pub url: String,
    process: Child,
    _dir: tempfile::TempDir,
}

impl Drop for Ironic {
    fn drop(&mut self) {
        // It forks: the whole group, which is its own.
        let _gone = Command::new("kill").args(["-KILL", "--", &format!("-{}", self.process.id())]).status();
        let _reaped = self.process.wait();
    }
}

fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/venv/ironic/bin").join(name)
}

impl Ironic {
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let file = dir.path().join("ironic.conf");
        fs::write(&file, settings(dir.path(), port)).unwrap();
        let command = |name: &str| {
            let log = fs::File::create(dir.path().join(format!("{name}.log"))).unwrap();
            let mut command = Command::new(program(name));
            command.arg("--config-file").arg(&file).current_dir(dir.path()).stdout(Stdio::null()).stderr(log);
            command
        };
        let made = command("ironic-dbsync").arg("create_schema").status();
        assert!(made.expect("Ironic is installed (make setup-test)").success(), "ironic-dbsync");
        let process = command("ironic").process_group(0).spawn().unwrap();
        let this = Self { url: format!("http://127.0.0.1:{port}"), process, _dir: dir };
        wait::within(std::time::Duration::from_secs(120), "Ironic has its drivers", async || {
            let answer = reqwest::get(format!("{}/v1/drivers", this.url)).await.map_err(|e| e.to_string())?;
            let said = answer.text().await.map_err(|e| e.to_string())?;
            if said.contains("\"redfish\"") { Ok(()) } else { Err(said) }
        })
        .await;
        this
    }

    pub fn config(&self) -> IronicConfig {
        IronicConfig { endpoint: Some(self.url.clone()), ..IronicConfig::default() }
    }

    /// Status and JSON of an answer.
    pub async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut request = client.request(method, format!("{}/v1/{path}", self.url));
        request = request.header("X-OpenStack-Ironic-API-Version", "1.65");
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// All its nodes, with everything it shows of them.
    pub async fn nodes(&self) -> Vec<Value> {
        self.ask(Method::GET, "nodes/detail", None).await.1["nodes"].as_array().unwrap().clone()
    }

    /// Addresses of a node's ports, sorted.
    pub async fn macs(&self, node: &str) -> Vec<String> {
        let (_, answer) = self.ask(Method::GET, &format!("nodes/{node}/ports"), None).await;
        let ports = answer["ports"].as_array().unwrap().iter();
        let mut macs: Vec<String> = ports.map(|p| p["address"].as_str().unwrap().to_owned()).collect();
        macs.sort();
        macs
    }
}

fn settings(dir: &Path, port: u16) -> String {
    let dir = dir.display();
    let both = ["boot", "deploy", "management", "power", "inspect", "vendor", "raid", "bios"];
    let interfaces: String = both
        .iter()
        .map(|kind| {
            let real = match *kind {
                "boot" => "redfish-virtual-media",
                "deploy" => "direct",
                _ => "redfish",
            };
            format!("enabled_{kind}_interfaces = fake,{real}\n")
        })
        .collect();
    format!(
        "[DEFAULT]\nauth_strategy = noauth\nhost = test\nrpc_transport = none\nstate_path = {dir}\n\
         enabled_hardware_types = fake-hardware,redfish\n{interfaces}\
         enabled_console_interfaces = fake,no-console\nenabled_network_interfaces = noop\n\
         enabled_storage_interfaces = noop\nenabled_rescue_interfaces = no-rescue\n\
         enabled_firmware_interfaces = fake,no-firmware\n\
         [database]\nconnection = sqlite:///{dir}/ironic.sqlite\n\
         [api]\nhost_ip = 127.0.0.1\nport = {port}\n\
         [oslo_concurrency]\nlock_path = {dir}\n[dhcp]\ndhcp_provider = none\n"
    )
}
