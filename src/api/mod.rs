//! The REST server: validates, enqueues, waits for answers, shows tasks. It keeps no state of its own, so any number of it may run.
//!
//! A request passes the accept loop ([`server`]) and the check of its framing ([`sieve`]), is matched to a route ([`resource`], [`dispatch`]), admitted ([`auth`]), read whole and
//! handed to its handler as a [`call::Call`]. Handlers live one file a resource. What changes something becomes a task before the client
//! hears of it; what reads hardware or records is a sync task that a worker answers. Nothing here speaks to hardware, and
//! nothing here writes a task's state.

mod answer;
mod app;
mod audit;
mod auth;
mod batch;
mod body;
mod call;
mod chunks;
mod conn;
mod console;
mod dead_letters;
mod devices;
mod dispatch;
mod drivers;
mod events;
mod flavors;
mod framing;
mod headers;
mod health;
mod inventory;
mod json;
mod jwks;
mod jwt;
mod kinds;
mod limits;
mod networks;
mod nodes;
mod openapi;
mod placements;
mod pod_managers;
mod podm_states;
mod prefer;
mod proxy;
mod queues;
mod racks;
mod reload;
mod resource;
mod root;
mod sampler;
mod schedules;
mod server;
mod shape;
mod sieve;
mod spec;
mod storages;
mod submit;
mod systems;
mod tasks;
mod telemetry;
mod tls;
mod tokens;
mod v1;
mod view;
mod wait;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use crate::config::Config;
use crate::secret::SecretError;
use crate::shutdown::Shutdown;
use crate::store::Store;
use app::App;
pub use openapi::openapi;
use resource::Resource;

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The address is taken, or not ours.
    #[error("cannot listen on {address}: {why}")]
    Bind {
        /// Where it should have listened.
        address: SocketAddr,
        /// What the system said.
        why: String,
    },
    /// The file with tokens cannot be used.
    #[error("tokens file {file}: {why}")]
    Tokens {
        /// Which file.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// Certificate or key cannot be used.
    #[error("TLS with {file}: {why}")]
    Tls {
        /// The certificate's file.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// The keys of JWTs cannot be used.
    #[error("keys of JWTs {place}: {why}")]
    Jwks {
        /// File or URL.
        place: String,
        /// What is wrong.
        why: String,
    },
    /// The secret key cannot be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

/// Takes the address to listen on.
///
/// # Errors
/// [`ApiError::Bind`] when it is taken.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, ApiError> {
    TcpListener::bind(address).await.map_err(|e| ApiError::Bind { address, why: e.to_string() })
}

/// Starts the server's loops on `shutdown` and returns; requests are answered from then on. Says where it listens.
///
/// # Errors
/// When the tokens or the secret key cannot be read.
pub fn spawn(config: Config, store: Store, shutdown: &Shutdown, listener: TcpListener) -> Result<SocketAddr, ApiError> {
    let address =
        listener.local_addr().map_err(|e| ApiError::Bind { address: config.api.listen, why: e.to_string() })?;
    let app = App::start(config.clone(), store, shutdown)?;
    let routes = routes(&app);
    let tls = tls::Tls::keep(&config.api.tls, shutdown)?;
    tracing::info!(%address, tls = tls.is_some(), "serving");
    shutdown.spawn("REST server", server::run(listener, routes, tls, config, shutdown.token()));
    Ok(address)
}

/// Every resource, the busiest first: a request is offered to one after the other.
fn resources() -> Vec<Resource> {
    vec![
        tasks::resource(),
        nodes::resource(),
        placements::resource(),
        systems::resource(),
        storages::resource(),
        devices::resource(),
        networks::resource(),
        flavors::resource(),
        pod_managers::resource(),
        telemetry::resource(),
        health::resource(),
        queues::resource(),
        queues::workers(),
        events::resource(),
        kinds::resource(),
        dead_letters::resource(),
        audit::resource(),
        schedules::resource(),
        root::resource(),
        openapi::resource(),
        console::resource(),
        drivers::resource(),
        inventory::resource(),
        inventory::drift(),
        racks::resource(),
        proxy::resource(),
    ]
}

fn routes(app: &Arc<App>) -> BoxedFilter<(Response,)> {
    let last = dispatch::nothing(app);
    resources().into_iter().rev().fold(last, |rest, resource| dispatch::filter(app, resource).or(rest).unify().boxed())
}
