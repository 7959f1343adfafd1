//! `Prefer` (RFC 7240): how long a client wants to wait for the end of what it asked for.

use std::time::Duration;

use warp::http::HeaderMap;

/// What the client prefers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prefer {
    /// Nothing said: as v1 always was, wait for the end.
    Nothing,
    /// The task at once.
    Async,
    /// The end within so long, else the task.
    Wait(Duration),
}

impl Prefer {
    /// Reads the headers. An unknown preference is ignored, as the RFC has it; `wait` wins over `respond-async`.
    pub(crate) fn read(headers: &HeaderMap) -> Self {
        let mut found = Self::Nothing;
        for header in headers.get_all("prefer") {
            for item in header.to_str().unwrap_or_default().split(',') {
                let item = item.split(';').next().unwrap_or_default();
                let (name, value) = item.split_once('=').unwrap_or((item, ""));
                let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().trim_matches('"'));
                match (name.as_str(), value.parse::<u32>()) {
                    ("wait", Ok(s)) if !matches!(found, Self::Wait(_)) => {
                        found = Self::Wait(Duration::from_secs(u64::from(s)));
                    }
                    ("respond-async", _) if found == Self::Nothing => found = Self::Async,
                    _ => {}
                }
            }
        }
        found
    }

    /// The value of `Preference-Applied`.
    pub(crate) fn applied(self) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::Async => Some("respond-async".into()),
            Self::Wait(limit) => Some(format!("wait={}", limit.as_secs())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_are_read_in_any_order_and_spelling() {
        let read = |values: &[&'static str]| {
            Prefer::read(&values.iter().map(|v| ("prefer".parse().unwrap(), v.parse().unwrap())).collect())
        };
        assert_eq!(read(&[]), Prefer::Nothing);
        assert_eq!(read(&["Respond-Async"]), Prefer::Async);
        assert_eq!(read(&["respond-async, wait=10"]), Prefer::Wait(Duration::from_secs(10)));
        assert_eq!(read(&["wait = \"3\"", "respond-async"]), Prefer::Wait(Duration::from_secs(3)));
        assert_eq!(read(&["wait=-1", "return=minimal; x=y"]), Prefer::Nothing);
    }
}
