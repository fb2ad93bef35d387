//! The jobs while they work, a line each, on a terminal; nothing anywhere else.

use std::collections::BTreeMap;

use chrono::DateTime;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::api::JobNow;

/// What is shown.
pub(super) struct View {
    all: MultiProgress,
    lines: BTreeMap<String, Line>,
}

struct Line {
    bar: ProgressBar,
    /// Events read, and when.
    before: Option<(u64, i64)>,
}

impl View {
    pub(super) fn new() -> Self {
        Self { all: MultiProgress::new(), lines: BTreeMap::new() }
    }

    /// Shows `jobs` as they were at `at_ms`.
    pub(super) fn show(&mut self, at_ms: i64, jobs: &[JobNow]) {
        for job in jobs {
            let line = self.lines.entry(job.name.clone()).or_insert_with(|| {
                let style = ProgressStyle::with_template("  {prefix:<24} {msg}");
                let bar = self.all.add(ProgressBar::new_spinner());
                bar.set_style(style.expect("the template is right"));
                bar.set_prefix(job.name.clone());
                Line { bar, before: None }
            });
            line.bar.set_message(words(job, at_ms, line.before));
            line.before = job.events_in.map(|events| (events, at_ms));
        }
    }

    /// Takes the lines away.
    pub(super) fn clear(&self) {
        let _ = self.all.clear();
    }
}

fn words(job: &JobNow, at_ms: i64, before: Option<(u64, i64)>) -> String {
    let (Some(events), Some(rows)) = (job.events_in, job.rows_out) else {
        return job.phase.clone().unwrap_or_else(|| "declared".to_owned());
    };
    let rate = before.map_or(0, |(earlier, then)| {
        let elapsed_ms = u64::try_from(at_ms - then).unwrap_or(0).max(1);
        events.saturating_sub(earlier) * 1000 / elapsed_ms
    });
    let lag = job.lag.map_or_else(|| "?".to_owned(), |lag| lag.to_string());
    let watermark = job.watermark_delay_ms.and_then(|delay| {
        Some(DateTime::from_timestamp_millis(at_ms - delay)?.format("%F %R").to_string())
    });
    let watermark = watermark.unwrap_or_else(|| "none yet".to_owned());
    format!("{events:>7} in ({rate}/s), {rows:>6} out, lag {lag}, watermark {watermark}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_told_in_rates_lag_and_watermark() {
        let job = JobNow {
            name: "take-rate".to_owned(),
            phase: Some("running".to_owned()),
            reason: None,
            events_in: Some(3000),
            rows_out: Some(7),
            lag: Some(12),
            watermark_delay_ms: Some(60_000),
            checkpoint_age_ms: None,
        };
        let now = 1_574_553_600_000;
        let said = words(&job, now, Some((1000, now - 500)));
        assert_eq!(said, "   3000 in (4000/s),      7 out, lag 12, watermark 2019-11-23 23:59");
        let silent = JobNow { events_in: None, ..job };
        assert_eq!(words(&silent, now, None), "running");
    }
}
