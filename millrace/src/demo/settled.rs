//! Whether everything that is in the log has been dealt with.

use std::collections::BTreeMap;
use std::time::Duration;

use millrace_bus::Admin;
use millrace_events::{Offset, TopicPartition};
use millrace_sinks::Warehouse;
use millrace_spec::Manifests;

/// How often the tables are looked at while the routes catch up.
const LOOK: Duration = Duration::from_millis(100);

/// Returns once the ledgers of all routes of `manifests` reach to the ends that their topics have now.
pub(crate) async fn routes(
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
