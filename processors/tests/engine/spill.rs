//! State many times as large as the memory for it gives the same result.

use std::time::Duration;

use crate::shop::{QUERIES, Shop};
use millrace_plan::plan;
use millrace_processors::connector::MemorySink;
use millrace_processors::{Job, JobSettings};

/// Bytes of memory for all state: the least chunk of a table is larger than what a query keeps, so
/// that everything clean is on disk.
const MEMORY: usize = 1;

#[test]
fn every_operator_goes_on_with_its_state_on_disk() {
    for (seed, query) in QUERIES.iter().enumerate() {
        let seed = seed as u64;
        let shop = Shop::new(seed);
        let plan = plan(query.sql, &crate::shop::catalog(query)).unwrap();
        let out = MemorySink::new();
        let settings = JobSettings {
            parallelism: 2,
            checkpoint_interval: Some(Duration::from_millis(5)),
            state_memory: MEMORY,
            ..JobSettings::default()
        };
        let job = shop.sources(Job::new("shop", plan)).with_sink("out", out.clone());
        crate::sim::run(seed, &job.settings(settings));
        assert_eq!(query.lines(&out), query.expected(&shop), "{}", query.name);
    }
}
