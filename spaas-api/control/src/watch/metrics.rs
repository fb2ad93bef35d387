//! Jobs as Prometheus text.

use std::fmt::Write;

use super::JobNumbers;
use crate::model::JobPhase;

/// Whether a metric only grows within a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// It grows, and begins again with each run.
    Counter,
    /// It goes up and down.
    Gauge,
}

type Value = fn(&JobNumbers) -> Option<f64>;

/// Metrics of each job, with labels `namespace` and `job`: name, kind, meaning, value.
pub const METRICS: [(&str, MetricKind, &str, Value); 18] = {
    use MetricKind::{Counter, Gauge};
    [
        ("millrace_job_running", Gauge, "1 while a run of the job works.", |n| {
            Some(is(n, JobPhase::Running))
        }),
        ("millrace_job_failed", Gauge, "1 when the job will not be tried again.", |n| {
            Some(is(n, JobPhase::Failed))
        }),
        ("millrace_job_version", Gauge, "Version that runs.", |n| n.version.map(whole)),
        (
            "millrace_job_restarts_total",
            Counter,
            "Starts that nobody asked for, since the job was declared.",
            |n| Some(whole(n.restarts)),
        ),
        ("millrace_job_events_in_total", Counter, "Events read.", |n| n.events_in.map(count)),
        ("millrace_job_bytes_in_total", Counter, "Bytes read.", |n| n.bytes_in.map(count)),
        ("millrace_job_rows_out_total", Counter, "Rows written.", |n| n.rows_out.map(count)),
        ("millrace_job_bytes_out_total", Counter, "Bytes written.", |n| n.bytes_out.map(count)),
        ("millrace_job_lag_records", Gauge, "Records of the log still to be read.", |n| {
            n.lag.map(count)
        }),
        (
            "millrace_job_watermark_delay_seconds",
            Gauge,
            "How far the slowest watermark is behind the clock.",
            |n| n.watermark_delay_ms.map(seconds),
        ),
        (
            "millrace_job_checkpoint_duration_seconds",
            Gauge,
            "Time from barrier to manifest of the newest checkpoint.",
            |n| n.checkpoint_duration_us.map(|us| count(us) / 1e6),
        ),
        ("millrace_job_checkpoint_age_seconds", Gauge, "Age of the newest checkpoint.", |n| {
            n.checkpoint_age_ms.map(seconds)
        }),
        ("millrace_job_checkpoint_bytes", Gauge, "Bytes it takes to restore the job.", |n| {
            n.checkpoint_bytes.map(count)
        }),
        ("millrace_job_state_bytes", Gauge, "Bytes of state.", |n| n.state_bytes.map(count)),
        ("millrace_job_late_events_total", Counter, "Events that came too late.", |n| {
            n.late.map(count)
        }),
        ("millrace_job_dead_letters_total", Counter, "Records that could not be decoded.", |n| {
            n.dead_letters.map(count)
        }),
        ("millrace_job_cpu_seconds_total", Counter, "CPU time of the worker.", |n| n.cpu_seconds),
        ("millrace_job_memory_bytes", Gauge, "Memory of the worker.", |n| n.rss_bytes.map(count)),
    ]
};

fn is(numbers: &JobNumbers, phase: JobPhase) -> f64 {
    f64::from(u8::from(numbers.phase == Some(phase)))
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus has no other numbers")]
fn count(value: u64) -> f64 {
    value as f64
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus has no other numbers")]
fn whole(value: i64) -> f64 {
    value as f64
}

fn seconds(millis: i64) -> f64 {
    whole(millis) / 1e3
}

/// The metrics of `jobs` in Prometheus' text format. A number that is not known is left out.
pub fn render(jobs: &[JobNumbers]) -> String {
    let mut text = String::new();
    for (name, kind, help, value) in METRICS {
        let kind = match kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
        };
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for job in jobs {
            let Some(value) = value(job) else { continue };
            // Names are letters, digits, `_` and `-`: nothing to escape.
            let JobNumbers { namespace, job, .. } = job;
            let _ = writeln!(text, "{name}{{namespace=\"{namespace}\",job=\"{job}\"}} {value}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::JobStatus;
    use crate::worker::{CheckpointNumbers, SinkNumbers, SourceNumbers, WorkerPhase, WorkerStatus};

    fn status() -> JobStatus {
        let source = |name: &str, lag, watermark_ms| SourceNumbers {
            name: name.to_owned(),
            rows: 10,
            bytes: 100,
            lag,
            watermark_ms,
            late: 1,
            dead_letters: 2,
        };
        JobStatus {
            phase: JobPhase::Running,
            reason: None,
            observed_goal: 1,
            observed_generation: Some(3),
            run: Some("r".to_owned()),
            restarts: 4,
            failures: 0,
            next_start_ms: None,
            worker: Some(WorkerStatus {
                run: "r".to_owned(),
                pid: 1,
                phase: WorkerPhase::Running,
                at_ms: 9_000,
                sources: vec![source("a", Some(5), Some(7_000)), source("b", Some(6), Some(8_000))],
                sinks: vec![SinkNumbers {
                    name: "s".to_owned(),
                    rows: 7,
                    bytes: 70,
                    failing: None,
                }],
                checkpoint: CheckpointNumbers {
                    number: 2,
                    completed_ms: 8_500,
                    duration_us: 1_500,
                    bytes: 4_096,
                },
                state_bytes: 2_048,
                cpu_seconds: 0.5,
                rss_bytes: 1 << 20,
                last_failure: None,
            }),
        }
    }

    #[test]
    fn a_job_is_summed_up_over_its_sources_and_sinks() {
        let text = render(&[JobNumbers::of("shop", "plays", Some(&status()), 10_000)]);
        for line in [
            "millrace_job_events_in_total{namespace=\"shop\",job=\"plays\"} 20",
            "millrace_job_lag_records{namespace=\"shop\",job=\"plays\"} 11",
            "millrace_job_watermark_delay_seconds{namespace=\"shop\",job=\"plays\"} 3",
            "millrace_job_checkpoint_age_seconds{namespace=\"shop\",job=\"plays\"} 1.5",
            "millrace_job_checkpoint_duration_seconds{namespace=\"shop\",job=\"plays\"} 0.0015",
            "millrace_job_dead_letters_total{namespace=\"shop\",job=\"plays\"} 4",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let mut status = status();
        let worker = status.worker.as_mut().expect("it has one");
        worker.sources[0].lag = None;
        worker.checkpoint = CheckpointNumbers::default();
        let text = render(&[JobNumbers::of("shop", "plays", Some(&status), 10_000)]);
        for name in ["millrace_job_lag_records{", "millrace_job_checkpoint_age_seconds{"] {
            assert!(!text.contains(name), "{text}");
        }
        status.worker = None;
        let text = render(&[JobNumbers::of("shop", "plays", Some(&status), 10_000)]);
        assert!(text.contains("millrace_job_restarts_total{namespace=\"shop\",job=\"plays\"} 4"));
    }
}
