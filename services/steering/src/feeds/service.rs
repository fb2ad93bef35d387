//! The service's threads: one follows feeds, one publishes what changed.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use millrace_events::Clock;
use millrace_feeds::{FeedError, FeedStatus, FeedStore, Follower, FollowerSettings, Statuses};
use tokio_util::sync::CancellationToken;

use crate::fleet::{AsnTable, FleetSize};

use super::desk::Desk;
use super::freshness::Freshness;
use super::views::APPLIANCES;

/// How often what changed is published: a snapshot costs less than a thousandth of this.
const PUBLISH_EVERY: Duration = Duration::from_millis(50);

/// What a service takes.
#[derive(Debug)]
pub struct ServiceSettings {
    /// Where the feeds are.
    pub follower: FollowerSettings,
    /// Whose an address is.
    pub asn: Arc<AsnTable>,
    /// Appliances with less headroom serve nobody.
    pub min_headroom_mbps: f64,
}

/// Why a service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The feeds cannot be followed.
    #[error(transparent)]
    Feeds(#[from] FeedError),
    /// The system gives no thread.
    #[error("cannot start the thread that publishes: {0}")]
    Thread(#[from] std::io::Error),
}

/// A fleet that follows its feeds.
///
/// Order of stopping: the follower, whose last changes are in the store, then the publisher.
/// Requests that hold the [`Desk`] go on with the last snapshot.
#[derive(Debug)]
pub struct Service {
    desk: Arc<Desk>,
    follower: Follower,
    stop: CancellationToken,
    publisher: JoinHandle<()>,
}

impl Service {
    /// Fills the fleet from the store, publishes it, and starts to follow. Needs no broker.
    pub fn start(
        settings: ServiceSettings,
        store: FeedStore,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ServiceError> {
        let desk = Arc::new(Desk::new(settings.asn, settings.min_headroom_mbps));
        let follower = Follower::start(settings.follower, store, desk.views(), clock)?;
        desk.publish();
        let stop = CancellationToken::new();
        let publishing =
            Publishing { desk: Arc::clone(&desk), feeds: follower.statuses(), stop: stop.clone() };
        let publisher = std::thread::Builder::new()
            .name("steering-publish".to_owned())
            .spawn(move || publishing.run())?;
        Ok(Self { desk, follower, stop, publisher })
    }

    /// What requests read.
    pub fn desk(&self) -> Arc<Desk> {
        Arc::clone(&self.desk)
    }

    /// How far each feed is.
    pub fn feeds(&self) -> Statuses {
        self.follower.statuses()
    }

    /// Ends following and publishing.
    pub async fn stop(self) {
        self.follower.stop().await;
        self.stop.cancel();
        let joined = tokio::task::spawn_blocking(move || self.publisher.join().is_ok()).await;
        if !joined.is_ok_and(|well| well) {
            tracing::error!("the thread that publishes had panicked");
        }
    }
}

/// A thread of its own: the draft's lock may be held by a view for milliseconds, which would hold
/// up every request of a thread that serves.
struct Publishing {
    desk: Arc<Desk>,
    feeds: Statuses,
    stop: CancellationToken,
}

impl Publishing {
    fn run(self) {
        while !self.stop.is_cancelled() {
            self.desk.set_freshness(freshness(self.feeds.of(APPLIANCES).as_ref()));
            self.desk.publish();
            std::thread::sleep(PUBLISH_EVERY);
        }
    }
}

fn freshness(status: Option<&FeedStatus>) -> Freshness {
    Freshness {
        heard_ms: status.and_then(|status| status.heard_ms),
        // Of a topic that is not known no end is.
        exists: status.is_some_and(|status| !status.end.is_empty()),
    }
}

/// Gauges of what is known.
const GAUGES: [&str; 4] = [
    "millrace_steering_appliances",
    "millrace_steering_appliances_serving",
    "millrace_steering_prefixes",
    "millrace_steering_files",
];

pub(super) fn show_size(size: FleetSize) {
    let FleetSize { appliances, serving, prefixes, files } = size;
    for (name, count) in GAUGES.into_iter().zip([appliances, serving, prefixes, files]) {
        metrics::gauge!(name).set(u32::try_from(count).map_or(f64::MAX, f64::from));
    }
}
