//! `POST /v1/steer`: ranked, signed addresses for each file.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use millrace_http::{ItemError, Problem};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::feeds::{Stale, checked};
use crate::fleet::Fleet;
use crate::steer::{Client, Nobody};

use super::body;
use super::gate::{Priority, shed};
use super::openapi::ProblemShape;
use super::router::Api;

/// Who wants what.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SteerRequest {
    /// The client's address, IPv4 or IPv6.
    #[schema(example = "198.51.100.7")]
    pub client_ip: String,
    /// Ids of files, 32 at most.
    pub files: Vec<String>,
}

/// An address to ask for a file.
#[derive(Debug, Serialize, ToSchema)]
pub struct Target<'a> {
    /// The signed address.
    #[schema(value_type = String)]
    pub url: Joined<'a>,
    /// The appliance.
    pub appliance: &'a str,
    /// Why it is named here: `prefix`, `as`, `near`, `anywhere`.
    pub tier: &'static str,
}

/// Two texts, written one after the other.
#[derive(Debug, Clone, Copy)]
pub struct Joined<'a>(pub &'a str, pub &'a str);

impl Serialize for Joined<'_> {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut text = String::with_capacity(self.0.len() + self.1.len());
        text.push_str(self.0);
        text.push_str(self.1);
        to.serialize_str(&text)
    }
}

/// Where to ask for a file.
#[derive(Debug, Serialize, ToSchema)]
pub struct FileAnswer<'a> {
    /// The file.
    pub file: &'a str,
    /// Up to ten addresses, best first.
    pub urls: Vec<Target<'a>>,
    /// Why there are none, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nobody: Option<Nobody>,
}

/// Where to ask for each file.
#[derive(Debug, Serialize, ToSchema)]
pub struct Answer<'a> {
    /// When the addresses end, seconds since the Unix epoch.
    pub expires_s: u64,
    /// When the appliance that reported last did, milliseconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_as_of_ms: Option<i64>,
    /// Not there while health is fresh; else the answer is from the last that was known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale: Option<Stale>,
    /// One for each file, in the order of the request.
    pub files: Vec<FileAnswer<'a>>,
}

/// Ranked, signed addresses for each file.
#[utoipa::path(post, path = "/v1/steer", tag = "Steering", request_body = SteerRequest,
    params(("Priority" = Option<String>, Header,
        description = "RFC 9218: `u=4` to `u=7` is prefetching, which waits when there is too much to do")),
    responses(
        (status = 200, description = "Where to ask", body = Answer),
        (status = 400, description = "The request is wrong", body = ProblemShape,
            content_type = "application/problem+json"),
        (status = 408, description = "The body is too slow", body = ProblemShape,
            content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = ProblemShape,
            content_type = "application/problem+json"),
        (status = 503, description = "Too much to do", body = ProblemShape,
            content_type = "application/problem+json"),
    ))]
pub(super) async fn steer(State(api): State<Arc<Api>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let started = api.parts.clock.monotonic();
    let priority = Priority::of(&parts.headers);
    let answer = answer(&api, priority, body).await;
    let took = api.parts.clock.monotonic().saturating_sub(started);
    match answer {
        Ok(json) => {
            api.numbers.answered.increment(1);
            api.numbers.seconds.record(took.as_secs_f64());
            json_answer(json)
        }
        Err(problem) => {
            if problem.status() != StatusCode::SERVICE_UNAVAILABLE {
                api.numbers.refused.increment(1);
            }
            problem.into_response()
        }
    }
}

async fn answer(api: &Api, priority: Priority, body: Body) -> Result<Vec<u8>, Problem> {
    let settings = &api.parts.settings;
    let bytes = body::read(body, settings.max_body_bytes, settings.body_timeout).await?;
    let Some(_place) = api.gate.enter(priority) else {
        api.numbers.shed(priority);
        return Err(shed(priority));
    };
    // Lets every request that has arrived come to the gate before this one is worked on, so that
    // the gate sees how many there are.
    tokio::task::yield_now().await;
    let request: SteerRequest = body::parse(&bytes)?;
    let ip = request.check(settings.max_files)?;
    let fleet = api.parts.desk.fleet();
    api.answer(&fleet, ip, &request.files)
}

impl SteerRequest {
    /// The client's address, if everything is as it must be.
    fn check(&self, max_files: usize) -> Result<IpAddr, Problem> {
        let mut errors = Vec::new();
        let ip = client_ip(&self.client_ip);
        if ip.is_none() {
            errors.push(at("/client_ip", "is no IPv4 or IPv6 address"));
        }
        if self.files.is_empty() || self.files.len() > max_files {
            errors.push(at("/files", format!("must name 1 to {max_files} files")));
        } else {
            for (index, file) in self.files.iter().enumerate() {
                if let Err(why) = checked(file) {
                    errors.push(at(&format!("/files/{index}"), why.to_string()));
                }
            }
        }
        match ip {
            Some(ip) if errors.is_empty() => Ok(ip),
            _ => Err(Problem::new(StatusCode::BAD_REQUEST, "bad-request", "Bad request")
                .detail("the request is wrong; see errors")
                .errors(&errors)),
        }
    }
}

/// An address as people write it.
pub(super) fn client_ip(text: &str) -> Option<IpAddr> {
    // The longest address has 45 characters.
    if text.len() > 45 { None } else { text.parse().ok() }
}

pub(super) fn at(pointer: &str, message: impl Into<String>) -> ItemError {
    ItemError { pointer: Some(pointer.to_owned()), ..ItemError::new(message) }
}

pub(super) fn json_answer(json: Vec<u8>) -> Response {
    let json_type = HeaderValue::from_static("application/json");
    let headers =
        [(CONTENT_TYPE, json_type), (CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (headers, json).into_response()
}

impl Api {
    /// The answer's JSON, from one snapshot.
    fn answer(&self, fleet: &Fleet, ip: IpAddr, files: &[String]) -> Result<Vec<u8>, Problem> {
        let (now_ms, settings) = (self.parts.clock.now_ms(), &self.parts.settings);
        let seconds = u64::try_from(now_ms / 1000).unwrap_or_default();
        let expires_s = seconds.saturating_add(settings.url_ttl.as_secs());
        let newest = fleet.roster.newest_report_ms();
        let stale = self.parts.desk.freshness().stale(now_ms, newest, settings.stale_after);
        if stale.is_some() {
            self.numbers.stale.increment(1);
        }
        let client = fleet.client(ip);
        // One signature for all appliances of a file.
        let signed: Vec<String> =
            files.iter().map(|file| self.parts.key.sign(file, ip, expires_s)).collect();
        let files =
            files.iter().zip(&signed).map(|(file, signed)| self.file(&client, file, signed));
        let answer = Answer { expires_s, health_as_of_ms: newest, stale, files: files.collect() };
        serde_json::to_vec(&answer).map_err(|error| {
            tracing::error!(%error, "an answer cannot be written");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error")
        })
    }

    fn file<'a>(&self, client: &Client<'a>, file: &'a str, signed: &'a str) -> FileAnswer<'a> {
        let ranked = match client.rank(file) {
            Ok(ranked) => ranked,
            Err(nobody) => {
                self.numbers.nobody.increment(1);
                return FileAnswer { file, urls: Vec::new(), nobody: Some(nobody) };
            }
        };
        if let Some(first) = ranked.first() {
            self.numbers.tier(first.tier);
        }
        let target = |ranked: &crate::steer::Ranked| {
            let appliance = client.appliance(ranked.no);
            let base = appliance.report.as_ref().and_then(|report| report.base_url.as_deref());
            Some(Target {
                url: Joined(base?, signed),
                appliance: &appliance.id,
                tier: ranked.tier.name(),
            })
        };
        FileAnswer { file, urls: ranked.iter().filter_map(target).collect(), nobody: None }
    }
}
