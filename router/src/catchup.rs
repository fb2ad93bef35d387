//! A route's own reader: brings it from its ledger to where the shared reader is, and then ends.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use millrace_bus::{BusError, Consumer, FetchLimits, KafkaSettings};
use millrace_events::{Budget, TopicPartition};

use crate::decode::Decoding;
use crate::feed::Feed;

const POLL: Duration = Duration::from_millis(100);
/// Pause before a failed connection is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// The reader of one route while it is behind.
pub(crate) struct CatchUp {
    pub(crate) feed: Arc<Feed>,
    pub(crate) columns: bool,
    pub(crate) kafka: KafkaSettings,
    pub(crate) limits: FetchLimits,
    pub(crate) pool: Budget,
    pub(crate) decoding: Decoding,
    pub(crate) runtime: Handle,
    pub(crate) stop: CancellationToken,
}

impl CatchUp {
    /// Waits until the route is behind, catches up, and so on until told to stop. Owns its thread.
    pub(crate) fn run(mut self) {
        loop {
            let wait = self.feed.behind.notified();
            let stopped = self.runtime.block_on(async {
                tokio::select! { () = wait => false, () = self.stop.cancelled() => true }
            });
            if stopped {
                return;
            }
            while let Err(e) = self.catch_up() {
                warn!(route = %self.feed.route, error = %e, "catching up failed; trying again");
                let pause = async { tokio::time::timeout(RETRY, self.stop.cancelled()).await };
                if self.runtime.block_on(pause).is_ok() {
                    return;
                }
            }
        }
    }

    fn catch_up(&mut self) -> Result<(), BusError> {
        let mut reading: HashMap<TopicPartition, u64> = HashMap::new();
        if self.feed.catching_up().is_empty() {
            return Ok(());
        }
        info!(route = %self.feed.route, "catching up");
        let mut consumer = Consumer::manual(&self.kafka, self.limits)?;
        while !self.stop.is_cancelled() {
            let wanted = self.feed.catching_up();
            if wanted.is_empty() {
                info!(route = %self.feed.route, "caught up");
                return Ok(());
            }
            reading.retain(|tp, claim| {
                let still = wanted.iter().any(|(other, c, _)| other == tp && c == claim);
                if !still {
                    consumer.stop(tp);
                }
                still
            });
            for (tp, claim, sent) in wanted {
                if let Entry::Vacant(unread) = reading.entry(tp) {
                    consumer.start_at(unread.key(), sent)?;
                    unread.insert(claim);
                }
            }
            for mut raw in consumer.poll(POLL)? {
                let Some(claim) = reading.get(raw.tp()).copied() else { continue };
                let tp = raw.tp().clone();
                let bytes = raw.payload_bytes() * if self.columns { 2 } else { 1 };
                let Some((room, charge)) = self.wait_for_room(bytes) else { return Ok(()) };
                raw.charge(charge);
                let shared = self.decoding.share(raw, self.columns);
                if !self.feed.catch_up(&shared, claim, room) {
                    consumer.stop(&tp);
                    reading.remove(&tp);
                }
            }
        }
        Ok(())
    }

    fn wait_for_room(
        &self,
        bytes: usize,
    ) -> Option<(crate::feed::Room, millrace_events::Reservation)> {
        self.runtime.block_on(async {
            tokio::select! {
                () = self.stop.cancelled() => None,
                both = async {
                    let room = self.feed.room(bytes).await?;
                    Some((room, self.pool.reserve(bytes).await))
                } => both,
            }
        })
    }
}
