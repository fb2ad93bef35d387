//! The Prometheus recorder, its upkeep, and the lines added when it is read.

use std::fmt::Write;
use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use millrace_events::Budget;
use tokio_util::sync::CancellationToken;

use super::process;

/// Gauges of each memory budget, labelled `budget`: name and meaning.
pub const BUDGET_METRICS: [(&str, &str); 3] = [
    ("millrace_budget_used_bytes", "Bytes charged to the budget now."),
    ("millrace_budget_peak_bytes", "The most bytes ever charged at once."),
    ("millrace_budget_limit_bytes", "The budget's limit in bytes."),
];

/// Bounds of histograms named `*_seconds`: from an in-memory step to a commit over a slow link.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// Why metrics could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("cannot install the metrics recorder (is one installed already?): {0}")]
pub struct MetricsError(#[from] BuildError);

/// Installs the process-wide recorder for `metrics`. Once per process.
pub fn install_metrics() -> Result<PrometheusHandle, MetricsError> {
    let seconds = Matcher::Suffix("_seconds".to_owned());
    Ok(PrometheusBuilder::new().set_buckets_for_metric(seconds, &SECONDS)?.install_recorder()?)
}

/// Folds recorded samples together every five seconds until `stop`: without it they would pile up
/// when nobody reads `/metrics`. The caller owns the task this runs in.
pub async fn upkeep(handle: PrometheusHandle, stop: CancellationToken) {
    let mut tick = tokio::time::interval(Duration::from_secs(5));
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => handle.run_upkeep(),
        }
    }
}

/// Everything recorded, with the numbers of the process and of `budgets`, as Prometheus text.
pub fn render(handle: &PrometheusHandle, budgets: &[Budget]) -> String {
    let mut text = handle.render();
    process::render(&mut text);
    if budgets.is_empty() {
        return text;
    }
    for (metric, (name, help)) in BUDGET_METRICS.into_iter().enumerate() {
        head(&mut text, name, "gauge", help);
        for budget in budgets {
            let value = [budget.used(), budget.peak(), budget.limit()][metric];
            let label = budget.name().replace('\\', r"\\").replace('"', r#"\""#);
            let label = label.replace('\n', r"\n");
            let _ = writeln!(text, "{name}{{budget=\"{label}\"}} {value}");
        }
    }
    text
}

pub(super) fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}
