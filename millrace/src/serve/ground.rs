//! What a service stands on: settings of Kafka, a folder, the feed store, time, metrics.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;

use millrace_bus::KafkaSettings;
use millrace_events::{Clock, SystemClock};
use millrace_feeds::{FeedStore, FollowerSettings, Opened};

pub(crate) struct Ground {
    pub(crate) kafka: KafkaSettings,
    /// The service's own folder.
    pub(crate) folder: PathBuf,
    pub(crate) store: FeedStore,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: PrometheusHandle,
}

impl Ground {
    /// Opens the store of the service `name` below `data`; needs no broker.
    pub(crate) async fn lay(
        name: &str,
        kafka: KafkaSettings,
        data: &Path,
        metrics: PrometheusHandle,
    ) -> anyhow::Result<Self> {
        let folder = data.join(name);
        let feeds = folder.join("feeds");
        let opened = tokio::task::spawn_blocking(move || FeedStore::open(&feeds)).await?;
        let Opened { store, rebuilt } = opened?;
        if rebuilt {
            eprintln!("the feed store could not be read: it is built again from the topics");
        }
        Ok(Self { kafka, folder, store, clock: Arc::new(SystemClock::default()), metrics })
    }

    /// How to follow feeds.
    pub(crate) fn following(&self) -> FollowerSettings {
        FollowerSettings::new(self.kafka.clone())
    }
}
