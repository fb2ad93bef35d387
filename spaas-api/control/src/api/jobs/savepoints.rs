//! Savepoints of a job: made, listed, removed.

use axum::Json as JsonAnswer;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use millrace_http::Problem;
use millrace_spec::qualified;

use super::status::{JobView, view};
use super::verbs::{Ask, VerbQuery};
use crate::api::caller::{Editor, Viewer};
use crate::api::input::{Json, MatchCondition, Query, at_most};
use crate::api::lists::{Listed, PageQuery, page, page_problem};
use crate::api::parts::Api;
use crate::api::problems::{
    conflict, launch_problem, not_found, not_running, seam_problem, store_problem,
};
use crate::model::{EventKind, Kind, Savepoint, SavepointState};
use crate::store::{Happening, JobRow};

/// Nothing more to say.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MakeSavepoint {
    /// Why, if the query does not say it.
    #[schema(max_length = 1000)]
    #[serde(default, deserialize_with = "at_most::<_, 1000>")]
    reason: Option<String>,
}

/// Notes that a savepoint is wanted.
pub(super) async fn request(api: &Api, ask: &Ask, before: &JobView) -> Result<Savepoint, Problem> {
    let (ns, name) = ask.job();
    let id = Uuid::now_v7().simple().to_string();
    let savepoint = Savepoint {
        path: format!("savepoints/{}/{id}", qualified(ns, name)),
        id,
        namespace: ns.to_owned(),
        job: name.to_owned(),
        version: before.goal.version,
        state: SavepointState::Requested,
        created_ms: api.clock.now_ms(),
        author: ask.who.actor.name.clone(),
    };
    if !ask.query.dry_run {
        api.store.add_savepoint(&savepoint).await.map_err(store_problem)?;
    }
    Ok(savepoint)
}

/// Takes back a savepoint of a stop that did not come about.
pub(super) async fn take_back(api: &Api, before: &JobView, id: &str) {
    let goal = api.store.goal(&before.namespace, &before.name).await;
    // The stop may be written and only its answer lost.
    let wanted = goal.as_ref().map(|goal| goal.as_ref().and_then(|g| g.stop_savepoint.as_deref()));
    if wanted.is_ok_and(|wanted| wanted != Some(id))
        && let Err(error) = api.store.remove_savepoint(id).await
    {
        tracing::warn!(%error, id, "a savepoint that nobody will make stays on record");
    }
}

/// Makes a savepoint of a running job, which goes on.
#[utoipa::path(post, path = "/v1/namespaces/{ns}/jobs/{name}/savepoint", tag = "Jobs",
    operation_id = "makeSavepoint", params(VerbQuery, MatchCondition),
    request_body(content = MakeSavepoint, content_type = "application/json"),
    extensions(("x-role" = json!("editor"))),
    responses(
        (status = 200, description = "The savepoint that would be made (dry run)",
            body = Savepoint),
        (status = 202, description = "The savepoint; its state says whether it is complete",
            body = Savepoint),
    ))]
pub(crate) async fn make(
    State(api): State<Api>,
    ask: Ask,
    Json(body): Json<MakeSavepoint>,
) -> Result<Response, Problem> {
    let (before, _) = ask.before(&api).await?;
    let run = before.status.as_ref().and_then(|status| status.run.clone());
    let run = run.ok_or_else(not_running)?;
    let savepoint = request(&api, &ask, &before).await?;
    let reason = ask.query.reason.clone().or(body.reason);
    if ask.query.dry_run {
        return Ok((StatusCode::OK, JsonAnswer(savepoint)).into_response());
    }
    note(&api, &savepoint, reason.as_deref()).await?;
    // A client that goes away does not take the savepoint with it.
    let task = api.tasks.spawn(finish(api.clone(), run, savepoint));
    let finished = task.await.map_err(|error| {
        tracing::error!(%error, "a savepoint was abandoned");
        launch_problem(&crate::LaunchError::Retry {
            what: "the savepoint".to_owned(),
            why: "it was abandoned".to_owned(),
        })
    })??;
    Ok((StatusCode::ACCEPTED, JsonAnswer(finished)).into_response())
}

/// Writes into the job's history that a savepoint was asked for.
async fn note(api: &Api, savepoint: &Savepoint, reason: Option<&str>) -> Result<(), Problem> {
    let message = match reason {
        Some(reason) => format!("savepoint {}: {reason}", savepoint.id),
        None => format!("savepoint {}", savepoint.id),
    };
    let event = Happening {
        at_ms: savepoint.created_ms,
        level: EventKind::Normal,
        ns: &savepoint.namespace,
        kind: Kind::Job.as_str(),
        name: &savepoint.job,
        what: "SavepointRequested",
        message: &message,
        author: &savepoint.author,
    };
    api.store.add_event(&event).await.map(|_| ()).map_err(store_problem)
}

/// Has the run make the savepoint, and notes how that went.
async fn finish(api: Api, run: String, mut savepoint: Savepoint) -> Result<Savepoint, Problem> {
    let job = qualified(&savepoint.namespace, &savepoint.job);
    savepoint.state = match api.launcher.savepoint(&job, &run, &savepoint.path).await {
        Ok(checkpoint) => SavepointState::Complete { checkpoint },
        Err(error) => SavepointState::Failed { reason: error.to_string() },
    };
    api.store.update_savepoint(&savepoint).await.map_err(store_problem)?;
    Ok(savepoint)
}

/// The savepoints of a job, the newest first.
#[utoipa::path(get, path = "/v1/namespaces/{ns}/jobs/{name}/savepoints", tag = "Jobs",
    operation_id = "listSavepoints", params(PageQuery), extensions(("x-role" = json!("viewer"))),
    responses((status = 200, description = "A page of them", body = Listed<Savepoint>)))]
pub(crate) async fn list(
    State(api): State<Api>,
    who: Viewer,
    Query(query): Query<PageQuery>,
) -> Result<JsonAnswer<Listed<Savepoint>>, Problem> {
    let name = who.path.get("name");
    view(&api, &who.ns, name).await?;
    let page = page(query.limit, query.after)?;
    let found = api.store.savepoints(&who.ns, name, &page).await.map_err(page_problem)?;
    Ok(JsonAnswer(found.into()))
}

/// One savepoint.
#[utoipa::path(get, path = "/v1/namespaces/{ns}/jobs/{name}/savepoints/{id}", tag = "Jobs",
    operation_id = "getSavepoint", extensions(("x-role" = json!("viewer"))),
    responses((status = 200, description = "The savepoint", body = Savepoint)))]
pub(crate) async fn get(
    State(api): State<Api>,
    who: Viewer,
) -> Result<JsonAnswer<Savepoint>, Problem> {
    find(&api, &who.ns, who.path.get("name"), who.path.get("id")).await.map(JsonAnswer)
}

/// Removes a savepoint and its files.
#[utoipa::path(delete, path = "/v1/namespaces/{ns}/jobs/{name}/savepoints/{id}", tag = "Jobs",
    operation_id = "deleteSavepoint", extensions(("x-role" = json!("editor"))),
    responses((status = 204, description = "It is removed")))]
pub(crate) async fn delete(State(api): State<Api>, who: Editor) -> Result<StatusCode, Problem> {
    let found = find(&api, &who.ns, who.path.get("name"), who.path.get("id")).await?;
    if found.state == SavepointState::Requested {
        return Err(conflict("in-use", "It is in use").detail("it is still being made"));
    }
    if let Some(job) = begins_from(&api, &found.path).await? {
        let detail = format!("job {job} begins from it and has no checkpoint of its own yet");
        return Err(conflict("in-use", "It is in use").detail(detail));
    }
    // The files first: what is still listed can be removed again.
    api.planner.forget_savepoint(&found.path).await.map_err(seam_problem)?;
    api.store.remove_savepoint(&found.id).await.map_err(store_problem)?;
    Ok(StatusCode::NO_CONTENT)
}

/// The job that is to begin from this savepoint and has not done so.
async fn begins_from(api: &Api, path: &str) -> Result<Option<String>, Problem> {
    let jobs = api.store.jobs().await.map_err(store_problem)?;
    let waits = |row: &JobRow| {
        row.goal.from_savepoint.as_deref() == Some(path)
            && row.resource.metadata.deleting_ms.is_none()
            && row.run.as_ref().is_none_or(|run| !run.checkpointed)
    };
    let job = jobs.into_iter().find(waits).map(|row| row.resource.metadata);
    Ok(job.map(|metadata| qualified(&metadata.namespace, &metadata.name)))
}

async fn find(api: &Api, ns: &str, job: &str, id: &str) -> Result<Savepoint, Problem> {
    let found = api.store.savepoint(id).await.map_err(store_problem)?;
    found.filter(|s| s.namespace == ns && s.job == job).ok_or_else(not_found)
}
