//! Tokens and the audit log: for admins of all namespaces.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json as JsonAnswer};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use millrace_http::Problem;

use super::caller::Admin;
use super::idempotency::ToldOnce;
use super::input::{Json, Query, bad_body};
use super::lists::{Listed, PageQuery, SeqQuery, by_seq, most, page, page_problem};
use super::parts::Api;
use super::problems::store_problem;
use crate::model::{AuditEntry, Binding, TokenInfo};

const MAX_NAME: usize = 100;
const MAX_BINDINGS: usize = 100;

/// A token to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct MakeToken {
    /// What it is for; the author of what is done with it.
    #[schema(min_length = 1, max_length = 100, pattern = r"^[^\x00-\x1f\x7f]+$")]
    name: String,
    /// What it may do.
    #[schema(min_items = 1, max_items = 100)]
    bindings: Vec<Binding>,
    /// When it ends, milliseconds since the Unix epoch; never if not given.
    #[serde(default)]
    expires_ms: Option<i64>,
}

/// A token that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MadeToken {
    /// Its text, told this once.
    token: String,
    /// What is kept of it.
    info: TokenInfo,
}

/// All tokens, without their secrets.
#[utoipa::path(get, path = "/v1/tokens", tag = "Access", operation_id = "listTokens",
    params(PageQuery), extensions(("x-role" = json!("admin"))),
    responses((status = 200, description = "A page of them", body = Listed<TokenInfo>)))]
pub(crate) async fn list(
    State(api): State<Api>,
    _: Admin,
    Query(query): Query<PageQuery>,
) -> Result<JsonAnswer<Listed<TokenInfo>>, Problem> {
    let page = page(query.limit, query.after)?;
    let found = api.store.tokens(&page).await.map_err(page_problem)?;
    Ok(JsonAnswer(found.into()))
}

/// Makes a token.
#[utoipa::path(post, path = "/v1/tokens", tag = "Access", operation_id = "makeToken",
    request_body(content = MakeToken, content_type = "application/json"),
    extensions(("x-role" = json!("admin"))),
    responses((status = 201, description = "The token; its text is told this once",
        body = MadeToken)))]
pub(crate) async fn make(
    State(api): State<Api>,
    _: Admin,
    Json(body): Json<MakeToken>,
) -> Result<Response, Problem> {
    check(&body, api.clock.now_ms())?;
    let made = api.access.create_token(&body.name, body.bindings, body.expires_ms).await;
    let made = made.map_err(store_problem)?;
    let answer = MadeToken { token: made.text.reveal(), info: made.info };
    Ok((StatusCode::CREATED, Extension(ToldOnce), JsonAnswer(answer)).into_response())
}

fn check(body: &MakeToken, now_ms: i64) -> Result<(), Problem> {
    let name = body.name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME || name.contains(char::is_control) {
        let message = format!("`name` has 1 to {MAX_NAME} printable characters");
        return Err(bad_body(Some("/name"), message));
    }
    if body.bindings.is_empty() || body.bindings.len() > MAX_BINDINGS {
        let message = format!("a token has 1 to {MAX_BINDINGS} bindings");
        return Err(bad_body(Some("/bindings"), message));
    }
    for (index, binding) in body.bindings.iter().enumerate() {
        let name = binding.namespace.as_str();
        if name != "*" && name.parse::<millrace_events::RouteName>().is_err() {
            let pointer = format!("/bindings/{index}/namespace");
            return Err(bad_body(Some(&pointer), "a namespace's name, or `*` for all"));
        }
    }
    if body.expires_ms.is_some_and(|end| end <= now_ms) {
        return Err(bad_body(Some("/expiresMs"), "this time has passed"));
    }
    Ok(())
}

/// Removes a token: from then on it opens nothing.
#[utoipa::path(delete, path = "/v1/tokens/{id}", tag = "Access", operation_id = "deleteToken",
    extensions(("x-role" = json!("admin"))),
    responses((status = 204, description = "It is gone")))]
pub(crate) async fn delete(State(api): State<Api>, who: Admin) -> Result<StatusCode, Problem> {
    api.store.remove_token(who.path.get("id")).await.map_err(store_problem)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Every request that changed something or was refused, the oldest first.
#[utoipa::path(get, path = "/v1/audit", tag = "Access", operation_id = "listAudit",
    params(SeqQuery), extensions(("x-role" = json!("admin"))),
    responses((status = 200, description = "A page of it", body = Listed<AuditEntry>)))]
pub(crate) async fn audit(
    State(api): State<Api>,
    _: Admin,
    Query(query): Query<SeqQuery>,
) -> Result<JsonAnswer<Listed<AuditEntry>>, Problem> {
    let limit = most(query.limit)?;
    let found = api.store.audit(query.from()?, limit).await.map_err(store_problem)?;
    Ok(JsonAnswer(by_seq(found, limit, |entry| entry.seq)))
}
