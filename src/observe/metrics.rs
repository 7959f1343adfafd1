//! Every metric of every process, declared once, each in the file of its part.
//!
//! One registry a process ([`get`]), so that `valence up`, which runs all parts in one process, shows all families on one page. Names are
//! `valence_<noun>_<unit>`, units are base units, and no label ever holds a task's, node's or token's id: each is a word of a short list.
//! A family without children prints nothing, so a process shows only what it does.

mod declare;
mod http;
mod podms;
mod store;
mod upkeep;
mod work;

use std::sync::LazyLock;

use prometheus::{Encoder, Registry, TextEncoder};

use declare::Declare;
pub use http::Http;
pub use podms::{Podms, Redfish, Telemetry};
pub use store::Store;
pub use upkeep::{Placement, Upkeep};
pub use work::Work;

/// The families of a process.
pub struct Metrics {
    registry: Registry,
    /// The REST server.
    pub http: Http,
    /// Workers.
    pub work: Work,
    /// Schedulers.
    pub upkeep: Upkeep,
    /// How Pod Managers are spoken to.
    pub redfish: Redfish,
    /// How Pod Managers stand.
    pub podms: Podms,
    /// What Pod Managers measure and tell.
    pub telemetry: Telemetry,
    /// How nodes are placed.
    pub placement: Placement,
    /// How Redis answers.
    pub store: Store,
}

static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

/// The process's families.
#[must_use]
pub fn get() -> &'static Metrics {
    &METRICS
}

impl Metrics {
    fn new() -> Self {
        let declare = Declare(Registry::new());
        declare.build_info();
        declare.process();
        Self {
            http: Http::declare(&declare),
            work: Work::declare(&declare),
            upkeep: Upkeep::declare(&declare),
            redfish: Redfish::declare(&declare),
            podms: Podms::declare(&declare),
            telemetry: Telemetry::declare(&declare),
            placement: Placement::declare(&declare),
            store: Store::declare(&declare),
            registry: declare.0,
        }
    }

    /// The page that Prometheus reads.
    #[must_use]
    pub fn page(&self) -> String {
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "metrics not encodable");
        }
        String::from_utf8(text).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_is_declared_soundly_and_the_page_says_which_build_it_is() {
        let page = get().page();
        assert!(page.contains("valence_build_info{version="), "{page}");
        assert!(page.contains("# HELP valence_http_requests_in_flight"), "{page}");
    }
}
