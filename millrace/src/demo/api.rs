//! The platform's HTTP API, as whoever started the platform: by the admin's token.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, StatusCode};
use serde::Deserialize;

/// How often a request that was told to come back does so.
const ATTEMPTS: u32 = 50;
/// Until a stream that was declared a moment ago takes events.
const SHOWS_UP: Duration = Duration::from_millis(100);

/// A caller.
pub(super) struct Api {
    base: String,
    token: String,
    client: Client,
}

/// A job in numbers; what its run has not said is missing.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct JobNow {
    #[serde(alias = "job")]
    pub(super) name: String,
    pub(super) phase: Option<String>,
    pub(super) reason: Option<String>,
    #[serde(alias = "rowsIn")]
    pub(super) events_in: Option<u64>,
    pub(super) rows_out: Option<u64>,
    pub(super) lag: Option<u64>,
    pub(super) watermark_delay_ms: Option<i64>,
    pub(super) checkpoint_age_ms: Option<i64>,
}

/// All jobs at a time.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Overview {
    pub(super) at_ms: i64,
    pub(super) jobs: Vec<JobNow>,
}

impl Api {
    pub(super) fn new(http: std::net::SocketAddr, token: &str) -> Self {
        let base = format!("http://{http}/v1");
        Self { base, token: token.trim().to_owned(), client: Client::new() }
    }

    pub(super) async fn overview(&self) -> anyhow::Result<Overview> {
        let url = format!("{}/overview", self.base);
        let answer = self.client.get(&url).bearer_auth(&self.token).send().await;
        let answer = answer.and_then(reqwest::Response::error_for_status);
        answer.context("ask how the jobs are")?.json().await.context("how the jobs are")
    }

    /// Sends a body of `events` lines of JSON to `stream`; returns when all of them are acknowledged.
    pub(super) async fn emit(
        &self,
        stream: &str,
        body: Bytes,
        events: usize,
    ) -> anyhow::Result<()> {
        let url = format!("{}/streams/{stream}/events", self.base);
        for _ in 0..ATTEMPTS {
            let request = self.client.post(&url).bearer_auth(&self.token);
            let request = request.header(CONTENT_TYPE, "application/x-ndjson").body(body.clone());
            let answer = request.send().await.with_context(|| format!("send {stream}"))?;
            let wait = match answer.status() {
                StatusCode::NOT_FOUND => SHOWS_UP,
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                    let after = answer.headers().get(RETRY_AFTER);
                    let seconds = after.and_then(|v| v.to_str().ok()?.parse().ok()).unwrap_or(1);
                    Duration::from_secs(seconds)
                }
                status => {
                    let text = answer.text().await?;
                    ensure!(status == StatusCode::ACCEPTED, "{url} answered {status}: {text}");
                    let answer: serde_json::Value = serde_json::from_str(&text)?;
                    ensure!(answer["accepted"] == events, "{url} took less than was sent: {text}");
                    return Ok(());
                }
            };
            tokio::time::sleep(wait).await;
        }
        bail!("{url} told us {ATTEMPTS} times to come back later")
    }
}
