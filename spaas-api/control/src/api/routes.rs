//! How a route is doing, as the router last said.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use millrace_http::Problem;
use millrace_spec::qualified;

use super::caller::Viewer;
use super::parts::Api;
use super::problems::{not_found, store_problem};
use crate::model::{JobStatus, Kind};
use crate::reconcile::{ROUTER, SYSTEM};

/// Where a route stands, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RoutePhase {
    /// The router has yet to take it up.
    Starting,
    /// Its sink takes what it is given.
    Running,
    /// Its sink does not; it waits and tries again. Other routes go on.
    Failing,
}

/// How a route is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct RouteView {
    /// Its namespace.
    namespace: String,
    /// Its name.
    name: String,
    /// In one word.
    phase: RoutePhase,
    /// Why, when the phase alone does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The phase of the route of this qualified name, and why.
fn phase(router: Option<&JobStatus>, route: &str) -> (RoutePhase, Option<String>) {
    let Some(router) = router else { return (RoutePhase::Starting, None) };
    let told = router.worker.as_ref().and_then(|w| w.sinks.iter().find(|s| s.name == route));
    match told.map(|sink| &sink.failing) {
        Some(Some(why)) => (RoutePhase::Failing, Some(why.clone())),
        Some(None) => (RoutePhase::Running, None),
        None => {
            let why = router.reason.as_ref().map(|why| format!("the router does not run: {why}"));
            (RoutePhase::Starting, why)
        }
    }
}

/// How a route is doing: whether its sink takes what it is given, or why not.
#[utoipa::path(get, path = "/v1/namespaces/{ns}/routes/{name}/status", tag = "Resources",
    operation_id = "getRouteStatus", extensions(("x-role" = json!("viewer"))),
    responses((status = 200, description = "How it is doing", body = RouteView)))]
pub(crate) async fn status(
    State(api): State<Api>,
    who: Viewer,
) -> Result<Json<RouteView>, Problem> {
    let name = who.path.get("name");
    let found = api.store.get(&who.ns, Kind::Route, name).await.map_err(store_problem)?;
    found.ok_or_else(not_found)?;
    let router = api.live.status(SYSTEM, ROUTER);
    let (phase, reason) = phase(router.as_ref(), &qualified(&who.ns, name));
    Ok(Json(RouteView { namespace: who.ns, name: name.to_owned(), phase, reason }))
}
