//! Shows what Pod Managers measure as metrics: lowest and highest of each kind, and how old they are. Every scheduler shows the same.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use prometheus::GaugeVec;
use tokio::sync::Mutex;

use super::named::{OTHER, named};
use crate::model::podm::{Podm, PodmStatus};
use crate::model::reading::Summary;
use crate::observe::metrics;
use crate::shutdown::Shutdown;
use crate::store::readings::Overview;
use crate::store::{Store, StoreError};

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(15);

type Shown = HashSet<(usize, Vec<String>)>;

pub(super) fn spawn(store: &Store, shutdown: &Shutdown) {
    let (store, shown) = (store.clone(), Arc::new(Mutex::new(Shown::new())));
    super::spawn_loop("readings", shutdown, move || {
        let (store, shown) = (store.clone(), shown.clone());
        async move {
            let mut shown = shown.lock().await;
            *shown = pass(&store, std::mem::take(&mut *shown)).await?;
            Ok(PAUSE)
        }
    });
}

/// One look; `before` is what was shown and is taken away where it is not any more.
///
/// # Errors
/// When Redis is away.
pub async fn pass(store: &Store, before: Shown) -> Result<Shown, StoreError> {
    let podms = store.podms().await?;
    let ids: Vec<String> = podms.iter().map(|p| p.uuid.clone()).collect();
    let found = store.overviews(&ids).await?;
    let now_ms = store.clock().now_ms();
    let read = podms.iter().zip(&found).filter_map(|(podm, found)| {
        let found = found.as_ref()?;
        let age = Duration::from_millis(now_ms.saturating_sub(found.at_ms));
        Some((podm, found, age))
    });
    let old = |podm: &Podm, found: &Overview, age: Duration| {
        age > Duration::from_secs(found.fresh_s) || podm.status == PodmStatus::Offline
    };
    let trouble = |(podm, found, age)| if old(podm, found, age) { age.as_secs().max(1) } else { 0 };
    let own = named(read.clone().map(|read| (read.0.name.as_str(), trouble(read))));
    let count = read.clone().filter(|(podm, found, age)| old(podm, found, *age)).count();
    metrics::get().podms.old.with_label_values(&["readings"]).set(i64::try_from(count).unwrap_or(i64::MAX));
    let mut values: BTreeMap<(usize, Vec<String>), f64> = BTreeMap::new();
    for (podm, Overview { summaries, .. }, age) in read {
        let label = own.get(podm.name.as_str()).copied().unwrap_or(OTHER);
        let age = age.as_secs_f64();
        let mut put = |family: usize, labels: &[&str], value: f64, join: fn(f64, f64) -> f64| {
            let key = (family, std::iter::once(label).chain(labels.iter().copied()).map(str::to_owned).collect());
            values.entry(key).and_modify(|v| *v = join(*v, value)).or_insert(value);
        };
        put(AGE, &[], age, f64::max);
        for s in summaries {
            put(COUNT, &[&s.kind], Duration::from_secs(s.count).as_secs_f64(), |a, b| a + b);
            let Some((family, factor)) = family(s) else { continue };
            put(family, &["min"], s.min * factor, f64::min);
            put(family, &["max"], s.max * factor, f64::max);
            if let Some(whole) = s.whole {
                put(family, &["sum"], whole * factor, |a, b| a + b);
            }
        }
    }
    let families = families();
    let texts = |labels: &[String]| labels.iter().map(String::as_str).map(str::to_owned).collect::<Vec<_>>();
    for ((n, labels), value) in &values {
        families[*n].with_label_values(&texts(labels)).set(*value);
    }
    let now: Shown = values.into_keys().collect();
    for (n, labels) in before.difference(&now) {
        // It was shown, so it is there; if not, that is what is wanted.
        let _gone = families[*n].remove_label_values(&texts(labels));
    }
    Ok(now)
}

const COUNT: usize = 0;
const AGE: usize = 1;

fn families() -> [&'static GaugeVec; 9] {
    let t = &metrics::get().telemetry;
    [&t.readings, &t.age, &t.temperature, &t.power, &t.voltage, &t.energy, &t.fan_speed, &t.fan_ratio, &t.utilisation]
}

/// The family of a kind and unit, and what makes base units of it.
fn family(s: &Summary) -> Option<(usize, f64)> {
    Some(match (s.kind.as_str(), s.unit.as_str()) {
        ("temperature", "Cel") => (2, 1.0),
        ("power", "W") => (3, 1.0),
        ("voltage", "V") => (4, 1.0),
        ("energy", "J") => (5, 1.0),
        ("energy", "W.h") => (5, 3_600.0),
        ("energy", "kW.h") => (5, 3_600_000.0),
        ("fan", "RPM") => (6, 1.0 / 60.0),
        ("fan", "%") => (7, 0.01),
        ("utilisation", "%") => (8, 0.01),
        _ => return None,
    })
}
