//! `GET /v1/members/{id}/feed`: rows of titles with artwork.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use metrics::histogram;
use serde::Deserialize;
use utoipa::IntoParams;

use millrace_http::Problem;

use super::{enter, path, problems, query};
use crate::answer::{Answer, Asker, DEVICES};
use crate::ids::{Country, MemberId};
use crate::page::{Ask, Rung};
use crate::pressure::Priority;
use crate::service::Desk;
use crate::settings::MAX_PER_ROW;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FeedQuery {
    /// One of the member's profiles; all of them if none is named.
    profile: Option<i32>,
    /// `tv`, `phone`, `tablet` or `web`.
    device: Option<String>,
    /// ISO 3166 code, for members whose country is not known.
    country: Option<String>,
    /// Titles a row may have, 1 to 50.
    titles: Option<usize>,
    /// Say how likely each image was.
    #[serde(default)]
    explain: bool,
}

/// Rows of titles for a member, each with artwork; what is answered is logged as impressions.
///
/// The rows are what the best rung of the ladder has: the member's own, those of the country, or
/// what is popular anywhere.
#[utoipa::path(get, path = "/v1/members/{id}/feed", tag = "Members", operation_id = "memberFeed",
    params(("id" = i64, Path, description = "The member"), FeedQuery),
    responses(
        (status = 200, description = "The rows", body = Answer),
        (status = 400, description = "The request has a mistake"),
        (status = 503, description = "Overloaded; come again"),
    ))]
pub(crate) async fn member_feed(
    State(desk): State<Desk>,
    member: Result<Path<i64>, PathRejection>,
    asked: Result<Query<FeedQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let begun = desk.clock.monotonic();
    let pass = enter(&desk, Priority::High)?;
    let (member, asked) = (MemberId(path(member)?), query(asked)?);
    let device = asked.device.as_deref().map(device).transpose()?;
    let country = asked.country.as_deref().map(country).transpose()?;
    let per_row = asked.titles.unwrap_or(desk.settings.per_row);
    if !(1..=MAX_PER_ROW).contains(&per_row) {
        let detail = format!("`titles` is {per_row}; a row has 1 to {MAX_PER_ROW}");
        return Err(problems::bad_request(&detail));
    }
    let now_ms = desk.clock.now_ms();
    let ask = Ask { member, profile: asked.profile, country, now_ms, per_row };
    let who = Asker { member, profile: asked.profile, device, now_ms, explain: asked.explain };
    let top = if pass.lighter { Rung::Country } else { Rung::Personal };
    let answer = desk.answer(ask, &who, top).await;
    let response = json(&answer);
    let took = desk.clock.monotonic().saturating_sub(begun);
    histogram!("millrace_recommendation_feed_seconds").record(took.as_secs_f64());
    Ok(response)
}

/// Room that a title takes in an answer, so that its text is written in one place.
const CARD_BYTES: usize = 256;

fn json(answer: &Answer) -> Response {
    let cards: usize = answer.rows.iter().map(|row| row.titles.len()).sum();
    let mut text = Vec::with_capacity((cards + 2) * CARD_BYTES);
    serde_json::to_writer(&mut text, answer).expect("text and finite numbers");
    ([(CONTENT_TYPE, "application/json")], text).into_response()
}

fn device(name: &str) -> Result<&'static str, Problem> {
    let known = DEVICES.into_iter().find(|known| *known == name);
    known.ok_or_else(|| {
        let known = DEVICES.join(", ");
        problems::bad_request(&format!("device `{name}` is none of {known}"))
    })
}

pub(super) fn country(code: &str) -> Result<Country, Problem> {
    let detail = || problems::bad_request(&format!("`{code}` is no code of a country"));
    Country::parse(code).ok_or_else(detail)
}
