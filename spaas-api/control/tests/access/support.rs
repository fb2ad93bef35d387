//! A store in memory, a clock to set, and requests.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request, Response};
use tower::ServiceExt;

use millrace_control::access::Access;
use millrace_control::model::{Binding, Role};
use millrace_control::store::Store;
use millrace_events::Clock;

pub(crate) type Tested = Result<(), Box<dyn Error>>;

/// Shows what it is set to.
#[derive(Debug, Default)]
pub(crate) struct SetClock(AtomicI64);

impl SetClock {
    pub(crate) fn set(&self, now_ms: i64) {
        self.0.store(now_ms, Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.now_ms().unsigned_abs())
    }
}

/// Nobody has a token yet; it is half a minute past the first one.
pub(crate) async fn empty() -> Result<(Store, Access, Arc<SetClock>), Box<dyn Error>> {
    let store = Store::open("sqlite::memory:").await?;
    let clock = Arc::new(SetClock::default());
    clock.set(90_000);
    let access = Access::new(store.clone(), Arc::clone(&clock) as Arc<dyn Clock>);
    Ok((store, access, clock))
}

pub(crate) fn role(namespace: &str, role: Role) -> Vec<Binding> {
    vec![Binding { namespace: namespace.to_owned(), role }]
}

pub(crate) fn bearer(text: &str) -> HeaderMap {
    let value = HeaderValue::from_str(&format!("Bearer {text}")).expect("printable");
    HeaderMap::from_iter([(axum::http::header::AUTHORIZATION, value)])
}

/// Sends a request without a body.
pub(crate) async fn send(
    app: &Router,
    method: &str,
    uri: &str,
    token: Option<&str>,
) -> Result<Response<Body>, Box<dyn Error>> {
    let mut request = Request::builder().method(method).uri(uri).body(Body::empty())?;
    if let Some(token) = token {
        *request.headers_mut() = bearer(token);
    }
    Ok(app.clone().oneshot(request).await?)
}
