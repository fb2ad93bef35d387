//! The numbers of a run as metrics of the process.

use metrics::{counter, gauge};

use super::flow::{SinkStatus, SourceStatus};
use super::status::JobStatus;

/// Sets the metrics of `job` to `status`. Names and labels:
///
/// | metric | labels | unit |
/// |---|---|---|
/// | `millrace_job_rows_in_total`, `…_rows_out_total`, `…_late_rows_total` | job, operator | rows |
/// | `millrace_job_state_bytes` | job, operator | bytes in memory |
/// | `millrace_job_watermark_seconds` | job, operator | event time, seconds since the epoch |
/// | `millrace_job_source_rows_total`, `…_source_bytes_total` | job, source | rows, bytes read |
/// | `millrace_job_dead_letters_total` | job, source | rows that could not be decoded |
/// | `millrace_job_source_watermark_seconds` | job, source | event time, seconds since the epoch |
/// | `millrace_job_split_rows_total` | job, source, split | rows read |
/// | `millrace_job_split_lag_rows` | job, source, split | rows there and not read |
/// | `millrace_job_sink_rows_total`, `…_sink_bytes_total` | job, sink | rows, bytes written |
/// | `millrace_job_split_late_rows_total` | job, split | rows behind their split's watermark |
/// | `millrace_job_checkpoint_seconds`, `…_checkpoint_pause_seconds` | job | seconds |
/// | `millrace_job_checkpoint_bytes` | job | bytes added |
/// | `millrace_job_checkpoint_total_bytes` | job | bytes to restore |
/// | `millrace_job_checkpoint_number`, `…_generation` | job | count |
pub(crate) fn publish(job: &str, status: &JobStatus) {
    for (source, seen) in &status.sources {
        publish_source(job, source, seen);
    }
    for (sink, seen) in &status.sinks {
        publish_sink(job, sink, seen);
    }
    let job = || job.to_owned();
    for (operator, seen) in &status.operators {
        let (job, op) = (job(), operator.clone());
        counter!("millrace_job_rows_in_total", "job" => job.clone(), "operator" => op.clone())
            .absolute(seen.rows_in);
        counter!("millrace_job_rows_out_total", "job" => job.clone(), "operator" => op.clone())
            .absolute(seen.rows_out);
        counter!("millrace_job_late_rows_total", "job" => job.clone(), "operator" => op.clone())
            .absolute(seen.late);
        gauge!("millrace_job_state_bytes", "job" => job.clone(), "operator" => op.clone())
            .set(float(seen.state_bytes));
        if let Some(watermark) = seen.watermark {
            gauge!("millrace_job_watermark_seconds", "job" => job, "operator" => op)
                .set(seconds(watermark.max(0).unsigned_abs()));
        }
    }
    for (split, late) in &status.late_by_split {
        counter!("millrace_job_split_late_rows_total", "job" => job(), "split" => split.clone())
            .absolute(*late);
    }
    let checkpoint = &status.checkpoint;
    gauge!("millrace_job_checkpoint_seconds", "job" => job()).set(seconds(checkpoint.duration_us));
    gauge!("millrace_job_checkpoint_pause_seconds", "job" => job())
        .set(seconds(checkpoint.pause_us));
    gauge!("millrace_job_checkpoint_bytes", "job" => job()).set(float(checkpoint.written_bytes));
    gauge!("millrace_job_checkpoint_total_bytes", "job" => job())
        .set(float(checkpoint.total_bytes));
    gauge!("millrace_job_checkpoint_number", "job" => job()).set(float(checkpoint.number));
    gauge!("millrace_job_generation", "job" => job()).set(float(status.generation));
}

fn publish_source(job: &str, source: &str, seen: &SourceStatus) {
    let labels = || [("job", job.to_owned()), ("source", source.to_owned())];
    counter!("millrace_job_source_rows_total", &labels()).absolute(seen.rows_in);
    counter!("millrace_job_source_bytes_total", &labels()).absolute(seen.bytes_in);
    counter!("millrace_job_dead_letters_total", &labels()).absolute(seen.dead_letters);
    if let Some(watermark) = seen.watermark {
        gauge!("millrace_job_source_watermark_seconds", &labels())
            .set(seconds(watermark.max(0).unsigned_abs()));
    }
    for (split, seen) in &seen.splits {
        let [job, source] = labels();
        let labels = [job, source, ("split", split.clone())];
        counter!("millrace_job_split_rows_total", &labels).absolute(seen.rows_in);
        if let Some(lag) = seen.lag {
            gauge!("millrace_job_split_lag_rows", &labels).set(float(lag));
        }
    }
}

fn publish_sink(job: &str, sink: &str, seen: &SinkStatus) {
    let labels = [("job", job.to_owned()), ("sink", sink.to_owned())];
    counter!("millrace_job_sink_rows_total", &labels).absolute(seen.rows_out);
    counter!("millrace_job_sink_bytes_total", &labels).absolute(seen.bytes_out);
}

fn seconds(us: u64) -> f64 {
    std::time::Duration::from_micros(us).as_secs_f64()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is a float; sizes beyond 2^53 do not occur"
)]
fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
