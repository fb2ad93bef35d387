//! One request at a time, repeated until the server has taken it or patience ends.

use std::error::Error;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use uuid::Uuid;

use millrace_events::TopicPartition;

use super::headers::HttpHeaders;
use super::resolver::{AddressRefused, Resolver};
use super::retry::{Outcome, Verdict, asked_wait};
use super::settings::HttpSettings;
use crate::SinkError;

/// The most of an answer that is read; a server cannot fill our memory.
const ANSWER_BYTES: usize = 64 << 10;
/// The most of an answer that is quoted in an error.
const QUOTED_CHARS: usize = 200;

/// Names the header that says which rows a request carries: `topic/partition/first-last`.
pub(crate) const ROWS_HEADER: &str = "millrace-rows";

/// Rows of one partition, ready to be sent.
pub(crate) struct Request<'a> {
    pub(crate) tp: &'a TopicPartition,
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) body: Bytes,
}

/// Posts requests.
pub(crate) struct Poster {
    client: Client,
    settings: HttpSettings,
}

/// How an attempt ended, and what to tell about it.
struct Attempt {
    outcome: Outcome,
    told: String,
    refused: Option<AddressRefused>,
}

impl Poster {
    pub(crate) fn new(settings: HttpSettings) -> Result<Self, SinkError> {
        settings.check()?;
        let client = Client::builder()
            .dns_resolver(Resolver::new(settings.allow_private))
            // A redirect or a proxy would carry the rows past the address check.
            .redirect(Policy::none())
            .no_proxy()
            // A small compressed answer could unpack to a large one.
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.request_timeout)
            .default_headers(settings.headers.map())
            .user_agent(concat!("millrace/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| SinkError::Rejected {
                what: format!("route `{}`: HTTP client: {}", settings.route, chain(&e)),
            })?;
        Ok(Self { client, settings })
    }

    pub(crate) fn settings(&self) -> &HttpSettings {
        &self.settings
    }

    /// Returns when the server has taken the rows.
    pub(crate) async fn post(&self, request: Request<'_>) -> Result<(), SinkError> {
        let key = self.idempotency_key(&request);
        let (seed, _) = key.as_u64_pair();
        let what = || format!("route `{}`: POST to {}", self.settings.route, self.settings.place());
        for attempt in 1.. {
            let ended = self.attempt(&request, key).await;
            if let Some(refused) = ended.refused {
                return Err(SinkError::Rejected { what: format!("{}: {refused}", what()) });
            }
            match self.settings.retry.decide(ended.outcome, attempt, seed) {
                Verdict::Done => return Ok(()),
                Verdict::Again(wait) => {
                    let route = self.settings.route.as_str();
                    tracing::warn!(route, attempt, ?wait, "HTTP sink: {}", ended.told);
                    tokio::time::sleep(wait).await;
                }
                Verdict::GiveUp => return Err(SinkError::retry(what(), ended.told)),
                Verdict::Refused => {
                    return Err(SinkError::Rejected {
                        what: format!("{}: {}", what(), ended.told),
                    });
                }
            }
        }
        unreachable!("the loop ends by returning")
    }

    /// The same for the same rows of the same partition, in whichever process. The body is part of
    /// it: after a topic was made anew its row numbers start over, and a server that remembers the
    /// old keys must not take new rows for old ones.
    fn idempotency_key(&self, request: &Request<'_>) -> Uuid {
        let Request { tp, first, last, body } = request;
        let body = Uuid::new_v5(&Uuid::NAMESPACE_URL, body);
        Uuid::new_v5(&body, format!("{}/{tp}/{first}-{last}", self.settings.route).as_bytes())
    }

    async fn attempt(&self, request: &Request<'_>, key: Uuid) -> Attempt {
        let Request { tp, first, last, body } = request;
        let sent = self
            .client
            .post(self.settings.url.clone())
            .header(CONTENT_TYPE, self.settings.format.content_type())
            .header("idempotency-key", key.to_string())
            .header(ROWS_HEADER, format!("{tp}/{first}-{last}"))
            .body(body.clone())
            .send()
            .await;
        let ended = match sent {
            Ok(answer) => answered(answer, &self.settings.headers).await,
            Err(e) => failed(e),
        };
        let outcome = match ended.outcome {
            Outcome::Answered { status, .. } => status.as_u16().to_string(),
            Outcome::Failed => "failed".to_owned(),
        };
        let route = self.settings.route.to_string();
        metrics::counter!("millrace_http_requests_total", "route" => route, "status" => outcome)
            .increment(1);
        ended
    }
}

async fn answered(mut answer: Response, sent: &HttpHeaders) -> Attempt {
    let status = answer.status();
    let text = |headers: &HeaderMap, name| {
        headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    let date = text(answer.headers(), DATE);
    let wait =
        text(answer.headers(), RETRY_AFTER).and_then(|after| asked_wait(&after, date.as_deref()));
    // Reading to the end lets the connection be used again. The status alone decides: an answer
    // that breaks off after it changes nothing.
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        body.extend_from_slice(&chunk[..chunk.len().min(ANSWER_BYTES - body.len())]);
        if body.len() == ANSWER_BYTES {
            break;
        }
    }
    let printable = |c: &char| !c.is_control() || *c == ' ';
    let text: String = String::from_utf8_lossy(&body).chars().filter(printable).collect();
    let quote: String = sent.redact(&text).chars().take(QUOTED_CHARS).collect();
    let told = format!("the server answered {status}: {quote}");
    Attempt { outcome: Outcome::Answered { status, wait }, told, refused: None }
}

fn failed(error: reqwest::Error) -> Attempt {
    let error = error.without_url();
    let mut source = error.source();
    while let Some(e) = source {
        if let Some(refused) = e.downcast_ref::<AddressRefused>() {
            let refused = Some(refused.clone());
            return Attempt { outcome: Outcome::Failed, told: String::new(), refused };
        }
        source = e.source();
    }
    Attempt { outcome: Outcome::Failed, told: chain(&error), refused: None }
}

/// The error with its causes; without the URL, which can hold secrets.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(e) = source {
        text = format!("{text}: {e}");
        source = e.source();
    }
    text
}
