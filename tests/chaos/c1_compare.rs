//! All that Redis holds of C1's tasks and gates, and all that the model does.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use redis::Pipeline;
use redis::streams::{StreamPendingCountReply, StreamRangeReply};
use valence::model::podm::Podm;
use valence::model::v1time::rfc3339;

use super::c1_model::{Episode, LANES, PODMS};

fn key(suffix: &str) -> String {
    format!("vl:{{b00}}:{suffix}")
}

/// What a caller's share is booked under.
fn short(caller: &str) -> String {
    let digest = valence::store::idempotency::fingerprint(&[caller]);
    digest[..12].to_owned()
}

fn same(what: &str, real: impl std::fmt::Debug, model: impl std::fmt::Debug) -> Result<(), String> {
    let (real, model) = (format!("{real:?}"), format!("{model:?}"));
    if real == model { Ok(()) } else { Err(format!("{what}: Redis has {real}, the model {model}")) }
}

impl Episode {
    async fn asked<T: redis::FromRedisValue>(&self, pipe: &Pipeline) -> T {
        pipe.query_async(&mut self.redis.clone()).await.unwrap()
    }

    pub async fn compare(&self) -> Result<(), String> {
        self.compare_tasks().await?;
        self.compare_places().await?;
        self.compare_gates().await?;
        self.compare_podms().await
    }

    async fn compare_tasks(&self) -> Result<(), String> {
        let m = &self.model;
        if m.tasks.is_empty() {
            return Ok(());
        }
        let mut pipe = redis::pipe();
        for id in m.tasks.keys() {
            pipe.hgetall(key(&format!("t:{id}")));
        }
        let hashes: Vec<HashMap<String, String>> = self.asked(&pipe).await;
        for ((id, t), hash) in m.tasks.iter().zip(hashes) {
            let text = |name: &str| hash.get(name).cloned().unwrap_or_default();
            let number = |name: &str, none: u32| hash.get(name).map_or(none, |v| v.parse().unwrap());
            let real = (
                (text("state"), text("lane"), text("token"), text("ending")),
                (number("attempt", 0), number("claims", number("attempt", 0)), number("crashes", 0), number("gen", 1)),
                (text("cancel") == "1", text("ckpt") == "1", text("out") == "1"),
            );
            let ckpt = t.ckpt || (["completed", "cancelled"].contains(&t.state) && text("ckpt") == "1");
            let model = (
                (t.state, t.lane, &t.token, t.ending),
                (t.attempt, t.claims, t.crashes, t.generation),
                (t.cancel, ckpt, t.out),
            );
            same(&format!("task {id}"), real, model)?;
        }
        Ok(())
    }

    /// Streams, indexes, who is due when, counters.
    async fn compare_places(&self) -> Result<(), String> {
        let m = &self.model;
        for at in LANES {
            let stream = key(&format!("s:{at}"));
            let mut pipe = redis::pipe();
            pipe.xrange_all(&stream).xpending_count(&stream, "workers", "-", "+", 10_000);
            let (all, pending): (StreamRangeReply, StreamPendingCountReply) = self.asked(&pipe).await;
            let readers: HashMap<String, String> = pending.ids.into_iter().map(|e| (e.id, e.consumer)).collect();
            let real = all.ids.iter().map(|e| (e.get::<String>("t").unwrap_or_default(), readers.get(&e.id)));
            let entries = m.lanes.get(at).into_iter().flatten();
            let model = entries.map(|e| (&e.id, e.reader));
            same(at, real.collect::<Vec<_>>(), model.collect::<Vec<_>>())?;
        }
        let ended = |words: &[&str], is_in: bool| -> BTreeSet<&String> {
            m.tasks.iter().filter(|(_, t)| words.contains(&t.state) == is_in).map(|(id, _)| id).collect()
        };
        let indexes = [
            ("live", ended(&["completed", "cancelled", "failed"], false)),
            ("done", ended(&["completed", "cancelled"], true)),
            ("dead", ended(&["failed"], true)),
        ];
        for (index, model) in indexes {
            let (real,): (BTreeSet<String>,) = self.asked(redis::pipe().zrange(key(index), 0, -1)).await;
            same(index, real, model)?;
        }
        let mut pipe = redis::pipe();
        pipe.zrange_withscores(key("delayed"), 0, -1).hgetall(key("count"));
        let (delayed, counts): (BTreeMap<String, u64>, BTreeMap<String, i64>) = self.asked(&pipe).await;
        same("delayed", delayed, &m.delayed)?;
        let zeroless =
            |map: &BTreeMap<String, i64>| map.clone().into_iter().filter(|(_, n)| *n != 0).collect::<Vec<_>>();
        same("counters", zeroless(&counts), zeroless(&m.counts))
    }

    /// Who is in each gate and who waits there, and how many of each share are queued.
    async fn compare_gates(&self) -> Result<(), String> {
        let m = &self.model;
        let of_podms = PODMS.iter().flat_map(|podm| ["w", "r", "drain"].map(|part| format!("podm:{podm}:{part}")));
        for gate in of_podms.chain(["node:n1", "node:n2"].map(str::to_owned)) {
            let mut pipe = redis::pipe();
            let now = format!("({}", m.now);
            pipe.zrangebyscore(key(&format!("gate:{gate}")), now, "+inf").zrange(
                key(&format!("gatewait:{gate}")),
                0,
                -1,
            );
            let (inside, line): (BTreeSet<String>, Vec<String>) = self.asked(&pipe).await;
            same(&format!("in {gate}"), inside, m.inside(&gate).collect::<BTreeSet<_>>())?;
            let model = m.lines.get(&gate).into_iter().flatten().map(|(_, id)| id);
            same(&format!("in the line of {gate}"), line, model.collect::<Vec<_>>())?;
        }
        let (real,): (BTreeMap<String, i64>,) = self.asked(redis::pipe().hgetall(key("share"))).await;
        let name = |(field, n): (String, i64)| match field.split_once("|c:") {
            Some((topic, caller)) => (format!("{topic}|c:{}", short(caller)), n),
            None => (field, n),
        };
        same("shares", real, m.shares().into_iter().map(name).collect::<BTreeMap<_, _>>())
    }

    /// What operators are shown of each Pod Manager.
    async fn compare_podms(&self) -> Result<(), String> {
        let (m, store) = (&self.model, &self.engine.store);
        for podm in PODMS {
            let row = serde_json::json!({
                "uuid": podm, "name": podm, "url": "", "driver": "", "authentication": [], "status": "Online",
                "created_at": "", "updated_at": "",
            });
            let row: Podm = serde_json::from_value(row).unwrap();
            store.sync_clock().await.unwrap();
            let seen = store.podm_states(&[row]).await.unwrap().remove(0);
            // The store's own clock goes on by itself: what changes within the time that this has taken may be shown as it was or as it is.
            let circuit = m.circuits.get(podm).cloned().unwrap_or_default();
            let still = store.clock().now_ms();
            if m.times().first().is_some_and(|at| *at <= still) {
                continue;
            }
            let (state, fails, until, silent) = circuit.shown(m.now);
            let shown = &seen.circuit;
            let real = (format!("{:?}", shown.state), shown.failures, shown.until.clone());
            same(&format!("the circuit of {podm}"), real, (state.to_owned(), fails, until.map(rfc3339)))?;
            let silence = shown.why.as_ref().is_some_and(|why| why.contains("answered nothing for a while"));
            same(&format!("the silence of {podm}"), silence, silent)?;
            let line = |part: &str| m.lines.get(&format!("podm:{podm}:{part}")).map_or(0, BTreeSet::len);
            for (gate, part, waiting) in [(&seen.gates[0], "w", line("w") + line("drain")), (&seen.gates[1], "r", 0)] {
                let name = format!("podm:{podm}:{part}");
                let real = (gate.limit, gate.in_flight, gate.waiting);
                same(&name, real, (m.limit(&name), m.inside(&name).count(), waiting))?;
            }
            let (left,): (i64,) = self.asked(redis::pipe().pttl(key(&format!("breaker:{podm}")))).await;
            same(&format!("whether the record of {podm} goes by itself"), left != -1, true)?;
        }
        Ok(())
    }
}
