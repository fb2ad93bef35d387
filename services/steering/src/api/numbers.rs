//! What requests count.

use metrics::{Counter, Histogram};

use crate::steer::Tier;

use super::gate::Priority;

/// Metrics of steering: name, type and labels, meaning.
pub const METRICS: [(&str, &str, &str); 10] = [
    ("millrace_steering_requests_total", "counter {outcome}", "Requests: answered, refused, shed."),
    ("millrace_steering_shed_total", "counter {priority}", "Requests refused for want of places."),
    ("millrace_steering_files_total", "counter {tier}", "Files by the first address's tier."),
    ("millrace_steering_stale_total", "counter", "Answers from health older than the deadline."),
    ("millrace_steering_seconds", "histogram", "From body to answer."),
    ("millrace_steering_rows_skipped_total", "counter {feed}", "Rows of feeds not taken."),
    ("millrace_steering_appliances", "gauge", "Appliances that some feed has mentioned."),
    ("millrace_steering_appliances_serving", "gauge", "Appliances that may serve."),
    ("millrace_steering_prefixes", "gauge", "Announced prefixes."),
    ("millrace_steering_files", "gauge", "Files that somebody holds."),
];

/// Handles, looked up once.
#[derive(Clone)]
pub(super) struct Numbers {
    pub(super) answered: Counter,
    pub(super) refused: Counter,
    shed: Counter,
    shed_playback: Counter,
    shed_prefetch: Counter,
    pub(super) stale: Counter,
    pub(super) seconds: Histogram,
    tiers: [Counter; 4],
    pub(super) nobody: Counter,
}

impl Numbers {
    pub(super) fn new() -> Self {
        for (name, kind, help) in METRICS {
            match kind.split(' ').next() {
                Some("counter") => metrics::describe_counter!(name, help),
                Some("histogram") => metrics::describe_histogram!(name, help),
                _ => metrics::describe_gauge!(name, help),
            }
        }
        let outcome =
            |outcome| metrics::counter!("millrace_steering_requests_total", "outcome" => outcome);
        let shed = |priority: Priority| {
            let priority = priority.name();
            metrics::counter!("millrace_steering_shed_total", "priority" => priority)
        };
        let tier = |tier| metrics::counter!("millrace_steering_files_total", "tier" => tier);
        Self {
            answered: outcome("answered"),
            refused: outcome("refused"),
            shed: outcome("shed"),
            shed_playback: shed(Priority::Playback),
            shed_prefetch: shed(Priority::Prefetch),
            stale: metrics::counter!("millrace_steering_stale_total"),
            seconds: metrics::histogram!("millrace_steering_seconds"),
            tiers: ["prefix", "as", "near", "anywhere"].map(tier),
            nobody: tier("nobody"),
        }
    }

    pub(super) fn shed(&self, priority: Priority) {
        self.shed.increment(1);
        match priority {
            Priority::Playback => self.shed_playback.increment(1),
            Priority::Prefetch => self.shed_prefetch.increment(1),
        }
    }

    pub(super) fn tier(&self, tier: Tier) {
        let index = match tier {
            Tier::Prefix(_) => 0,
            Tier::System => 1,
            Tier::Near(_) => 2,
            Tier::Anywhere => 3,
        };
        self.tiers[index].increment(1);
    }
}
