//! Which trace something belongs to, and as which span: W3C Trace Context, as it travels in the header `traceparent`.

use std::fmt;

/// A span of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace; never 0.
    pub trace_id: u128,
    /// The span; never 0.
    pub span_id: u64,
    /// Whether whoever began the trace wants it recorded.
    pub sampled: bool,
}

impl TraceContext {
    /// The first span of a new trace.
    #[must_use]
    pub fn root() -> Self {
        Self { trace_id: rand::random::<u128>().max(1), span_id: new_span(), sampled: true }
    }

    /// A new span of the same trace.
    #[must_use]
    pub fn child(self) -> Self {
        Self { span_id: new_span(), ..self }
    }

    /// Reads a `traceparent`. A version later than ours may say more behind what is ours; `None` for what is no trace context.
    ///
    /// *Source*: W3C Trace Context, section 3.2.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if version == "ff" || (version == "00" && parts.next().is_some()) {
            return None;
        }
        let _version = hex(version, 2)?;
        let trace_id = hex(trace, 32).filter(|id| *id != 0)?;
        let span_id = u64::try_from(hex(span, 16)?).ok().filter(|id| *id != 0)?;
        Some(Self { trace_id, span_id, sampled: hex(flags, 2)? & 1 == 1 })
    }

    /// The trace's id as logs and collectors show it.
    #[must_use]
    pub fn trace(self) -> String {
        format!("{:032x}", self.trace_id)
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, u8::from(self.sampled))
    }
}

fn new_span() -> u64 {
    rand::random::<u64>().max(1)
}

/// So many lower-case hexadecimal digits.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let sound = text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if sound { u128::from_str_radix(text, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_is_read_is_written_the_same() {
        let read = TraceContext::parse(ONE).unwrap();
        assert_eq!(read.to_string(), ONE);
        assert_eq!(read.trace(), "0af7651916cd43dd8448eb211c80319c");
        let child = read.child();
        assert_eq!((child.trace_id, child.sampled), (read.trace_id, true));
        assert_ne!(child.span_id, read.span_id);
    }

    #[test]
    fn a_later_version_may_say_more() {
        let later = format!("{}-more", ONE.replacen("00", "cc", 1));
        assert_eq!(TraceContext::parse(&later), TraceContext::parse(ONE));
    }

    #[test]
    fn what_is_no_trace_context_is_none() {
        let zeros = "00-00000000000000000000000000000000-b7ad6b7169203331-01";
        let no_span = "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01";
        let capitals = ONE.to_uppercase();
        let forbidden = ONE.replacen("00", "ff", 1);
        let more = format!("{ONE}-more");
        for bad in ["", "00", zeros, no_span, &capitals, &forbidden, &more, &ONE[..54], &ONE.replace('-', "+")] {
            assert_eq!(TraceContext::parse(bad), None, "{bad}");
        }
    }
}
