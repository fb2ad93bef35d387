//! `GET /v1/admin/why`: why an answer is as it is.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::WWW_AUTHENTICATE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use millrace_http::Problem;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::feeds::{Stale, checked};
use crate::steer::Why;

use super::openapi::ProblemShape;
use super::router::Api;
use super::steer::{at, client_ip, json_answer};

/// Which answer.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhyQuery {
    /// The client's address.
    client_ip: String,
    /// The file.
    file: String,
}

/// Why an answer is as it is, and how old what it came from is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WhyAnswer {
    #[serde(flatten)]
    why: Why,
    /// Not there while health is fresh.
    #[serde(skip_serializing_if = "Option::is_none")]
    stale: Option<Stale>,
}

/// Why `POST /v1/steer` answers as it does.
#[utoipa::path(get, path = "/v1/admin/why", tag = "Admin", params(WhyQuery),
    responses(
        (status = 200, description = "Why", body = WhyAnswer),
        (status = 400, description = "The request is wrong", body = ProblemShape,
            content_type = "application/problem+json"),
        (status = 401, description = "No token, or a wrong one", body = ProblemShape,
            content_type = "application/problem+json"),
    ))]
pub(super) async fn why(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    query: Result<Query<WhyQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    if !api.parts.admin.admits(&headers) {
        return Err(unauthorized());
    }
    let bad = || Problem::new(StatusCode::BAD_REQUEST, "bad-request", "Bad request");
    let Query(query) = query.map_err(|error| bad().detail(error.body_text()))?;
    let Some(ip) = client_ip(&query.client_ip) else {
        return Err(bad().errors(&[at("/client_ip", "is no IPv4 or IPv6 address")]));
    };
    let file = checked(&query.file).map_err(|e| bad().errors(&[at("/file", e.to_string())]))?;
    let fleet = api.parts.desk.fleet();
    let stale = api.parts.desk.freshness().stale(
        api.parts.clock.now_ms(),
        fleet.roster.newest_report_ms(),
        api.parts.settings.stale_after,
    );
    let answer = WhyAnswer { why: fleet.client(ip).why(file), stale };
    Ok(json_answer(serde_json::to_vec(&answer).expect("text and numbers only")))
}

pub(super) fn unauthorized() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "Not authorized")
        .detail("this asks for the admin token: Authorization: Bearer …")
        .header(WWW_AUTHENTICATE, "Bearer")
}
