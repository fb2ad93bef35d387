//! The audit log: who changed what, and who was refused. Never bodies, query strings or tokens.

use axum::extract::{Query, Request, State};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::Response;
use serde::Deserialize;

use crate::model::{Actor, AuditEntry, Role};

use super::authenticate::Access;
use super::secret::scrubbed;

/// Most characters kept of a path or a reason.
const LONGEST: usize = 1000;

/// Why it was done, as the caller said: a handler that reads it from a body puts it into the
/// extensions of its answer. In the query (`reason=`) it is found without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason(pub String);

#[derive(Deserialize)]
struct Reasoned {
    reason: Option<String>,
}

/// Middleware (for [`axum::middleware::from_fn_with_state`]) that writes down every request that
/// changes something or was refused, once it is answered. It goes around the guard.
pub async fn audit(State(access): State<Access>, request: Request, next: Next) -> Response {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let response = next.run(request).await;
    let actor = response.extensions().get::<Actor>();
    if !is_recorded(&method, uri.path(), response.status(), actor) {
        return response;
    }
    let said = response.extensions().get::<Reason>().map(|r| r.0.clone());
    let entry = AuditEntry {
        seq: 0,
        at_ms: access.now_ms(),
        actor: actor.map_or_else(|| "-".to_owned(), |actor| actor.name.clone()),
        method: kept(method.as_str()),
        path: kept(uri.path()),
        status: response.status().as_u16(),
        reason: said.or_else(|| reason(&uri)).map(|reason| kept(&reason)),
    };
    if let Err(error) = access.store().add_audit(&entry).await {
        tracing::error!(%error, ?entry, "cannot write to the audit log");
    }
    response
}

/// Verbs that only look, and have a body.
const LOOKS: [&str; 5] = ["diff", "explain", "plan", "sample", "validate"];

/// Too many failures of one address are told apart (429) so as not to fill the log.
fn is_recorded(method: &Method, path: &str, status: StatusCode, actor: Option<&Actor>) -> bool {
    if status == StatusCode::TOO_MANY_REQUESTS {
        return false;
    }
    let looks = || path.rsplit('/').next().is_some_and(|verb| LOOKS.contains(&verb));
    let reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(method)
        || (*method == Method::POST && looks());
    let refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status);
    // A namespace without a role answers as one that is not there.
    let foreign = || {
        let namespace = path.strip_prefix("/v1/namespaces/")?.split('/').next()?;
        Some(actor?.require(namespace, Role::Viewer).is_err())
    };
    !reads || refused || (status == StatusCode::NOT_FOUND && foreign() == Some(true))
}

fn reason(uri: &Uri) -> Option<String> {
    Query::<Reasoned>::try_from_uri(uri).ok()?.0.reason
}

fn kept(text: &str) -> String {
    scrubbed(text).chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use crate::model::Binding;

    use super::*;

    #[test]
    fn changes_and_refusals_are_recorded_and_reads_are_not() {
        let binding = Binding { namespace: "a".into(), role: Role::Viewer };
        let (token, name) = ("t".to_owned(), "t".to_owned());
        let actor = Actor { token, name, bindings: vec![binding], expires_ms: None };
        let recorded = |method: Method, path: &str, status: u16| {
            is_recorded(&method, path, StatusCode::from_u16(status).unwrap(), Some(&actor))
        };
        assert!(recorded(Method::PUT, "/v1/namespaces/a/jobs/j", 200));
        assert!(recorded(Method::DELETE, "/v1/namespaces/a/jobs/j", 404));
        assert!(recorded(Method::GET, "/v1/tokens", 403));
        assert!(recorded(Method::GET, "/v1/namespaces/b/jobs", 404));
        assert!(recorded(Method::GET, "/v1/namespaces/b", 404));
        assert!(!recorded(Method::GET, "/v1/namespaces/a/jobs/j", 404));
        assert!(!recorded(Method::GET, "/v1/namespaces/a/jobs", 200));
        assert!(!recorded(Method::POST, "/v1/namespaces/a/jobs", 429));
        assert!(!recorded(Method::POST, "/v1/namespaces/a/jobs/-/validate", 200));
        assert!(!recorded(Method::POST, "/v1/namespaces/a/jobs/j/plan", 200));
        assert!(recorded(Method::POST, "/v1/namespaces/a/jobs/-/sample", 403));
        assert!(recorded(Method::POST, "/v1/namespaces/a/jobs/j/stop", 202));
        assert!(recorded(Method::PUT, "/v1/namespaces/a/jobs/plan", 200));
        assert!(is_recorded(&Method::GET, "/x", StatusCode::UNAUTHORIZED, None));
    }

    #[test]
    fn only_the_reason_is_taken_from_the_query() {
        let uri: Uri = "/x?token=secret&reason=a%20b&c=d".parse().unwrap();
        assert_eq!(reason(&uri).as_deref(), Some("a b"));
        assert_eq!(reason(&"/x".parse().unwrap()), None);
    }
}
