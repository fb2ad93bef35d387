//! The platform's HTTP API, as whoever started the platform: by the admin's token.

use anyhow::Context;
use reqwest::Client;
use serde::Deserialize;

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
}
