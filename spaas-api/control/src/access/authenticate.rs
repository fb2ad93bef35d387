//! Tokens: made, and recognised in requests.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};

use millrace_events::Clock;
use millrace_http::Problem;

use crate::model::{Actor, Binding, TokenInfo};
use crate::store::{Store, StoreError, StoredToken};

use super::failures::Failures;
use super::secret::{NewToken, TokenText};

const MINUTE_MS: i64 = 60_000;

/// What is compared with when there is no such token, so that the answer takes as long.
const NOBODY: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Knows tokens. Clones are the same.
#[derive(Clone)]
pub struct Access {
    store: Store,
    clock: Arc<dyn Clock>,
    failures: Arc<Mutex<Failures>>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Access {
    /// Of the tokens in `store`.
    pub fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, failures: Arc::default() }
    }

    /// Who sent a request with these headers.
    ///
    /// # Errors
    /// The answer: 401 without a valid token, 503 if the store does not answer.
    pub async fn authenticate(&self, headers: &HeaderMap) -> Result<Actor, Problem> {
        let token = bearer(headers)?;
        let found = self.store.token_by_id(token.id()).await.map_err(|e| unavailable(&e))?;
        let right = token.opens(found.as_ref().map_or(NOBODY, |stored| &stored.hash));
        let Some(StoredToken { info, .. }) = found.filter(|_| right) else {
            return Err(unauthorized("the token is not known here; it may have been removed"));
        };
        let now_ms = self.clock.now_ms();
        if info.expires_ms.is_some_and(|end| end <= now_ms) {
            return Err(unauthorized("the token has expired; ask for a new one"));
        }
        self.touch(&info, now_ms).await;
        let TokenInfo { id, name, bindings, expires_ms, .. } = info;
        Ok(Actor { token: id, name, bindings, expires_ms })
    }

    /// As [`Access::authenticate`]; of an address that fails often the answer becomes 429.
    ///
    /// # Errors
    /// The answer.
    pub async fn authenticate_from(
        &self,
        headers: &HeaderMap,
        address: Option<IpAddr>,
    ) -> Result<Actor, Problem> {
        let problem = match self.authenticate(headers).await {
            Err(problem) if problem.status() == StatusCode::UNAUTHORIZED => problem,
            other => return other,
        };
        let Some(address) = address else { return Err(problem) };
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        match failures.count(address, self.clock.now_ms()) {
            None => Err(problem),
            Some(wait) => Err(too_many(wait)),
        }
    }

    /// Makes a token. Its text is in the answer and nowhere else.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], also without a source of randomness.
    pub async fn create_token(
        &self,
        name: &str,
        bindings: Vec<Binding>,
        expires_ms: Option<i64>,
    ) -> Result<NewToken, StoreError> {
        let text = TokenText::random().map_err(|e| StoreError::Unavailable(e.to_string()))?;
        let info = TokenInfo {
            id: text.id().to_owned(),
            name: name.to_owned(),
            bindings,
            created_ms: self.clock.now_ms(),
            expires_ms,
            last_used_ms: None,
        };
        self.store.add_token(&info, &text.hash()).await?;
        Ok(NewToken { info, text })
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// The token that the text is of, if it is right and has not expired.
    pub(super) async fn valid(&self, text: &TokenText) -> Result<Option<TokenInfo>, StoreError> {
        let now_ms = self.clock.now_ms();
        let alive = |t: &StoredToken| t.info.expires_ms.is_none_or(|end| end > now_ms);
        let found = self.store.token_by_id(text.id()).await?;
        Ok(found.filter(|t| text.opens(&t.hash) && alive(t)).map(|t| t.info))
    }

    /// To the minute, so that asking does not mean writing.
    async fn touch(&self, info: &TokenInfo, now_ms: i64) {
        let minute = now_ms - now_ms.rem_euclid(MINUTE_MS);
        if info.last_used_ms.is_some_and(|last| last >= minute) {
            return;
        }
        if let Err(error) = self.store.touch_token(&info.id, minute).await {
            tracing::warn!(token = info.id, %error, "cannot write down when a token was used");
        }
    }
}

fn bearer(headers: &HeaderMap) -> Result<TokenText, Problem> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = given.next() else {
        return Err(challenge(
            "send a token: `Authorization: Bearer mlr_…`",
            "Bearer realm=\"millrace\"",
        ));
    };
    let parsed = value.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| TokenText::parse(token.trim())).flatten()
    });
    match (parsed, given.next()) {
        (Some(token), None) => Ok(token),
        _ => Err(unauthorized("the Authorization header is not `Bearer mlr_<id>_<secret>`")),
    }
}

fn unauthorized(detail: &str) -> Problem {
    challenge(detail, "Bearer realm=\"millrace\", error=\"invalid_token\"")
}

fn challenge(detail: &str, challenge: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", "A token is needed")
        .detail(detail)
        .header(WWW_AUTHENTICATE, challenge)
}

fn too_many(wait: Duration) -> Problem {
    let kind = "too-many-failures";
    Problem::new(StatusCode::TOO_MANY_REQUESTS, kind, "Too many failed authentications")
        .detail("many requests from this address had no valid token")
        .retry_after(wait)
}

/// Words of the store stay in the log: they are for whoever runs it.
fn unavailable(error: &StoreError) -> Problem {
    tracing::error!(%error, "cannot look up a token");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "store-unavailable", "Store unavailable")
        .detail("tokens cannot be looked up now; try again")
        .retry_after(Duration::from_secs(1))
}
