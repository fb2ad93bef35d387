//! Dashboards and alerts name metrics that exist, and every metric of a job is on the dashboard.

use std::collections::BTreeSet;

use millrace_control::watch::METRICS;

const DASHBOARD: &str = include_str!("../../../deploy/monitoring/dashboard.json");
const ALERTS: &str = include_str!("../../../deploy/monitoring/alerts.yaml");

fn names_in(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("millrace_"))
        .collect()
}

#[test]
fn dashboards_and_alerts_name_only_metrics_that_are_emitted() {
    let emitted: BTreeSet<_> = METRICS.iter().map(|(name, ..)| *name).collect();
    for text in [DASHBOARD, ALERTS] {
        let named = names_in(text);
        assert!(!named.is_empty());
        assert_eq!(named.difference(&emitted).collect::<Vec<_>>(), Vec::<&&str>::new());
    }
}

#[test]
fn the_dashboard_shows_every_metric_but_the_version() {
    let named = names_in(DASHBOARD);
    let shown = |name: &&str| named.contains(name) || name.contains("version");
    let missing: Vec<_> = METRICS.iter().map(|m| m.0).filter(|name| !shown(name)).collect();
    // What goes in is shown in events and bytes, what goes out in rows.
    assert_eq!(missing, ["millrace_job_bytes_out_total"]);
}

#[test]
fn the_dashboard_is_json() {
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).expect("JSON");
    assert_eq!(dashboard["panels"].as_array().expect("a list").len(), 16);
}
