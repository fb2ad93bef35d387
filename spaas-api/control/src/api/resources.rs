//! Connections, streams, routes and jobs: listed, read, declared, removed.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use millrace_http::Problem;

use super::answer::{OUTCOME, tagged, tagged_unless_known};
use super::caller::{Editor, Viewer};
use super::declare::{Order, Outcome, check_condition, declare};
use super::input::{Condition, Conditions, Manifest, MatchCondition, Query, at_most};
use super::jobs::wait::{Wait, until_gone, until_settled};
use super::lists::{ListQuery, Listed, labelled, page, page_problem};
use super::parts::Api;
use super::problems::{not_found, refusal_problem, store_problem};
use crate::admission::{Drafts, Fault, Refusal, Wish};
use crate::model::{Actor, Kind, Resource};
use crate::store::Removal;

/// How to declare.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a parameter of its own")]
pub(crate) struct PutQuery {
    /// Check everything, change nothing.
    pub(crate) dry_run: bool,
    /// Why; kept with the version.
    #[param(max_length = 1000)]
    #[serde(default, deserialize_with = "at_most::<_, 1000>")]
    pub(crate) reason: Option<String>,
    /// Of a job: state of operators that are gone may be dropped.
    pub(crate) allow_dropped_state: bool,
    /// Of a job: forget all state but the place in the streams.
    pub(crate) fresh_state: bool,
    /// Of a new job: id of the savepoint it begins from.
    #[param(max_length = 200)]
    #[serde(default, deserialize_with = "at_most::<_, 200>")]
    pub(crate) from_savepoint: Option<String>,
    /// Of a new job: declare it without running it.
    pub(crate) stopped: bool,
    /// Of a job: seconds to wait until it rests.
    #[param(maximum = 60)]
    pub(crate) wait: Option<u64>,
}

/// How to remove.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DeleteQuery {
    /// Check everything, change nothing.
    pub(crate) dry_run: bool,
    /// Why; kept in the history.
    #[param(max_length = 1000)]
    #[serde(default, deserialize_with = "at_most::<_, 1000>")]
    pub(crate) reason: Option<String>,
    /// Of a job: seconds to wait until it is gone.
    #[param(maximum = 60)]
    pub(crate) wait: Option<u64>,
}

/// Resources of a kind.
#[utoipa::path(get, path = "/v1/namespaces/{ns}/{kind}", tag = "Resources",
    operation_id = "listResources", params(ListQuery),
    extensions(("x-role" = json!("viewer"))),
    responses((status = 200, description = "A page of them, by name", body = Listed<Resource>)))]
pub(crate) async fn list(
    State(api): State<Api>,
    who: Viewer,
    Query(query): Query<ListQuery>,
) -> Result<Json<Listed<Resource>>, Problem> {
    let kind = who.path.kind()?;
    let page = page(query.limit, query.after)?;
    let found = api.store.list(Some(&who.ns), Some(kind), &page).await;
    let found = found.map_err(page_problem)?;
    let mut listed = Listed::from(found);
    listed.items.retain(|r| labelled(&r.metadata.labels, query.label.as_deref()));
    Ok(Json(listed))
}

/// One resource.
#[utoipa::path(get, path = "/v1/namespaces/{ns}/{kind}/{name}", tag = "Resources",
    operation_id = "getResource", extensions(("x-role" = json!("viewer"))),
    params(("If-None-Match" = Option<String>, Header, description = "The `ETag` the caller has")),
    responses(
        (status = 200, description = "The resource", body = Resource,
            headers(("ETag" = String, description = "Its version"))),
        (status = 304, description = "It has the version that the caller has"),
    ))]
pub(crate) async fn get(
    State(api): State<Api>,
    who: Viewer,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (kind, name) = (who.path.kind()?, who.path.get("name"));
    let found = api.store.get(&who.ns, kind, name).await.map_err(store_problem)?;
    let resource = found.ok_or_else(not_found)?;
    Ok(tagged_unless_known(&headers, resource.metadata.resource_version, &resource))
}

/// Declares a resource; of a job, deploys or upgrades it.
#[utoipa::path(put, path = "/v1/namespaces/{ns}/{kind}/{name}", tag = "Resources",
    operation_id = "putResource", params(PutQuery, Conditions),
    extensions(("x-role" = json!("editor"))),
    request_body(description = "A manifest", content(
        (super::manifest::ManifestBody = "application/json"),
        (String = "application/yaml"),
    )),
    responses(
        (status = 200, description = "It was there: changed or not, see `Millrace-Outcome`",
            body = Resource, headers(
                ("ETag" = String, description = "Its version"),
                ("Millrace-Outcome" = String, description = "`configured` or `unchanged`"))),
        (status = 201, description = "It was not there", body = Resource, headers(
                ("ETag" = String, description = "Its version"),
                ("Millrace-Outcome" = String, description = "`created`"))),
    ))]
pub(crate) async fn put(
    State(api): State<Api>,
    who: Editor,
    Query(query): Query<PutQuery>,
    condition: Condition,
    Manifest(text): Manifest,
) -> Result<Response, Problem> {
    let (kind, name) = (who.path.kind()?, who.path.get("name").to_owned());
    let wait = Wait::checked(query.wait)?;
    let drafts = Drafts::read(&who.ns, text).map_err(refusal_problem)?;
    check_named(&drafts, kind, &name)?;
    let order = order(&api, &who.ns, query).await?;
    let changes = declare(&api, &who.actor, &who.ns, &drafts, (&order, condition)).await?;
    let change = changes.into_iter().next().ok_or_else(not_found)?;
    let (outcome, resource) = (change.outcome, change.resource.ok_or_else(not_found)?);
    if kind == Kind::Job && !order.dry_run {
        until_settled(&api, &who.ns, &name, wait).await?;
    }
    let created = outcome == Outcome::Created && !order.dry_run;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let mut answer = tagged(status, resource.metadata.resource_version, &resource);
    answer.headers_mut().insert(OUTCOME, axum::http::HeaderValue::from_static(outcome.as_str()));
    Ok(answer)
}

/// How to declare a namespace.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct NamespaceQuery {
    /// Check everything, change nothing.
    pub(crate) dry_run: bool,
    /// Why; kept with the version.
    #[param(max_length = 1000)]
    #[serde(default, deserialize_with = "at_most::<_, 1000>")]
    pub(crate) reason: Option<String>,
}

/// The removal of what the caller has seen.
pub(crate) fn removal(
    api: &Api,
    actor: &Actor,
    before: &Resource,
    reason: Option<String>,
) -> Removal {
    Removal {
        ns: before.metadata.namespace.clone(),
        kind: before.kind,
        name: before.metadata.name.clone(),
        expect: Some(before.metadata.resource_version),
        author: actor.name.clone(),
        reason,
        now_ms: api.clock.now_ms(),
    }
}

/// What a query orders.
pub(crate) async fn order(api: &Api, ns: &str, query: PutQuery) -> Result<Order, Problem> {
    let from_savepoint = match query.from_savepoint {
        None => None,
        Some(id) => {
            let found = api.store.savepoint(&id).await.map_err(store_problem)?;
            let own = found.filter(|savepoint| savepoint.namespace == ns);
            Some(own.ok_or_else(|| not_found().detail(format!("savepoint `{id}`")))?.path)
        }
    };
    let wish = Wish {
        allow_dropped_state: query.allow_dropped_state,
        fresh_state: query.fresh_state,
        stopped: query.stopped,
        from_savepoint,
        ..Wish::default()
    };
    Ok(Order { dry_run: query.dry_run, reason: query.reason, wish })
}

/// Exactly one document, of the kind and name that the path says.
pub(crate) fn check_named(drafts: &Drafts, kind: Kind, name: &str) -> Result<(), Problem> {
    let mut wrong = Vec::new();
    if let Some(second) = drafts.items.get(1) {
        let message = "only one document belongs here";
        wrong.push(Fault::at(second.document, "", message).hint("send several to `apply`"));
    }
    for draft in drafts.items.iter().take(1) {
        if draft.kind != kind {
            let message = format!(
                "the document is a {}, the path one of {}",
                draft.kind.as_str(),
                kind.plural()
            );
            wrong.push(Fault::at(draft.document, "/kind", message));
        }
        if draft.name != name {
            let message = format!("the document names `{}`, the path `{name}`", draft.name);
            wrong.push(Fault::at(draft.document, "/metadata/name", message));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(refusal_problem(Refusal::Manifest(wrong))) }
}

/// Removes a resource that nothing refers to. A job is stopped first, its state forgotten.
#[utoipa::path(delete, path = "/v1/namespaces/{ns}/{kind}/{name}", tag = "Resources",
    operation_id = "deleteResource", params(DeleteQuery, MatchCondition),
    extensions(("x-role" = json!("editor"))),
    responses(
        (status = 202, description = "The job is being stopped and will be removed",
            body = Resource),
        (status = 204, description = "It is gone, or would be (dry run)"),
    ))]
pub(crate) async fn delete(
    State(api): State<Api>,
    who: Editor,
    Query(query): Query<DeleteQuery>,
    condition: Condition,
) -> Result<Response, Problem> {
    let (kind, name) = (who.path.kind()?, who.path.get("name"));
    let wait = Wait::checked(query.wait)?;
    let turn = api.admission.turn().await;
    let before = api.admission.check_removal(&who.ns, kind, name).await.map_err(refusal_problem)?;
    check_condition(condition, Some(&before))?;
    if query.dry_run {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let removal = removal(&api, &who.actor, &before, query.reason);
    if kind != Kind::Job {
        api.store.remove(&removal).await.map_err(store_problem)?;
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let marked = api.store.mark_deleting(&removal).await.map_err(store_problem)?;
    drop(turn);
    if until_gone(&api, &who.ns, name, wait).await? {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Ok(tagged(StatusCode::ACCEPTED, marked.metadata.resource_version, &marked))
}
