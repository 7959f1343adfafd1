//! One connection, whatever stands behind it: commands go through it as they are.
//!
//! - To one server: fails the command in flight when it is lost, and reconnects behind the next.
//! - To the primary that Sentinels name: asked anew when it is lost or says that it is a replica now. A connection to a primary that was
//!   cut off together with us cannot tell: `redis.wait_replicas` is for that.
//! - To a Cluster: the client library follows moved slots; pipelines over keys of several slots, which records and presence have, are
//!   sent command by command.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::try_join_all;
use redis::aio::{ConnectionLike, ConnectionManager, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::sentinel::SentinelClient;
use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, RedisResult, ServerErrorKind, Value,
};
use tokio::sync::Mutex;

use super::error::codes;
use super::timed;

/// Longest to find the primary and connect to it.
const FIND: Duration = Duration::from_secs(2);

/// A connection. Clones share it.
#[derive(Clone)]
pub enum Connection {
    /// To one server.
    Server(ConnectionManager),
    /// To the primary that Sentinels name.
    Sentinel(Primary),
    /// To a Cluster.
    Cluster(ClusterConnection),
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        let answer = match self {
            Self::Server(server) => server.req_packed_command(cmd),
            Self::Sentinel(primary) => primary.ask(async |c| c.req_packed_command(cmd).await).boxed(),
            Self::Cluster(cluster) => cluster.req_packed_command(cmd),
        };
        timed::timed(timed::name(cmd), answer).boxed()
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        let answer = match self {
            Self::Server(server) => server.req_packed_commands(pipeline, offset, count),
            Self::Sentinel(primary) => {
                primary.ask(async move |c| c.req_packed_commands(pipeline, offset, count).await).boxed()
            }
            Self::Cluster(cluster) => pipelined(cluster, pipeline, (offset, count)).boxed(),
        };
        timed::timed(Some(timed::PIPELINE), answer).boxed()
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(server) => server.get_db(),
            Self::Sentinel(_) => 0,
            Self::Cluster(cluster) => cluster.get_db(),
        }
    }
}

/// The client library refuses a pipeline over several slots before it sends anything of it.
async fn pipelined(
    cluster: &mut ClusterConnection,
    pipeline: &Pipeline,
    (offset, count): (usize, usize),
) -> RedisResult<Vec<Value>> {
    match cluster.req_packed_commands(pipeline, offset, count).await {
        Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::CrossSlot) => {
            one_by_one(cluster, pipeline).await
        }
        answer => answer,
    }
}

async fn one_by_one(cluster: &ClusterConnection, pipeline: &Pipeline) -> RedisResult<Vec<Value>> {
    try_join_all(pipeline.cmd_iter().map(|cmd| {
        let mut cluster = cluster.clone();
        async move { cluster.req_packed_command(cmd).await }
    }))
    .await
}

/// The primary of a name, as its Sentinels know it.
#[derive(Clone)]
pub struct Primary(Arc<Inner>);

struct Inner {
    sentinels: Mutex<SentinelClient>,
    connected: Mutex<Option<MultiplexedConnection>>,
    config: AsyncConnectionConfig,
}

impl Primary {
    /// Nothing is asked yet.
    pub(super) fn new(sentinels: SentinelClient, config: AsyncConnectionConfig) -> Self {
        Self(Arc::new(Inner { sentinels: Mutex::new(sentinels), connected: Mutex::new(None), config }))
    }

    /// Asks over the connection there is, or a new one. One that failed, or leads to a replica, is given up.
    async fn ask<T>(&self, ask: impl AsyncFnOnce(&mut MultiplexedConnection) -> RedisResult<T>) -> RedisResult<T> {
        let mut connection = self.connection().await?;
        let answer = ask(&mut connection).await;
        if answer.as_ref().is_err_and(leads_nowhere) {
            *self.0.connected.lock().await = None;
        }
        answer
    }

    async fn connection(&self) -> RedisResult<MultiplexedConnection> {
        let mut connected = self.0.connected.lock().await;
        if let Some(connection) = &*connected {
            return Ok(connection.clone());
        }
        let find = async {
            let mut sentinels = self.0.sentinels.lock().await;
            sentinels.get_async_connection_with_config(&self.0.config).await
        };
        let late = |_| RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
        let found = tokio::time::timeout(FIND, find).await.map_err(late)??;
        Ok(connected.insert(found).clone())
    }
}

/// What a server says that is no primary, or none that can do anything.
const LEADS_NOWHERE: [&str; 5] = ["READONLY", "MASTERDOWN", "LOADING", "UNBLOCKED", "NOREPLICAS"];

fn leads_nowhere(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_timeout()
        || error.is_connection_dropped()
        || error.kind() == ErrorKind::Io
        || codes(error).iter().any(|code| LEADS_NOWHERE.contains(&code.as_str()))
}
