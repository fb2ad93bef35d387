//! The verbs: each changes what is wanted of a job, and the reconciler brings it about.

use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use millrace_http::Problem;

use super::status::{JobView, view};
use super::wait::{Wait, until_settled};
use crate::access::Reason;
use crate::api::answer::tagged;
use crate::api::caller::Editor;
use crate::api::input::{Condition, Json, MatchCondition, Query, at_most, bad_body};
use crate::api::parts::Api;
use crate::api::problems::{conflict, stale, store_problem};
use crate::model::{Desired, JobGoal, StatePolicy};

/// How to do it.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct VerbQuery {
    /// Say what would be wanted, change nothing.
    pub(crate) dry_run: bool,
    /// Why; kept in the history.
    #[param(max_length = 1000)]
    #[serde(default, deserialize_with = "at_most::<_, 1000>")]
    pub(crate) reason: Option<String>,
    /// Seconds to wait until the job rests.
    #[param(maximum = 60)]
    pub(crate) wait: Option<u64>,
}

/// Nothing more to say.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Plain {
    /// Why, if the query does not say it.
    #[schema(max_length = 1000)]
    #[serde(default, deserialize_with = "at_most::<_, 1000>")]
    reason: Option<String>,
}

/// How to stop.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Stop {
    /// Make a savepoint of the last checkpoint.
    savepoint: bool,
    /// Bring event time to its end first, so that open windows close.
    drain: bool,
    /// Why, if the query does not say it.
    #[schema(max_length = 1000)]
    #[serde(default, deserialize_with = "at_most::<_, 1000>")]
    reason: Option<String>,
}

/// How many instances.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rescale {
    /// Instances of each operator.
    #[schema(minimum = 1, maximum = 128)]
    parallelism: u32,
    /// Why, if the query does not say it.
    #[schema(max_length = 1000)]
    #[serde(default, deserialize_with = "at_most::<_, 1000>")]
    reason: Option<String>,
}

/// Most instances of an operator: there are no more key groups.
const MOST_INSTANCES: u32 = 128;

/// One request: who, how, and under which condition.
pub(crate) struct Ask {
    pub(super) who: Editor,
    pub(super) query: VerbQuery,
    pub(super) wait: Wait,
    condition: Condition,
}

impl FromRequestParts<Api> for Ask {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let who = Editor::from_request_parts(parts, api).await?;
        let Query(query) = Query::<VerbQuery>::from_request_parts(parts, api).await?;
        let condition = Condition::from_request_parts(parts, api).await?;
        let wait = Wait::checked(query.wait)?;
        Ok(Self { who, query, wait, condition })
    }
}

impl Ask {
    /// Namespace and name of the job.
    pub(super) fn job(&self) -> (&str, &str) {
        (&self.who.ns, self.who.path.get("name"))
    }

    /// The job as it is, and the number its goal must still have; refused if it has not.
    pub(super) async fn before(&self, api: &Api) -> Result<(JobView, Option<i64>), Problem> {
        let (ns, name) = self.job();
        let before = view(api, ns, name).await?;
        if before.deleting_ms.is_some() {
            return Err(conflict("deleting", "It is being removed"));
        }
        match self.condition {
            Condition::None | Condition::Exists => Ok((before, None)),
            Condition::Version(v) if v == before.goal.goal => Ok((before, Some(v))),
            Condition::Absent | Condition::Version(_) => Err(stale(before.goal.goal)),
        }
    }

    /// Changes what is wanted and answers with what is.
    pub(super) async fn set(
        self,
        api: &Api,
        reason: Option<String>,
        change: impl FnOnce(&mut JobGoal) + Send,
    ) -> Result<Response, Problem> {
        let (before, expect) = self.before(api).await?;
        let (ns, name) = self.job();
        let reason = self.query.reason.clone().or(reason);
        let change = |goal: &mut JobGoal| {
            let old = goal.clone();
            change(goal);
            // What one start was allowed to forget, the next is not.
            let started = before.status.as_ref().is_some_and(|s| s.observed_goal >= old.goal);
            if started && *goal != old && goal.version == old.version {
                goal.state = StatePolicy::Keep;
            }
        };
        if self.query.dry_run {
            return Ok(would(&before, change));
        }
        let (author, now) = (self.who.actor.name.as_str(), api.clock.now_ms());
        let goal =
            api.store.set_goal(ns, name, expect, change, author, reason.as_deref(), now).await;
        goal.map_err(store_problem)?;
        let after = until_settled(api, ns, name, self.wait).await?;
        let mut answer = tagged(StatusCode::ACCEPTED, after.goal.goal, &after);
        // One in the body is not seen by whoever writes down requests.
        if let Some(reason) = reason {
            answer.extensions_mut().insert(Reason(reason));
        }
        Ok(answer)
    }
}

fn would(before: &JobView, change: impl FnOnce(&mut JobGoal)) -> Response {
    let mut goal = before.goal.clone();
    change(&mut goal);
    goal.goal = before.goal.goal + i64::from(goal != before.goal);
    let view = JobView { goal, settled: false, ..before.clone() };
    tagged(StatusCode::OK, view.goal.goal, &view)
}

pub(super) fn run(goal: &mut JobGoal) {
    goal.desired = Desired::Running;
    goal.stop_savepoint = None;
    goal.drain = false;
}

/// Runs the job: one that was declared without running, or that was stopped.
#[utoipa::path(post, path = "/v1/namespaces/{ns}/jobs/{name}/deploy", tag = "Jobs",
    operation_id = "deployJob", params(VerbQuery, MatchCondition),
    request_body(content = Plain, content_type = "application/json"),
    extensions(("x-role" = json!("editor"))),
    responses(
        (status = 200, description = "What would be wanted (dry run)", body = JobView),
        (status = 202, description = "What is wanted now, and the status", body = JobView,
            headers(("ETag" = String, description = "Number of the goal"))),
    ))]
pub(crate) async fn deploy(
    State(api): State<Api>,
    ask: Ask,
    Json(body): Json<Plain>,
) -> Result<Response, Problem> {
    ask.set(&api, body.reason, run).await
}

/// Runs a stopped job again, from where it stopped.
#[utoipa::path(post, path = "/v1/namespaces/{ns}/jobs/{name}/resume", tag = "Jobs",
    operation_id = "resumeJob", params(VerbQuery, MatchCondition),
    request_body(content = Plain, content_type = "application/json"),
    extensions(("x-role" = json!("editor"))),
    responses(
        (status = 200, description = "What would be wanted (dry run)", body = JobView),
        (status = 202, description = "What is wanted now, and the status", body = JobView,
            headers(("ETag" = String, description = "Number of the goal"))),
    ))]
pub(crate) async fn resume(
    State(api): State<Api>,
    ask: Ask,
    Json(body): Json<Plain>,
) -> Result<Response, Problem> {
    ask.set(&api, body.reason, run).await
}

/// Stops the job after a last checkpoint; its state is kept.
#[utoipa::path(post, path = "/v1/namespaces/{ns}/jobs/{name}/stop", tag = "Jobs",
    operation_id = "stopJob", params(VerbQuery, MatchCondition),
    request_body(content = Stop, content_type = "application/json"),
    extensions(("x-role" = json!("editor"))),
    responses(
        (status = 200, description = "What would be wanted (dry run)", body = JobView),
        (status = 202, description = "What is wanted now, and the status", body = JobView,
            headers(("ETag" = String, description = "Number of the goal"))),
    ))]
pub(crate) async fn stop(
    State(api): State<Api>,
    ask: Ask,
    Json(body): Json<Stop>,
) -> Result<Response, Problem> {
    let (before, _) = ask.before(&api).await?;
    let already = before.goal.desired == Desired::Stopped;
    let savepoint = if body.savepoint && !already {
        Some(super::savepoints::request(&api, &ask, &before).await?.id)
    } else {
        None
    };
    let asked = savepoint.clone().filter(|_| !ask.query.dry_run);
    let stopped = ask.set(&api, body.reason, move |goal| {
        if already {
            return;
        }
        goal.desired = Desired::Stopped;
        goal.stop_savepoint = savepoint;
        goal.drain = body.drain;
    });
    let stopped = stopped.await;
    let asked = asked.filter(|_| stopped.is_err());
    if let Some(id) = asked {
        super::savepoints::take_back(&api, &before, &id).await;
    }
    stopped
}

/// Ends the run after a checkpoint and starts another.
#[utoipa::path(post, path = "/v1/namespaces/{ns}/jobs/{name}/restart", tag = "Jobs",
    operation_id = "restartJob", params(VerbQuery, MatchCondition),
    request_body(content = Plain, content_type = "application/json"),
    extensions(("x-role" = json!("editor"))),
    responses(
        (status = 200, description = "What would be wanted (dry run)", body = JobView),
        (status = 202, description = "What is wanted now, and the status", body = JobView,
            headers(("ETag" = String, description = "Number of the goal"))),
    ))]
pub(crate) async fn restart(
    State(api): State<Api>,
    ask: Ask,
    Json(body): Json<Plain>,
) -> Result<Response, Problem> {
    let (before, _) = ask.before(&api).await?;
    if before.goal.desired == Desired::Stopped {
        let stopped = conflict("stopped", "The job is stopped");
        return Err(stopped.detail("there is no run to begin anew; `resume` runs it again"));
    }
    ask.set(&api, body.reason, |goal| goal.restarts += 1).await
}

/// Goes on with another number of instances of each operator; the state moves along.
#[utoipa::path(post, path = "/v1/namespaces/{ns}/jobs/{name}/rescale", tag = "Jobs",
    operation_id = "rescaleJob", params(VerbQuery, MatchCondition),
    request_body(content = Rescale, content_type = "application/json"),
    extensions(("x-role" = json!("editor"))),
    responses(
        (status = 200, description = "What would be wanted (dry run)", body = JobView),
        (status = 202, description = "What is wanted now, and the status", body = JobView,
            headers(("ETag" = String, description = "Number of the goal"))),
    ))]
pub(crate) async fn rescale(
    State(api): State<Api>,
    ask: Ask,
    Json(body): Json<Rescale>,
) -> Result<Response, Problem> {
    if !(1..=MOST_INSTANCES).contains(&body.parallelism) {
        let message = format!("`parallelism` is from 1 to {MOST_INSTANCES}");
        return Err(bad_body(Some("/parallelism"), message));
    }
    ask.set(&api, body.reason, move |goal| goal.parallelism = Some(body.parallelism)).await
}
