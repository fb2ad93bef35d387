//! A run that crashes anywhere, under any scheduling, gives the result of the batch.

use crate::shop::{QUERIES, Query, Shop};
use crate::sim::{FaultyStore, Trace};
use std::collections::BTreeSet;
use std::sync::Arc;

use object_store::path::Path;

use millrace_plan::plan;
use millrace_processors::connector::MemorySink;
use millrace_processors::{CheckpointStore, Job, JobSettings, JobStep};

/// Seeds that every run of the tests tries; `MILLRACE_SIM_SEEDS` asks for more or fewer.
const SEEDS: u64 = 1_000;

fn simulate(query: &Query, shop: &Shop, seed: u64) -> (Trace, MemorySink) {
    let plan = plan(query.sql, &crate::shop::catalog(query))
        .unwrap_or_else(|errors| panic!("{}: {}", query.name, errors[0]));
    let out = MemorySink::new();
    let parallelism = [1, 2, 3][usize::try_from(seed / 7 % 3).expect("below 3")];
    let settings = JobSettings { parallelism, ..JobSettings::default() };
    let store = CheckpointStore::new(Arc::new(FaultyStore::new(seed)), Path::from("job"));
    let job = Job::new("shop", plan).checkpoints(store);
    let job = shop.sources(job).with_sink("out", out.clone());
    (crate::sim::run(seed, &job.settings(settings)), out)
}

fn seeds() -> u64 {
    std::env::var("MILLRACE_SIM_SEEDS").map_or(SEEDS, |seeds| seeds.parse().expect("a number"))
}

#[test]
fn every_result_is_the_batch_result_whatever_crashes() {
    let (mut crashes, mut failures) = (0, 0);
    let mut crashed_at = BTreeSet::new();
    for seed in 0..seeds() {
        let query = &QUERIES[usize::try_from(seed).unwrap() % QUERIES.len()];
        let shop = Shop::new(seed / 50);
        let (trace, out) = simulate(query, &shop, seed);
        let expected = query.expected(&shop);
        assert!(!expected.is_empty(), "{} has a result", query.name);
        assert_eq!(query.lines(&out), expected, "seed {seed}: {}", query.name);
        let happened = |what: &str| trace.all().iter().filter(|s| s.starts_with(what)).count();
        crashes += happened("crash at");
        let all = trace.all();
        crashed_at
            .extend(all.iter().filter_map(|s| s.strip_prefix("crash at ")).map(str::to_owned));
        failures += happened("ended by");
    }
    if seeds() >= SEEDS {
        let steps: BTreeSet<String> = JobStep::ALL.iter().map(ToString::to_string).collect();
        assert_eq!(crashed_at, steps, "a crash at every step");
    }
    assert!(crashes as u64 > seeds() / 2, "the crashes are there: {crashes}");
    assert!(failures - crashes > crashes / 10, "and so are faults of the store: {failures}");
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [3, 17, 44] {
        let query = &QUERIES[usize::try_from(seed).unwrap() % QUERIES.len()];
        let shop = Shop::new(seed);
        let trace = || simulate(query, &shop, seed).0.all();
        assert_eq!(trace(), trace(), "seed {seed}");
    }
}
