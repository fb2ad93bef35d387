//! How a job is doing, in numbers.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use millrace_http::Problem;

use super::status::{JobView, view};
use crate::api::caller::Viewer;
use crate::api::parts::Api;
use crate::model::{Desired, JobPhase, JobStatus};
use crate::worker::WorkerStatus;

/// A job in numbers; what a run has not said is `null`.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobNumbers {
    /// Its namespace.
    namespace: String,
    /// Its name.
    name: String,
    /// Whether it is to run.
    desired: Desired,
    /// Where it stands; `null` before the reconciler has seen it.
    phase: Option<JobPhase>,
    /// Why, when the phase alone does not say it.
    reason: Option<String>,
    /// The version that runs.
    generation: Option<i64>,
    /// Starts that nobody asked for.
    restarts: i64,
    /// Id of the run.
    run: Option<String>,
    /// When the numbers below were taken, milliseconds since the Unix epoch.
    at_ms: Option<i64>,
    /// Events read since the run began.
    rows_in: Option<u64>,
    /// Bytes read since the run began.
    bytes_in: Option<u64>,
    /// Rows written since the run began.
    rows_out: Option<u64>,
    /// Bytes written since the run began.
    bytes_out: Option<u64>,
    /// Records still to be read.
    lag: Option<u64>,
    /// How far the slowest watermark is behind, in milliseconds.
    watermark_delay_ms: Option<i64>,
    /// Events that came too late.
    late: Option<u64>,
    /// Records that could not be decoded.
    dead_letters: Option<u64>,
    /// Number of the newest checkpoint.
    checkpoint: Option<u64>,
    /// How old it is, in milliseconds.
    checkpoint_age_ms: Option<i64>,
    /// How long it took, in microseconds.
    checkpoint_duration_us: Option<u64>,
    /// Bytes it takes to restore it.
    checkpoint_bytes: Option<u64>,
    /// Bytes of state.
    state_bytes: Option<u64>,
    /// CPU seconds since the run began.
    cpu_seconds: Option<f64>,
    /// Bytes of memory.
    rss_bytes: Option<u64>,
    /// What it reads and writes, one by one.
    worker: Option<WorkerStatus>,
}

impl JobNumbers {
    pub(crate) fn new(view: JobView, now_ms: i64) -> Self {
        let status = view.status;
        let worker = status.as_ref().and_then(|s| s.worker.clone());
        let worker = worker.as_ref();
        let taken = worker.map(|w| w.checkpoint.clone()).filter(|c| c.number > 0);
        let taken = taken.as_ref();
        Self {
            namespace: view.namespace,
            name: view.name,
            desired: view.goal.desired,
            phase: status.as_ref().map(|s| s.phase),
            reason: status.as_ref().and_then(|s| s.reason.clone()),
            generation: status.as_ref().and_then(|s| s.observed_generation),
            restarts: status.as_ref().map_or(0, |s: &JobStatus| s.restarts),
            run: status.as_ref().and_then(|s| s.run.clone()),
            at_ms: worker.map(|w| w.at_ms),
            rows_in: worker.map(|w| w.sources.iter().map(|s| s.rows).sum()),
            bytes_in: worker.map(|w| w.sources.iter().map(|s| s.bytes).sum()),
            rows_out: worker.map(|w| w.sinks.iter().map(|s| s.rows).sum()),
            bytes_out: worker.map(|w| w.sinks.iter().map(|s| s.bytes).sum()),
            lag: worker.and_then(|w| w.sources.iter().map(|s| s.lag).sum()),
            watermark_delay_ms: worker.and_then(|w| {
                let slowest = w.sources.iter().filter_map(|s| s.watermark_ms).min()?;
                Some(now_ms.saturating_sub(slowest))
            }),
            late: worker.map(|w| w.sources.iter().map(|s| s.late).sum()),
            dead_letters: worker.map(|w| w.sources.iter().map(|s| s.dead_letters).sum()),
            checkpoint: taken.map(|c| c.number),
            checkpoint_age_ms: taken.map(|c| now_ms.saturating_sub(c.completed_ms)),
            checkpoint_duration_us: taken.map(|c| c.duration_us),
            checkpoint_bytes: taken.map(|c| c.bytes),
            state_bytes: worker.map(|w| w.state_bytes),
            cpu_seconds: worker.map(|w| w.cpu_seconds),
            rss_bytes: worker.map(|w| w.rss_bytes),
            worker: worker.cloned(),
        }
    }
}

/// The job in numbers.
#[utoipa::path(get, path = "/v1/namespaces/{ns}/jobs/{name}/metrics", tag = "Jobs",
    operation_id = "getJobMetrics", extensions(("x-role" = json!("viewer"))),
    responses((status = 200, description = "The job in numbers", body = JobNumbers)))]
pub(crate) async fn metrics(
    State(api): State<Api>,
    who: Viewer,
) -> Result<Json<JobNumbers>, Problem> {
    let view = view(&api, &who.ns, who.path.get("name")).await?;
    Ok(Json(JobNumbers::new(view, api.clock.now_ms())))
}
