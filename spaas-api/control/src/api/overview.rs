//! All at a glance: every job in numbers, and who is asking.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use millrace_http::Problem;

use super::caller::Anyone;
use super::parts::Api;
use super::problems::store_problem;
use crate::model::{Actor, Binding, Role};
use crate::watch::JobNumbers;

/// All jobs that the caller may see.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Overview {
    /// When, milliseconds since the Unix epoch.
    at_ms: i64,
    /// The jobs, by namespace and name.
    jobs: Vec<JobNumbers>,
}

/// The jobs of all namespaces that the caller may see, in numbers.
#[utoipa::path(get, path = "/v1/overview", tag = "Platform", operation_id = "getOverview",
    extensions(("x-role" = json!("any"))),
    responses((status = 200, description = "Jobs in numbers", body = Overview)))]
pub(crate) async fn overview(
    State(api): State<Api>,
    who: Anyone,
) -> Result<Json<Overview>, Problem> {
    let now = api.clock.now_ms();
    let rows = api.store.jobs().await.map_err(store_problem)?;
    let seen = rows
        .into_iter()
        .filter(|row| who.actor.require(&row.resource.metadata.namespace, Role::Viewer).is_ok());
    let numbers = seen.map(|row| {
        let metadata = &row.resource.metadata;
        let (ns, name) = (&metadata.namespace, &metadata.name);
        let status = api.live.status(ns, name).or(row.status);
        JobNumbers::of(ns, name, status.as_ref(), now)
    });
    Ok(Json(Overview { at_ms: now, jobs: numbers.collect() }))
}

/// Who is asking.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WhoAmI {
    /// Id of the token.
    token: String,
    /// Its name.
    name: String,
    /// What it may do.
    bindings: Vec<Binding>,
    /// When it ends, milliseconds since the Unix epoch; `null` for never.
    expires_ms: Option<i64>,
}

/// The token that the request came with, and what it may do.
#[utoipa::path(get, path = "/v1/whoami", tag = "Access", operation_id = "whoAmI",
    extensions(("x-role" = json!("any"))),
    responses((status = 200, description = "The token", body = WhoAmI)))]
pub(crate) async fn whoami(who: Anyone) -> Json<WhoAmI> {
    let Actor { token, name, bindings, expires_ms } = who.actor;
    Json(WhoAmI { token, name, bindings, expires_ms })
}
