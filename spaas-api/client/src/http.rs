//! Requests and answers: keys for changes, further tries, problems.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, IF_MATCH};
use reqwest::{Method, RequestBuilder, Response, redirect};
use serde_json::Value;
use url::Url;

use crate::connection::Token;
use crate::context::Context;
use crate::error::ClientError;
use crate::problem::Problem;

const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const ANSWER_WITHIN: Duration = Duration::from_mins(2);
/// Looks at a request that is still being done; some minutes.
const MAX_LOOKS: usize = 1500;
const KEY: &str = "idempotency-key";

/// A server that can be asked.
#[derive(Debug)]
pub(crate) struct Api {
    http: reqwest::Client,
    server: Url,
    token: Option<Token>,
    pauses: Vec<Duration>,
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    method: Method,
    path: Vec<String>,
    query: Vec<(&'static str, String)>,
    body: Option<(&'static str, String)>,
    if_match: Option<i64>,
    accept: &'static str,
    /// Whether it changes something and so carries an idempotency key.
    changes: bool,
}

/// An answer that is no error.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// What a change came to: `created`, `configured`, `unchanged`.
    pub(crate) fn outcome(&self) -> Option<&str> {
        self.headers.get("millrace-outcome").and_then(|value| value.to_str().ok())
    }
}

impl Call {
    fn new(method: Method, path: &[String], changes: bool) -> Self {
        Self {
            method,
            path: path.to_vec(),
            query: Vec::new(),
            body: None,
            if_match: None,
            accept: "application/json",
            changes,
        }
    }

    /// Looks.
    pub(crate) fn get(path: &[String]) -> Self {
        Self::new(Method::GET, path, false)
    }

    /// Asks a question that has a body.
    pub(crate) fn ask(path: &[String]) -> Self {
        Self::new(Method::POST, path, false)
    }

    /// Does something.
    pub(crate) fn post(path: &[String]) -> Self {
        Self::new(Method::POST, path, true)
    }

    /// Declares something.
    pub(crate) fn put(path: &[String]) -> Self {
        Self::new(Method::PUT, path, true)
    }

    /// Removes something.
    pub(crate) fn delete(path: &[String]) -> Self {
        Self::new(Method::DELETE, path, true)
    }

    pub(crate) fn query(mut self, pairs: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        self.query.extend(pairs);
        self
    }

    pub(crate) fn json(mut self, body: &Value) -> Self {
        self.body = Some(("application/json", body.to_string()));
        self
    }

    pub(crate) fn yaml(mut self, body: String) -> Self {
        self.body = Some(("application/yaml", body));
        self
    }

    pub(crate) fn if_match(mut self, version: Option<i64>) -> Self {
        self.if_match = version;
        self
    }

    pub(crate) fn accept(mut self, media: &'static str) -> Self {
        self.accept = media;
        self
    }
}

impl Api {
    pub(crate) fn new(
        server: Url,
        near: bool,
        token: Option<Token>,
        pauses: Vec<Duration>,
    ) -> Result<Self, ClientError> {
        // A redirect could lead the token elsewhere; a proxy would see what is for this machine.
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_WITHIN)
            .redirect(redirect::Policy::none());
        if near {
            builder = builder.no_proxy();
        }
        let http = builder
            .build()
            .map_err(|error| ClientError::Failed(format!("no connection: {}", chain(&error))))?;
        Ok(Self { http, server, token, pauses })
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn send(&self, ctx: &mut Context, call: Call) -> Result<Answer, ClientError> {
        let key = call.changes.then(|| (ctx.new_key)());
        let mut pauses = self.pauses.iter();
        let mut looks = 0;
        loop {
            let request = self.request(&call, key.as_deref()).timeout(ANSWER_WITHIN);
            let error = match read(request).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let error = match error {
                // The first try of this very request goes on: its answer is what is wanted.
                Trouble::Problem(p) if p.word() == "idempotency-in-flight" && looks < MAX_LOOKS => {
                    looks += 1;
                    tokio::time::sleep(ctx.poll).await;
                    continue;
                }
                Trouble::Problem(problem) if problem.passing() => ClientError::Problem(problem),
                Trouble::Problem(problem) => return Err(ClientError::Problem(problem)),
                Trouble::Lost(why) => self.unreachable(why),
            };
            // The key makes it safe to send a change again whose answer was lost.
            match pauses.next() {
                Some(pause) => tokio::time::sleep(*pause).await,
                None => return Err(error),
            }
        }
    }

    /// Sends a request whose answer goes on and on.
    pub(crate) async fn stream(&self, call: &Call) -> Result<Response, ClientError> {
        let sent = self.request(call, None).send().await;
        let response = sent.map_err(|error| self.unreachable(chain(&error)))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.bytes().await.unwrap_or_default();
        Err(ClientError::Problem(Box::new(Problem::read(status.as_u16(), &body))))
    }

    /// Of a stream that broke off.
    pub(crate) fn unreachable(&self, why: String) -> ClientError {
        ClientError::Unreachable { server: self.server.to_string(), why }
    }

    fn request(&self, call: &Call, key: Option<&str>) -> RequestBuilder {
        let mut url = self.server.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(&call.path);
        }
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        let mut request = self.http.request(call.method.clone(), url).header(ACCEPT, call.accept);
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token.header());
        }
        if let Some(key) = key {
            request = request.header(KEY, key);
        }
        if let Some(version) = call.if_match {
            request = request.header(IF_MATCH, format!("\"{version}\""));
        }
        if let Some((media, body)) = &call.body {
            request = request.header(CONTENT_TYPE, *media).body(body.clone());
        }
        request
    }
}

enum Trouble {
    Problem(Box<Problem>),
    /// No answer, or not all of it.
    Lost(String),
}

async fn read(request: RequestBuilder) -> Result<Answer, Trouble> {
    let lost = |error: reqwest::Error| Trouble::Lost(chain(&error));
    let response = request.send().await.map_err(lost)?;
    let status = response.status();
    let headers = response.headers().clone();
    let body = response.bytes().await.map_err(lost)?;
    if !status.is_success() {
        return Err(Trouble::Problem(Box::new(Problem::read(status.as_u16(), &body))));
    }
    // Not every answer is JSON: a plan as text, a log.
    let body = match serde_json::from_slice(&body) {
        Ok(body) => body,
        Err(_) if body.is_empty() => Value::Null,
        Err(_) => Value::String(String::from_utf8_lossy(&body).into_owned()),
    };
    Ok(Answer { headers, body })
}

/// An error with what is behind it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let words = inner.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        source = inner.source();
    }
    text
}
