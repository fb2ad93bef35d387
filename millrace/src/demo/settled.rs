//! Whether everything that is in the log has been dealt with, by routes and by jobs.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::bail;

use millrace_bus::Admin;
use millrace_events::{Offset, TopicPartition};
use millrace_sinks::Warehouse;
use millrace_spec::Manifests;

use super::api::{Api, JobNow, Overview};
use super::view::View;

/// How often to look while routes and jobs catch up.
const LOOK: Duration = Duration::from_millis(200);
/// A lag is as old as the last fetch, and the numbers as the last time that the worker was asked.
/// Having stayed at nothing for so long, it is of now.
const QUIET_MS: i64 = 1500;

/// Returns once the ledgers of all routes of `manifests` reach to the ends that their topics have
/// now.
pub(super) async fn routes(
    admin: &Admin,
    warehouse: &Warehouse,
    manifests: &Manifests,
) -> anyhow::Result<()> {
    let mut wanted = Vec::new();
    for route in &manifests.routes {
        let Some(stream) = manifests.streams.get(&route.from) else { continue };
        for partition in 0..admin.partitions(&stream.topic).await?.unwrap_or(0) {
            let tp = TopicPartition::new(stream.topic.as_str(), partition);
            let (first, end) = admin.watermarks(&tp).await?;
            if first < end {
                wanted.push(((route.name.to_string(), tp), end));
            }
        }
    }
    loop {
        let mut reached: BTreeMap<(String, TopicPartition), Offset> = BTreeMap::new();
        for row in warehouse.audit().await? {
            let tp = TopicPartition::new(row.topic.as_ref(), row.partition.0);
            reached.extend(row.ledger.next.map(|next| ((row.route.to_string(), tp), next)));
        }
        if wanted.iter().all(|(place, end)| reached.get(place).is_some_and(|next| next >= end)) {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Shows the jobs on `view` until all of them have read everything and have taken a checkpoint
/// after it; returns how they were then.
pub(super) async fn jobs(api: &Api, view: &mut View) -> anyhow::Result<Vec<JobNow>> {
    let mut quiet_since = None;
    loop {
        let Overview { at_ms, jobs } = api.overview().await?;
        view.show(at_ms, &jobs);
        if let Some(failed) = jobs.iter().find(|job| job.phase.as_deref() == Some("failed")) {
            bail!("job {}: {}", failed.name, failed.reason.as_deref().unwrap_or("failed"));
        }
        let all_read = jobs.iter().all(|job| job.lag == Some(0));
        let since = if all_read { *quiet_since.get_or_insert(at_ms) } else { at_ms };
        if !all_read {
            quiet_since = None;
        }
        let quiet_ms = at_ms - since;
        let kept =
            |job: &JobNow| job.checkpoint_age_ms.is_some_and(|age| age + QUIET_MS < quiet_ms);
        if all_read && quiet_ms > QUIET_MS && jobs.iter().all(kept) {
            return Ok(jobs);
        }
        tokio::time::sleep(LOOK).await;
    }
}
