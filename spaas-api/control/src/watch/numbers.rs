//! One job in numbers, summed up from what its worker last said.

use serde::Serialize;
use utoipa::ToSchema;

use crate::model::{JobPhase, JobStatus};
use crate::worker::{SinkNumbers, SourceNumbers};

/// One job in numbers: the same in the API, in `top` and in the metrics. Counts are since its
/// newest run began; what is not known is `null`.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobNumbers {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub job: String,
    /// Where it stands; `null` before the reconciler has seen it.
    pub phase: Option<JobPhase>,
    /// Why, when the phase alone does not say it.
    pub reason: Option<String>,
    /// The version that runs, or ran last.
    pub version: Option<i64>,
    /// Starts that nobody asked for.
    pub restarts: i64,
    /// Id of the newest run.
    pub run: Option<String>,
    /// When the numbers below were taken, milliseconds since the Unix epoch.
    pub at_ms: Option<i64>,
    /// Events read.
    pub events_in: Option<u64>,
    /// Bytes read.
    pub bytes_in: Option<u64>,
    /// Rows written.
    pub rows_out: Option<u64>,
    /// Bytes written.
    pub bytes_out: Option<u64>,
    /// Records of the log still to be read.
    pub lag: Option<u64>,
    /// How far the slowest watermark is behind the clock, in milliseconds.
    pub watermark_delay_ms: Option<i64>,
    /// Events that came too late.
    pub late: Option<u64>,
    /// Records that could not be decoded.
    pub dead_letters: Option<u64>,
    /// Number of the newest checkpoint.
    pub checkpoint: Option<u64>,
    /// How old it is, in milliseconds.
    pub checkpoint_age_ms: Option<i64>,
    /// Time from its barrier to its manifest, in microseconds.
    pub checkpoint_duration_us: Option<u64>,
    /// Bytes it takes to restore it.
    pub checkpoint_bytes: Option<u64>,
    /// Bytes of state.
    pub state_bytes: Option<u64>,
    /// CPU time of the worker in seconds.
    pub cpu_seconds: Option<f64>,
    /// Memory of the worker in bytes.
    pub rss_bytes: Option<u64>,
    /// What it reads, one by one.
    pub sources: Vec<SourceNumbers>,
    /// What it writes, one by one.
    pub sinks: Vec<SinkNumbers>,
}

impl JobNumbers {
    /// Sums up `status` at `now_ms`.
    pub fn of(namespace: &str, job: &str, status: Option<&JobStatus>, now_ms: i64) -> Self {
        let worker = status.and_then(|status| status.worker.as_ref());
        let of_sources =
            |value: fn(&SourceNumbers) -> u64| worker.map(|w| w.sources.iter().map(value).sum());
        let of_sinks =
            |value: fn(&SinkNumbers) -> u64| worker.map(|w| w.sinks.iter().map(value).sum());
        let sources = worker.map_or(&[][..], |w| &w.sources);
        let checkpoint = worker.map(|w| &w.checkpoint).filter(|c| c.number > 0);
        let lag: Option<u64> = sources.iter().map(|source| source.lag).sum();
        let watermark = sources.iter().filter_map(|source| source.watermark_ms).min();
        // Clocks differ, and event times may be ahead of all of them.
        let age = |at_ms: i64| now_ms.saturating_sub(at_ms).max(0);
        Self {
            namespace: namespace.to_owned(),
            job: job.to_owned(),
            phase: status.map(|status| status.phase),
            reason: status.and_then(|status| status.reason.clone()),
            version: status.and_then(|status| status.observed_generation),
            restarts: status.map_or(0, |status| status.restarts),
            run: status.and_then(|status| status.run.clone()),
            at_ms: worker.map(|w| w.at_ms),
            events_in: of_sources(|source| source.rows),
            bytes_in: of_sources(|source| source.bytes),
            rows_out: of_sinks(|sink| sink.rows),
            bytes_out: of_sinks(|sink| sink.bytes),
            lag: lag.filter(|_| !sources.is_empty()),
            watermark_delay_ms: watermark.map(age),
            late: of_sources(|source| source.late),
            dead_letters: of_sources(|source| source.dead_letters),
            checkpoint: checkpoint.map(|c| c.number),
            checkpoint_age_ms: checkpoint.map(|c| age(c.completed_ms)),
            checkpoint_duration_us: checkpoint.map(|c| c.duration_us),
            checkpoint_bytes: checkpoint.map(|c| c.bytes),
            state_bytes: worker.map(|w| w.state_bytes),
            cpu_seconds: worker.map(|w| w.cpu_seconds),
            rss_bytes: worker.map(|w| w.rss_bytes),
            sources: sources.to_vec(),
            sinks: worker.map_or_else(Vec::new, |w| w.sinks.clone()),
        }
    }
}
