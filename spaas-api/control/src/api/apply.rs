//! Several documents at once, all or nothing.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use millrace_http::Problem;

use super::caller::{Editor, Viewer};
use super::declare::{Change, Order, declare};
use super::input::{Condition, Manifest, Query, at_most};
use super::parts::Api;
use super::problems::refusal_problem;
use crate::admission::{Drafts, Fault, Refusal, Wish};
use crate::model::Kind;

/// How to apply.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ApplyQuery {
    /// Check everything, change nothing.
    dry_run: bool,
    /// Why; kept with the versions.
    #[param(max_length = 1000)]
    #[serde(default, deserialize_with = "at_most::<_, 1000>")]
    reason: Option<String>,
    /// Of jobs: state of operators that are gone may be dropped.
    allow_dropped_state: bool,
    /// Of jobs: forget all state but the place in the streams.
    fresh_state: bool,
}

/// What applying came to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Applied {
    /// One for each document, in the order in which they were made.
    results: Vec<Change>,
}

/// The documents of a text; namespaces have a path of their own and an admin who declares them.
fn read(ns: &str, text: String) -> Result<Drafts, Problem> {
    let drafts = Drafts::read(ns, text).map_err(refusal_problem)?;
    let namespaces = drafts.items.iter().filter(|draft| draft.kind == Kind::Namespace);
    let faults: Vec<Fault> = namespaces
        .map(|draft| {
            Fault::at(draft.document, "/kind", "a namespace is not declared within a namespace")
                .hint(format!("PUT it to /v1/namespaces/{}", draft.name))
        })
        .collect();
    if faults.is_empty() { Ok(drafts) } else { Err(refusal_problem(Refusal::Manifest(faults))) }
}

/// Declares all documents or none.
#[utoipa::path(post, path = "/v1/namespaces/{ns}/apply", tag = "Resources",
    operation_id = "apply", params(ApplyQuery), extensions(("x-role" = json!("editor"))),
    request_body(description = "Manifests: YAML documents, or a JSON manifest or list of them",
        content((String = "application/yaml"), (Object = "application/json"))),
    responses((status = 200, description = "What it came to", body = Applied)))]
pub(crate) async fn apply(
    State(api): State<Api>,
    who: Editor,
    Query(query): Query<ApplyQuery>,
    Manifest(text): Manifest,
) -> Result<Json<Applied>, Problem> {
    let drafts = read(&who.ns, text)?;
    let wish = Wish {
        allow_dropped_state: query.allow_dropped_state,
        fresh_state: query.fresh_state,
        ..Wish::default()
    };
    let order = Order { dry_run: query.dry_run, reason: query.reason, wish };
    let results = declare(&api, &who.actor, &who.ns, &drafts, (&order, Condition::None)).await?;
    Ok(Json(Applied { results }))
}

/// What applying the documents would change. State verdicts are told, not refused.
#[utoipa::path(post, path = "/v1/namespaces/{ns}/diff", tag = "Resources",
    operation_id = "diff", extensions(("x-role" = json!("viewer"))),
    request_body(description = "Manifests: YAML documents, or a JSON manifest or list of them",
        content((String = "application/yaml"), (Object = "application/json"))),
    responses((status = 200, description = "What it would come to", body = Applied)))]
pub(crate) async fn diff(
    State(api): State<Api>,
    who: Viewer,
    Manifest(text): Manifest,
) -> Result<Json<Applied>, Problem> {
    let drafts = read(&who.ns, text)?;
    let wish = Wish { only_tell: true, ..Wish::default() };
    let order = Order { dry_run: true, reason: None, wish };
    let results = declare(&api, &who.actor, &who.ns, &drafts, (&order, Condition::None)).await?;
    Ok(Json(Applied { results }))
}
