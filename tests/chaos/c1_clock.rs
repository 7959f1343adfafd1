//! Redis's clock, held: a relay before a redis-server that hands it every script with its one look at the time replaced by a look at a key. So
//! time goes on only when the campaign says so, the model knows it to the ms, and what is due in an hour takes none.
//!
//! Only the scripts' time is held, which is all that they go by; the ids of stream entries are of Redis's own.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use redis::Script;
use redis::aio::MultiplexedConnection;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{UnixListener, UnixStream};

use super::support::relay::{end_of, words};

/// How scripts ask for the time, and how they do then.
const ASKED: [&str; 2] = ["call('TIME')", "call('MGET', 'held:s', 'held:us')"];

/// The hashes under which clients call scripts, and those that the server knows them by.
type Hashes = Arc<Mutex<HashMap<String, String>>>;

pub struct HeldClock {
    dir: tempfile::TempDir,
    now_ms: u64,
}

impl HeldClock {
    /// Before the server at a socket.
    pub fn start(upstream: &Path, now_ms: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("clock.sock")).unwrap();
        let (upstream, hashes) = (upstream.to_owned(), Hashes::default());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, upstream.clone(), hashes.clone()));
            }
        });
        Self { dir, now_ms }
    }

    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.dir.path().join("clock.sock").display())
    }

    /// It is so much later.
    pub async fn pass(&mut self, ms: u64, redis: &mut MultiplexedConnection) {
        self.now_ms += ms;
        let (seconds, micros) = (self.now_ms / 1000, self.now_ms % 1000 * 1000);
        let mut set = redis::cmd("MSET");
        set.arg("held:s").arg(seconds).arg("held:us").arg(micros);
        set.exec_async(redis).await.unwrap();
    }
}

/// One connection, until one side closes.
async fn pass(client: UnixStream, upstream: PathBuf, hashes: Hashes) -> std::io::Result<()> {
    let (mut answers, mut asks) = UnixStream::connect(&upstream).await?.into_split();
    let (mut from_client, mut to_client) = client.into_split();
    let forth = async {
        let (mut asked, mut chunk) = (Vec::new(), vec![0; 65_536]);
        loop {
            let n = from_client.read(&mut chunk).await?;
            if n == 0 {
                return asks.shutdown().await;
            }
            asked.extend_from_slice(&chunk[..n]);
            while let Some(end) = end_of(&asked, 0) {
                let request: Vec<u8> = asked.drain(..end).collect();
                asks.write_all(&held(request, &upstream, &hashes).await).await?;
            }
        }
    };
    tokio::try_join!(forth, copy(&mut answers, &mut to_client)).map(drop)
}

/// The request, of a script that is told the time.
async fn held(mut request: Vec<u8>, upstream: &Path, hashes: &Hashes) -> Vec<u8> {
    let words = words(&request);
    match &words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["EVALSHA", said, ..] => {
            if let Some(known) = hashes.lock().unwrap().get(*said) {
                let at = request.windows(40).position(|w| w == said.as_bytes()).unwrap();
                request[at..at + 40].copy_from_slice(known.as_bytes());
            }
            request
        }
        // The client's own is loaded too: it looks at what is answered.
        ["SCRIPT", "LOAD", text] => {
            let told = text.replace(ASKED[0], ASKED[1]);
            assert!(!told.contains("'TIME'"), "a script looks at the time in another way");
            let client = redis::Client::open(format!("redis+unix://{}", upstream.display())).unwrap();
            let mut connection = client.get_multiplexed_async_connection().await.unwrap();
            let hash = Script::new(&told).prepare_invoke().load_async(&mut connection).await.unwrap();
            hashes.lock().unwrap().insert(Script::new(text).get_hash().to_owned(), hash);
            request
        }
        ["TIME"] => packed(&["MGET", "held:s", "held:us"]),
        _ => request,
    }
}

fn packed(words: &[&str]) -> Vec<u8> {
    let one = |w: &&str| format!("${}\r\n{w}\r\n", w.len());
    format!("*{}\r\n{}", words.len(), words.iter().map(one).collect::<String>()).into_bytes()
}
