//! Going on as another version: upgrade and rollback.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use millrace_http::Problem;

use super::status::{JobView, view};
use super::verbs::Ask;
use super::wait::{Wait, until_settled};
use crate::admission::{Drafts, Wish, document};
use crate::api::answer::tagged;
use crate::api::caller::Editor;
use crate::api::declare::declare;
use crate::api::input::{Condition, Conditions, Json, Manifest, MatchCondition, Query, at_most};
use crate::api::manifest::ManifestBody;
use crate::api::parts::Api;
use crate::api::problems::{not_found, refusal_problem, store_problem};
use crate::api::resources::{PutQuery, check_named, order};
use crate::model::{Kind, StatePolicy};

use super::verbs::VerbQuery;

/// Which version to run again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rollback {
    /// Its number.
    #[schema(minimum = 1)]
    generation: i64,
    /// State of operators that are gone may be dropped.
    #[serde(default)]
    allow_dropped_state: bool,
    /// Forget all state but the place in the streams.
    #[serde(default)]
    fresh_state: bool,
    /// Why, if the query does not say it.
    #[schema(max_length = 1000)]
    #[serde(default, deserialize_with = "at_most::<_, 1000>")]
    reason: Option<String>,
}

/// Declares a new version of a job that is there: a PUT that never creates.
#[utoipa::path(post, path = "/v1/namespaces/{ns}/jobs/{name}/upgrade", tag = "Jobs",
    operation_id = "upgradeJob", params(PutQuery, Conditions),
    extensions(("x-role" = json!("editor"))),
    request_body(description = "A Job", content(
        (ManifestBody = "application/json"), (String = "application/yaml"))),
    responses(
        (status = 200, description = "What is wanted, before a dry run", body = JobView),
        (status = 202, description = "What is wanted now, and the status", body = JobView,
            headers(("ETag" = String, description = "Number of the goal"))),
    ))]
pub(crate) async fn upgrade(
    State(api): State<Api>,
    who: Editor,
    Query(query): Query<PutQuery>,
    condition: Condition,
    Manifest(text): Manifest,
) -> Result<Response, Problem> {
    let (ns, name) = (who.ns.as_str(), who.path.get("name"));
    let wait = Wait::checked(query.wait)?;
    view(&api, ns, name).await?;
    let drafts = Drafts::read(ns, text).map_err(refusal_problem)?;
    check_named(&drafts, Kind::Job, name)?;
    let order = order(&api, ns, query).await?;
    let condition = if condition == Condition::None { Condition::Exists } else { condition };
    declare(&api, &who.actor, ns, &drafts, (&order, condition)).await?;
    let status = if order.dry_run { StatusCode::OK } else { StatusCode::ACCEPTED };
    let after = until_settled(&api, ns, name, if order.dry_run { Wait::none() } else { wait });
    let after = after.await?;
    Ok(tagged(status, after.goal.goal, &after))
}

/// Runs an earlier version again.
#[utoipa::path(post, path = "/v1/namespaces/{ns}/jobs/{name}/rollback", tag = "Jobs",
    operation_id = "rollbackJob", params(VerbQuery, MatchCondition),
    request_body(content = Rollback, content_type = "application/json"),
    extensions(("x-role" = json!("editor"))),
    responses(
        (status = 200, description = "What would be wanted (dry run)", body = JobView),
        (status = 202, description = "What is wanted now, and the status", body = JobView,
            headers(("ETag" = String, description = "Number of the goal"))),
    ))]
pub(crate) async fn rollback(
    State(api): State<Api>,
    ask: Ask,
    Json(body): Json<Rollback>,
) -> Result<Response, Problem> {
    let (ns, name) = ask.job();
    let (before, _) = ask.before(&api).await?;
    let _turn = api.admission.turn().await;
    let version = api.store.version(ns, Kind::Job, name, body.generation).await;
    let version = version
        .map_err(store_problem)?
        .ok_or_else(|| not_found().detail(format!("the job has no version {}", body.generation)))?;
    let policy = if body.generation == before.goal.version {
        StatePolicy::Keep
    } else {
        let text = document(Kind::Job, name, &version.spec);
        let drafts = Drafts::read(ns, text).map_err(refusal_problem)?;
        let wish = Wish {
            allow_dropped_state: body.allow_dropped_state,
            fresh_state: body.fresh_state,
            always_judge: true,
            ..Wish::default()
        };
        let checked = api.admission.check(ns, &drafts, &wish).await.map_err(refusal_problem)?;
        checked.first().and_then(|one| one.policy).unwrap_or(StatePolicy::Keep)
    };
    ask.set(&api, body.reason, move |goal| {
        if goal.version != body.generation {
            goal.version = body.generation;
            goal.state = policy;
        }
    })
    .await
}
