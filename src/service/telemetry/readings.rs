//! `reading.list`: the latest readings, each with its age. Old ones are shown as old. However many there are, an answer has a bounded number of
//! them: a page where one is asked for, else all, or the advice to ask for pages.

use std::time::Duration;

use serde_json::{Value, json};

use crate::model::kind;
use crate::model::node::Node;
use crate::model::params::ReadingFilter;
use crate::model::podm::{Podm, PodmStatus};
use crate::model::problem::Problem;
use crate::model::reading::Reading;
use crate::model::v1time::rfc3339;
use crate::podm::Surroundings;
use crate::service::{ReadContext, hardware};
use crate::store::readings::Latest;
use crate::store::records::Collection;

/// Readings in a page unless said otherwise.
const PAGE: usize = 100;
/// Readings that an answer looks at for a page, and that it has without one.
const MOST: usize = 20_000;

/// The readings that fit, Pod Manager by Pod Manager: all of them as a bare list, or, with a limit or a marker, a page with the marker of the
/// next one.
///
/// # Errors
/// 400 for what is no marker, and when there are too many for one answer; 404 for an unknown Pod Manager or node; for a node, what its Pod
/// Manager answers.
pub async fn list(ctx: &ReadContext, params: Value) -> Result<Value, Problem> {
    let filter: ReadingFilter = kind::read(&params)?;
    let from = filter.marker.as_deref().map(Place::read).transpose()?;
    let paged = filter.limit.is_some() || from.is_some();
    let limit = if paged { filter.limit.unwrap_or(PAGE) } else { MOST };
    let node = match &filter.node_id {
        Some(id) => {
            let missing = || Problem::not_found(format!("Composed node '{id}' not found in database."));
            Some(ctx.record::<Node>(Collection::Node, id).await?.ok_or_else(missing)?)
        }
        None => None,
    };
    let asked = filter.podm_id.clone().or_else(|| node.as_ref().map(|n| n.podm_id.clone()));
    let mut podms = match asked {
        Some(id) => vec![podm(ctx, &id).await?],
        None => ctx.records::<Podm>(Collection::Podm).await?,
    };
    podms.retain(|p| from.as_ref().is_none_or(|from| p.uuid.as_str() >= from.podm_id));
    podms.sort_unstable_by(|a, b| a.uuid.cmp(&b.uuid));
    let around = match &node {
        Some(node) => Some(surroundings(ctx, &podm(ctx, &node.podm_id).await?, &node.resource_uri).await?),
        None => None,
    };
    let fits = |r: &Reading| {
        filter.kind.is_none_or(|k| k == r.kind)
            && filter.name.as_ref().is_none_or(|n| *n == r.name)
            && around.as_ref().is_none_or(|around| is_near(r, around))
    };
    let (now, mut shown, mut looked_at, mut next) = (ctx.now_ms(), Vec::new(), 0, None);
    'podms: for podm in &podms {
        let Some(latest) = ctx.readings(&podm.uuid).await? else { continue };
        let begun = from.as_ref().filter(|from| from.podm_id == podm.uuid).map_or(0, |from| from.row);
        for (row, reading) in latest.rows.iter().enumerate().skip(begun) {
            let fits = fits(reading);
            if (fits && shown.len() == limit) || (paged && looked_at == MOST) {
                next = Some(Place { podm_id: &podm.uuid, row }.to_string());
                break 'podms;
            }
            looked_at += 1;
            if fits {
                shown.push(show(podm, &latest, reading, now)?);
            }
        }
    }
    match next {
        Some(_) if !paged => Err(Problem::validation(format!(
            "there are more than {MOST} readings: ask for pages by 'limit' and 'marker', or for those of a Pod Manager, kind or name"
        ))),
        Some(marker) => Ok(json!({ "readings": shown, "marker": marker })),
        None if paged => Ok(json!({ "readings": shown })),
        None => Ok(Value::Array(shown)),
    }
}

/// Where a page begins: at a reading of a Pod Manager, or at the next one's first where that is gone.
struct Place<'m> {
    podm_id: &'m str,
    row: usize,
}

impl<'m> Place<'m> {
    fn read(marker: &'m str) -> Result<Self, Problem> {
        let read = marker.split_once('~').and_then(|(podm_id, row)| Some(Self { podm_id, row: row.parse().ok()? }));
        read.ok_or_else(|| Problem::validation("'marker': the marker of an earlier page is wanted"))
    }
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}~{}", self.podm_id, self.row)
    }
}

fn show(podm: &Podm, latest: &Latest, reading: &Reading, now: u64) -> Result<Value, Problem> {
    let age = Duration::from_millis(now.saturating_sub(latest.at_ms)).as_secs_f64();
    let stale = age > Duration::from_secs(latest.fresh_s).as_secs_f64() || podm.status == PodmStatus::Offline;
    let mut row = serde_json::to_value(reading).map_err(|e| Problem::internal(e.to_string()))?;
    row["podm_id"] = json!(podm.uuid);
    row["read_at"] = json!(rfc3339(latest.at_ms));
    row["age_s"] = json!((age * 1000.0).round() / 1000.0);
    row["stale"] = json!(stale);
    Ok(row)
}

pub(super) async fn podm(ctx: &ReadContext, id: &str) -> Result<Podm, Problem> {
    let missing = || Problem::not_found(format!("Pod Manager {id} not found in database."));
    ctx.record::<Podm>(Collection::Podm, id).await?.ok_or_else(missing)
}

async fn surroundings(ctx: &ReadContext, podm: &Podm, node: &str) -> Result<Surroundings, Problem> {
    let driver = hardware::reader(ctx, podm)?;
    let Some(telemetry) = driver.telemetry() else { return Ok(Surroundings::default()) };
    let read = async { telemetry.surroundings(node).await.map_err(|e| e.problem()) };
    ctx.at_podm(podm, read).await
}

fn is_near(reading: &Reading, around: &Surroundings) -> bool {
    let same = |paths: &[String], path: &Option<String>| {
        path.as_ref().is_some_and(|p| paths.iter().any(|q| p.trim_end_matches('/') == q.trim_end_matches('/')))
    };
    same(&around.systems, &reading.system) || same(&around.chassis, &reading.chassis)
}
