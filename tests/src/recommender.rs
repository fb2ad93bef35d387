//! `millrace serve recommendation` as a process of a site, and its answers.

use anyhow::Result;
use reqwest::{Client, Method};
use serde_json::Value;

use millrace_bus::KafkaSettings;

use crate::{Answer, Millrace, Site, eventually};

/// A running recommendation service. What it keeps is in the site, so that the next one goes on
/// from there.
pub struct Recommender {
    process: Millrace,
    base: String,
    client: Client,
}

impl Recommender {
    /// Starts one that follows the feeds on `kafka`.
    pub async fn start(site: &Site, kafka: &KafkaSettings) -> Result<Self> {
        let mut process = site.serve("recommendation", kafka)?;
        let base = format!("{}/v1", process.listening().await?);
        Ok(Self { process, base, client: Client::new() })
    }

    /// Where `path` is, which begins after `/v1`.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// `GET`; comes again while the service says that it is overloaded, as on a busy machine.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.ask(Method::GET, path).await
    }

    /// `DELETE`, in the same way.
    pub async fn delete(&self, path: &str) -> Result<Answer> {
        self.ask(Method::DELETE, path).await
    }

    async fn ask(&self, method: Method, path: &str) -> Result<Answer> {
        eventually(path, async || {
            let response = self.client.request(method.clone(), self.url(path)).send().await?;
            let status = response.status().as_u16();
            let text = response.text().await?;
            if status == 503 {
                return Ok(None);
            }
            let json: Value = serde_json::from_str(&text).unwrap_or_default();
            Ok(Some(Answer { status, etag: None, json }))
        })
        .await
    }

    /// Ends it as an operator does: what was answered is logged before.
    pub async fn stop(self) -> Result<()> {
        self.process.stop().await
    }

    /// Kills it (SIGKILL).
    pub async fn kill(self) -> Result<()> {
        self.process.kill().await
    }
}
