//! The numbers of a run as metrics of the process.

use metrics::{counter, gauge};

use super::status::JobStatus;

/// Sets the metrics of `job` to `status`. Names and labels:
///
/// | metric | labels | unit |
/// |---|---|---|
/// | `millrace_job_rows_in_total`, `…_rows_out_total`, `…_late_rows_total` | job, operator | rows |
/// | `millrace_job_state_bytes` | job, operator | bytes in memory |
/// | `millrace_job_watermark_seconds` | job, operator | event time, seconds since the epoch |
/// | `millrace_job_split_late_rows_total` | job, split | rows behind their split's watermark |
/// | `millrace_job_checkpoint_seconds`, `…_checkpoint_pause_seconds` | job | seconds |
/// | `millrace_job_checkpoint_bytes` | job | bytes added |
/// | `millrace_job_checkpoint_total_bytes` | job | bytes to restore |
/// | `millrace_job_checkpoint_number`, `…_generation` | job | count |
pub(crate) fn publish(job: &str, status: &JobStatus) {
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
            gauge!("millrace_job_watermark_seconds", "job" => job, "operator" => op).set(
                std::time::Duration::from_micros(watermark.max(0).unsigned_abs()).as_secs_f64(),
            );
        }
    }
    for (split, late) in &status.late_by_split {
        counter!("millrace_job_split_late_rows_total", "job" => job(), "split" => split.clone())
            .absolute(*late);
    }
    let checkpoint = &status.checkpoint;
    let seconds = |us| std::time::Duration::from_micros(us).as_secs_f64();
    gauge!("millrace_job_checkpoint_seconds", "job" => job()).set(seconds(checkpoint.duration_us));
    gauge!("millrace_job_checkpoint_pause_seconds", "job" => job())
        .set(seconds(checkpoint.pause_us));
    gauge!("millrace_job_checkpoint_bytes", "job" => job()).set(float(checkpoint.written_bytes));
    gauge!("millrace_job_checkpoint_total_bytes", "job" => job())
        .set(float(checkpoint.total_bytes));
    gauge!("millrace_job_checkpoint_number", "job" => job()).set(float(checkpoint.number));
    gauge!("millrace_job_generation", "job" => job()).set(float(status.generation));
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is a float; sizes beyond 2^53 do not occur"
)]
fn float(number: u64) -> f64 {
    number as f64
}
