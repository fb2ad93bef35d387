//! Runs of a job.

use axum::Json;
use axum::extract::State;

use millrace_http::Problem;

use crate::api::caller::Viewer;
use crate::api::input::Query;
use crate::api::lists::{Listed, PageQuery, page, page_problem};
use crate::api::parts::Api;
use crate::api::problems::{not_found, store_problem};
use crate::model::{Kind, RunRecord};

/// The runs of a job, the newest first.
#[utoipa::path(get, path = "/v1/namespaces/{ns}/jobs/{name}/runs", tag = "Jobs",
    operation_id = "listRuns", params(PageQuery), extensions(("x-role" = json!("viewer"))),
    responses((status = 200, description = "A page of them", body = Listed<RunRecord>)))]
pub(crate) async fn list(
    State(api): State<Api>,
    who: Viewer,
    Query(query): Query<PageQuery>,
) -> Result<Json<Listed<RunRecord>>, Problem> {
    let name = who.path.get("name");
    let job = api.store.get(&who.ns, Kind::Job, name).await.map_err(store_problem)?;
    job.ok_or_else(not_found)?;
    let page = page(query.limit, query.after)?;
    let found = api.store.runs(&who.ns, name, &page).await.map_err(page_problem)?;
    Ok(Json(found.into()))
}

/// One run.
#[utoipa::path(get, path = "/v1/namespaces/{ns}/jobs/{name}/runs/{run}", tag = "Jobs",
    operation_id = "getRun", extensions(("x-role" = json!("viewer"))),
    responses((status = 200, description = "The run", body = RunRecord)))]
pub(crate) async fn get(State(api): State<Api>, who: Viewer) -> Result<Json<RunRecord>, Problem> {
    let found = api.store.run(who.path.get("run")).await.map_err(store_problem)?;
    let own = found.filter(|run| run.namespace == who.ns && run.job == who.path.get("name"));
    own.map(Json).ok_or_else(not_found)
}
