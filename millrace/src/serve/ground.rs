//! What a service stands on: settings of Kafka, the feed store, a listener, metrics, signals.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use millrace_bus::KafkaSettings;
use millrace_events::{Clock, SystemClock};
use millrace_feeds::{FeedStore, FollowerSettings, Opened};
use millrace_http::server;
use millrace_spaas::ops;

use crate::cli::ServiceArgs;
use crate::compose::cluster;
use crate::signals::Signals;

pub(crate) struct Ground {
    pub(crate) kafka: KafkaSettings,
    /// The service's own folder.
    pub(crate) folder: PathBuf,
    pub(crate) store: FeedStore,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: PrometheusHandle,
    listener: TcpListener,
    signals: Signals,
}

impl Ground {
    /// Opens and binds everything; needs no broker.
    pub(crate) async fn lay(name: &str, args: &ServiceArgs) -> anyhow::Result<Self> {
        // Listening comes first, so that a signal during the start ends it in order as well.
        let signals = Signals::listen()?;
        server::check_listen(args.listen, args.allow_external)?;
        let kafka = cluster(&args.kafka)?;
        let kafka = kafka.context("say which Kafka has the feeds: --kafka HOST:PORT")?;
        let folder = args.data.join(name);
        let feeds = folder.join("feeds");
        let opened = tokio::task::spawn_blocking(move || FeedStore::open(&feeds)).await?;
        let Opened { store, rebuilt } = opened?;
        if rebuilt {
            eprintln!("the feed store could not be read: it is built again from the topics");
        }
        let listener = TcpListener::bind(args.listen).await;
        let listener = listener.with_context(|| format!("listen on {}", args.listen))?;
        Ok(Self {
            kafka,
            folder,
            store,
            clock: Arc::new(SystemClock::default()),
            metrics: ops::install_metrics()?,
            listener,
            signals,
        })
    }

    /// How to follow feeds.
    pub(crate) fn following(&self) -> FollowerSettings {
        FollowerSettings::new(self.kafka.clone())
    }

    /// Serves `app` until a signal comes and open requests are answered.
    pub(crate) async fn serve(self, app: Router) -> anyhow::Result<()> {
        let Self { metrics, listener, mut signals, .. } = self;
        println!("HTTP   http://{}", listener.local_addr()?);
        let stop = CancellationToken::new();
        let mut serving = JoinSet::new();
        serving.spawn(server::serve(listener, app, stop.clone()));
        serving.spawn(ops::upkeep(metrics, stop.clone()));
        signals.came().await;
        stop.cancel();
        while let Some(ended) = serving.join_next().await {
            ended?;
        }
        Ok(())
    }
}
