//! Stands between Valence and a Pod Manager, and twists what is answered to changes and by task monitors.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// An answer, as it goes over the wire.
#[derive(Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn of(status: u16, body: &[u8]) -> Self {
        Self { status, headers: Vec::new(), body: body.to_vec() }
    }

    pub fn set(&mut self, name: &str, value: Option<&[u8]>) {
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self.headers.extend(value.map(|value| (name.to_owned(), value.to_vec())));
    }
}

/// What is done to an answer.
#[derive(Clone, Copy)]
pub enum Twist {
    /// The request is carried out, and its answer changed.
    After(fn(&mut Reply)),
    /// The request is not carried out.
    Instead(fn() -> Reply),
}

/// Which answers are twisted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    None,
    /// Those of the n-th change, and of every later one of its sort.
    Change(usize),
    /// Those of task monitors.
    Monitors,
}

#[derive(Default)]
struct Seen {
    /// Sort of each change: its method and the end of its path.
    changes: Vec<String>,
    twisted: usize,
}

pub struct Twister {
    pub url: String,
    seen: Arc<Mutex<Seen>>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Twister {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Twister {
    pub async fn before(upstream: &str, which: Which, twist: Twist) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let upstream = upstream.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = Arc::clone(&seen);
        let server = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (upstream, which, seen) = (upstream.clone(), which.clone(), Arc::clone(&shared));
                tokio::spawn(async move { drop(serve(client, &upstream, &which, twist, &seen).await) });
            }
        });
        Self { url, seen, server }
    }

    /// The sorts of the changes that were asked for, in their order.
    pub fn changes(&self) -> Vec<String> {
        self.seen.lock().unwrap().changes.clone()
    }

    pub fn twisted(&self) -> usize {
        self.seen.lock().unwrap().twisted
    }
}

async fn serve(
    mut client: TcpStream,
    upstream: &str,
    which: &Which,
    twist: Twist,
    seen: &Mutex<Seen>,
) -> std::io::Result<()> {
    let (head, body) = read(&mut client, false).await?;
    let mut lines = head.split("\r\n");
    let asked = lines.next().unwrap_or_default().to_owned();
    let (method, path) = asked.split_once(' ').map(|(m, rest)| (m, rest.split(' ').next().unwrap())).unwrap();
    let is_meant = {
        let mut seen = seen.lock().unwrap();
        let sort = format!("{method} {}", path.rsplit('/').next().unwrap());
        let is_change = method != "GET" && !path.contains("/Sessions") && !path.contains("/Subscriptions");
        if is_change {
            seen.changes.push(sort.clone());
        }
        let meant = match which {
            Which::None => false,
            Which::Change(n) => is_change && seen.changes.get(*n).is_some_and(|s| *s == sort),
            Which::Monitors => method == "GET" && path.contains("Monitor"),
        };
        seen.twisted += usize::from(meant);
        meant
    };
    let reply = match twist {
        Twist::Instead(answer) if is_meant => answer(),
        _ => {
            let mut server = TcpStream::connect(upstream).await?;
            let kept = lines.filter(|l| !l.to_ascii_lowercase().starts_with("connection:") && !l.is_empty());
            let head: String = [asked.as_str()].into_iter().chain(kept).map(|l| format!("{l}\r\n")).collect();
            server.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes()).await?;
            server.write_all(&body).await?;
            let (head, body) = read(&mut server, true).await?;
            let mut lines = head.split("\r\n");
            let status = lines.next().and_then(|l| l.split(' ').nth(1)).and_then(|s| s.parse().ok()).unwrap();
            let headers = lines.filter_map(|l| l.split_once(": ")).map(|(n, v)| (n.to_owned(), v.as_bytes().to_vec()));
            let mut reply = Reply { status, headers: headers.collect(), body };
            if let (true, Twist::After(change)) = (is_meant, twist) {
                change(&mut reply);
            }
            reply
        }
    };
    let mut bytes = format!("HTTP/1.1 {} Said\r\n", reply.status).into_bytes();
    let own = ["content-length", "connection", "transfer-encoding"];
    for (name, value) in reply.headers.iter().filter(|(n, _)| !own.contains(&n.to_ascii_lowercase().as_str())) {
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value);
        bytes.extend_from_slice(b"\r\n");
    }
    let length = if reply.status == 204 { String::new() } else { format!("Content-Length: {}\r\n", reply.body.len()) };
    bytes.extend_from_slice(format!("{length}Connection: close\r\n\r\n").as_bytes());
    if reply.status != 204 {
        bytes.extend_from_slice(&reply.body);
    }
    client.write_all(&bytes).await?;
    client.shutdown().await
}

/// Head and body of a message; one without a length goes to the end of the connection when it is an answer.
async fn read(stream: &mut TcpStream, is_answer: bool) -> std::io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16384];
    loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head.split("\r\n").filter_map(|l| l.split_once(':'));
            let length = length.filter(|(n, _)| n.eq_ignore_ascii_case("content-length"));
            let length: Option<usize> = length.filter_map(|(_, v)| v.trim().parse().ok()).next();
            let wanted = length.or((!is_answer).then_some(0));
            if wanted.is_some_and(|n| bytes.len() >= end + 4 + n) {
                return Ok((head, bytes[end + 4..].to_vec()));
            }
        }
        let n = stream.read(&mut buffer).await?;
        bytes.extend_from_slice(&buffer[..n]);
        if n == 0 {
            let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
            return Ok((String::from_utf8_lossy(&bytes[..end]).into_owned(), bytes[end + 4..].to_vec()));
        }
    }
}
