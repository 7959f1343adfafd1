//! `valence up` as a person starts it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use serde_json::Value;

use super::wait;

/// A running `valence up`.
pub struct Up {
    child: Child,
    pub url: String,
    /// Simulated Pod Managers it said it started.
    pub sims: Vec<String>,
    // Kept open: a reader that goes away is not what is tested here.
    stdout: Option<BufReader<ChildStdout>>,
}

impl Up {
    /// Starts it and reads what it says up to `ready: `.
    pub fn start(dir: &Path) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_valence"))
            .args(["up", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(dir)
            .env_remove("VALENCE_REDIS_URL")
            .env("VALENCE_LOG", "error")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut up = Self { child, url: String::new(), sims: Vec::new(), stdout: None };
        let mut stdout = BufReader::new(up.child.stdout.take().unwrap());
        while up.url.is_empty() {
            let mut line = String::new();
            assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "it ended before it was ready");
            if let Some(sim) = line.strip_prefix("Pod Manager ") {
                up.sims.push(sim.split_whitespace().next().unwrap().to_owned());
            }
            if let Some(url) = line.strip_prefix("ready: ") {
                up.url = url.trim().to_owned();
            }
        }
        up.stdout = Some(stdout);
        up
    }

    /// Runs a command of the operator against it.
    pub fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_valence"));
        command.args(args).env("VALENCE_API_URL", &self.url).env_remove("VALENCE_API_TOKEN").output().unwrap()
    }

    /// As [`Up::run`]; it succeeds, and this is what it says.
    pub fn says(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
        said
    }

    pub fn node_uuids(&self) -> Vec<String> {
        let nodes: Value = serde_json::from_str(&self.says(&["node", "list", "--json"])).unwrap();
        let nodes = nodes.as_array().or_else(|| nodes["nodes"].as_array()).unwrap().clone();
        nodes.iter().map(|n| n["uuid"].as_str().unwrap().to_owned()).collect()
    }

    /// How many nodes the simulated Pod Managers have.
    pub async fn nodes_there(&self) -> usize {
        // The control route of each tells of all that share its process.
        let url = format!("{}/sim/nodes", self.sims[0]);
        let seen: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
        seen.as_array().unwrap().iter().map(|podm| podm["nodes"].as_array().unwrap().len()).sum()
    }

    /// Ctrl-C; its exit code.
    pub fn interrupt(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        wait::blocking("it has ended", || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped_already = self.child.wait();
    }
}
