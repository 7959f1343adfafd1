//! Ids: a task's id is a UUIDv7 whose last byte is its bucket, so any process finds a task's keys from the id alone.
//!
//! The time inside an id is Redis's (see [`crate::clock::ServerClock`]), so ids sort by acceptance and a skewed host does
//! not disturb that. Everything that reaches a key is parsed here first: no brace or newline can change a hash tag.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Number of a bucket, 0–255. All keys of a bucket share one hash tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bucket(pub u8);

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b{:02x}", self.0)
    }
}

/// How many buckets a deployment has: 1–256, fixed when it is first started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buckets(u16);

impl Buckets {
    /// One: right for a single server.
    pub const ONE: Self = Self(1);

    /// `n` buckets, when 1 ≤ n ≤ 256.
    #[must_use]
    pub fn new(n: u16) -> Option<Self> {
        (1..=256).contains(&n).then_some(Self(n))
    }

    /// How many.
    #[must_use]
    pub const fn count(self) -> u16 {
        self.0
    }

    /// Every bucket.
    pub fn iter(self) -> impl Iterator<Item = Bucket> + Clone {
        (0..self.0).map(|n| Bucket(n.to_le_bytes()[0]))
    }

    /// The bucket of a name (a PODM's id, an idempotency digest): the same in every process and version.
    #[must_use]
    pub fn of_name(self, name: &str) -> Bucket {
        let hash = digest(&SHA256, name.as_bytes());
        let mut first = [0u8; 8];
        first.copy_from_slice(&hash.as_ref()[..8]);
        let n = u64::from_be_bytes(first) % u64::from(self.0);
        Bucket(n.to_le_bytes()[0])
    }

    /// A bucket taken at random.
    #[must_use]
    pub fn random(self) -> Bucket {
        let n = rand::random_range(0..self.0);
        Bucket(n.to_le_bytes()[0])
    }

    /// Whether a task of that bucket belongs to this deployment.
    #[must_use]
    pub const fn contains(self, bucket: Bucket) -> bool {
        (bucket.0 as u16) < self.0
    }
}

/// Id of a task.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaskId(Uuid);

impl TaskId {
    /// Makes a new id for a task accepted at `now_ms` (Redis's time, ms since 1970) in `bucket`.
    #[must_use]
    pub fn mint(now_ms: u64, bucket: Bucket) -> Self {
        use std::sync::{Mutex, OnceLock, PoisonError};
        // Ids of one process and one millisecond keep their order: uuid's v7 counter context.
        static CONTEXT: OnceLock<Mutex<uuid::ContextV7>> = OnceLock::new();
        let context = CONTEXT.get_or_init(|| Mutex::new(uuid::ContextV7::new()));
        let guard = context.lock().unwrap_or_else(PoisonError::into_inner);
        let nanos = u32::try_from(now_ms % 1000).unwrap_or(0) * 1_000_000;
        let id = Uuid::new_v7(uuid::Timestamp::from_unix(&*guard, now_ms / 1000, nanos));
        let mut bytes = id.into_bytes();
        bytes[15] = bucket.0;
        Self(Uuid::from_bytes(bytes))
    }

    /// The bucket that holds all keys of this task.
    #[must_use]
    pub fn bucket(self) -> Bucket {
        Bucket(self.0.as_bytes()[15])
    }

    /// When the task was accepted: ms since 1970, by Redis's clock.
    #[must_use]
    pub fn created_ms(self) -> u64 {
        let b = self.0.as_bytes();
        u64::from_be_bytes([0, 0, b[0], b[1], b[2], b[3], b[4], b[5]])
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no task id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a task id: a lower-case dashed UUID of version 7 is wanted")]
pub struct BadTaskId;

impl FromStr for TaskId {
    type Err = BadTaskId;

    fn from_str(text: &str) -> Result<Self, BadTaskId> {
        let id = Uuid::try_parse(text).map_err(|_| BadTaskId)?;
        let canonical = id.as_hyphenated().to_string();
        if canonical == text && id.get_version_num() == 7 { Ok(Self(id)) } else { Err(BadTaskId) }
    }
}

impl TryFrom<String> for TaskId {
    type Error = BadTaskId;

    fn try_from(text: String) -> Result<Self, BadTaskId> {
        text.parse()
    }
}

impl From<TaskId> for String {
    fn from(id: TaskId) -> Self {
        id.to_string()
    }
}

/// Whether a text may stand in a key as the id of a record: 1–64 letters, digits and dashes.
#[must_use]
pub fn is_record_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// A new random id for a record (UUIDv4, the form that v1 clients know).
#[must_use]
pub fn new_record_id() -> String {
    Uuid::new_v4().as_hyphenated().to_string()
}

/// A new claim token: 64 random bits. It only has to differ from those of the same task's other claims.
#[must_use]
pub fn new_token() -> String {
    format!("{:016x}", rand::random::<u64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_its_bucket_and_its_time() {
        let id = TaskId::mint(1_700_000_000_123, Bucket(15));
        assert_eq!(id.bucket(), Bucket(15));
        assert_eq!(id.created_ms(), 1_700_000_000_123);
        assert!(id.to_string().ends_with("0f"), "the last two characters are the bucket: {id}");
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn ids_of_one_millisecond_keep_their_order() {
        let ids: Vec<_> = (0..1000).map(|_| TaskId::mint(1_700_000_000_123, Bucket(0))).collect();
        assert!(ids.is_sorted());
    }

    #[test]
    fn other_spellings_are_refused_so_that_one_task_has_one_key() {
        let id = TaskId::mint(1_700_000_000_123, Bucket(0)).to_string();
        for bad in [id.to_uppercase(), id.replace('-', ""), format!("{{{id}}}"), "x".into(), new_record_id()] {
            assert_eq!(bad.parse::<TaskId>(), Err(BadTaskId), "{bad}");
        }
    }

    #[test]
    fn record_ids_cannot_change_a_hash_tag() {
        assert!(is_record_id("abc-123"));
        for bad in ["", "a}b", "a\nb", "a{b", "a:b", &"x".repeat(65)] {
            assert!(!is_record_id(bad), "{bad}");
        }
    }
}
