//! One job in numbers, summed up from what its worker last said.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::{JobPhase, JobStatus};
use crate::worker::WorkerStatus;

/// One job in numbers. Counts are since its newest run began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobNumbers {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub job: String,
    /// Where it stands.
    pub phase: JobPhase,
    /// The version that runs, or ran last.
    pub version: Option<i64>,
    /// Starts that nobody asked for.
    pub restarts: i64,
    /// Events read.
    pub events_in: u64,
    /// Bytes read.
    pub bytes_in: u64,
    /// Rows written.
    pub rows_out: u64,
    /// Bytes written.
    pub bytes_out: u64,
    /// Records of the log still to be read, if known.
    pub lag: Option<u64>,
    /// How far the slowest watermark is behind the clock, in milliseconds.
    pub watermark_delay_ms: Option<i64>,
    /// Time from barrier to manifest of the newest checkpoint, in microseconds.
    pub checkpoint_duration_us: u64,
    /// Bytes it takes to restore it.
    pub checkpoint_bytes: u64,
    /// Age of the newest checkpoint, in milliseconds; `None` before the first.
    pub checkpoint_age_ms: Option<i64>,
    /// Bytes of state.
    pub state_bytes: u64,
    /// Events that came too late.
    pub late: u64,
    /// Records that could not be decoded.
    pub dead_letters: u64,
    /// CPU time of the worker in seconds.
    pub cpu_seconds: f64,
    /// Memory of the worker in bytes.
    pub rss_bytes: u64,
}

impl JobNumbers {
    /// Sums up `status` at `now_ms`.
    pub fn of(namespace: &str, job: &str, status: &JobStatus, now_ms: i64) -> Self {
        let worker = status.worker.as_ref();
        let sources = worker.map_or(&[][..], |w| &w.sources);
        let sinks = worker.map_or(&[][..], |w| &w.sinks);
        let checkpoint = worker.map(|w| &w.checkpoint).filter(|c| c.number > 0);
        let lags: Option<Vec<u64>> = sources.iter().map(|source| source.lag).collect();
        let watermark = sources.iter().filter_map(|source| source.watermark_ms).min();
        // Clocks differ, and event times may be ahead of all of them.
        let age = |at_ms: i64| now_ms.saturating_sub(at_ms).max(0);
        Self {
            namespace: namespace.to_owned(),
            job: job.to_owned(),
            phase: status.phase,
            version: status.observed_generation,
            restarts: status.restarts,
            events_in: sources.iter().map(|source| source.rows).sum(),
            bytes_in: sources.iter().map(|source| source.bytes).sum(),
            rows_out: sinks.iter().map(|sink| sink.rows).sum(),
            bytes_out: sinks.iter().map(|sink| sink.bytes).sum(),
            lag: lags.filter(|lags| !lags.is_empty()).map(|lags| lags.into_iter().sum()),
            watermark_delay_ms: watermark.map(age),
            checkpoint_duration_us: checkpoint.map_or(0, |c| c.duration_us),
            checkpoint_bytes: checkpoint.map_or(0, |c| c.bytes),
            checkpoint_age_ms: checkpoint.map(|c| age(c.completed_ms)),
            state_bytes: worker.map_or(0, |w| w.state_bytes),
            late: sources.iter().map(|source| source.late).sum(),
            dead_letters: sources.iter().map(|source| source.dead_letters).sum(),
            cpu_seconds: worker.map_or(0.0, |w: &WorkerStatus| w.cpu_seconds),
            rss_bytes: worker.map_or(0, |w| w.rss_bytes),
        }
    }
}
