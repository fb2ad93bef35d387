//! What is sent: the recorded impressions by Kafka and clicks by HTTP, generated playback of what
//! was clicked; of all this only what an earlier run did not send.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use arrow::datatypes::DataType;

use millrace_events::{OpenBandit, ReplayEvent};
use millrace_generate::playback::{Playback, PlaybackSettings, clicked};
use millrace_spaas::sql::SqlEngine;

use super::Scene;
use crate::send::ByKafka;

/// What the generated sessions are drawn from.
const SEED: u64 = 2019;

/// What went into one stream.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    /// Events of the stream, in all runs.
    pub(crate) total: u64,
    /// Events sent by this run.
    pub(crate) now: u64,
    /// How.
    pub(crate) by: &'static str,
    pub(crate) took: Duration,
}

/// Sends what is missing of the bundled data; returns when the broker has acknowledged all of it.
pub(super) async fn replay(scene: &Scene) -> anyhow::Result<BTreeMap<String, Sent>> {
    let kafka = ByKafka::new(&scene.kafka)?;
    let mut streams: BTreeMap<&'static str, Vec<ReplayEvent>> = BTreeMap::new();
    let mut plays = Vec::new();
    for event in OpenBandit::bundled()? {
        let event = event?;
        plays.extend(clicked(&event));
        streams.entry(event.stream).or_default().push(event);
    }
    let settings = PlaybackSettings { seed: SEED, ..PlaybackSettings::default() };
    for event in Playback::new(settings, plays) {
        streams.entry(event.stream).or_default().push(event);
    }
    let mut sent = BTreeMap::new();
    for (stream, events) in streams {
        let there = ids(&scene.engine, stream).await?;
        let total = events.len() as u64;
        let missing: Vec<_> = events.into_iter().filter(|e| !there.contains(&e.id)).collect();
        let (now, started) = (missing.len() as u64, Instant::now());
        let by = if stream == "clicks" { "HTTP" } else { "Kafka" };
        if by == "HTTP" {
            scene.door.send(&missing).await?;
        } else {
            kafka.send(missing).await?;
        }
        sent.insert(stream.to_owned(), Sent { total, now, by, took: started.elapsed() });
    }
    Ok(sent)
}

/// Ids that are in the stream's table already.
async fn ids(engine: &SqlEngine, stream: &str) -> anyhow::Result<HashSet<String>> {
    let sql = format!("SELECT event_id FROM raw.{stream}");
    let mut ids = HashSet::new();
    for batch in engine.run(&sql).await?.collect_all().await? {
        let texts = arrow::compute::cast(batch.column(0), &DataType::Utf8)?;
        ids.extend(texts.as_string::<i32>().iter().flatten().map(str::to_owned));
    }
    Ok(ids)
}
