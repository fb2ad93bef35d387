//! Namespaces: seen by who has a role in them, made and removed by admins of all.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use millrace_http::Problem;

use super::answer::{OUTCOME, tagged, tagged_unless_known};
use super::caller::{Admin, Anyone, Viewer};
use super::declare::{Order, Outcome, check_condition, declare};
use super::input::{Condition, Conditions, Manifest, MatchCondition, Query};
use super::lists::{ListQuery, Listed, labelled, page, page_problem};
use super::parts::Api;
use super::problems::{conflict, not_found, refusal_problem, store_problem};
use super::resources::{DeleteQuery, NamespaceQuery, check_named};
use crate::admission::Drafts;
use crate::model::{Kind, Resource, Role};

/// The namespaces that the caller may see.
#[utoipa::path(get, path = "/v1/namespaces", tag = "Namespaces", operation_id = "listNamespaces",
    params(ListQuery), extensions(("x-role" = json!("any"))),
    responses((status = 200, description = "A page of them, by name", body = Listed<Resource>)))]
pub(crate) async fn list(
    State(api): State<Api>,
    who: Anyone,
    Query(query): Query<ListQuery>,
) -> Result<Json<Listed<Resource>>, Problem> {
    let page = page(query.limit, query.after)?;
    let found = api.store.list(None, Some(Kind::Namespace), &page).await.map_err(page_problem)?;
    let mut listed = Listed::from(found);
    listed.items.retain(|r| {
        who.actor.require(&r.metadata.name, Role::Viewer).is_ok()
            && labelled(&r.metadata.labels, query.label.as_deref())
    });
    Ok(Json(listed))
}

/// One namespace.
#[utoipa::path(get, path = "/v1/namespaces/{ns}", tag = "Namespaces",
    operation_id = "getNamespace", extensions(("x-role" = json!("viewer"))),
    params(("If-None-Match" = Option<String>, Header, description = "The `ETag` the caller has")),
    responses(
        (status = 200, description = "The namespace", body = Resource,
            headers(("ETag" = String, description = "Its version"))),
        (status = 304, description = "It has the version that the caller has"),
    ))]
pub(crate) async fn get(
    State(api): State<Api>,
    who: Viewer,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let found = api.store.get(&who.ns, Kind::Namespace, &who.ns).await.map_err(store_problem)?;
    let resource = found.ok_or_else(not_found)?;
    Ok(tagged_unless_known(&headers, resource.metadata.resource_version, &resource))
}

/// Declares a namespace.
#[utoipa::path(put, path = "/v1/namespaces/{ns}", tag = "Namespaces",
    operation_id = "putNamespace", params(NamespaceQuery, Conditions),
    extensions(("x-role" = json!("admin"))),
    request_body(description = "A manifest", content(
        (super::manifest::ManifestBody = "application/json"), (String = "application/yaml"))),
    responses(
        (status = 200, description = "It was there", body = Resource, headers(
            ("ETag" = String, description = "Its version"),
            ("Millrace-Outcome" = String, description = "`configured` or `unchanged`"))),
        (status = 201, description = "It was not there", body = Resource, headers(
            ("ETag" = String, description = "Its version"),
            ("Millrace-Outcome" = String, description = "`created`"))),
    ))]
pub(crate) async fn put(
    State(api): State<Api>,
    who: Admin,
    Query(query): Query<NamespaceQuery>,
    condition: Condition,
    Manifest(text): Manifest,
) -> Result<Response, Problem> {
    let ns = who.path.get("ns");
    let drafts = Drafts::read(ns, text).map_err(refusal_problem)?;
    check_named(&drafts, Kind::Namespace, ns)?;
    let order = Order { dry_run: query.dry_run, reason: query.reason, ..Order::default() };
    let changes = declare(&api, &who.actor, ns, &drafts, (&order, condition)).await?;
    let change = changes.into_iter().next().ok_or_else(not_found)?;
    let resource = change.resource.ok_or_else(not_found)?;
    let created = change.outcome == Outcome::Created && !order.dry_run;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let mut answer = tagged(status, resource.metadata.resource_version, &resource);
    answer.headers_mut().insert(OUTCOME, HeaderValue::from_static(change.outcome.as_str()));
    Ok(answer)
}

/// Removes a namespace that is empty.
#[utoipa::path(delete, path = "/v1/namespaces/{ns}", tag = "Namespaces",
    operation_id = "deleteNamespace", params(DeleteQuery, MatchCondition),
    extensions(("x-role" = json!("admin"))),
    responses((status = 204, description = "It is gone, or would be (dry run)")))]
pub(crate) async fn delete(
    State(api): State<Api>,
    who: Admin,
    Query(query): Query<DeleteQuery>,
    condition: Condition,
) -> Result<Response, Problem> {
    let ns = who.path.get("ns");
    if ns == "default" {
        return Err(conflict("immutable", "It cannot be changed")
            .detail("the namespace `default` is always there"));
    }
    let found = api.store.get(ns, Kind::Namespace, ns).await.map_err(store_problem)?;
    let before = found.ok_or_else(not_found)?;
    check_condition(condition, Some(&before))?;
    let one = super::lists::page(Some(2), None)?;
    let inside = api.store.list(Some(ns), None, &one).await.map_err(store_problem)?;
    if let Some(other) = inside.items.iter().find(|r| r.kind != Kind::Namespace) {
        let kind = other.kind.as_str().to_lowercase();
        return Err(conflict("in-use", "It is in use")
            .detail(format!("it is not empty: it has {kind} `{}`", other.metadata.name)));
    }
    if !query.dry_run {
        let removal = super::resources::removal(&api, &who.actor, &before, query.reason);
        api.store.remove(&removal).await.map_err(store_problem)?;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}
