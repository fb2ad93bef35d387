//! Versions and events: what was, and what happened.

use axum::Json;
use axum::extract::State;

use millrace_http::Problem;

use super::caller::Viewer;
use super::input::Query;
use super::lists::{Listed, PageQuery, SeqQuery, by_seq, most, page, page_problem};
use super::parts::Api;
use super::problems::{not_found, store_problem};
use crate::model::{Event, Version};
use crate::store::EventFilter;

/// The versions of a resource, the newest first.
#[utoipa::path(get, path = "/v1/namespaces/{ns}/{kind}/{name}/versions", tag = "Resources",
    operation_id = "listVersions", params(PageQuery), extensions(("x-role" = json!("viewer"))),
    responses((status = 200, description = "A page of them", body = Listed<Version>)))]
pub(crate) async fn versions(
    State(api): State<Api>,
    who: Viewer,
    Query(query): Query<PageQuery>,
) -> Result<Json<Listed<Version>>, Problem> {
    let (kind, name) = (who.path.kind()?, who.path.get("name"));
    let page = page(query.limit, query.after)?;
    api.store.get(&who.ns, kind, name).await.map_err(store_problem)?.ok_or_else(not_found)?;
    let found = api.store.versions(&who.ns, kind, name, &page).await.map_err(page_problem)?;
    Ok(Json(found.into()))
}

/// One version of a resource.
#[utoipa::path(get, path = "/v1/namespaces/{ns}/{kind}/{name}/versions/{generation}",
    tag = "Resources", operation_id = "getVersion", extensions(("x-role" = json!("viewer"))),
    responses((status = 200, description = "The version", body = Version)))]
pub(crate) async fn version(State(api): State<Api>, who: Viewer) -> Result<Json<Version>, Problem> {
    let (kind, name) = (who.path.kind()?, who.path.get("name"));
    let generation = who.path.number("generation")?;
    let found = api.store.version(&who.ns, kind, name, generation).await.map_err(store_problem)?;
    found.map(Json).ok_or_else(not_found)
}

/// What happened to a resource, the oldest first; also of one that is gone.
#[utoipa::path(get, path = "/v1/namespaces/{ns}/{kind}/{name}/events", tag = "Resources",
    operation_id = "listResourceEvents", params(SeqQuery),
    extensions(("x-role" = json!("viewer"))),
    responses((status = 200, description = "A page of them", body = Listed<Event>)))]
pub(crate) async fn resource_events(
    State(api): State<Api>,
    who: Viewer,
    Query(query): Query<SeqQuery>,
) -> Result<Json<Listed<Event>>, Problem> {
    let (kind, name) = (who.path.kind()?, who.path.get("name"));
    let filter = EventFilter { ns: Some(&who.ns), kind: Some(kind), name: Some(name) };
    events(&api, filter, query).await
}

/// What happened in a namespace, the oldest first.
#[utoipa::path(get, path = "/v1/namespaces/{ns}/events", tag = "Resources",
    operation_id = "listEvents", params(SeqQuery), extensions(("x-role" = json!("viewer"))),
    responses((status = 200, description = "A page of them", body = Listed<Event>)))]
pub(crate) async fn namespace_events(
    State(api): State<Api>,
    who: Viewer,
    Query(query): Query<SeqQuery>,
) -> Result<Json<Listed<Event>>, Problem> {
    events(&api, EventFilter { ns: Some(&who.ns), ..EventFilter::default() }, query).await
}

async fn events(
    api: &Api,
    filter: EventFilter<'_>,
    query: SeqQuery,
) -> Result<Json<Listed<Event>>, Problem> {
    let limit = most(query.limit)?;
    let found = api.store.events(filter, query.from()?, limit).await;
    Ok(Json(by_seq(found.map_err(store_problem)?, limit, |event| event.seq)))
}
