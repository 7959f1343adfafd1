//! One pipeline that asks for many things, whose answers are read each by itself: what somebody else has put under one name, or a newer
//! version has written, takes nothing else with it.

use redis::{FromRedisValue, Pipeline, RedisResult, Value};

use super::StoreError;
use super::connect::Redis;

/// The answers in the order asked; of each, why it cannot be read.
///
/// # Errors
/// When Redis is away.
pub(super) async fn each<T: FromRedisValue>(
    pipe: &mut Pipeline,
    redis: &Redis,
) -> Result<Vec<Result<T, StoreError>>, StoreError> {
    let answers: Vec<RedisResult<Value>> = pipe.ignore_errors().query_async(&mut redis.shared()).await?;
    let unreadable = |e| StoreError::corrupt("an answer", e);
    let read = |answer: RedisResult<Value>| match answer.map_err(StoreError::from) {
        Err(error) if error.is_transient() => Err(error),
        answer => Ok(answer.and_then(|value| redis::from_redis_value(value).map_err(unreadable))),
    };
    answers.into_iter().map(read).collect()
}

/// An answer about a Pod Manager; one that cannot be read is logged and counts as none.
pub(super) fn readable<T>(what: &str, podm_id: &str, found: Result<Option<T>, StoreError>) -> Option<T> {
    found.unwrap_or_else(|error| {
        tracing::error!(podm = podm_id, %error, "{what} cannot be read");
        None
    })
}

/// As [`readable`], of an answer as Redis gave it.
pub(super) fn value<T: FromRedisValue>(what: &str, podm_id: &str, answer: Result<Value, StoreError>) -> Option<T> {
    let read = |value| redis::from_redis_value(value).map_err(|e| StoreError::corrupt(what, e));
    readable(what, podm_id, answer.and_then(read))
}
