//! The door: no request goes on without a valid token.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};

use super::audit::audit;
use super::authenticate::Access;

/// What the door knows.
#[derive(Debug, Clone)]
pub struct Guard {
    access: Access,
    open: Arc<[String]>,
}

impl Guard {
    /// `open` are paths that anybody may ask for; `/docs/*` is all below `/docs/`.
    pub fn new(access: Access, open: &[&str]) -> Self {
        Self { access, open: open.iter().map(|path| (*path).to_owned()).collect() }
    }

    fn is_open(&self, path: &str) -> bool {
        self.open.iter().any(|open| match open.strip_suffix('*') {
            // Not past `..`, which a router further in might follow.
            Some(below) => path.starts_with(below) && !path.split('/').any(|step| step == ".."),
            None => open == path,
        })
    }
}

/// Middleware (for [`middleware::from_fn_with_state`]) that lets on whoever has a valid token, with
/// the [`crate::model::Actor`] in the extensions of the request, and of the answer for the audit.
pub async fn guard(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    if guard.is_open(request.uri().path()) {
        return next.run(request).await;
    }
    let remote = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|c| c.0.ip());
    let actor = match guard.access.authenticate_from(request.headers(), remote).await {
        Ok(actor) => actor,
        Err(problem) => return problem.into_response(),
    };
    request.extensions_mut().insert(actor.clone());
    let mut response = next.run(request).await;
    response.extensions_mut().insert(actor);
    response
}

/// `app` behind the door, and every change and refusal written down. `open` as in [`Guard::new`].
pub fn protect(app: Router, access: Access, open: &[&str]) -> Router {
    let log = access.clone();
    app.layer(middleware::from_fn_with_state(Guard::new(access, open), guard))
        .layer(middleware::from_fn_with_state(log, audit))
}
