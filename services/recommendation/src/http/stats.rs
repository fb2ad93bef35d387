//! `GET /v1/titles/{id}/stats`: how a title does.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use millrace_bandit::Context;
use millrace_http::Problem;

use super::feed::country;
use super::{enter, path, query};
use crate::answer::{CandidateImage, policy_name};
use crate::ids::{Country, TitleId};
use crate::pressure::Priority;
use crate::service::Desk;
use crate::shelves::{Popularity, Rate};

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StatsQuery {
    /// ISO 3166 code; without it the world.
    country: Option<String>,
}

/// A title like this one.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Neighbour {
    /// The title.
    #[schema(value_type = i64)]
    title_id: TitleId,
    /// How similar it is.
    score: f64,
}

/// How a title does.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Stats {
    /// The title.
    #[schema(value_type = i64)]
    title_id: TitleId,
    /// Its name, if the catalogue has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Where.
    #[schema(value_type = String)]
    country: Country,
    /// How popular it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    popularity: Option<Popularity>,
    /// Its place among the top titles there.
    #[serde(skip_serializing_if = "Option::is_none")]
    rank: Option<u32>,
    /// Plays per impression there, in the latest window of each length.
    #[schema(value_type = Vec<Rate>)]
    take_rates: Vec<Arc<Rate>>,
    /// Titles that the same members watch.
    similar: Vec<Neighbour>,
    /// The policy that chooses its artwork.
    policy: &'static str,
    /// Version of the policy's parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_version: Option<i64>,
    /// How likely each image is shown to somebody of whom nothing is known.
    artworks: Vec<CandidateImage>,
}

/// How a title does: popularity, plays per impression, neighbours, artwork.
#[utoipa::path(get, path = "/v1/titles/{id}/stats", tag = "Titles", operation_id = "titleStats",
    params(("id" = i64, Path, description = "The title"), StatsQuery),
    responses(
        (status = 200, description = "What is known; little of a title nobody watched",
            body = Stats),
        (status = 503, description = "Overloaded; come again"),
    ))]
pub(crate) async fn title_stats(
    State(desk): State<Desk>,
    title: Result<Path<i64>, PathRejection>,
    asked: Result<Query<StatsQuery>, QueryRejection>,
) -> Result<Json<Stats>, Problem> {
    let _pass = enter(&desk, Priority::Low)?;
    let (title_id, asked) = (TitleId(path(title)?), query(asked)?);
    let country = asked.country.as_deref().map_or(Ok(Country::WORLD), country)?;
    let shelves = &desk.shelves;
    let top = shelves.popularities.top(country);
    let poster = shelves.posters.of(title_id);
    let images = poster.as_ref().map(|poster| poster.distribution(&Context::unknown()));
    let each = |images: millrace_bandit::Distribution| -> Vec<_> {
        let both = images.images().iter().zip(images.probabilities());
        both.map(|(image, p)| CandidateImage { artwork_id: *image, probability: *p }).collect()
    };
    let neighbour = |(title, score): &(TitleId, f64)| Neighbour { title_id: *title, score: *score };
    Ok(Json(Stats {
        title_id,
        name: shelves.catalogue.get(title_id).and_then(|title| title.name.clone()),
        country,
        popularity: shelves.popularities.of(country, title_id),
        rank: top.iter().find(|(_, title)| *title == title_id).map(|(rank, _)| *rank),
        take_rates: shelves.rates.of(title_id, country),
        similar: shelves.similar.to(title_id).iter().map(neighbour).collect(),
        policy: policy_name(&desk.settings.policy),
        policy_version: poster.and_then(|poster| poster.version),
        artworks: images.map(each).unwrap_or_default(),
    }))
}
