//! How a job is doing, in numbers.

use axum::Json;
use axum::extract::State;

use millrace_http::Problem;

use super::status::view;
use crate::api::caller::Viewer;
use crate::api::parts::Api;
use crate::watch::JobNumbers;

/// The job in numbers.
#[utoipa::path(get, path = "/v1/namespaces/{ns}/jobs/{name}/metrics", tag = "Jobs",
    operation_id = "getJobMetrics", extensions(("x-role" = json!("viewer"))),
    responses((status = 200, description = "The job in numbers", body = JobNumbers)))]
pub(crate) async fn metrics(
    State(api): State<Api>,
    who: Viewer,
) -> Result<Json<JobNumbers>, Problem> {
    let view = view(&api, &who.ns, who.path.get("name")).await?;
    let now_ms = api.clock.now_ms();
    Ok(Json(JobNumbers::of(&view.namespace, &view.name, view.status.as_ref(), now_ms)))
}
