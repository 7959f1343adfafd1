//! What the first Valence answered, this one answers too, but for what is meant to differ.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use support::front::Front;
use support::saga::Plant;
use support::transcripts::{Meant, Replay, differences};
use valence::config::Config;
use valence::sim::SimConfig;

const fn meant(step: &'static str, status: u16, title: &'static str, why: &'static str) -> Meant {
    Meant { step, status, title, why }
}

const GENERIC: &[Meant] = &[];

async fn front(plant: &Plant) -> Front {
    Front::with(plant, Config { secret_key_file: Some(plant.lab.key_file()), ..Config::default() }).await
}

#[tokio::test]
async fn every_request_that_needs_no_pod_manager_is_answered_as_before() {
    let plant = Plant::bare(SimConfig::default(), true).await;
    let front = front(&plant).await;
    let wrong = differences("head-generic", &mut Replay::new(&front.url), GENERIC).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
