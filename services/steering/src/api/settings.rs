//! What the API is made of.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use hmac::{Hmac, Mac};
use metrics_exporter_prometheus::PrometheusHandle;
use millrace_events::Clock;
use millrace_feeds::Statuses;
use sha2::Sha256;

use crate::feeds::Desk;
use crate::sign::SigningKey;

/// Limits of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiSettings {
    /// Files of a request, at most. Default 32.
    pub max_files: usize,
    /// Bytes of a request's body, at most. Default 16 KiB.
    pub max_body_bytes: usize,
    /// Time a body may take. Default 5 s.
    pub body_timeout: Duration,
    /// Requests taken and not answered yet, at most; prefetching gets half. Default 256.
    pub at_once: usize,
    /// How long an address is good for. Default 6 h: a film with pauses.
    pub url_ttl: Duration,
    /// Health older than this is called stale. Default 15 s: three reports of 5 s.
    pub stale_after: Duration,
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            max_files: 32,
            max_body_bytes: 16 << 10,
            body_timeout: Duration::from_secs(5),
            at_once: 256,
            url_ttl: Duration::from_hours(6),
            stale_after: Duration::from_secs(15),
        }
    }
}

/// Who may ask why.
#[derive(Clone)]
pub enum Admin {
    /// Whoever can connect: for loopback only.
    Open,
    /// Whoever has the token.
    Token(Arc<str>),
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self, Self::Open) { "Open" } else { "Token(…)" })
    }
}

impl Admin {
    /// Whether a request with these headers may.
    pub(super) fn admits(&self, headers: &HeaderMap) -> bool {
        let Self::Token(token) = self else { return true };
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some(given) = given.and_then(|value| value.strip_prefix("Bearer ")) else {
            return false;
        };
        // Tags of both are compared in constant time, whatever their lengths.
        let tag = |text: &str| {
            let mac = Hmac::<Sha256>::new_from_slice(b"millrace steering admin token");
            mac.expect("HMAC takes keys of any length").chain_update(text.as_bytes())
        };
        tag(token).verify(&tag(given).finalize().into_bytes()).is_ok()
    }
}

/// What the API stands on.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The fleet.
    pub desk: Arc<Desk>,
    /// The feeds it comes from, for `/v1/status`; `None` where nothing is followed.
    pub feeds: Option<Statuses>,
    /// What addresses are signed with.
    pub key: SigningKey,
    /// Who may ask why.
    pub admin: Admin,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The recorder behind `/metrics`.
    pub metrics: PrometheusHandle,
    /// Limits.
    pub settings: ApiSettings,
}
