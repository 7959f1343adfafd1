//! Tasks from a worker's side: claim, extend, checkpoint, progress, settle.
//!
//! A claim is fenced by a random token: every later call names it, and is refused once the claim is somebody else's.

use std::time::Duration;

use serde_json::Value;

use super::entry::{Read, Text};
use super::record::Body;
use super::{Store, StoreError, keys};
use crate::ids::{Bucket, TaskId};
use crate::model::task::{Definition, Progress};
use crate::model::topic::{Lane, Topic};

/// Most tasks one call claims: keeps it short, and Lua's `unpack` below its limit.
pub const MOST_CLAIMED: usize = 500;

/// A task that this worker holds.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Its id.
    pub id: TaskId,
    /// The claim's token.
    pub token: String,
    /// Who holds it.
    pub worker: String,
    /// Where it queued.
    pub lane: Lane,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// How often it was ever claimed; orders the writers of its records.
    pub claims: u64,
    /// How often its worker died before.
    pub crashes: u32,
    /// Its life, from 1: a redrive begins another.
    pub generation: u32,
    /// Time left until it must have ended.
    pub time_left: Duration,
    /// Run it, or undo it.
    pub mode: Mode,
    /// What was asked for. `None`: this build cannot read it.
    pub def: Option<Definition>,
    /// What an earlier attempt saved.
    pub checkpoint: Option<Value>,
}

/// What a claimed task is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Its work.
    Run,
    /// Undo, then end as cancelled.
    Cancel,
    /// Undo, then end as failed with the stored error.
    Fail,
    /// Undo, then end as failed because its time is over.
    Timeout,
}

/// Entries that a blocking read has just returned: lane, entry id, task id.
pub type Given = Vec<(Lane, String, String)>;

/// Where a claim takes its entries from.
#[derive(Debug, Clone)]
pub enum Source {
    /// Reads new ones, lane by lane in the order given.
    New,
    /// What is pending for this consumer already: after a lost reply.
    Own,
    /// What a blocking read returned.
    Given(Given),
}

/// What a claim call brought.
#[derive(Debug, Default)]
pub struct ClaimReply {
    /// Topics that are paused in this bucket.
    pub paused: Vec<Topic>,
    /// The tasks that are now this worker's.
    pub claimed: Vec<Claimed>,
}

/// What a heartbeat says of one task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Still this worker's.
    Held,
    /// Still this worker's, and a cancel was asked for.
    Stop,
    /// Not this worker's any more.
    Lost,
}

impl Hold {
    /// Reads an answer by its first letter.
    fn read(answer: &[u8]) -> Self {
        match answer.first() {
            Some(b'o') => Self::Held,
            Some(b's') => Self::Stop,
            _ => Self::Lost,
        }
    }
}

/// How an attempt ends.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Ended well.
    Completed,
    /// Ended badly, its undo done.
    Failed,
    /// Cancelled, its undo done.
    Cancelled,
    /// Again after the delay; the attempt counts.
    Retry(Duration),
    /// Again after the delay; the attempt does not count.
    Park(Duration),
    /// Back to its stream; the attempt does not count.
    Release,
}

/// The end of one attempt.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// The task.
    pub id: TaskId,
    /// The claim's token.
    pub token: String,
    /// How it ends.
    pub outcome: Outcome,
    /// For an undo that goes on later: the end it leads to. With [`Outcome::Failed`], `Some`: the undo was given up.
    pub ending: Option<Mode>,
    /// Result or error to store.
    pub body: Option<Body>,
    /// One line for the history.
    pub detail: String,
}

/// What became of a settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It stands.
    Ok,
    /// The same claim settled before: the first reply was lost.
    Already,
    /// The claim was somebody else's: nothing was written.
    Fenced,
}

/// Why a task is put back that this worker does not know, or that nobody can read: `repair` looks whether anybody can.
pub const UNKNOWN: &str = "unknown kind or payload version";

/// What `claim` answers: paused topics, claimed tasks, their definitions, their checkpoints.
type RawClaims = (Vec<Text>, Vec<String>, Vec<Option<String>>, Vec<String>);

impl Store {
    /// Claims up to `free` tasks, and up to [`MOST_CLAIMED`]. The same `token` after a lost reply, with [`Source::Own`], gives the lost answer.
    ///
    /// # Errors
    /// When Redis is away; entries may then be claimed: call again with [`Source::Own`] and the same token.
    ///
    /// # Cancel safety
    /// Not cancel safe: await it to the end.
    pub async fn claim(
        &self,
        bucket: Bucket,
        worker: &str,
        token: &str,
        free: usize,
        lanes: &[Lane],
        source: &Source,
    ) -> Result<ClaimReply, StoreError> {
        let lease = self.options().lease.as_millis().to_string();
        let word = match source {
            Source::New => "new",
            Source::Own => "own",
            Source::Given(_) => "given",
        };
        let free = free.min(MOST_CLAIMED);
        let mut args = vec![worker.to_owned(), token.to_owned(), free.to_string(), lease, word.into()];
        args.push(lanes.len().to_string());
        args.extend(lanes.iter().map(ToString::to_string));
        if let Source::Given(entries) = source {
            for (lane, entry, id) in entries {
                args.extend([lane.to_string(), entry.clone(), id.clone()]);
            }
        }
        let (paused, heads, definitions, checkpoints): RawClaims =
            self.call(&self.scripts().claim, bucket, args).await?;
        let claimed = heads.iter().zip(definitions).zip(checkpoints).filter_map(|((head, def), checkpoint)| {
            let read = read_claim(head, token, worker)?;
            let def = def.and_then(|def| serde_json::from_str(&def).ok());
            Some(Claimed { def, checkpoint: serde_json::from_str(&checkpoint).ok(), ..read })
        });
        Ok(ClaimReply {
            paused: paused.iter().filter_map(|t| Topic::parse(&t.0)).collect(),
            claimed: claimed.collect(),
        })
    }

    /// Waits at most [`super::connect::BLOCK`] for entries on the lanes, at most one of each lane.
    ///
    /// # Errors
    /// When Redis is away. `NOGROUP` shows as [`StoreError::Refused`]: [`Store::claim`] makes the group.
    ///
    /// # Cancel safety
    /// Not cancel safe: a dropped read still takes work. Await it to the end.
    pub async fn wait_for_entries(
        &self,
        connection: &mut super::connect::Connection,
        bucket: Bucket,
        worker: &str,
        lanes: &[Lane],
    ) -> Result<Given, StoreError> {
        let mut cmd = redis::cmd("XREADGROUP");
        cmd.arg("GROUP").arg(keys::GROUP).arg(worker).arg("COUNT").arg(1);
        cmd.arg("BLOCK").arg(super::connect::BLOCK.as_millis().to_string()).arg("STREAMS");
        for lane in lanes {
            cmd.arg(keys::stream(bucket, *lane));
        }
        for _ in lanes {
            cmd.arg(">");
        }
        let reply: Read = cmd.query_async(connection).await?;
        let mut given = Given::new();
        for (stream, entries) in reply.unwrap_or_default() {
            let Some(lane) = lanes.iter().find(|l| keys::stream(bucket, **l) == stream) else { continue };
            given.extend(
                entries.into_iter().map(|entry| (*lane, entry.id.clone(), entry.text("t").unwrap_or_default())),
            );
        }
        Ok(given)
    }

    /// A worker's heartbeat for its tasks of one bucket; answers in the order given.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn extend(
        &self,
        bucket: Bucket,
        worker: &str,
        held: &[(TaskId, String)],
    ) -> Result<Vec<Hold>, StoreError> {
        let mut args = vec![worker.to_owned(), self.options().lease.as_millis().to_string()];
        for (id, token) in held {
            args.extend([id.to_string(), token.clone()]);
        }
        let replies: String = self.call(&self.scripts().extend, bucket, args).await?;
        Ok(replies.as_bytes().chunks(1).map(Hold::read).collect())
    }

    /// Saves a handler's step. `outstanding`: a changing request is about to be sent, and its answer not seen yet.
    ///
    /// # Errors
    /// When Redis is away: it may be saved or not.
    pub async fn checkpoint(
        &self,
        id: TaskId,
        token: &str,
        data: &Value,
        outstanding: bool,
    ) -> Result<Hold, StoreError> {
        let out = if outstanding { "1" } else { "" };
        let data = if data.is_null() { String::new() } else { data.to_string() };
        let args = [id.to_string(), token.to_owned(), data, out.to_owned()];
        let reply: String = self.call(&self.scripts().checkpoint, id.bucket(), &args[..]).await?;
        Ok(Hold::read(reply.as_bytes()))
    }

    /// Says how far a task is.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn progress(&self, id: TaskId, token: &str, progress: &Progress) -> Result<Hold, StoreError> {
        let text = serde_json::to_string(progress).map_err(|e| StoreError::corrupt("a progress", e))?;
        let args = [id.to_string(), token.to_owned(), text];
        let reply: String = self.call(&self.scripts().progress, id.bucket(), &args[..]).await?;
        Ok(Hold::read(reply.as_bytes()))
    }

    /// Ends an attempt. Safe to repeat with the same settlement after a lost reply.
    ///
    /// # Errors
    /// When Redis is away: it may be settled or not.
    pub async fn settle(&self, settlement: Settlement) -> Result<Settled, StoreError> {
        let bucket = settlement.id.bucket();
        let store = self.clone();
        let Some(batcher) = self.batchers().settle(bucket) else { return Ok(Settled::Fenced) };
        batcher
            .ask(settlement, || {
                move |settlements| {
                    let store = store.clone();
                    async move { store.settle_many(bucket, &settlements).await }
                }
            })
            .await
    }

    async fn settle_many(&self, bucket: Bucket, settlements: &[Settlement]) -> Result<Vec<Settled>, StoreError> {
        let mut args = vec![self.options().quarantine.as_millis().to_string()];
        for s in settlements {
            let (word, delay) = match &s.outcome {
                Outcome::Completed => ("completed", None),
                Outcome::Failed => ("failed", None),
                Outcome::Cancelled => ("cancelled", None),
                Outcome::Retry(after) => ("retry", Some(after)),
                Outcome::Park(after) => ("park", Some(after)),
                Outcome::Release => ("release", None),
            };
            let ending = match (&s.outcome, s.ending) {
                (Outcome::Failed, Some(_)) => "incomplete",
                (_, Some(Mode::Timeout)) => "timeout",
                (_, Some(Mode::Fail)) => "failed",
                // A cancel has a flag of its own.
                (_, None | Some(Mode::Run | Mode::Cancel)) => "",
            };
            let body = s.body.as_ref().map(serde_json::to_string).transpose();
            args.extend([
                s.id.to_string(),
                s.token.clone(),
                word.to_owned(),
                delay.map(|d| d.as_millis().to_string()).unwrap_or_default(),
                ending.to_owned(),
                body.map_err(|e| StoreError::corrupt("a result", e))?.unwrap_or_default(),
                s.detail.chars().take(500).collect(),
            ]);
        }
        let replies: String = self.call(&self.scripts().settle, bucket, args).await?;
        let read = |letter| match letter {
            b'o' => Settled::Ok,
            b'a' => Settled::Already,
            _ => Settled::Fenced,
        };
        Ok(replies.bytes().map(read).collect())
    }

    /// Tells a parked task to look again: its child has ended, or there is a place for its node; a hint. `false`: it has ended.
    ///
    /// # Errors
    /// When Redis is away; the task then wakes by its fallback.
    pub async fn nudge(&self, task: TaskId) -> Result<bool, StoreError> {
        let live: u8 = self.call(&self.scripts().nudge, task.bucket(), task.to_string()).await?;
        Ok(live == 1)
    }
}

/// Reads `id lane attempt claims crashes left generation mode`; definition and checkpoint stand apart.
fn read_claim(head: &str, token: &str, worker: &str) -> Option<Claimed> {
    let mut words = head.split(' ');
    let mut word = || words.next();
    Some(Claimed {
        id: word()?.parse().ok()?,
        token: token.to_owned(),
        worker: worker.to_owned(),
        lane: Lane::parse(word()?)?,
        attempt: word()?.parse().ok()?,
        claims: word()?.parse().ok()?,
        crashes: word()?.parse().ok()?,
        time_left: Duration::from_millis(word()?.parse().unwrap_or(0)),
        generation: word()?.parse().ok()?,
        mode: match word()? {
            "cancelled" => Mode::Cancel,
            "failed" => Mode::Fail,
            "timeout" => Mode::Timeout,
            _ => Mode::Run,
        },
        def: None,
        checkpoint: None,
    })
}
