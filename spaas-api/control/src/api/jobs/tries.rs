//! Trying a job out before it is declared: its outline, plan, rows, and what would become of state.

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use millrace_http::Problem;

use crate::admission::{Drafts, Fault, Refusal, Wish, document, needed};
use crate::api::caller::{Editor, Viewer};
use crate::api::declare::Outcome;
use crate::api::input::{Manifest, Query, bad_request};
use crate::api::manifest::JobBody;
use crate::api::parts::Api;
use crate::api::problems::{not_found, refusal_problem, seam_problem, store_problem};
use crate::api::resources::check_named;
use crate::model::Kind;
use crate::seams::{JobOutline, SampleRows, StateVerdict};

/// Name of a job that is only SQL.
const ADHOC: &str = "adhoc";

/// In which form.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ExplainQuery {
    /// `text` (the default), `json`, or `dot`.
    #[param(inline)]
    form: Option<Form>,
}

/// Form of a plan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Form {
    /// For a person.
    #[default]
    Text,
    /// For a program.
    Json,
    /// For Graphviz.
    Dot,
}

/// How much to sample.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SampleQuery {
    /// Newest events of each stream to read; 1000 if not given.
    #[param(minimum = 1, maximum = 100_000)]
    events: Option<usize>,
    /// Most rows of each sink to answer with; 100 if not given.
    #[param(minimum = 1, maximum = 1000)]
    rows: Option<usize>,
}

/// What declaring a job would change.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobPlan {
    /// What declaring it would come to.
    outcome: Outcome,
    /// A unified diff of the canonical YAML.
    diff: String,
    /// What would become of its state; `null` if its spec does not change.
    verdict: Option<StateVerdict>,
    /// What must be allowed for it to go through: `allow_dropped_state` or `fresh_state`.
    needs: Option<&'static str>,
    /// What it reads and writes.
    outline: Option<JobOutline>,
}

/// The job of a request: a manifest, or SQL alone.
pub(crate) fn job_drafts(ns: &str, text: String) -> Result<Drafts, Problem> {
    let value = serde_json::from_str::<Value>(&text).ok();
    let alone = value.as_ref().and_then(Value::as_object).filter(|o| !o.contains_key("kind"));
    let text = match alone.and_then(|o| o.get("sql")?.as_str()) {
        Some(sql) if alone.is_some_and(|o| o.len() == 1) => {
            document(Kind::Job, ADHOC, &json!({ "sql": sql }))
        }
        _ => text,
    };
    let drafts = Drafts::read(ns, text).map_err(refusal_problem)?;
    if let [one] = drafts.items.as_slice()
        && one.kind == Kind::Job
    {
        return Ok(drafts);
    }
    let fault = Fault::at(0, "/kind", "this takes one document, a Job, or `{\"sql\": …}`");
    Err(refusal_problem(Refusal::Manifest(vec![fault])))
}

/// Checks a job without declaring it.
#[utoipa::path(post, path = "/v1/namespaces/{ns}/jobs/-/validate", tag = "Jobs",
    operation_id = "validateJob", extensions(("x-role" = json!("viewer"))),
    request_body(description = "A Job, or SQL alone", content(
        (JobBody = "application/json"), (String = "application/yaml"))),
    responses((status = 200, description = "What it reads and writes", body = JobOutline)))]
pub(crate) async fn validate(
    State(api): State<Api>,
    who: Viewer,
    Manifest(text): Manifest,
) -> Result<Json<JobOutline>, Problem> {
    let drafts = job_drafts(&who.ns, text)?;
    let tried = api.admission.try_job(&who.ns, &drafts).await.map_err(refusal_problem)?;
    Ok(Json(tried.outline))
}

/// The plan of a job that is not declared.
#[utoipa::path(post, path = "/v1/namespaces/{ns}/jobs/-/explain", tag = "Jobs",
    operation_id = "explainManifest", params(ExplainQuery),
    extensions(("x-role" = json!("viewer"))),
    request_body(description = "A Job, or SQL alone", content(
        (JobBody = "application/json"), (String = "application/yaml"))),
    responses((status = 200, description = "The plan", content(
        (String = "text/plain"), (Object = "application/json"), (String = "text/vnd.graphviz")))))]
pub(crate) async fn explain_manifest(
    State(api): State<Api>,
    who: Viewer,
    Query(query): Query<ExplainQuery>,
    Manifest(text): Manifest,
) -> Result<Response, Problem> {
    let drafts = job_drafts(&who.ns, text)?;
    explained(&api, &who.ns, &drafts, query.form).await
}

/// The plan of a job.
#[utoipa::path(get, path = "/v1/namespaces/{ns}/jobs/{name}/explain", tag = "Jobs",
    operation_id = "explainJob", params(ExplainQuery),
    extensions(("x-role" = json!("viewer"))),
    responses((status = 200, description = "The plan", content(
        (String = "text/plain"), (Object = "application/json"), (String = "text/vnd.graphviz")))))]
pub(crate) async fn explain_job(
    State(api): State<Api>,
    who: Viewer,
    Query(query): Query<ExplainQuery>,
) -> Result<Response, Problem> {
    let name = who.path.get("name");
    let found = api.store.get(&who.ns, Kind::Job, name).await.map_err(store_problem)?;
    let resource = found.ok_or_else(not_found)?;
    let text = document(Kind::Job, name, &resource.spec);
    let drafts = Drafts::read(&who.ns, text).map_err(refusal_problem)?;
    explained(&api, &who.ns, &drafts, query.form).await
}

async fn explained(
    api: &Api,
    ns: &str,
    drafts: &Drafts,
    form: Option<Form>,
) -> Result<Response, Problem> {
    let tried = api.admission.try_job(ns, drafts).await.map_err(refusal_problem)?;
    let (form, media) = match form.unwrap_or_default() {
        Form::Text => ("text", "text/plain; charset=utf-8"),
        Form::Json => ("json", "application/json"),
        Form::Dot => ("dot", "text/vnd.graphviz"),
    };
    let plan = api.planner.explain(&tried.job, &tried.manifests, form).map_err(seam_problem)?;
    Ok(([(CONTENT_TYPE, HeaderValue::from_static(media))], plan).into_response())
}

/// What a job would write for the newest events, writing nowhere.
#[utoipa::path(post, path = "/v1/namespaces/{ns}/jobs/-/sample", tag = "Jobs",
    operation_id = "sampleJob", params(SampleQuery), extensions(("x-role" = json!("editor"))),
    request_body(description = "A Job, or SQL alone", content(
        (JobBody = "application/json"), (String = "application/yaml"))),
    responses((status = 200, description = "Rows of each sink", body = Vec<SampleRows>)))]
pub(crate) async fn sample(
    State(api): State<Api>,
    who: Editor,
    Query(query): Query<SampleQuery>,
    Manifest(text): Manifest,
) -> Result<Json<Vec<SampleRows>>, Problem> {
    let (events, rows) = (query.events.unwrap_or(1000), query.rows.unwrap_or(100));
    if !(1..=100_000).contains(&events) || !(1..=1000).contains(&rows) {
        return Err(bad_request("bad-query", "The query is not right")
            .detail("`events` is from 1 to 100000, `rows` from 1 to 1000"));
    }
    let drafts = job_drafts(&who.ns, text)?;
    let tried = api.admission.try_job(&who.ns, &drafts).await.map_err(refusal_problem)?;
    let sampled = api.planner.sample(&tried.job, &tried.manifests, events, rows).await;
    sampled.map(Json).map_err(seam_problem)
}

/// What declaring this manifest would change, and what would become of the job's state.
#[utoipa::path(post, path = "/v1/namespaces/{ns}/jobs/{name}/plan", tag = "Jobs",
    operation_id = "planJob", extensions(("x-role" = json!("viewer"))),
    request_body(description = "A Job", content(
        (crate::api::manifest::ManifestBody = "application/json"), (String = "application/yaml"))),
    responses((status = 200, description = "Diff and verdict", body = JobPlan)))]
pub(crate) async fn plan(
    State(api): State<Api>,
    who: Viewer,
    Manifest(text): Manifest,
) -> Result<Response, Problem> {
    let drafts = Drafts::read(&who.ns, text).map_err(refusal_problem)?;
    check_named(&drafts, Kind::Job, who.path.get("name"))?;
    let wish = Wish { only_tell: true, ..Wish::default() };
    let checked = api.admission.check(&who.ns, &drafts, &wish).await.map_err(refusal_problem)?;
    let one = checked.into_iter().next().ok_or_else(not_found)?;
    let plan = JobPlan {
        outcome: one.outcome.into(),
        diff: one.diff,
        needs: one.verdict.as_ref().and_then(needed),
        verdict: one.verdict,
        outline: one.outline,
    };
    Ok((StatusCode::OK, Json(plan)).into_response())
}
