//! An entry of a stream. Whatever somebody else has put there is an entry too: one that names nothing.

use redis::{FromRedisValue, ParsingError, Value};

/// What a stream has of one entry.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    /// Its id.
    pub id: String,
    /// Names and values in turn.
    fields: Vec<Value>,
}

impl Entry {
    /// A field; `None` where there is none of that name, or it is no text.
    pub fn text(&self, name: &str) -> Option<String> {
        let named = |pair: &&[Value]| matches!(pair, [Value::BulkString(n), _] if n == name.as_bytes());
        let value = self.fields.chunks(2).find(named)?.get(1)?;
        redis::from_redis_value_ref(value).ok()
    }
}

/// Streams with their entries, as XREADGROUP answers them.
pub(super) type Read = Option<Vec<(String, Vec<Entry>)>>;

impl FromRedisValue for Entry {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let (id, fields): (String, Option<Vec<Value>>) = redis::from_redis_value(value)?;
        Ok(Self { id, fields: fields.unwrap_or_default() })
    }
}

/// A text; what is no UTF-8 in it is replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text(pub String);

impl FromRedisValue for Text {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        match value {
            Value::BulkString(bytes) => Ok(Self(String::from_utf8_lossy(&bytes).into_owned())),
            other => redis::from_redis_value(other).map(Self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[&[u8]]) -> (String, Option<String>) {
        let text = |bytes: &[u8]| Value::BulkString(bytes.to_vec());
        let fields = Value::Array(fields.iter().map(|f| text(f)).collect());
        let entry: Result<Entry, _> = redis::from_redis_value(Value::Array(vec![text(b"1-0"), fields]));
        entry.map(|entry| (entry.id.clone(), entry.text("t"))).unwrap_or_default()
    }

    #[test]
    fn what_is_no_text_names_nothing_and_is_an_entry_all_the_same() {
        let entry = |text: Option<&str>| ("1-0".to_owned(), text.map(str::to_owned));
        assert_eq!(read(&[b"t", b"id"]), entry(Some("id")));
        assert_eq!(read(&[b"x", b"t", b"t", b"id"]), entry(Some("id")));
        assert_eq!(read(&[b"x", b"t"]), entry(None));
        assert_eq!(read(&[b"\xff", b"\xff"]), entry(None));
        assert_eq!(read(&[b"t", b"\xff"]), entry(None));
    }
}
