//! `GET` and `DELETE /v1/members/{id}/history`: what a member watched.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use millrace_events::{Outgoing, new_event_id};
use millrace_http::Problem;

use super::{enter, path, problems, query};
use crate::hidden::Deleted;
use crate::ids::{MemberId, TitleId};
use crate::pressure::Priority;
use crate::service::Desk;
use crate::shelves::Watched;
use crate::time;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HistoryQuery {
    /// One of the member's profiles; all of them if none is named.
    profile: Option<i32>,
}

/// What a member watched, most recent first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct History {
    /// The member.
    #[schema(value_type = i64)]
    member_id: MemberId,
    /// Feeds that are not up to date at the moment.
    stale: Vec<String>,
    /// The titles.
    titles: Vec<Watched>,
}

/// What was deleted.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Deletion {
    /// The member.
    #[schema(value_type = i64)]
    member_id: MemberId,
    /// The title.
    #[schema(value_type = i64)]
    title_id: TitleId,
    /// The profiles it is deleted from.
    profiles: Vec<i32>,
}

/// A deletion as the job reads it.
#[derive(Serialize)]
struct DeletionEvent<'a> {
    event_id: &'a str,
    event_time: &'a str,
    member_id: MemberId,
    profile_id: i32,
    title_id: TitleId,
}

/// What a member watched, recent and older, most recent first.
#[utoipa::path(get, path = "/v1/members/{id}/history", tag = "Members",
    operation_id = "memberHistory",
    params(("id" = i64, Path, description = "The member"), HistoryQuery),
    responses(
        (status = 200, description = "The titles; none if nothing is known", body = History),
        (status = 500, description = "The packed part cannot be read"),
        (status = 503, description = "Overloaded; come again"),
    ))]
pub(crate) async fn show(
    State(desk): State<Desk>,
    member: Result<Path<i64>, PathRejection>,
    asked: Result<Query<HistoryQuery>, QueryRejection>,
) -> Result<Json<History>, Problem> {
    let _pass = enter(&desk, Priority::Normal)?;
    let (member_id, asked) = (MemberId(path(member)?), query(asked)?);
    let titles = watched(&desk, member_id, asked.profile).await?;
    let stale = desk.stale.load();
    let of_history = |feed: &&String| feed.starts_with("history");
    Ok(Json(History {
        member_id,
        stale: stale.iter().filter(of_history).cloned().collect(),
        titles,
    }))
}

/// Deletes a title from a member's history, everywhere: it is hidden here at once, and gone from
/// the feeds when the job has seen it.
#[utoipa::path(delete, path = "/v1/members/{id}/history/{title}", tag = "Members",
    operation_id = "deleteFromHistory",
    params(
        ("id" = i64, Path, description = "The member"),
        ("title" = i64, Path, description = "The title"),
        HistoryQuery,
    ),
    responses(
        (status = 202, description = "It is hidden, and will be deleted", body = Deletion),
        (status = 404, description = "The member has not watched it"),
        (status = 503, description = "Overloaded, or too much waits for Kafka; come again"),
    ))]
pub(crate) async fn delete(
    State(desk): State<Desk>,
    place: Result<Path<(i64, i64)>, PathRejection>,
    asked: Result<Query<HistoryQuery>, QueryRejection>,
) -> Result<(StatusCode, Json<Deletion>), Problem> {
    let _pass = enter(&desk, Priority::Normal)?;
    let ((member, title), asked) = (path(place)?, query(asked)?);
    let (member_id, title_id) = (MemberId(member), TitleId(title));
    let profiles = if let Some(profile) = asked.profile {
        // Whoever names it knows better than a feed that may be behind.
        BTreeSet::from([profile])
    } else {
        let all = watched(&desk, member_id, None).await?;
        let of_title = all.iter().filter(|w| w.title_id == title_id);
        of_title.map(|w| w.profile_id).collect()
    };
    if profiles.is_empty() {
        return Err(problems::not_found(
            "no profile of the member has watched the title, as far as is known; name a profile \
             to delete it nevertheless",
        ));
    }
    let now = desk.clock.now_ms();
    for profile in &profiles {
        let record = deletion(&desk, member_id, *profile, title_id, now);
        desk.deletions.emit(record).await.map_err(|e| problems::not_taken(&e.to_string()))?;
        desk.hidden.hide(Deleted { member: member_id, profile: *profile, title: title_id }, now);
    }
    let profiles = profiles.into_iter().collect();
    Ok((StatusCode::ACCEPTED, Json(Deletion { member_id, title_id, profiles })))
}

fn deletion(
    desk: &Desk,
    member_id: MemberId,
    profile_id: i32,
    title_id: TitleId,
    now: i64,
) -> Outgoing {
    let id = new_event_id();
    let event_time = time::format(now);
    let event =
        DeletionEvent { event_id: &id, event_time: &event_time, member_id, profile_id, title_id };
    let value = serde_json::to_vec(&event).expect("text and numbers");
    Outgoing {
        topic: desk.settings.deletions.as_str().into(),
        partition: None,
        key: Some(Bytes::from(member_id.0.to_string())),
        value: Some(value.into()),
        headers: Vec::new(),
        timestamp_ms: Some(now),
    }
}

/// Both parts of a history; of a title in both, what was watched last.
async fn watched(
    desk: &Desk,
    member: MemberId,
    profile: Option<i32>,
) -> Result<Vec<Watched>, Problem> {
    let packed = std::sync::Arc::clone(&desk.shelves.packed);
    // Unpacking takes a processor for longer than others should wait.
    let older = tokio::task::spawn_blocking(move || packed.of(member)).await;
    let older = older.map_err(|e| problems::damaged(&e.to_string()))?;
    let mut all = older.map_err(|e| problems::damaged(&e.to_string()))?;
    all.extend(desk.shelves.histories.of(member).unwrap_or_default().iter().cloned());
    all.retain(|w| profile.is_none_or(|p| w.profile_id == p) && !desk.hidden.hides(member, w));
    all.sort_by_key(|w| (-w.last_watched_ms, w.profile_id, w.title_id));
    let mut seen = BTreeSet::new();
    all.retain(|w| seen.insert((w.profile_id, w.title_id)));
    Ok(all)
}
