//! Connections to Redis: one shared for everything that answers at once, one of its own for every blocking read, one for
//! published messages.
//!
//! Measured with redis-rs 1.8: a shared connection that carries a blocking read makes every other call wait behind it; a
//! dropped call is not cancelled on the server; a connection manager fails the command in flight and reconnects behind the next.

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig, PubSub};
use redis::cluster::ClusterClient;
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{AsyncConnectionConfig, Client, ConnectionInfo, IntoConnectionInfo, RedisError, TlsMode, Value};

use super::error::StoreError;
pub use super::link::Connection;
use super::link::Primary;
use super::target::{Seeds, Target};

/// Longest a blocking read waits: also the longest a stop waits for one (a dropped one would still take work).
pub const BLOCK: Duration = Duration::from_secs(1);
/// Longest to connect to a server.
const CONNECT: Duration = Duration::from_millis(500);
/// How often a Cluster's client tries a command again that met a moved slot or a node that is gone, and how long it waits before it does, ms.
const CLUSTER_TRIES: u32 = 8;
const CLUSTER_WAIT: std::ops::Range<u64> = 20..200;

/// A Redis and the shared connection to it.
#[derive(Clone)]
pub struct Redis {
    target: Target,
    shared: Connection,
}

impl Redis {
    /// Connects. `reply_limit` bounds every call on the shared connection. Which URLs there are: [`super::target`].
    ///
    /// # Errors
    /// When the URL cannot be read or the server not be reached.
    pub async fn connect(url: &str, reply_limit: Duration) -> Result<Self, StoreError> {
        let target = Target::read(url).map_err(|why| RedisError::from((redis::ErrorKind::InvalidClientConfig, why)))?;
        let shared = open(&target, reply_limit).await?;
        Ok(Self { target, shared })
    }

    /// The shared connection; never for blocking commands.
    #[must_use]
    pub fn shared(&self) -> Connection {
        self.shared.clone()
    }

    /// A connection for one blocking reader; commands on it may block up to [`BLOCK`].
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn blocking(&self) -> Result<Connection, StoreError> {
        open(&self.target, BLOCK + Duration::from_secs(1)).await
    }

    /// A connection for published messages. It does not reconnect: when its stream ends, ask for another. In a Cluster any node will do,
    /// each hears all messages.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn pubsub(&self) -> Result<PubSub, StoreError> {
        let late = || RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
        let connect = async {
            match &self.target {
                Target::Server(url) => Client::open(server(url)?)?.get_async_pubsub().await,
                Target::Sentinel { sentinels, name, password } => {
                    let mut client = sentinel(sentinels, name, password.as_deref())?;
                    client.async_get_client().await?.get_async_pubsub().await
                }
                Target::Cluster(seeds) => {
                    let mut failed = late();
                    for info in infos(seeds)? {
                        match Client::open(info)?.get_async_pubsub().await {
                            Ok(heard) => return Ok(heard),
                            Err(error) => failed = error,
                        }
                    }
                    Err(failed)
                }
            }
        };
        match tokio::time::timeout(Duration::from_secs(1), connect).await {
            Ok(connected) => Ok(connected?),
            Err(_) => Err(late().into()),
        }
    }

    /// Redis's time, ms since 1970. In a Cluster one node's: the others must keep theirs by NTP.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn time_ms(&self) -> Result<u64, StoreError> {
        let (seconds, micros): (u64, u64) = redis::cmd("TIME").query_async(&mut self.shared()).await?;
        Ok(seconds * 1000 + micros / 1000)
    }

    /// What each primary says of itself (`INFO`), in the sections asked for.
    ///
    /// # Errors
    /// When one cannot be reached.
    pub async fn infos(&self, sections: &[&str]) -> Result<Vec<String>, StoreError> {
        let said = self.each(redis::cmd("INFO").arg(sections)).await?;
        said.into_iter().map(|info| Ok(redis::from_redis_value(info).map_err(RedisError::from)?)).collect()
    }

    /// A setting of each server.
    ///
    /// # Errors
    /// When one cannot be reached, or refuses to tell.
    pub async fn settings(&self, name: &str) -> Result<Vec<String>, StoreError> {
        let said = self.each(redis::cmd("CONFIG").arg("GET").arg(name)).await?;
        let pairs = said.into_iter().map(|pair| redis::from_redis_value::<Vec<String>>(pair).map_err(RedisError::from));
        Ok(pairs.collect::<Result<Vec<_>, _>>()?.into_iter().filter_map(|pair| pair.into_iter().nth(1)).collect())
    }

    /// The answer of each server to a command that a Cluster's client sends to all of them.
    async fn each(&self, cmd: &redis::Cmd) -> Result<Vec<Value>, StoreError> {
        Ok(match cmd.query_async(&mut self.shared()).await? {
            Value::Map(by_node) => by_node.into_iter().map(|(_, said)| said).collect(),
            one => vec![one],
        })
    }

    /// Whether keys are spread over several primaries.
    #[must_use]
    pub const fn is_cluster(&self) -> bool {
        matches!(self.target, Target::Cluster(_))
    }

    /// What stands behind the URL, in one word: `server`, `sentinel` or `cluster`.
    #[must_use]
    pub const fn topology(&self) -> &'static str {
        match self.target {
            Target::Server(_) => "server",
            Target::Sentinel { .. } => "sentinel",
            Target::Cluster(_) => "cluster",
        }
    }
}

async fn open(target: &Target, reply_limit: Duration) -> Result<Connection, StoreError> {
    Ok(match target {
        Target::Server(url) => {
            let client = Client::open(server(url)?)?;
            Connection::Server(ConnectionManager::new_with_config(client, managed(reply_limit)).await?)
        }
        Target::Sentinel { sentinels, name, password } => {
            let client = sentinel(sentinels, name, password.as_deref())?;
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(CONNECT))
                .set_response_timeout(Some(reply_limit));
            let mut primary = Connection::Sentinel(Primary::new(client, config));
            let _pong: Value = redis::cmd("PING").query_async(&mut primary).await?;
            primary
        }
        Target::Cluster(seeds) => {
            let client = ClusterClient::builder(infos(seeds)?)
                .connection_timeout(CONNECT)
                .response_timeout(reply_limit)
                .retries(CLUSTER_TRIES)
                .min_retry_wait(CLUSTER_WAIT.start)
                .max_retry_wait(CLUSTER_WAIT.end)
                .tcp_settings(no_delay())
                .build()?;
            Connection::Cluster(client.get_async_connection().await?)
        }
    })
}

fn no_delay() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}

fn server(url: &str) -> Result<ConnectionInfo, RedisError> {
    Ok(url.into_connection_info()?.set_tcp_settings(no_delay()))
}

/// Each node of a Cluster, with the account.
fn infos(seeds: &Seeds) -> Result<Vec<ConnectionInfo>, RedisError> {
    let mut account = redis::RedisConnectionInfo::default();
    if let Some(user) = &seeds.user {
        account = account.set_username(user);
    }
    if let Some(password) = &seeds.password {
        account = account.set_password(password);
    }
    let info = |address: redis::ConnectionAddr| -> Result<ConnectionInfo, RedisError> {
        Ok(address.into_connection_info()?.set_redis_settings(account.clone()).set_tcp_settings(no_delay()))
    };
    seeds.addresses().into_iter().map(info).collect()
}

fn sentinel(seeds: &Seeds, name: &str, password: Option<&str>) -> Result<SentinelClient, RedisError> {
    let mut builder = SentinelClientBuilder::new(seeds.addresses(), name, SentinelServerType::Master)?
        .set_client_to_redis_tcp_settings(no_delay());
    if seeds.tls {
        builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
    }
    if let Some(user) = &seeds.user {
        builder = builder.set_client_to_redis_username(user);
    }
    if let Some(secret) = &seeds.password {
        builder = builder.set_client_to_redis_password(secret);
    }
    if let Some(secret) = password {
        builder = builder.set_client_to_sentinel_password(secret);
    }
    builder.build()
}

fn managed(reply_limit: Duration) -> ConnectionManagerConfig {
    ConnectionManagerConfig::new()
        .set_connection_timeout(Some(CONNECT))
        .set_response_timeout(Some(reply_limit))
        .set_number_of_retries(1)
        .set_min_delay(Duration::from_millis(50))
        .set_max_delay(Duration::from_millis(500))
        .set_pipeline_buffer_size(200)
}
