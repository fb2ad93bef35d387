//! Where a service is asked: a listener, until a signal comes.

use anyhow::Context;
use axum::Router;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use millrace_http::server;
use millrace_spaas::ops;

use crate::cli::ServiceArgs;
use crate::signals::Signals;

pub(super) struct Door {
    listener: TcpListener,
    metrics: PrometheusHandle,
    signals: Signals,
}

impl Door {
    /// Binds what the service is told to listen on.
    pub(super) async fn open(args: &ServiceArgs) -> anyhow::Result<Self> {
        // Listening comes first, so that a signal during the start ends it in order as well.
        let signals = Signals::listen()?;
        server::check_listen(args.listen, args.allow_external)?;
        let listener = TcpListener::bind(args.listen).await;
        let listener = listener.with_context(|| format!("listen on {}", args.listen))?;
        Ok(Self { listener, metrics: ops::install_metrics()?, signals })
    }

    /// The recorder behind `/metrics`.
    pub(super) fn metrics(&self) -> PrometheusHandle {
        self.metrics.clone()
    }

    /// Serves `app` until a signal comes and open requests are answered.
    pub(super) async fn serve(self, app: Router) -> anyhow::Result<()> {
        let Self { listener, metrics, mut signals } = self;
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
