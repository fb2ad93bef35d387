//! What a status becomes for those who scrape.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

use super::*;
use crate::SplitStatus;

/// Keeps the last value of each metric, gauges as the bits of a float.
#[derive(Debug, Default)]
struct Page(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

impl Page {
    fn cell(&self, key: &Key) -> Arc<AtomicU64> {
        let labels: Vec<_> = key.labels().map(|l| format!("{}={}", l.key(), l.value())).collect();
        let name = format!("{} {}", key.name(), labels.join(" "));
        Arc::clone(self.0.lock().unwrap().entry(name).or_default())
    }

    fn value(&self, name: &str) -> u64 {
        let page = self.0.lock().unwrap();
        let cell = page.get(name);
        cell.unwrap_or_else(|| panic!("no {name} in {page:#?}")).load(Ordering::Relaxed)
    }
}

impl Recorder for Page {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.cell(key))
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.cell(key))
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn what_flows_is_published_with_the_job_as_a_label() {
    let split = SplitStatus { rows_in: 7, lag: Some(12), ..SplitStatus::default() };
    let source = SourceStatus {
        rows_in: 10,
        bytes_in: 400,
        dead_letters: 2,
        watermark: Some(3_500_000),
        splits: [("plays/0".to_owned(), split)].into(),
        ..SourceStatus::default()
    };
    let sink = SinkStatus { rows_out: 5, bytes_out: 90 };
    let status = JobStatus {
        sources: [("source.plays".to_owned(), source)].into(),
        sinks: [("out".to_owned(), sink)].into(),
        ..JobStatus::default()
    };
    let page = Page::default();
    metrics::with_local_recorder(&page, || publish("daily", &status));
    let of_source = "job=daily source=source.plays";
    for (name, labels, value) in [
        ("source_rows_total", of_source.to_owned(), 10),
        ("source_bytes_total", of_source.to_owned(), 400),
        ("dead_letters_total", of_source.to_owned(), 2),
        ("source_watermark_seconds", of_source.to_owned(), 3.5_f64.to_bits()),
        ("split_rows_total", format!("{of_source} split=plays/0"), 7),
        ("split_lag_rows", format!("{of_source} split=plays/0"), 12_f64.to_bits()),
        ("sink_rows_total", "job=daily sink=out".to_owned(), 5),
        ("sink_bytes_total", "job=daily sink=out".to_owned(), 90),
    ] {
        assert_eq!(page.value(&format!("millrace_job_{name} {labels}")), value, "{name}");
    }
}
