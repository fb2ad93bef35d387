//! The platform's HTTP API as an engineer uses it.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use crate::eventually;

/// One answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// The `ETag`, if there is one.
    pub etag: Option<String>,
    /// The body; null if it is not JSON.
    pub json: Value,
}

impl Answer {
    /// Fails unless the status is `status`.
    pub fn is(self, status: u16) -> Result<Self> {
        ensure!(self.status == status, "{} instead of {status}: {:#}", self.status, self.json);
        Ok(self)
    }

    /// Fails unless this is the problem `kind`, with `status`.
    pub fn is_problem(self, status: u16, kind: &str) -> Result<Self> {
        let answer = self.is(status)?;
        let of_kind = answer.json["type"].as_str().is_some_and(|t| t.ends_with(kind));
        ensure!(of_kind, "another problem than {kind}: {:#}", answer.json);
        Ok(answer)
    }
}

/// A caller with a token.
#[derive(Clone)]
pub struct Api {
    base: String,
    token: String,
    client: Client,
}

impl Api {
    /// The admin of the platform that runs on `data` and listens on `http`.
    pub fn admin(data: &Path, http: &str) -> Result<Self> {
        let file = data.join("admin.token");
        let token =
            std::fs::read_to_string(&file).with_context(|| format!("{}", file.display()))?;
        Ok(Self::with_token(http, token.trim()))
    }

    /// Somebody with another token.
    pub fn with_token(http: &str, token: &str) -> Self {
        let client = Client::new();
        Self { base: format!("http://{http}/v1"), token: token.to_owned(), client }
    }

    /// A request to `path`, which begins after `/v1`.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    /// Sends a request.
    pub async fn send(&self, request: RequestBuilder) -> Result<Answer> {
        let response = request.send().await?;
        let status = response.status().as_u16();
        let etag = response.headers().get("etag").and_then(|v| v.to_str().ok()).map(str::to_owned);
        let text = response.text().await?;
        Ok(Answer { status, etag, json: serde_json::from_str(&text).unwrap_or(Value::Null) })
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.send(self.request(Method::GET, path)).await
    }

    /// `PUT` of JSON.
    pub async fn put(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send(self.request(Method::PUT, path).json(body)).await
    }

    /// `POST` of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> Result<Answer> {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// Sends events, one JSON object each, and fails unless all of them were acknowledged.
    pub async fn emit(&self, stream: &str, events: &[Value]) -> Result<()> {
        let mut body = String::new();
        for event in events {
            body.push_str(&event.to_string());
            body.push('\n');
        }
        let request = self.request(Method::POST, &format!("/streams/{stream}/events"));
        let request = request.header("content-type", "application/x-ndjson").body(body);
        let answer = self.send(request).await?.is(202)?;
        ensure!(answer.json["accepted"] == events.len(), "{:#}", answer.json);
        Ok(())
    }

    /// The rows of a query; `None` while a table it names is not there.
    pub async fn sql(&self, sql: &str) -> Result<Option<Vec<Value>>> {
        let answer = self.post("/sql", &json!({ "sql": sql })).await?;
        if answer.status == 400 {
            return Ok(None);
        }
        let answer = answer.is(200)?;
        Ok(Some(answer.json["rows"].as_array().context("rows are a list")?.clone()))
    }

    /// Waits until the job of the namespace `default` is in `phase`, as its newest goal says.
    pub async fn reaches(&self, job: &str, phase: &str) -> Result<Value> {
        eventually(&format!("{job} is {phase}"), async || {
            let answer =
                self.get(&format!("/namespaces/default/jobs/{job}/status")).await?.is(200)?;
            let (goal, status) = (&answer.json["goal"], &answer.json["status"]);
            let seen = goal["goal"].as_i64() <= status["observedGoal"].as_i64();
            Ok((seen && status["phase"] == phase).then_some(answer.json))
        })
        .await
    }
}
