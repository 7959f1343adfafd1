//! A fleet of simulated Pod Managers for the bench, as records in its Redis, and what they say of themselves.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use serde_json::Value;

use super::enqueue::client;
use super::rig::Rig;
use crate::ids::{Bucket, TaskId, new_record_id};
use crate::model::podm::{AuthItems, Authentication, Podm, PodmStatus};
use crate::secret::SecretKey;
use crate::store::Store;
use crate::store::records::{Collection, Writer};

/// Pod Managers that run and are on record, none of them asked yet.
pub struct Fleet {
    /// Their ids, in the simulator's order.
    pub ids: Vec<String>,
    /// File with the key that their passwords are sealed with.
    pub key_file: PathBuf,
    control: String,
}

impl Fleet {
    /// Starts so many, with further flags of `podm-sim`, and writes their records.
    ///
    /// # Errors
    /// When the simulator does not serve, or Redis fails.
    pub async fn start(rig: &mut Rig, podms: usize, flags: &[&str]) -> anyhow::Result<Self> {
        let key_file = rig.dir().join("key");
        let key = SecretKey::create(&key_file)?;
        let count = podms.to_string();
        let port = rig.sims(&[&["--podms", &count], flags].concat()).await?;
        let mut ids = Vec::with_capacity(podms);
        for n in 0..podms {
            ids.push(register(&rig.store, &key, n, port).await?);
        }
        Ok(Self { ids, key_file, control: format!("http://127.1.0.1:{port}/sim") })
    }

    /// The flags of a process that speaks to them.
    #[must_use]
    pub fn flags(&self) -> [String; 4] {
        let key_file = self.key_file.display().to_string();
        ["--secret-key-file".into(), key_file, "--podm-allow-cidrs".into(), "127.0.0.0/8".into()]
    }

    /// What the simulator has under `/sim/…`.
    ///
    /// # Errors
    /// When it does not say.
    pub async fn look(&self, what: &str) -> anyhow::Result<Value> {
        let answer = client()?.get(format!("{}/{what}", self.control)).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }

    /// Replaces its fault switches.
    ///
    /// # Errors
    /// When it refuses them.
    pub async fn faults(&self, list: &Value) -> anyhow::Result<()> {
        client()?.put(format!("{}/faults", self.control)).json(list).send().await?.error_for_status()?;
        Ok(())
    }
}

async fn register(store: &Store, key: &SecretKey, n: usize, port: u16) -> anyhow::Result<String> {
    let id = new_record_id();
    let auth_items = AuthItems { username: "admin".into(), password: key.seal(&id, "admin")? };
    let addr = Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 1, 0, 1)) + u32::try_from(n)?);
    let podm = Podm {
        authentication: vec![Authentication { kind: "basic".into(), auth_items }],
        status: PodmStatus::Online,
        ..Podm::new(&id, &format!("sim-{n}"), &format!("http://{addr}:{port}"), "redfishv1")
    };
    let writer = Writer { task: TaskId::mint(store.clock().now_ms(), Bucket(0)), claims: 1 };
    store.put_record(Collection::Podm, &id, &podm, writer).await?;
    Ok(id)
}
