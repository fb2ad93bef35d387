//! Both services in this process, as `millrace serve` runs them, and what is asked of them by HTTP.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use axum::Router;
use metrics_exporter_prometheus::PrometheusHandle;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use millrace_bus::KafkaSettings;
use millrace_feeds::Statuses;
use millrace_http::server;
use millrace_recommendation::Recommendation;
use millrace_steering::Service as Steering;
use millrace_steering::api::{Admin, ApiSettings};

use super::fleet::Size;
use crate::serve::steering::SteeringSettings;
use crate::serve::{Ground, recommendation, steering};

/// Between two looks for the end of a feed.
const LOOK: Duration = Duration::from_millis(50);
/// Looks until it is given up.
const LOOKS: u32 = 600;
/// Appliances with less serve nobody.
const MIN_HEADROOM_MBPS: f64 = 100.0;

/// The running services.
pub(super) struct Services {
    recommendation: Recommendation,
    steering: Steering,
    /// Where recommendation listens.
    pub(super) recommends: SocketAddr,
    /// Where steering listens.
    pub(super) steers: SocketAddr,
    serving: JoinSet<()>,
    stop: CancellationToken,
    client: Client,
}

impl Services {
    /// Starts both, with their folders below `data`, and waits until they have all feeds.
    pub(super) async fn start(
        kafka: &KafkaSettings,
        data: &Path,
        metrics: &PrometheusHandle,
    ) -> anyhow::Result<Self> {
        let ground = |name| Ground::lay(name, kafka.clone(), data, metrics.clone());
        let recommendation = recommendation::start(&ground("recommendation").await?).await?;
        let settings = SteeringSettings {
            asn: Vec::new(),
            key: None,
            admin: Admin::Open,
            min_headroom_mbps: MIN_HEADROOM_MBPS,
            api: ApiSettings::default(),
        };
        let (steering, app) = steering::start(&ground("steering").await?, settings).await?;
        let (mut serving, stop) = (JoinSet::new(), CancellationToken::new());
        let recommends = serve(recommendation.router(), &mut serving, &stop).await?;
        let steers = serve(app, &mut serving, &stop).await?;
        for statuses in [recommendation.statuses(), steering.feeds()] {
            caught_up(&statuses).await?;
        }
        let client = Client::new();
        Ok(Self { recommendation, steering, recommends, steers, serving, stop, client })
    }

    /// The page of a member.
    pub(super) async fn page(&self, member: i64) -> anyhow::Result<Value> {
        let url = format!("http://{}/v1/members/{member}/feed?titles=4&device=tv", self.recommends);
        answered(self.client.get(&url).send().await, &url).await
    }

    /// Where a client is sent for a file.
    pub(super) async fn steer(
        &self,
        client: std::net::IpAddr,
        file: &str,
    ) -> anyhow::Result<Value> {
        let url = format!("http://{}/v1/steer", self.steers);
        let asked = json!({"client_ip": client.to_string(), "files": [file]});
        answered(self.client.post(&url).json(&asked).send().await, &url).await
    }

    /// Returns once steering has heard of so many appliances, lately.
    pub(super) async fn know(&self, size: Size) -> anyhow::Result<()> {
        let url = format!("http://{}/v1/status", self.steers);
        for _ in 0..LOOKS {
            let status = answered(self.client.get(&url).send().await, &url).await?;
            let is = |name: &str, count: usize| status["fleet"][name] == count;
            let Size { serving, prefixes, files } = size;
            let all = is("serving", serving) && is("prefixes", prefixes) && is("files", files);
            if all && status["stale"].is_null() {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
        bail!("steering does not hear of all appliances: {url}")
    }

    /// Ends both; what was answered is logged.
    pub(super) async fn stop(mut self) {
        self.stop.cancel();
        while self.serving.join_next().await.is_some() {}
        self.recommendation.stop().await;
        self.steering.stop().await;
    }
}

async fn serve(
    app: Router,
    serving: &mut JoinSet<()>,
    stop: &CancellationToken,
) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("listen on this machine")?;
    let address = listener.local_addr()?;
    serving.spawn(server::serve(listener, app, stop.clone()));
    Ok(address)
}

async fn answered(answer: reqwest::Result<reqwest::Response>, url: &str) -> anyhow::Result<Value> {
    let answer = answer.and_then(reqwest::Response::error_for_status);
    answer.with_context(|| format!("ask {url}"))?.json().await.with_context(|| url.to_owned())
}

/// Returns once everything that was in the feeds is here.
pub(super) async fn caught_up(statuses: &Statuses) -> anyhow::Result<()> {
    for _ in 0..LOOKS {
        if statuses.all().iter().all(|feed| feed.caught_up) {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
    bail!("the feeds are not there: {}", serde_json::to_string(&statuses.all())?)
}
