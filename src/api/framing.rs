//! Where HTTP/1 requests begin and end, decided from the bytes before hyper sees them.
//!
//! hyper forgives what another server on the way may read differently: it drops a Content-Length beside a Transfer-Encoding, takes a bare
//! LF for the end of a line, and what it refuses itself it answers without a body. Here a request that can be read in two ways is refused
//! as a whole, and hyper is given only heads that it will not refuse.
//!
//! *Source*: RFC 9112, sections 2.2 (bare CR, empty line before a request), 3.2 (Host), 5.2 (folded lines), 6.3 (length of a body), 7.1
//! (chunks).

use warp::http::{Method, Uri};

use super::answer;
use super::chunks::Chunks;
use crate::model::problem::Problem;

/// Most headers of one request.
pub(crate) const MAX_HEADERS: usize = 100;
/// Most bytes of one request's head.
pub(crate) const MAX_HEAD_BYTES: usize = 64 * 1024;
/// What an HTTP/2 client says first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Most digits of a Content-Length: far more than any limit.
const LENGTH_DIGITS: usize = 15;

/// What is expected next.
enum Next {
    /// The connection's first bytes: either version.
    Anything,
    /// A head, of which so many bytes were looked at already.
    Head {
        seen: usize,
    },
    /// So many bytes of a body.
    Body(u64),
    Chunks(Chunks),
    /// HTTP/2, which frames by itself.
    Frames,
}

/// How a connection's requests are framed.
pub(crate) struct Framing {
    next: Next,
    heads: usize,
}

/// Bytes that may not be passed on.
#[derive(Debug)]
pub(crate) enum Refused {
    /// A head: after so many bytes of what was given, with what to answer.
    Head(usize, Problem),
    /// A body: after so many bytes, with what is wrong.
    Body(usize, &'static str),
}

impl Framing {
    pub(crate) const fn new() -> Self {
        Self { next: Next::Anything, heads: 0 }
    }

    /// Heads that were passed on so far.
    pub(crate) const fn heads(&self) -> usize {
        self.heads
    }

    /// How many of these bytes may be passed on; the others are to be given again, with what comes after them.
    ///
    /// # Errors
    /// See [`Refused`]; nothing may be passed on after that.
    pub(crate) fn sound(&mut self, bytes: &[u8]) -> Result<usize, Refused> {
        let mut at = 0;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(at);
            }
            match &mut self.next {
                Next::Frames => return Ok(bytes.len()),
                Next::Anything if rest.starts_with(PREFACE) => self.next = Next::Frames,
                Next::Anything if PREFACE.starts_with(rest) => return Ok(at),
                Next::Anything => self.next = Next::Head { seen: 0 },
                Next::Head { seen } => match head(rest, seen).map_err(|problem| Refused::Head(at, problem))? {
                    None => return Ok(at),
                    Some((length, body)) => {
                        at += length;
                        self.heads += 1;
                        self.next = body;
                    }
                },
                Next::Body(left) => {
                    let taken = rest.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    at += taken;
                    *left -= taken as u64;
                    if *left == 0 {
                        self.next = Next::Head { seen: 0 };
                    }
                }
                Next::Chunks(chunks) => {
                    let (taken, ended) = chunks.take(rest).map_err(|(taken, why)| Refused::Body(at + taken, why))?;
                    at += taken;
                    if ended {
                        self.next = Next::Head { seen: 0 };
                    }
                }
            }
        }
    }
}

fn bad(why: &str) -> Problem {
    answer::framework(400, "BadRequest", why)
}

fn too_large(why: String) -> Problem {
    answer::framework(431, "RequestHeaderFieldsTooLarge", &why)
}

/// The length of the head that these bytes begin with, and what follows it; `None`: it is not whole yet.
fn head(bytes: &[u8], seen: &mut usize) -> Result<Option<(usize, Next)>, Problem> {
    let (end, new_line) = lines(bytes, *seen)?;
    if end.unwrap_or(bytes.len()) > MAX_HEAD_BYTES {
        return Err(too_large(format!("a request's head may have {MAX_HEAD_BYTES} bytes")));
    }
    // What cannot become a request is refused at its first bytes and then at each line, not when its sender gives up.
    let worth_reading = *seen == 0 || new_line;
    *seen = bytes.len();
    if !worth_reading {
        return Ok(None);
    }
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(&bytes[..end.unwrap_or(bytes.len())]) {
        Ok(httparse::Status::Complete(length)) => Ok(Some((length, body(&request)?))),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(httparse::Error::TooManyHeaders) => Err(too_large(format!("a request may have {MAX_HEADERS} headers"))),
        Err(error) => Err(bad(&format!("the request cannot be read: {error}"))),
    }
}

/// Where the empty line at a head's end ends, and whether a line ended at all after `seen`.
fn lines(bytes: &[u8], seen: usize) -> Result<(Option<usize>, bool), Problem> {
    let mut new_line = false;
    for at in seen..bytes.len() {
        let after_return = at > 0 && bytes[at - 1] == b'\r';
        match bytes[at] {
            b'\n' if !after_return => return Err(bad("a line ends in LF without CR")),
            b'\n' => {
                new_line = true;
                // One empty line before a request is forgiven, as section 2.2 wants it.
                match bytes[..=at].ends_with(b"\r\n\r\n") {
                    true if at == 3 => return Err(bad("empty lines stand before the request")),
                    true => return Ok((Some(at + 1), true)),
                    false => {}
                }
            }
            _ if after_return => return Err(bad("CR stands without LF")),
            _ => {}
        }
    }
    Ok((None, new_line))
}

/// What follows a head.
fn body(request: &httparse::Request<'_, '_>) -> Result<Next, Problem> {
    if Method::from_bytes(request.method.unwrap_or_default().as_bytes()).is_err() {
        return Err(bad("the method cannot be read"));
    }
    if Uri::try_from(request.path.unwrap_or_default()).is_err() {
        return Err(bad("what is asked for is no URI"));
    }
    let values = |name: &str| {
        let named = request.headers.iter().filter(|h| h.name.eq_ignore_ascii_case(name));
        named.map(|h| h.value.trim_ascii()).collect::<Vec<_>>()
    };
    let is_1_1 = request.version == Some(1);
    match values("host").len() {
        0 if is_1_1 => return Err(bad("a request of HTTP/1.1 names its Host")),
        0 | 1 => {}
        _ => return Err(bad("Host stands twice")),
    }
    match (values("transfer-encoding").as_slice(), values("content-length").as_slice()) {
        ([], []) => Ok(Next::Head { seen: 0 }),
        ([], [length]) => {
            let digits = std::str::from_utf8(length).ok().filter(|l| l.bytes().all(|b| b.is_ascii_digit()));
            let length = digits.filter(|d| d.len() <= LENGTH_DIGITS).and_then(|d| d.parse().ok());
            match length.ok_or_else(|| bad("Content-Length is no number of bytes"))? {
                0 => Ok(Next::Head { seen: 0 }),
                length => Ok(Next::Body(length)),
            }
        }
        ([], _) => Err(bad("Content-Length stands twice")),
        (_, [_, ..]) => Err(bad("Content-Length and Transfer-Encoding stand together")),
        ([coding], []) if is_1_1 && coding.eq_ignore_ascii_case(b"chunked") => Ok(Next::Chunks(Chunks::new())),
        (_, []) if is_1_1 => Err(bad("only 'Transfer-Encoding: chunked' is understood, once")),
        (_, []) => Err(bad("HTTP/1.0 has no Transfer-Encoding")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<usize, Refused> {
        Framing::new().sound(text.as_bytes())
    }

    const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

    #[test]
    fn whole_requests_are_passed_on_and_a_part_of_one_is_kept() {
        let post = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
        let chunked =
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n";
        let all = format!("{GET}{post}{chunked}\r\nGET / HTTP/1.0\r\n\r\n{GET}");
        let mut framing = Framing::new();
        assert_eq!(framing.sound(format!("{all}GET / HT").as_bytes()).unwrap(), all.len());
        assert_eq!(framing.heads(), 5);
        // The same, a byte at a time.
        let (mut framing, mut kept, mut passed) = (Framing::new(), Vec::new(), 0);
        for byte in all.bytes() {
            kept.push(byte);
            let n = framing.sound(&kept).unwrap();
            kept.drain(..n);
            passed += n;
        }
        assert_eq!((passed, framing.heads()), (all.len(), 5));
        let frames = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\n\n\n";
        assert_eq!(read(frames).unwrap(), frames.len());
    }

    #[test]
    fn a_bad_head_is_refused_after_the_requests_before_it() {
        let long = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}", "y".repeat(MAX_HEAD_BYTES));
        let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: y\r\n".repeat(MAX_HEADERS));
        for (text, status) in [
            ("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n", 400),
            ("GET / HTTP/1.1\nHost: x\n\n", 400),
            ("GET / HTTP/1.1\r\nHost: x\rX: y\r\n\r\n", 400),
            ("\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\n\r\n", 400),
            ("GET / HTTP/3.0\r\n", 400),
            ("\u{16}\u{3}\u{1}", 400),
            (&long, 431),
            (&many, 431),
        ] {
            let refused = read(&format!("{GET}{text}"));
            let Err(Refused::Head(at, problem)) = refused else { panic!("{text:?}: {refused:?}") };
            assert_eq!((at, problem.status), (GET.len(), status), "{text:?} {problem:?}");
        }
    }
}
