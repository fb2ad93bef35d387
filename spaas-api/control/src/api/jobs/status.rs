//! A job's goal beside what it is doing.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use millrace_http::Problem;

use crate::api::answer::tagged;
use crate::api::caller::Viewer;
use crate::api::parts::Api;
use crate::api::problems::{not_found, store_problem};
use crate::model::{JobGoal, JobPhase, JobStatus, Kind, Resource};

/// A job: what is wanted, and how it is.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobView {
    /// Its namespace.
    pub(crate) namespace: String,
    /// Its name.
    pub(crate) name: String,
    /// Its newest version.
    pub(crate) generation: i64,
    /// Set once it is to be removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) deleting_ms: Option<i64>,
    /// What is wanted.
    pub(crate) goal: JobGoal,
    /// What it is doing; `null` before the reconciler has seen it.
    pub(crate) status: Option<JobStatus>,
    /// Whether it is as wanted, or will not come closer by itself: running, stopped, finished or
    /// failed, under the newest goal.
    pub(crate) settled: bool,
}

impl JobView {
    pub(crate) fn new(resource: &Resource, goal: JobGoal, status: Option<JobStatus>) -> Self {
        let settled = status.as_ref().is_some_and(|s| settled(&goal, s));
        Self {
            namespace: resource.metadata.namespace.clone(),
            name: resource.metadata.name.clone(),
            generation: resource.metadata.generation,
            deleting_ms: resource.metadata.deleting_ms,
            goal,
            status,
            settled,
        }
    }
}

fn settled(goal: &JobGoal, status: &JobStatus) -> bool {
    use JobPhase::{Failed, Finished, Running, Stopped};
    status.observed_goal >= goal.goal
        && matches!(status.phase, Running | Stopped | Finished | Failed)
}

/// The job as it is now.
pub(crate) async fn view(api: &Api, ns: &str, name: &str) -> Result<JobView, Problem> {
    let found = api.store.get(ns, Kind::Job, name).await.map_err(store_problem)?;
    let resource = found.ok_or_else(not_found)?;
    let goal = api.store.goal(ns, name).await.map_err(store_problem)?.ok_or_else(not_found)?;
    let status = match api.live.status(ns, name) {
        Some(status) => Some(status),
        None => api.store.status(ns, name).await.map_err(store_problem)?,
    };
    Ok(JobView::new(&resource, goal, status))
}

/// What is wanted of a job and what it is doing. The `ETag` is the number of its goal.
#[utoipa::path(get, path = "/v1/namespaces/{ns}/jobs/{name}/status", tag = "Jobs",
    operation_id = "getJobStatus", extensions(("x-role" = json!("viewer"))),
    responses((status = 200, description = "Goal and status", body = JobView,
        headers(("ETag" = String, description = "Number of the goal")))))]
pub(crate) async fn get_status(State(api): State<Api>, who: Viewer) -> Result<Response, Problem> {
    let view = view(&api, &who.ns, who.path.get("name")).await?;
    Ok(tagged(StatusCode::OK, view.goal.goal, &view))
}
