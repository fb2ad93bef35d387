//! Where and how rows are posted.

use std::fmt;
use std::time::Duration;

use url::Url;

use millrace_events::RouteName;

use super::headers::HttpHeaders;
use super::resolver::check_literal;
use super::retry::RetryPolicy;
use crate::SinkError;

/// Form of a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HttpFormat {
    /// One JSON object a line, `application/x-ndjson`.
    #[default]
    Ndjson,
    /// One JSON array of objects, `application/json`.
    JsonArray,
}

impl HttpFormat {
    /// The media type of the body.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::JsonArray => "application/json",
        }
    }
}

/// Settings of an [`HttpDelivery`](super::HttpDelivery).
#[derive(Clone)]
pub struct HttpSettings {
    /// The route; part of every `Idempotency-Key`.
    pub route: RouteName,
    /// Where to post. A user name and password in it become an `Authorization` header.
    pub url: Url,
    /// Whether loopback, private, link-local and metadata addresses may be reached.
    pub allow_private: bool,
    /// Sent with every request; those this crate sets itself cannot be changed by them.
    pub headers: HttpHeaders,
    /// Form of the body.
    pub format: HttpFormat,
    /// Rows in a request, at most.
    pub batch_rows: u64,
    /// Bytes in a request; only a single larger row makes a request exceed it.
    pub batch_bytes: usize,
    /// Bytes held for all partitions together while requests fill up.
    pub buffer_bytes: usize,
    /// Time for one request, answer included.
    pub request_timeout: Duration,
    /// Time for connecting.
    pub connect_timeout: Duration,
    /// How failed requests are repeated.
    pub retry: RetryPolicy,
}

impl HttpSettings {
    /// Defaults: NDJSON, 1,000 rows or 1 MiB a request, 16 MiB held, public addresses only.
    pub fn new(route: RouteName, url: Url) -> Self {
        Self {
            route,
            url,
            allow_private: false,
            headers: HttpHeaders::new(),
            format: HttpFormat::default(),
            batch_rows: 1000,
            batch_bytes: 1 << 20,
            buffer_bytes: 16 << 20,
            request_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            retry: RetryPolicy::default(),
        }
    }

    /// Scheme, host and port: what may be shown. Path, query and user can hold secrets.
    pub fn place(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        let port = self.url.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{host}{port}", self.url.scheme())
    }

    pub(crate) fn check(&self) -> Result<(), SinkError> {
        let rejected = |why: String| SinkError::Rejected {
            what: format!("route `{}`: {}: {why}", self.route, self.place()),
        };
        if !matches!(self.url.scheme(), "http" | "https") {
            return Err(rejected("only http and https URLs can be posted to".to_owned()));
        }
        if self.batch_rows == 0 || self.batch_bytes == 0 || self.retry.attempts == 0 {
            return Err(rejected("batch sizes and attempts must be at least 1".to_owned()));
        }
        if self.allow_private {
            return Ok(());
        }
        check_literal(&self.url).map_err(|e| rejected(e.to_string()))
    }
}

impl fmt::Debug for HttpSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSettings")
            .field("route", &self.route)
            .field("url", &self.place())
            .field("allow_private", &self.allow_private)
            .field("headers", &self.headers)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}
