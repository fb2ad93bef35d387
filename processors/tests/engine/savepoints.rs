//! A job that stops with a savepoint and goes on at another parallelism gives what it would have
//! given without stopping, whichever operator kept the state.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;

use crate::shop::{QUERIES, Query, Shop};
use millrace_plan::{JobPlan, plan};
use millrace_processors::connector::MemorySink;
use millrace_processors::{CheckpointStore, Job, JobSettings};

const RESCALES: [(usize, usize); 4] = [(1, 3), (3, 1), (2, 5), (2, 2)];

fn shop_plan(query: &Query, sql: &str) -> JobPlan {
    plan(sql, &crate::shop::catalog(query))
        .unwrap_or_else(|errors| panic!("{}: {}", query.name, errors[0]))
}

fn job(query: &Query, sql: &str, parallelism: usize, store: CheckpointStore) -> Job {
    let settings = JobSettings { parallelism, ..JobSettings::default() };
    Job::new("shop", shop_plan(query, sql)).settings(settings).checkpoints(store)
}

/// First half of the rows by `before`, savepoint, second half by `after` at another parallelism.
fn in_two_parts(query: &Query, after: &str, seed: u64, rescale: (usize, usize)) -> Vec<String> {
    let shop = Shop::new(seed);
    let disk: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let at = |path: &str| CheckpointStore::new(Arc::clone(&disk), Path::from(path));
    let out = MemorySink::new();
    let first = shop.sources_until(job(query, query.sql, rescale.0, at("first")), 60);
    crate::sim::run_to_savepoint(seed, &first.with_sink("out", out.clone()), &Path::from("saved"));
    let second = shop
        .sources(job(query, after, rescale.1, at("second")))
        .with_sink("out", out.clone())
        .from_savepoint(at("saved"));
    crate::sim::run(seed, &second);
    query.lines(&out)
}

fn in_one_part(query: &Query, seed: u64) -> Vec<String> {
    let out = MemorySink::new();
    let disk = Arc::new(InMemory::new());
    let store = CheckpointStore::new(disk, Path::default());
    let job = Shop::new(seed).sources(job(query, query.sql, 1, store));
    crate::sim::run(seed, &job.with_sink("out", out.clone()));
    query.lines(&out)
}

#[test]
fn the_same_query_goes_on_where_it_stopped() {
    for query in QUERIES {
        for (seed, rescale) in RESCALES.into_iter().enumerate() {
            let seed = seed as u64;
            let expected = in_one_part(query, seed);
            assert!(!expected.is_empty(), "{} has a result", query.name);
            let got = in_two_parts(query, query.sql, seed, rescale);
            assert_eq!(got, expected, "{} {rescale:?}", query.name);
        }
    }
}

#[test]
fn a_changed_query_that_keeps_its_state_goes_on_where_it_stopped() {
    for query in QUERIES {
        for (seed, rescale) in RESCALES.into_iter().enumerate() {
            let seed = seed as u64;
            let changed = format!("INSERT INTO out SELECT * FROM ({}) WHERE 1 = 1", query.select());
            let got = in_two_parts(query, &changed, seed, rescale);
            assert_eq!(got, in_one_part(query, seed), "{} {rescale:?}", query.name);
        }
    }
}
