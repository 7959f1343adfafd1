//! `/v1/queues` and `/v1/workers`: how much work waits, and who is there to do it.

use serde::Serialize;
use utoipa::ToSchema;

use super::answer::{self, Answer, Failure};
use super::auth::Role;
use super::call::Call;
use super::resource::Resource;
use crate::model::problem::Problem;
use crate::model::topic::Topic;
use crate::store::queues::Queue;
use crate::store::workers::Worker;

/// Every topic's queue.
#[derive(Serialize, ToSchema)]
pub(crate) struct Queues {
    queues: Vec<Queue>,
}

/// Live worker processes.
#[derive(Serialize, ToSchema)]
pub(crate) struct Workers {
    workers: Vec<Worker>,
}

/// The routes of queues.
pub(crate) fn resource() -> Resource {
    Resource::at("/v1/queues", "operation")
        .get("", "Depth, age and rates of every topic's queue", list)
        .answers::<Queues>(200)
        .post("/{topic}/pause", "Workers take nothing new from the topic", pause)
        .role(Role::Admin)
        .answers::<Queue>(200)
        .post("/{topic}/resume", "Workers take tasks of the topic again", resume)
        .role(Role::Admin)
        .answers::<Queue>(200)
}

/// The route of workers.
pub(crate) fn workers() -> Resource {
    Resource::at("/v1/workers", "operation")
        .get("", "Lists live worker processes", list_workers)
        .answers::<Workers>(200)
}

async fn list_workers(call: Call) -> Answer {
    call.only_query(&[])?;
    let mut workers = call.app.store.workers().await?;
    workers.sort_by(|a, b| a.started_at.cmp(&b.started_at));
    Ok(answer::ok(&Workers { workers }))
}

async fn list(call: Call) -> Answer {
    call.only_query(&[])?;
    Ok(answer::ok(&Queues { queues: queues(&call).await? }))
}

async fn queues(call: &Call) -> Result<Vec<Queue>, Failure> {
    let mut queues = call.app.store.queues().await?;
    let workers = call.app.roster.workers().await?;
    for queue in &mut queues {
        let Some(topic) = Topic::parse(&queue.topic) else { continue };
        let serving = workers.iter().filter(|w| w.topics.contains(&topic)).count();
        queue.workers = u32::try_from(serving).unwrap_or(u32::MAX);
        queue.rates = call.app.sampler.rates(topic);
    }
    Ok(queues)
}

async fn pause(call: Call) -> Answer {
    set(&call, true).await
}

async fn resume(call: Call) -> Answer {
    set(&call, false).await
}

async fn set(call: &Call, paused: bool) -> Answer {
    let unknown =
        || Problem::not_found(format!("Topic {} not found.", call.param(0).chars().take(100).collect::<String>()));
    let topic = Topic::parse(call.param(0)).ok_or_else(unknown)?;
    call.app.store.pause(topic, paused).await?;
    let queue = queues(call).await?.into_iter().find(|q| q.topic == topic.as_str());
    Ok(answer::ok(&queue.ok_or_else(unknown)?))
}
