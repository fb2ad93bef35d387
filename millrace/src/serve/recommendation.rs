//! `millrace serve recommendation`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use millrace_bus::{Producer, ProducerLimits};
use millrace_events::{Emitter, EmitterSettings, SpoolSettings, WhenFull};
use millrace_recommendation::{Parts, Recommendation, RecommendationSettings};

use super::Ground;

/// Events in memory on their way to Kafka, of each kind.
const QUEUE_BYTES: usize = 32 << 20;
/// Impressions are many: some wait for company.
const LINGER: Duration = Duration::from_millis(20);

/// Starts it. Who stops it has what was answered logged.
pub(crate) async fn start(ground: &Ground) -> anyhow::Result<Recommendation> {
    let parts = Parts {
        following: ground.following(),
        store: ground.store.clone(),
        impressions: emitter(ground, "impressions", WhenFull::Wait).await?,
        deletions: emitter(ground, "deletions", WhenFull::Refuse).await?,
        fallback: Some(ground.folder.join("static.json")),
        metrics: Some(ground.metrics.clone()),
        clock: ground.clock.clone(),
    };
    // Another one at each start; draws need not be secret.
    let seed = ground.clock.now_ms().unsigned_abs();
    let settings = RecommendationSettings { seed, ..RecommendationSettings::default() };
    Ok(Recommendation::start(settings, parts)?)
}

/// An emitter that keeps events in a folder of its own while Kafka is away.
async fn emitter(ground: &Ground, name: &str, when_full: WhenFull) -> anyhow::Result<Emitter> {
    let limits = ProducerLimits { queue_bytes: QUEUE_BYTES, linger: LINGER };
    let producer = Producer::new(&ground.kafka, limits).context("the Kafka producer")?;
    let folder: PathBuf = ground.folder.join(name);
    let settings = EmitterSettings {
        queue_bytes: QUEUE_BYTES,
        when_full,
        spool: Some(SpoolSettings::new(folder)),
        ..EmitterSettings::default()
    };
    let started = Emitter::start(Arc::new(producer), ground.clock.clone(), settings).await;
    started.with_context(|| format!("the emitter of {name}"))
}
