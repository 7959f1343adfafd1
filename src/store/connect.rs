//! Connections to Redis: one shared for everything that answers at once, one of its own for every blocking read, one for
//! published messages.
//!
//! Measured with redis-rs 1.8: a shared connection that carries a blocking read makes every other call wait behind it; a
//! dropped call is not cancelled on the server; a connection manager fails the command in flight and reconnects behind the next.

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig, PubSub};
use redis::io::tcp::TcpSettings;
use redis::{Client, IntoConnectionInfo};

use super::error::StoreError;

/// A connection, by a name that callers may hold it under without knowing Redis.
pub type Connection = ConnectionManager;

/// Longest a blocking read waits: also the longest a stop waits for one (a dropped one would still take work).
pub const BLOCK: Duration = Duration::from_secs(1);

/// A Redis server and the shared connection to it.
#[derive(Clone)]
pub struct Redis {
    client: Client,
    shared: ConnectionManager,
}

impl Redis {
    /// Connects. `reply_limit` bounds every call on the shared connection.
    ///
    /// # Errors
    /// When the URL cannot be read or the server not be reached.
    pub async fn connect(url: &str, reply_limit: Duration) -> Result<Self, StoreError> {
        let info = url.into_connection_info()?.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let client = Client::open(info)?;
        let shared = ConnectionManager::new_with_config(client.clone(), config(reply_limit)).await?;
        Ok(Self { client, shared })
    }

    /// The shared connection; never for blocking commands.
    #[must_use]
    pub fn shared(&self) -> ConnectionManager {
        self.shared.clone()
    }

    /// A connection for one blocking reader; commands on it may block up to [`BLOCK`].
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn blocking(&self) -> Result<ConnectionManager, StoreError> {
        Ok(ConnectionManager::new_with_config(self.client.clone(), config(BLOCK + Duration::from_secs(1))).await?)
    }

    /// A connection for published messages. It does not reconnect: when its stream ends, ask for another.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn pubsub(&self) -> Result<PubSub, StoreError> {
        let connect = self.client.get_async_pubsub();
        match tokio::time::timeout(Duration::from_secs(1), connect).await {
            Ok(connected) => Ok(connected?),
            Err(_) => Err(redis::RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut)).into()),
        }
    }

    /// Redis's time, ms since 1970.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn time_ms(&self) -> Result<u64, StoreError> {
        let (seconds, micros): (u64, u64) = redis::cmd("TIME").query_async(&mut self.shared()).await?;
        Ok(seconds * 1000 + micros / 1000)
    }
}

fn config(reply_limit: Duration) -> ConnectionManagerConfig {
    ConnectionManagerConfig::new()
        .set_connection_timeout(Some(Duration::from_millis(500)))
        .set_response_timeout(Some(reply_limit))
        .set_number_of_retries(1)
        .set_min_delay(Duration::from_millis(50))
        .set_max_delay(Duration::from_millis(500))
        .set_pipeline_buffer_size(200)
}
